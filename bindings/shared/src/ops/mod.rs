//! Operations of the contract, by name.
//!
//! Owns: the table from name to function. Must not know any body. Tested through the public
//! functions.

mod agents;
mod answer;
mod body;
#[cfg(feature = "testing")]
pub(crate) mod bridge;
mod call;
mod find;
pub(crate) mod inspect;
mod job;
mod keep;
mod node;
mod request;
pub(crate) mod spend;
mod stream;
pub(crate) mod switch;
mod table;
pub(crate) mod testing;

pub(crate) use agents::AgentEntry;
pub(crate) use job::Outcome;
pub(crate) use stream::{OpenStream, drop_handle as drop_stream};
pub(crate) use table::{dispatch, ends};

use job::Job;
use table::unknown;
