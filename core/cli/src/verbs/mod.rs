//! One file a verb.

mod answer;
mod call;
mod doctor;
mod find;
mod id;
mod keep;
mod mesh;
mod run;
mod serve;
mod show;
mod status;

pub(crate) use run::run;
