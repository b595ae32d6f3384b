//! Parts of the ledger that are owned by something that may be dropped: what is dropped is given
//! back, or charged in full.

use super::gateway::Gateway;
use super::provider::Keys;
use super::receipts::Whole;
use super::treasury::over;
use super::{Allowance, Treasury};
use crate::engine::lock;
use crate::spans::CallBudget;
use bytes::Bytes;
use hubless_proto::killswitch::{
    Amount, Component, Ending, Frame, Grant, GrantId, Input, Life, Origin, ReservationId,
};
use hubless_proto::wire::v1;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// A grant that was cut for a call that this node makes. Dropped unanswered, it is called back;
/// but for a detached one, which ends by itself.
pub(crate) struct Funded {
    treasury: Arc<Treasury>,
    grant: Grant,
    answered: bool,
    /// Key of a gateway that goes with it.
    key: Option<v1::ProviderKey>,
}

impl Funded {
    pub(super) const fn new(treasury: Arc<Treasury>, grant: Grant) -> Self {
        Self { treasury, grant, answered: false, key: None }
    }

    /// What travels with the call.
    pub(crate) const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// Writes the grant of a request into it, and the key that goes with that.
    pub(crate) fn write(funded: Option<&Self>, request: &mut v1::Request) {
        request.grant = funded.map(|funded| funded.grant.encode()).unwrap_or_default();
        request.provider = funded.and_then(|funded| funded.key.clone());
    }

    /// A key goes with it, and with no other grant.
    pub(super) fn frame(&mut self, key: v1::ProviderKey, frame: Frame) {
        self.key = Some(key);
        self.treasury.put(Input::Keyed { grant: self.grant.id, frame });
    }

    pub(super) const fn treasury(&self) -> &Arc<Treasury> {
        &self.treasury
    }

    /// The callee ended the call in good order: it settles the grant by itself.
    pub(crate) fn answered(mut self) {
        self.answered = true;
        if self.is_inside() {
            // An answer that was kept ran nothing.
            self.treasury.drop_untaken(self.grant.id);
        } else {
            self.treasury.answered(&self.grant);
        }
    }

    /// The call was never sent, so nobody can have spent from the grant.
    pub(crate) fn unsent(mut self) {
        self.answered = true;
        if self.is_inside() {
            return self.treasury.drop_untaken(self.grant.id);
        }
        // Nobody has heard of it, nor of a key that was to go with it.
        self.treasury.put(Input::Unsent { grant: self.grant.id });
    }

    /// It was handed over by itself, without a call of this node: its holder settles it.
    pub(super) fn given(mut self) -> Grant {
        self.answered = true;
        self.grant.clone()
    }

    fn is_inside(&self) -> bool {
        self.grant.audience == self.grant.issuer
    }
}

impl Drop for Funded {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        if self.is_inside() {
            // A call that took it ends by itself and gives back what is left.
            self.treasury.drop_untaken(self.grant.id);
        } else if matches!(self.grant.life, Life::Leased { .. }) {
            self.treasury.put(Input::Recall { grant: self.grant.id });
        }
    }
}

/// The grant of a call that is handled here.
pub(crate) struct Held {
    treasury: Arc<Treasury>,
    grant: Grant,
    reserved: AtomicBool,
    end: Mutex<End>,
    /// What was used of it by the end of its call.
    spent: OnceLock<Amount>,
    /// Those of a metering gateway that are paid from it.
    pub(super) keys: Keys,
    /// Gateway with the key that came with the grant, or with one above it in this node.
    pub(super) gateway: Option<Arc<Gateway>>,
    /// The same, where it came with this grant.
    pub(super) whole: Option<Arc<Whole>>,
}

/// How far the end of a grant is.
struct End {
    /// Its call has ended; true: nothing was reported, so all of it is charged.
    in_full: Option<bool>,
    /// True: it pays for something after its call.
    is_kept: bool,
    /// How its call ended, as long as it is kept.
    late: Option<Ending>,
}

/// What pays for the delivery of an answer: the grant of its call, which is open until this is
/// over.
#[derive(Default)]
pub(crate) struct Delivery(Mutex<Paying>);

#[derive(Default)]
enum Paying {
    /// No grant was taken: there is none, or the call did not run for this request.
    #[default]
    Nothing,
    Grant(Arc<Held>),
    Over,
}

impl Held {
    pub(super) const fn new(treasury: Arc<Treasury>, grant: Grant) -> Self {
        let end = Mutex::new(End { in_full: None, is_kept: false, late: None });
        let reserved = AtomicBool::new(false);
        let keys = Keys::new();
        let spent = OnceLock::new();
        Self { treasury, grant, reserved, end, spent, keys, gateway: None, whole: None }
    }

    /// The gateway that pays by the key of the grant; none: there is no such key.
    pub(crate) const fn gateway(&self) -> Option<&Arc<Gateway>> {
        self.gateway.as_ref()
    }

    pub(crate) const fn treasury(&self) -> &Arc<Treasury> {
        &self.treasury
    }

    pub(super) const fn grant(&self) -> &Grant {
        &self.grant
    }

    pub(crate) const fn id(&self) -> GrantId {
        self.grant.id
    }

