//! Who is in a mesh: inviting others, joining, and revoking their keys.

use super::lifecycle::Node;
use crate::executor::{self, blocking};
use crate::home::Home;
use crate::membership::Minter;
use crate::turn::in_turn;
use crate::{membership, mesh};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{MeshId, NodeKey};
use hubless_proto::limits;
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;

/// What a ticket allows.
///
/// ```
/// use hubless::membership::{Minter, Ticket};
/// use hubless::node::{InviteOptions, join};
/// use hubless::{Node, NodeOptions};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
/// let options = NodeOptions { home: Some(ours.path().into()), ..NodeOptions::default() };
/// let node = Node::start(options).await?;
/// // This example stays on one machine; others can be reached with `listen` only.
/// let invite = InviteOptions { local: true, ..InviteOptions::default() };
/// let ticket = node.invite(invite).await?;
/// let read: Ticket = ticket.parse()?;
/// let minter: &Minter = &read.minters[0];
/// assert_eq!((read.mesh, minter.node), (node.mesh_id(), node.key()));
/// assert_eq!(join(Some(theirs.path()), &ticket).await?, node.mesh_id());
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct InviteOptions {
    /// Role of who joins; none: `member`.
    pub role: Option<String>,
    /// Groups of who joins.
    pub groups: Vec<String>,
    /// Zones of who joins, such as `eu` or `on-prem`: where its agents then say they are.
    pub zones: Vec<String>,
    /// Life in seconds; none: 24 hours.
    pub ttl_s: Option<u64>,
    /// How many may join with it; none: 1.
    pub uses: Option<u32>,
    /// True: also when every node listens to this machine only.
    pub local: bool,
    /// True: admits without a minter, for at most 10 minutes (the life where none is said), and
    /// whoever has the ticket until then: its uses cannot be counted.
    pub bearer: bool,
}

impl Node {
    /// Makes a ticket for others to join the user's own mesh.
    ///
    /// # Errors
    /// `configuration` (`no_minter`) when no running node listens beyond this machine, unless
    /// `local`; `invalid_argument` for a bound.
    ///
    /// # Cancellation
    /// The invite may have been written.
    pub async fn invite(&self, options: InviteOptions) -> Result<String> {
        let inner = self.open()?;
        let own = || {
            let (addresses, relays) = (inner.mesh.addresses(), inner.mesh.relays());
            Minter { node: inner.mesh.node_key(), addresses, relays }
        };
        let node = inner.own_mesh.then(own);
        make(inner.home.clone(), node, options).await
    }
}

/// Makes a ticket for others to join the user's own mesh; a running node redeems it.
///
/// # Errors
/// As [`Node::invite`].
///
/// # Cancellation
/// The invite may have been written.
pub async fn invite(home: Home, options: InviteOptions) -> Result<String> {
    make(home, None, options).await
}

async fn make(home: Home, node: Option<Minter>, options: InviteOptions) -> Result<String> {
    let mut wanted = membership::InviteOptions {
        groups: options.groups,
        zones: options.zones,
        local: options.local,
        bearer: options.bearer,
        ..membership::InviteOptions::default()
    };
    if options.bearer {
        wanted.life = limits::BEARER_LIFE;
        if options.uses.is_some() {
            let message = "expected none with bearer: its uses cannot be counted";
            return Err(Error::invalid("uses", message));
        }
    }
    if let Some(role) = options.role {
        wanted.role = role;
    }
    if let Some(seconds) = options.ttl_s {
        wanted.life = Duration::from_secs(seconds);
    }
    if let Some(uses) = options.uses {
        wanted.uses = uses;
    }
    let made = executor::spawn(blocking(move || match node {
        Some(node) => mesh::invite_beside(&home, node, &wanted),
        None => mesh::invite(&home, &wanted),
    }))?;
    let ticket = AbortOnDropHandle::new(made).await.unwrap_or_else(|_| Err(broken()))?;
    Ok(ticket.text())
}

/// Joins the mesh of a ticket: fetches a token for this data folder, for all nodes started later.
///
/// # Errors
/// `denied` or `invalid_argument` for the ticket; `transport` when no minter can be reached;
/// `configuration` for the folder.
///
/// # Cancellation
/// A use of the ticket may be lost.
pub async fn join(home: Option<&Path>, ticket: &str) -> Result<MeshId> {
    let around = std::env::var_os("HUBLESS_RELAY_CA").filter(|file| !file.is_empty());
    join_by(home, ticket, around.map(PathBuf::from).as_deref()).await
}

