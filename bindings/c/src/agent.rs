//! Agents of the program.

use crate::entry::{
    Options, any_text, entry, fill, function, give, in_callback, is_callback, json, options, text,
};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::{Handle, lock};
use crate::operation::Operation;
use crate::pending::{Done, Told};
use crate::question::{OnAuth, OnCount, hubless_on_auth, hubless_on_count};
use crate::state::{AGENTS, Agent, NODES, Node, User, call_of};
use crate::tell;
use crate::types::{hubless_agent, hubless_call, hubless_node, hubless_status, hubless_str};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::os::raw::c_void;
use std::sync::Arc;

/// Takes one call. It is answered by `hubless_call_final` or `hubless_call_fail`, now or later, on
/// any thread; what takes long belongs on a thread of the program's own.
pub type hubless_on_call = Option<unsafe extern "C" fn(call: *mut hubless_call, user: *mut c_void)>;

/// Is told that a call is to be stopped: `HUBLESS_CANCELLED`, `HUBLESS_DEADLINE`, `HUBLESS_KILLED`
/// by a kill switch, and others. The call must still be ended; how does not matter any more.
pub type hubless_on_cancel = Option<
    unsafe extern "C" fn(call: *mut hubless_call, reason: hubless_status, user: *mut c_void),
>;

/// Makes the instance of one call of an isolated agent.
pub type hubless_on_create = Option<unsafe extern "C" fn(user: *mut c_void) -> *mut c_void>;

/// Destroys such an instance once its call has ended; may come from any thread.
pub type hubless_on_destroy =
    Option<unsafe extern "C" fn(instance: *mut c_void, user: *mut c_void)>;

/// Is told that no further callback of an agent will come; may come from any thread.
pub type hubless_on_free = Option<unsafe extern "C" fn(user: *mut c_void)>;

/// Is told how a registration ended; `agent` is NULL unless the status is `HUBLESS_OK`. It is freed
/// by `hubless_agent_free`, or stays until its node is closed. `err` lives until it returns.
pub type hubless_on_registered = Option<
    unsafe extern "C" fn(
        status: hubless_status,
        agent: *mut hubless_agent,
        err: *const hubless_error,
        user: *mut c_void,
    ),
>;

/// Options of `hubless_register`. Zero means the default everywhere.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_agent_options {
    /// `sizeof(hubless_agent_options)`.
    pub size: usize,
    /// 1 to 64 of `a-z 0-9 - _ .`, unique in its node.
    pub name: hubless_str,
    /// What the agent is good for.
    pub description: hubless_str,
    /// One skill as a JSON object: id, description, inputSchema, outputSchema, effect, tags, …
    pub skill_json: hubless_str,
    /// Several skills as a JSON array; instead of `skill_json`.
    pub skills_json: hubless_str,
    /// Words to be found by, separated by spaces.
    pub tags: hubless_str,
    /// Private rules as a JSON object: maxTokens, auth, acceptedContent, …
    pub requirements_json: hubless_str,
    /// Name of a stored identity; none: a fresh key.
    pub identity: hubless_str,
    /// All other fields of the contract's `register`, as a JSON object.
    pub options_json: hubless_str,
    /// 1: each call gets an instance of its own, from `on_create`.
    pub isolated: i32,
    /// 1: its answers come in pieces.
    pub streaming: i32,
    /// 1: the agent lives only moments.
    pub transient: i32,
    /// 1: further processes may host the same stored identity.
    pub replica: i32,
    /// An isolated call that this agent belongs to; it is removed at the end of that call.
    pub parent: *mut hubless_call,
    /// Takes calls; must be set.
    pub on_call: hubless_on_call,
    /// Is told of calls that are to be stopped.
    pub on_cancel: hubless_on_cancel,
    /// Checks credentials, when the requirements say `{"auth": {"host": true}}`.
    pub on_auth: hubless_on_auth,
    /// Counts tokens, when the requirements say `{"tokenCounter": "host"}`.
    pub on_count: hubless_on_count,
    /// Makes instances of an isolated agent.
    pub on_create: hubless_on_create,
    /// Destroys them.
    pub on_destroy: hubless_on_destroy,
    /// Is told once that nothing more comes.
    pub on_free: hubless_on_free,
    /// Handed to every callback.
    pub user: *mut c_void,
}

// SAFETY: `repr(C)`, begins with its size, all zero is a value.
unsafe impl Options for hubless_agent_options {}

