//! Spending in a handler: set aside before it begins, said when it is over.
//!
//! Owns: handles of spendings. Must not know what fits into a budget, or what is charged. Tested by
//! `include/tests/budgets.c`.

use crate::amount::{self, hubless_amount};
use crate::ask::ask;
use crate::call::Call;
use crate::entry::{entry, give_handle};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::{Handle, lock};
use crate::operation::Operation;
use crate::pending::Done;
use crate::state::{CALLS, Node, SPENDS, User};
use crate::tell;
use crate::types::{hubless_call, hubless_spend, hubless_status};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::os::raw::c_void;
use std::sync::{Arc, Weak};

/// Is told how setting something aside ended; owns `spend`, which is NULL unless the status is
/// `HUBLESS_OK`. `err` lives until it returns.
pub type hubless_on_spend = Option<
    unsafe extern "C" fn(
        status: hubless_status,
        spend: *mut hubless_spend,
        err: *const hubless_error,
        user: *mut c_void,
    ),
>;

/// A spending that is not over.
pub(crate) struct Spend {
    /// The contract's handle.
    id: u64,
    call: Weak<Call>,
}

#[derive(Deserialize)]
struct Kept {
    spend: u64,
}

/// Sets the most of one spending aside in the budget of a call, before it begins; NULL or zero:
/// nothing, which says that the handler spends nothing by itself. Without a budget nothing is set
/// aside, and what was used only counts in the usage of the answer. What does not fit is an error
/// of kind `HUBLESS_BUDGET_EXHAUSTED`. A handler that never does this is charged all that its call
/// was granted. Blocks shortly.
///
/// # Safety
/// `most` is NULL or readable; `spend` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_spend(
    call: *const hubless_call,
    most: *const hubless_amount,
    spend: *mut *mut hubless_spend,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("spend", spend, || setting_aside(call, most)?.wait())) }
}

/// As `hubless_call_spend`, without blocking.
///
/// # Safety
/// `most` is NULL or readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_spend_async(
    call: *const hubless_call,
    most: *const hubless_amount,
    on_spend: hubless_on_spend,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            setting_aside(call, most)?.begin(tell::handle(("on_spend", on_spend), User(user))?)
        })
    }
}

unsafe fn setting_aside(
    call: *const hubless_call,
    most: *const hubless_amount,
) -> Result<Operation<Handle<hubless_spend>>> {
    let open = CALLS.get(call)?;
    let mut body = Map::new();
    body.insert("call".to_owned(), json!(open.id));
    // SAFETY: the callers vouch for the amount.
    unsafe { amount::put(most, &mut body) };
    let node = Arc::clone(&open.node);
    // The end of a call is told to the program: it must not outlive a close while this waits.
    let call = Arc::downgrade(&open);
    let keep = move |_: &Arc<Node>, done: &Done| keep(call, done);
    Ok(Operation::new(node, "call.spend", Value::Object(body), keep))
}

/// Keeps a spending until it is over, or its call is.
fn keep(call: Weak<Call>, done: &Done) -> Result<Handle<hubless_spend>> {
    let Kept { spend: id } = done.read()?;
    let open = call.upgrade().ok_or_else(|| Fault::closed("the call has ended"))?;
    let (number, _) = SPENDS.insert(Spend { id, call });
    lock(&open.spends).insert(number);
    Ok(Handle::of(number))
}

/// Says what was spent and ends the spending: the rest of what was set aside is free again. More
/// than was set aside is charged as it is, and trips the switch. NULL: nothing was spent. It counts
/// in the usage of the answer by itself. A second time, or after the end of the call, it is
/// `HUBLESS_INVALID_ARGUMENT`; so is an amount that is none, which ends nothing. Never blocks.
///
/// # Safety
/// `used` is NULL or readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_spend_used(
    spend: *mut hubless_spend,
    used: *const hubless_amount,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let open = SPENDS.get(spend)?;
            let mut body = Map::new();
            body.insert("spend".to_owned(), json!(open.id));
            amount::put(used, &mut body);
            ask("spend.used", &Value::Object(body))?;
            forget(spend, &open);
            Ok(())
        })
    }
}

/// Ends a spending without a word: all that was set aside is charged. So does the end of its call,
/// which takes the handle with it. Never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_spend_drop(spend: *mut hubless_spend) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe {
        entry(std::ptr::null_mut(), || {
            let open = SPENDS.get(spend)?;
            ask("spend.drop", &json!({ "spend": open.id }))?;
            forget(spend, &open);
            Ok(())
        })
    }
}

fn forget(spend: *const hubless_spend, open: &Spend) {
    drop(SPENDS.take(spend.addr()));
    if let Some(call) = open.call.upgrade() {
        lock(&call.spends).remove(&spend.addr());
    }
}
