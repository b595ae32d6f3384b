//! The replica itself: what goes in, what comes out, when it wants to be woken.

use super::brought::Brought;
use super::chance::Chance;
use super::claim::{Now, RowKey, Statement};
use super::links::{Links, Loss, Nearness};
use super::message::{Message, Sum};
use super::owners::Owners;
use super::repair::Repair;
use super::spread::Spread;
use super::store::Store;
use super::suspicion::Rumours;
use super::take::Origin;
use super::verdict::{Refusal, Removal, Taken};
use crate::directory::past::Past;
use crate::error::Result;
use crate::identity::NodeKey;
use crate::wire::record::Digest;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Says whether a record holds: its signatures, and for a node that it is a member.
pub type Prove<'a, S> = &'a mut dyn FnMut(&S) -> Result<()>;

/// What a replica is told.
#[derive(Debug, Clone)]
pub enum Input<S> {
    /// What this node says of itself and of its agents, its own record first.
    Publish(Vec<S>),
    /// What lies in the runtime folder of this node.
    Folder(Vec<S>),
    /// A member is connected that speaks of records.
    Linked(NodeKey, Nearness),
    /// It is connected no more, or could not be.
    Unlinked(NodeKey, Loss),
    /// A member said something.
    Heard(NodeKey, Message<S>),
    /// It is time.
    Tick,
}

/// What a replica wants or tells.
#[derive(Debug, Clone)]
pub enum Output<S> {
    /// Send this, over a connection that is there or is made for it; it may be lost.
    Send {
        /// To whom.
        to: NodeKey,
        /// What.
        message: Message<S>,
    },
    /// A record stands now.
    Taken {
        /// The record.
        statement: S,
        /// Why.
        how: Taken,
        /// Who brought it; none: this node itself.
        from: Option<NodeKey>,
    },
    /// A record was not taken.
    Refused {
        /// What it is about.
        key: RowKey,
        /// Its number.
        seq: u64,
        /// Who brought it; none: this node itself.
        from: Option<NodeKey>,
        /// Why not.
        why: Refusal,
    },
    /// A row is no more.
    Removed {
        /// The record.
        statement: S,
        /// Why.
        why: Removal,
    },
    /// A node may be no more: a hint, which only lowers its rank.
    Suspected(NodeKey),
    /// A node that was suspected is there.
    Returned(NodeKey),
    /// Others suspect this node: a later record of it clears that.
    Refute,
}

/// How much came and went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that were taken.
    pub taken: u64,
    /// Records that were known already.
    pub known: u64,
    /// Records that were refused.
    pub refused: u64,
    /// New records that were not passed on, since too many waited.
    pub dropped: u64,
}

/// The records of a mesh, as one node holds them.
///
/// ```
/// use hubless_proto::directory::replica::{Input, Now, Replica, Sealed};
/// use hubless_proto::identity::NodeKey;
///
/// let mut replica = Replica::<Sealed>::new(NodeKey::from_bytes([1; 32]), 7, Now::default());
/// replica.handle(Input::Tick, Now::default(), &mut |_| Ok(()));
/// assert!(replica.poll_output().is_none() && replica.is_empty());
/// assert!(replica.poll_timeout().is_some(), "it compares with others now and then");
/// ```
#[derive(Debug)]
pub struct Replica<S> {
    pub(super) own: NodeKey,
    pub(super) chance: Chance,
    pub(super) store: Store<S>,
    pub(super) past: Past<RowKey>,
    pub(super) owners: Owners,
    /// Rows of `RowKey::Ended`.
    pub(super) ended: usize,
    /// Keys of those among them of which nothing else was known.
    pub(super) strange: BTreeSet<[u8; 32]>,
    /// Who said last that it is no more, and under which number: looked for in all rows together.
    pub(super) ending: Vec<([u8; 32], u64)>,
    pub(super) links: Links,
    pub(super) spread: Spread<S>,
    pub(super) rumours: Rumours,
    pub(super) repair: Repair,
    pub(super) brought: Brought,
    pub(super) evidence: BTreeMap<RowKey, [Digest; 2]>,
    /// Prints of what did not hold, so that it is looked at once.
    pub(super) forged: VecDeque<Digest>,
    pub(super) counts: Counts,
    outputs: VecDeque<Output<S>>,
}

impl<S: Statement> Replica<S> {
    /// Knows nothing; `seed` is for what is left to chance.
    pub fn new(own: NodeKey, seed: u64, now: Now) -> Self {
        let mut chance = Chance::new(seed);
        let repair = Repair::new(&mut chance, now.steady_ms);
        Self {
            own,
            chance,
            store: Store::new(),
            past: Past::default(),
            owners: Owners::default(),
            ended: 0,
            strange: BTreeSet::new(),
            ending: Vec::new(),
            links: Links::default(),
            spread: Spread::default(),
            rumours: Rumours::default(),
            repair,
            brought: Brought::default(),
            evidence: BTreeMap::new(),
            forged: VecDeque::new(),
            counts: Counts::default(),
            outputs: VecDeque::new(),
        }
    }