/// What an agent is, once it is registered.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_agent_info {
    /// `sizeof(hubless_agent_info)`.
    pub size: usize,
    /// Its id.
    pub agent_id: hubless_str,
    /// Its short address.
    pub address: hubless_str,
    /// Its name.
    pub name: hubless_str,
    /// Its id with its node, for whoever is to call it at once: others know a transient agent by
    /// the rest after a second.
    pub reach: hubless_str,
}

/// The callbacks of an agent.
pub(crate) struct Callbacks {
    pub(crate) on_call: unsafe extern "C" fn(*mut hubless_call, *mut c_void),
    pub(crate) on_cancel:
        Option<unsafe extern "C" fn(*mut hubless_call, hubless_status, *mut c_void)>,
    pub(crate) on_auth: Option<OnAuth>,
    pub(crate) on_count: Option<OnCount>,
    pub(crate) on_create: Option<unsafe extern "C" fn(*mut c_void) -> *mut c_void>,
    pub(crate) on_destroy: Option<unsafe extern "C" fn(*mut c_void, *mut c_void)>,
    pub(crate) on_free: Option<unsafe extern "C" fn(*mut c_void)>,
    pub(crate) user: User,
}

impl Callbacks {
    fn of(given: &hubless_agent_options) -> Result<Self> {
        Ok(Self {
            on_call: function("on_call", given.on_call)?,
            on_cancel: given.on_cancel,
            on_auth: given.on_auth,
            on_count: given.on_count,
            on_create: given.on_create,
            on_destroy: given.on_destroy,
            on_free: given.on_free,
            user: User(given.user),
        })
    }

    /// Of an agent that the library answers for.
    pub(crate) const fn none() -> Self {
        Self {
            on_call: never,
            on_cancel: None,
            on_auth: None,
            on_count: None,
            on_create: None,
            on_destroy: None,
            on_free: None,
            user: User(std::ptr::null_mut()),
        }
    }

    /// Says that nothing more comes.
    pub(crate) fn free(&self) {
        if let Some(on_free) = self.on_free {
            // SAFETY: the program gave the function for this.
            in_callback(|| unsafe { on_free(self.user.0) });
        }
    }
}

/// Takes no call.
unsafe extern "C" fn never(_: *mut hubless_call, _: *mut c_void) {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Registered {
    agent: u64,
    agent_id: String,
    address: String,
    name: String,
    reach: String,
}

/// Registers an agent: it can be found and called when this returns. Blocks shortly. `agent` may
/// be NULL: it stays until its node is closed.
///
/// # Safety
/// `given` is valid; `agent` is NULL or writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_register(
    node: *const hubless_node,
    given: *const hubless_agent_options,
    agent: *mut *mut hubless_agent,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let registered = registration(node, given)?.wait()?;
            if agent.is_null() { Ok(()) } else { give("agent", agent, registered.shown()) }
        })
    }
}

/// As `hubless_register`, without blocking: `on_registered` comes exactly once, unless this
/// function itself fails, and before the first call. An agent that is not registered calls none of
/// its functions.
///
/// # Safety
/// `given` is valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_register_async(
    node: *const hubless_node,
    given: *const hubless_agent_options,
    on_registered: hubless_on_registered,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            registration(node, given)?
                .begin(tell::handle(("on_registered", on_registered), User(user))?)
        })
    }
}

unsafe fn registration(
    node: *const hubless_node,
    given: *const hubless_agent_options,
) -> Result<Operation<Handle<hubless_agent>>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the options.
    let (given, body) = unsafe {
        let given = options(given)?;
        (given, body(&given)?)
    };
    let callbacks = Callbacks::of(&given)?;
    let keep = |node: &Arc<Node>, done: &Done| Ok(keep(node, done.read()?, callbacks));
    // The agent's first call comes right behind.
    Ok(Operation::early(node, "register", body, keep))
}

/// Keeps an agent that is registered.
pub(crate) fn keep(
    node: &Arc<Node>,
    registered: Registered,
    callbacks: Callbacks,
) -> Handle<hubless_agent> {
    let Registered { agent, agent_id, address, name, reach } = registered;
    let (id, kept) = AGENTS.insert_with(|handle| Agent {
        node: Arc::clone(node),
        id: agent,
        handle,
        callbacks,
        agent_id,
        address,
        name,
        reach,
    });
    lock(&node.agents).insert(agent, kept);
    Handle::of(id)
}

