//! Passing on what is new: a few members by chance are told, who tell others.
//!
//! A record that nobody had is sent at once, and offered to some more; of one that is renewed, or
//! was learned by comparing, only the number is offered, since most have it already.

use super::claim::{Now, RowKey, Statement, name};
use super::links::Nearness;
use super::machine::{Prove, Replica};
use super::message::{Brief, Carried, Message};
use super::store::brief;
use super::take::Origin;
use super::verdict::{Refusal, Taken};
use crate::identity::NodeKey;
use crate::limits::{self, ms};
use std::collections::VecDeque;

/// How a record is passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Push,
    Offer,
}

/// A record that is passed on.
#[derive(Debug)]
pub(super) struct Fresh<S> {
    pub(super) statement: S,
    pub(super) hops: u32,
    pub(super) way: Way,
    pub(super) origin: Origin,
}

/// What is to be passed on.
#[derive(Debug)]
pub(super) struct Spread<S> {
    fresh: VecDeque<Fresh<S>>,
    pub(super) flush_ms: Option<u64>,
}

impl<S> Default for Spread<S> {
    fn default() -> Self {
        Self { fresh: VecDeque::new(), flush_ms: None }
    }
}

impl<S> Spread<S> {
    pub(super) fn len(&self) -> usize {
        self.fresh.len()
    }

    /// Sends what waits before long.
    pub(super) fn soon(&mut self, now: Now) {
        let due = now.steady_ms.saturating_add(ms(limits::GOSSIP_BATCH));
        self.flush_ms.get_or_insert(due);
    }
}

impl<S: Statement> Replica<S> {
    pub(super) fn pass_on(&mut self, fresh: Fresh<S>, now: Now) {
        // Who links later compares.
        if self.links.is_empty() || fresh.hops >= limits::GOSSIP_HOPS {
            return;
        }
        if self.spread.fresh.len() >= limits::GOSSIP_QUEUE {
            self.spread.fresh.pop_front();
            self.counts.dropped += 1;
        }
        self.spread.fresh.push_back(fresh);
        self.spread.soon(now);
    }

    /// A member passes on what is new to it.
    pub(super) fn pushed(
        &mut self,
        from: NodeKey,
        carried: Vec<Carried<S>>,
        now: Now,
        prove: Prove<'_, S>,
    ) {
        let (origin, mut missing) = (Origin::Member(from), Vec::new());
        for Carried { statement, hops } in carried {
            match self.take(&statement, origin, now, prove) {
                Ok(None) => {}
                Ok(Some(how)) => {
                    let way = match how {
                        Taken::New | Taken::Lower => Way::Push,
                        Taken::Newer => Way::Offer,
                    };
                    let hops = hops.saturating_add(1);
                    self.pass_on(Fresh { statement, hops, way, origin }, now);
                }
                Err(Refusal::NotMember) => {
                    let claim = statement.claim();
                    let node = claim.key.owner().map(RowKey::Node);
                    missing.extend(node.map(|node| name(&node.id())));
                    missing.push(claim.name());
                }
                Err(_) => {}
            }
        }
        missing.dedup();
        if !missing.is_empty() {
            missing.truncate(limits::REPAIR_ROWS);
            self.send(from, Message::Ask(missing));
        }
    }

    /// Tells a few members what came since the last time.
    pub(super) fn flush(&mut self) {
        self.spread.flush_ms = None;
        let fresh = std::mem::take(&mut self.spread.fresh);
        let suspects = self.rumours.take();
        let many = limits::GOSSIP_FAN_OUT + limits::GOSSIP_OFFERS;
        let told = self.links.some(many, &mut self.chance);
        for (place, (to, nearness)) in told.into_iter().enumerate() {
            let is_first = place < limits::GOSSIP_FAN_OUT;
            let (mut push, mut offer) = (Batches::default(), Vec::new());
            for one in fresh.iter().filter(|one| one.is_for(to, nearness)) {
                match one.way {
                    // Told by chance alone, one in twenty would hear of it by nobody.
                    Way::Push if !is_first => offer.push(brief(&one.statement)),
                    Way::Offer if !is_first => {}
                    Way::Push => {
                        let carried = Carried { statement: one.statement.clone(), hops: one.hops };
                        push.add(carried, one.statement.claim().bytes);
                    }
                    Way::Offer => offer.push(brief(&one.statement)),
                }
            }
            for batch in push.done() {
                self.send(to, Message::Push(batch));
            }
            for some in offer.chunks(limits::REPAIR_ROWS) {
                self.send(to, Message::Offer(some.to_vec()));
            }
            if is_first && !suspects.is_empty() {
                self.send(to, Message::Suspects(suspects.clone()));
            }
        }
    }

    /// A member offers what this node may lack.
    pub(super) fn offered(&mut self, from: NodeKey, rows: &[Brief], now: Now) {
        let mut names = Vec::new();
        for row in rows.iter().take(limits::REPAIR_ROWS) {
            if self.lacks(row) && self.repair.asks(row.name, now) {
                names.push(row.name);
            }
        }
        if !names.is_empty() {
            self.send(from, Message::Ask(names));
        }
    }
}

impl<S: Statement> Fresh<S> {
    /// True unless the member has it: it brought it, or reads it in the folder of this machine,
    /// where nothing lies of what was taken back.
    fn is_for(&self, to: NodeKey, nearness: Nearness) -> bool {
        match (self.origin, nearness, self.statement.claim().key) {
            (Origin::Member(from), ..) => from != to,
            (Origin::Own | Origin::Folder, Nearness::Far, _) => true,
            (_, Nearness::Near, RowKey::Left(..) | RowKey::Ended(_)) => true,
            (_, Nearness::Near, RowKey::Node(_) | RowKey::Agent(..)) => false,
        }
    }
}

/// Records in messages that each fit into a frame.
#[derive(Debug)]
pub(super) struct Batches<T> {
    done: Vec<Vec<T>>,
    bytes: usize,
}

impl<T> Default for Batches<T> {
    fn default() -> Self {
        Self { done: Vec::new(), bytes: 0 }
    }
}

impl<T> Batches<T> {
    pub(super) fn add(&mut self, one: T, bytes: usize) {
        self.bytes = self.bytes.saturating_add(bytes);
        match self.done.last_mut() {
            Some(last) if self.bytes <= limits::GOSSIP_FRAME_BYTES => last.push(one),
            Some(_) | None => {
                self.bytes = bytes;
                self.done.push(vec![one]);
            }
        }
    }

    /// True when one more of this size would begin another message than the last that is allowed.
    pub(super) fn is_full(&self, bytes: usize, most: usize) -> bool {
        let begins = self.bytes.saturating_add(bytes) > limits::GOSSIP_FRAME_BYTES;
        self.done.len() >= most && (begins || self.done.is_empty())
    }

    pub(super) fn done(self) -> Vec<Vec<T>> {
        self.done
    }
}
