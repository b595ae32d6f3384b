//! Watching the runtime folder: told by the kernel where it can, looked at each second elsewhere.

use super::folder::{Folder, Found, node_of};
use crate::home::Folders;
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::v1;
use inotify::{EventMask, Inotify, WatchMask};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

/// Buffer of events of one read, in bytes.
const EVENTS_BYTES: usize = 16 * 1024;
/// How often the folder is looked at where it cannot be watched.
const POLL: Duration = Duration::from_secs(1);

/// Shortest and longest pause after a look, so that a burst of changes costs few looks.
const GATHER: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(80));
/// Pause for each node that is known: every change wakes all of them, on one machine.
const GATHER_EACH: Duration = Duration::from_micros(600);
/// Pause after which a node whose lock file was closed is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What was seen in the runtime folder.
#[derive(Debug)]
pub(crate) enum Sighting {
    /// A node wrote this; nothing of it is verified but the name of the file.
    Seen(NodeKey, v1::NodeAnnouncement),
    /// This node took its record back; its running calls may still end well. What is known of the
    /// node since this moment is of another process.
    Left(NodeKey, Instant),
    /// The process of this node is no more; what is known of the node since this moment is of
    /// another one.
    Gone(NodeKey, Instant),
    /// Our own record disappeared.
    OwnRecordLost,
}

/// Reports every node but `own` that is there, then nothing once, which says that those are all,
/// then every change, until nobody listens.
pub(crate) async fn watch(folders: &Folders, own: NodeKey, to: mpsc::Sender<Vec<Sighting>>) {
    follow(Folder::new(folders), own, to).await;
}

/// The same, of a folder with bounds of its own.
pub(super) async fn follow(folder: Folder, own: NodeKey, to: mpsc::Sender<Vec<Sighting>>) {
    // Watch first, then look: what comes between is seen twice, not never.
    let started = start(&folder);
    follow_by(started, folder, own, to).await;
}

/// The same, as it can be watched.
pub(super) async fn follow_by(
    started: std::io::Result<Inotify>,
    folder: Folder,
    own: NodeKey,
    to: mpsc::Sender<Vec<Sighting>>,
) {
    let Some(mut folder) = report(folder, None, own, &to).await else { return };
    if to.send(Vec::new()).await.is_err() {
        return;
    }
    match started {
        Ok(mut inotify) => {
            let mut buffer = vec![0; EVENTS_BYTES];
            loop {
                let changes;
                (inotify, changes) = match listen(inotify, &mut buffer, &folder).await {
                    Ok(told) => told,
                    Err(error) => {
                        tracing::warn!(%error, "watching the runtime folder failed");
                        break;
                    }
                };
                let began = Instant::now();
                let nodes = changes.map(|changes| changes.nodes(&mut folder));
                match report(folder, nodes, own, &to).await {
                    Some(back) => folder = back,
                    None => return,
                }
                // What comes in a burst is looked at together, the more the longer a look takes
                // and the more look.
                let pause = (began.elapsed() * 4).max(GATHER_EACH * folder.known());
                sleep(pause.clamp(GATHER.0, GATHER.1)).await;
            }
        }
        Err(error) => {
            tracing::info!(%error, "cannot watch the runtime folder; looking at it each second");
        }
    }
    poll(folder, own, to).await;
}

/// Looks at the whole folder each second.
async fn poll(mut folder: Folder, own: NodeKey, to: mpsc::Sender<Vec<Sighting>>) {
    let mut ticks = interval(POLL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        ticks.tick().await;
        match report(folder, None, own, &to).await {
            Some(back) => folder = back,
            None => return,
        }
    }
}

/// The narrow mask matters: with opens and reads in it, each reader would wake every other.
pub(super) fn start(folder: &Folder) -> std::io::Result<Inotify> {
    let inotify = Inotify::init()?;
    let mut watches = inotify.watches();
    watches.add(folder.records(), WatchMask::MOVED_TO | WatchMask::DELETE | WatchMask::ONLYDIR)?;
    watches.add(folder.locks(), WatchMask::CLOSE_WRITE | WatchMask::DELETE | WatchMask::ONLYDIR)?;
    Ok(inotify)
}

