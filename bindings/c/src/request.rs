//! Asking agents.

use crate::agent::object;
use crate::amount::hubless_allowance;
use crate::callback::hubless_on_reply;
use crate::content::{self, hubless_content};
use crate::entry::{self, Options, any_text, entry, function, give_handle, json, options, text};
use crate::fault::{Result, hubless_error};
use crate::handles::{Handle, lock};
use crate::operation::Operation;
use crate::pending::Done;
use crate::question::{Lent, OnTool, hubless_on_input, hubless_on_tool};
use crate::reply;
use crate::state::{NODES, Node, User, agent_of, call_of};
use crate::switch::switch_of;
use crate::tell;
use crate::types::{
    hubless_agent, hubless_call, hubless_node, hubless_reply, hubless_status, hubless_str,
    hubless_switch,
};
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::os::raw::c_void;
use std::sync::Arc;

/// A function that the callee may call back during one request.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_tool {
    /// `sizeof(hubless_tool)`, in every element.
    pub size: usize,
    /// Its name.
    pub name: hubless_str,
    /// What it does.
    pub description: hubless_str,
    /// JSON Schema 2020-12 of its arguments.
    pub input_schema_json: hubless_str,
    /// `PURE`, `IDEMPOTENT` or `AT_MOST_ONCE` (default).
    pub effect: hubless_str,
    /// Runs it; must be set.
    pub on_tool: hubless_on_tool,
    /// Handed to `on_tool`.
    pub user: *mut c_void,
    /// JSON Schema 2020-12 that its result must hold; none: it may be anything.
    pub output_schema_json: hubless_str,
}

/// Options of a request. Zero means the default everywhere.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_request_options {
    /// `sizeof(hubless_request_options)`.
    pub size: usize,
    /// Skill that is meant.
    pub skill: hubless_str,
    /// The call that is being handled: deadline, depth and trace go on, its end cancels this.
    pub parent: *const hubless_call,
    /// Agent of this node that asks; NULL: the parent's, or the node itself.
    pub from: *const hubless_agent,
    /// Milliseconds to the first event, then between events; 0: 60,000.
    pub timeout_ms: u64,
    /// Milliseconds of the whole call; 0: no bound of its own.
    pub total_ms: u64,
    /// Milliseconds that a name may take to appear; 0: 1,000, below 0: none.
    pub wait_ms: i64,
    /// Scheme of the credential for the agent; with `auth_secret`: `shared_secret`.
    pub auth_scheme: hubless_str,
    /// Credential for the agent.
    pub auth_secret: hubless_str,
    /// Context as a JSON object.
    pub context_json: hubless_str,
    /// At most 64 bytes, chosen by the caller.
    pub conversation_id: hubless_str,
    /// Same key, same outcome, for 10 minutes. Streamed parts are compared by their sha256: a
    /// repeat with one that names none is refused with `HUBLESS_CONFLICT`.
    pub idempotency_key: hubless_str,
    /// `PURE`, `IDEMPOTENT` or `AT_MOST_ONCE`; none: as the skill says.
    pub effect: hubless_str,
    /// JSON Schema 2020-12 that the content must hold.
    pub input_schema_json: hubless_str,
    /// JSON Schema 2020-12 that the answer must hold.
    pub output_schema_json: hubless_str,
    /// W3C Trace Context to continue.
    pub traceparent: hubless_str,
    /// Name of a template of this node.
    pub template_name: hubless_str,
    /// All other fields of the contract's RequestOptions, as a JSON object.
    pub options_json: hubless_str,
    /// Functions that the callee may call back.
    pub tools: *const hubless_tool,
    /// Number of them.
    pub tool_count: usize,
    /// Answers what the callee asks back; NULL: it is refused.
    pub on_input: hubless_on_input,
    /// Handed to `on_input`.
    pub user: *mut c_void,
    /// Where to write the ticket for `hubless_cancel`, before anything is sent; may be NULL.
    pub ticket: *mut u64,
    /// Pays for the call, and stops it; NULL: the budget of `parent`, if it has one.
    pub kill_switch: *const hubless_switch,
    /// The most that the call may be granted of its budget; nothing limited: a quarter of what is
    /// free.
    pub max: hubless_allowance,
    /// `tracestate` of the trace to continue, carried as it is; only with `traceparent`.
    pub tracestate: hubless_str,
    /// W3C Baggage, carried as it is to every call below; only with `traceparent`.
    pub baggage: hubless_str,
}

