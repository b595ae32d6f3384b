//! Budgets over simulated networks of ledgers: the rules one by one, and the invariants in random
//! histories.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bounds;
mod history;
mod invariants;
mod leases;
mod messages;
mod provider;
mod rules;
mod times;
mod world;
