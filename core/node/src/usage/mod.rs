//! What calls used, summed by who asked, which agent answered and which skill it was.
//!
//! Owns: the sums of a running node, and reading those of a data folder. Must not know: how a call
//! runs, or what a budget is. A call counts at the node that handled it, once its handler has run:
//! with what the handler reported, or with all that it was granted when it reported nothing. The
//! sums are written a second after they change at the latest, and at the end of the node.
//! Tested beside each part, and by the command (`core/cli/tests/budget.rs`).

mod read;
mod sums;
mod tally;

pub use read::of_home;
pub use sums::{By, UsageRow, Used};
pub(crate) use tally::Tally;
