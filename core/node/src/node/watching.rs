//! One watcher: what the directory tells, together with what only a catalogue knows.

use super::documents::Wants;
use super::found::{Change, Found};
use super::lifecycle::Inner;
use super::world::Known;
use hubless_proto::directory::{self, WatchEvent, WatchId};
use hubless_proto::error::Result;
use hubless_proto::identity::AgentId;
use hubless_proto::limits;
use hubless_proto::query::Query;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::watch;

/// Watches until it is dropped.
pub(super) struct Watching {
    inner: Arc<Inner>,
    id: WatchId,
    query: Query,
    wants: Wants,
    changed: watch::Receiver<u64>,
    /// Agents that the watcher was told of and that only a catalogue knows, with their names;
    /// none: it was told nothing so far.
    listed: Option<BTreeMap<AgentId, String>>,
    ready: VecDeque<Change>,
}

impl Watching {
    pub(super) fn begin(inner: &Arc<Inner>, query: Query) -> Result<Self> {
        let (mut changed, mut wants) = (inner.world.changed(), Wants::default());
        changed.mark_changed();
        let id = inner.world.watch(query.clone())?;
        // What an agent of this node accepts is known at once, so that the first event tells it.
        inner.want_documents(&query, &mut wants);
        let inner = Arc::clone(inner);
        Ok(Self { inner, id, query, wants, changed, listed: None, ready: VecDeque::new() })
    }

    /// The next change; none once the node is closed.
    pub(super) async fn next(&mut self, explain: bool) -> Option<Change> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                return Some(change);
            }
            if self.poll(explain) {
                continue;
            }
            let listed = self.matching();
            // What hides one of them was told before it hid it.
            if self.poll(explain) {
                continue;
            }
            self.compare(&listed, explain);
            if !self.ready.is_empty() {
                continue;
            }
            // What comes of it is a change.
            self.inner.want_documents(&self.query, &mut self.wants);
            tokio::select! {
                more = self.changed.changed() => more.ok()?,
                () = self.wants.due() => {}
                () = self.inner.stop.cancelled() => return None,
            }
        }
    }

    fn poll(&mut self, explain: bool) -> bool {
        let Some(event) = self.inner.world.poll_watch(self.id) else { return false };
        let change = self.change(event, explain);
        self.ready.push_back(change);
        true
    }

    fn change(&mut self, event: WatchEvent, explain: bool) -> Change {
        let inner = Arc::clone(&self.inner);
        let view = |found: directory::Found| inner.found(found, explain);
        let shown = |known: &Known| inner.shown(known, explain);
        match event {
            WatchEvent::Snapshot(all) => {
                let listed = self.matching();
                let found: Vec<Found> = all.into_iter().map(view).collect();
                self.listed = Some(listed.iter().map(named).collect());
                Change::Snapshot(found.into_iter().chain(listed.iter().map(shown)).collect())
            }
            WatchEvent::Arrived(one) => {
                let known = self.listed.as_mut().and_then(|listed| listed.remove(&one.id));
                let found = Box::new(view(*one));
                if known.is_some() { Change::Changed(found) } else { Change::Arrived(found) }
            }
            WatchEvent::Changed(one) => Change::Changed(Box::new(view(*one))),
            WatchEvent::Departed { id, name } => {
                // Its catalogue still knows it.
                let listed = self.matching().into_iter().find(|known| known.agent == id);
                let Some(known) = listed else { return Change::Departed { agent_id: id, name } };
                self.listed.get_or_insert_default().insert(id, name);
                Change::Changed(Box::new(shown(&known)))
            }
            WatchEvent::Lagged(count) => Change::Lagged(count),
        }
    }

    /// Tells of what came to a catalogue, or is hidden by an agent that was announced.
    fn compare(&mut self, listed: &[Known], explain: bool) {
        let Some(told) = &mut self.listed else { return };
        let stays: BTreeMap<AgentId, String> = listed.iter().map(named).collect();
        for known in listed.iter().filter(|known| !told.contains_key(&known.agent)) {
            let found = self.inner.shown(known, explain);
            self.ready.push_back(Change::Arrived(Box::new(found)));
        }
        for (id, name) in told.iter().filter(|(id, _)| !stays.contains_key(*id)) {
            self.ready.push_back(Change::Departed { agent_id: *id, name: name.clone() });
        }
        *told = stays;
    }

    fn matching(&self) -> Vec<Known> {
        let mut listed = self.inner.listed(&self.query);
        listed.truncate(limits::FIND_LIMIT);
        listed
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.inner.world.unwatch(self.id);
    }
}

fn named(known: &Known) -> (AgentId, String) {
    (known.agent, known.descriptor.name.clone())
}
