//! Saying that a node is here, and keeping contact with those who say so.

use super::service::{self, Met, SERVICE};
use crate::mesh::dialling::{may_dial, networks};
use crate::mesh::shared::Shared;
use crate::mesh::{Listen, keep};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{MeshId, NodeKey};
use hubless_proto::limits;
use mdns_sd::{IfKind, Receiver, ServiceDaemon, ServiceEvent};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;

/// The word of a node on its local networks; dropping it takes it back.
pub(in crate::mesh) struct Lan {
    daemon: ServiceDaemon,
    events: Receiver<ServiceEvent>,
}

impl fmt::Debug for Lan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lan")
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        // It says good-bye for the node. One that ended by itself has nothing to say any more.
        let _ = self.daemon.shutdown();
    }
}

impl Lan {
    /// Says on the networks that are listened to that the node is here, and asks who else is.
    ///
    /// # Errors
    /// `configuration`, code `lan`, where no socket for that is to be had, or nothing but this
    /// machine is listened to.
    pub(in crate::mesh) fn open(
        node: NodeKey,
        mesh: MeshId,
        listen: &Listen,
        bound: &[SocketAddr],
    ) -> Result<Self> {
        let wrong = |why: String| {
            let message = format!("cannot meet nodes on the local network: {why}");
            Error::new(Kind::Configuration, message).with_code("lan")
        };
        let beyond = bound.iter().find(|address| !address.ip().is_loopback());
        let listens = || "this node listens to this machine alone: listen = \"all\"".to_owned();
        let port = beyond.ok_or_else(|| wrong(listens()))?.port();
        let ips = match listen {
            Listen::Addresses(listed) => listed.clone(),
            Listen::All | Listen::Loopback => Vec::new(),
        };
        let opened = ServiceDaemon::new().and_then(|daemon| {
            let lan = Self { events: daemon.browse(SERVICE)?, daemon };
            lan.keep_to(&ips)?;
            lan.daemon.register(service::said(node, mesh, port, &ips)?)?;
            Ok(lan)
        });
        opened.map_err(|error| wrong(error.to_string()))
    }

    /// Uses the networks of these addresses; none: all, but none within the machine.
    fn keep_to(&self, ips: &[IpAddr]) -> mdns_sd::Result<()> {
        if ips.is_empty() {
            return self.daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6]);
        }
        self.daemon.disable_interface(IfKind::All)?;
        self.daemon.enable_interface(ips.iter().copied().map(IfKind::Addr).collect::<Vec<_>>())
    }
}

/// Keeps contact with the nodes of this mesh on the local networks, for as long as they say that
/// they are here.
pub(in crate::mesh) async fn look(shared: &Arc<Shared>, lan: Lan) {
    let mut kept: BTreeMap<NodeKey, AbortOnDropHandle<()>> = BTreeMap::new();
    while let Ok(event) = lan.events.recv_async().await {
        match event {
            ServiceEvent::ServiceResolved(said) => {
                let met = service::read(&said, shared.local.mesh());
                if let Some(met) = met.filter(|met| met.node != shared.local.node()) {
                    meet(shared, met, &mut kept);
                }
            }
            ServiceEvent::ServiceRemoved(_, name) => {
                if let Some(node) = service::named(&name) {
                    kept.remove(&node);
                    shared.book.met(node, Vec::new());
                }
            }
            // What it asks, and what it found without an address. The set of the library may grow.
            ServiceEvent::SearchStarted(_)
            | ServiceEvent::ServiceFound(..)
            | ServiceEvent::SearchStopped(_)
            | _ => {}
        }
    }
    tracing::warn!("nodes on the local network are met no more: restart this node");
}

fn meet(shared: &Arc<Shared>, met: Met, kept: &mut BTreeMap<NodeKey, AbortOnDropHandle<()>>) {
    let Met { node, mut addresses } = met;
    // Anybody on the network can say anything there: it leads to no other network, nor back here.
    let networks = networks();
    addresses.retain(|address| may_dial(*address, None, &networks));
    if addresses.is_empty() || (kept.len() >= limits::LAN_NODES && !kept.contains_key(&node)) {
        tracing::debug!(%node, "a node on the local network is left alone");
        return;
    }
    shared.book.met(node, addresses);
    kept.entry(node).or_insert_with(|| {
        tracing::debug!(%node, "a node on the local network is met");
        let task = Arc::clone(shared);
        AbortOnDropHandle::new(tokio::spawn(async move { keep::contact(&task, node).await }))
    });
}
