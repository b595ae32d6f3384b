//! The SDK: one node, its agents, and what it can ask of others.
//!
//! Owns: the surface that programs and bindings use. Must not know: bytes of the wire, or how a
//! connection is made. Tested in process beside each part, and between processes in `tests/mesh`.

mod agents;
mod calls;
mod found;
mod lifecycle;
mod options;
pub(crate) mod read;
mod request;
mod search;
mod stores;
mod stream;

pub use agents::Agent;
pub use found::{
    Change, Description, FindOptions, Found, Loaded, NodeStatus, PeerView, Scope, SignalPart,
};
pub use lifecycle::{InviteOptions, Node, join};
pub use options::{
    AgentFlags, AgentOptions, Concurrency, Identity, Listen, NodeOptions, SkillOptions,
};
pub use request::{
    AgentRequest, Answerer, Path, Reply, RequestOptions, Response, RetryKind, RetryPolicy,
    StreamItem, Target,
};
pub use stores::{Credentials, Pin, Pins, Secret, Templates};
pub use stream::{CallStream, Discovery, Watch};
