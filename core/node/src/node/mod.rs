//! The SDK: one node, its agents, what it can ask of others. Owns: the surface that programs and
//! bindings use. Must not know: bytes of the wire, or connections. Tested beside each part.

mod agents;
mod announce;
mod announcer;
mod calls;
#[cfg(test)]
mod choice_tests;
mod documents;
mod file;
mod found;
mod funds;
mod handler;
mod host;
mod keep;
pub(crate) mod lifecycle;
mod loads;
mod membership;
mod meshed;
mod operator;
mod options;
mod prepare;
mod publish;
mod reach;
pub(crate) mod read;
mod request;
mod resolve;
mod returns;
mod search;
mod serve;
mod shown;
mod silent;
mod stores;
mod stream;
mod templates;
mod trace;
mod watching;
mod world;

pub use agents::Agent;
pub use found::{
    Change, Description, FindOptions, Found, Loaded, NodeStatus, PeerView, Scope, SignalPart,
};
pub use handler::handler;
pub use hubless_proto::query::Health;
pub use lifecycle::Node;
pub use membership::{InviteOptions, RevokeReport, invite, join, join_by};
pub use options::{
    AgentFlags, AgentOptions, Concurrency, Identity, Listen, NodeOptions, SkillOptions,
};
pub use request::{
    AgentRequest, Answerer, Path, Reply, RequestOptions, Response, RetryKind, RetryPolicy,
    StreamItem, Target,
};
pub use serve::{EndSignals, ServeOptions};
pub use shown::{ModelForm, NodeCounts, TimingForm, UsageForm};
pub use stores::{Credentials, Pin, Pins, Secret};
pub use stream::{CallStream, Discovery, Watch};
pub use templates::Templates;
