//! The relay that a node serves.

use crate::mesh::{Mesh, RelayUrl};
use crate::node::lifecycle::Node;
use crate::relay::RelayOptions;
#[cfg(feature = "relay-server")]
use crate::{engine::lock, relay::RelayServer};
use hubless_proto::error::Result;
#[cfg(not(feature = "relay-server"))]
use hubless_proto::error::{Error, Kind};
#[cfg(feature = "relay-server")]
use std::sync::Mutex;
use std::time::Duration;

/// The relay of a node, while it is open; most nodes have none.
#[derive(Debug, Default)]
pub(in crate::node) struct ServedRelay {
    url: Option<RelayUrl>,
    #[cfg(feature = "relay-server")]
    server: Mutex<Option<RelayServer>>,
}

impl ServedRelay {
    /// Opens the relay that these options describe, for the mesh.
    ///
    /// # Errors
    /// As [`Node::start`]; `unsupported`, code `relay_server`, where none was built in.
    #[cfg(feature = "relay-server")]
    pub(in crate::node) async fn start(
        options: Option<&RelayOptions>,
        mesh: &Mesh,
    ) -> Result<Self> {
        let Some(options) = options else { return Ok(Self::default()) };
        let server = RelayServer::start(options, mesh.door()).await?;
        Ok(Self { url: Some(server.url().clone()), server: Mutex::new(Some(server)) })
    }

    #[cfg(not(feature = "relay-server"))]
    pub(in crate::node) fn start(
        options: Option<&RelayOptions>,
        _: &Mesh,
    ) -> impl Future<Output = Result<Self>> + use<> {
        let message = "no relay was built in: serve one by the command, hubless relay serve";
        let none = || Error::new(Kind::Unsupported, message).with_code("relay_server");
        let outcome = options.map_or_else(|| Ok(Self::default()), |_| Err(none()));
        std::future::ready(outcome)
    }

    /// Ends it.
    #[cfg(feature = "relay-server")]
    pub(in crate::node) async fn close(&self) {
        let server = lock(&self.server).take();
        if let Some(server) = server {
            server.close().await;
        }
    }

    #[cfg(not(feature = "relay-server"))]
    pub(in crate::node) fn close(&self) -> impl Future<Output = ()> + use<> {
        std::future::ready(())
    }
}

impl Node {
    /// Waits until it can be reached by one of its relays, and says by which.
    ///
    /// # Errors
    /// `transport`, code `no_relay`, where that takes longer, with what a relay refused it with, if
    /// one did; or where it was told of none.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn at_relay(&self, wait: Duration) -> Result<RelayUrl> {
        self.open()?.mesh.at_relay(wait).await
    }

    /// Where the relay is that it serves ([`crate::NodeOptions::relay`]); none: it serves none.
    pub fn relay_url(&self) -> Option<RelayUrl> {
        self.inner().relay.url.clone()
    }
}
