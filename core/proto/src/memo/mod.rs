//! What a callee's node remembers: running and ended requests, idempotent outcomes, dialogues.
//!
//! Owns: bounded memories with an end. Must not know: what an outcome is (it is a type of the
//! driver), sockets, clocks. Tested by tables and by reaching each bound.

mod conversations;
mod digest;
mod memory;

pub use conversations::{ConversationKey, Conversations};
pub use digest::request_digest;
pub use memory::{Begin, CallKey, Duplicates, Idempotency, IdempotencyKey};
