//! The fake provider: what was really spent, counted outside every ledger.

use hubless_proto::killswitch::{Amount, GrantId, ReservationId};
use std::collections::{BTreeMap, BTreeSet};

/// A call of a model that has not answered yet.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) node: usize,
    pub(crate) grant: GrantId,
    pub(crate) id: ReservationId,
    pub(crate) used: Amount,
}

/// Bills every call at the moment it begins.
#[derive(Debug, Default)]
pub(crate) struct Provider {
    pub(crate) running: Vec<Running>,
    spent: BTreeMap<GrantId, Amount>,
    seen: BTreeSet<ReservationId>,
}

impl Provider {
    /// Bills a call that begins.
    pub(crate) fn begin(&mut self, call: Running) {
        assert!(self.seen.insert(call.id), "I5: one reservation began twice, {call:?}");
        self.bill(call.grant, &call.used);
        self.running.push(call);
    }

    /// Counts what a grant really cost.
    pub(crate) fn bill(&mut self, grant: GrantId, amount: &Amount) {
        let spent = self.spent.entry(grant).or_default();
        *spent = spent.plus(amount).unwrap();
    }

    /// What was really spent from this grant and all below it.
    pub(crate) fn below(&self, grant: &GrantId, parents: &BTreeMap<GrantId, GrantId>) -> Amount {
        let under = |id: &GrantId| {
            let mut at = Some(*id);
            while let Some(id) = at {
                if id == *grant {
                    return true;
                }
                at = parents.get(&id).copied();
            }
            false
        };
        let spent = self.spent.iter().filter(|(id, _)| under(id));
        spent.fold(Amount::ZERO, |sum, (_, spent)| sum.plus(spent).unwrap())
    }

    /// Forgets the calls of a process that is gone; they cost what they cost.
    pub(crate) fn crash(&mut self, node: usize) {
        self.running.retain(|call| call.node != node);
    }
}
