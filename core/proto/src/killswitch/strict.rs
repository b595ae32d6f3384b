//! Strict budgets: a lease needs the word of the root, not only that of the issuer.
//!
//! A node in the middle that is dishonest can keep what is below it renewed after a stop: its
//! money stays bounded, its time does not. Under a strict budget it cannot. In this order:
//!
//! - **Who is strict** stands in the nonce of the budget, six bytes of which are a hash of the
//!   rest ([`super::Origin::strict`]): whoever shows a part of the budget shows that it is strict.
//! - **A holder asks** with a fold, a digest of 32 bytes: of a fresh nonce of its own, which
//!   nobody can foresee, and of the folds that the holders below it asked with since its last
//!   question. However many they are, it sends one digest; they wait `FOLD_WINDOW` at most, or
//!   less where leases are short, and of one grant `FOLD_QUESTIONS` are open at once.
//! - **The root signs** one beacon for all folds that came in such a time, with the budget, its
//!   epoch, the tree, and the length of the lease. Once stopped it signs none.
//! - **On the way down** each node adds what stands beside the folds of those below it. A path has
//!   `BEACON_PATH` digests at most: twelve for `FOLD_LEAVES` at each of the steps that calls may
//!   be nested, and at the root.
//! - **A holder takes** a beacon of its budget and epoch, signed by the root key that the budget's
//!   id is made of, whose tree its own nonce leads to. Its lease runs from its own sending of that
//!   nonce. The nonce was known to nobody before, so the beacon was signed after that, and the
//!   stop came after the beacon: the lease ends within L(1+rho) of the stop, at any depth. Who is
//!   below asked earlier than the question that carried it, so its lease is never the longer one.
//! - **What else there is** opens no lease: not the reading in a grant, not the word of an issuer.
//!   A beacon for a question that is not open (repeated, too old, of another process) does
//!   nothing; one that does not lead to its own nonce does nothing and is for the audit log.
//!   Detached grants have no lease and are refused.
//! - **What is left** to a dishonest node after a stop: it can begin calls below it. Until their
//!   first beacon they spend nothing, and without one they are cancelled after `LEASE`.
//!
//! Hashes are SHA-256, with a tag for nonces, leaves and joins each; the beacon is signed in a
//! domain of its own. The price: before its first spending each call waits for the way to the root
//! and back, and a node of a version that knows of no beacons stops after its lease.

use super::account::{Drain, SubState};
use super::beacon::{Beacon, Proof, Round};
use super::folding::Question;
use super::io::{Breach, Output};
use super::lease::Standing;
use super::ledger::Ledger;
use super::timers::Timer;
use super::{Amount, Fold, GrantId, Message, Now, Reading, fault};
use crate::identity::NodeKey;
use crate::wire::record::Digest;
use crate::wire::words::TripReason;
use sha2::{Digest as _, Sha256};
use std::fmt;

const NONCE: &[u8] = b"hubless/fold/nonce/v1\0";

/// What the nonces of one process are made of: 32 random bytes, and how many there were.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Nonces {
    seed: Option<[u8; 32]>,
    count: u64,
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nonces").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Nonces {
    pub(super) const fn new() -> Self {
        Self { seed: None, count: 0 }
    }

    /// One that nobody can foresee, and that never comes again; none without a seed.
    fn next(&mut self, grant: GrantId) -> Option<[u8; 32]> {
        let hash = Sha256::new().chain_update(NONCE).chain_update(self.seed?);
        self.count += 1;
        let hash = hash.chain_update(grant.as_bytes()).chain_update(self.count.to_be_bytes());
        Some(hash.finalize().into())
    }
}

impl Ledger {
    /// The same with a secret of this process: 32 random bytes, never used before. Without one, no
    /// grant of a strict budget gets a lease here.
    #[must_use]
    pub fn seeded(mut self, seed: [u8; 32]) -> Self {
        self.nonces.seed = Some(seed);
        self
    }

    /// Asks with the next fold of an account, at once or when enough time is between two.
    pub(super) fn fold_soon(&mut self, id: GrantId, now: Now) {
        let Some(account) = self.accounts.get(&id).filter(|one| one.drain.is_none()) else {
            return;
        };
        let due_ms = account.folding.due_ms(account.lease_ms());
        if due_ms <= now.clock_ms {
            self.fold(id, now);
        } else {
            self.timers.set(id, Timer::Fold, due_ms);
        }
    }

