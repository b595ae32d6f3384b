//! Answers of requests.

use crate::arena::Arena;
use crate::content::{ContentIn, Received, hubless_received};
use crate::entry::{entry, fill, look};
use crate::fault::{Result, hubless_error};
use crate::handles::Handle;
use crate::pending::Done;
use crate::state::{Node, REPLIES};
use crate::types::{hubless_reply, hubless_status, hubless_str};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::sync::Arc;

/// What was answered; its texts live until the reply is freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_reply_info {
    /// `sizeof(hubless_reply_info)`.
    pub size: usize,
    /// The answer.
    pub content: hubless_received,
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Cost in 1e-6 of the currency unit.
    pub cost_micros: u64,
    /// The same by model, as a JSON object.
    pub by_model_json: hubless_str,
    /// Microseconds in the agent's queue.
    pub queue_us: u64,
    /// Microseconds in its handler.
    pub handler_us: u64,
    /// Microseconds on the way.
    pub network_us: u64,
    /// Id of who answered.
    pub agent_id: hubless_str,
    /// Name of who answered.
    pub agent_name: hubless_str,
    /// Key of its node.
    pub node_key: hubless_str,
    /// `in_process`, `direct` or `relay`.
    pub path: hubless_str,
    /// Attempts that were made.
    pub attempts: u32,
    /// Calls of models and others, as the handler counted them.
    pub calls: u64,
    /// 1: the handler did not say what it spent, and its whole grant was charged.
    pub charged_in_full: i32,
    /// 32 hex digits by which `hubless trace` draws all calls that it caused.
    pub trace_id: hubless_str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UsageIn {
    input_tokens: u64,
    output_tokens: u64,
    cost_micros: u64,
    by_model: Box<RawValue>,
    calls: u64,
    charged_in_full: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimingIn {
    queue_us: u64,
    handler_us: u64,
    network_us: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AgentIn {
    agent_id: String,
    name: String,
    node_key: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplyIn {
    content: ContentIn,
    usage: UsageIn,
    timing: TimingIn,
    agent: AgentIn,
    path: String,
    attempts: u32,
    trace_id: String,
}

/// An answer and the memory behind it.
pub(crate) struct Reply {
    received: Received,
    info: hubless_reply_info,
    _arena: Arena,
}

// SAFETY: its pointers go into its own memory, or are handles.
unsafe impl Send for Reply {}
// SAFETY: as above; it is not changed once it is made.
unsafe impl Sync for Reply {}

impl Drop for Reply {
    fn drop(&mut self) {
        self.received.let_go();
    }
}

impl Reply {
    /// The one value of its content as JSON, and memory for what is read out of it.
    pub(crate) fn with_value<T>(&self, read: impl FnOnce(&mut Arena, Option<&str>) -> T) -> T {
        self.received.with_value(read)
    }

    /// The answer of a request.
    pub(crate) fn new(read: ReplyIn, attachments: &[bytes::Bytes], node: &Arc<Node>) -> Self {
        let received = Received::new(read.content, attachments, node);
        let mut arena = Arena::default();
        let info = hubless_reply_info {
            size: size_of::<hubless_reply_info>(),
            content: received.view(),
            input_tokens: read.usage.input_tokens,
            output_tokens: read.usage.output_tokens,
            cost_micros: read.usage.cost_micros,
            by_model_json: arena.text(Box::<str>::from(read.usage.by_model)),
            queue_us: read.timing.queue_us,
            handler_us: read.timing.handler_us,
            network_us: read.timing.network_us,
            agent_id: arena.text(read.agent.agent_id),
            agent_name: arena.text(read.agent.name),
            node_key: arena.text(read.agent.node_key),
            path: arena.text(read.path),
            attempts: read.attempts,
            calls: read.usage.calls,
            charged_in_full: i32::from(read.usage.charged_in_full),
            trace_id: arena.text(read.trace_id),
        };
        Self { received, info, _arena: arena }
    }

    /// Content alone, such as the answer of a tool.
    pub(crate) fn of_content(received: Received) -> Self {
        let info = hubless_reply_info {
            size: size_of::<hubless_reply_info>(),
            content: received.view(),
            input_tokens: 0,
            output_tokens: 0,
            cost_micros: 0,
            by_model_json: hubless_str::NONE,
            queue_us: 0,
            handler_us: 0,
            network_us: 0,
            agent_id: hubless_str::NONE,
            agent_name: hubless_str::NONE,
            node_key: hubless_str::NONE,
            path: hubless_str::NONE,
            attempts: 0,
            calls: 0,
            charged_in_full: 0,
            trace_id: hubless_str::NONE,
        };
        Self { received, info, _arena: Arena::default() }
    }
}

/// Keeps the answer of a request.
pub(crate) fn keep(node: &Arc<Node>, done: &Done) -> Result<Handle<hubless_reply>> {
    Ok(kept(Reply::new(done.read()?, &done.attachments, node)))
}

/// Keeps an answer until it is freed.
pub(crate) fn kept(reply: Reply) -> Handle<hubless_reply> {
    Handle::of(REPLIES.insert(reply).0)
}

/// Tells what was answered.
///
/// # Safety
/// `info` is NULL or its `size` is set; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_reply_get(
    reply: *const hubless_reply,
    info: *mut hubless_reply_info,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || fill("info", info, &REPLIES.get(reply)?.info)) }
}

/// All text of an answer; lives until the reply is freed. `{NULL, 0}` for a freed one.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_reply_text(reply: *const hubless_reply) -> hubless_str {
    look(hubless_str::NONE, || {
        REPLIES.get(reply).map_or(hubless_str::NONE, |reply| reply.info.content.text)
    })
}

/// Frees an answer, with its streamed parts.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_reply_free(reply: *mut hubless_reply) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe { entry(std::ptr::null_mut(), || REPLIES.remove(reply).map(drop)) }
}
