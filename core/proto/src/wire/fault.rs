//! The error for bytes that are no message.

use crate::error::{Error, Kind, Retry};

pub(crate) fn bad_frame(message: impl Into<String>) -> Error {
    Error::new(Kind::Transport, message).with_code("bad_frame").with_retry(Retry::Never)
}
