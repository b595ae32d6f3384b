//! One connection to each peer: made when it is needed, found again when it breaks.
//!
//! Two nodes may dial each other at once. The connection dialled by the lower node key is kept;
//! over the other one each side opens no more streams, lets its own end, and says so; when both
//! have, its dialler closes it. Until a side has the one to keep, it uses what it has, so that no
//! request is lost.

use super::connection::Connection;
use super::dials::{self, Dial, Stage, Wait, Waiting};
use super::keep;
use super::shared::Shared;
use super::status::Traffic;
use crate::chance::now_ms;
use crate::link::CloseReason;
use hubless_proto::directory::replica::Loss;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::killswitch::Reading;
use hubless_proto::limits;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Two dials that are made at once are over within this time, or so many round trips.
const AT_ONCE: (Duration, u32) = (Duration::from_millis(500), 6);

/// Connections by peer.
#[derive(Debug, Default)]
pub(super) struct Peers {
    table: Mutex<BTreeMap<NodeKey, Peer>>,
    /// What those carried that are in the table no more; changed with the table locked, so that
    /// the sum of both never falls.
    ended: Mutex<Traffic>,
    /// Connections that were given up for another one to the same process.
    merged: AtomicU64,
}

#[derive(Debug, Default)]
struct Peer {
    connections: Vec<Arc<Connection>>,
    /// The dial under way, which its task holds.
    dial: Weak<Dial>,
    /// Rises with every change of the connections, and of what is known of the node.
    changed: watch::Sender<()>,
}

impl Peer {
    /// The connection that new streams are opened on: one on which nothing arrives only as long as
    /// there is no other.
    fn best(&self) -> Option<&Arc<Connection>> {
        self.heard().or_else(|| self.usable().next())
    }

    /// The same, of those that are not silent.
    fn heard(&self) -> Option<&Arc<Connection>> {
        self.usable().find(|connection| !connection.is_silent())
    }

    fn usable(&self) -> impl Iterator<Item = &Arc<Connection>> {
        self.connections.iter().rev().filter(|connection| connection.is_usable())
    }

    fn is_idle(&self) -> bool {
        self.connections.is_empty() && self.dial.strong_count() == 0
    }
}

enum Step {
    Use(Arc<Connection>),
    Wait(Waiting),
}

/// Which connections will do.
#[derive(Debug, Clone, Copy)]
enum Which {
    /// Any on which streams may be opened.
    Usable,
    /// None on which nothing arrives.
    Heard,
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

    /// Connections that were given up for another one to the same process.
    pub(super) fn merged(&self) -> u64 {
        self.merged.load(Ordering::Relaxed)
    }

    /// Open connections to one node.
    pub(super) fn of(&self, node: NodeKey) -> Vec<Arc<Connection>> {
        self.change(|table| {
            table.get(&node).map(|peer| peer.connections.clone()).unwrap_or_default()
        })
    }

    /// True while a node is dialled.
    #[cfg(test)]
    pub(super) fn is_dialled_for_tests(&self, node: NodeKey) -> bool {
        self.change(|table| table.get(&node).is_some_and(|peer| peer.dial.strong_count() > 0))
    }

    /// Something else is known of a node: who waits looks again, and dials.
    pub(super) fn touch(&self, node: NodeKey) {
        self.change(|table| {
            if let Some(peer) = table.get(&node) {
                peer.changed.send_replace(());
            }
        });
    }
}

impl Shared {
    /// A connection to `node` on which streams may be opened; dials if there is none.
    ///
    /// # Errors
    /// `transport` after several tries, or at once for a node that is gone.
    pub(super) async fn connection(self: &Arc<Self>, node: NodeKey) -> Result<Arc<Connection>> {
        self.reached(node, Wait::Tries).await
    }

    /// The same, for who waits as long as this.
    ///
    /// # Errors
    /// `transport` when waiting is of no use, `deadline` when it took too long, `closed`.
    ///
    /// # Cancellation
    /// Safe: a node that nobody waits for any more is dialled no more.
    pub(super) async fn reached(
        self: &Arc<Self>,
        node: NodeKey,
        wait: Wait,
    ) -> Result<Arc<Connection>> {
        self.found(node, Which::Usable, wait).await
    }

