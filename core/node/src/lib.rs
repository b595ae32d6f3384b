//! Let agents that exist find each other and talk directly.
//!
//! A [`Node`] joins this user's mesh on this machine with nothing to configure; agents register
//! with it and are found and asked by every other node, with no hub.
#![forbid(unsafe_code)]

pub mod audit;
mod back_off;
pub mod budget;
pub mod call;
mod caller;
mod chance;
mod engine;
pub mod executor;
pub mod foreign;
pub mod home;
pub mod keys;
mod link;
pub mod membership;
pub mod mesh;
#[cfg(test)]
mod meter;
pub mod node;
pub mod relay;
mod runtime;
mod schemas;
pub mod spans;
pub mod store;
pub mod telemetry;
pub mod testing;
pub mod till;
mod turn;
pub mod usage;
pub mod web;

pub use call::body::{Bodies, Body, BodyWriter, body};
pub use call::content::Content;
pub use call::handle::{Call, Inbound, Parent};
pub use foreign::Handler;
pub use hubless_proto::{Error, Kind, error::Result};
pub use node::{
    Agent, AgentOptions, FindOptions, Found, Node, NodeOptions, Reply, RequestOptions, StreamItem,
    handler,
};
