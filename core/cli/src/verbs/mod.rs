//! One file a verb.

mod call;
mod doctor;
mod find;
mod id;
mod keep;
mod mesh;
mod run;
mod serve;
mod status;

pub(crate) use run::run;
