//! Nodes of the same user on the same machine, through files.
//!
//! Each running node has a record file, replaced whole, and a lock file that it holds as long as
//! it lives; a record whose lock can be taken, or is missing, is of a dead process, and whoever
//! finds it removes both. Owns: these files and the watch over them. Must not know: what a record
//! says; it is untrusted input until its reader opens it. Tested here and, with processes that
//! are killed, in `tests/mesh`.

mod folder;
mod presence;
mod watch;

#[cfg(test)]
mod room_tests;
#[cfg(test)]
mod tests;

pub(crate) use folder::records;
pub(crate) use presence::Presence;
pub(crate) use watch::{Sighting, watch};
