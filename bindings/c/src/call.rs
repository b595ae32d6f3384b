//! Inbound calls: what they ask, and how they are answered.

use crate::amount::hubless_allowance;
use crate::arena::Arena;
use crate::content::{self, ContentIn, Received, hubless_content, hubless_received};
use crate::entry::{any_text, entry, fill, give, in_callback, is_callback};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::{handle, lock};
use crate::state::{Agent, CALLS, Node, SPENDS, User};
use crate::types::{hubless_agent, hubless_call, hubless_status, hubless_str};
use hubless_proto::Kind;
use hubless_shared::Event;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::raw::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// What a call asks. Its texts live until the call is ended, and at least until `on_call` returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_call_info {
    /// `sizeof(hubless_call_info)`.
    pub size: usize,
    /// The agent that is called.
    pub agent: *mut hubless_agent,
    /// What `on_create` made for this call; NULL unless the agent is isolated.
    pub instance: *mut c_void,
    /// Skill that is meant.
    pub skill: hubless_str,
    /// What is asked.
    pub content: hubless_received,
    /// Milliseconds until the deadline, as it was when the call came.
    pub deadline_ms: u64,
    /// Depth of nested calls, 0 at the outside.
    pub depth: u32,
    /// `local`, `member`, `bridged`, `external` or `edge`; this version refuses `bridged` ones.
    pub caller_kind: hubless_str,
    /// Key of the calling node.
    pub caller_node: hubless_str,
    /// Id of the calling agent; none: the node itself.
    pub caller_agent: hubless_str,
    /// Principal of the caller.
    pub caller_principal: hubless_str,
    /// Conversation that it belongs to.
    pub conversation_id: hubless_str,
    /// W3C Trace Context of this call.
    pub traceparent: hubless_str,
    /// Idempotency key that the caller gave.
    pub idempotency_key: hubless_str,
    /// The context as a JSON object; none when there is none.
    pub context_json: hubless_str,
    /// Tools that the caller offers, as a JSON array.
    pub tools_json: hubless_str,
    /// The whole call as the contract's JSON.
    pub json: hubless_str,
    /// 1: a budget pays for the call.
    pub has_budget: i32,
    /// What the call was granted of it.
    pub granted: hubless_allowance,
    /// `tracestate` of W3C Trace Context, as the caller gave it.
    pub tracestate: hubless_str,
    /// W3C Baggage, as the caller gave it.
    pub baggage: hubless_str,
}

#[derive(Deserialize)]
struct CallerIn {
    kind: String,
    node: String,
    agent: Option<String>,
    principal: String,
}

