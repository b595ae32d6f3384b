//! What is set aside for one call.

use super::open::{GatewayTill, answer};
use hubless_proto::error::Result;
use hubless_proto::killswitch::Amount;
use hubless_proto::limits::RECEIPT_TEXT_BYTES;
use hubless_proto::metering::till::{Committed, ReservationId};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Tokens and money that are set aside for one call of a provider. Dropping it charges all of them,
/// since then nobody knows what the call used; [`Held::settle`] charges what was used.
#[derive(Debug)]
#[must_use = "dropping it charges all of it"]
pub struct Held {
    till: Arc<GatewayTill>,
    /// None once it is settled.
    id: Option<ReservationId>,
    /// What the key is called.
    key: String,
    /// Fires when the call is to be cut.
    cut: CancellationToken,
    /// What dropping it charges: nothing until the call may begin.
    on_drop: Amount,
    /// Model that the provider is asked for, and what it calls the call.
    call: Option<(String, String)>,
}

impl Held {
    pub(super) const fn new(
        till: Arc<GatewayTill>,
        id: ReservationId,
        cut: CancellationToken,
        key: String,
    ) -> Self {
        Self { till, id: Some(id), key, cut, on_drop: Amount::ZERO, call: None }
    }

    /// The call may begin from here on.
    pub(super) fn arm(&mut self, max: Amount) {
        self.on_drop = max;
    }

    /// The most that the call may take of each component.
    pub const fn max(&self) -> Amount {
        self.on_drop
    }

    /// The provider is asked for this model; for the receipt of the key.
    pub fn serve(&mut self, model: &str) {
        self.call = Some((clip(model), String::new()));
    }

    /// What the provider calls the call; for the receipt of the key.
    pub fn called(&mut self, id: &str) {
        if let Some((_, request)) = &mut self.call {
            *request = clip(id);
        }
    }

    fn said(&self) -> Option<(&str, &str)> {
        self.call.as_ref().map(|(model, request)| (model.as_str(), request.as_str()))
    }

    /// True once its key was ended, or the budget of its key stopped.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.is_cancelled()
    }

    /// Waits until the call is to be cut, since its key was ended or the budget of its key stopped.
    pub fn cut(&self) -> impl Future<Output = ()> + Send + use<> {
        self.cut.clone().cancelled_owned()
    }

    /// Charges what the call used; durable when this returns. More of a component than was set
    /// aside is charged as well, and stops the key.
    ///
    /// # Errors
    /// `configuration`: what the store says; then all of it is charged at the next start.
    ///
    /// # Cancellation
    /// What was used is charged.
    pub async fn settle(mut self, used: impl Into<Amount>) -> Result<Committed> {
        let used = used.into();
        let Some(id) = self.id.take() else { return Ok(Committed::Within) };
        let (outcome, written) = self.till.settle(id, (&self.key, used), self.said())?;
        answer(written).await?;
        Ok(outcome)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            // A store that fails charges it at the next start.
            let _ = self.till.settle(id, (&self.key, self.on_drop), self.said());
        }
    }
}

/// A text of somebody else as it fits into a receipt: what prints, and no more than that.
fn clip(text: &str) -> String {
    let plain = text.chars().filter(|letter| letter.is_ascii_graphic() || *letter == ' ');
    plain.take(RECEIPT_TEXT_BYTES).collect()
}