/// What the kernel told of the folder.
#[derive(Debug, Default)]
struct Changes {
    /// Nodes one of whose files changed.
    changed: BTreeSet<NodeKey>,
    /// Those among them whose lock file was closed by its writer.
    closed: BTreeSet<NodeKey>,
}

impl Changes {
    /// Nodes to look at, those in doubt included.
    fn nodes(self, folder: &mut Folder) -> BTreeSet<NodeKey> {
        self.closed.into_iter().for_each(|node| folder.doubt(node));
        self.changed.into_iter().chain(folder.doubted()).collect()
    }
}

/// The next changes, or none within the time after which nodes in doubt are looked at again.
///
/// The event loop hears of changes in here only: otherwise each would wake a thread in the pauses,
/// which are made so that many wake it once.
async fn listen(
    inotify: Inotify,
    buffer: &mut [u8],
    folder: &Folder,
) -> std::io::Result<(Inotify, Option<Changes>)> {
    // Its unsafe successor asks that the descriptor stays open and the same as long as the value
    // lives; an `Inotify` owns its descriptor, so that holds here without the keyword.
    #[allow(deprecated)]
    let mut events = AsyncFd::new(inotify)?;
    let changes = next(&mut events, buffer);
    let told = if folder.doubted().next().is_none() {
        changes.await?
    } else {
        timeout(LOOK_AGAIN, changes).await.unwrap_or_else(|_| Ok(Some(Changes::default())))?
    };
    Ok((events.into_inner(), told))
}

/// What changed; none when the kernel lost count and all must be looked at.
async fn next(
    events: &mut AsyncFd<Inotify>,
    buffer: &mut [u8],
) -> std::io::Result<Option<Changes>> {
    loop {
        let mut ready = events.readable_mut().await?;
        let read = ready.try_io(|inner| {
            let mut changes = Changes::default();
            let mut lost = false;
            for event in inner.get_mut().read_events(buffer)? {
                lost |= event.mask.contains(EventMask::Q_OVERFLOW);
                let Some(node) = event.name.and_then(|name| node_of(name.to_str()?)) else {
                    continue;
                };
                changes.changed.insert(node);
                if event.mask.contains(EventMask::CLOSE_WRITE) {
                    changes.closed.insert(node);
                }
            }
            Ok(if lost { None } else { Some(changes) })
        });
        if let Ok(outcome) = read {
            return outcome;
        }
    }
}

/// Looks at these nodes, or at all, and then at those that there is room for by now, off the async
/// threads.
async fn report(
    mut folder: Folder,
    nodes: Option<BTreeSet<NodeKey>>,
    own: NodeKey,
    to: &mpsc::Sender<Vec<Sighting>>,
) -> Option<Folder> {
    let sender = to.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let mut nodes = nodes.map_or_else(|| folder.list(), |nodes| nodes.into_iter().collect());
        while !nodes.is_empty() {
            for some in nodes.chunks(limits::RECORDS_TOGETHER) {
                let seen: Vec<_> =
                    some.iter().filter_map(|node| look(&mut folder, *node, own)).collect();
                if !seen.is_empty() && sender.blocking_send(seen).is_err() {
                    return None;
                }
            }
            // Nothing of theirs changes when others make room.
            nodes = folder.have_room().into_iter().collect();
        }
        Some(folder)
    });
    looked.await.ok().flatten()
}

/// What is new of one node.
fn look(folder: &mut Folder, node: NodeKey, own: NodeKey) -> Option<Sighting> {
    if node == own {
        let own = super::folder::record_path(folder.records(), own);
        return (!own.exists()).then_some(Sighting::OwnRecordLost);
    }
    let looked = Instant::now();
    match folder.examine(node) {
        Ok(Found::Record(announcement)) => Some(Sighting::Seen(node, announcement)),
        Ok(Found::Left) => Some(Sighting::Left(node, looked)),
        Ok(Found::Dead) => Some(Sighting::Gone(node, looked)),
        Ok(Found::Known) => None,
        Err(error) => {
            tracing::debug!(%node, %error, "cannot look at a record");
            None
        }
    }
}
