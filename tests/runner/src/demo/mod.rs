//! The main job: four agents in four languages make a report together (`tests/demo/DEMO.md`).

mod command;
mod figures;
mod place;
mod provider;
mod report;
mod run;
mod runaway;
mod session;
mod timeline;
mod told;
mod trips;

pub(crate) use run::{Options, run, test};
pub(crate) use trips::{Trips, measure as trips};