// SAFETY: `repr(C)`, begins with its size, all zero is a value.
unsafe impl Options for hubless_tool {}
// SAFETY: as above.
unsafe impl Options for hubless_request_options {}

/// What pays for a request, in either form of it.
pub(crate) struct Paying {
    /// The call that is being handled; may be NULL.
    pub(crate) parent: *const hubless_call,
    /// The switch that pays; NULL: the budget of `parent`.
    pub(crate) kill_switch: *const hubless_switch,
    /// The most that may be granted.
    pub(crate) max: hubless_allowance,
}

impl Paying {
    /// Adds it to the body of a request.
    pub(crate) fn put(&self, body: &mut Map<String, Value>) -> Result<()> {
        if let Some(parent) = call_of(self.parent)? {
            body.insert("parent".to_owned(), json!(parent.id));
        }
        if let Some(kill_switch) = switch_of(self.kill_switch)? {
            body.insert("killSwitch".to_owned(), json!(kill_switch.id));
        }
        self.max.put_as("max", body)
    }
}

/// A request as it goes to the core.
pub(crate) struct Prepared {
    pub(crate) work: (Value, Vec<Bytes>),
    lent: Lent,
    ticket: *mut u64,
}

impl Prepared {
    /// A request with what it lends, and where its ticket goes.
    pub(crate) const fn new(work: (Value, Vec<Bytes>), lent: Lent, ticket: *mut u64) -> Self {
        Self { work, lent, ticket }
    }

    /// Lends the program's functions to the operation, and tells the program its ticket.
    ///
    /// # Safety
    /// The program's `ticket` is NULL or writable.
    pub(crate) unsafe fn lend(lent: Lent, place: *mut u64, node: &Node, ticket: u64) -> Result<()> {
        lock(&node.lent).insert(ticket, Arc::new(lent));
        if !place.is_null() {
            // SAFETY: not null, and writable says the caller.
            unsafe { place.write(ticket) };
        }
        Ok(())
    }

    /// The operation that asks it.
    pub(crate) fn operation<T: 'static>(
        self,
        node: Arc<Node>,
        op: &'static str,
        keep: impl FnOnce(&Arc<Node>, &Done) -> Result<T> + Send + 'static,
    ) -> Operation<T> {
        let (body, attachments) = self.work;
        Operation::new(node, op, body, keep).attach(attachments).lend(self.lent, self.ticket)
    }

    /// The request, what it lends, and where its ticket goes.
    pub(crate) fn into_parts(self) -> ((Value, Vec<Bytes>), Lent, *mut u64) {
        (self.work, self.lent, self.ticket)
    }
}

/// Reads a request.
///
/// # Safety
/// All pointers are valid.
pub(crate) unsafe fn prepare(
    to: hubless_str,
    asked: *const hubless_content,
    given: *const hubless_request_options,
) -> Result<Prepared> {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        let given = options(given)?;
        let mut body = object("options_json", given.options_json)?;
        if let Some(to) = text("to", to)? {
            body.insert("to".to_owned(), Value::String(to));
        }
        let (content, attachments) = content::read(asked)?;
        body.insert("content".to_owned(), content);
        texts(&given, &mut body)?;
        schemas(&given, &mut body)?;
        numbers(&given, &mut body);
        let (parent, kill_switch, max) = (given.parent, given.kill_switch, given.max);
        Paying { parent, kill_switch, max }.put(&mut body)?;
        if let Some(from) = agent_of(given.from)? {
            body.insert("from".to_owned(), json!(from.id));
        }
        let lent = lent(&given, &mut body)?;
        Ok(Prepared::new((Value::Object(body), attachments), lent, given.ticket))
    }
}

unsafe fn texts(given: &hubless_request_options, body: &mut Map<String, Value>) -> Result<()> {
    // SAFETY: the caller vouches for the texts.
    unsafe {
        let texts = [
            ("skill", given.skill),
            ("conversationId", given.conversation_id),
            ("idempotencyKey", given.idempotency_key),
            ("effect", given.effect),
            ("template", given.template_name),
        ];
        for (name, value) in texts {
            if let Some(value) = text(name, value)? {
                body.insert(name.to_owned(), Value::String(value));
            }
        }
        if let Some(secret) = text("auth_secret", given.auth_secret)? {
            let scheme = text("auth_scheme", given.auth_scheme)?;
            let scheme = scheme.unwrap_or_else(|| "shared_secret".to_owned());
            body.insert("auth".to_owned(), json!({"scheme": scheme, "secret": secret}));
        }
        let mut trace = Map::new();
        for (name, value) in [
            ("traceparent", given.traceparent),
            ("tracestate", given.tracestate),
            ("baggage", given.baggage),
        ] {
            trace.extend(text(name, value)?.map(|value| (name.to_owned(), Value::String(value))));
        }
        if !trace.is_empty() {
            body.insert("trace".to_owned(), Value::Object(trace));
        }
        Ok(())
    }
}

