//! Many nodes with the real replica of the directory, in virtual time, on a network that loses,
//! repeats and delays messages and falls apart; nodes come, go, crash, and their clocks run apart.
//!
//! Everything follows from one seed: the same seed gives the same history. Records are claims
//! without signatures; all rules of records are those of `hubless-proto`.

mod acts;
pub mod chance;
pub mod check;
pub mod fault;
pub mod network;
pub mod node;
pub mod plan;
pub mod word;
pub mod world;
