//! Budgets over simulated networks of ledgers: the rules one by one, and the invariants in random
//! histories.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod beacons;
mod bounds;
mod codes;
mod detached;
mod history;
mod holders;
mod invariants;
mod leases;
mod messages;
mod operator;
mod overruns;
mod provider;
mod receipts;
mod restored;
mod rules;
mod strict;
mod strict_bounds;
mod times;
mod world;
