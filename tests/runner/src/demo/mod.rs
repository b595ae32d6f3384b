//! The main job: four agents in four languages make a report together (`tests/demo/DEMO.md`).

mod figures;
mod place;
mod report;
mod run;
mod session;
mod timeline;

pub(crate) use run::{Options, run, test};
