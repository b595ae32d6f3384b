//! A node from its start to its end.

use super::found::NodeStatus;
use super::options::NodeOptions;
use super::stores::{Credentials, Pins, Templates};
use crate::foreign::Authenticator;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{MeshId, NodeKey};
use hubless_proto::policy::AuthRule;
use serde::Deserialize;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// One process's presence in a mesh; cheap to clone. Dropping the last clone ends it at once,
/// [`Node::close`] ends it in good order.
#[derive(Clone)]
pub struct Node {
    pub(super) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(super) key: NodeKey,
    pub(super) mesh_id: MeshId,
    pub(super) templates: Templates,
    pub(super) credentials: Credentials,
    pub(super) pins: Pins,
}

impl Node {
    /// Starts a node and joins this user's mesh on this machine, or the one that is named.
    ///
    /// # Errors
    /// `configuration` for folders, keys or ports that cannot be used; `invalid_argument` naming
    /// the option; `closed` (`forked`) in a forked child.
    ///
    /// # Cancellation
    /// Nothing is left behind but keys.
    pub async fn start(options: NodeOptions) -> Result<Self> {
        let _ = options;
        Err(Error::new(Kind::Unsupported, "not built"))
    }

    /// Its key.
    pub fn key(&self) -> NodeKey {
        self.inner.key
    }

    /// Its mesh.
    pub fn mesh_id(&self) -> MeshId {
        self.inner.mesh_id
    }

    /// Folder of its keys; none: in memory only.
    pub fn home(&self) -> Option<PathBuf> {
        None
    }

    /// Its templates.
    pub fn templates(&self) -> &Templates {
        &self.inner.templates
    }

    /// Its credentials.
    pub fn credentials(&self) -> &Credentials {
        &self.inner.credentials
    }

    /// Its pins.
    pub fn pins(&self) -> &Pins {
        &self.inner.pins
    }

    /// Sets how callers prove themselves to agents that have no mechanism of their own.
    ///
    /// # Errors
    /// `configuration` for `host` without a function.
    pub fn set_auth(&self, rule: AuthRule, host: Option<Arc<dyn Authenticator>>) -> Result<()> {
        let _ = (rule, host);
        Err(Error::new(Kind::Unsupported, "not built"))
    }

    /// How it is.
    pub fn status(&self) -> NodeStatus {
        NodeStatus {
            node_key: self.key(),
            mesh_id: self.mesh_id(),
            addresses: Vec::new(),
            agents: 0,
            peers: Vec::new(),
            calls: 0,
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// Makes a ticket for others to join this mesh.
    ///
    /// # Errors
    /// `configuration` when no running node listens beyond this machine, unless `local`;
    /// `denied` when this node may not mint; `invalid_argument` for a bound.
    pub async fn invite(&self, options: InviteOptions) -> Result<String> {
        let _ = options;
        Err(Error::new(Kind::Unsupported, "not built"))
    }

    /// Refuses new calls, lets running ones end within `grace`, says good-bye to every peer.
    /// Idempotent.
    ///
    /// # Cancellation
    /// The node is closing; dropping it ends it.
    pub async fn close(&self, grace: Duration) {
        let _ = grace;
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("key", &self.inner.key).finish_non_exhaustive()
    }
}

/// What a ticket allows.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InviteOptions {
    /// Role of who joins.
    pub role: Option<String>,
    /// Groups of who joins.
    pub groups: Vec<String>,
    /// Life in seconds; none: 24 hours.
    pub ttl_s: Option<u64>,
    /// How many may join with it; none: 1.
    pub uses: Option<u32>,
    /// True: no running node is needed to join; at most 10 minutes, uses cannot be counted.
    pub bearer: bool,
    /// True: also when every node listens to this machine only.
    pub local: bool,
}

/// Joins the mesh of a ticket: fetches a token for this data folder, for all nodes started later.
///
/// # Errors
/// `expired`, `denied` or `invalid_argument` for the ticket; `transport` when no minter can be
/// reached; `configuration` for the folder.
///
/// # Cancellation
/// A use of the ticket may be lost.
pub async fn join(home: Option<&Path>, ticket: &str) -> Result<MeshId> {
    let _ = (home, ticket);
    Err(Error::new(Kind::Unsupported, "not built"))
}
