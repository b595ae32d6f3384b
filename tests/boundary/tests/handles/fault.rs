//! Faults as far as handles and open operations know them.

use hubless_proto::{Error, Kind};

/// An error on its way to the program.
#[derive(Debug)]
pub(crate) struct Fault(pub(crate) Error);

pub(crate) type Result<T> = std::result::Result<T, Fault>;

impl Fault {
    pub(crate) fn invalid(field: &str, message: &str) -> Self {
        Self(Error::invalid(field, message))
    }

    pub(crate) fn closed(message: &str) -> Self {
        Self(Error::new(Kind::Closed, message))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self(error)
    }
}
