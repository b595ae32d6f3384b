//! The endpoint of a node.

use super::tunnel::Tunnel;
use super::{ALPN, config, crypto};
use crate::mesh::Listen;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{NodeKey, SecretKey};
use hubless_proto::limits;
use iroh::endpoint::{BindOpts, Builder, QuicTransportConfig, presets};
use iroh::{Endpoint, EndpointAddr, PublicKey, TransportAddr};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use tokio::time::timeout;

/// What to bind.
#[derive(Debug)]
pub(crate) struct Bind<'a> {
    pub(crate) key: &'a SecretKey,
    pub(crate) listen: &'a Listen,
    pub(crate) port: u16,
}

/// A bound endpoint; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    endpoint: Endpoint,
}

impl Link {
    /// Binds the sockets. Nothing is contacted: no relay, no look-up, no port mapping.
    pub(crate) async fn bind(bind: Bind<'_>) -> Result<Self> {
        let loopback = matches!(bind.listen, Listen::Loopback);
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
        let builder = sockets(builder, &bind)?;
        let endpoint = builder.bind().await.map_err(|error| {
            Error::new(Kind::Configuration, format!("cannot bind: {error:#}")).with_code("bind")
        })?;
        Ok(Self { endpoint })
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

    /// Dials `node` once.
    ///
    /// # Errors
    /// `transport` when no tunnel is there within 3 s, or 500 ms on this machine.
    pub(crate) async fn dial(&self, node: NodeKey, addresses: &[SocketAddr]) -> Result<Tunnel> {
        let limit = patience(addresses);
        let key = PublicKey::from_bytes(node.as_bytes()).map_err(|_| {
            Error::new(Kind::Transport, "expected the key of a node").with_code("bad_key")
        })?;
        let targets = addresses.iter().copied().map(TransportAddr::Ip);
        let connect = self.endpoint.connect(EndpointAddr::from_parts(key, targets), ALPN);
        match timeout(limit, connect).await {
            Ok(Ok(connection)) => Ok(Tunnel::new(connection)),
            Ok(Err(error)) => Err(unreachable(node, &format!("{error:#}"))),
            Err(_) => Err(unreachable(node, &format!("no answer within {limit:?}"))
                .with_limit("DIAL", u64::try_from(limit.as_millis()).unwrap_or(u64::MAX))),
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
}

/// How long one try may take: a node of this machine answers at once, or not at all.
pub(super) fn patience(addresses: &[SocketAddr]) -> Duration {
    let local = addresses.iter().any(|address| address.ip().is_loopback());
    if local { limits::DIAL_LOOPBACK } else { limits::DIAL }
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
