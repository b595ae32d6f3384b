//! Comparing with another member, and giving each other what one of both lacks.
//!
//! Sums first, then the sums of buckets, then the numbers of what lies in those that differ, then
//! records. Who is asked keeps nothing between two messages; who asks has one comparison at a time.

use super::chance::Chance;
use super::claim::{Now, Span, Statement};
use super::machine::{Prove, Replica};
use super::message::{Brief, Message, Sum};
use super::owners::Owner;
use super::spread::{Batches, Fresh, Way};
use super::store::brief;
use super::take::Origin;
use super::verdict::Refusal;
use crate::identity::NodeKey;
use crate::limits::{self, ms};
use std::collections::{BTreeMap, VecDeque};

/// What was not taken now may be taken after this time: a quota is counted by the second.
const AGAIN_MS: u64 = 1_000;
/// A record that was asked for is not asked for again within this time.
const ASKED_MS: u64 = 2_000;
/// One comparison in this many is with a node that is suspected, if there is one: a partition heals
/// by it.
const DOUBTED: u64 = 3;

/// Whom this node compares with, and when.
#[derive(Debug)]
pub(super) struct Repair {
    session: Option<Session>,
    waiting: VecDeque<NodeKey>,
    /// One that has more than was taken.
    again: Option<(u64, NodeKey)>,
    round_ms: u64,
    asked: BTreeMap<u128, u64>,
    /// When those are looked for that did not come.
    prune_ms: u64,
}

#[derive(Debug)]
struct Session {
    peer: NodeKey,
    todo: VecDeque<Span>,
    /// The next word must have come by then, and the last.
    next_ms: u64,
    end_ms: u64,
    /// Something that the other has was not taken now, and something was.
    unfinished: bool,
    moved: bool,
}

impl Repair {
    pub(super) fn new(chance: &mut Chance, steady_ms: u64) -> Self {
        let round_ms = steady_ms.saturating_add(chance.below(ms(limits::REPAIR_ROUND)));
        Self {
            session: None,
            waiting: VecDeque::new(),
            again: None,
            round_ms,
            asked: BTreeMap::new(),
            prune_ms: 0,
        }
    }

    pub(super) fn next_ms(&self) -> u64 {
        let session = self.session.as_ref().map(|one| one.next_ms.min(one.end_ms));
        let again = self.again.map(|(due, _)| due);
        let idle = if session.is_none() { again } else { None };
        [session, idle].into_iter().flatten().chain([self.round_ms]).min().unwrap_or(u64::MAX)
    }

    pub(super) fn waiting(&self) -> [usize; 2] {
        [self.waiting.len(), self.asked.len()]
    }

    /// Notes that a row is asked for; false: it was, just now.
    pub(super) fn asks(&mut self, name: u128, now: Now) -> bool {
        if self.asked.get(&name).is_some_and(|until| now.steady_ms < *until) {
            return false;
        }
        if self.asked.len() >= limits::REPLICA_ASKED && self.prune_ms <= now.steady_ms {
            self.prune_ms = now.steady_ms.saturating_add(ASKED_MS / 4);
            self.asked.retain(|_, until| now.steady_ms < *until);
        }
        if self.asked.len() < limits::REPLICA_ASKED {
            self.asked.insert(name, now.steady_ms.saturating_add(ASKED_MS));
        }
        true
    }

    /// A member is not reached: nothing more comes of it, and the next one has its turn.
    pub(super) fn lost(&mut self, peer: NodeKey) {
        self.session.take_if(|session| session.peer == peer);
    }

    fn with(&mut self, peer: NodeKey) -> Option<&mut Session> {
        self.session.as_mut().filter(|session| session.peer == peer)
    }
}

impl<S: Statement> Replica<S> {
    /// A member is to be compared with as soon as the comparison under way is over.
    pub(super) fn compare_soon(&mut self, peer: NodeKey) {
        let repair = &mut self.repair;
        let known = repair.waiting.contains(&peer) || repair.with(peer).is_some();
        if !known && repair.waiting.len() < limits::REPAIR_WAITING {
            repair.waiting.push_back(peer);
        }
    }

