//! The audit log of a running node.

use super::ring::{InMemory, Ring};
use crate::chance::now_ms;
use crate::engine::lock;
use crate::store::{Change, Past, SharedStore, forgotten};
use hubless_proto::audit::{Entry, Event, Fold, Head};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits::AUDIT_QUEUE;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Takes what happens, and never holds up who says it.
///
/// What is said before [`Audit::begin`] waits for it, so that the chain goes on where the store
/// ends.
#[derive(Default)]
pub(crate) struct Audit {
    state: Mutex<State>,
    /// Fires when the fold has something to tell later.
    folded: Notify,
}

#[derive(Default)]
struct State {
    fold: Fold,
    /// What came before the log began, and when.
    early: Vec<(Entry, u64)>,
    running: Option<Running>,
    /// Rows that found no room since the last one that did.
    lost: u64,
}

struct Running {
    ring: Ring,
    past: Past,
    keeper: Option<Keeper>,
}

/// Where the rows go.
struct Keeper {
    keep: Box<dyn Fn(Vec<Change>, Done) + Send + Sync>,
    acks: Arc<Acks>,
}

/// Is called once the rows are durable, or cannot be; on any thread, and never waits.
type Done = Box<dyn FnOnce(Result<()>) + Send>;

/// What the store said.
#[derive(Default)]
struct Acks {
    /// Rows that were handed over and not answered.
    waiting: AtomicUsize,
    /// Number of the last row that is durable.
    durable: AtomicU64,
    failed: OnceLock<Error>,
}

impl Audit {
    /// Begins the log with this row: after what is in this store, or anew and in memory.
    pub(crate) fn begin(&self, store: Option<(Arc<SharedStore>, Past)>, first: Entry) {
        let (keeper, past) = match store {
            Some((store, past)) => {
                let keep = move |changes, done: Done| store.change(changes, done);
                (Some(Keeper { keep: Box::new(keep), acks: Arc::default() }), past)
            }
            None => (None, Past::default()),
        };
        self.run(keeper, past, first);
    }

    fn run(&self, keeper: Option<Keeper>, past: Past, first: Entry) {
        let mut state = lock(&self.state);
        let ring = Ring::after(past.head);
        state.running = Some(Running { ring, past, keeper });
        state.add(first, now_ms());
        for (entry, at_ms) in std::mem::take(&mut state.early) {
            state.add(entry, at_ms);
        }
    }

    /// Writes down what this node's own program did.
    pub(crate) fn record(&self, entry: Entry) {
        lock(&self.state).add(entry, now_ms());
    }

    /// Writes down what others caused: what they repeat is counted.
    pub(crate) fn fold(&self, entry: Entry) {
        let mut state = lock(&self.state);
        let now_ms = now_ms();
        let rows = state.fold.take(entry, now_ms);
        rows.into_iter().for_each(|row| state.add(row, now_ms));
        if state.fold.poll_timeout().is_some() {
            drop(state);
            self.folded.notify_one();
        }
    }

    /// Tells the counts when they are due, until `stop`.
    pub(crate) async fn tell_counts(&self, stop: &CancellationToken) {
        loop {
            let due = lock(&self.state).fold.poll_timeout();
            let wait = async {
                match due {
                    None => self.folded.notified().await,
                    Some(at_ms) => {
                        let left = Duration::from_millis(at_ms.saturating_sub(now_ms()));
                        tokio::time::sleep(left).await;
                    }
                }
            };
            tokio::select! {
                () = wait => self.count(Fold::handle_timeout),
                () = stop.cancelled() => return,
            }
        }
    }

    /// Ends the log in good order; the store is to be closed after it.
    pub(crate) fn end(&self) {
        self.count(|fold, _| fold.flush());
        self.record(Entry::of(Event::NodeEnded));
    }

    fn count(&self, take: impl FnOnce(&mut Fold, u64) -> Vec<Entry>) {
        let mut state = lock(&self.state);
        let now_ms = now_ms();
        let rows = take(&mut state.fold, now_ms);
        rows.into_iter().for_each(|row| state.add(row, now_ms));
    }

