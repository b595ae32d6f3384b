//! Kill switches: a budget and a stop for everything that is called under it.
//!
//! Owns: handles of switches, and who is told of a stop. Must not know when a switch trips, or what
//! a limit may be. Tested by `include/tests/switches.c`.

use crate::amount::{hubless_allowance, hubless_amount, hubless_limit};
use crate::ask::ask;
use crate::close;
use crate::entry::{Options, entry, fill, function, give, give_handle, in_callback, options, text};
use crate::fault::{Result, hubless_error};
use crate::handles::{handle, lock};
use crate::node;
use crate::pending::{Ended, Told};
use crate::state::{Node, SWITCHES, User};
use crate::texts;
use crate::types::{hubless_status, hubless_str, hubless_switch, hubless_text};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::os::raw::c_void;
use std::sync::{Arc, Mutex, OnceLock};

/// Limits of `hubless_switch_new`. A limit that is zero does not limit; `HUBLESS_AT_MOST(0)`
/// refuses everything.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_switch_options {
    /// `sizeof(hubless_switch_options)`.
    pub size: usize,
    /// Tokens read.
    pub input_tokens: hubless_limit,
    /// Tokens written.
    pub output_tokens: hubless_limit,
    /// Cost in 1e-6 of the currency unit.
    pub cost_micros: hubless_limit,
    /// Calls.
    pub calls: hubless_limit,
    /// Milliseconds from its making to its end.
    pub wall_time_ms: hubless_limit,
    /// Depth of nested calls, at most 16; those of the switch itself have depth 1.
    pub depth: hubless_limit,
    /// Calls that one call may have open at once, at most 4096.
    pub fan_out: hubless_limit,
    /// Milliseconds that a node which hears nothing goes on, at most 300,000; 0: 10,000.
    pub lease_ms: u64,
    /// What trips the switch once more than this is known to be spent.
    pub soft: hubless_allowance,
    /// 1: nothing is limited, on purpose. A switch without any limit must say so.
    pub unlimited: i32,
    /// 1: each node goes on only as long as the first one itself says so, and not those between: a
    /// dishonest one keeps nothing below it going for longer than `lease_ms`. Each call then waits
    /// for the way to the first node and back before it spends (SPEC 04, R7).
    pub strict: i32,
}

// SAFETY: `repr(C)`, begins with its size, all zero is a value.
unsafe impl Options for hubless_switch_options {}

/// Why, by whom and when a switch was tripped; its texts live until the callback returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_stop {
    /// `sizeof(hubless_stop)`.
    pub size: usize,
    /// `input_exceeded`, `output_exceeded`, `input_and_output_exceeded`, `cost_exceeded`,
    /// `calls_exceeded`, `wall_time`, `depth`, `fan_out`, `operator`, `parent` or `lease_lost`.
    pub reason: hubless_str,
    /// Key of the node that asked for it; none: the switch was tripped before a node used it.
    pub by: hubless_str,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
}

/// Is told once that a switch was tripped; `stop` is NULL when the switch was freed instead. It
/// comes from a thread of the switch's own. Whatever it does, the trip stands; one that does not
/// return holds up only further ones of the same switch.
pub type hubless_on_tripped =
    Option<unsafe extern "C" fn(stop: *const hubless_stop, user: *mut c_void)>;
type OnTripped = unsafe extern "C" fn(*const hubless_stop, *mut c_void);

/// How a switch stands. Texts live until the switch is freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_switch_info {
    /// `sizeof(hubless_switch_info)`.
    pub size: usize,
    /// 1: it was tripped, for good. 0: it is armed.
    pub tripped: i32,
    /// Why it was tripped, as in `hubless_stop`.
    pub reason: hubless_str,
    /// Key of the node that asked for the trip; none: it was tripped before a node used it.
    pub by: hubless_str,
    /// When it was tripped, in Unix milliseconds.
    pub at_ms: u64,
    /// What was spent, as far as calls have ended. Calls count when they are made.
    pub spent: hubless_amount,
    /// What is neither spent nor set aside.
    pub remaining: hubless_allowance,
    /// Part of `spent`: what providers took above what was set aside for it. Zero unless a provider
    /// broke its cap, which trips the switch.
    pub overrun: hubless_amount,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StopIn {
    reason: String,
    by: Option<String>,
    at_ms: u64,
}

