//! Nodes: start, close, status.

use crate::entry::{Options, entry, give, may_block, options, text};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::{handle, lock};
use crate::pending::Pending;
use crate::poll::Bell;
use crate::state::{self, NODES, Node, User};
use crate::texts;
use crate::types::{hubless_node, hubless_status, hubless_str, hubless_text};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::os::raw::c_void;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Takes one log line of the library; must not call the library.
pub type hubless_on_log = Option<
    unsafe extern "C" fn(
        level: hubless_str,
        target: hubless_str,
        message: hubless_str,
        fields_json: hubless_str,
        user: *mut c_void,
    ),
>;

pub(crate) type OnLog =
    unsafe extern "C" fn(hubless_str, hubless_str, hubless_str, hubless_str, *mut c_void);

/// Options of `hubless_node_start`. Zero means the default everywhere.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_node_options {
    /// `sizeof(hubless_node_options)`.
    pub size: usize,
    /// Name of a stored node key; none: a fresh key in memory.
    pub name: hubless_str,
    /// Id of a joined mesh; none: the user's own.
    pub mesh: hubless_str,
    /// Folder of data and runtime files; none: `HUBLESS_HOME`, else the platform's.
    pub home: hubless_str,
    /// `loopback` (default), `all`, or addresses separated by commas.
    pub listen: hubless_str,
    /// UDP port; 0: any.
    pub port: u16,
    /// 1: nothing is read from or written to a disk.
    pub memory_only: i32,
    /// Concurrent calls of all agents together; 0: no bound of the node's own.
    pub max_concurrency: u64,
    /// `error`, `warn`, `info`, `debug` or `trace`: lines at this level and graver go to `on_log`.
    pub log: hubless_str,
    /// Takes log lines.
    pub on_log: hubless_on_log,
    /// Handed to `on_log`.
    pub user: *mut c_void,
    /// 1: no thread of the library calls back; the program calls `hubless_poll`.
    pub polled: i32,
}

// SAFETY: `repr(C)`, begins with its size, all zero is a value.
unsafe impl Options for hubless_node_options {}

/// Starts a node and joins this user's mesh on this machine. Blocks, for milliseconds.
///
/// Callbacks of the node come from one thread of the library, one at a time, unless the node is
/// `polled`.
///
/// # Safety
/// `given` is NULL or valid; `node` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_node_start(
    given: *const hubless_node_options,
    node: *mut *mut hubless_node,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give("node", node, std::ptr::null_mut())?;
            let started = start(&options(given)?)?;
            give("node", node, handle(started))
        })
    }
}

unsafe fn start(given: &hubless_node_options) -> Result<usize> {
    may_block()?;
    // SAFETY: the caller vouches for the texts.
    let body = unsafe { start_body(given)? };
    let started = open(given)?;
    match started.run("node.start", (body, Vec::new())) {
        Ok(_) => Ok(NODES.insert_shared(started).0),
        Err(fault) => {
            shut(&started);
            Err(fault)
        }
    }
}

static DEFAULT: Mutex<Option<usize>> = Mutex::new(None);

/// The node that this process shares by default, started on first use without any option; NULL
/// when it cannot be started. Blocks, on first use.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_default_node(err: *mut hubless_error) -> *mut hubless_node {
    let mut node = std::ptr::null_mut();
    // SAFETY: the caller vouches for `err`; zeroes are a value of the options.
    unsafe {
        entry(err, || {
            let mut shared = lock(&DEFAULT);
            let open = shared.filter(|id| NODES.get(handle::<hubless_node>(*id)).is_ok());
            let id = match open {
                Some(id) => id,
                None => start(&std::mem::zeroed())?,
            };
            *shared = Some(id);
            node = handle(id);
            Ok(())
        });
    }
    node
}

unsafe fn start_body(given: &hubless_node_options) -> Result<Value> {
    // SAFETY: the caller vouches for the texts.
    unsafe {
        let mut body = Map::new();
        let texts =
            [("name", given.name), ("mesh", given.mesh), ("home", given.home), ("log", given.log)];
        for (name, value) in texts {
            if let Some(value) = text(name, value)? {
                body.insert(name.to_owned(), Value::String(value));
            }
        }
        if let Some(listen) = text("listen", given.listen)? {
            let listen = match listen.as_str() {
                "loopback" | "all" => json!(listen),
                list => json!(list.split(',').map(str::trim).collect::<Vec<_>>()),
            };
            body.insert("listen".to_owned(), listen);
        }
        if given.port != 0 {
            body.insert("port".to_owned(), json!(given.port));
        }
        if given.memory_only != 0 {
            body.insert("memoryOnly".to_owned(), json!(true));
        }
        if given.max_concurrency != 0 {
            body.insert("maxConcurrency".to_owned(), json!(given.max_concurrency));
        }
        Ok(Value::Object(body))
    }
}

