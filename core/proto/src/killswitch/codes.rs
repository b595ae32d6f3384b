//! Redeem codes at their issuer: what is set aside for each, and what becomes of it.
//!
//! A code is not written down. Only the process that made it redeems it, and what it becomes is a
//! grant, whose row is durable before it leaves: after a crash nobody can redeem the code, and
//! nothing is owed for it. So its end, by time or with its grant, frees what was set aside: that
//! nobody has redeemed it, this ledger alone decides.

use super::account::Account;
use super::io::{Asked, Input, Order, Output, Share};
use super::ledger::{Ledger, full};
use super::timers::Timer;
use super::{Allowance, Amount, CallId, Claim, GrantId, Now};
use crate::error::{Error, Kind, Result};
use crate::identity::NodeKey;
use crate::limits::{self, ms};
use crate::wire::record::Digest;
use crate::wire::words::{RefundPolicy, Spends};

impl Ledger {
    /// Makes a code for a call by way of a foreign program: a quarter of what is free, and the
    /// call itself, are set aside for it.
    pub(super) fn offer(&mut self, grant: GrantId, (digest, until_ms): (Digest, u64), now: Now) {
        let asked = Asked::Code(grant, digest);
        match self.may_begin(grant, now) {
            Ok(None) => {}
            Ok(Some(holder)) => {
                return self.wait(holder, asked, Input::Offer { grant, digest, until_ms });
            }
            Err(error) => return self.refuse(asked, error),
        }
        let Some(account) = self.accounts.get_mut(&grant) else { return };
        let free = account.free();
        if let Err(error) = may_offer(account, digest) {
            return self.refuse(asked, error);
        }
        if !free.allows(&ONE_CALL) {
            // Nobody is stopped by it: the call that is made with the code may go on without.
            let message = "expected room for one more call";
            let error = Error::refusal(Kind::BudgetExhausted, "calls_exceeded", message);
            return self.refuse(asked, error);
        }
        let most_ms = now.unix_ms.saturating_add(ms(limits::REDEEM_LIFE));
        let amount = free.without(&ONE_CALL).quarter();
        let claim = Claim { grant, digest, amount, until_ms: until_ms.min(most_ms) };
        account.holds = account.holds.plus_at_most(&held(&claim));
        account.codes.push(claim.clone());
        self.time_codes(grant, now);
        self.out.after(Output::Offered(Box::new(claim)));
    }

    /// Turns a code into a grant of whoever shows it: all of it, once.
    pub(super) fn redeem(&mut self, id: GrantId, claim: Claim, by: Redeemer, now: Now) {
        let asked = Asked::Grant(id);
        let (from, open) = (claim.grant, self.has_code(&claim, now));
        let Some(order) = self.accounts.get(&from).filter(|_| open).and_then(|account| {
            let agent = account.grant()?.agent;
            Some(order(id, agent, &by))
        }) else {
            return self.refuse(asked, no_code());
        };
        match self.may_begin(from, now) {
            Ok(None) => {}
            Ok(Some(holder)) => {
                let Redeemer { node, refund } = by;
                let request = Input::Redeem { id, claim, by: node, refund };
                return self.wait(holder, asked, request);
            }
            Err(error) => return self.refuse(asked, error),
        }
        if let Err(error) = self.admit(from, &order, now) {
            return self.refuse(asked, error);
        }
        self.end_codes(from, |code| code.digest == claim.digest);
        self.time_codes(from, now);
        self.grant(from, &order, claim.amount, now);
    }

    /// True for a code that is open here as it is shown. Every code of the grant is compared to
    /// its end, so that the time taken tells nothing of any.
    pub fn has_code(&self, shown: &Claim, now: Now) -> bool {
        let codes = self.accounts.get(&shown.grant).into_iter().flat_map(|one| &one.codes);
        codes.fold(false, |found, code| {
            let differs =
                code.digest.iter().zip(&shown.digest).fold(0, |all, (a, b)| all | (a ^ b));
            let rest = code.amount == shown.amount && code.until_ms == shown.until_ms;
            found | ((differs == 0) & rest & (now.unix_ms < code.until_ms))
        })
    }

    /// Ends codes of an account: what was set aside for them is free.
    pub(super) fn end_codes(&mut self, grant: GrantId, over: impl Fn(&Claim) -> bool) {
        let Some(account) = self.accounts.get_mut(&grant) else { return };
        for claim in account.codes.extract_if(.., |claim| over(claim)) {
            account.holds = account.holds.without(&held(&claim));
        }
    }

    /// Codes whose time is over end.
    pub(super) fn look_at_codes(&mut self, grant: GrantId, now: Now) {
        self.end_codes(grant, |claim| claim.until_ms <= now.unix_ms);
        self.time_codes(grant, now);
    }

    /// The next look at the codes of an account is when the first of them ends.
    fn time_codes(&mut self, grant: GrantId, now: Now) {
        let codes = self.accounts.get(&grant).into_iter().flat_map(|account| &account.codes);
        match codes.map(|claim| claim.until_ms).min() {
            Some(until_ms) => self.timers.set(grant, Timer::Codes, now.clock_at(until_ms)),
            None => self.timers.clear(grant, Timer::Codes),
        }
    }
}

impl Account {
    /// What is set aside for codes.
    pub(super) fn offered(&self) -> Amount {
        self.codes.iter().fold(Amount::ZERO, |sum, claim| sum.plus_at_most(&held(claim)))
    }
}

/// Who redeems a code.
pub(super) struct Redeemer {
    pub(super) node: NodeKey,
    pub(super) refund: RefundPolicy,
}

/// The call that is made by way of the foreign program.
const ONE_CALL: Amount = Amount::of_calls(1);

/// What a code sets aside.
fn held(claim: &Claim) -> Amount {
    claim.amount.held().plus_at_most(&ONE_CALL)
}

fn may_offer(account: &Account, digest: Digest) -> Result<()> {
    if account.grant().is_none() {
        let message = "expected the grant of a call: a budget itself makes no code";
        return Err(Error::invalid("grant", message));
    }
    if account.codes.iter().any(|claim| claim.digest == digest) {
        let message = "expected another secret";
        return Err(Error::new(Kind::Conflict, message).with_code("code_exists"));
    }
    if account.codes.len() >= limits::GRANT_CODES {
        let message = "too many redeem codes of this grant are open";
        return Err(full(message, "GRANT_CODES", limits::GRANT_CODES));
    }
    Ok(())
}

/// The order of the grant that a code becomes; nobody but the issuer says what is in it.
fn order(id: GrantId, agent: crate::identity::AgentId, by: &Redeemer) -> Order {
    Order {
        id,
        audience: by.node,
        agent,
        // Random as the id is: no other grant has it.
        call_id: CallId::from_bytes(*id.as_bytes()),
        attempt: 1,
        max: Allowance::UNLIMITED,
        hint: Allowance::UNLIMITED,
        spends: Spends::Tokens,
        share: Share::Whole,
        refund: by.refund,
        detached_until_ms: None,
    }
}

/// Which of the reasons it is is nobody's business.
fn no_code() -> Error {
    let message = "the redeem code is unknown, was redeemed before, or is over";
    Error::refusal(Kind::Denied, "redeem", message)
}
