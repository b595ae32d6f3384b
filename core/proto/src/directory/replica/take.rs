//! Which record is taken, and what follows from it (SPEC 03, rules of signed records).

use super::claim::{Claim, Now, RowKey, Statement};
use super::machine::{Output, Prove, Replica};
use super::spread::{Fresh, Way};
use super::verdict::{Refusal, Removal, Taken};
use crate::error::{Error, Kind};
use crate::identity::NodeKey;
use crate::limits::{self, ms};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// Who brings a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Own,
    Folder,
    Member(NodeKey),
}

impl Origin {
    pub(super) const fn member(self) -> Option<NodeKey> {
        match self {
            Self::Own | Self::Folder => None,
            Self::Member(node) => Some(node),
        }
    }
}

impl<S: Statement> Replica<S> {
    /// Takes what this node says of itself, or finds in its runtime folder, and passes it on.
    pub(super) fn publish(&mut self, records: &[S], origin: Origin, now: Now, prove: Prove<'_, S>) {
        for statement in records {
            if let Ok(Some(how)) = self.take(statement, origin, now, prove) {
                let way = match (how, statement.claim().key) {
                    (Taken::New | Taken::Lower, _) => Way::Push,
                    // What is gone is told at once.
                    (Taken::Newer, RowKey::Left(..) | RowKey::Ended(_)) => Way::Push,
                    (Taken::Newer, RowKey::Node(_) | RowKey::Agent(..)) => Way::Offer,
                };
                let statement = statement.clone();
                self.pass_on(Fresh { statement, hops: 0, way, origin }, now);
            }
        }
    }

    /// Takes a record or says why not; `None`: it is known.
    pub(super) fn take(
        &mut self,
        statement: &S,
        origin: Origin,
        now: Now,
        prove: Prove<'_, S>,
    ) -> Result<Option<Taken>, Refusal> {
        let taken = self.judge(statement, origin, now, prove);
        let claim = statement.claim();
        let from = origin.member();
        match &taken {
            Ok(None) => self.counts.known += 1,
            Ok(Some(how)) => {
                self.counts.taken += 1;
                self.put(statement, now);
                self.put_out(Output::Taken { statement: statement.clone(), how: *how, from });
                self.follow(statement.claim());
                self.crowd_out(claim.key);
            }
            Err(why) => {
                self.counts.refused += 1;
                let (key, seq, why) = (claim.key, claim.seq, why.clone());
                self.put_out(Output::Refused { key, seq, from, why });
            }
        }
        taken
    }

    fn judge(
        &mut self,
        statement: &S,
        origin: Origin,
        now: Now,
        prove: Prove<'_, S>,
    ) -> Result<Option<Taken>, Refusal> {
        let claim = statement.claim();
        let held = self.store.find(&claim.id).map(|row| row.statement.claim());
        let how = match held {
            None => Taken::New,
            Some(held) => match (claim.seq.cmp(&held.seq), claim.digest.cmp(&held.digest)) {
                (Ordering::Equal, Ordering::Equal) => return Ok(None),
                (Ordering::Less, _) => return Err(Refusal::Older),
                (Ordering::Greater, _) => Taken::Newer,
                (Ordering::Equal, order) => {
                    let digests = [held.digest, claim.digest];
                    check_term(claim, now)?;
                    // Nobody is accused by a signature that was not looked at.
                    self.hold(statement, origin, now, prove)?;
                    self.accuse(claim.key, digests);
                    let lower = order == Ordering::Less;
                    return if lower { Ok(Some(Taken::Lower)) } else { Err(Refusal::Equivocation) };
                }
            },
        };
        check_term(claim, now)?;
        if self.is_past(claim) {
            return Err(Refusal::Dead);
        }
        let counts = match origin {
            Origin::Own => None,
            Origin::Folder | Origin::Member(_) => self.admit(claim, how, origin, now)?,
        };
        self.hold(statement, origin, now, prove)?;
        // What does not hold counts for nobody but who brought it.
        if let Some((from, node)) = counts {
            self.brought.count_new(from, node);
        }
        Ok(Some(how))
    }

    /// True for a record that was taken back, or that has had a later one.
    fn is_past(&self, claim: &Claim) -> bool {
        if self.past.len() == 0 {
            return false;
        }
        let ended = |key: &[u8; 32]| self.past.holds(&RowKey::Ended(*key), claim.time());
        self.past.holds(&claim.key, claim.seq)
            || match claim.key {
                RowKey::Node(node) | RowKey::Left(_, node) => ended(node.as_bytes()),
                RowKey::Agent(agent, node) => ended(node.as_bytes()) || ended(agent.as_bytes()),
                RowKey::Ended(_) => false,
            }
    }

