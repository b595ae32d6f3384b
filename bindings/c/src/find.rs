//! Finding agents.

use crate::agent::object;
use crate::arena::Arena;
use crate::entry::{Options, entry, fill, give_handle, look, options, text};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::Handle;
use crate::operation::Operation;
use crate::pending::Done;
use crate::state::{LISTS, NODES, Node, User};
use crate::tell;
use crate::types::{hubless_agents, hubless_node, hubless_status, hubless_str};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::os::raw::c_void;
use std::sync::Arc;

/// What an agent must be like. Zero means any.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_query {
    /// `sizeof(hubless_query)`.
    pub size: usize,
    /// What it should be good for, in words.
    pub text: hubless_str,
    /// A skill that it must have.
    pub skill: hubless_str,
    /// Tags that it must have, separated by spaces.
    pub tags: hubless_str,
    /// All other fields of the contract's Query, as a JSON object: filter, exclude, limit, …
    pub query_json: hubless_str,
    /// Milliseconds to wait for a first match; 0: 1,000, below 0: none.
    pub wait_ms: i64,
    /// 1: each answer says why it stands where it stands.
    pub explain: i32,
}

// SAFETY: `repr(C)`, begins with its size, all zero is a value.
unsafe impl Options for hubless_query {}

/// An agent that was found; its texts live until the list is freed, or the callback returns.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_found {
    /// `sizeof(hubless_found)`.
    pub size: usize,
    /// Its id: what to call it by.
    pub agent_id: hubless_str,
    /// Its short address.
    pub address: hubless_str,
    /// Its name.
    pub name: hubless_str,
    /// What it is good for.
    pub description: hubless_str,
    /// Key of its node; none: known from a catalogue only.
    pub node_key: hubless_str,
    /// `in_process`, `direct` or `relay`.
    pub path: hubless_str,
    /// From 0 to 1, for order within one answer only.
    pub score: f64,
    /// Everything known as the contract's Found.
    pub json: hubless_str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FoundIn {
    agent_id: String,
    address: String,
    name: String,
    #[serde(default)]
    description: String,
    node_key: Option<String>,
    score: f64,
    path: String,
}

/// Found agents and the memory behind them.
pub(crate) struct List {
    agents: Vec<hubless_found>,
    _arena: Arena,
}

// SAFETY: its pointers go into its own memory.
unsafe impl Send for List {}
// SAFETY: as above; it is not changed once it is made.
unsafe impl Sync for List {}

/// Shows one found agent.
pub(crate) fn show(found: &RawValue, arena: &mut Arena) -> Result<hubless_found> {
    let read: FoundIn = serde_json::from_str(found.get())
        .map_err(|_| Fault::invalid("found", "an answer could not be read"))?;
    Ok(hubless_found {
        size: size_of::<hubless_found>(),
        agent_id: arena.text(read.agent_id),
        address: arena.text(read.address),
        name: arena.text(read.name),
        description: arena.text(read.description),
        node_key: read.node_key.map_or(hubless_str::NONE, |key| arena.text(key)),
        path: arena.text(read.path),
        score: read.score,
        json: arena.text(found.get()),
    })
}

/// Reads a query into the body of an operation.
///
/// # Safety
/// `query` is NULL or valid.
pub(crate) unsafe fn body(query: *const hubless_query) -> Result<Value> {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        let given = options(query)?;
        let mut fields = object("query_json", given.query_json)?;
        for (name, value) in [("text", given.text), ("skill", given.skill)] {
            if let Some(value) = text(name, value)? {
                fields.insert(name.to_owned(), Value::String(value));
            }
        }
        if let Some(tags) = text("tags", given.tags)? {
            fields.insert("tags".to_owned(), json!(tags.split_whitespace().collect::<Vec<_>>()));
        }
        let mut body = json!({"query": fields, "explain": given.explain != 0});
        if given.wait_ms != 0 {
            crate::content::set(&mut body, "waitMs", json!(given.wait_ms.max(0)));
        }
        Ok(body)
    }
}

#[derive(Deserialize)]
struct AgentsIn {
    agents: Vec<Box<RawValue>>,
}

/// Finds agents, best first; waits for a first match. Finding none is no error. Blocks.
///
/// # Safety
/// `query` is NULL or valid; `found` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_find(
    node: *const hubless_node,
    query: *const hubless_query,
    found: *mut *mut hubless_agents,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("found", found, || finding(node, query, ALL)?.wait())) }
}

