//! Ends of keys, told to who spends by them.

use super::open::{GatewayTill, answer, key_name};
use crate::chance::now_ms;
use crate::engine::lock;
use bytes::Bytes;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::killswitch::{Component, PaidTokens, Receipt, Trip};
use hubless_proto::limits::AMOUNT_MAX;
use hubless_proto::metering::chain::{self, Chain};
use hubless_proto::metering::till::{Paid, ReservationId};
use hubless_proto::metering::word::Purpose;

impl GatewayTill {
    /// The chain of a key that is shown to be ended, which its time does not forbid. What is
    /// refused is in the audit log, with `by` whom.
    ///
    /// # Errors
    /// `auth`: code `bad_chain` or `unknown_root`.
    pub fn known(&self, key: &str, by: &str) -> Result<Chain> {
        let known = chain::verify(key, |root| lock(&self.till).knows(root));
        known.inspect_err(|error| self.note_key(by, error))
    }

    /// Ends a key that its holder shows, and cuts the calls that are open below it; durable when
    /// this returns. No more than what it gives is ever paid by the key. Also for a key whose time
    /// is over. What is refused is in the audit log.
    ///
    /// # Errors
    /// As `Till::end`; `configuration`: what the store says.
    ///
    /// # Cancellation
    /// The key is ended.
    pub async fn end(&self, chain: &Chain) -> Result<Paid> {
        let (paid, written) = {
            let mut till = lock(&self.till);
            let ended = till.end(chain, now_ms());
            let ended = ended.inspect_err(|error| self.note_holder(chain, error));
            let (paid, open, writes) = ended?;
            self.cut(&open);
            (paid, self.write(writes))
        };
        answer(written).await?;
        Ok(paid)
    }

    /// The same, with a receipt for a third party: what the key cost, what it is for as its holder
    /// says, and that it pays no more, signed by this gateway.
    ///
    /// # Errors
    /// As [`GatewayTill::end`].
    ///
    /// # Cancellation
    /// The key is ended.
    pub async fn end_for(&self, chain: &Chain, purpose: Purpose) -> Result<(Paid, Bytes)> {
        let paid = self.end(chain).await?;
        let Some(last) = chain.links.last() else { return Err(no_link()) };
        let served = lock(&self.till).served(&last.id);
        let (limit, used) = (last.limit, paid.total());
        let tokens = PaidTokens {
            used_input: used.of(Component::InputTokens),
            used_output: used.of(Component::OutputTokens),
            limit_input: limit.of(Component::InputTokens),
            limit_output: limit.of(Component::OutputTokens),
        };
        let receipt = Receipt {
            gateway: self.signer(),
            provider: self.name().as_str().to_owned(),
            reservation: purpose.reservation,
            grant: purpose.grant,
            link: *last.id.as_bytes(),
            limit_micros: limit.of(Component::CostMicros).unwrap_or(AMOUNT_MAX),
            used_micros: used.of(Component::CostMicros),
            tokens: Some(tokens),
            calls: served.calls,
            model: served.model,
            provider_request_id: served.request,
        };
        Ok((paid, receipt.sign(&self.signer)?))
    }

    /// Stops every key of a budget, those that nobody showed yet as well, and cuts their calls;
    /// durable when this returns, and never taken back. `teller` is the key of who tells. What is
    /// refused is in the audit log.
    ///
    /// # Errors
    /// As `Till::trip`; `configuration`: what the store says.
    ///
    /// # Cancellation
    /// The budget is stopped.
    pub async fn trip(&self, teller: &Chain, trip: &Trip) -> Result<()> {
        let budget = trip.budget_id();
        let written = {
            let mut till = lock(&self.till);
            let tripped = till.trip(budget, teller, now_ms());
            let tripped = tripped.inspect_err(|error| self.note_holder(teller, error));
            let (open, writes) = tripped?;
            self.cut(&open);
            if !writes.is_empty() {
                let entry = Entry::of(Event::BudgetTripped).budget(budget).by(&key_name(teller));
                let entry = entry.named(self.name().as_str());
                self.audit.record(entry.because(trip.statement().reason.name()));
            }
            // A second word waits for the rows of the first.
            self.write(writes)
        };
        answer(written).await
    }

    fn cut(&self, open: &[ReservationId]) {
        let cuts = lock(&self.cuts);
        open.iter().filter_map(|id| cuts.get(id)).for_each(|cut| cut.cancel());
    }
}

/// The refusal of the key of a root, which has no end.
fn no_link() -> Error {
    Error::refusal(Kind::Auth, "bad_chain", "expected a key below that of the root")
}
