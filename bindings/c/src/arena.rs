//! Memory behind what the library shows to C: it moves never, and goes as one.

use crate::types::{hubless_bytes, hubless_str};
use bytes::Bytes;

/// Texts and bytes that pointers go into.
#[derive(Default)]
pub(crate) struct Arena {
    texts: Vec<Box<str>>,
    bytes: Vec<Bytes>,
}

impl Arena {
    /// Keeps a text; the result is good as long as the arena.
    pub(crate) fn text(&mut self, text: impl Into<Box<str>>) -> hubless_str {
        let text = text.into();
        let shown = hubless_str::of(&text);
        self.texts.push(text);
        shown
    }

    /// Keeps bytes; the result is good as long as the arena.
    pub(crate) fn bytes(&mut self, bytes: Bytes) -> hubless_bytes {
        let shown = hubless_bytes { data: bytes.as_ptr(), len: bytes.len() };
        self.bytes.push(bytes);
        shown
    }
}
