//! What the rest of the mesh tells the directory. Nothing here waits.

use crate::engine::lock;
use crate::mesh::RecordsHeld;
use crate::mesh::connection::Connection;
use crate::mesh::frames::PARTING;
use hubless_proto::directory::replica::Loss;
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::v1;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Messages of one member that wait to be read: it leaves room for those of others.
const RECORD_SHARE: usize = limits::RECORD_MESSAGES / 4;

/// A message of a member, as it came.
#[derive(Debug)]
pub(in crate::mesh) enum Words {
    /// Numbers.
    Digests(v1::RecordDigests),
    /// Records.
    Delta(v1::RecordDelta),
}

/// Who said something, and from where.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) from: NodeKey,
    pub(super) ip: Option<IpAddr>,
    pub(super) words: Words,
}

/// What happened with a node since it was looked at last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Change {
    /// It was lost meanwhile, whether it is connected by now or not.
    pub(super) loss: Option<Loss>,
    /// None of its addresses may be dialled from here, which says nothing of the node.
    pub(super) no_way: bool,
    /// It does not speak of records.
    pub(super) mute: bool,
}

/// What was told and not taken up.
#[derive(Debug, Default)]
struct News {
    changes: BTreeMap<NodeKey, Change>,
    near: BTreeMap<NodeKey, v1::NodeAnnouncement>,
    /// Nodes of the runtime folder that hold records of others beyond it.
    gateways: BTreeSet<NodeKey>,
}

/// The directory, as the rest of the mesh sees it.
#[derive(Debug)]
pub(in crate::mesh) struct Directory {
    news: Mutex<News>,
    wake: Notify,
    words: mpsc::Sender<Heard>,
    /// How many of those that wait are of one member.
    waiting: Mutex<BTreeMap<NodeKey, usize>>,
    unread: Mutex<Option<mpsc::Receiver<Heard>>>,
    /// There are nodes beyond the runtime folder.
    awake: AtomicBool,
    held: Mutex<RecordsHeld>,
    links: watch::Sender<usize>,
    ending: CancellationToken,
    ended: CancellationToken,
}

impl Default for Directory {
    fn default() -> Self {
        let (words, unread) = mpsc::channel(limits::RECORD_MESSAGES);
        Self {
            news: Mutex::default(),
            wake: Notify::new(),
            words,
            waiting: Mutex::default(),
            unread: Mutex::new(Some(unread)),
            awake: AtomicBool::new(false),
            held: Mutex::default(),
            links: watch::Sender::new(0),
            ending: CancellationToken::new(),
            ended: CancellationToken::new(),
        }
    }
}

impl Directory {
    /// A connection to a node came or ended, or the node was lost in another way.
    pub(in crate::mesh) fn changed(&self, node: NodeKey, loss: Option<Loss>) {
        self.note(node, |change| {
            // What says more of the node stands.
            if change.loss != Some(Loss::Broken) {
                change.loss = loss.or(change.loss);
            }
        });
    }

    /// A node cannot be dialled from here.
    pub(super) fn has_no_way(&self, node: NodeKey) {
        self.note(node, |change| change.no_way = true);
    }

    /// A node does not speak of records.
    pub(super) fn is_mute(&self, node: NodeKey) {
        self.note(node, |change| change.mute = true);
    }

    fn note(&self, node: NodeKey, note: impl FnOnce(&mut Change)) {
        let mut news = lock(&self.news);
        if news.changes.len() >= limits::DIRECTORY_NODES && !news.changes.contains_key(&node) {
            return;
        }
        let change = news.changes.entry(node).or_default();
        note(change);
        if change.loss == Some(Loss::Broken) {
            news.gateways.remove(&node);
        }
        drop(news);
        self.wake.notify_one();
    }

    /// A node of this mesh showed itself in the runtime folder.
    pub(in crate::mesh) fn near(&self, node: NodeKey, announcement: &v1::NodeAnnouncement) {
        if !announcement.beyond && !self.is_awake() {
            return;
        }
        let mut news = lock(&self.news);
        if announcement.beyond {
            news.gateways.insert(node);
        } else {
            news.gateways.remove(&node);
        }
        news.near.insert(node, announcement.clone());
        drop(news);
        self.wake.notify_one();
    }

    /// A member said something. What finds no room is found again by comparing.
    pub(in crate::mesh) fn heard(&self, connection: &Connection, words: Words) {
        connection.spoke();
        let (from, ip) = (connection.peer(), connection.tunnel.remote_ip());
        if !self.queue(Heard { from, ip, words }) {
            tracing::debug!(node = %from, "a message about records finds no room");
        }
    }

    /// Puts a message behind those that wait; false: it finds no room.
    fn queue(&self, heard: Heard) -> bool {
        let mut waiting = lock(&self.waiting);
        let from = heard.from;
        let own = waiting.get(&from).copied().unwrap_or_default();
        let fits = own < RECORD_SHARE && self.words.try_send(heard).is_ok();
        if fits {
            waiting.insert(from, own + 1);
        }
        fits
    }

    /// A message of a member is taken up, and leaves its place to another one.
    pub(super) fn taken_up(&self, from: NodeKey) {
        let mut waiting = lock(&self.waiting);
        let left = waiting.get(&from).copied().unwrap_or_default().saturating_sub(1);
        if left == 0 {
            waiting.remove(&from);
        } else {
            waiting.insert(from, left);
        }
    }

