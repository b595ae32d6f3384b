//! Questions for a beacon: those that wait for the next fold of one account, and those that were
//! asked and not answered.

use super::{Fold, GrantId};
use crate::limits::ms;
use crate::limits::{CALL_DEPTH, FOLD_LEAVES, FOLD_QUESTIONS, FOLD_WINDOW, LEASE_PARTS};
use crate::wire::record::Digest;
use std::collections::{BTreeSet, VecDeque};

/// One fold that was asked with.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Question {
    /// When, on the own clock.
    pub(super) sent_ms: u64,
    pub(super) fold: Fold,
    /// Whose each leaf is; none: the own nonce, which comes first.
    pub(super) leaves: Vec<(Option<GrantId>, Digest)>,
}

impl Question {
    /// A question of an own nonce, if there is one, and of those below; none of nothing.
    pub(super) fn new(own: Option<Digest>, below: Below, now_ms: u64) -> Option<Self> {
        let below = below.into_iter().map(|(grant, fold)| (Some(grant), fold));
        let leaves: Vec<_> = own.map(|leaf| (None, leaf)).into_iter().chain(below).collect();
        let fold = Fold::of(leaves.iter().map(|(_, digest)| *digest).collect())?;
        Some(Self { sent_ms: now_ms, fold, leaves })
    }
}

/// Folds of holders below, by grant.
pub(super) type Below = BTreeSet<(GrantId, Digest)>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Folding {
    /// Those of the next question.
    pub(super) below: Below,
    /// Oldest first.
    asked: VecDeque<Question>,
    last_ms: Option<u64>,
}

impl Folding {
    /// Takes a fold of a holder below into the next question; one that finds no room is asked
    /// again by its holder.
    pub(super) fn add(&mut self, grant: GrantId, fold: Digest) {
        let own = self.below.range((grant, [0; 32])..=(grant, [0xff; 32])).count();
        // One leaf is the own nonce.
        if self.below.len() + 1 < FOLD_LEAVES && own < FOLD_QUESTIONS {
            self.below.insert((grant, fold));
        }
    }

    /// When the next question may be asked, for leases of this length. All levels of a tree
    /// together wait a part of a lease at most.
    pub(super) fn due_ms(&self, lease_ms: u64) -> u64 {
        let most_ms = lease_ms / (LEASE_PARTS * u64::from(CALL_DEPTH));
        let window_ms = most_ms.clamp(1, ms(FOLD_WINDOW));
        let apart_ms = self.last_ms.map_or(0, |last_ms| last_ms.saturating_add(window_ms));
        // Too many are open: what is folded grows until one is answered, or taken for lost.
        let oldest = self.asked.front().filter(|_| self.asked.len() >= FOLD_QUESTIONS);
        let lost_ms = (lease_ms / LEASE_PARTS).max(1);
        apart_ms.max(oldest.map_or(0, |oldest| oldest.sent_ms.saturating_add(lost_ms)))
    }

    /// A question is asked. Those of which no lease could come any more are forgotten.
    pub(super) fn ask(&mut self, question: Question, lease_ms: u64) {
        let now_ms = question.sent_ms;
        self.asked.retain(|old| old.sent_ms.saturating_add(lease_ms) > now_ms);
        if self.asked.len() >= FOLD_QUESTIONS {
            self.asked.pop_front();
        }
        self.asked.push_back(question);
        self.last_ms = Some(now_ms);
    }

    /// The open question that was asked with this.
    pub(super) fn asked_with(&self, fold: &Digest) -> Option<&Question> {
        self.asked.iter().find(|question| question.fold.root() == *fold)
    }

    /// Takes it out: it is answered once.
    pub(super) fn take(&mut self, fold: &Digest) -> Option<Question> {
        let at = self.asked.iter().position(|question| question.fold.root() == *fold)?;
        self.asked.remove(at)
    }

    pub(super) fn clear(&mut self) {
        self.below.clear();
        self.asked.clear();
    }
}
