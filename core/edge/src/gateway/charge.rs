//! What is charged for a call.

use super::fault;
use crate::http::Fault;
use hubless::till::Held;
use hubless_proto::metering::Usage;
use hubless_proto::metering::prices::Model;

/// Charges what a provider said, each component; without a word of it all that was set aside.
///
/// # Errors
/// The store failed: what was charged is not durable, and all of it is at the next start.
pub(super) async fn charge(held: Held, model: &Model, usage: Option<Usage>) -> Result<(), Fault> {
    let max = held.max();
    let used = usage.map_or(max, |usage| usage.amount(model));
    held.settle(used).await.map(drop).map_err(fault::fault)
}