/// As [`join`]; relays of the ticket are believed by the certificates of this file, in PEM, and by
/// no others; none: by those that this machine trusts. [`join`] takes that of `HUBLESS_RELAY_CA`.
///
/// # Errors
/// As [`join`]; `configuration`, code `tls`, for the file.
///
/// # Cancellation
/// As [`join`].
pub async fn join_by(home: Option<&Path>, ticket: &str, relay_ca: Option<&Path>) -> Result<MeshId> {
    let ticket = ticket.trim().parse::<membership::Ticket>()?;
    let (root, ca) = (home.map(Path::to_owned), relay_ca.map(Path::to_owned));
    let joined = executor::spawn(async move {
        let home = blocking(move || Home::open(root.as_deref())).await?;
        mesh::join_by(&home, &ticket, ca.as_deref()).await
    })?;
    let joined = AbortOnDropHandle::new(joined).await.unwrap_or_else(|_| Err(broken()));
    joined.map_err(|error| error.with_operation("join"))
}

fn broken() -> Error {
    Error::new(Kind::Internal, "a background step panicked")
}

/// What became of a revocation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RevokeReport {
    /// Keys that were not revoked before: those that were given, and of nodes that are known here
    /// or to a node that was told the keys of their members.
    pub revoked: Vec<NodeKey>,
    /// Keys that were given and are of no node that is known: where one is a node's, its member is
    /// not revoked, and comes back as another node until its own key is.
    pub strange: Vec<NodeKey>,
    /// Nodes that know of it.
    pub told: usize,
    /// Nodes that gave no answer or refused; they hear of it from the others.
    pub silent: usize,
}

impl Node {
    /// Revokes keys of this mesh for good: of nodes, of which the keys of their members go with
    /// them where they are known, or of members. Whoever rests on one is put out by every node that
    /// hears of it, which those that are known do within `STOP_WAIT` and others when they meet one
    /// that knows.
    ///
    /// ```
    /// use hubless::node::RevokeReport;
    /// use hubless::{Node, NodeOptions};
    /// use hubless_proto::identity::NodeKey;
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let options = NodeOptions { memory_only: true, ..NodeOptions::default() };
    /// # let node = Node::start(options).await?;
    /// let lost = NodeKey::from_bytes([7; 32]);
    /// let report: RevokeReport = node.revoke(&[lost]).await?;
    /// assert_eq!((report.revoked, node.revoked()?), (vec![lost], vec![lost]));
    /// # Ok::<(), hubless::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `denied`, code `not_operator`, in a mesh that was joined; `too_large`, limit
    /// `REVOKED_KEYS`; `configuration` when the list cannot be kept; `closed`.
    ///
    /// # Cancellation
    /// The keys may be revoked; nodes that were asked know of it.
    pub async fn revoke(&self, keys: &[NodeKey]) -> Result<RevokeReport> {
        let inner = self.open()?;
        let strange = inner.mesh.strange(keys);
        let revoked = inner.mesh.revoke(keys).await?;
        let before = inner.mesh.revoked();
        let until = Instant::now() + limits::STOP_WAIT;
        let places = Arc::new(Semaphore::new(limits::STOP_NODES_AT_ONCE));
        let mut shown = JoinSet::new();
        for node in inner.mesh.known() {
            let (mesh, places) = (inner.mesh.clone(), Arc::clone(&places));
            shown.spawn(async move {
                let place = places.acquire_owned().await.ok();
                in_turn(place, limits::STOP_TURN, mesh.show_revoked(node)).await.is_ok()
            });
        }
        let mut report = RevokeReport { revoked, strange, told: 0, silent: shown.len() };
        while let Ok(Some(told)) = timeout_at(until, shown.join_next()).await {
            if matches!(told, Ok(true)) {
                report.told += 1;
                report.silent -= 1;
            }
        }
        // The members of nodes that others know.
        let mut added = inner.mesh.revoked();
        added.retain(|key| !before.contains(key));
        if added.len() >= report.strange.len() {
            report.strange.clear();
        }
        report.revoked.extend(added);
        Ok(report)
    }

    /// Keys that this mesh lets in no more, as far as this node heard.
    ///
    /// # Errors
    /// `closed`.
    pub fn revoked(&self) -> Result<Vec<NodeKey>> {
        Ok(self.open()?.mesh.revoked())
    }
}
