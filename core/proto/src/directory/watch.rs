//! Those who want to be told what comes, changes and goes.

use super::{Directory, Found};
use crate::error::{Error, Kind, Result};
use crate::identity::AgentId;
use crate::limits;
use crate::query::Query;
use crate::wire::record::Digest;
use crate::wire::v1;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One watcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WatchId(u64);

/// What a watcher is told.
#[derive(Debug, Clone)]
pub enum WatchEvent {
    /// All that match: first of all, and after `Lagged`.
    Snapshot(Vec<Found>),
    /// One more matches.
    Arrived(Box<Found>),
    /// One that matches publishes something else.
    Changed(Box<Found>),
    /// One matches no longer, or is gone.
    Departed {
        /// Its id.
        id: AgentId,
        /// Its name.
        name: String,
    },
    /// The watcher was too slow: so many changes were left out, and a snapshot follows.
    Lagged(u64),
}

#[derive(Debug, Default)]
pub(super) struct Watchers {
    all: BTreeMap<WatchId, Watcher>,
    last: u64,
}

#[derive(Debug)]
struct Watcher {
    query: Query,
    // Those that match, as the watcher was told or will be.
    matching: BTreeSet<AgentId>,
    // Those that were there at the snapshot and had no room in it.
    rest: VecDeque<AgentId>,
    backlog: VecDeque<WatchEvent>,
    lagged: u64,
    wants_snapshot: bool,
}

impl Watcher {
    fn push(&mut self, event: WatchEvent) {
        if self.wants_snapshot {
            // The snapshot will show it.
            self.lagged += u64::from(self.lagged > 0);
            return;
        }
        if self.backlog.len() < limits::WATCH_BACKLOG {
            self.backlog.push_back(event);
            return;
        }
        self.lagged = self.backlog.len() as u64 + 1;
        self.backlog.clear();
        self.wants_snapshot = true;
    }
}

impl Watchers {
    pub(super) fn departed(&mut self, id: &AgentId, name: &str) {
        for watcher in self.all.values_mut() {
            if watcher.matching.remove(id) {
                watcher.push(WatchEvent::Departed { id: *id, name: name.to_owned() });
            }
        }
    }
}

impl Directory {
    /// Begins to watch; the first event is a snapshot, of at most `FIND_LIMIT` agents;
    /// what more there is arrives one by one.
    ///
    /// # Errors
    /// `busy` at `WATCHERS`.
    pub fn watch(&mut self, query: Query) -> Result<WatchId> {
        if self.watchers.all.len() >= limits::WATCHERS {
            return Err(Error::new(Kind::Busy, "no more watchers fit into this node")
                .with_limit("WATCHERS", limits::WATCHERS as u64));
        }
        self.watchers.last += 1;
        let id = WatchId(self.watchers.last);
        let watcher = Watcher {
            query: Query { limit: limits::FIND_LIMIT, ..query },
            matching: BTreeSet::new(),
            rest: VecDeque::new(),
            backlog: VecDeque::new(),
            lagged: 0,
            wants_snapshot: true,
        };
        self.watchers.all.insert(id, watcher);
        Ok(id)
    }

    /// Ends watching.
    pub fn unwatch(&mut self, id: WatchId) {
        self.watchers.all.remove(&id);
    }

    /// The next event of a watcher; none: nothing happened, or there is no such watcher.
    pub fn poll_watch(&mut self, id: WatchId, now_ms: u64) -> Option<WatchEvent> {
        let watcher = self.watchers.all.get_mut(&id)?;
        if let Some(event) = watcher.backlog.pop_front() {
            return Some(event);
        }
        if !watcher.wants_snapshot {
            return self.arrive(id, now_ms);
        }
        let lagged = std::mem::take(&mut watcher.lagged);
        if lagged > 0 {
            return Some(WatchEvent::Lagged(lagged));
        }
        let query = watcher.query.clone();
        let found = self.find(&query, now_ms);
        let is_full = found.len() >= query.limit;
        let there = if is_full { self.matching(&query, now_ms) } else { Vec::new() };
        let watcher = self.watchers.all.get_mut(&id)?;
        watcher.wants_snapshot = false;
        watcher.matching = found.iter().map(|found| found.id).collect();
        let told = &watcher.matching;
        watcher.rest = there.into_iter().filter(|agent| !told.contains(agent)).collect();
        Some(WatchEvent::Snapshot(found))
    }