    pub(crate) const fn amount(&self) -> Allowance {
        self.grant.amount
    }

    pub(crate) const fn depth(&self) -> u32 {
        self.grant.depth
    }

    /// What pays for the call, and what was spent of it once that has ended.
    pub(crate) fn paid(&self) -> CallBudget {
        CallBudget { spent: self.spent.get().copied(), ..CallBudget::of(&self.grant) }
    }

    pub(super) const fn origin(&self) -> Origin {
        self.grant.origin
    }

    /// The handler of the call is about to run, unless its grant is stopped, or over: what waited
    /// until then has spent nothing.
    ///
    /// # Errors
    /// `killed`.
    pub(crate) fn begin(&self) -> hubless_proto::error::Result<()> {
        self.treasury.begin(self.grant.id)
    }

    /// Sets the most of one spending aside, before the end of the call.
    pub(super) async fn reserve(&self, most: Amount) -> hubless_proto::error::Result<Reservation> {
        {
            let end = lock(&self.end);
            // What is kept for after the call is not the handler's.
            if end.in_full.is_some() {
                return Err(over());
            }
            // Who asks is one that reports, whatever the answer.
            self.reserved.store(true, Ordering::Release);
        }
        let reservation = self.treasury.reserve(self.grant.id, most).await?;
        // Dropped, it is given back.
        if lock(&self.end).in_full.is_some() { Err(over()) } else { Ok(reservation) }
    }

    /// Ends it with its call, or once it is kept no more; true: nothing was reported, so all of it
    /// is charged, and for what it is kept there is no more than its calls. Idempotent.
    pub(crate) fn finish(&self, ending: Ending) -> bool {
        let mut end = lock(&self.end);
        if let Some(in_full) = end.in_full {
            return in_full;
        }
        let silent = ending == Ending::Ran && !self.reserved.load(Ordering::Acquire);
        let used = self.treasury.view(&self.grant.id).map_or(Amount::ZERO, |view| view.used);
        let all = self.grant.amount.held();
        let mut reported = Component::ALL.into_iter().filter(|one| one.is_reported());
        let charged = silent && reported.any(|one| all.of(one) > used.of(one));
        end.in_full = Some(charged);
        let mut rest = Component::ALL.into_iter().filter(|one| charged && one.is_reported());
        let spent = rest.try_fold(used, |sum, one| sum.with(one, sum.of(one).max(all.of(one))));
        // The first end stands, as above.
        let _ = self.spent.set(spent.unwrap_or(used));
        if end.is_kept {
            if charged {
                self.treasury.put(Input::SpendRest { grant: self.grant.id });
            }
            end.late = Some(ending);
        } else {
            self.treasury.leave(self.grant.id, ending);
        }
        charged
    }

    fn let_go(&self) {
        let late = {
            let mut end = lock(&self.end);
            end.is_kept = false;
            end.late.take()
        };
        if let Some(ending) = late {
            self.treasury.leave(self.grant.id, ending);
        }
    }
}

impl Delivery {
    /// The call has taken its grant.
    pub(crate) fn pay_from(&self, held: &Arc<Held>) {
        let mut paying = lock(&self.0);
        if matches!(*paying, Paying::Nothing) {
            lock(&held.end).is_kept = true;
            *paying = Paying::Grant(Arc::clone(held));
        }
    }

    /// The grant that pays.
    pub(crate) fn grant(&self) -> Option<GrantId> {
        match &*lock(&self.0) {
            Paying::Grant(held) => Some(held.id()),
            Paying::Nothing | Paying::Over => None,
        }
    }

    /// Nothing more is to be paid: the grant ends, if its call has.
    pub(crate) fn end(&self) {
        let before = std::mem::replace(&mut *lock(&self.0), Paying::Over);
        if let Paying::Grant(held) = before {
            held.let_go();
        }
    }
}

impl Drop for Delivery {
    fn drop(&mut self) {
        self.end();
    }
}

/// Something set aside. Dropped before its spending began, it is given back; after, it is charged
/// in full.
pub(crate) struct Reservation {
    treasury: Arc<Treasury>,
    grant: GrantId,
    id: ReservationId,
    /// What is charged when it is dropped; none: all of it.
    used: Option<Amount>,
    /// What a gateway signed of it.
    receipt: Option<Bytes>,
}

impl Reservation {
    pub(super) const fn new(treasury: Arc<Treasury>, grant: GrantId, id: ReservationId) -> Self {
        Self { treasury, grant, id, used: Some(Amount::ZERO), receipt: None }
    }

    pub(super) const fn id(&self) -> ReservationId {
        self.id
    }

    /// So much of it was spent, as a gateway signed.
    pub(super) fn receipted(mut self, used: Amount, receipt: Option<Bytes>) {
        self.used = Some(used);
        self.receipt = receipt;
    }

    /// Whoever asked for it has it: from now on it may have been spent.
    pub(super) const fn begin(mut self) -> Self {
        self.used = None;
        self
    }

    /// So much of it was spent.
    pub(super) fn used(mut self, used: Amount) {
        self.used = Some(used);
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let (grant, id, used) = (self.grant, self.id, self.used);
        let receipt = self.receipt.take();
        self.treasury.put(Input::Commit { grant, id, used, receipt });
    }
}
