//! The few connections that are kept for the records of the mesh, and those that are made for one
//! message.
//!
//! Those who joined by one minter are connected with each other by them when it is no more. Nodes
//! of one runtime folder see each other there: they make none, until one of them says that there
//! are others beyond it.

use super::driver::Driver;
use crate::back_off::BackOff;
use crate::chance;
use crate::mesh::connection::Connection;
use crate::mesh::shared::Shared;
use hubless_proto::directory::replica::{Frame, Message, Nearness, Sealed};
use hubless_proto::error::{Result, Retry};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// Between two looks whether there are links enough.
const LOOK: Duration = Duration::from_secs(2);
/// The same, after one was lost or another node was heard of.
const SOON: Duration = Duration::from_millis(200);

/// Pauses between tries to reach one of those that were lost, the first and the longest: two halves
/// of a mesh that were cut off from each other meet again by it.
const AGAIN: (Duration, Duration) = (Duration::from_secs(4), Duration::from_secs(60));

/// When one of those that were lost is dialled again.
#[derive(Debug)]
pub(super) struct Again {
    /// How many were lost when the pauses began.
    many: usize,
    pauses: BackOff,
    next: Instant,
}

impl Again {
    fn new(many: usize, now: Instant) -> Self {
        let mut pauses = BackOff::within(AGAIN.0, AGAIN.1);
        Self { many, next: now + pauses.next(Retry::Later), pauses }
    }

    /// True when it is time for a try; the next one comes later.
    fn is_due(&mut self, many: usize, now: Instant) -> bool {
        if many > self.many {
            *self = Self::new(many, now);
        }
        self.many = many;
        let is_due = self.next <= now;
        if is_due {
            self.next = now + self.pauses.next(Retry::Later);
        }
        is_due
    }
}

/// Places of members that are dialled.
#[derive(Debug)]
pub(super) struct Dials(Arc<Semaphore>);

impl Default for Dials {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(limits::RECORD_DIALS)))
    }
}

impl Dials {
    /// Dials a member. What finds no place is lost: it is tried again later.
    fn dial(&self, shared: &Arc<Shared>, node: NodeKey, frame: Option<Frame>) {
        if shared.is_closing() {
            return;
        }
        let Ok(place) = Arc::clone(&self.0).try_acquire_owned() else { return };
        let task = Arc::clone(shared);
        shared.spawn(async move {
            let _place = place;
            match reached(&task, node).await {
                Ok(connection) if connection.spreads() => {
                    frame.into_iter().for_each(|frame| connection.spread(frame));
                }
                Ok(_) => task.directory.is_mute(node),
                Err(why) if why.code == "no_address" => task.directory.has_no_way(node),
                // Who dials tells of it.
                Err(error) => tracing::debug!(%node, %error, "a member is not reached"),
            }
        });
    }
}

impl Driver {
    /// Says something to a member, over a connection that is there, or that is made for it.
    pub(super) fn send(&mut self, to: NodeKey, message: &Message<Sealed>) {
        let connections = self.shared.peers.of(to);
        let open = connections.iter().rev().find(|one| one.spreads() && one.is_usable());
        if open.is_none() && !self.may_dial(to) {
            return;
        }
        let networks = self.networks();
        let book = &self.shared.book;
        let own = self.shared.local.node();
        let is_here = |node: &NodeKey| *node == own || book.is_here(*node, &networks);
        let frame = message.to_frame(&is_here);
        match open {
            Some(connection) => connection.spread(frame),
            None => self.dial(to, Some(frame)),
        }
    }

    /// True for a node that is worth a connection.
    fn may_dial(&self, node: NodeKey) -> bool {
        let is_strange = self.mute.contains(&node) || self.no_way.contains(&node);
        !is_strange && (self.beyond || !self.is_near(node))
    }

    /// Dials a member, to say something if there is anything to be said.
    pub(super) fn dial(&self, node: NodeKey, frame: Option<Frame>) {
        self.dials.dial(&self.shared, node, frame);
    }

    /// Looks before long whether there are links enough.
    pub(super) fn look_soon(&mut self) {
        self.look = self.look.min(Instant::now() + jittered(SOON));
    }

