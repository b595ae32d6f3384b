//! Spendings of handlers, by handle: set aside by `call.spend`, ended at once.

use crate::handler::OpenCall;
use crate::json::parse::body;
use crate::table::Table;
use hubless::budget::{Amount, Spend};
use hubless_proto::error::Result;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Weak};

static SPENDS: Table<Open> = Table::new("spend");

struct Open {
    spend: Spend,
    call: Weak<OpenCall>,
}

/// Reads the handle that `name` names, and the amounts beside it.
///
/// # Errors
/// `invalid_argument` with the field.
pub(super) fn amounts(text: &[u8], name: &str) -> Result<(u64, Amount)> {
    let mut fields: Map<String, Value> = body(text)?;
    let handle = fields.shift_remove(name).as_ref().and_then(Value::as_u64);
    let handle = crate::json::parse::required(name, handle)?;
    Ok((handle, Amount::read_spent(&Value::Object(fields))?))
}

/// Keeps what was set aside until it is used, let go of, or its call has ended.
pub(super) fn keep(spend: Spend, call: &Arc<OpenCall>) -> u64 {
    let handle = SPENDS.insert(Open { spend, call: Arc::downgrade(call) });
    if !call.spends(handle) {
        // The call ended meanwhile.
        charge(handle);
    }
    handle
}

/// True for one that is open.
pub(crate) fn has(handle: u64) -> bool {
    SPENDS.has(handle)
}

/// Says what was spent.
///
/// # Errors
/// `invalid_argument` for an amount that is none, which loses nothing, or for an unknown handle.
pub(crate) fn used(text: &[u8]) -> Result<Value> {
    let (handle, used) = amounts(text, "spend")?;
    let Open { spend, call } = SPENDS.remove(handle)?;
    forget(&call, handle);
    spend.used(used);
    Ok(json!({}))
}

/// Lets one go without a word: all that was set aside is charged.
///
/// # Errors
/// As [`used`].
pub(crate) fn drop_handle(text: &[u8]) -> Result<Value> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct SpendIn {
        spend: u64,
    }
    let SpendIn { spend } = body(text)?;
    forget(&SPENDS.remove(spend)?.call, spend);
    Ok(json!({}))
}

/// Charges one in full, if it is open.
pub(crate) fn charge(handle: u64) {
    drop(SPENDS.take(handle));
}

/// Gives one back of which the host never heard: nothing can have been spent.
pub(crate) fn give_back(handle: u64) {
    if let Some(Open { spend, call }) = SPENDS.take(handle) {
        forget(&call, handle);
        spend.used(Amount::ZERO);
    }
}

fn forget(call: &Weak<OpenCall>, handle: u64) {
    if let Some(call) = call.upgrade() {
        call.spent(handle);
    }
}
