//! Kill switches: a budget and a stop for a whole tree of calls, by handle.
//!
//! A switch belongs to the process, not to a session: it is made before the node that will use it.

use super::{Job, Outcome, unknown};
use crate::json::parse::body;
use crate::table::Table;
use hubless::budget::{Branch, KillSwitch, Stop, Terms, TripReason};
use hubless_proto::error::Result;
use serde::Deserialize;
use serde_json::{Value, json};

static SWITCHES: Table<KillSwitch> = Table::new("switch");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SwitchIn {
    switch: u64,
}

/// The switch of a handle that `field` names.
///
/// # Errors
/// `invalid_argument` with the field.
pub(crate) fn get(field: &str, handle: u64) -> Result<KillSwitch> {
    SWITCHES.get(handle).map_err(|error| error.with_field(field))
}

fn named(text: &[u8]) -> Result<KillSwitch> {
    let SwitchIn { switch } = body(text)?;
    SWITCHES.get(switch)
}

/// Makes one; its wall time begins.
///
/// # Errors
/// As `Terms::read`.
pub(crate) fn new(text: &[u8]) -> Result<Value> {
    let terms: Value = body(text)?;
    let switch = KillSwitch::new(Terms::read("", &terms)?);
    Ok(json!({ "switch": SWITCHES.insert(switch) }))
}

/// Whether it is armed, what was spent and what is left.
///
/// # Errors
/// `invalid_argument` for an unknown handle; so in all below.
pub(crate) fn state(text: &[u8]) -> Result<Value> {
    let switch = named(text)?;
    let stop = switch.stop();
    Ok(json!({
        "state": if stop.is_some() { "tripped" } else { "armed" },
        "stop": stop.map(shown),
        "spent": switch.spent().to_json(),
        "remaining": switch.remaining().to_json(),
        "overrun": switch.overrun().to_json(),
    }))
}

/// Its grants.
pub(crate) fn tree(text: &[u8]) -> Result<Value> {
    Ok(json!({ "tree": named(text)?.tree().as_ref().map(branch) }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TripIn {
    switch: u64,
    reason: Option<String>,
}

/// Stops everything below it.
pub(crate) fn trip(text: &[u8]) -> Result<Value> {
    let TripIn { switch, reason } = body(text)?;
    let reason = reason.map_or(Ok(TripReason::Operator), |word| word.parse())?;
    SWITCHES.get(switch)?.trip(reason);
    Ok(json!({}))
}

/// Lets it go: its budget ends with the last request under it.
pub(crate) fn drop_handle(text: &[u8]) -> Result<Value> {
    let SwitchIn { switch } = body(text)?;
    SWITCHES.remove(switch).map(|_| json!({}))
}

pub(super) async fn run(job: Job<'_>, name: &str) -> Result<Outcome> {
    match name {
        "switch.wait" => {
            // Not the switch itself: waiting keeps no budget open.
            let stopped = named(&job.body)?.stopped();
            Ok(Outcome::of(&json!({ "stop": stopped.await.map(shown) })))
        }
        _ => unknown(name),
    }
}

fn shown(stop: Stop) -> Value {
    json!({
        "reason": stop.reason.name(),
        "by": stop.by.map(|node| node.to_string()),
        "atMs": stop.at_ms,
    })
}

fn branch(branch: &Branch) -> Value {
    json!({
        "agentId": branch.agent.map(|agent| agent.to_string()),
        "nodeKey": branch.node.to_string(),
        "state": branch.state,
        "amount": branch.amount.to_json(),
        "charged": branch.charged.to_json(),
        "used": branch.used.to_json(),
        "children": branch.children.iter().map(self::branch).collect::<Vec<_>>(),
    })
}
