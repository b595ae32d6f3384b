//! Operations of the contract, by name.
//!
//! Owns: the table from name to function. Must not know any body. Tested through the public
//! functions.

mod agents;
mod answer;
mod body;
mod call;
mod find;
mod keep;
mod node;
mod request;
mod stream;

pub(crate) use agents::AgentEntry;
pub(crate) use stream::OpenStream;

use crate::session::{Operation, Session};
use bytes::Bytes;
use hubless_proto::error::Result;
use hubless_proto::{Error, Kind};
use serde::Serialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a `done` event carries.
pub(crate) struct Outcome {
    pub(crate) body: Vec<u8>,
    pub(crate) attachments: Vec<Bytes>,
    /// Happens once the event is queued.
    pub(crate) then: Option<Box<dyn FnOnce() + Send>>,
}

impl Outcome {
    /// Nothing to say.
    pub(crate) fn empty() -> Self {
        Self { body: b"{}".to_vec(), attachments: Vec::new(), then: None }
    }

    /// A body without attachments.
    pub(crate) fn of(body: &impl Serialize) -> Self {
        Self::with(body, Vec::new())
    }

    /// A body with the attachments that it names.
    pub(crate) fn with(body: &impl Serialize, attachments: Vec<Bytes>) -> Self {
        Self { body: crate::json::encode(body), attachments, then: None }
    }
}

/// One operation while it runs.
pub(crate) struct Job<'a> {
    pub(crate) session: &'a Arc<Session>,
    pub(crate) ticket: u64,
    pub(crate) body: Bytes,
    pub(crate) attachments: Vec<Bytes>,
}

/// Operations up to this size run on the host's thread until they wait.
const LIGHT_BYTES: usize = 32 * 1024;

impl Job<'_> {
    /// Reads the body.
    ///
    /// # Errors
    /// As `json::parse::body`.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        crate::json::parse::body(&self.body)
    }

    /// Refuses a body with a field that is none of `names`.
    ///
    /// # Errors
    /// `invalid_argument` that names the field.
    pub(crate) fn only(&self, names: &[&str]) -> Result<()> {
        let fields: BTreeMap<&str, IgnoredAny> = crate::json::parse::body(&self.body)?;
        match fields.keys().find(|field| !names.contains(*field)) {
            Some(field) => Err(Error::invalid(field, "expected a field of this operation")),
            None => Ok(()),
        }
    }

    /// True when the body has this field.
    ///
    /// # Errors
    /// As `read`.
    pub(crate) fn has(&self, name: &str) -> Result<bool> {
        let fields: BTreeMap<&str, IgnoredAny> = crate::json::parse::body(&self.body)?;
        Ok(fields.contains_key(name))
    }

    /// Moves the rest of a heavy operation off the host's thread.
    pub(crate) async fn leave_host(&self) {
        let size = self.attachments.iter().fold(self.body.len(), |sum, a| sum + a.len());
        if size > LIGHT_BYTES {
            tokio::task::yield_now().await;
        }
    }
}

/// Runs one operation.
///
/// # Errors
/// `invalid_argument` with field `op` for an unknown one; what the operation says, with its name.
pub(crate) async fn dispatch(session: &Arc<Session>, operation: Operation) -> Result<Outcome> {
    let Operation { ticket, name, body, attachments } = operation;
    let job = Job { session, ticket, body, attachments };
    let group = name.split('.').next().unwrap_or_default();
    let result = match group {
        "call" => call::run(job, &name).await,
        "body" => body::run(job, &name).await,
        "tool" | "input" | "auth" | "count" | "credential" if is_answer(&name) => {
            answer::run(job, &name).await
        }
        "template" | "credential" | "pin" | "auth" => keep::run(job, &name).await,
        "node" | "invite" | "join" => node::run(job, &name).await,
        "stream" => stream::run(job, &name).await,
        "request" | "send" | "check" => request::run(job, &name).await,
        "register" | "unregister" | "listAgents" | "loadAgents" | "describe" => {
            agents::run(job, &name).await
        }
        "find" | "peer" | "discover" | "watch" => find::run(job, &name).await,
        _ => unknown(&name),
    };
    result.map_err(|error| error.with_operation(&name))
}

fn is_answer(name: &str) -> bool {
    !matches!(name, "credential.set" | "credential.remove" | "auth.global")
}

/// Refuses an operation that the contract does not have.
///
/// # Errors
/// Always.
pub(crate) fn unknown(name: &str) -> Result<Outcome> {
    let message = format!("expected an operation of the contract, got {name:?}");
    Err(Error::new(Kind::InvalidArgument, message).with_field("op"))
}
