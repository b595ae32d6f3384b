//! One operation while it runs, and what it ends with.

use crate::json::shown::Outlet;
use crate::session::Session;
use bytes::Bytes;
use hubless_proto::Error;
use hubless_proto::error::Result;
use serde::Serialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a `done` event carries.
pub(crate) struct Outcome {
    pub(crate) body: Vec<u8>,
    pub(crate) attachments: Vec<Bytes>,
    /// Handles that a host does not want which gave the operation up.
    pub(crate) opened: Vec<u64>,
    /// Happens once the event is queued.
    pub(crate) then: Option<Box<dyn FnOnce() + Send>>,
}

impl Outcome {
    /// Nothing to say.
    pub(crate) fn empty() -> Self {
        Self { body: b"{}".to_vec(), attachments: Vec::new(), opened: Vec::new(), then: None }
    }

    /// A body without attachments.
    pub(crate) fn of(body: &impl Serialize) -> Self {
        Self::with(body, Vec::new())
    }

    /// A body with the attachments that it names.
    pub(crate) fn with(body: &impl Serialize, attachments: Vec<Bytes>) -> Self {
        let body = crate::json::encode(body);
        Self { body, attachments, opened: Vec::new(), then: None }
    }

    /// A body with what was shown in it.
    pub(crate) fn shown(body: &impl Serialize, outlet: Outlet<'_>) -> Self {
        let (attachments, opened) = outlet.into_parts();
        Self::with(body, attachments).opening(opened)
    }

    /// The same, with the handles that it opened.
    pub(crate) fn opening(self, opened: Vec<u64>) -> Self {
        Self { opened, ..self }
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
