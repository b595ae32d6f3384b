//! What people read: the commands of the guides are typed, what is deployed starts and stops, and
//! the references are made of the doc comments without a warning. The samples of a guide run with
//! the suite of its language.
//!
//! Owns: how a guide is held to what happens. Must not know: how guides are made (`guide`).

mod all;
mod console;
mod deploy;
mod reference;
mod samples;
mod unit;

pub(crate) use all::run;
pub(crate) use samples::run as samples_of;
