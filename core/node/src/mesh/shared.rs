//! What every task of a mesh shares.

use super::MeshHost;
use super::book::Book;
use super::dead::Dead;
use super::directory::Directory;
use super::local::Local;
use super::parted::Parted;
use super::peers::Peers;
use crate::home::{Home, Lock};
use crate::link::{Link, Paths};
use crate::runtime::Presence;
use hubless_proto::limits;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, SetOnce, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long a mesh waits for its peers, and on which paths.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From the opening of a stream to the whole of its first message.
    pub(super) request: Duration,
    /// For a peer that has nothing open on a drained connection, until it is closed.
    pub(super) drain: Duration,
    /// For requests on a path within this machine of which nothing is heard.
    pub(super) here: Here,
    /// Not of time: by what others are reached.
    pub(super) paths: Paths,
}

/// How often a request goes over a path within this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Here {
    /// Once: nothing is lost there.
    Once,
    /// As on any other.
    #[cfg(test)]
    Again,
}

impl Default for Patience {
    fn default() -> Self {
        let (request, drain) = (limits::DEADLINE, limits::DRAIN);
        Self { request, drain, here: Here::Once, paths: Paths::All }
    }
}

/// The insides of a mesh.
pub(super) struct Shared {
    pub(super) home: Home,
    pub(super) local: Arc<Local>,
    pub(super) link: Link,
    pub(super) host: Arc<dyn MeshHost>,
    pub(super) book: Book,
    pub(super) dead: Dead,
    pub(super) parted: Parted,
    pub(super) peers: Peers,
    pub(super) directory: Directory,
    pub(super) patience: Patience,
    /// Our record in the runtime folder; none without a home.
    pub(super) presence: Option<Presence>,
    /// Set once every node is known that was in the runtime folder at the start.
    pub(super) looked: SetOnce<()>,
    /// Rises whenever the announced agents change.
    pub(super) announced: watch::Sender<u64>,
    /// Places of calls that wait for a connection or a stream.
    pub(super) waiting: Semaphore,
    /// Places of messages about grants that wait for a connection.
    pub(super) telling: Arc<Semaphore>,
    /// Turns of those that bring invites.
    pub(super) redeeming: Arc<Semaphore>,
    /// New calls are refused.
    pub(super) closing: AtomicBool,
    /// Fires when nothing arrives over a relay: it may be there no more.
    pub(super) doubt: Notify,
    /// Requests that were sent again.
    pub(super) repeats: AtomicU64,
    /// Calls that still run are cut off.
    pub(super) cut: CancellationToken,
    /// Every task ends.
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    /// Keeps a stored node key to this process.
    pub(super) use_lock: Mutex<Option<Lock>>,
}

impl Shared {
    /// Starts a task that ends with the mesh.
    pub(super) fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        self.tasks.spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = task => {}
            }
        });
    }
}
