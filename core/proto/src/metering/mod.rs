//! Metering of a provider's model calls: what a request may cost at most, who may pay for it, and
//! what was paid (SPEC 04, "Metering gateway").
//!
//! Owns: the price table, the upper bound of a request's price, keys that are narrowed link by
//! link, the accounts of a till, what a node and a gateway say to each other. Must not know:
//! connections, files, clocks, the provider's key.
//! Tested beside each part, the accounts by properties over trees of links whose spending is
//! counted outside.

pub mod bound;
pub mod chain;
mod micros;
pub mod prices;
pub mod till;
mod usage;
pub mod word;

pub use micros::Micros;
pub use usage::Usage;
