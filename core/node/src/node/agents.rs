//! Registering agents, and the handle of one.

use super::lifecycle::{Inner, Node};
use super::options::AgentOptions;
use super::request::RequestOptions;
use crate::foreign::Handler;
use hubless_proto::error::{Error, Result};
use hubless_proto::identity::{Address, AgentId};
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// An agent that lives in this node. Dropping the handle leaves it registered.
#[derive(Clone)]
pub struct Agent {
    pub(super) node: Weak<Inner>,
    pub(super) id: AgentId,
    pub(super) serial: u64,
    pub(super) name: String,
    pub(super) address: Address,
}

impl Node {
    /// Registers an agent; it can be found when this returns.
    ///
    /// # Errors
    /// `conflict` (`name_taken`) for a name in use, or a stored identity in use elsewhere;
    /// `configuration` when it needs what this version or its set-up lacks; `too_large` when its
    /// descriptor cannot fit; `invalid_argument` naming the field.
    ///
    /// # Cancellation
    /// The agent may or may not be registered.
    pub async fn register(
        &self,
        options: AgentOptions,
        handler: Arc<dyn Handler>,
    ) -> Result<Agent> {
        let _ = (options, handler);
        Err(Error::new(hubless_proto::Kind::Unsupported, "not built"))
    }

    /// Runs the checks of a hosted agent on a request, without calling it.
    ///
    /// # Errors
    /// `not_found` when no such agent lives here; a refusal is the inner error.
    pub async fn check(&self, agent: AgentId, request: RequestOptions) -> Result<Option<Error>> {
        let _ = (agent, request);
        Err(Error::new(hubless_proto::Kind::Unsupported, "not built"))
    }
}

impl Agent {
    /// Its id.
    pub const fn id(&self) -> AgentId {
        self.id
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its short address.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// Takes it out: new calls are refused at once, running ones may end within `grace` and are
    /// cancelled then.
    ///
    /// # Errors
    /// `closed` when the node is closed; `not_found` when it is out already.
    ///
    /// # Cancellation
    /// It is out; running calls are left alone.
    pub async fn unregister(&self, grace: Duration) -> Result<()> {
        let _ = (&self.node, self.serial, grace);
        Err(Error::new(hubless_proto::Kind::Unsupported, "not built"))
    }
}

impl fmt::Debug for Agent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Agent").field("name", &self.name).field("id", &self.id).finish()
    }
}
