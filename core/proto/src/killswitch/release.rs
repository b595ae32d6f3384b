//! What was written down may leave, unless it was stopped while it waited.

use super::account::SubState;
use super::io::{Asked, Output};
use super::ledger::Ledger;
use super::spend::{Outcome, ended};
use super::{Amount, GrantId, Now};
use crate::error::Error;

impl Ledger {
    /// Everything up to this write is durable.
    pub(super) fn persisted(&mut self, seq: u64, now: Now) {
        for output in self.out.persisted(seq) {
            if let Some(output) = self.release(output, now) {
                self.out.at_once(output);
            }
        }
    }

    fn release(&mut self, output: Output, now: Now) -> Option<Output> {
        let (asked, refused) = if let Output::Reserved { grant, id } = &output {
            let refused = self.may_begin(*grant, now).err();
            if refused.is_some() {
                let used = Some(Amount::ZERO);
                self.commit(*grant, *id, Outcome { used, receipt: None }, now);
            }
            (Asked::Reservation(*grant, *id), refused)
        } else if let Output::Granted(grant) = &output {
            let refused = self.may_begin(grant.parent, now).err();
            if refused.is_some() {
                // Nobody has seen it, so nobody can have spent from it.
                self.close_sub(grant.id, SubState::Settled(Amount::ZERO), now);
            }
            (Asked::Grant(grant.id), refused)
        } else if let Output::Held(grant) = &output {
            (Asked::Grant(grant.id), self.has_ended(grant.id))
        } else {
            return Some(output);
        };
        let Some(error) = refused else { return Some(output) };
        Some(Output::Refused { asked, error })
    }

    fn has_ended(&self, grant: GrantId) -> Option<Error> {
        match self.accounts.get(&grant) {
            Some(account) => account.drain.map(ended),
            None => Some(ended(super::account::Drain::Finished)),
        }
    }
}
