//! A message together with the bytes it came as, so that passing it on loses nothing.

use super::decode::{Checked, decode};
use super::frame::{Frame, FrameType};
use crate::error::Result;
use bytes::Bytes;

/// A decoded message and its own bytes: fields that this version does not know stay in the bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Raw<T> {
    bytes: Bytes,
    value: T,
}

impl<T: Checked> Raw<T> {
    /// Decodes the body of a frame and keeps it.
    ///
    /// # Errors
    /// Those of [`decode`].
    pub fn decode(kind: FrameType, bytes: Bytes) -> Result<Self> {
        let value = decode(kind, bytes.clone())?;
        Ok(Self { bytes, value })
    }

    /// The message as it came, to be passed on.
    pub fn frame(&self, kind: FrameType) -> Frame {
        Frame { kind, body: self.bytes.clone() }
    }

    /// The message as this version reads it.
    pub const fn value(&self) -> &T {
        &self.value
    }

    /// Gives the bytes up.
    pub fn into_value(self) -> T {
        self.value
    }
}
