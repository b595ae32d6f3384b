//! Lets connections into a relay, and ends them.

use super::admission::{Admission, reason};
use super::door::{Door, Guest};
use super::gate::{Coming, Gate};
use crate::engine::lock;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use iroh::EndpointId;
use iroh_relay::server::clients::Clients;
use iroh_relay::server::{Access, AccessControl, ClientRequest, ConnectionId};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How often it is looked whose time is over.
pub(super) const ROUND: Duration = Duration::from_secs(10);

/// Who is in, and who may come in.
#[derive(Debug)]
pub(super) struct Control {
    door: Arc<dyn Door>,
    gate: Mutex<Gate<(EndpointId, ConnectionId)>>,
    clients: OnceLock<Clients>,
    stop: CancellationToken,
}

impl Control {
    /// Lets at most so many connections in, and none once it is stopped.
    pub(super) fn new(door: Arc<dyn Door>, connections: usize, stop: CancellationToken) -> Self {
        let gate = Mutex::new(Gate::new(connections));
        Self { door, gate, clients: OnceLock::new(), stop }
    }

    /// Says where connections are by which it ends them.
    pub(super) fn ends_by(&self, clients: &Clients) {
        // Set once: a control has one service.
        let _ = self.clients.set(clients.clone());
    }

    /// Ends the connections whose time is over, for ever.
    pub(super) async fn rounds(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(ROUND);
        loop {
            ticks.tick().await;
            self.end_those_over(Instant::now());
        }
    }

    fn admit(&self, request: &ClientRequest) -> Result<Guest> {
        if self.stop.is_cancelled() {
            let message = "the relay is closing: use another one";
            return Err(Error::refusal(Kind::Closed, "closing", message));
        }
        let node = node_of(request.endpoint_id());
        let shown = request.auth_token();
        let admission = Admission::read(shown.as_deref())?;
        let guest = admission.guest(node, &*self.door)?;
        let id = (request.endpoint_id(), request.connection_id());
        let coming = Coming { node, id, time_ms: admission.time_ms, guest: guest.clone() };
        let replaced = lock(&self.gate).enter(coming, Instant::now())?;
        if let Some(id) = replaced {
            self.end(id);
        }
        Ok(guest)
    }

    fn end_those_over(&self, now: Instant) {
        let over = lock(&self.gate).over(now, |keys| self.door.is_revoked(keys));
        over.into_iter().for_each(|(_, id)| self.end(id));
    }

    /// Asks a connection to end. One that was let in a moment ago may not be among the clients yet,
    /// and is asked again in the next round.
    fn end(&self, (endpoint, connection): (EndpointId, ConnectionId)) {
        if let Some(clients) = self.clients.get() {
            clients.disconnect(endpoint, Some(connection));
        }
    }
}

impl AccessControl for Control {
    async fn on_connect(&self, request: &ClientRequest) -> Access {
        let node = node_of(request.endpoint_id());
        match self.admit(request) {
            Ok(guest) => {
                let role = if guest.role.is_empty() { "ticket" } else { &guest.role };
                self.door.noted(Entry::of(Event::RelayAccepted).node(node).because(role));
                Access::Allow
            }
            Err(error) => {
                self.door.noted(Entry::of(Event::RelayRefused).node(node).refused(&error));
                Access::Deny { reason: Some(reason(&error)) }
            }
        }
    }

    fn on_disconnect(&self, endpoint: EndpointId, connection: ConnectionId) {
        lock(&self.gate).left(node_of(endpoint), (endpoint, connection));
    }
}

fn node_of(endpoint: EndpointId) -> NodeKey {
    NodeKey::from_bytes(*endpoint.as_bytes())
}