    /// Takes an input; `prove` is asked at most once for each record that would be taken.
    pub fn handle(&mut self, input: Input<S>, now: Now, prove: Prove<'_, S>) {
        self.expire(now);
        // Before the input: what comes now is not what ended.
        self.end();
        match input {
            Input::Publish(records) => self.publish(&records, Origin::Own, now, prove),
            Input::Folder(records) => self.publish(&records, Origin::Folder, now, prove),
            Input::Linked(node, nearness) => self.linked(node, nearness, now),
            Input::Unlinked(node, loss) => self.unlinked(node, loss, now),
            Input::Heard(from, message) => self.heard(from, message, now, prove),
            Input::Tick => {}
        }
        self.end();
        if self.spread.flush_ms.is_some_and(|due| due <= now.steady_ms) {
            self.flush();
        }
        self.refute_when_due(now);
        self.compare_when_due(now);
    }

    /// The next thing that is wanted or told. All are to be taken after each input.
    pub fn poll_output(&mut self) -> Option<Output<S>> {
        self.outputs.pop_front()
    }

    /// When it wants [`Input::Tick`], by the steady clock.
    pub fn poll_timeout(&self) -> Option<u64> {
        let (ends, past) = (self.store.next_end(), self.past.next_end());
        let times = [self.spread.flush_ms, ends, past, self.rumours.refutes_at()];
        times.into_iter().flatten().chain([self.repair.next_ms()]).min()
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.store.len()
    }

    /// True without any row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sum of all rows: two replicas that hold the same have the same.
    pub const fn sum(&self) -> Sum {
        self.store.sum()
    }

    /// How much came and went.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// The record of a key that stands.
    pub fn row(&self, key: &RowKey) -> Option<&S> {
        self.store.find(&key.id()).map(|row| &row.statement)
    }

    /// Every record that stands, nodes first.
    pub fn rows(&self) -> impl Iterator<Item = &S> {
        self.store.all().map(|row| &row.statement)
    }

    /// The digests of two records that were signed under one number.
    pub fn evidence(&self, key: &RowKey) -> Option<[Digest; 2]> {
        self.evidence.get(key).copied()
    }

    /// True for a node that somebody lost and that has said nothing since.
    pub fn is_suspected(&self, node: &NodeKey) -> bool {
        self.owners.of(node).is_some_and(|owner| owner.suspect.is_some())
    }

    /// Members that are known, this node among them.
    pub fn members(&self) -> impl Iterator<Item = &NodeKey> {
        self.owners.members().map(|(node, _)| node)
    }

    /// What waits inside: records to pass on, members to compare with, rows of the past, offers
    /// that were asked for, suspicions to pass on.
    pub fn waiting(&self) -> [usize; 5] {
        let [members, asked] = self.repair.waiting();
        [self.spread.len(), members, self.past.len(), asked, self.rumours.len()]
    }

    pub(super) fn put_out(&mut self, output: Output<S>) {
        self.outputs.push_back(output);
    }

    pub(super) fn send(&mut self, to: NodeKey, message: Message<S>) {
        self.put_out(Output::Send { to, message });
    }

    fn heard(&mut self, from: NodeKey, message: Message<S>, now: Now, prove: Prove<'_, S>) {
        match message {
            Message::Compare(sum) => self.compared(from, sum),
            Message::Buckets(sums) => self.differs(from, &sums, now),
            Message::Rows { spans, rows } => self.listed(from, &spans, rows),
            Message::Wants { names, rest } => self.wanted(from, &names, rest, now),
            Message::Offer(rows) => self.offered(from, &rows, now),
            Message::Ask(names) => {
                self.answer(from, &names);
            }
            Message::Push(carried) => self.pushed(from, carried, now, prove),
            Message::Answer(records) => self.answered(from, records, now, prove),
            Message::Suspects(suspects) => self.told_of(&suspects, now),
        }
    }

    fn expire(&mut self, now: Now) {
        for row in self.store.expire(now.steady_ms) {
            let claim = row.statement.claim();
            // A record without a number is never renewed.
            if claim.seq > 0 {
                self.past.remember(claim.key, claim.seq, false, row.until_ms);
            }
            self.forget(claim);
            if let RowKey::Node(node) = claim.key {
                // Nobody could reach what it hosts.
                self.ending.push((*node.as_bytes(), u64::MAX));
            }
            self.put_out(Output::Removed { statement: row.statement, why: Removal::Expired });
        }
        self.past.forget(now.steady_ms);
    }
}