impl StopIn {
    /// Its key; its texts go into it.
    fn by(&self) -> hubless_str {
        self.by.as_deref().map_or(hubless_str::NONE, hubless_str::of)
    }
}

#[derive(Deserialize)]
struct StateIn {
    stop: Option<StopIn>,
    spent: hubless_amount,
    remaining: hubless_allowance,
    overrun: hubless_amount,
}

#[derive(Deserialize)]
struct WaitedIn {
    stop: Option<StopIn>,
}

/// A switch of the program.
pub(crate) struct Switch {
    /// The contract's handle.
    pub(crate) id: u64,
    /// Where its stop is waited for, once someone is to be told.
    waiting: Mutex<Option<Arc<Node>>>,
    /// Its first and only stop.
    stop: OnceLock<StopIn>,
}

impl Switch {
    fn body(&self) -> Value {
        json!({ "switch": self.id })
    }

    fn state(&self) -> Result<StateIn> {
        let state: StateIn = ask("switch.state", &self.body())?.read()?;
        self.learn(state.stop.as_ref());
        Ok(state)
    }

    fn learn(&self, stop: Option<&StopIn>) {
        if let Some(stop) = stop {
            self.stop.get_or_init(|| stop.clone());
        }
    }

    fn info(&self) -> Result<hubless_switch_info> {
        let StateIn { spent, remaining, overrun, .. } = self.state()?;
        let stop = self.stop.get();
        Ok(hubless_switch_info {
            size: size_of::<hubless_switch_info>(),
            tripped: i32::from(stop.is_some()),
            reason: stop.map_or(hubless_str::NONE, |stop| hubless_str::of(&stop.reason)),
            by: stop.map_or(hubless_str::NONE, StopIn::by),
            at_ms: stop.map_or(0, |stop| stop.at_ms),
            spent,
            remaining,
            overrun,
        })
    }

    /// Tells one who waited how the waiting ended.
    fn tell(&self, ended: Ended, (on_tripped, user): (OnTripped, User)) {
        let waited = ended.and_then(|done| done.read::<WaitedIn>());
        self.learn(waited.ok().and_then(|waited| waited.stop).as_ref());
        let stop = self.stop.get().map(|stop| hubless_stop {
            size: size_of::<hubless_stop>(),
            reason: hubless_str::of(&stop.reason),
            by: stop.by(),
            at_ms: stop.at_ms,
        });
        let stop = stop.as_ref().map_or(std::ptr::null(), |stop| &raw const *stop);
        // SAFETY: the program gave the function for this; the memory lives until it returns.
        in_callback(|| unsafe { on_tripped(stop, user.0) });
    }

    fn let_go(&self) -> Result<()> {
        let waiting = lock(&self.waiting).take();
        // Who is told below hears of a stop that came before.
        let known = if waiting.is_some() { self.state().map(drop) } else { Ok(()) };
        let dropped = ask("switch.drop", &self.body()).map(drop);
        if let Some(session) = waiting {
            close::leave(&session);
        }
        known.and(dropped)
    }
}

/// The switch of a handle; none for NULL.
pub(crate) fn switch_of(kill_switch: *const hubless_switch) -> Result<Option<Arc<Switch>>> {
    if kill_switch.is_null() { Ok(None) } else { SWITCHES.get(kill_switch).map(Some) }
}

/// Reads limits.
///
/// # Safety
/// `given` is NULL or valid.
pub(crate) unsafe fn terms(given: *const hubless_switch_options) -> Result<Value> {
    // SAFETY: as the caller says.
    let given = unsafe { options(given)? };
    let mut body = Map::new();
    let limits = [
        ("inputTokens", given.input_tokens),
        ("outputTokens", given.output_tokens),
        ("costMicros", given.cost_micros),
        ("calls", given.calls),
        ("wallTimeMs", given.wall_time_ms),
        ("depth", given.depth),
        ("fanOut", given.fan_out),
    ];
    for (name, limit) in limits {
        limit.put(name, &mut body)?;
    }
    if given.lease_ms != 0 {
        body.insert("leaseMs".to_owned(), json!(given.lease_ms));
    }
    given.soft.put_as("soft", &mut body)?;
    if given.unlimited != 0 {
        body.insert("unlimited".to_owned(), json!(true));
    }
    match given.strict {
        0 => {}
        1 => drop(body.insert("strict".to_owned(), json!(true))),
        // What it may be the core says.
        other => drop(body.insert("strict".to_owned(), json!(other))),
    }
    Ok(Value::Object(body))
}

