//! What stands before the HTTP library: bytes of HTTP/1.1 are looked at strictly, and times are
//! kept.
//!
//! Owns: what is no request that is taken, where one request ends and the next begins, the times of
//! a silent peer, and of one that takes nothing. Must not know: what is asked. Tested beside the
//! code, byte by byte, and over real sockets.

mod frames;
mod framing;
mod head;
mod stream;
mod taken;

pub(super) use framing::requests;
pub(super) use head::Refusal;
pub(super) use stream::{Gate, Times};
pub(super) use taken::Taken;
