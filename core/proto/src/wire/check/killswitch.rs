//! Messages of `killswitch.proto`.

use super::form::{at_most, bytes32, exactly, optional_bytes32, present, required, texts};
use crate::error::{Error, Result};
use crate::limits::{
    AMOUNT_MAX, BEACON_PATH, LEASE_MAX, RECEIPT_BYTES, RECEIPTS, STOP_BUDGETS, STOP_GROUPS,
};
use crate::wire::decode::Checked;
use crate::wire::text::{check_id, check_text};
use crate::wire::v1;
use bytes::Bytes;

fn component(field: &str, value: u64) -> Result<()> {
    if value <= AMOUNT_MAX {
        return Ok(());
    }
    let message = format!("expected at most {AMOUNT_MAX}, got {value}");
    Err(Error::invalid(field, message).with_limit("AMOUNT_MAX", AMOUNT_MAX))
}

/// Those that are there.
fn components(all: &[(&str, Option<u64>)]) -> Result<()> {
    all.iter().try_for_each(|(field, value)| value.map_or(Ok(()), |value| component(field, value)))
}

fn id(field: &str, bytes: &[u8]) -> Result<()> {
    exactly(field, bytes, 16)
}

fn lease(field: &str, lease_ms: u64) -> Result<()> {
    let bound = u64::try_from(LEASE_MAX.as_millis()).unwrap_or(u64::MAX);
    if lease_ms <= bound {
        return Ok(());
    }
    let message = format!("expected a lease of at most {bound} ms, got {lease_ms}");
    Err(Error::invalid(field, message).with_limit("LEASE_MAX", bound))
}

fn receipts(shown: &[Bytes]) -> Result<()> {
    at_most("shown", shown.len(), "RECEIPTS", RECEIPTS)?;
    let size = |one: &Bytes| at_most("shown", one.len(), "RECEIPT_BYTES", RECEIPT_BYTES);
    shown.iter().try_for_each(size)
}

fn optional<T: Checked>(value: Option<&T>) -> Result<()> {
    value.map_or(Ok(()), Checked::check)
}

impl Checked for v1::Amount {
    fn check(&self) -> Result<()> {
        component("input_tokens", self.input_tokens)?;
        component("output_tokens", self.output_tokens)?;
        component("cost_micros", self.cost_micros)?;
        component("calls", self.calls)
    }
}

impl Checked for v1::Allowance {
    fn check(&self) -> Result<()> {
        component("input_tokens", self.input_tokens)?;
        component("output_tokens", self.output_tokens)?;
        component("cost_micros", self.cost_micros)?;
        component("calls", self.calls)?;
        texts("unlimited", &self.unlimited)
    }
}

