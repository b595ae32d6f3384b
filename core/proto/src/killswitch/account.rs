//! The account of one grant, or of a budget at its root: what was spent, what is held.

use super::folding::Folding;
use super::receipt::{Receipt, chained};
use super::row::{Key, Row};
use super::{
    Allowance, Amount, Budget, Claim, Frame, Grant, GrantId, Life, Now, Origin, Reading,
    ReservationId,
};
use crate::identity::NodeKey;
use crate::limits::{CALL_DEPTH, GRANT_FAN_OUT, LEASE, RECEIPT_BYTES, RECEIPTS, SETTLE_LIFE, ms};
use crate::wire::record::Digest;
use crate::wire::v1;
use crate::wire::words::{RefundPolicy, TripReason};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// What the account is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Title {
    Root(Budget),
    Held(Grant),
}

/// Why nothing more may be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Drain {
    /// The call ended.
    Finished,
    /// It was stopped.
    Stopped(TripReason),
}

impl Drain {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Stopped(reason) => reason.name(),
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        match name {
            "" => None,
            "finished" => Some(Self::Finished),
            reason => Some(Self::Stopped(TripReason::of(reason))),
        }
    }
}

/// State of a grant at its issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum SubState {
    /// Charged in full.
    Open,
    /// Charged in full; the holder was asked to end it.
    Recalled,
    /// Charged with what its holder used.
    Settled(Amount),
    /// Charged for good, with all of it.
    WrittenOff(Amount),
}

impl SubState {
    pub(super) const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Recalled)
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Recalled => "recalled",
            Self::Settled(_) => "settled",
            Self::WrittenOff(_) => "written_off",
        }
    }
}

/// A grant that was cut from an account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Sub {
    pub(super) grant: Grant,
    pub(super) state: SubState,
    /// What its holder said it used so far; frees nothing.
    pub(super) seen: Amount,
    /// What the provider's side said.
    pub(super) metered: Option<Amount>,
    /// The key of a gateway that went with it.
    pub(super) frame: Option<Frame>,
    /// Wait before the next recall.
    pub(super) repeat_ms: u64,
}

/// How long a held account may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) struct Lease {
    /// End of the lease on the own clock; none: there was none yet.
    pub(super) until_ms: Option<u64>,
    /// How long the lease was.
    pub(super) length_ms: u64,
    /// True while a question is under way.
    pub(super) asked: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Account {
    pub(super) title: Title,
    pub(super) drain: Option<Drain>,
    /// Nobody has a use for it any more.
    pub(super) finished: bool,
    /// Its handler runs or ran: before that nobody can spend from it.
    pub(super) begun: bool,
    /// If nothing was ever reserved, all of it is charged in the end.
    pub(super) in_full: bool,
    /// More may have been spent than is known: in the end all of it is charged.
    pub(super) lost: bool,
    /// Something was reserved.
    pub(super) reported: bool,
    /// Committed here; calls that were made from here among it.
    pub(super) spent: Amount,
    /// Charged for grants that are settled.
    pub(super) below: Amount,
    /// What providers used above their reservations, here and below.
    pub(super) overrun: Amount,
    /// Head of the chain of `shown`.
    pub(super) receipts: Option<Digest>,
    /// Receipts as they were signed, at most `RECEIPTS`.
    pub(super) shown: Vec<Bytes>,
    pub(super) reserved: BTreeMap<ReservationId, Amount>,
    pub(super) subs: BTreeMap<GrantId, Sub>,
    /// Settled ones among `subs`, oldest first.
    pub(super) settled: VecDeque<GrantId>,
    /// Sum of `reserved`, of `codes`, and of the open ones among `subs`.
    pub(super) holds: Amount,
    /// Number of the open ones among `subs`.
    pub(super) open: usize,
    pub(super) lease: Lease,
    /// Codes that nobody has redeemed yet.
    pub(super) codes: Vec<Claim>,
    /// Questions of holders below that wait for an own lease.
    pub(super) asks: BTreeMap<GrantId, Reading>,
    /// The same under a strict budget.
    pub(super) folding: Folding,
}

impl Account {
    pub(super) fn new(title: Title) -> Self {
        Self {
            title,
            drain: None,
            finished: false,
            begun: false,
            in_full: true,
            lost: false,
            reported: false,
            spent: Amount::ZERO,
            below: Amount::ZERO,
            overrun: Amount::ZERO,
            receipts: None,
            shown: Vec::new(),
            reserved: BTreeMap::new(),
            subs: BTreeMap::new(),
            settled: VecDeque::new(),
            holds: Amount::ZERO,
            open: 0,
            lease: Lease::default(),
            codes: Vec::new(),
            asks: BTreeMap::new(),
            folding: Folding::default(),
        }
    }

