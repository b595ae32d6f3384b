//! One connection to each peer: made when it is needed, found again when it breaks.
//!
//! Two nodes may dial each other at once. The connection dialled by the lower node key is kept;
//! over the other one each side opens no more streams, lets its own end, and says so; when both
//! have, its dialler closes it. Until a side has the one to keep, it uses what it has, so that no
//! request is lost.

use super::connection::Connection;
use super::shared::Shared;
use super::{keep, serve};
use crate::chance::now_ms;
use crate::link::CloseReason;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Tries to dial before a call is told.
const TRIES: u32 = 4;
/// Pause after the first failed try; doubles, with as much chance again.
const PAUSE: Duration = Duration::from_millis(50);

/// Connections by peer.
#[derive(Debug, Default)]
pub(super) struct Peers {
    table: Mutex<BTreeMap<NodeKey, Peer>>,
}

#[derive(Debug, Default)]
struct Peer {
    connections: Vec<Arc<Connection>>,
    /// Outcome of the dial under way.
    dial: Option<watch::Receiver<Option<Result<()>>>>,
    /// Rises with every change of the connections.
    changed: watch::Sender<()>,
}

impl Peer {
    /// The connection that new streams are opened on.
    fn best(&self) -> Option<&Arc<Connection>> {
        self.connections.iter().rev().find(|connection| connection.is_usable())
    }
}

enum Step {
    Use(Arc<Connection>),
    Wait(watch::Receiver<Option<Result<()>>>, watch::Receiver<()>),
}