#[derive(Deserialize)]
struct TraceIn {
    #[serde(default)]
    traceparent: String,
    #[serde(default)]
    tracestate: String,
    #[serde(default)]
    baggage: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CallIn {
    agent: u64,
    fresh: bool,
    skill: String,
    content: ContentIn,
    caller: CallerIn,
    #[serde(default)]
    conversation_id: String,
    tools: Box<RawValue>,
    context: Option<Box<RawValue>>,
    deadline_ms: u64,
    depth: u32,
    trace: TraceIn,
    #[serde(default)]
    idempotency_key: String,
    granted: Option<hubless_allowance>,
}

/// A call that the program is answering.
pub(crate) struct Call {
    pub(crate) node: Arc<Node>,
    /// Its number in the session.
    pub(crate) id: u64,
    agent: Arc<Agent>,
    instance: Option<User>,
    received: Received,
    info: hubless_call_info,
    cancelled: AtomicBool,
    /// Handles of spendings that are not over.
    pub(crate) spends: Mutex<BTreeSet<usize>>,
    _arena: Arena,
}

// SAFETY: its pointers go into its own memory, are handles, or belong to the program.
unsafe impl Send for Call {}
// SAFETY: as above; what changes is atomic.
unsafe impl Sync for Call {}

impl Drop for Call {
    fn drop(&mut self) {
        self.received.let_go();
        lock(&self.node.calls).remove(&self.id);
        for spend in &*lock(&self.spends) {
            drop(SPENDS.take(*spend));
        }
        if let (Some(instance), Some(destroy)) = (self.instance, self.agent.callbacks.on_destroy) {
            // SAFETY: the program gave the function for this.
            in_callback(|| unsafe { destroy(instance.0, self.agent.callbacks.user.0) });
        }
    }
}

impl Call {
    /// The one value of its content as JSON, and memory for what is read out of it.
    pub(crate) fn with_value<T>(&self, read: impl FnOnce(&mut Arena, Option<&str>) -> T) -> T {
        self.received.with_value(read)
    }
}

/// A `call` event.
pub(crate) fn begin(node: &Arc<Node>, event: Event) {
    let id = event.ticket;
    let Ok(read) = serde_json::from_slice::<CallIn>(&event.body) else {
        refuse(node, id, "the call could not be read");
        return;
    };
    let agent = lock(&node.agents).get(&read.agent).cloned();
    let Some(agent) = agent else {
        refuse(node, id, "the agent was taken out");
        return;
    };
    let create = agent.callbacks.on_create.filter(|_| read.fresh);
    // SAFETY: the program gave the function for this.
    let made = create.map(|create| in_callback(|| unsafe { create(agent.callbacks.user.0) }));
    let instance = made.map(User);
    let (on_call, user) = (agent.callbacks.on_call, agent.callbacks.user);
    let (handle_id, call) = CALLS.insert_with(|_| show(node, &event, (read, agent, instance)));
    lock(&node.calls).insert(id, handle_id);
    // SAFETY: the program gave the function for this; `call` keeps the memory until it returns.
    in_callback(|| unsafe { on_call(handle(handle_id), user.0) });
    drop(call);
}

fn show(
    node: &Arc<Node>,
    event: &Event,
    (read, agent, instance): (CallIn, Arc<Agent>, Option<User>),
) -> Call {
    let received = Received::new(read.content, &event.attachments, node);
    let mut arena = Arena::default();
    let optional = |arena: &mut Arena, text: Option<String>| {
        text.map_or(hubless_str::NONE, |text| arena.text(text))
    };
    let info = hubless_call_info {
        size: size_of::<hubless_call_info>(),
        agent: handle(agent.handle),
        instance: instance.map_or(std::ptr::null_mut(), |instance| instance.0),
        skill: arena.text(read.skill),
        content: received.view(),
        deadline_ms: read.deadline_ms,
        depth: read.depth,
        caller_kind: arena.text(read.caller.kind),
        caller_node: arena.text(read.caller.node),
        caller_agent: optional(&mut arena, read.caller.agent),
        caller_principal: arena.text(read.caller.principal),
        conversation_id: arena.text(read.conversation_id),
        traceparent: arena.text(read.trace.traceparent),
        idempotency_key: arena.text(read.idempotency_key),
        context_json: optional(&mut arena, read.context.map(|c| c.get().to_owned())),
        tools_json: arena.text(Box::<str>::from(read.tools)),
        json: arena.text(String::from_utf8_lossy(&event.body)),
        has_budget: i32::from(read.granted.is_some()),
        granted: read.granted.unwrap_or(hubless_allowance::UNLIMITED),
        tracestate: arena.text(read.trace.tracestate),
        baggage: arena.text(read.trace.baggage),
    };
    Call {
        node: Arc::clone(node),
        id: event.ticket,
        agent,
        instance,
        received,
        info,
        cancelled: AtomicBool::new(false),
        spends: Mutex::default(),
        _arena: arena,
    }
}

fn refuse(node: &Node, id: u64, message: &str) {
    // A node that is closed fails its callers by itself.
    let _ = node.tell("call.fail", (json!({"call": id, "message": message}), Vec::new()));
}

#[derive(Deserialize)]
struct CancelIn {
    kind: String,
}

/// A `cancel` event; questions that are taken back are answered all the same, and ignored.
pub(crate) fn cancelled(node: &Arc<Node>, event: &Event) {
    let id = lock(&node.calls).get(&event.ticket).copied();
    let Some(call) = id.and_then(|id| CALLS.get(handle::<hubless_call>(id)).ok()) else { return };
    call.cancelled.store(true, Ordering::Release);
    let reason = serde_json::from_slice::<CancelIn>(&event.body);
    let reason = reason.ok().and_then(|reason| reason.kind.parse().ok()).unwrap_or(Kind::Cancelled);
    if let (Some(id), Some(on_cancel)) = (id, call.agent.callbacks.on_cancel) {
        let user = call.agent.callbacks.user;
        // SAFETY: the program gave the function for this; `call` keeps the memory meanwhile.
        in_callback(|| unsafe {
            on_cancel(handle(id), hubless_status::of_kind(reason), user.0);
        });
    }
}

/// Tells what a call asks.
///
/// # Safety
/// `info` is NULL or its `size` is set; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_get(
    call: *const hubless_call,
    info: *mut hubless_call_info,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || fill("info", info, &CALLS.get(call)?.info)) }
}