    /// Asks with what waits, and at a holder with a nonce of its own.
    pub(super) fn fold(&mut self, id: GrantId, now: Now) {
        self.timers.clear(id, Timer::Fold);
        let Some(account) = self.accounts.get_mut(&id).filter(|one| one.drain.is_none()) else {
            return;
        };
        let issuer = account.grant().map(|grant| grant.issuer);
        let nonce = issuer.and_then(|_| self.nonces.next(id));
        if nonce.is_none() && issuer.is_some() {
            return;
        }
        let own = nonce.map(|nonce| Fold::leaf(&nonce));
        let (lease_ms, below) = (account.lease_ms(), std::mem::take(&mut account.folding.below));
        let Some(question) = Question::new(own, below, now.clock_ms) else { return };
        let tree = question.fold.root();
        account.folding.ask(question, lease_ms);
        let Some(issuer) = issuer else {
            let (origin, epoch) = (account.origin(), account.epoch());
            let round = Round { origin, epoch, tree, lease_ms };
            return self.out.at_once(Output::SignBeacon(round));
        };
        let reading = Reading { instance: self.owner.instance, clock_ms: now.clock_ms };
        self.send(issuer, Message::RenewAsk { grant: id, reading, fold: Some(tree) });
        let used = self.known(id);
        if used != Amount::ZERO {
            self.send(issuer, Message::Progress { grant: id, used });
        }
    }

    /// A holder below asks for the word of the root.
    pub(super) fn fold_asked(&mut self, parent: GrantId, grant: GrantId, fold: Digest, now: Now) {
        let (holder, standing) = self.standing(parent, now);
        if standing == Standing::Over {
            return self.drain(holder, Drain::Stopped(TripReason::LeaseLost), now);
        }
        if let Some(account) = self.accounts.get_mut(&holder) {
            account.folding.add(grant, fold);
        }
        self.fold_soon(holder, now);
    }

    /// The own key signed a round.
    pub(super) fn beacon_signed(&mut self, beacon: &Beacon) {
        let round = *beacon.round();
        let id = round.origin.account();
        let Some(account) = self.accounts.get_mut(&id).filter(|one| one.drain.is_none()) else {
            // Stopped meanwhile: nobody hears of it.
            return;
        };
        let ours = account.is_root() && account.origin() == round.origin;
        let question = account.folding.take(&round.tree).filter(|_| ours);
        if let Some(question) = question {
            self.pass_down(&question, beacon, &[]);
        }
    }

    /// The issuer shows the word of the root.
    pub(super) fn beacon_received(&mut self, from: NodeKey, proof: &Proof, now: Now) {
        let grant = proof.grant;
        let Some(account) = self.accounts.get_mut(&grant) else { return };
        let Some(held) = account.grant() else { return };
        if held.issuer != from {
            return self.audit(from, grant, Breach::WrongIssuer);
        }
        let (round, origin, epoch) = (*proof.beacon.round(), held.origin, held.epoch);
        if account.drain.is_some() {
            return;
        }
        // Said again, or asked too long ago.
        let Some(question) = account.folding.asked_with(&proof.fold) else { return };
        let covers = (round.origin, round.epoch) == (origin, epoch) && covers_own(question, proof);
        if !covers && !fault::BEACON_UNCHECKED {
            return self.audit(from, grant, Breach::WrongBeacon);
        }
        let Some(question) = account.folding.take(&proof.fold) else { return };
        let waits = !account.folding.below.is_empty();
        self.extend_lease(grant, (question.sent_ms, round.lease_ms), now);
        self.pass_down(&question, &proof.beacon, &proof.path);
        if waits {
            self.fold_soon(grant, now);
        }
    }

    /// Shows a beacon to those whose folds it covers, with the way from each.
    fn pass_down(&mut self, question: &Question, beacon: &Beacon, above: &[Digest]) {
        for (leaf, (below, fold)) in question.leaves.iter().enumerate() {
            let Some((grant, to)) = below.and_then(|grant| Some((grant, self.goes_on(grant)?)))
            else {
                continue;
            };
            let path = [question.fold.path(leaf).as_slice(), above].concat();
            let proof = Proof { grant, fold: *fold, beacon: beacon.clone(), path };
            self.send(to, Message::Beacon(Box::new(proof)));
        }
    }

    /// The holder of a grant that was cut here, if it may go on.
    fn goes_on(&self, grant: GrantId) -> Option<NodeKey> {
        let account = self.accounts.get(self.cut_from.get(&grant)?)?;
        let sub = account.subs.get(&grant)?;
        let open = account.drain.is_none() && sub.state == SubState::Open;
        open.then_some(sub.grant.audience)
    }
}

/// True when the tree of a beacon is where the way from the own nonce ends.
fn covers_own(question: &Question, proof: &Proof) -> bool {
    let Some((None, own)) = question.leaves.first() else { return false };
    let fold = Fold::climb(*own, &question.fold.path(0));
    fold == proof.fold && Fold::climb(fold, &proof.path) == proof.beacon.round().tree
}
