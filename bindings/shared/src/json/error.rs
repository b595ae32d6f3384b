//! The JSON form of an error (contract, section 6).

use hubless_proto::Error;
use hubless_proto::error::Form;
use serde::{Serialize, Serializer};

/// Shows an error as the contract's Error.
pub(crate) struct ErrorJson(pub(crate) Error);

impl Serialize for ErrorJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form(&self.0).serialize(serializer)
    }
}
