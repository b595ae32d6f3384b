//! Ends of keys, told to who spends by them.

use super::open::{GatewayTill, answer, key_name};
use crate::chance::now_ms;
use crate::engine::lock;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::Result;
use hubless_proto::killswitch::Trip;
use hubless_proto::metering::chain::{self, Chain};
use hubless_proto::metering::till::{Paid, ReservationId};

impl GatewayTill {
    /// Ends a key that its holder shows, and cuts the calls that are open below it; durable when
    /// this returns. No more than what it gives is ever paid by the key. Also for a key whose time
    /// is over. What is refused is in the audit log, with `by` whom.
    ///
    /// # Errors
    /// As `Till::end`; `auth`, code `bad_chain`, for what is no key; `configuration`: what the
    /// store says.
    ///
    /// # Cancellation
    /// The key is ended.
    pub async fn end(&self, key: &str, by: &str) -> Result<Paid> {
        let known = chain::verify(key, |root| lock(&self.till).knows(root));
        let chain = known.inspect_err(|error| self.note_key(by, error))?;
        let (paid, written) = {
            let mut till = lock(&self.till);
            let (paid, open, writes) = till.end(&chain, now_ms())?;
            self.cut(&open);
            (paid, self.write(writes))
        };
        answer(written).await?;
        Ok(paid)
    }

    /// Stops every key of a budget, those that nobody showed yet as well, and cuts their calls;
    /// durable when this returns, and never taken back. `teller` is the key of who tells.
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
            let (open, writes) = till.trip(budget, teller, now_ms())?;
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
