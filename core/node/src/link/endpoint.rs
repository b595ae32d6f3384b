//! The endpoint of a node.

use super::relays::{Home, Relaying, Relays};
use super::tunnel::Tunnel;
use super::{ALPN, RelayUrl, config, crypto};
use crate::chance::now_ms;
use crate::mesh::Listen;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{NodeKey, SecretKey};
use hubless_proto::limits;
use iroh::endpoint::{BindOpts, Builder, QuicTransportConfig, presets};
use iroh::{Endpoint, EndpointAddr, PublicKey, TransportAddr, Watcher as _};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Times that one dial begins anew since a relay is tried anew.
const ANEW: u32 = 3;
/// After this time the engine has begun with the relays of a dial.
const LENT: Duration = Duration::from_millis(500);

/// What to bind.
#[derive(Debug)]
pub(crate) struct Bind<'a> {
    pub(crate) key: &'a SecretKey,
    pub(crate) listen: &'a Listen,
    pub(crate) port: u16,
    /// Relays to be reached by, and to reach others by; none: none is used.
    pub(crate) relays: Option<Relaying>,
    /// By what it reaches others.
    pub(crate) paths: Paths,
}

/// By what an endpoint reaches others, and is reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Paths {
    /// By all that it has.
    #[default]
    All,
    /// By relays alone, as behind a wall that nothing but HTTP passes.
    #[cfg(test)]
    Relays,
}

/// A bound endpoint; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    endpoint: Endpoint,
    relays: Option<Arc<Relays>>,
}

impl Link {
    /// Binds the sockets. Nothing is contacted but relays that are named: no look-up, no port
    /// mapping.
    pub(crate) async fn bind(bind: Bind<'_>) -> Result<Self> {
        // By a relay it reaches other machines, wherever it listens.
        let loopback = matches!(bind.listen, Listen::Loopback) && bind.relays.is_none();
        Self::bound(bind, config::transport(loopback)).await
    }

    /// Binds one that lets its peers send so many bytes of each stream until it has read them.
    #[cfg(test)]
    pub(crate) async fn bind_narrow_for_tests(bind: Bind<'_>, window: u32) -> Result<Self> {
        Self::bound(bind, config::narrow_for_tests(window)).await
    }

    async fn bound(bind: Bind<'_>, transport: QuicTransportConfig) -> Result<Self> {
        let builder = Endpoint::builder(presets::Minimal)
            .secret_key(iroh::SecretKey::from_bytes(&bind.key.seed()))
            .alpns(vec![ALPN.to_vec()])
            .crypto_provider(crypto::provider())
            .transport_config(transport)
            .clear_ip_transports();
        let mut builder = match bind.paths {
            Paths::All => sockets(builder, &bind)?,
            #[cfg(test)]
            Paths::Relays => builder,
        };
        let relays = bind.relays.as_ref();
        let relays = relays.map(|relaying| Arc::new(Relays::new(relaying, bind.listen)));
        if let (Some(relays), Some(relaying)) = (&relays, &bind.relays) {
            builder = relays.bind(builder, relaying);
        }
        let endpoint = builder.bind().await.map_err(|error| {
            Error::new(Kind::Configuration, format!("cannot bind: {error:#}")).with_code("bind")
        })?;
        Ok(Self { endpoint, relays })
    }