unsafe fn body(given: &hubless_agent_options) -> Result<Value> {
    // SAFETY: the caller vouches for the texts.
    unsafe {
        let mut body = object("options_json", given.options_json)?;
        let texts = [
            ("name", text("name", given.name)?),
            ("description", any_text("description", given.description)?),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                body.insert(name.to_owned(), Value::String(value));
            }
        }
        if let Some(skill) = json("skill_json", given.skill_json)? {
            body.insert("skills".to_owned(), json!([skill]));
        }
        if let Some(skills) = json("skills_json", given.skills_json)? {
            body.insert("skills".to_owned(), json!(skills));
        }
        if let Some(tags) = text("tags", given.tags)? {
            body.insert("tags".to_owned(), json!(tags.split_whitespace().collect::<Vec<_>>()));
        }
        if let Some(requirements) = json("requirements_json", given.requirements_json)? {
            body.insert("requirements".to_owned(), json!(requirements));
        }
        if let Some(identity) = text("identity", given.identity)? {
            body.insert("identity".to_owned(), json!({ "stored": identity }));
        }
        if given.isolated != 0 {
            body.insert("concurrency".to_owned(), json!("isolated"));
        }
        let flags = [
            ("streaming", given.streaming),
            ("transient", given.transient),
            ("replica", given.replica),
        ];
        for (name, flag) in flags {
            if flag != 0 {
                body.insert(name.to_owned(), json!(true));
            }
        }
        if let Some(parent) = call_of(given.parent)? {
            body.insert("parent".to_owned(), json!(parent.id));
        }
        Ok(Value::Object(body))
    }
}

/// Reads a JSON object; empty when there is none.
///
/// # Safety
/// As `text`.
pub(crate) unsafe fn object(field: &str, value: hubless_str) -> Result<Map<String, Value>> {
    // SAFETY: the caller vouches for the text.
    let Some(read) = (unsafe { text(field, value)? }) else { return Ok(Map::new()) };
    serde_json::from_str(&read).map_err(|_| Fault::invalid(field, "expected a JSON object"))
}

/// Tells what an agent is; the texts live until it is freed.
///
/// # Safety
/// `info` is NULL or its `size` is set; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_agent_get(
    agent: *const hubless_agent,
    info: *mut hubless_agent_info,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let agent = AGENTS.get(agent)?;
            let known = hubless_agent_info {
                size: size_of::<hubless_agent_info>(),
                agent_id: hubless_str::of(&agent.agent_id),
                address: hubless_str::of(&agent.address),
                name: hubless_str::of(&agent.name),
                reach: hubless_str::of(&agent.reach),
            };
            fill("info", info, &known)
        })
    }
}

/// States how well an agent is, `up`, `suspect` or `down`, for the order in which others find it:
/// one that is down comes last, and is still called by who asks for it; `up` takes the word back.
/// `HUBLESS_UNSUPPORTED` for a transient agent that others know already. Inside a callback it
/// returns at once, and what the node refuses is not told.
///
/// # Safety
/// `state` is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_agent_health(
    agent: *const hubless_agent,
    state: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let agent = AGENTS.get(agent)?;
            let state = text("state", state)?.unwrap_or_default();
            let work = (json!({ "agent": agent.id, "health": state }), Vec::new());
            // Its end is told to the program: it must not outlive a close while this waits.
            let node = Arc::clone(&agent.node);
            drop(agent);
            if is_callback() {
                node.tell("health", work)
            } else {
                node.run("health", work).map(drop)
            }
        })
    }
}

/// Takes an agent out: new calls are refused at once, running ones may end within 10 s. Waits for
/// them, except inside a callback, where it returns at once; `on_free` says when it is over.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_agent_free(agent: *mut hubless_agent) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe {
        entry(std::ptr::null_mut(), || {
            let agent = AGENTS.remove(agent)?;
            let (node, id) = (Arc::clone(&agent.node), agent.id);
            drop(agent);
            let work = (json!({ "agent": id }), Vec::new());
            if is_callback() {
                let forgets = Arc::clone(&node);
                let told = Told::new(move |_| {
                    let kept = lock(&forgets.agents).remove(&id);
                    // Outside the lock: its end is told to the program.
                    drop(kept);
                });
                return node.begin("unregister", work, told).map(drop);
            }
            let done = node.run("unregister", work);
            let kept = lock(&node.agents).remove(&id);
            drop(kept);
            done.map(drop)
        })
    }
}