/// Is told how a find ended; owns `found`, which is NULL unless the status is `HUBLESS_OK`. `err`
/// lives until it returns.
pub type hubless_on_found = Option<
    unsafe extern "C" fn(
        status: hubless_status,
        found: *mut hubless_agents,
        err: *const hubless_error,
        user: *mut c_void,
    ),
>;

/// As `hubless_find`, without blocking, and so for handlers as well: `on_found` comes exactly once,
/// unless this function itself fails.
///
/// # Safety
/// `query` is NULL or valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_find_async(
    node: *const hubless_node,
    query: *const hubless_query,
    on_found: hubless_on_found,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            finding(node, query, ALL)?.begin(tell::handle(("on_found", on_found), User(user))?)
        })
    }
}

/// An operation that searches, and what is made of its result.
type Search = (&'static str, fn(&Arc<Node>, &Done) -> Result<Handle<hubless_agents>>);

const ALL: Search = ("find", keep);
const BEST: Search = ("peer", keep_one);

unsafe fn finding(
    node: *const hubless_node,
    query: *const hubless_query,
    (op, keep): Search,
) -> Result<Operation<Handle<hubless_agents>>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the query.
    Ok(Operation::new(node, op, unsafe { body(query)? }, keep))
}

/// Finds the best agent, and gives a list of it alone; waits for it. `HUBLESS_NOT_FOUND` when there
/// is none. Blocks.
///
/// # Safety
/// `query` is NULL or valid; `found` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_peer(
    node: *const hubless_node,
    query: *const hubless_query,
    found: *mut *mut hubless_agents,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("found", found, || finding(node, query, BEST)?.wait())) }
}

/// As `hubless_peer`, without blocking: `on_found` comes exactly once, unless this function itself
/// fails.
///
/// # Safety
/// `query` is NULL or valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_peer_async(
    node: *const hubless_node,
    query: *const hubless_query,
    on_found: hubless_on_found,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            finding(node, query, BEST)?.begin(tell::handle(("on_found", on_found), User(user))?)
        })
    }
}

/// Lists agents by scope: `global`, `local`, `client` or `all`. Blocks shortly.
///
/// # Safety
/// The text is readable; `found` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_list_agents(
    node: *const hubless_node,
    scope: hubless_str,
    found: *mut *mut hubless_agents,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("found", found, || listing(node, scope)?.wait())) }
}

/// As `hubless_list_agents`, without blocking: `on_found` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_list_agents_async(
    node: *const hubless_node,
    scope: hubless_str,
    on_found: hubless_on_found,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            listing(node, scope)?.begin(tell::handle(("on_found", on_found), User(user))?)
        })
    }
}

unsafe fn listing(
    node: *const hubless_node,
    scope: hubless_str,
) -> Result<Operation<Handle<hubless_agents>>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the text.
    let scope = unsafe { text("scope", scope)? }.unwrap_or_else(|| "all".to_owned());
    Ok(Operation::new(node, "listAgents", json!({ "scope": scope }), keep))
}

fn keep(_: &Arc<Node>, done: &Done) -> Result<Handle<hubless_agents>> {
    let AgentsIn { agents } = done.read()?;
    kept(&agents)
}

fn keep_one(_: &Arc<Node>, done: &Done) -> Result<Handle<hubless_agents>> {
    let found: Box<RawValue> = done.read()?;
    kept(&[found])
}

fn kept(agents: &[Box<RawValue>]) -> Result<Handle<hubless_agents>> {
    let mut arena = Arena::default();
    let agents = agents.iter().map(|found| show(found, &mut arena)).collect::<Result<Vec<_>>>()?;
    let (id, _) = LISTS.insert(List { agents, _arena: arena });
    Ok(Handle::of(id))
}

/// Number of agents in a list; 0 for a freed one.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_agents_count(list: *const hubless_agents) -> usize {
    look(0, || LISTS.get(list).map_or(0, |list| list.agents.len()))
}

/// Tells about one agent of a list.
///
/// # Safety
/// `found` is NULL or its `size` is set; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_agents_get(
    list: *const hubless_agents,
    index: usize,
    found: *mut hubless_found,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let list = LISTS.get(list)?;
            let known = list.agents.get(index);
            let known = known.ok_or_else(|| Fault::invalid("index", "expected a lower index"))?;
            fill("found", found, known)
        })
    }
}

/// Frees a list.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_agents_free(list: *mut hubless_agents) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe { entry(std::ptr::null_mut(), || LISTS.remove(list).map(drop)) }
}
