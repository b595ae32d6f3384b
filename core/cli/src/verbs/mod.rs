//! One file a verb.

mod answer;
mod audit;
mod budget;
mod call;
mod doctor;
mod expose;
mod find;
mod gateway;
mod id;
mod keep;
mod mesh;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "relay-server")]
mod relay;
mod run;
mod serve;
mod show;
mod status;
mod trace;
mod trust;
mod usage;

pub(crate) use run::run;