    /// The number of its last row; 0: it has none.
    pub(crate) fn rows(&self) -> u64 {
        lock(&self.state).running.as_ref().map_or(0, |running| running.ring.head().seq)
    }

    /// The rows that are in memory.
    pub(crate) fn in_memory(&self) -> InMemory {
        let mut state = lock(&self.state);
        match &mut state.running {
            Some(running) => running.told(),
            None => Ring::after(Head::START).told(),
        }
    }
}

impl State {
    fn add(&mut self, entry: Entry, at_ms: u64) {
        let Some(running) = &mut self.running else {
            if self.early.len() < AUDIT_QUEUE {
                self.early.push((entry, at_ms));
            } else {
                self.lost += 1;
            }
            return;
        };
        if !running.has_room() {
            self.lost += 1;
            return;
        }
        if self.lost > 0 {
            running.add(Entry::of(Event::RowsLost).times(self.lost), at_ms);
            self.lost = 0;
        }
        running.add(entry, at_ms);
        if let Some(through) = running.past.overfull() {
            running.forget(through, at_ms);
        }
    }
}

impl Running {
    /// False while too much waits for the store.
    fn has_room(&self) -> bool {
        let waiting = |keeper: &Keeper| keeper.acks.waiting.load(Ordering::Acquire);
        self.keeper().is_none_or(|keeper| waiting(keeper) < AUDIT_QUEUE)
    }

    /// Where rows go, unless that has failed.
    fn keeper(&self) -> Option<&Keeper> {
        self.keeper.as_ref().filter(|keeper| keeper.acks.failed.get().is_none())
    }

    fn add(&mut self, entry: Entry, at_ms: u64) {
        match self.keeper.as_ref().map(|keeper| keeper.acks.failed.get().is_some()) {
            Some(false) => {
                let link = self.ring.add(entry, at_ms);
                self.past.added(link.head);
                self.keep(link.head, vec![Change::Audit(Box::new(link))]);
            }
            failed @ (Some(true) | None) => {
                self.drop_kept();
                self.ring.make_room(at_ms, failed.is_some());
                self.ring.add(entry, at_ms);
            }
        }
    }

    /// Forgets the oldest rows on disk, in one commit with the row that says so.
    fn forget(&mut self, through: Head, at_ms: u64) {
        if self.keeper().is_none() {
            return;
        }
        let link = self.ring.add(forgotten(through), at_ms);
        self.past.added(link.head);
        self.keep(link.head, vec![Change::Forget(through), Change::Audit(Box::new(link))]);
    }

    /// Hands rows over in their order: called with the log locked.
    fn keep(&mut self, head: Head, changes: Vec<Change>) {
        self.drop_kept();
        let Some(keeper) = &self.keeper else { return };
        let acks = Arc::clone(&keeper.acks);
        acks.waiting.fetch_add(1, Ordering::AcqRel);
        (keeper.keep)(changes, Box::new(move |result| acks.note(head.seq, result)));
    }

    /// Lets go of the rows that are on disk.
    fn drop_kept(&mut self) {
        if let Some(keeper) = &self.keeper {
            self.ring.kept(keeper.acks.durable.load(Ordering::Acquire));
        }
    }

    fn told(&mut self) -> InMemory {
        self.drop_kept();
        let failed = self.keeper.as_ref().and_then(|keeper| keeper.acks.failed.get());
        InMemory { failed: failed.map(ToString::to_string), ..self.ring.told() }
    }
}

impl Acks {
    fn note(&self, seq: u64, result: Result<()>) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        match result {
            Ok(()) => drop(self.durable.fetch_max(seq, Ordering::AcqRel)),
            Err(error) => {
                let closed = error.kind == Kind::Closed;
                let message = error.message.clone();
                if self.failed.set(error).is_ok() && !closed {
                    tracing::warn!(
                        error = message,
                        "the audit log cannot be written; its latest rows are in memory only"
                    );
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
