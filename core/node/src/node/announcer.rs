//! When others are told of this node's agents, and of which.
//!
//! Owns: which agents live too short to be told of, and the batches in which the others of them are
//! announced. Must not know how. Time is passed in; tested beside it, and over connections in
//! `tests/two_nodes`.

use super::lifecycle::Inner;
use crate::engine::{Hosted, lock};
use hubless_proto::limits;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Transient agents that are to be announced within this time are announced together.
const BATCH: Duration = Duration::from_millis(100);

/// What is to be announced, and who waits for it.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    /// True when told agents changed since they were announced.
    changed: AtomicBool,
    wake: Notify,
    untold: Mutex<Untold>,
    /// Held from the look at the agents until they are announced: of two that look at once, the
    /// earlier look must not be announced last.
    turn: Mutex<()>,
}

impl Announcer {
    /// An agent is about to be registered.
    pub(super) fn expect(&self, hosted: &Hosted) {
        if hosted.is_transient() && lock(&self.untold).add(hosted.serial, Instant::now()) {
            self.wake.notify_one();
        }
    }

    /// An agent is no more; true: others were told of it.
    pub(super) fn forget(&self, hosted: &Hosted) -> bool {
        !lock(&self.untold).remove(hosted.serial)
    }

    /// True for an agent that is announced beyond this node.
    pub(super) fn tells_of(&self, hosted: &Hosted) -> bool {
        !hosted.is_transient() || !lock(&self.untold).holds(hosted.serial)
    }

