//! What stands before the HTTP/1.1 library: bytes are looked at strictly, and times are kept.
//!
//! Owns: what is no request that is taken, where one request ends and the next begins, the times
//! of a silent peer. Must not know: what is asked. Tested beside the code, byte by byte, and over
//! real sockets.

mod framing;
mod head;
mod stream;

pub(super) use framing::requests;
pub(super) use head::Refusal;
pub(super) use stream::{Gate, Times};