    pub(super) fn id(&self) -> GrantId {
        match &self.title {
            Title::Root(budget) => budget.origin.account(),
            Title::Held(grant) => grant.id,
        }
    }

    pub(super) const fn grant(&self) -> Option<&Grant> {
        match &self.title {
            Title::Root(_) => None,
            Title::Held(grant) => Some(grant),
        }
    }

    pub(super) const fn is_root(&self) -> bool {
        matches!(self.title, Title::Root(_))
    }

    /// True when it was cut by another node.
    pub(super) fn is_remote(&self, own: &NodeKey) -> bool {
        self.grant().is_some_and(|grant| grant.issuer != *own)
    }

    pub(super) const fn origin(&self) -> Origin {
        match &self.title {
            Title::Root(budget) => budget.origin,
            Title::Held(grant) => grant.origin,
        }
    }

    pub(super) const fn epoch(&self) -> u64 {
        match &self.title {
            Title::Root(budget) => budget.epoch,
            Title::Held(grant) => grant.epoch,
        }
    }

    pub(super) const fn amount(&self) -> Allowance {
        match &self.title {
            Title::Root(budget) => budget.terms.ceiling,
            Title::Held(grant) => grant.amount,
        }
    }

    pub(super) const fn depth(&self) -> u32 {
        match &self.title {
            Title::Root(_) => 0,
            Title::Held(grant) => grant.depth,
        }
    }

    /// When the wall time of the budget is over, in Unix milliseconds.
    pub(super) const fn ends_at_ms(&self) -> Option<u64> {
        match &self.title {
            Title::Root(budget) => budget.ends_at_ms,
            Title::Held(grant) => grant.ends_at_ms,
        }
    }

    /// Deepest grant, and true if a user said so.
    pub(super) fn depth_max(&self) -> (u32, bool) {
        let (depth, said) = match &self.title {
            Title::Root(budget) => (budget.terms.depth.unwrap_or(CALL_DEPTH), budget.terms.depth),
            Title::Held(grant) => (grant.depth_max, Some(grant.depth_max)),
        };
        (depth.min(CALL_DEPTH), said.is_some_and(|said| said < CALL_DEPTH))
    }

    /// Most open grants, and true if a user said so.
    pub(super) fn fan_out_max(&self) -> (u32, bool) {
        let said = match &self.title {
            Title::Root(budget) => budget.terms.fan_out.unwrap_or(GRANT_FAN_OUT),
            Title::Held(grant) => grant.fan_out_max,
        };
        (said.min(GRANT_FAN_OUT), said < GRANT_FAN_OUT)
    }

    /// Lease of a grant that is cut from it, if nothing above ends sooner.
    pub(super) fn lease_ms(&self) -> u64 {
        match &self.title {
            Title::Root(budget) => budget.terms.lease_ms,
            Title::Held(Grant { life: Life::Leased { lease_ms }, .. }) => {
                self.lease.length_ms.max(*lease_ms)
            }
            Title::Held(_) => ms(LEASE),
        }
    }

    /// Chains a receipt, where the grant wants them; true: it was taken. One that does not fit is
    /// none, and frees nothing.
    pub(super) fn chain(&mut self, receipt: Bytes) -> bool {
        let wanted = self.grant().is_some_and(|grant| grant.refund == RefundPolicy::Provider);
        let fits = self.shown.len() < RECEIPTS && receipt.len() <= RECEIPT_BYTES;
        if wanted && fits {
            self.receipts = Some(chained(self.receipts, &receipt));
            self.shown.push(receipt);
        }
        wanted && fits
    }

    /// What was used, but no less than the gateway signed of the key that came with the grant: a
    /// call that is cut may cost less in the end than was set aside for it by then.
    pub(super) fn at_least_shown(&self, used: Amount) -> Amount {
        let receipts = self.shown.iter().filter_map(|shown| Receipt::open(shown).ok());
        let whole = receipts.filter(|receipt| receipt.reservation == Receipt::WHOLE);
        let paid = whole.fold(Amount::ZERO, |paid, receipt| paid.max(&receipt.used()));
        used.max(&paid.min(&self.amount().most()))
    }