    /// A connection to `node` on which something arrives, beside those that fell silent.
    ///
    /// # Errors
    /// As [`Self::reached`].
    pub(super) async fn beside(
        self: &Arc<Self>,
        node: NodeKey,
        wait: Wait,
    ) -> Result<Arc<Connection>> {
        self.found(node, Which::Heard, wait).await
    }

    async fn found(
        self: &Arc<Self>,
        node: NodeKey,
        which: Which,
        wait: Wait,
    ) -> Result<Arc<Connection>> {
        let mut last = None;
        loop {
            match self.step(node, which) {
                Step::Use(connection) => return Ok(connection),
                Step::Wait(waiting) => waiting.turn(wait, &mut last).await?,
            }
        }
    }

    fn step(self: &Arc<Self>, node: NodeKey, which: Which) -> Step {
        self.peers.change(|table| {
            let peer = table.entry(node).or_default();
            let found = match which {
                Which::Usable => peer.best(),
                Which::Heard => peer.heard(),
            };
            if let Some(connection) = found {
                return Step::Use(Arc::clone(connection));
            }
            let changed = peer.changed.subscribe();
            if let Some(dial) = peer.dial.upgrade() {
                return Step::Wait(Waiting { stage: dial.subscribe(), changed });
            }
            let dial = dials::begin();
            peer.dial = Arc::downgrade(&dial);
            let waiting = Waiting { stage: dial.subscribe(), changed: changed.clone() };
            let shared = Arc::clone(self);
            self.spawn(async move { shared.dial(node, &dial, changed).await });
            Step::Wait(waiting)
        })
    }

    /// True while there is a connection to `node` on which something arrives.
    pub(super) fn talks_with(&self, node: NodeKey) -> bool {
        self.peers.change(|table| table.get(&node).is_some_and(|peer| peer.heard().is_some()))
    }

    /// A dial is over, and who waits is told; the next who wants a connection begins another.
    /// False: it ended since nothing was known of the node, and by now something may be.
    pub(super) fn dialled(
        &self,
        node: NodeKey,
        dial: &Arc<Dial>,
        over: Result<()>,
        changed: &watch::Receiver<()>,
    ) -> bool {
        let unknown = matches!(&over, Err(why) if why.code == "unknown_node");
        self.peers.change(|table| {
            // Whoever learned of the node, and then came to wait here, is not told of before.
            let is_over = !(unknown && changed.has_changed().unwrap_or(false));
            if is_over {
                dial.send_replace(Stage::Over(over));
                forget(table, node, dial);
            }
            is_over
        })
    }

    /// Ends a dial that nobody waits for; false: somebody does. Who comes now begins another.
    pub(super) fn gave_up(&self, node: NodeKey, dial: &Arc<Dial>) -> bool {
        self.peers.change(|table| {
            let over = dial.receiver_count() == 0;
            if over {
                forget(table, node, dial);
            }
            over
        })
    }