impl Checked for v1::Reading {
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl Checked for v1::Grant {
    fn check(&self) -> Result<()> {
        id("id", &self.id)?;
        bytes32("root", &self.root)?;
        id("nonce", &self.nonce)?;
        id("parent", &self.parent)?;
        bytes32("issuer", &self.issuer)?;
        bytes32("audience", &self.audience)?;
        bytes32("agent", &self.agent)?;
        required("amount", self.amount.as_ref())?.check()?;
        lease("lease_ms", self.lease_ms)?;
        if (self.lease_ms == 0) == (self.not_after_ms == 0) {
            return Err(Error::invalid("lease_ms", "expected a lease or an end, not both"));
        }
        if self.ends_at_ms != 0 && self.not_after_ms > self.ends_at_ms {
            let message = "expected no end after the wall time of the budget";
            return Err(Error::invalid("not_after_ms", message));
        }
        id("call_id", &self.call_id)?;
        check_text("refund", &self.refund)?;
        bytes32("chain", &self.chain)
    }
}

impl Checked for v1::RedeemCode {
    fn check(&self) -> Result<()> {
        bytes32("issuer", &self.issuer)?;
        id("grant", &self.grant)?;
        bytes32("secret", &self.secret)?;
        required("amount", self.amount.as_ref())?.check()
    }
}

impl Checked for v1::GrantRefused {
    fn check(&self) -> Result<()> {
        id("grant", &self.grant)?;
        check_id("kind", &self.kind)?;
        check_text("code", &self.code)
    }
}

impl Checked for v1::SpendProgress {
    fn check(&self) -> Result<()> {
        id("grant", &self.grant)?;
        optional(self.used.as_ref())
    }
}

impl Checked for v1::Settle {
    fn check(&self) -> Result<()> {
        id("grant", &self.grant)?;
        optional_bytes32("receipts", &self.receipts)?;
        receipts(&self.shown)?;
        optional(self.overrun.as_ref())?;
        optional(self.used.as_ref())
    }
}

impl Checked for v1::Receipt {
    fn check(&self) -> Result<()> {
        bytes32("gateway", &self.gateway)?;
        id("reservation", &self.reservation)?;
        id("grant", &self.grant)?;
        bytes32("link", &self.link)?;
        component("limit_micros", self.limit_micros)?;
        component("used_micros", self.used_micros)?;
        if self.used_input_tokens.is_some() != self.used_output_tokens.is_some() {
            let message = "expected tokens of both ways, or of none";
            return Err(Error::invalid("used_output_tokens", message));
        }
        let tokens = [
            ("used_input_tokens", self.used_input_tokens),
            ("used_output_tokens", self.used_output_tokens),
            ("limit_input_tokens", self.limit_input_tokens),
            ("limit_output_tokens", self.limit_output_tokens),
        ];
        components(&tokens)?;
        check_text("provider", &self.provider)?;
        check_text("model", &self.model)?;
        check_text("provider_request_id", &self.provider_request_id)
    }
}

impl Checked for v1::Frame {
    fn check(&self) -> Result<()> {
        bytes32("link", &self.link)?;
        component("limit_micros", self.limit_micros)?;
        let tokens = [
            ("limit_input_tokens", self.limit_input_tokens),
            ("limit_output_tokens", self.limit_output_tokens),
        ];
        components(&tokens)?;
        bytes32("signer", &self.signer)
    }
}

impl Checked for v1::SettleAck {
    fn check(&self) -> Result<()> {
        id("grant", &self.grant)
    }
}

impl Checked for v1::RenewAsk {
    fn check(&self) -> Result<()> {
        id("grant", &self.grant)?;
        optional_bytes32("fold", &self.fold)?;
        required("reading", self.reading.as_ref()).map(|_| ())
    }
}

impl Checked for v1::Renew {
    fn check(&self) -> Result<()> {
        id("grant", &self.grant)?;
        lease("lease_ms", self.lease_ms)?;
        required("reading", self.reading.as_ref()).map(|_| ())
    }
}

impl Checked for v1::Beacon {
    fn check(&self) -> Result<()> {
        bytes32("root", &self.root)?;
        id("nonce", &self.nonce)?;
        bytes32("tree", &self.tree)?;
        lease("lease_ms", self.lease_ms)
    }
}

impl Checked for v1::BeaconProof {
    fn check(&self) -> Result<()> {
        id("grant", &self.grant)?;
        bytes32("fold", &self.fold)?;
        required("beacon", self.beacon.as_ref())?.check()?;
        at_most("path", self.path.len(), "BEACON_PATH", BEACON_PATH)?;
        self.path.iter().try_for_each(|digest| bytes32("path", digest))
    }
}

impl Checked for v1::Recall {
    fn check(&self) -> Result<()> {
        id("grant", &self.grant)
    }
}

impl Checked for v1::Trip {
    fn check(&self) -> Result<()> {
        bytes32("root", &self.root)?;
        id("nonce", &self.nonce)?;
        check_id("reason", &self.reason)?;
        bytes32("by", &self.by)
    }
}

impl Checked for v1::OperatorStop {
    fn check(&self) -> Result<()> {
        bytes32("mesh", &self.mesh)?;
        budgets("may_kill", &self.may_kill)?;
        at_most("groups", self.groups.len(), "STOP_GROUPS", STOP_GROUPS)?;
        self.groups.iter().try_for_each(|group| check_text("groups", group))?;
        bytes32("by", &self.by)
    }
}

/// Ids of budgets of one statement.
pub(super) fn budgets(field: &str, ids: &[Bytes]) -> Result<()> {
    at_most(field, ids.len(), "STOP_BUDGETS", STOP_BUDGETS)?;
    ids.iter().try_for_each(|id| bytes32(field, id))
}

impl Checked for v1::LedgerMessage {
    fn check(&self) -> Result<()> {
        use v1::ledger_message::Kind;
        match present("message", self.kind.as_ref())? {
            Kind::Grant(grant) => grant.check(),
            Kind::Refused(refused) => refused.check(),
            Kind::Progress(progress) => progress.check(),
            Kind::Settle(settle) => settle.check(),
            Kind::SettleAck(ack) => ack.check(),
            Kind::RenewAsk(ask) => ask.check(),
            Kind::Renew(renew) => renew.check(),
            Kind::Recall(recall) => recall.check(),
            Kind::Trip(trip) => trip.check(),
            Kind::OperatorStop(stop) => stop.check(),
            Kind::Beacon(proof) => proof.check(),
        }
    }
}

impl Checked for v1::Terms {
    fn check(&self) -> Result<()> {
        required("ceiling", self.ceiling.as_ref())?.check()?;
        required("soft", self.soft.as_ref())?.check()?;
        lease("lease_ms", self.lease_ms)
    }
}

impl Checked for v1::Budget {
    fn check(&self) -> Result<()> {
        bytes32("root", &self.root)?;
        id("nonce", &self.nonce)?;
        required("terms", self.terms.as_ref())?.check()
    }
}

impl Checked for v1::LedgerRow {
    fn check(&self) -> Result<()> {
        use v1::ledger_row::Kind;
        match present("row", self.kind.as_ref())? {
            Kind::Account(row) => row.check(),
            Kind::Reservation(row) => row.check(),
            Kind::Subgrant(row) => row.check(),
            Kind::Closed(row) => row.check(),
            Kind::Trip(trip) => trip.check(),
            Kind::Since(row) => row.check(),
            Kind::Stop(row) => row.check(),
        }
    }
}

impl Checked for v1::StopRow {
    fn check(&self) -> Result<()> {
        bytes32("budget", &self.budget)?;
        required("stop", self.stop.as_ref())?.check()
    }
}

impl Checked for v1::AccountRow {
    fn check(&self) -> Result<()> {
        use v1::account_row::Title;
        match present("title", self.title.as_ref())? {
            Title::Budget(budget) => budget.check()?,
            Title::Grant(grant) => grant.check()?,
        }
        optional(self.spent.as_ref())?;
        optional(self.below.as_ref())?;
        optional(self.overrun.as_ref())?;
        optional_bytes32("receipts", &self.receipts)?;
        receipts(&self.shown)?;
        check_text("draining", &self.draining)
    }
}

impl Checked for v1::SinceRow {
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl Checked for v1::ReservationRow {
    fn check(&self) -> Result<()> {
        id("account", &self.account)?;
        id("id", &self.id)?;
        required("most", self.most.as_ref())?.check()
    }
}

impl Checked for v1::SubgrantRow {
    fn check(&self) -> Result<()> {
        id("account", &self.account)?;
        required("grant", self.grant.as_ref())?.check()?;
        check_id("state", &self.state)?;
        optional(self.frame.as_ref())?;
        optional(self.used.as_ref())
    }
}

impl Checked for v1::ClosedRow {
    fn check(&self) -> Result<()> {
        bytes32("issuer", &self.issuer)?;
        id("grant", &self.grant)?;
        optional_bytes32("digest", &self.digest)?;
        optional(self.used.as_ref())?;
        optional_bytes32("receipts", &self.receipts)?;
        receipts(&self.shown)?;
        optional(self.overrun.as_ref())?;
        optional(self.refused.as_ref())
    }
}
