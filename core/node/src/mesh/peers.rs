//! One connection to each peer: made when it is needed, found again when it breaks.
//!
//! Two nodes may dial each other at once. The connection dialled by the lower node key is kept;
//! over the other one each side opens no more streams, lets its own end, and says so; when both
//! have, its dialler closes it. Until a side has the one to keep, it uses what it has, so that no
//! request is lost.

use super::connection::Connection;
use super::shared::Shared;
use super::status::Traffic;
use super::{keep, serve};
use crate::back_off::{BackOff, Tries};
use crate::chance::now_ms;
use crate::link::CloseReason;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Tries to dial before a call, or who joins, is told.
const TRIES: u32 = 4;
/// Pause after the first failed try; it doubles.
const PAUSE: Duration = Duration::from_millis(75);

/// Connections by peer.
#[derive(Debug, Default)]
pub(super) struct Peers {
    table: Mutex<BTreeMap<NodeKey, Peer>>,
    /// What those carried that are in the table no more; changed with the table locked, so that
    /// the sum of both never falls.
    ended: Mutex<Traffic>,
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

    /// What every connection carried, open or not.
    pub(super) fn traffic(&self) -> Traffic {
        self.change(|table| {
            let open = table.values().flat_map(|peer| &peer.connections);
            open.map(carried).fold(*self.ended(), Traffic::plus)
        })
    }

    fn ended(&self) -> MutexGuard<'_, Traffic> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what connections carried that are taken out of the table, which is locked.
    fn took_out(&self, gone: &[Arc<Connection>]) {
        let mut ended = self.ended();
        *ended = gone.iter().map(carried).fold(*ended, Traffic::plus);
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
        let mut tries = tries();
        loop {
            let error = match self.dial_once(node).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            if self.peers.usable(node) {
                return Ok(());
            }
            let hopeless = error.code != "dial" && error.code != "lost";
            if hopeless || !tries.again().await {
                tracing::debug!(%node, %error, "cannot reach a node");
                return Err(error);
            }
        }
    }

    async fn dial_once(self: &Arc<Self>, node: NodeKey) -> Result<()> {
        if self.presence.as_ref().is_some_and(|presence| presence.is_dead(node)) {
            self.node_died(node, Instant::now());
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
            self.peers.took_out(&losers.1);
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
            self.node_died(node, Instant::now());
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
            let is_it = |known: &mut Arc<Connection>| Arc::ptr_eq(known, connection);
            let taken: Vec<_> = peer.connections.extract_if(.., is_it).collect();
            self.peers.took_out(&taken);
            peer.changed.send_replace(());
            let last = peer.connections.is_empty();
            if last && peer.dial.is_none() {
                table.remove(&node);
            }
            last
        })
    }

    /// A node takes no new calls and is found no more; its running calls go on.
    pub(super) fn node_left(&self, node: NodeKey, seen: Instant) {
        let process = self.book.near_instance(node);
        if let Some(instance) = process {
            self.parted.add(node, instance);
        }
        let known = self.book.gone(node);
        let mut open = false;
        let connections = self.peers.of(node).into_iter();
        for connection in connections.filter(|one| !is_of_next(one, seen, process)) {
            open |= connection.start_drain();
        }
        if known || open {
            tracing::debug!(%node, "a node goes away");
            self.host.gone(node);
        }
    }

    /// A process of a node is seen: what was asked of an older one, under the same key, ends. One
    /// that is killed and starts again at once is never seen dead.
    pub(super) fn node_restarted(&self, node: NodeKey, instance: u64) {
        let is_older =
            |c: &Arc<Connection>| c.greeting().is_some_and(|greeting| greeting.instance < instance);
        for connection in self.peers.of(node).into_iter().filter(is_older) {
            connection.fail(gone());
            connection.close(CloseReason::Gone);
        }
    }

    /// The process of a node ceased to exist before this was `seen`: its calls end, and the engine
    /// is told. One that was started again at once may be connected before the news is taken up.
    pub(super) fn node_died(&self, node: NodeKey, seen: Instant) {
        self.dead.add(node);
        let process = self.book.near_instance(node);
        let known = self.book.gone(node);
        let connections = self.peers.of(node);
        let open = !connections.is_empty();
        // Words of the dead may come late as well: there is a next process only if it runs.
        let spared = |one: &Arc<Connection>| is_of_next(one, seen, process) && self.runs_here(node);
        for connection in connections.into_iter().filter(|one| !spared(one)) {
            connection.fail(gone());
            connection.close(CloseReason::Gone);
        }
        if known || open {
            tracing::debug!(%node, "a node is gone");
            self.host.gone(node);
        }
    }
}

/// True for a connection to the process that came after one which was `seen` to leave or to be no
/// more: it was made since, or says a higher number than the record of that one did.
fn is_of_next(connection: &Connection, seen: Instant, process: Option<u64>) -> bool {
    let numbers = connection.greeting().map(|greeting| greeting.instance).zip(process);
    connection.born() >= seen || numbers.is_some_and(|(said, process)| said > process)
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

fn carried(connection: &Arc<Connection>) -> Traffic {
    let (sent_bytes, received_bytes) = connection.tunnel.traffic();
    Traffic { sent_bytes, received_bytes }
}

fn gone() -> Error {
    Error::new(Kind::Transport, "the node is gone").with_code("gone")
}

/// How often a node is dialled, and with which pauses.
pub(super) fn tries() -> Tries {
    Tries::of(TRIES, BackOff::within(PAUSE, PAUSE * (1 << TRIES)))
}

fn closed() -> Error {
    Error::new(Kind::Closed, "the node is closed")
}
