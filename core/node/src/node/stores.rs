//! Templates, credentials and pins of a node.

use crate::foreign::CredentialProvider;
use crate::home::Home;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::AgentId;
use hubless_proto::wire::v1;
use serde_json::Value;
use std::sync::Arc;

/// Named templates of requests; kept in memory.
#[derive(Debug, Default)]
pub struct Templates {}

impl Templates {
    /// Keeps a template: content, context, auth, schemas, tools, metadata in the JSON form of a
    /// request.
    ///
    /// # Errors
    /// `invalid_argument` naming a field that a template cannot hold; `too_large` beyond 1,000.
    pub fn set(&self, name: &str, template: Value) -> Result<()> {
        let _ = (name, template);
        Err(Error::new(Kind::Unsupported, "not built"))
    }

    /// Forgets one; true: there was one.
    pub fn remove(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Their names, in order.
    pub fn list(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What a credential is.
#[derive(Clone)]
pub enum Secret {
    /// Given once.
    Plain(v1::Auth),
    /// Asked for each time.
    Provider(Arc<dyn CredentialProvider>),
}

/// Credentials by target: an agent id, a mesh id or a URL origin; the longest match counts.
#[derive(Default)]
pub struct Credentials {}

impl Credentials {
    /// Keeps a credential for a target.
    ///
    /// # Errors
    /// `invalid_argument` for a target that is no id; `too_large` beyond 1,000.
    pub fn set(&self, target: &str, secret: Secret) -> Result<()> {
        let _ = (target, secret);
        Err(Error::new(Kind::Unsupported, "not built"))
    }

    /// Forgets one; true: there was one.
    pub fn remove(&self, target: &str) -> bool {
        let _ = target;
        false
    }

    /// Their targets, in order.
    pub fn list(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Names that stand for one key for ever; kept in the data folder.
#[derive(Debug)]
pub struct Pins {
    home: Home,
}

/// One pinned name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// The name.
    pub name: String,
    /// The only agent that may answer to it.
    pub agent_id: AgentId,
}

impl Pins {
    /// The pins of a home.
    pub const fn of(home: Home) -> Self {
        Self { home }
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// `configuration` for a file that cannot be read.
    pub fn list(&self) -> Result<Vec<Pin>> {
        let _ = &self.home;
        Err(Error::new(Kind::Unsupported, "not built"))
    }

    /// Pins a name, whatever it was pinned to.
    ///
    /// # Errors
    /// `invalid_argument` for what is no name; `configuration` for a file that cannot be written.
    pub fn set(&self, name: &str, agent: AgentId) -> Result<()> {
        let _ = (name, agent);
        Err(Error::new(Kind::Unsupported, "not built"))
    }

    /// Forgets a pin; true: there was one.
    ///
    /// # Errors
    /// `configuration` for a file that cannot be written.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let _ = name;
        Err(Error::new(Kind::Unsupported, "not built"))
    }
}
