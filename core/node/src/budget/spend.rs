//! Spending in a handler: set aside, spend, say what it was.

use super::guards::Reservation;
use super::{Amount, Component};
use crate::call::core::CallCore;
use crate::call::handle::Call;
use hubless_proto::error::Result;
use hubless_proto::wire::v1;
use std::fmt;
use std::sync::Arc;

/// What was set aside for one spending. Dropped without [`Spend::used`], all of it is charged.
#[must_use = "what is dropped without `used` is charged in full"]
pub struct Spend {
    core: Arc<CallCore>,
    most: Amount,
    reservation: Option<Reservation>,
    said: bool,
}

impl Spend {
    /// Most that it may be.
    pub const fn most(&self) -> Amount {
        self.most
    }

    /// Says what was spent; the rest of what was set aside is free again. More than was set aside
    /// is charged as it is, and stops the budget. Calls, which the node counts, are left out.
    pub fn used(mut self, used: Amount) {
        self.said = true;
        if let Some(reservation) = self.reservation.take() {
            // What a reservation holds no calls for would count as taken by a provider.
            reservation.used(used.with(Component::Calls, 0).unwrap_or(used));
        }
        self.core.add_usage(&usage(&used));
    }
}

impl Drop for Spend {
    fn drop(&mut self) {
        if !self.said {
            self.core.add_usage(&usage(&self.most));
        }
    }
}

impl fmt::Debug for Spend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spend").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Call {
    /// Sets the most of one spending aside before it begins. In a call without a budget nothing is
    /// set aside, and what was used only counts in the answer's usage.
    ///
    /// A handler that never sets anything aside is charged all that its call was granted; one that
    /// spends nothing by itself, and only calls others, says so with an amount of zero.
    ///
    /// # Errors
    /// `budget_exhausted` when it does not fit into what is left of the call's grant; `killed`
    /// when the budget was stopped or the call is over; `invalid_argument` for calls, which the
    /// node counts itself; `busy` with too many open reservations.
    ///
    /// # Cancellation
    /// Nothing is charged.
    pub async fn spend(&self, most: Amount) -> Result<Spend> {
        let most = most.without_calls()?;
        let core = Arc::clone(self.shared_core());
        let reservation = match core.held() {
            Some(held) => Some(held.reserve(most).await?.begin()),
            None => None,
        };
        Ok(Spend { core, most, reservation, said: false })
    }
}

/// An amount as it counts in the usage of an answer.
pub(super) fn usage(used: &Amount) -> v1::Usage {
    v1::Usage {
        input_tokens: used.of(Component::InputTokens),
        output_tokens: used.of(Component::OutputTokens),
        cost_micros: used.of(Component::CostMicros),
        ..v1::Usage::default()
    }
}
