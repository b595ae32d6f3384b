//! Every interleaving of small networks of ledgers: the machine that is checked is the one that
//! runs, and what is spent is counted beside it.
//!
//! `plan` says who calls whom and what may happen, `local` moves one node, `world` is one
//! state of all and what was really spent, `model` moves it, `alone` says which steps need not be
//! taken in every order, `liar` is what a dishonest node can say, `check` says what must hold,
//! `plans` names the configurations. `tests/models.rs` exhausts them, `tests/orders.rs` compares
//! what is seen in every order and in some; `tests/faults.rs`, built with one planted fault at a
//! time, demands that it is found.
#![allow(clippy::unwrap_used, reason = "a model that cannot go on fails")]

mod alone;
pub mod check;
mod liar;
pub mod local;
pub mod model;
pub mod plan;
pub mod plans;
pub mod world;

#[cfg(not(feature = "planted"))]
pub use hubless_proto::killswitch;
#[cfg(feature = "planted")]
use hubless_proto::{error, identity, limits, wire};

/// The ledger with a fault in it.
#[cfg(feature = "planted")]
#[path = "../../../core/proto/src/killswitch/mod.rs"]
#[allow(dead_code, unused_imports, missing_docs, reason = "hubless-proto's own lints hold there")]
pub mod killswitch;