    pub(super) fn compare_when_due(&mut self, now: Now) {
        let steady_ms = now.steady_ms;
        let is_over = |one: &Session| one.next_ms.min(one.end_ms) <= steady_ms;
        if self.repair.session.as_ref().is_some_and(is_over) {
            self.repair.session = None;
        }
        if self.repair.round_ms <= steady_ms {
            let round_ms = ms(limits::REPAIR_ROUND);
            let jitter = self.chance.below(round_ms / 2);
            self.repair.round_ms = steady_ms.saturating_add(round_ms * 3 / 4 + jitter);
            if let Some(peer) = self.partner() {
                self.compare_soon(peer);
            }
        }
        if self.repair.session.is_some() {
            return;
        }
        if let Some((_, peer)) = self.repair.again.take_if(|(due, _)| *due <= steady_ms) {
            self.repair.waiting.push_front(peer);
        }
        let Some(peer) = self.repair.waiting.pop_front() else { return };
        let next_ms = steady_ms.saturating_add(ms(limits::REPAIR_PATIENCE));
        let end_ms = steady_ms.saturating_add(ms(limits::REPAIR_LIFE));
        let todo = VecDeque::new();
        let (unfinished, moved) = (false, false);
        self.repair.session = Some(Session { peer, todo, next_ms, end_ms, unfinished, moved });
        self.send(peer, Message::Compare(self.store.sum()));
    }

    /// A member by chance, connected or not.
    fn partner(&mut self) -> Option<NodeKey> {
        let own = self.own;
        let others = || self.owners.members().filter(move |(node, _)| **node != own);
        let doubted = others().filter(|(_, owner)| owner.suspect.is_some()).count();
        if doubted > 0 && self.chance.below(DOUBTED) == 0 {
            let at = self.chance.place(doubted);
            let mut doubted = others().filter(|(_, owner)| owner.suspect.is_some());
            return doubted.nth(at).map(|(node, _)| *node);
        }
        let is_good = |owner: &Owner| owner.suspect.is_none() && !owner.no_way;
        let good = others().filter(|(_, owner)| is_good(owner)).map(|(node, _)| node);
        let unknown = self
            .links
            .nodes()
            .filter(|node| self.owners.of(node).is_none_or(|owner| owner.seq.is_none()));
        let candidates: Vec<NodeKey> = good.chain(unknown).copied().collect();
        let at = self.chance.place(candidates.len());
        candidates.get(at).copied()
    }

    pub(super) fn compared(&mut self, from: NodeKey, sum: Sum) {
        if self.repair.with(from).is_some() {
            // Both began at once: that of the lower key goes on.
            if self.own < from {
                return;
            }
            self.repair.session = None;
        }
        let sums = if sum == self.store.sum() { Vec::new() } else { self.store.sums() };
        self.send(from, Message::Buckets(sums));
    }

    pub(super) fn differs(&mut self, from: NodeKey, sums: &[Sum], now: Now) {
        let Some(session) = self.repair.with(from) else { return };
        let own = self.store.sums();
        let differing = own.iter().zip(sums).zip(0_u8..=u8::MAX);
        let differing = differing.filter(|((own, other), _)| own != other);
        session.todo = joined(differing.map(|(_, bucket)| Span::bucket(bucket)));
        self.list(from, now);
    }

    /// Lists what is held of the next parts, or ends the comparison.
    fn list(&mut self, peer: NodeKey, now: Now) {
        let Some(session) = self.repair.with(peer) else { return };
        session.next_ms = now.steady_ms.saturating_add(ms(limits::REPAIR_PATIENCE));
        let (mut spans, mut rows) = (Vec::new(), Vec::new());
        while let Some(span) = session.todo.pop_front() {
            let room = limits::REPAIR_ROWS - rows.len();
            let mut held: Vec<Brief> = self.store.within(span).take(room + 1).map(brief).collect();
            let cut = held.len() > room;
            held.truncate(room);
            if !cut {
                spans.push(span);
            } else if let Some(last) = held.last() {
                spans.push(Span { to: last.name, ..span });
                let from = last.name.saturating_add(1);
                session.todo.push_front(Span { from, ..span });
            } else {
                session.todo.push_front(span);
            }
            rows.extend(held);
            if cut || spans.len() >= super::store::BUCKETS {
                break;
            }
        }
        if !spans.is_empty() {
            self.send(peer, Message::Rows { spans, rows });
            return;
        }
        if session.unfinished && session.moved {
            self.repair.again = Some((now.steady_ms.saturating_add(AGAIN_MS), peer));
        }
        self.repair.session = None;
    }