    /// Socket addresses by which this node can be reached, loopback last, at most 8.
    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let bound = self.endpoint.bound_sockets();
        let mut found: BTreeSet<(bool, SocketAddr)> = BTreeSet::new();
        for address in bound {
            if address.ip().is_unspecified() {
                let local = IpAddr::from(Ipv4Addr::LOCALHOST);
                if address.is_ipv4() {
                    found.insert((true, SocketAddr::new(local, address.port())));
                }
            } else {
                found.insert((address.ip().is_loopback(), address));
            }
        }
        for address in self.endpoint.addr().ip_addrs() {
            found.insert((address.ip().is_loopback(), *address));
        }
        found.into_iter().map(|(_, address)| address).take(limits::NODE_ADDRESSES).collect()
    }

    /// Dials `node` once: at its addresses, and by relays, those that this node was told to use
    /// and those that are `learned`, unless it is on this machine.
    ///
    /// # Errors
    /// `transport` when no tunnel is there within 3 s, or 500 ms on this machine.
    pub(crate) async fn dial(
        &self,
        node: NodeKey,
        addresses: &[SocketAddr],
        learned: &[RelayUrl],
    ) -> Result<Tunnel> {
        let limit = patience(addresses);
        let key = PublicKey::from_bytes(node.as_bytes()).map_err(|_| {
            Error::new(Kind::Transport, "expected the key of a node").with_code("bad_key")
        })?;
        let relays = self.relays.as_ref().filter(|_| !is_here(addresses));
        let mut again = ANEW;
        loop {
            let mut anew = relays.map(|relays| relays.anew.subscribe());
            let (by_relay, mut lent) = relays.map(|relays| relays.ways(learned)).unzip();
            let direct = addresses.iter().copied().map(TransportAddr::Ip);
            let ways = direct.chain(by_relay.into_iter().flatten());
            let connect = self.endpoint.connect(EndpointAddr::from_parts(key, ways), ALPN);
            let mut dial = std::pin::pin!(timeout(limit, connect));
            let mut begun = std::pin::pin!(sleep(LENT));
            let outcome = loop {
                tokio::select! {
                    biased;
                    outcome = &mut dial => break Some(outcome),
                    () = changed(anew.as_mut()), if again > 0 => break None,
                    () = &mut begun, if lent.is_some() => lent = None,
                }
            };
            return match outcome {
                None => {
                    again -= 1;
                    continue;
                }
                Some(Ok(Ok(connection))) => Ok(Tunnel::new(connection)),
                Some(Ok(Err(error))) => Err(unreachable(node, &format!("{error:#}"))),
                Some(Err(_)) => Err(unreachable(node, &format!("no answer within {limit:?}"))
                    .with_limit("DIAL", limits::ms(limit))),
            };
        }
    }

    /// A dial by this relay, which others named, was in vain, and nothing else goes by it.
    pub(crate) fn relay_failed(&self, relay: &RelayUrl) {
        if let Some(relays) = &self.relays {
            relays.failed(relay, now_ms());
        }
    }

    /// The next connection that someone wants to make; none once closed.
    pub(crate) async fn accept(&self) -> Option<iroh::endpoint::Incoming> {
        self.endpoint.accept().await
    }

    /// Closes every tunnel and the sockets.
    pub(crate) async fn close(&self) {
        self.endpoint.close().await;
    }

    /// Relays that this node was told to use.
    pub(crate) fn relays(&self) -> &[RelayUrl] {
        self.relays.as_ref().map(|relays| relays.named.as_slice()).unwrap_or_default()
    }

    /// By which relay this node can be reached, and every change of that; none: it uses none.
    pub(crate) fn homes(&self) -> Option<watch::Receiver<Option<Home>>> {
        self.relays.as_ref().map(|relays| relays.home.subscribe())
    }

    /// Notes by which relay this node can be reached, for as long as the endpoint is open.
    pub(crate) async fn follow_home(&self) {
        let Some(relays) = &self.relays else { return };
        let mut said = self.endpoint.home_relay_status();
        loop {
            let now = said.get();
            if let Some((url, config)) = relays.instead(&now) {
                self.endpoint.insert_relay(url, config).await;
            }
            let home = relays.seen(&now);
            relays.home.send_if_modified(|known| {
                let is_other = *known != home;
                *known = home;
                is_other
            });
            if said.updated().await.is_err() {
                return;
            }
        }
    }

    /// Connects to a relay anew, with a token of now; who dials begins again.
    pub(crate) async fn renew_relay(&self, relay: &RelayUrl) {
        let Some(relays) = &self.relays else { return };
        let (url, config) = relays.spell_anew(relay);
        self.endpoint.insert_relay(url, config).await;
        relays.anew.send_modify(|times| *times = times.wrapping_add(1));
    }

    /// True for a tunnel by a relay that was begun anew with since: it leads nowhere any more.
    pub(crate) fn is_stale(&self, tunnel: &Tunnel) -> bool {
        let (Some(relays), Some(by)) = (&self.relays, tunnel.spelled_relay()) else { return false };
        let known = relays.spelling(&RelayUrl::plain((*by).clone()));
        known.is_some_and(|known| known != by)
    }

    /// Lets the engine choose among the other relays.
    pub(crate) async fn leave_relay(&self, relay: &RelayUrl) {
        self.hush();
        let url = self.relays.as_ref().and_then(|relays| relays.spelling(relay));
        if let Some(url) = url {
            self.endpoint.remove_relay(&url).await;
        }
    }

    /// Looks at relays without UDP, until one is connected to.
    pub(crate) fn hush(&self) {
        if let Some(relays) = &self.relays {
            relays.hush();
        }
    }

    /// Asks the relays at which address they see this node, for others to reach it there.
    pub(crate) async fn discover(&self) {
        let told = self.relays.as_ref().and_then(|relays| relays.discover());
        if let Some((url, config)) = told {
            self.endpoint.insert_relay(url, config).await;
        }
    }
}

/// How long one try may take: a node of this machine answers at once, or not at all.
pub(super) fn patience(addresses: &[SocketAddr]) -> Duration {
    if is_here(addresses) { limits::DIAL_LOOPBACK } else { limits::DIAL }
}

/// True for a node of this machine.
fn is_here(addresses: &[SocketAddr]) -> bool {
    addresses.iter().any(|address| address.ip().is_loopback())
}

/// Waits until a relay is tried anew; for ever, where none is used.
async fn changed(anew: Option<&mut watch::Receiver<u64>>) {
    let has_changed = match anew {
        Some(anew) => anew.changed().await.is_ok(),
        None => false,
    };
    if !has_changed {
        std::future::pending::<()>().await;
    }
}

fn sockets(builder: Builder, bind: &Bind<'_>) -> Result<Builder> {
    let bad = |error: iroh::endpoint::InvalidSocketAddr| {
        Error::new(Kind::Configuration, format!("cannot listen: {error:#}")).with_code("bind")
    };
    let port = bind.port;
    match bind.listen {
        Listen::Loopback => builder.bind_addr((Ipv4Addr::LOCALHOST, port)).map_err(bad),
        Listen::All => {
            let second = BindOpts::default().set_is_required(false);
            builder
                .bind_addr((Ipv4Addr::UNSPECIFIED, port))
                .and_then(|b| b.bind_addr_with_opts((Ipv6Addr::UNSPECIFIED, port), second))
                .map_err(bad)
        }
        Listen::Addresses(list) => {
            let narrow = BindOpts::default().set_prefix_len(8).set_is_default_route(false);
            let mut builder =
                builder.bind_addr_with_opts((Ipv4Addr::LOCALHOST, port), narrow).map_err(bad)?;
            for address in list.iter().filter(|address| !address.is_loopback()) {
                builder = builder.bind_addr((*address, port)).map_err(bad)?;
            }
            Ok(builder)
        }
    }
}

fn unreachable(node: NodeKey, why: &str) -> Error {
    Error::new(Kind::Transport, format!("cannot reach node {node}: {why}")).with_code("dial")
}
