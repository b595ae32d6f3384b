//! The accounts of a gateway: what was paid below each link and each root, and what is set aside.
//!
//! Owns: whether a call may be paid, and what is written down of it. A pure machine: verified
//! chains, amounts and time go in; verdicts and rows come out, and no call may begin before its
//! rows are durable (SPEC 04, R1, R2). Must not know: files, connections, prices. A reservation
//! counts in full until it is committed; one that was open at a crash is committed at its most.
//! Tested by properties over trees of links, with what is paid counted outside.

mod account;
mod accounts;
mod ends;
#[cfg(test)]
mod ends_tests;
mod keep;
mod places;
mod row;
#[cfg(test)]
mod row_tests;

#[cfg(test)]
mod tests;

pub use account::{AccountView, Root, Served};
pub use accounts::{Committed, ReservationId, Till};
pub use ends::{Paid, over};
pub use row::{Row, RowKey, Write};
