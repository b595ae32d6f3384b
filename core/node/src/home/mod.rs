//! The folders of a user: keys and settings that stay, records that live as long as a process.
//!
//! Owns: where the folders are, their safety, atomic and private files, locks. Must not know what
//! the files say. Tested beside each part; races between processes in `tests/mesh`.

mod files;
mod folders;
mod lock;

pub use files::{read_private, remove, replace, write_new};
pub use folders::{Folders, Home};
pub use lock::{Lock, fork_over, forked, forking};

pub(crate) use files::{check_private, io_error, replace_volatile};
