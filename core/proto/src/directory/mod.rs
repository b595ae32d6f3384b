//! What this node knows of the agents of its mesh, and who hosts them.
//!
//! Owns: which record wins, when it ends, quotas of what others announce, the indexes by id, name,
//! address and words, ranking, watchers. A pure machine: announcements and time go in, answers
//! and changes come out. Must not know: connections, files, clocks, who asks. Tested by the rules
//! of records one by one, by properties against a naive model, and at 10,000 agents.

mod announce;
mod documents;
mod entry;
mod find;
mod index;
mod past;
mod quota;
pub mod replica;
mod resolve;
mod state;
mod watch;
mod zones;

#[cfg(test)]
mod tests;

pub use announce::{Announced, Refused, Source};
pub use find::Found;
pub(crate) use resolve::ambiguous;
pub use state::Directory;
pub use watch::{WatchEvent, WatchId};
pub use zones::zones_within;
