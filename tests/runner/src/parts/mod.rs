//! The parts of `cargo verify`: what each runs, and the table that names them.

mod boundary;
mod conformance;
mod docs;
mod endurance;
mod fresh;
pub(crate) mod install;
mod killswitch;
mod lanes;
mod languages;
mod large;
mod lint;
mod long;
mod memory;
mod metered;
mod network;
mod nightly;
mod rust;
mod simulation;
mod sources;
mod table;
mod trace;

pub(crate) use table::verify;
