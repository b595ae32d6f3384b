//! Any program over stdio as an agent: one JSON message a line, at most 1 MiB.
//!
//! To the child: `{"request": Request}`, and `{"id", "toolResult" | "input" | "cancel"}`.
//! From the child: `{"id", "event": Event}`, and first, if it wants, `{"descriptor": {…}}`.
//! Blobs are inline as base64. Messages are in the JSON form of the wire.

//! `cancel` says that nobody waits for the call any more; a program that is told and leaves it
//! unread for 2 s is ended, with its process group. So is one that writes 16 lines that are no
//! frames, or one line that is too long. What ends is started again, with back-off.

mod agent;
mod bridge;
mod child;
mod launch;
mod line;
mod options;
mod route;
mod stdin;

pub use agent::StdioAgent;
pub use launch::{LAUNCH, launch};
pub use options::StdioOptions;

/// Reads a line as a child may print it; true: it is a message.
///
/// For those who test readers of what others send.
pub fn is_message(line: &str) -> bool {
    line::read(line).is_ok()
}