    /// Says that this node is no more, to those that it is connected to.
    ///
    /// # Cancellation
    /// It is said all the same.
    pub(in crate::mesh) async fn leave(&self) {
        self.ending.cancel();
        // Whoever misses it hears of the end of the connection.
        let _ = timeout(PARTING, self.ended.cancelled()).await;
    }

    /// True once there are nodes beyond the runtime folder.
    pub(in crate::mesh) fn is_awake(&self) -> bool {
        self.awake.load(Ordering::SeqCst)
    }

    /// How many records are held, and of how many nodes.
    pub(in crate::mesh) fn held(&self) -> RecordsHeld {
        *lock(&self.held)
    }

    /// Waits until this node is connected to no member that speaks of records.
    ///
    /// # Cancellation
    /// Safe.
    pub(in crate::mesh) async fn alone(&self) {
        // The sender lives as long as this.
        let _ = self.links.subscribe().wait_for(|links| *links == 0).await;
    }

    pub(super) fn wakes(&self) {
        self.awake.store(true, Ordering::SeqCst);
    }

    /// What members say, for the one that reads it; and what tells that nobody does any more.
    pub(super) fn read(&self) -> Option<(mpsc::Receiver<Heard>, DropGuard)> {
        Some((lock(&self.unread).take()?, self.ended.clone().drop_guard()))
    }

    /// Waits for something to take up.
    pub(super) async fn news(&self) {
        self.wake.notified().await;
    }

    /// Waits until this node leaves.
    pub(super) async fn ends(&self) {
        self.ending.cancelled().await;
    }

    pub(super) fn take_changes(&self) -> BTreeMap<NodeKey, Change> {
        std::mem::take(&mut lock(&self.news).changes)
    }

    pub(super) fn take_near(&self) -> BTreeMap<NodeKey, v1::NodeAnnouncement> {
        std::mem::take(&mut lock(&self.news).near)
    }

    pub(super) fn gateways(&self) -> BTreeSet<NodeKey> {
        lock(&self.news).gateways.clone()
    }

    /// Notes what is held, and to how many members this node is connected.
    pub(super) fn note_held(&self, held: RecordsHeld, links: usize) {
        *lock(&self.held) = held;
        self.links.send_if_modified(|known| std::mem::replace(known, links) != links);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(n: u8) -> NodeKey {
        NodeKey::from_bytes([n; 32])
    }

    #[test]
    fn so_many_messages_wait_to_be_read() {
        let directory = Directory::default();
        let says = |n| {
            let words = Words::Digests(v1::RecordDigests::default());
            directory.queue(Heard { from: node(n), ip: None, words })
        };
        let say = || (1..9).any(says);
        assert!((0..limits::RECORD_MESSAGES).all(|_| say()) && !say());
        let (mut unread, _reads) = directory.read().unwrap();
        assert!(unread.try_recv().is_ok());
        directory.taken_up(node(1));
        assert!(say() && !say());
        assert!(directory.read().is_none(), "one reads");
    }

    #[test]
    fn one_member_has_so_many_of_them_and_leaves_room_for_others() {
        let directory = Directory::default();
        let says = |n| {
            let words = Words::Digests(v1::RecordDigests::default());
            directory.queue(Heard { from: node(n), ip: None, words })
        };
        assert!((0..RECORD_SHARE).all(|_| says(1)) && !says(1) && says(2));
        directory.taken_up(node(1));
        assert!(says(1) && !says(1));
        for _ in 0..=RECORD_SHARE {
            directory.taken_up(node(1));
        }
        directory.taken_up(node(2));
        assert!(lock(&directory.waiting).is_empty());
    }

    #[test]
    fn what_says_most_of_a_node_stands_until_it_is_taken_up() {
        let directory = Directory::default();
        for loss in [Some(Loss::Unreached), Some(Loss::Broken), Some(Loss::Closed), None] {
            directory.changed(node(1), loss);
        }
        directory.changed(node(2), None);
        directory.has_no_way(node(3));
        directory.is_mute(node(4));
        let changes = directory.take_changes();
        let of = |n| changes.get(&node(n)).copied().unwrap();
        assert_eq!((of(1).loss, of(2).loss), (Some(Loss::Broken), None));
        assert!(of(3).no_way && of(3).loss.is_none() && of(4).mute);
        assert!(directory.take_changes().is_empty());
    }

    #[test]
    fn a_folder_without_anybody_beyond_it_is_not_listened_to() {
        let directory = Directory::default();
        let says = |beyond| v1::NodeAnnouncement { beyond, ..Default::default() };
        directory.near(node(1), &says(false));
        assert!(directory.take_near().is_empty());
        directory.near(node(2), &says(true));
        assert_eq!(directory.gateways().into_iter().collect::<Vec<_>>(), [node(2)]);
        directory.wakes();
        directory.near(node(1), &says(false));
        assert_eq!(directory.take_near().len(), 2);
        directory.changed(node(2), Some(Loss::Broken));
        assert!(directory.gateways().is_empty(), "it is no more");
    }
}
