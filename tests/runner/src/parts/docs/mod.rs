//! What people read: each sample of the guides runs, what is deployed starts and stops, and the
//! references are made of the doc comments without a warning.
//!
//! Owns: how a guide is held to what happens. Must not know: how guides are made (`guide`).

mod all;
mod console;
mod deploy;
mod reference;
mod samples;
mod unit;

pub(crate) use all::run;