    /// Finds room for a record of another node; gives who brings it, and of which node, where that
    /// is counted.
    fn admit(
        &mut self,
        claim: &Claim,
        how: Taken,
        origin: Origin,
        now: Now,
    ) -> Result<Option<(NodeKey, NodeKey)>, Refusal> {
        let (node, is_node) = match claim.key {
            RowKey::Node(node) => (node, true),
            RowKey::Left(agent, node)
                if self.store.find(&RowKey::Agent(agent, node).id()).is_some() =>
            {
                // It comes in the place of the agent.
                return Ok(None);
            }
            RowKey::Agent(_, node) | RowKey::Left(_, node) => {
                let owner = self.owners.of(&node);
                if owner.is_none_or(|owner| owner.seq.is_none()) {
                    return Err(Refusal::NotMember);
                }
                (node, false)
            }
            RowKey::Ended(key) => return self.admit_end(&key, how).map(|()| None),
        };
        if how != Taken::New {
            return Ok(None);
        }
        if self.store.len() >= limits::DIRECTORY_AGENTS + limits::DIRECTORY_NODES {
            return Err(Refusal::Full);
        }
        if is_node && self.owners.len() >= limits::DIRECTORY_NODES {
            return Err(Refusal::Full);
        }
        let Some(owner) = self.owners.of(&node) else { return Ok(None) };
        let is_over = match claim.key {
            RowKey::Left(agent, _) => {
                let first =
                    owner.left.first().filter(|_| owner.left.len() >= limits::MEMBER_RECORDS);
                first.is_some_and(|first| (claim.expires_at_ms, agent) < *first)
            }
            RowKey::Node(_) | RowKey::Agent(..) | RowKey::Ended(_) => {
                owner.rows >= limits::MEMBER_RECORDS
            }
        };
        if is_over {
            return Err(Refusal::Quota);
        }
        match origin {
            Origin::Member(from) if self.brought.is_enough(from, node, now) => Err(Refusal::Rate),
            Origin::Member(from) => Ok(Some((from, node))),
            Origin::Folder | Origin::Own => Ok(None),
        }
    }

    /// Finds room for the last word of a node or an agent. Whoever makes a key can sign one: those
    /// of keys that nothing is known of leave half of the places to the others.
    fn admit_end(&self, key: &[u8; 32], how: Taken) -> Result<(), Refusal> {
        if how != Taken::New {
            return Ok(());
        }
        let rows = limits::DIRECTORY_AGENTS + limits::DIRECTORY_NODES;
        let is_strange = !self.has_known(key);
        let is_full = self.store.len() >= rows
            || self.ended >= limits::REPLICA_ENDED
            || is_strange && self.strange.len() >= limits::REPLICA_ENDED / 2;
        if is_full { Err(Refusal::Full) } else { Ok(()) }
    }

    /// True for the key of a node of which there is a record, or was one.
    fn has_known(&self, key: &[u8; 32]) -> bool {
        let node = NodeKey::from_bytes(*key);
        self.owners.of(&node).is_some() || self.past.knows(&RowKey::Node(node))
    }

    /// Asks whether a record holds; what did not is not asked of again.
    fn hold(
        &mut self,
        statement: &S,
        origin: Origin,
        now: Now,
        prove: Prove<'_, S>,
    ) -> Result<(), Refusal> {
        if origin == Origin::Own {
            return Ok(());
        }
        let print = statement.claim().print;
        if self.forged.contains(&print) {
            let message = "expected a record that holds, got one that did not before";
            let error = Error::new(Kind::Auth, message).with_code("bad_signature");
            return Err(Refusal::Unproven(Box::new(error)));
        }
        let from = origin.member();
        if from.is_some_and(|from| self.brought.is_distrusted(from, now)) {
            return Err(Refusal::Rate);
        }
        prove(statement).map_err(|error| {
            self.forged.truncate(limits::REPLICA_FORGED - 1);
            self.forged.push_front(print);
            from.into_iter().for_each(|from| self.brought.count_forged(from));
            Refusal::Unproven(Box::new(error))
        })
    }

    fn accuse(&mut self, key: RowKey, digests: [crate::wire::record::Digest; 2]) {
        if self.evidence.len() >= limits::REPLICA_EVIDENCE && !self.evidence.contains_key(&key) {
            self.evidence.pop_first();
        }
        self.evidence.insert(key, digests);
    }

    fn put(&mut self, statement: &S, now: Now) {
        let claim = statement.claim();
        let left_ms = claim.expires_at_ms.saturating_sub(now.unix_ms);
        let life_ms = left_ms.min(ms(limits::RECORD_LIFE_MAX));
        let old = self.store.find(&claim.id).map(|row| row.statement.claim().expires_at_ms);
        match (claim.key, old) {
            (RowKey::Left(agent, node), old) => {
                let left = &mut self.owners.entry(node).left;
                if let Some(old) = old {
                    left.remove(&(old, agent));
                }
                left.insert((claim.expires_at_ms, agent));
            }
            (RowKey::Node(node) | RowKey::Agent(_, node), None) => {
                self.owners.entry(node).rows += 1;
            }
            (RowKey::Ended(key), None) => {
                self.ended += 1;
                if !self.has_known(&key) {
                    self.strange.insert(key);
                }
            }
            (RowKey::Node(_) | RowKey::Agent(..) | RowKey::Ended(_), Some(_)) => {}
        }
        self.store.put(statement.clone(), now.steady_ms.saturating_add(life_ms));
    }