/// Tells whether a call is to be stopped: 1 or 0.
///
/// # Safety
/// `cancelled` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_cancelled(
    call: *const hubless_call,
    cancelled: *mut i32,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let is = CALLS.get(call)?.cancelled.load(Ordering::Acquire);
            give("cancelled", cancelled, i32::from(is))
        })
    }
}

/// Ends a call with its answer and frees it. Never blocks.
///
/// # Safety
/// `answer` is NULL (nothing to say) or valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_final(
    call: *mut hubless_call,
    answer: *const hubless_content,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let open = CALLS.get(call)?;
            let (answer, attachments) = content::read(answer)?;
            let body = json!({"call": open.id, "content": answer});
            end(call, &open, "call.final", (body, attachments))
        })
    }
}

/// Ends a call, and frees it, by an operation.
pub(crate) fn end(
    call: *const hubless_call,
    open: &Call,
    op: &str,
    work: (Value, Vec<bytes::Bytes>),
) -> Result<()> {
    // Whoever takes the handle out ends the call: a second end finds nothing.
    drop(CALLS.remove(call)?);
    if open.cancelled.load(Ordering::Acquire) {
        return Ok(());
    }
    open.node.tell(op, work)
}

/// Tells the caller how far the call is; `fraction` below 0: not known. Never blocks.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_progress(
    call: *const hubless_call,
    note: hubless_str,
    fraction: f64,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let open = CALLS.get(call)?;
            let note = any_text("note", note)?.unwrap_or_default();
            let mut body = json!({"call": open.id, "note": note});
            if fraction >= 0.0 {
                content::set(&mut body, "fraction", json!(fraction));
            }
            open.node.tell("call.progress", (body, Vec::new()))
        })
    }
}

/// Sends a piece of the answer ahead. `append`: 1 continues the part before it, 0 begins a new
/// one, -1 decides by kind (text continues text). Each part of a content is a piece of its own; one
/// without parts, or with metadata of the whole, is `HUBLESS_INVALID_ARGUMENT`. Waits while the
/// caller is behind, except inside a callback, where it never waits: pieces queue up there, and one
/// too many (the limit `CALLBACK_CHUNKS`) is `HUBLESS_BUSY` and is not sent.
///
/// # Safety
/// `content` is valid content; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_call_chunk(
    call: *const hubless_call,
    content: *const hubless_content,
    append: i32,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let open = CALLS.get(call)?;
            let (piece, attachments) = content::read(content)?;
            sendable(&piece)?;
            let mut body = json!({"call": open.id, "content": piece});
            if append >= 0 {
                content::set(&mut body, "append", json!(append > 0));
            }
            if is_callback() {
                return open.node.ahead.send(&open.node, (body, attachments));
            }
            // Its end is told to the program: it must not outlive a close while this waits.
            let node = Arc::clone(&open.node);
            drop(open);
            node.run("call.chunk", (body, attachments)).map(drop)
        })
    }
}

/// The core refuses the same, which nobody hears where nobody waits.
fn sendable(piece: &Value) -> Result<()> {
    if piece.get("parts").and_then(Value::as_array).is_some_and(Vec::is_empty) {
        return Err(Fault::invalid("content", "expected at least one part in a piece"));
    }
    if piece.get("metadata").is_some() {
        let message = "expected no metadata: a piece has none, its parts may have";
        return Err(Fault::invalid("metadata", message));
    }
    Ok(())
}