    /// Takes a connection in use and decides which one of several is kept.
    pub(super) fn joined(self: &Arc<Self>, connection: &Arc<Connection>) {
        let node = connection.peer();
        let Losers { drain, older, surplus } = self.peers.change(|table| {
            let peer = table.entry(node).or_default();
            if !peer.connections.iter().any(|known| Arc::ptr_eq(known, connection)) {
                doubt_relayed(&peer.connections, connection);
                peer.connections.push(Arc::clone(connection));
            }
            let losers = resolve(self.local.node(), node, &mut peer.connections);
            peer.changed.send_replace(());
            self.peers.took_out(&losers.older);
            self.peers.took_out(&losers.surplus);
            losers
        });
        for old in older {
            tracing::debug!(%node, "an older instance of this node is replaced");
            old.close(CloseReason::Replaced);
        }
        for old in surplus {
            tracing::debug!(%node, limit = limits::PEER_CONNECTIONS, "too many connections");
            old.close(CloseReason::Replaced);
        }
        let soon = now_ms().saturating_add(keep::ENDING_MS);
        for loser in drain.into_iter().filter(|loser| loser.start_drain()) {
            self.peers.merged.fetch_add(1, Ordering::Relaxed);
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

    /// True for a node of this user on this machine that runs, even before its file was seen.
    pub(super) fn runs_here(&self, node: NodeKey) -> bool {
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
            if peer.is_idle() {
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
        self.peers.touch(node);
        let mut open = false;
        let connections = self.peers.of(node).into_iter();
        for connection in connections.filter(|one| !is_of_next(one, seen, process)) {
            open |= connection.start_drain();
        }
        if known || open {
            tracing::debug!(%node, "a node goes away");
            self.vanished(node);
        }
    }

    /// Tells the engine that a process of a node is no more. What the next one said of its clock
    /// stays known: it is said again, since the engine forgets it with all that it knew.
    pub(super) fn vanished(&self, node: NodeKey) {
        self.host.gone(node);
        self.directory.changed(node, Some(Loss::Broken));
        let connections = self.peers.of(node);
        let next = connections.iter().filter(|one| one.is_usable()).filter_map(|c| c.greeting());
        if let Some(next) = next.filter(|next| next.is_member()).max_by_key(|next| next.instance) {
            let (instance, clock_ms) = (next.instance, next.clock_ms);
            self.host.clock(node, Reading { instance, clock_ms });
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
        self.peers.touch(node);
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
            self.vanished(node);
        }
    }
}

/// True for a connection to the process that came after one which was `seen` to leave or to be no
/// more: it was made since, or says a higher number than the record of that one did.
fn is_of_next(connection: &Connection, seen: Instant, process: Option<u64>) -> bool {
    let numbers = connection.greeting().map(|greeting| greeting.instance).zip(process);
    connection.born() >= seen || numbers.is_some_and(|(said, process)| said > process)
}

/// Connections to one node that are not kept.
struct Losers {
    /// What runs there may end there.
    drain: Vec<Arc<Connection>>,
    /// To an older process of the node.
    older: Vec<Arc<Connection>>,
    /// More than one peer may have, oldest first: what runs there ends.
    surplus: Vec<Arc<Connection>>,
}

/// Sorts the connections so that the one to keep is last, and takes out those to close.
fn resolve(own: NodeKey, node: NodeKey, connections: &mut Vec<Arc<Connection>>) -> Losers {
    let instance = |c: &Arc<Connection>| c.greeting().map(|greeting| greeting.instance);
    let newest = connections.iter().filter_map(instance).max();
    let is_old = |c: &Arc<Connection>| instance(c).is_some_and(|found| Some(found) < newest);
    let older = connections.extract_if(.., |c| is_old(c)).collect();
    // Stable: of two dialled by the same side the newer stays last.
    let is_kept = |c: &Arc<Connection>| c.is_usable() && c.tunnel.dialled() == (own < node);
    connections.sort_by_key(|c| is_kept(c) && !c.is_silent());
    // A drained one stays while its peer holds a stream there: only this ends all of them.
    let many = connections.len().saturating_sub(limits::PEER_CONNECTIONS);
    let surplus = connections.drain(..many).collect();
    let usable = connections.iter().filter(|c| c.is_usable());
    let mut drain: Vec<_> = usable.cloned().collect();
    drain.pop();
    Losers { drain, older, surplus }
}

/// A peer that comes by another connection, while one by a relay is there for long, has it no more:
/// that relay may be gone, which is seen at the end that it was home to.
fn doubt_relayed(known: &[Arc<Connection>], coming: &Connection) {
    if coming.tunnel.dialled() {
        return;
    }
    for one in known {
        let way = one.tunnel.way();
        let at_once = AT_ONCE.0.max(way.rtt * AT_ONCE.1);
        if way.relayed && one.born().elapsed() > at_once {
            one.fell_silent();
        }
    }
}

/// Takes a dial that is over out of the table.
fn forget(table: &mut BTreeMap<NodeKey, Peer>, node: NodeKey, dial: &Arc<Dial>) {
    let Some(peer) = table.get_mut(&node) else { return };
    if std::ptr::eq(peer.dial.as_ptr(), Arc::as_ptr(dial)) {
        peer.dial = Weak::new();
    }
    if peer.is_idle() {
        table.remove(&node);
    }
}

fn carried(connection: &Arc<Connection>) -> Traffic {
    let (sent_bytes, received_bytes) = connection.tunnel.traffic();
    Traffic { sent_bytes, received_bytes }
}

fn gone() -> Error {
    Error::new(Kind::Transport, "the node is gone").with_code("gone")
}

pub(super) fn closed() -> Error {
    Error::new(Kind::Closed, "the node is closed")
}
