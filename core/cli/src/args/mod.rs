//! What the command line looks like.
//!
//! Owns: verbs, flags and their help. Must not know: what a verb does. Tested by `core/cli/tests`.

mod expose;
mod kept;
mod line;
#[cfg(feature = "relay-server")]
mod relay;
mod root;

pub(crate) use expose::{Expose, ExposeGateway, Http};
pub(crate) use kept::{Budget, Id, Invite, Pin, Secret, Trust};
pub(crate) use line::{
    Arguments, Audit, AuditShow, Call, Config, Find, Gateway, Global, Serve, Verb,
};
#[cfg(feature = "relay-server")]
pub(crate) use relay::{Relay, RelayServe};
pub(crate) use root::GatewayRoot;