    /// Planted: takes a grant for two.
    pub(super) fn double(&mut self) {
        if let Title::Held(grant) = &mut self.title {
            let twice = grant.amount.held().plus_at_most(&grant.amount.held());
            grant.amount = Allowance::exactly(&twice);
        }
    }

    /// What can no longer come back.
    pub(super) fn used(&self) -> Amount {
        self.spent.plus_at_most(&self.below)
    }

    /// What is used or may be.
    pub(super) fn charge(&self) -> Amount {
        self.used().plus_at_most(&self.holds)
    }

    pub(super) fn free(&self) -> Allowance {
        self.amount().without(&self.charge())
    }

    /// What is free of what is limited and reported.
    pub(super) fn rest(&self) -> Amount {
        let rest = self.amount().held().without(&self.charge());
        let reported = super::Component::ALL.into_iter().filter(|one| one.is_reported());
        reported.fold(Amount::ZERO, |sum, one| sum.with(one, rest.of(one)).unwrap_or(sum))
    }

    /// Grants that are called back where it ends.
    pub(super) fn to_recall(&self, why: Drain) -> Vec<GrantId> {
        let goes_on = |sub: &&Sub| why == Drain::Finished && sub.is_detached();
        let open = self.subs.values().filter(|sub| sub.state == SubState::Open);
        open.filter(|sub| !goes_on(sub)).map(|sub| sub.grant.id).collect()
    }

    /// What the last word says, and true if it is all because nothing was reported.
    pub(super) fn last_word(&self) -> (Amount, bool) {
        let used = self.used();
        let all = self.amount().held();
        let ran = self.begun && self.in_full;
        let silent = ran && !self.reported && self.grant().is_some();
        let reported = super::Component::ALL.into_iter().filter(|one| one.is_reported());
        let full = reported
            .fold(used, |sum, one| sum.with(one, sum.of(one).max(all.of(one))).unwrap_or(sum));
        if silent && full != used { (full, true) } else { (used, false) }
    }

    pub(super) fn row(&self) -> Row {
        let title = match &self.title {
            Title::Root(budget) => v1::account_row::Title::Budget(budget.to_wire()),
            Title::Held(grant) => v1::account_row::Title::Grant(grant.to_wire()),
        };
        let row = v1::AccountRow {
            title: Some(title),
            spent: Some(self.spent.to_wire()),
            below: Some(self.below.to_wire()),
            overrun: Some(self.overrun.to_wire()),
            receipts: super::message::optional_to_wire(self.receipts.as_ref()),
            reported: self.reported,
            draining: self.drain.map_or("", Drain::name).to_owned(),
            in_full: self.in_full,
            lost: self.lost,
            shown: self.shown.clone(),
        };
        Row::new(Key::Account(self.id()), v1::ledger_row::Kind::Account(row))
    }
}

impl Sub {
    pub(super) const fn new(grant: Grant) -> Self {
        Self {
            grant,
            state: SubState::Open,
            seen: Amount::ZERO,
            metered: None,
            frame: None,
            repeat_ms: 0,
        }
    }

    pub(super) const fn is_detached(&self) -> bool {
        matches!(self.grant.life, Life::Detached { .. })
    }

    /// The moment of the own clock at which nobody waits for its last word any more, once what it
    /// was cut from has ended.
    pub(super) fn over_ms(&self, now: Now) -> u64 {
        match self.grant.life {
            Life::Leased { .. } => now.clock_ms,
            Life::Detached { not_after_ms } => {
                now.clock_at(not_after_ms.saturating_add(ms(SETTLE_LIFE)))
            }
        }
    }

    /// What it costs its issuer.
    pub(super) fn charged(&self) -> Amount {
        match self.state {
            SubState::Open | SubState::Recalled => self.grant.amount.held(),
            SubState::Settled(used) | SubState::WrittenOff(used) => used,
        }
    }

    pub(super) fn row(&self) -> Row {
        let used = match self.state {
            SubState::Settled(used) | SubState::WrittenOff(used) => Some(used.to_wire()),
            SubState::Open | SubState::Recalled => None,
        };
        let row = v1::SubgrantRow {
            account: self.grant.parent.to_wire(),
            grant: Some(self.grant.to_wire()),
            state: self.state.name().to_owned(),
            used,
            frame: self.frame.map(Frame::to_wire),
        };
        let key = Key::Subgrant(self.grant.parent, self.grant.id);
        Row::new(key, v1::ledger_row::Kind::Subgrant(row))
    }
}
