//! Parts of the ledger that are owned by something that may be dropped: what is dropped is given
//! back, or charged in full.

use super::Treasury;
use crate::engine::lock;
use hubless_proto::killswitch::{
    Amount, Component, Ending, Grant, GrantId, Input, Message, Origin, ReservationId,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A grant that was cut for a call that this node makes. Dropped unanswered, it is called back.
pub(crate) struct Funded {
    treasury: Arc<Treasury>,
    grant: Grant,
    answered: bool,
}

impl Funded {
    pub(super) const fn new(treasury: Arc<Treasury>, grant: Grant) -> Self {
        Self { treasury, grant, answered: false }
    }

    /// What travels with the call.
    pub(crate) const fn grant(&self) -> &Grant {
        &self.grant
    }

    /// The callee ended the call in good order: it settles the grant by itself.
    pub(crate) fn answered(mut self) {
        self.answered = true;
        if self.is_inside() {
            // An answer that was kept ran nothing.
            self.treasury.drop_untaken(self.grant.id);
        }
    }

    /// The call was never sent, so nobody can have spent from the grant.
    pub(crate) fn unsent(mut self) {
        self.answered = true;
        if self.is_inside() {
            return self.treasury.drop_untaken(self.grant.id);
        }
        let kind = hubless_proto::Kind::Cancelled;
        let message = Message::Refused { grant: self.grant.id, kind, code: String::new() };
        self.treasury.put(Input::Receive { from: self.grant.audience, message });
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
        } else {
            self.treasury.put(Input::Recall { grant: self.grant.id });
        }
    }
}

/// The grant of a call that is handled here.
pub(crate) struct Held {
    treasury: Arc<Treasury>,
    grant: Grant,
    reserved: AtomicBool,
    in_full: Mutex<Option<bool>>,
}

impl Held {
    pub(super) const fn new(treasury: Arc<Treasury>, grant: Grant) -> Self {
        let (reserved, in_full) = (AtomicBool::new(false), Mutex::new(None));
        Self { treasury, grant, reserved, in_full }
    }

    pub(crate) const fn treasury(&self) -> &Arc<Treasury> {
        &self.treasury
    }

    pub(crate) const fn id(&self) -> GrantId {
        self.grant.id
    }

    pub(super) const fn origin(&self) -> Origin {
        self.grant.origin
    }

    /// Sets the most of one spending aside.
    pub(super) async fn reserve(&self, most: Amount) -> hubless_proto::error::Result<Reservation> {
        let reserved = self.treasury.reserve(self.grant.id, most).await?;
        self.reserved.store(true, Ordering::Release);
        Ok(reserved)
    }

    /// Ends it with its call; true: nothing was reported, so all of it is charged. Idempotent.
    pub(crate) fn finish(&self, ending: Ending) -> bool {
        let mut in_full = lock(&self.in_full);
        if let Some(in_full) = *in_full {
            return in_full;
        }
        let silent = ending == Ending::Ran && !self.reserved.load(Ordering::Acquire);
        let used = self.treasury.view(&self.grant.id).map_or(Amount::ZERO, |view| view.used);
        let all = self.grant.amount.held();
        let mut reported = Component::ALL.into_iter().filter(|one| one.is_reported());
        let charged = silent && reported.any(|one| all.of(one) > used.of(one));
        *in_full = Some(charged);
        self.treasury.leave(self.grant.id, ending);
        charged
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
}

impl Reservation {
    pub(super) const fn new(treasury: Arc<Treasury>, grant: GrantId, id: ReservationId) -> Self {
        Self { treasury, grant, id, used: Some(Amount::ZERO) }
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
        self.treasury.put(Input::Commit { grant, id, used, receipt: None });
    }
}