impl Peers {
    fn change<T>(&self, act: impl FnOnce(&mut BTreeMap<NodeKey, Peer>) -> T) -> T {
        act(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every open connection.
    pub(super) fn all(&self) -> Vec<Arc<Connection>> {
        self.change(|table| {
            table.values().flat_map(|peer| peer.connections.iter().cloned()).collect()
        })
    }

    /// Open connections to one node.
    pub(super) fn of(&self, node: NodeKey) -> Vec<Arc<Connection>> {
        self.change(|table| {
            table.get(&node).map(|peer| peer.connections.clone()).unwrap_or_default()
        })
    }

    fn usable(&self, node: NodeKey) -> bool {
        self.change(|table| table.get(&node).is_some_and(|peer| peer.best().is_some()))
    }
}

impl Shared {
    /// A connection to `node` on which streams may be opened; dials if there is none.
    ///
    /// # Errors
    /// `transport` after several tries, or at once for a node that is gone.
    pub(super) async fn connection(self: &Arc<Self>, node: NodeKey) -> Result<Arc<Connection>> {
        loop {
            match self.step(node) {
                Step::Use(connection) => return Ok(connection),
                Step::Wait(mut dial, mut changed) => {
                    tokio::select! {
                        outcome = dial.wait_for(Option::is_some) => match outcome.as_deref() {
                            Ok(Some(Err(error))) => return Err(error.clone()),
                            Ok(_) => {}
                            Err(_) => return Err(closed()),
                        },
                        _ = changed.changed() => {}
                    }
                }
            }
        }
    }

    fn step(self: &Arc<Self>, node: NodeKey) -> Step {
        self.peers.change(|table| {
            let peer = table.entry(node).or_default();
            if let Some(connection) = peer.best() {
                return Step::Use(Arc::clone(connection));
            }
            let changed = peer.changed.subscribe();
            let dial = peer.dial.get_or_insert_with(|| {
                let (sender, receiver) = watch::channel(None);
                let shared = Arc::clone(self);
                self.spawn(async move {
                    let outcome = shared.dial(node).await;
                    shared.dialled(node);
                    sender.send_replace(Some(outcome));
                });
                receiver
            });
            Step::Wait(dial.clone(), changed)
        })
    }

    fn dialled(&self, node: NodeKey) {
        self.peers.change(|table| {
            if let Some(peer) = table.get_mut(&node) {
                peer.dial = None;
                if peer.connections.is_empty() {
                    table.remove(&node);
                }
            }
        });
    }

    async fn dial(self: &Arc<Self>, node: NodeKey) -> Result<()> {
        let mut pause = PAUSE;
        let mut tried = 0;
        loop {
            let error = match self.dial_once(node).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            tried += 1;
            if self.peers.usable(node) {
                return Ok(());
            }
            let hopeless = error.code != "dial" && error.code != "lost";
            if hopeless || tried >= TRIES {
                tracing::debug!(%node, %error, tried, "cannot reach a node");
                return Err(error);
            }
            sleep(pause + jitter(pause)).await;
            pause *= 2;
        }
    }

    async fn dial_once(self: &Arc<Self>, node: NodeKey) -> Result<()> {
        if self.presence.as_ref().is_some_and(|presence| presence.is_dead(node)) {
            self.node_died(node);
        }
        let reach = self.book.reach(node, &self.local, now_ms())?;
        let tunnel = self.link.dial(node, &reach.addresses).await?;
        let connection = serve::dialled(self, tunnel, reach.trusted).await?;
        if !reach.trusted {
            connection.introduced().await?;
        }
        Ok(())
    }

    /// Takes a connection in use and decides which one of several is kept.
    pub(super) fn joined(self: &Arc<Self>, connection: &Arc<Connection>) {
        let node = connection.peer();
        let (drain, close) = self.peers.change(|table| {
            let peer = table.entry(node).or_default();
            if !peer.connections.iter().any(|known| Arc::ptr_eq(known, connection)) {
                peer.connections.push(Arc::clone(connection));
            }
            let losers = resolve(self.local.node(), node, &mut peer.connections);
            peer.changed.send_replace(());
            losers
        });
        for old in close {
            tracing::debug!(%node, "an older instance of this node is replaced");
            old.close(CloseReason::Replaced);
        }
        let soon = now_ms().saturating_add(keep::ENDING_MS);
        for loser in drain.into_iter().filter(|loser| loser.start_drain()) {
            // What runs where a token ends may run on: it was admitted while the token held.
            if !loser.ends_by(soon) {
                self.spawn(loser.drain(self.patience.drain));
            }
        }
        // After it was entered: news of a death that comes later finds it in the table.
        if self.dead.contains(node) && !self.runs_here(node) {
            self.node_died(node);
        }
    }

    fn runs_here(&self, node: NodeKey) -> bool {
        self.presence.as_ref().is_some_and(|presence| presence.is_running(node))
    }

    /// Forgets a connection that ended.
    pub(super) fn left(&self, connection: &Arc<Connection>) -> bool {
        let node = connection.peer();
        self.peers.change(|table| {
            let Some(peer) = table.get_mut(&node) else { return true };
            peer.connections.retain(|known| !Arc::ptr_eq(known, connection));
            peer.changed.send_replace(());
            let last = peer.connections.is_empty();
            if last && peer.dial.is_none() {
                table.remove(&node);
            }
            last
        })
    }

    /// A node takes no new calls and is found no more; its running calls go on.
    pub(super) fn node_left(&self, node: NodeKey) {
        let known = self.book.gone(node);
        let mut open = false;
        for connection in self.peers.of(node) {
            open |= connection.start_drain();
        }
        if known || open {
            tracing::debug!(%node, "a node goes away");
            self.host.gone(node);
        }
    }

    /// The process of a node ceased to exist: its calls end, and the engine is told.
    pub(super) fn node_died(&self, node: NodeKey) {
        self.dead.add(node);
        let known = self.book.gone(node);
        let connections = self.peers.of(node);
        let open = !connections.is_empty();
        for connection in connections {
            connection.fail(Error::new(Kind::Transport, "the node is gone").with_code("gone"));
            connection.close(CloseReason::Gone);
        }
        if known || open {
            tracing::debug!(%node, "a node is gone");
            self.host.gone(node);
        }
    }
}

/// Sorts the connections so that the one to keep is last; gives those to drain and, of an older
/// instance of the peer, those to close.
fn resolve(
    own: NodeKey,
    node: NodeKey,
    connections: &mut Vec<Arc<Connection>>,
) -> (Vec<Arc<Connection>>, Vec<Arc<Connection>>) {
    let instance = |c: &Arc<Connection>| c.greeting().map(|greeting| greeting.instance);
    let newest = connections.iter().filter_map(instance).max();
    let is_old = |c: &Arc<Connection>| instance(c).is_some_and(|found| Some(found) < newest);
    let close = connections.iter().filter(|c| is_old(c)).cloned().collect();
    connections.retain(|c| !is_old(c));
    // Stable: of two dialled by the same side the newer stays last.
    connections.sort_by_key(|c| c.is_usable() && c.tunnel.dialled() == (own < node));
    let usable = connections.iter().filter(|c| c.is_usable());
    let mut drain: Vec<_> = usable.cloned().collect();
    drain.pop();
    (drain, close)
}

fn jitter(pause: Duration) -> Duration {
    let part = u32::from(crate::keys::random::<1>().map_or(0, |[byte]| byte));
    pause * part / 256
}

fn closed() -> Error {
    Error::new(Kind::Closed, "the node is closed")
}
