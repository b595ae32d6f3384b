//! Nodes of several homes, over loopback: what each comes to know, and what it does not take.

mod chain;
mod elsewhere;
mod folder;
mod older;
mod refused;
mod restarted;
mod support;

pub(super) use support::One;