    /// A member says what it holds of some parts: it is given what it lacks there, and asked for
    /// what lacks here.
    pub(super) fn listed(&mut self, from: NodeKey, spans: &[Span], rows: Vec<Brief>) {
        let rows = rows.into_iter().take(limits::REPAIR_ROWS);
        let rows: BTreeMap<u128, Brief> = rows.map(|row| (row.name, row)).collect();
        let names = rows.values().filter(|row| self.lacks(row)).map(|row| row.name).collect();
        let spans = spans.get(..spans.len().min(super::store::BUCKETS)).unwrap_or_default();
        let (mut batches, mut rest) = (Batches::default(), Vec::new());
        for span in spans {
            if !rest.is_empty() {
                rest.push(*span);
                continue;
            }
            for statement in self.store.within(*span) {
                let own = brief(statement);
                if rows.get(&own.name).is_some_and(|row| !precedes(row, &own)) {
                    continue;
                }
                let bytes = statement.claim().bytes;
                if batches.is_full(bytes, limits::REPAIR_FRAMES) {
                    rest.push(Span { from: own.name, ..*span });
                    break;
                }
                batches.add(statement.clone(), bytes);
            }
        }
        for batch in batches.done() {
            self.send(from, Message::Answer(batch));
        }
        self.send(from, Message::Wants { names, rest });
    }

    pub(super) fn wanted(&mut self, from: NodeKey, names: &[u128], rest: Vec<Span>, now: Now) {
        if self.repair.with(from).is_none() {
            return;
        }
        let unsent = self.answer(from, names);
        let Some(session) = self.repair.with(from) else { return };
        // What did not fit either way often overlaps: it is listed once.
        let mut parts: Vec<Span> = rest.into_iter().take(super::store::BUCKETS).collect();
        if let (Some(from), Some(to)) = (unsent, names.iter().max()) {
            parts.push(Span { from, to: *to });
        }
        parts.sort_by_key(|span| span.from);
        for span in joined(parts.into_iter()).into_iter().rev() {
            session.todo.push_front(span);
        }
        session.todo.truncate(super::store::BUCKETS * 2);
        self.list(from, now);
    }

    /// Gives a member what it asks for; gives the first name of what did not fit.
    pub(super) fn answer(&mut self, to: NodeKey, names: &[u128]) -> Option<u128> {
        let (mut batches, mut unsent) = (Batches::default(), None);
        for name in names.iter().take(limits::REPAIR_ROWS * 2) {
            let Some(statement) = self.store.named(*name) else { continue };
            let bytes = statement.claim().bytes;
            if batches.is_full(bytes, limits::REPAIR_FRAMES) {
                unsent = Some(*name);
                break;
            }
            batches.add(statement.clone(), bytes);
        }
        for batch in batches.done() {
            self.send(to, Message::Answer(batch));
        }
        unsent
    }

    /// Records came that this node lacked.
    pub(super) fn answered(
        &mut self,
        from: NodeKey,
        records: Vec<S>,
        now: Now,
        prove: Prove<'_, S>,
    ) {
        let origin = Origin::Member(from);
        for statement in records {
            match self.take(&statement, origin, now, prove) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    let fresh = Fresh { statement, hops: 0, way: Way::Offer, origin };
                    self.pass_on(fresh, now);
                    if let Some(session) = self.repair.with(from) {
                        session.moved = true;
                    }
                }
                Err(Refusal::Rate | Refusal::NotMember) => {
                    if let Some(session) = self.repair.with(from) {
                        session.unfinished = true;
                    }
                }
                Err(_) => {}
            }
        }
        if let Some(session) = self.repair.with(from) {
            session.next_ms = now.steady_ms.saturating_add(ms(limits::REPAIR_PATIENCE));
        }
    }

    /// True for a row of which this node has none, or one that the other replaces.
    pub(super) fn lacks(&self, row: &Brief) -> bool {
        self.store.named(row.name).is_none_or(|own| precedes(&brief(own), row))
    }
}

/// True when the first is replaced by the second.
fn precedes(first: &Brief, second: &Brief) -> bool {
    first.seq < second.seq || (first.seq == second.seq && second.mark < first.mark)
}

/// Parts in order of their first names, those that overlap or touch each other as one.
fn joined(spans: impl Iterator<Item = Span>) -> VecDeque<Span> {
    let mut all: VecDeque<Span> = VecDeque::new();
    for span in spans {
        match all.back_mut() {
            Some(last) if span.from <= last.to.saturating_add(1) => last.to = last.to.max(span.to),
            Some(_) | None => all.push_back(span),
        }
    }
    all
}
