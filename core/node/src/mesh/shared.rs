//! What every task of a mesh shares.

use super::MeshHost;
use super::book::Book;
use super::dead::Dead;
use super::local::Local;
use super::peers::Peers;
use crate::home::{Home, Lock};
use crate::link::Link;
use crate::runtime::Presence;
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The insides of a mesh.
pub(super) struct Shared {
    pub(super) home: Home,
    pub(super) local: Local,
    pub(super) link: Link,
    pub(super) host: Arc<dyn MeshHost>,
    pub(super) book: Book,
    pub(super) dead: Dead,
    pub(super) peers: Peers,
    /// Our record in the runtime folder; none without a home.
    pub(super) presence: Option<Presence>,
    /// Rises whenever the announced agents change.
    pub(super) announced: watch::Sender<u64>,
    /// Calls that wait for a connection or a stream.
    pub(super) waiting: AtomicUsize,
    /// New calls are refused.
    pub(super) closing: AtomicBool,
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