fn open(given: &hubless_node_options) -> Result<Arc<Node>> {
    let session = hubless_shared::open();
    let polled = given.polled != 0;
    let bell = if polled { Some(Bell::install(session)?) } else { None };
    let node = Arc::new_cyclic(|me| Node {
        me: me.clone(),
        session,
        pending: Pending::default(),
        polled,
        bell: Mutex::new(bell),
        thread: Mutex::default(),
        agents: Mutex::new(BTreeMap::new()),
        calls: Mutex::new(BTreeMap::new()),
        lent: Mutex::new(BTreeMap::new()),
        streams: Mutex::new(BTreeMap::new()),
        providers: Mutex::default(),
        on_auth: Mutex::default(),
        ending: AtomicBool::new(false),
        on_log: given.on_log.map(|on_log| (on_log, User(given.user))),
    });
    if !polled {
        let dispatched = Arc::clone(&node);
        let thread = std::thread::Builder::new()
            .name("hubless-c".to_owned())
            .spawn(move || crate::dispatch::run(&dispatched));
        let thread = thread.map_err(|error| {
            hubless_shared::close(session);
            let message = format!("no thread: {error}");
            Fault::from(hubless_proto::Error::new(hubless_proto::Kind::Internal, message))
        })?;
        *lock(&node.thread) = Some(thread);
    }
    Ok(node)
}

/// Runs something in a session that has no node.
pub(crate) fn without_node<T>(run: impl FnOnce(&Node) -> Result<T>) -> Result<T> {
    may_block()?;
    // SAFETY: `Options` says that zeroes are a value.
    let node = open(&unsafe { std::mem::zeroed() })?;
    let result = run(&node);
    shut(&node);
    result
}

/// Ends a node whose `ending` the caller has set.
pub(crate) fn forget(node: *const hubless_node, open: &Arc<Node>) {
    drop(NODES.take(node.addr()));
    shut(open);
}

/// Ends the session, its thread, and every handle of the node.
fn shut(node: &Arc<Node>) {
    hubless_shared::set_doorbell(node.session, None);
    hubless_shared::close(node.session);
    if let Some(thread) = lock(&node.thread).take() {
        // A panic there was caught already.
        let _ = thread.join();
    }
    node.pending.close();
    let of_node = |other: &Arc<Node>| Arc::ptr_eq(other, node);
    drop(std::mem::take(&mut *lock(&node.agents)));
    drop(std::mem::take(&mut *lock(&node.lent)));
    drop(state::CALLS.take_all(|call| of_node(&call.node)));
    drop(state::AGENTS.take_all(|agent| of_node(&agent.node)));
    drop(state::BODIES.take_all(|body| of_node(&body.node)));
    drop(state::QUESTIONS.take_all(|question| of_node(&question.node)));
    drop(state::WATCHES.take_all(|watch| of_node(&watch.node)));
    drop(lock(&node.bell).take());
}

/// Closes a node: refuses new calls, lets running ones end within `grace_ms`, says good-bye to
/// every peer. Blocks. Afterwards every handle of the node is gone, and no callback comes.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_node_close(node: *mut hubless_node, grace_ms: u64) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe {
        entry(std::ptr::null_mut(), || {
            let work = (json!({ "graceMs": grace_ms }), Vec::new());
            let open = NODES.get(node)?;
            may_block()?;
            if open.ending.swap(true, Ordering::AcqRel) {
                return Err(Fault::invalid("node", "expected a node that nobody is closing"));
            }
            // Its handle is good until then: running calls may still ask others.
            let closed = open.run("node.close", work);
            forget(node, &open);
            closed.map(drop)
        })
    }
}

/// Describes the node as a JSON text: key, mesh, addresses, agents, peers, calls. Blocks shortly.
///
/// # Safety
/// `status` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_node_status(
    node: *const hubless_node,
    status: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || texts::result(node, "node.status", json!({}), status)) }
}

/// Gives an open operation up by the ticket that its options gave; unknown tickets are ignored.
/// It still ends exactly once: with `HUBLESS_CANCELLED`, unless its end came first.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_cancel(
    node: *const hubless_node,
    ticket: u64,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let node = NODES.get(node)?;
            let stream = lock(&node.streams).get(&ticket).copied();
            match stream {
                Some(stream) => node.tell("stream.drop", (json!({ "stream": stream }), Vec::new())),
                None => {
                    hubless_shared::cancel(node.session, ticket);
                    Ok(())
                }
            }
        })
    }
}

/// Version of the library, as in `0.1.0`; lives as long as the library.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_version() -> hubless_str {
    hubless_str::of(hubless_shared::version())
}

/// Counts live sessions, agents, calls, streams and bodies of this process, for leak tests.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_handles() -> usize {
    hubless_shared::handles()
}

/// Frees the texts of an error and empties it; harmless when it is empty.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_error_clear(err: *mut hubless_error) {
    // SAFETY: the caller vouches for the pointer; success clears it.
    unsafe {
        entry(err, || Ok(()));
    }
}
