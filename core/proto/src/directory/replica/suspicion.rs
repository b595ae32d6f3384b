//! Nodes that may be no more. What such a node says later, or its link, clears it; only its own
//! word or the end of its records takes it out.

use super::claim::{Now, Statement};
use super::links::{Loss, Nearness};
use super::machine::{Output, Replica};
use super::message::Suspect;
use crate::identity::NodeKey;
use crate::limits::{self, ms};
use std::collections::BTreeMap;

/// Suspicions that wait to be passed on.
#[derive(Debug, Default)]
pub(super) struct Rumours {
    fresh: BTreeMap<NodeKey, u64>,
    /// When this node may say again that it lives.
    refute_ms: u64,
}

impl Rumours {
    pub(super) fn len(&self) -> usize {
        self.fresh.len()
    }

    pub(super) fn take(&mut self) -> Vec<Suspect> {
        let fresh = std::mem::take(&mut self.fresh).into_iter();
        fresh.map(|(node, seq)| Suspect { node, seq }).take(limits::GOSSIP_SUSPECTS).collect()
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
        let suspected = self.owners.known(&node).and_then(|owner| owner.suspect.take());
        if suspected.is_some() {
            self.put_out(Output::Returned(node));
        }
        // One of both begins; the other does in a round of its own.
        if is_new && self.own < node {
            self.compare_soon(node);
        }
        if self.rumours.len() > 0 {
            self.spread.soon(now);
        }
    }

    pub(super) fn unlinked(&mut self, node: NodeKey, loss: Loss, now: Now) {
        self.links.remove(&node);
        let Some(seq) = self.owners.of(&node).and_then(|owner| owner.seq) else { return };
        match loss {
            Loss::Closed => {}
            Loss::Broken => self.suspect(Suspect { node, seq }, Told::Others, now),
            // Others may well reach it.
            Loss::Unreached => self.suspect(Suspect { node, seq }, Told::Nobody, now),
        }
    }

    /// A member passes on which nodes were lost.
    pub(super) fn told_of(&mut self, suspects: &[Suspect], now: Now) {
        for suspect in suspects.iter().take(limits::GOSSIP_SUSPECTS) {
            if suspect.node == self.own {
                if self.rumours.refute_ms <= now.steady_ms {
                    self.rumours.refute_ms = now.steady_ms.saturating_add(ms(limits::REFUTE));
                    self.put_out(Output::Refute);
                }
            } else if !self.links.contains(&suspect.node) {
                self.suspect(*suspect, Told::Others, now);
            }
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