    /// Takes the word out that ends first, of a node that said of too many that they are no more.
    /// Who holds the same words of it takes out the same one.
    fn crowd_out(&mut self, key: RowKey) {
        let RowKey::Left(_, node) = key else { return };
        let Some(owner) = self.owners.of(&node) else { return };
        let first = owner.left.first().filter(|_| owner.left.len() > limits::MEMBER_RECORDS);
        let Some((_, agent)) = first else { return };
        let Some(row) = self.store.remove(&RowKey::Left(*agent, node).id()) else { return };
        self.forget(row.statement.claim());
        self.put_out(Output::Removed { statement: row.statement, why: Removal::Crowded });
    }

    /// What a record that stands now does to others.
    fn follow(&mut self, claim: &Claim) {
        let until_ms = self.store.find(&claim.id).map_or(0, |row| row.until_ms);
        match claim.key {
            RowKey::Node(node) => {
                let owner = self.owners.entry(node);
                owner.seq = Some(claim.seq);
                owner.no_way = false;
                if owner.suspect.take_if(|seq| *seq < claim.seq).is_some() {
                    self.put_out(Output::Returned(node));
                }
            }
            RowKey::Agent(..) => {}
            RowKey::Left(agent, node) => {
                let key = RowKey::Agent(agent, node);
                self.past.remember(key, claim.seq, true, until_ms);
                self.withdraw(&key, claim.seq);
            }
            RowKey::Ended(ended) => {
                self.past.remember(claim.key, claim.seq, true, until_ms);
                self.ending.push((ended, claim.seq));
            }
        }
    }

    /// Takes out what those said, or hosted, that said last that they are no more.
    pub(super) fn end(&mut self) {
        if self.ending.is_empty() {
            return;
        }
        let ending: BTreeMap<[u8; 32], u64> =
            std::mem::take(&mut self.ending).into_iter().collect();
        let of = |key: &[u8; 32]| ending.get(key).copied();
        let last = |key: RowKey| match key {
            RowKey::Node(node) => of(node.as_bytes()),
            RowKey::Agent(agent, node) => of(node.as_bytes()).max(of(agent.as_bytes())),
            // The node itself says that it is no more.
            RowKey::Left(_, node) => of(node.as_bytes()),
            RowKey::Ended(_) => None,
        };
        let keys = self.store.all().map(|row| row.statement.claim().key);
        let ends: Vec<_> = keys.filter_map(|key| Some((key, last(key)?))).collect();
        for (key, seq) in ends {
            self.withdraw(&key, seq);
        }
    }

    /// Takes a row out that was taken back under this number.
    fn withdraw(&mut self, key: &RowKey, seq: u64) {
        let id = key.id();
        if self.store.find(&id).is_none_or(|row| row.statement.claim().time() > seq) {
            return;
        }
        let Some(row) = self.store.remove(&id) else { return };
        self.forget(row.statement.claim());
        self.put_out(Output::Removed { statement: row.statement, why: Removal::Withdrawn });
    }

    /// Counts a row out that is in the store no more.
    pub(super) fn forget(&mut self, claim: &Claim) {
        let key = claim.key;
        match key {
            RowKey::Node(node) => {
                if let Some(owner) = self.owners.known(&node)
                    && owner.seq == Some(claim.seq)
                {
                    owner.seq = None;
                    owner.suspect = None;
                }
                self.owners.less(&node);
            }
            RowKey::Agent(_, node) => self.owners.less(&node),
            RowKey::Left(agent, node) => {
                self.owners.less_left(&node, &(claim.expires_at_ms, agent));
            }
            RowKey::Ended(ended) => {
                self.ended = self.ended.saturating_sub(1);
                self.strange.remove(&ended);
            }
        }
        self.evidence.remove(&key);
    }
}

fn check_term(claim: &Claim, now: Now) -> Result<(), Refusal> {
    let horizon = now.unix_ms.saturating_add(ms(limits::CLOCK_SKEW));
    if claim.issued_at_ms > horizon {
        return Err(Refusal::NotYetValid);
    }
    if claim.seq > horizon {
        return Err(Refusal::SeqAhead);
    }
    if claim.expires_at_ms <= now.unix_ms || claim.expires_at_ms <= claim.issued_at_ms {
        return Err(Refusal::Expired);
    }
    Ok(())
}
