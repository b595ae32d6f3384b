//! Tickets: inviting others, and joining.

use super::lifecycle::Node;
use crate::executor::{self, blocking};
use crate::home::Home;
use crate::membership::Minter;
use crate::{membership, mesh};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::MeshId;
use serde::Deserialize;
use std::path::Path;
use std::time::Duration;
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
        let node = inner
            .own_mesh
            .then(|| Minter { node: inner.mesh.node_key(), addresses: inner.mesh.addresses() });
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
        ..membership::InviteOptions::default()
    };
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
    let ticket = ticket.trim().parse::<membership::Ticket>()?;
    let root = home.map(Path::to_owned);
    let joined = executor::spawn(async move {
        let home = blocking(move || Home::open(root.as_deref())).await?;
        mesh::join(&home, &ticket).await
    })?;
    let joined = AbortOnDropHandle::new(joined).await.unwrap_or_else(|_| Err(broken()));
    joined.map_err(|error| error.with_operation("join"))
}

fn broken() -> Error {
    Error::new(Kind::Internal, "a background step panicked")
}
