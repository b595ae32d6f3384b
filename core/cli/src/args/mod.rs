//! What the command line looks like.
//!
//! Owns: verbs, flags and their help. Must not know: what a verb does. Tested by `core/cli/tests`.

mod expose;
mod kept;
mod line;
mod root;

pub(crate) use expose::{Expose, ExposeGateway, Http};
pub(crate) use kept::{Budget, Id, Invite, Pin, Secret, Trust};
pub(crate) use line::{
    Arguments, Audit, AuditShow, Call, Config, Find, Gateway, Global, Serve, Verb,
};
pub(crate) use root::GatewayRoot;
