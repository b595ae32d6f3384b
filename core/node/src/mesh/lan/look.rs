//! Saying that a node is here, and keeping contact with those who say so.

use super::service::{self, Met, Ports, SERVICE};
use crate::mesh::dialling::{Network, may_dial, networks};
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
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

/// Pause before it is asked anew who is there.
const ANEW: Duration = Duration::from_secs(1);

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
    /// `configuration`, code `lan`, where nothing but this machine is listened to, or what asks
    /// there cannot be started.
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
        let ips: Vec<IpAddr> = match listen {
            Listen::Addresses(listed) => {
                listed.iter().copied().filter(|ip| !ip.is_loopback()).collect()
            }
            Listen::All | Listen::Loopback => Vec::new(),
        };
        if ips.is_empty() && *listen != Listen::All {
            return Err(wrong("this node listens to this machine alone: listen = \"all\"".into()));
        }
        let ports = Ports::of(bound);
        let opened = ServiceDaemon::new().and_then(|daemon| {
            // Before anything is asked: other networks are to hear nothing.
            keep_to(&daemon, &ips)?;
            daemon.register(service::said(node, mesh, ports, &ips)?)?;
            Ok(Self { events: daemon.browse(SERVICE)?, daemon })
        });
        opened.map_err(|error| wrong(error.to_string()))
    }

    /// The next that is heard. Where more came than was taken in, what was heard is asked for anew.
    async fn next(&mut self) -> ServiceEvent {
        loop {
            if let Ok(event) = self.events.recv_async().await {
                return event;
            }
            tracing::debug!("more is said on the local network than is taken in");
            sleep(ANEW).await;
            if let Ok(events) = self.daemon.browse(SERVICE) {
                self.events = events;
            }
        }
    }
}

/// Uses the networks of these addresses; none: all, but none within the machine.
fn keep_to(daemon: &ServiceDaemon, ips: &[IpAddr]) -> mdns_sd::Result<()> {
    if ips.is_empty() {
        return daemon.disable_interface(vec![IfKind::LoopbackV4, IfKind::LoopbackV6]);
    }
    daemon.disable_interface(IfKind::All)?;
    daemon.enable_interface(ips.iter().copied().map(IfKind::Addr).collect::<Vec<_>>())
}

/// Keeps contact with the nodes of this mesh on the local networks, for as long as they say that
/// they are here.
pub(in crate::mesh) async fn look(shared: &Arc<Shared>, mut lan: Lan) {
    let mut kept: BTreeMap<NodeKey, AbortOnDropHandle<()>> = BTreeMap::new();
    loop {
        match lan.next().await {
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
}

fn meet(shared: &Arc<Shared>, met: Met, kept: &mut BTreeMap<NodeKey, AbortOnDropHandle<()>>) {
    let Met { node, addresses } = met;
    let addresses = near(addresses, &networks());
    if addresses.is_empty() || !has_room(kept, node) {
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

/// True for a node with which contact is kept, or one more that may be kept contact with.
fn has_room<T>(kept: &BTreeMap<NodeKey, T>, node: NodeKey) -> bool {
    kept.len() < limits::LAN_NODES || kept.contains_key(&node)
}

/// Leaves of what was said the addresses of our own networks, as many as a node has. Anybody on
/// the network can say anything there: it leads to no other network, nor back here.
fn near(addresses: Vec<SocketAddr>, networks: &[Network]) -> Vec<SocketAddr> {
    let is_held = |at: &SocketAddr| networks.iter().any(|network| network.holds(at.ip()));
    let near = addresses.into_iter().filter(|at| is_held(at) && may_dial(*at, None, networks));
    near.take(limits::NODE_ADDRESSES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contact_is_kept_with_so_many() {
        let node = |number: usize| NodeKey::from_bytes([u8::try_from(number).unwrap(); 32]);
        let mut kept: BTreeMap<_, _> = (1..limits::LAN_NODES).map(|n| (node(n), ())).collect();
        assert!(has_room(&kept, node(100)));
        kept.insert(node(100), ());
        assert!(!has_room(&kept, node(101)) && has_room(&kept, node(100)));
    }

    #[test]
    fn what_is_said_on_the_network_leads_to_that_network_alone() {
        let network =
            |ip: &str, mask: &str| Network::new(ip.parse().unwrap(), mask.parse().unwrap());
        let networks = [network("192.168.1.3", "255.255.255.0"), network("127.0.0.1", "255.0.0.0")];
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let elsewhere = ["8.8.8.8:53", "10.0.0.1:80", "127.0.0.1:22", "192.168.1.3:22"].map(at);
        assert_eq!(near(elsewhere.to_vec(), &networks), []);
        // What stands before them takes no place of those that count.
        let mut many: Vec<_> = (0..100).map(|last| at(&format!("10.0.0.{last}:1"))).collect();
        many.extend((10..40).map(|last| at(&format!("192.168.1.{last}:1"))));
        let near = near(many, &networks);
        assert_eq!((near.len(), near[0]), (limits::NODE_ADDRESSES, at("192.168.1.10:1")));
    }
}