unsafe fn schemas(given: &hubless_request_options, body: &mut Map<String, Value>) -> Result<()> {
    let texts = [
        ("context", given.context_json),
        ("inputSchema", given.input_schema_json),
        ("outputSchema", given.output_schema_json),
    ];
    for (name, value) in texts {
        // SAFETY: the caller vouches for the texts.
        if let Some(value) = unsafe { json(name, value)? } {
            body.insert(name.to_owned(), json!(value));
        }
    }
    Ok(())
}

fn numbers(given: &hubless_request_options, body: &mut Map<String, Value>) {
    if given.timeout_ms != 0 {
        body.insert("timeoutMs".to_owned(), json!(given.timeout_ms));
    }
    if given.total_ms != 0 {
        body.insert("totalMs".to_owned(), json!(given.total_ms));
    }
    if given.wait_ms != 0 {
        body.insert("wait".to_owned(), json!(given.wait_ms.max(0)));
    }
}

unsafe fn lent(given: &hubless_request_options, body: &mut Map<String, Value>) -> Result<Lent> {
    // SAFETY: the caller vouches for the pointers.
    let tools = unsafe { lend_tools((given.tools, given.tool_count), body)? };
    let on_input = given.on_input.map(|on_input| (on_input, User(given.user)));
    if on_input.is_some() {
        body.insert("onInput".to_owned(), json!(true));
    }
    Ok(Lent { tools, on_input })
}

/// Names the tools in the body of a request, and gives the functions behind them.
///
/// # Safety
/// `first` points to `count` valid tools.
pub(crate) unsafe fn lend_tools(
    (first, count): (*const hubless_tool, usize),
    body: &mut Map<String, Value>,
) -> Result<BTreeMap<String, (OnTool, User)>> {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        let mut tools = BTreeMap::new();
        let mut shown = Vec::new();
        for tool in entry::array("tools", first, count)? {
            let name = entry::need("tools.name", tool.name)?;
            let about = any_text("tools.description", tool.description)?;
            let run = function("tools.on_tool", tool.on_tool)?;
            let mut about = json!({
                "name": name,
                "description": about.unwrap_or_default(),
                "inputSchema": json("tools.input_schema_json", tool.input_schema_json)?,
                "effect": text("tools.effect", tool.effect)?.unwrap_or_default(),
            });
            if let Some(schema) = json("tools.output_schema_json", tool.output_schema_json)? {
                content::set(&mut about, "outputSchema", json!(schema));
            }
            shown.push(about);
            tools.insert(name, (run, User(tool.user)));
        }
        if !shown.is_empty() {
            body.insert("tools".to_owned(), Value::Array(shown));
        }
        Ok(tools)
    }
}

/// Asks an agent, by id, address or name, and waits for its whole answer. Blocks. `to` may be none
/// when `options_json` holds `{"to": {"query": …}}`. A refusal is `HUBLESS_REJECTED`.
///
/// # Safety
/// All pointers are valid; `given` may be NULL; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_request(
    node: *const hubless_node,
    to: hubless_str,
    content: *const hubless_content,
    given: *const hubless_request_options,
    reply: *mut *mut hubless_reply,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || give_handle("reply", reply, || asking(node, to, (content, given))?.wait()))
    }
}

/// As `hubless_request`, without blocking: `on_reply` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// As `hubless_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_request_async(
    node: *const hubless_node,
    to: hubless_str,
    content: *const hubless_content,
    given: *const hubless_request_options,
    on_reply: hubless_on_reply,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            asking(node, to, (content, given))?
                .begin(tell::handle(("on_reply", on_reply), User(user))?)
        })
    }
}

unsafe fn asking(
    node: *const hubless_node,
    to: hubless_str,
    (content, given): (*const hubless_content, *const hubless_request_options),
) -> Result<Operation<Handle<hubless_reply>>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the pointers.
    Ok(unsafe { prepare(to, content, given)? }.operation(node, "request", reply::keep))
}
