//! Nodes that may be no more. What such a node says later, or its link, clears it; only its own
//! word or the end of its records takes it out.

use super::claim::{Now, Statement};
use super::links::{Loss, Nearness};
use super::machine::{Output, Replica};
use super::message::{Message, Suspect};
use crate::identity::NodeKey;
use crate::limits::{self, ms};
use std::collections::BTreeMap;

/// Suspicions that wait to be passed on.
#[derive(Debug, Default)]
pub(super) struct Rumours {
    fresh: BTreeMap<NodeKey, u64>,
    /// When this node may say again that it lives.
    refute_ms: u64,
    /// The record of this node under which others suspect it; said to be wrong as soon as it may.
    against: Option<u64>,
}

impl Rumours {
    pub(super) fn len(&self) -> usize {
        self.fresh.len()
    }

    pub(super) fn take(&mut self) -> Vec<Suspect> {
        let fresh = std::mem::take(&mut self.fresh).into_iter();
        fresh.map(|(node, seq)| Suspect { node, seq }).take(limits::GOSSIP_SUSPECTS).collect()
    }

    /// When this node is to say that it lives.
    pub(super) fn refutes_at(&self) -> Option<u64> {
        self.against.map(|_| self.refute_ms)
    }
}

/// Who else is told of a suspicion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Others,
    Nobody,
}

impl<S: Statement> Replica<S> {
    pub(super) fn linked(&mut self, node: NodeKey, nearness: Nearness, now: Now) {
        let is_new = !self.links.contains(&node);
        self.links.insert(node, nearness);
        let suspected = self.owners.known(&node).and_then(|owner| {
            owner.no_way = false;
            owner.suspect.take()
        });
        if suspected.is_some() {
            self.put_out(Output::Returned(node));
        }
        if is_new {
            self.tell_suspects(node, nearness);
        }
        // One of both begins; the other does in a round of its own.
        if is_new && self.own < node {
            self.compare_soon(node);
        }
        if self.rumours.len() > 0 {
            self.spread.soon(now);
        }
    }

    /// Tells a new link who is suspected: after a partition those on its side live, and say so.
    fn tell_suspects(&mut self, to: NodeKey, nearness: Nearness) {
        if nearness == Nearness::Near {
            return;
        }
        let suspects = self.owners.members().filter(|(node, _)| **node != to);
        let suspects = suspects
            .filter_map(|(node, owner)| owner.suspect.map(|seq| Suspect { node: *node, seq }));
        let suspects: Vec<_> = suspects.take(limits::GOSSIP_SUSPECTS).collect();
        if !suspects.is_empty() {
            self.send(to, Message::Suspects(suspects));
        }
    }

    pub(super) fn unlinked(&mut self, node: NodeKey, loss: Loss, now: Now) {
        self.links.remove(&node);
        if loss != Loss::Closed {
            self.repair.lost(node);
        }
        let Some(seq) = self.owners.of(&node).and_then(|owner| owner.seq) else { return };
        match loss {
            Loss::Closed => {}
            Loss::Broken => self.suspect(Suspect { node, seq }, Told::Others, now),
            // Others may well reach it.
            Loss::Unreached => self.suspect(Suspect { node, seq }, Told::Nobody, now),
            Loss::NoWay => self.owners.entry(node).no_way = true,
        }
    }

    /// A member passes on which nodes were lost.
    pub(super) fn told_of(&mut self, suspects: &[Suspect], now: Now) {
        let horizon_ms = now.unix_ms.saturating_add(ms(limits::CLOCK_SKEW));
        for suspect in suspects.iter().take(limits::GOSSIP_SUSPECTS) {
            // Nobody has a record of such a number: no word of its node would clear that.
            if suspect.seq > horizon_ms {
                continue;
            }
            if suspect.node == self.own {
                let against = self.rumours.against.max(Some(suspect.seq));
                self.rumours.against = against;
            } else if self.links.contains(&suspect.node) {
                self.warn(*suspect);
            } else {
                self.suspect(*suspect, Told::Others, now);
            }
        }
    }

    /// Tells a member what others say of it, which it alone can clear: who is connected to it knows
    /// better, and those who are not would hear nothing.
    fn warn(&mut self, suspect: Suspect) {
        let Some(owner) = self.owners.known(&suspect.node) else { return };
        let Some(seq) = owner.seq.filter(|seq| *seq <= suspect.seq && owner.told < *seq) else {
            return;
        };
        owner.told = seq;
        self.send(suspect.node, Message::Suspects(vec![Suspect { node: suspect.node, seq }]));
    }

    /// Says that this node lives, unless its record is later than what others suspect it under.
    pub(super) fn refute_when_due(&mut self, now: Now) {
        if self.rumours.refutes_at().is_none_or(|due| now.steady_ms < due) {
            return;
        }
        let Some(against) = self.rumours.against.take() else { return };
        let own = self.owners.of(&self.own).and_then(|owner| owner.seq);
        if own.is_none_or(|seq| seq <= against) {
            self.rumours.refute_ms = now.steady_ms.saturating_add(ms(limits::REFUTE));
            self.put_out(Output::Refute);
        }
    }

    fn suspect(&mut self, suspect: Suspect, told: Told, now: Now) {
        let Some(owner) = self.owners.known(&suspect.node) else { return };
        let Some(seq) = owner.seq.filter(|seq| *seq <= suspect.seq) else { return };
        if owner.suspect.is_none() {
            owner.suspect = Some(seq);
            self.put_out(Output::Suspected(suspect.node));
        } else if told == Told::Others && owner.told >= seq {
            return;
        }
        if told == Told::Nobody {
            return;
        }
        if let Some(owner) = self.owners.known(&suspect.node) {
            owner.told = seq;
        }
        self.rumours.fresh.insert(suspect.node, seq);
        self.spread.soon(now);
    }
}