    /// Told agents changed: others learn it soon.
    pub(super) fn changed(&self) {
        self.changed.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    #[cfg(test)]
    pub(super) fn untold_for_tests(&self) -> usize {
        lock(&self.untold).rows.len()
    }
}

/// Announces changes; many in a short time become one.
pub(super) async fn announcing(inner: Arc<Inner>) {
    loop {
        let due = lock(&inner.announcer.untold).next();
        let batch = async {
            match due {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = inner.announcer.wake.notified() => {}
            () = batch => {}
            () = inner.stop.cancelled() => return,
        }
        if lock(&inner.announcer.untold).grow(Instant::now()) {
            inner.announcer.changed.store(true, Ordering::Release);
        }
        inner.announce_now();
    }
}

impl Inner {
    /// Announces hosted agents at once, if they changed; what another thread is about to announce
    /// is announced when this returns.
    pub(super) fn announce_now(&self) {
        let announcer = &self.announcer;
        let _turn = lock(&announcer.turn);
        if self.is_closing() || !announcer.changed.swap(false, Ordering::AcqRel) {
            return;
        }
        let agents = self.announceable();
        let told = agents.iter().filter(|hosted| announcer.tells_of(hosted));
        let records = told.map(|hosted| lock(&hosted.announced).records.clone());
        self.mesh.announce(records.collect());
    }

    /// Takes every agent back, of a node that is closing already: nothing is announced any more.
    pub(super) fn announce_none(&self) {
        let _turn = lock(&self.announcer.turn);
        self.announcer.changed.store(false, Ordering::Release);
        self.mesh.announce(Vec::new());
    }
}

/// Transient agents that nobody beyond the node is told of, by the number of their registration.
#[derive(Debug, Default)]
struct Untold {
    /// When each was registered: later numbers at later times.
    rows: BTreeMap<u64, Instant>,
    /// True while somebody waits for the next batch.
    awaited: bool,
}

impl Untold {
    /// Takes one in; true: who announces must be woken, since it waits for none.
    fn add(&mut self, serial: u64, now: Instant) -> bool {
        self.rows.insert(serial, now);
        !std::mem::replace(&mut self.awaited, true)
    }

    /// Takes one out; true: it was among them.
    fn remove(&mut self, serial: u64) -> bool {
        self.rows.remove(&serial).is_some()
    }

    fn holds(&self, serial: u64) -> bool {
        self.rows.contains_key(&serial)
    }

    /// When the next batch is due; none: there is nobody to wait for.
    fn next(&mut self) -> Option<Instant> {
        let first = self.rows.values().next();
        self.awaited = first.is_some();
        first.map(|born| *born + limits::TRANSIENT_UNTOLD + BATCH)
    }

    /// Takes out who is old enough, once a batch is due; true: there was one.
    fn grow(&mut self, now: Instant) -> bool {
        if self.next().is_none_or(|due| now < due) {
            return false;
        }
        let grown = |born: &Instant| *born + limits::TRANSIENT_UNTOLD <= now;
        while self.rows.first_entry().is_some_and(|first| grown(first.get())) {
            self.rows.pop_first();
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Agent, AgentOptions, Node, NodeOptions, handler};
    use serde_json::json;

    const LIFE: Duration = limits::TRANSIENT_UNTOLD;

    #[test]
    fn those_that_live_for_a_second_are_told_of_together() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut untold = Untold::default();
        assert_eq!(untold.next(), None);
        assert!(untold.add(1, start), "nobody waits for it");
        assert!(!untold.add(2, at(99)) && !untold.add(3, at(101)));
        assert_eq!(untold.next(), Some(start + LIFE + BATCH));
        assert!(!untold.grow(at(0) + LIFE + BATCH - Duration::from_millis(1)));
        assert!(untold.holds(1), "not before its batch");
        assert!(untold.grow(start + LIFE + BATCH));
        assert!(!untold.holds(1) && !untold.holds(2) && untold.holds(3));
        assert_eq!(untold.next(), Some(at(101) + LIFE + BATCH));
    }

    #[test]
    fn one_that_is_removed_before_is_never_told_of() {
        let start = Instant::now();
        let mut untold = Untold::default();
        untold.add(1, start);
        assert!(untold.remove(1) && !untold.remove(1));
        assert!(!untold.grow(start + LIFE * 9));
        assert_eq!(untold.next(), None);
        assert!(untold.rows.is_empty());
        assert!(untold.add(2, start), "whoever announces waits for none again");
    }

    #[test]
    fn a_batch_that_is_waited_for_wakes_nobody_again() {
        let start = Instant::now();
        let mut untold = Untold::default();
        untold.add(1, start);
        assert!(untold.next().is_some());
        untold.remove(1);
        assert!(!untold.add(2, start), "the waiting ends by itself, and finds the second");
    }

    /// Sizes of every table of a node that knows of its agents: registered, known, of the past,
    /// untold, announced.
    fn sizes(node: &Node) -> [usize; 5] {
        let inner = node.open().unwrap();
        let [known, past] = inner.world.sizes_for_tests();
        let announced = inner.mesh.announced_for_tests().len();
        let untold = inner.announcer.untold_for_tests();
        [lock(&inner.engine.registry).len(), known, past, untold, announced]
    }

    async fn brief(node: &Node, n: usize) -> Agent {
        let options = json!({"name": format!("brief-{n}"), "transient": true});
        let echo = handler(|_, content| async move { Ok(content) });
        node.register(AgentOptions::read(options).unwrap(), echo).await.unwrap()
    }

    /// `HUBLESS_TEST_AGENTS`: how many come and go.
    fn many() -> usize {
        std::env::var("HUBLESS_TEST_AGENTS").map_or(10_000, |text| text.parse().unwrap())
    }

    /// They come and go, four at a time; gives the longest of their lives.
    async fn come_and_go(node: &Node) -> Duration {
        let began = std::time::Instant::now();
        let tasks = (0..4).map(|part| {
            let node = node.clone();
            tokio::spawn(async move {
                let mut longest = Duration::ZERO;
                for n in (part..many()).step_by(4) {
                    let born = std::time::Instant::now();
                    let agent = brief(&node, n).await;
                    agent.unregister(Duration::ZERO).await.unwrap();
                    longest = longest.max(born.elapsed());
                }
                longest
            })
        });
        let mut longest = Duration::ZERO;
        for task in tasks.collect::<Vec<_>>() {
            longest = longest.max(task.await.unwrap());
        }
        eprintln!("{} agents came and went in {:?}", many(), began.elapsed());
        longest
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_announced_last_holds_every_agent() {
        let options = NodeOptions { memory_only: true, ..NodeOptions::default() };
        let node = Node::start(options).await.unwrap();
        let tasks = (0..4).map(|part| {
            let node = node.clone();
            tokio::spawn(async move {
                for n in 0..50 {
                    let options = json!({"name": format!("lasting-{part}-{n}")});
                    let echo = handler(|_, content| async move { Ok(content) });
                    node.register(AgentOptions::read(options).unwrap(), echo).await.unwrap();
                    // As a call to another node does.
                    node.open().unwrap().announce_now();
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        let inner = node.open().unwrap();
        let all = inner.mesh.until_announced_for_tests(200);
        tokio::time::timeout(Duration::from_secs(20), all).await.expect("all are announced");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn any_number_of_transient_agents_leaves_every_table_as_it_was() {
        let mut rounds = 1..5;
        let (node, before, mesh) = loop {
            let options = NodeOptions { memory_only: true, ..NodeOptions::default() };
            let node = Node::start(options).await.unwrap();
            let before = sizes(&node);
            assert_eq!(before, [0; 5]);
            let mesh = node.open().unwrap().mesh.clone();
            let announced = mesh.announced_for_tests();
            let longest = come_and_go(&node).await;
            let after = sizes(&node);
            if after == before && Arc::ptr_eq(&announced, &mesh.announced_for_tests()) {
                break (node, before, mesh);
            }
            // A busy machine lets one live so long that it is announced, now and then.
            let again = longest >= LIFE / 2 && rounds.next().is_some();
            assert!(again, "something was announced or left: {after:?}, {longest:?}");
        };
        let born = std::time::Instant::now();
        let longer = brief(&node, 0).await;
        let young = sizes(&node);
        if born.elapsed() < LIFE {
            assert_eq!(young, [1, 1, 0, 1, 0]);
        }
        mesh.until_announced_for_tests(1).await;
        assert_eq!(sizes(&node), [1, 1, 0, 0, 1], "one that lives longer is announced");
        longer.unregister(Duration::ZERO).await.unwrap();
        mesh.until_announced_for_tests(0).await;
        assert_eq!(sizes(&node), before);
    }
}