#[derive(Deserialize)]
struct Made {
    switch: u64,
}

/// Makes a switch; needs no node. Its wall time begins. Its budget lives at the first node that
/// uses it. Never blocks.
///
/// # Safety
/// `given` is NULL or valid; `kill_switch` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_switch_new(
    given: *const hubless_switch_options,
    kill_switch: *mut *mut hubless_switch,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give("kill_switch", kill_switch, std::ptr::null_mut())?;
            let Made { switch: id } = ask("switch.new", &terms(given)?)?.read()?;
            let made = Switch { id, waiting: Mutex::default(), stop: OnceLock::new() };
            give("kill_switch", kill_switch, handle(SWITCHES.insert(made).0))
        })
    }
}

/// Stops everything below a switch, for good: running handlers are cancelled, and whatever is
/// asked under it ends with an error of kind `HUBLESS_KILLED`, with the reason as its code.
/// `reason` is one of those of `hubless_stop`; none: `operator`. The first stop stands. Never
/// blocks.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_switch_trip(
    kill_switch: *const hubless_switch,
    reason: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let mut body = SWITCHES.get(kill_switch)?.body();
            if let Some(reason) = text("reason", reason)? {
                crate::content::set(&mut body, "reason", json!(reason));
            }
            ask("switch.trip", &body).map(drop)
        })
    }
}

/// Tells how a switch stands. Never blocks.
///
/// # Safety
/// `info` is NULL or its `size` is set; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_switch_get(
    kill_switch: *const hubless_switch,
    info: *mut hubless_switch_info,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || fill("info", info, &SWITCHES.get(kill_switch)?.info()?)) }
}

#[derive(Deserialize)]
struct TreeIn {
    tree: Box<serde_json::value::RawValue>,
}

/// Gives what was granted under a switch as a JSON text, the contract's Branch: `{agentId,
/// nodeKey, state, amount, charged, used, children}`, or `null` before the first request. Never
/// blocks.
///
/// # Safety
/// `tree` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_switch_tree(
    kill_switch: *const hubless_switch,
    tree: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give_handle("tree", tree, || {
                let told = ask("switch.tree", &SWITCHES.get(kill_switch)?.body())?;
                let TreeIn { tree: shown } = told.read()?;
                Ok(texts::kept(shown.get().as_bytes()))
            })
        })
    }
}

/// Has a function told once when a switch is tripped, at once when it was already, or when it is
/// freed. There may be several. Never blocks.
///
/// # Safety
/// `user` is valid until the function was told; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_switch_on_tripped(
    kill_switch: *const hubless_switch,
    on_tripped: hubless_on_tripped,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let tell = (function("on_tripped", on_tripped)?, User(user));
            let switch = SWITCHES.get(kill_switch)?;
            let mut waiting = lock(&switch.waiting);
            // Whoever frees it takes the handle out before it takes this lock.
            SWITCHES.get(kill_switch)?;
            let session = match &*waiting {
                Some(session) => Arc::clone(session),
                None => Arc::clone(waiting.insert(node::bare()?)),
            };
            let told = Arc::clone(&switch);
            let told = Told::new(move |ended| told.tell(ended, tell));
            session.begin("switch.wait", (switch.body(), Vec::new()), told).map(drop)
        })
    }
}

/// Lets a switch go: its budget is over with the last request under it. Functions of
/// `hubless_switch_on_tripped` that were not told yet are told, with NULL unless it was tripped.
/// Never blocks, and may be called by such a function.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_switch_free(kill_switch: *mut hubless_switch) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe { entry(std::ptr::null_mut(), || SWITCHES.remove(kill_switch)?.let_go()) }
}