    /// Looks what is known beyond the runtime folder, and makes the links that are missing.
    pub(super) fn keep_links(&mut self) {
        let now = Instant::now();
        if now < self.look {
            return;
        }
        self.look = now + jittered(LOOK);
        let (others, near) = (self.others(), self.shared.book.all_near());
        let knows_far = others.iter().any(|(node, _)| !near.contains(node));
        let is_linked_far = self.links.values().any(|nearness| *nearness == Nearness::Far);
        let gateways = self.shared.directory.gateways();
        self.beyond = knows_far || is_linked_far || !gateways.is_empty();
        if is_linked_far || !knows_far {
            self.shared.local.set_beyond(is_linked_far);
        }
        let lost = others.iter().filter(|(_, lost)| *lost).map(|(node, _)| *node).collect();
        self.try_lost(lost, now);
        let missing = limits::RECORD_LINKS.saturating_sub(self.links.len());
        if !self.beyond || missing == 0 {
            return;
        }
        let candidates: Vec<NodeKey> = if knows_far {
            others.into_iter().filter(|(_, lost)| !lost).map(|(node, _)| node).collect()
        } else {
            gateways.into_iter().collect()
        };
        let is_new = |node: &NodeKey| !self.links.contains_key(node) && self.may_dial(*node);
        let mut candidates: Vec<_> = candidates.into_iter().filter(is_new).collect();
        for _ in 0..missing.min(candidates.len()) {
            let node = candidates.swap_remove(place(candidates.len()));
            self.dial(node, None);
        }
    }

    /// Dials one of those that were lost now and then, however many links there are: those may all
    /// be on one side of a cut.
    fn try_lost(&mut self, mut lost: Vec<NodeKey>, now: Instant) {
        lost.retain(|node| !self.links.contains_key(node) && self.may_dial(*node));
        if lost.is_empty() {
            self.again = None;
            return;
        }
        let again = self.again.get_or_insert_with(|| Again::new(lost.len(), now));
        if again.is_due(lost.len(), now) {
            self.dial(lost.swap_remove(place(lost.len())), None);
        }
    }
}

async fn reached(shared: &Arc<Shared>, node: NodeKey) -> Result<Arc<Connection>> {
    let connection = shared.connection(node).await?;
    connection.introduced().await?;
    Ok(connection)
}

/// Between a half and the whole of a time: those that lost one node do not look all at once.
fn jittered(time: Duration) -> Duration {
    let [chance] = chance::bytes::<1>();
    time / 2 + time.mul_f64(f64::from(chance) / 512.0)
}

/// A place in a list of this length, by chance; 0 when it is empty.
fn place(length: usize) -> usize {
    let chance = u64::from_be_bytes(chance::bytes());
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    usize::try_from(chance.checked_rem(length).unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::One;
    use super::*;
    use crate::mesh::tests::support::LONG;
    use tokio::time::timeout;

    #[test]
    fn those_that_were_lost_are_tried_again_with_longer_and_longer_pauses() {
        let began = Instant::now();
        let mut again = Again::new(3, began);
        let mut tries = Vec::new();
        for second in 0..600 {
            if again.is_due(3, began + Duration::from_secs(second)) {
                tries.push(second);
            }
        }
        assert!((10..20).contains(&tries.len()) && tries[0] <= 5, "{tries:?}");
        assert!(tries.windows(2).all(|two| two[1] - two[0] <= 76), "{tries:?}");
        // Where more are lost, they are tried soon.
        let now = began + Duration::from_secs(600);
        assert!(!again.is_due(4, now) && again.is_due(4, now + AGAIN.0 * 2));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn so_many_members_are_dialled_at_once_and_no_more() {
        let one = One::alone().await;
        let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = silent.local_addr().unwrap();
        let shared = one.mesh.shared_for_tests();
        let dials = Dials::default();
        let keys = (0..20).map(|_| crate::keys::fresh().unwrap().node_key());
        let nodes: Vec<_> = keys.collect();
        for node in &nodes {
            shared.book.contact(*node, &[address]);
            dials.dial(shared, *node, None);
        }
        let dialled = || nodes.iter().filter(|node| shared.peers.is_dialled_for_tests(**node));
        let all = async {
            while dialled().count() < limits::RECORD_DIALS {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, all).await.expect("in time");
        assert_eq!(dialled().count(), limits::RECORD_DIALS);
    }
}