    /// The next of those that had no room in the snapshot, if it still matches.
    fn arrive(&mut self, id: WatchId, now_ms: u64) -> Option<WatchEvent> {
        loop {
            let watcher = self.watchers.all.get_mut(&id)?;
            let agent = watcher.rest.pop_front()?;
            if watcher.matching.contains(&agent) {
                continue;
            }
            let entry = self.entries.get(&agent);
            let watcher = self.watchers.all.get(&id)?;
            if entry.is_none_or(|entry| !self.is_asked(entry, &watcher.query, now_ms)) {
                continue;
            }
            let Some(found) = self.by_id(&agent, now_ms) else { continue };
            self.watchers.all.get_mut(&id)?.matching.insert(agent);
            return Some(WatchEvent::Arrived(Box::new(found)));
        }
    }

    /// Tells the watchers that ask what an agent accepts of those that are seen to match by this
    /// skill document.
    pub(super) fn tell_accepting(&mut self, digest: &Digest, now_ms: u64) {
        if !self.watchers.all.values().any(|watcher| watcher.query.accepts.is_some()) {
            return;
        }
        let has = |skill: &v1::Skill| skill.document_digest == digest.as_slice();
        let entries = self.entries.values();
        let having = entries.filter(|entry| entry.descriptor.skills.iter().any(has));
        let ids: Vec<AgentId> = having.map(|entry| entry.id).collect();
        for id in ids {
            self.tell_match(&id, now_ms);
        }
    }

    /// Tells those that ask what an agent accepts, and were not told of this one, that it matches.
    fn tell_match(&mut self, id: &AgentId, now_ms: u64) {
        let Some(entry) = self.entries.get(id) else { return };
        let meets = |watcher: &Watcher| {
            watcher.query.accepts.is_some()
                && !watcher.matching.contains(id)
                && self.is_asked(entry, &watcher.query, now_ms)
        };
        let all = self.watchers.all.iter();
        let asking: Vec<WatchId> =
            all.filter_map(|(watch, watcher)| meets(watcher).then_some(*watch)).collect();
        if asking.is_empty() {
            return;
        }
        let Some(found) = self.by_id(id, now_ms) else { return };
        for watch in asking {
            if let Some(watcher) = self.watchers.all.get_mut(&watch) {
                watcher.matching.insert(*id);
                watcher.push(WatchEvent::Arrived(Box::new(found.clone())));
            }
        }
    }

    /// Tells the watchers that an agent came or publishes something else.
    pub(super) fn tell(&mut self, id: &AgentId, now_ms: u64) {
        let Some(entry) = self.entries.get(id) else { return };
        let name = entry.name.to_string();
        let mut matches = BTreeSet::new();
        for (watch, watcher) in &self.watchers.all {
            if self.is_asked(entry, &watcher.query, now_ms) {
                matches.insert(*watch);
            }
        }
        // Nobody is told of an agent whose signatures do not hold.
        let found = if matches.is_empty() { None } else { self.by_id(id, now_ms) };
        for (watch, watcher) in &mut self.watchers.all {
            match (&found, matches.contains(watch)) {
                (Some(found), true) if watcher.matching.insert(*id) => {
                    watcher.push(WatchEvent::Arrived(Box::new(found.clone())));
                }
                (Some(found), true) => {
                    watcher.push(WatchEvent::Changed(Box::new(found.clone())));
                }
                (None, _) | (Some(_), false) => {
                    if watcher.matching.remove(id) {
                        let name = name.clone();
                        watcher.push(WatchEvent::Departed { id: *id, name });
                    }
                }
            }
        }
    }
}
