//! The protocol of Hubless as pure values: what is true, whatever carries it.
//!
//! Nothing here opens a socket or a file, reads a clock or draws a random number: time and chance
//! are parameters. A module uses only those of lower steps:
//! `error`, `limits` → `identity` → `wire` → `killswitch` → `audit`, `metering`, `policy`,
//! `query` → `directory` → `registry` →
//! `vectors` (for tests).
#![forbid(unsafe_code)]

pub mod audit;
pub mod directory;
pub mod error;
pub mod fields;
pub mod identity;
pub mod killswitch;
pub mod limits;
pub mod memo;
pub mod metering;
pub mod policy;
pub mod query;
pub mod registry;
pub mod schema;
pub mod template;
pub mod tokens;
#[cfg(feature = "testing")]
pub mod vectors;
pub mod wire;

pub use error::{Error, Kind};
