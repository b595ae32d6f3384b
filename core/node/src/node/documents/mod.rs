//! Skill documents that queries with `accepts` have to know, fetched from the nodes that host the
//! agents.
//!
//! Owns: which are being fetched, how many at once and of whom, when one that was not to be had is
//! asked for again, and how long a query waits for them. Must not know: what a query asks. Tested
//! beside it, and over connections in `tests/two_nodes`.

mod fetch;
mod table;
#[cfg(test)]
mod tests;
mod wants;

pub(super) use fetch::Documents;
pub(super) use wants::Wants;
