//! Nodes: start, status, and what a library says of itself.

use crate::ahead::Ahead;
use crate::close::shut;
use crate::entry::{Options, clear, entry, give_handle, guarded, look, may_block, options, text};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::{Handle, handle, lock};
use crate::mesh;
use crate::operation::Operation;
use crate::pending::Pending;
use crate::poll::Bell;
use crate::state::{NODES, Node, User};
use crate::switch::{hubless_switch_options, terms};
use crate::tell;
use crate::texts::{self, hubless_on_text};
use crate::types::{hubless_node, hubless_status, hubless_str, hubless_testing_mesh, hubless_text};
use hubless_proto::{Error, Kind};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::os::raw::c_void;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    /// 1: no thread of the library calls back; the program calls `hubless_poll`. Only log lines of
    /// the start come from who starts it: with `hubless_node_start_async` the thread of `on_node`.
    pub polled: i32,
    /// What becomes of a request without `parent` and `kill_switch` while the node handles a call
    /// with a budget: `refuse` (default: `HUBLESS_CONFIGURATION`, code `orphan`) or `allow`.
    pub orphans: hubless_str,
    /// Instead of `orphans`: the limits of the budget of its own that each such request gets.
    pub own_budget: *const hubless_switch_options,
    /// File that spans are appended to, as JSON Lines of OTLP, or URL of a collector that they are
    /// posted to, such as `http://127.0.0.1:4318/v1/traces`; none: that of `HUBLESS_TRACE`.
    pub trace: hubless_str,
    /// Base URL of the metering gateway of `hubless_call_provider`, such as
    /// `http://127.0.0.1:8430/v1`; none: that of `HUBLESS_GATEWAY`.
    pub gateway: hubless_str,
    /// Spending key that the node has of its gateway; none: that of `HUBLESS_GATEWAY_KEY`.
    pub gateway_key: hubless_str,
    /// Where its agents say they are, such as `eu,on-prem`, separated by commas: any in the user's
    /// own mesh, in one that was joined those of its ticket; none: those of `HUBLESS_ZONES`, else
    /// all of the ticket.
    pub zones: hubless_str,
    /// Key under which receipts of the gateway are believed, as `hubless expose gateway` prints it;
    /// none: that of `HUBLESS_GATEWAY_SIGNER`.
    pub gateway_signer: hubless_str,
    /// What comes back of the grants of calls that other nodes answer: `signed`, what they say that
    /// they did not use; `provider`, only what receipts of the gateway show unpaid;
    /// `never`, nothing. One word for all of them, or one for each class: `member`, nodes that
    /// showed a token of this node's mesh, and `external`, all others. None: that of
    /// `HUBLESS_REFUND`, else `member=signed,external=never`.
    pub refund: hubless_str,
    /// Mesh of a test that the node lives in, of which it has `mesh`, `home` and `listen`; NULL: it
    /// lives in none.
    pub testing: *const hubless_testing_mesh,
    /// Relays by which it can be reached and reaches others, such as `https://relay.example`, at
    /// most 4, separated by commas; none: those of `HUBLESS_RELAYS`, else those of the ticket by
    /// which its mesh was joined.
    pub relays: hubless_str,
    /// File of the certificates, in PEM, that relays are believed by, and by no others; none: that
    /// of `HUBLESS_RELAY_CA`, else those that the machine trusts.
    pub relay_ca: hubless_str,
    /// 1: nodes of its mesh are met on the local networks that it listens to (loopback counts as
    /// all then), by multicast DNS (RFC 6762); 0: as `HUBLESS_LAN` says.
    pub lan: i32,
}

// SAFETY: `repr(C)`, begins with its size, all zero is a value.
unsafe impl Options for hubless_node_options {}

/// Is told how the start of a node ended; owns `node`, which is NULL unless the status is
/// `HUBLESS_OK`. `err` lives until it returns.
pub type hubless_on_node = Option<
    unsafe extern "C" fn(
        status: hubless_status,
        node: *mut hubless_node,
        err: *const hubless_error,
        user: *mut c_void,
    ),
>;

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
            give_handle("node", node, || {
                may_block()?;
                let (opened, body) = prepare(&options(given)?)?;
                launch(&opened, body)
            })
        })
    }
}

/// As `hubless_node_start`, without blocking: `on_node` comes exactly once, from a thread of its
/// own, unless this function itself fails.
///
/// # Safety
/// `given` is NULL or valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_node_start_async(
    given: *const hubless_node_options,
    on_node: hubless_on_node,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let tell = tell::handle(("on_node", on_node), User(user))?;
            let (opened, body) = prepare(&options(given)?)?;
            let launched = Arc::clone(&opened);
            let begun = apart(move || tell(guarded(|| launch(&launched, body))));
            begun.inspect_err(|_| shut(&opened))
        })
    }
}

/// A session, and what starts a node in it.
///
/// # Safety
/// The texts and the limits are valid.
unsafe fn prepare(given: &hubless_node_options) -> Result<(Arc<Node>, Value)> {
    // SAFETY: as the caller says.
    let body = unsafe { start_body(given)? };
    Ok((open(given)?, body))
}

fn launch(opened: &Arc<Node>, body: Value) -> Result<Handle<hubless_node>> {
    match opened.run("node.start", (body, Vec::new())) {
        Ok(_) => Ok(Handle::of(NODES.insert_shared(Arc::clone(opened)).0)),
        Err(fault) => {
            shut(opened);
            Err(fault)
        }
    }
}

/// The handle of the shared node that was started last; 0: there was none.
static DEFAULT: AtomicUsize = AtomicUsize::new(0);

/// Held by who starts the shared node, so that there is one. Whoever only looks does not wait: a
/// callback may not, and finds no node until it is started.
static STARTING: Mutex<()> = Mutex::new(());

/// The node that this process shares by default, started on first use without any option; NULL
/// when it cannot be started. Blocks, on first use.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_default_node(err: *mut hubless_error) -> *mut hubless_node {
    let mut node = std::ptr::null_mut();
    // SAFETY: the caller vouches for `err`.
    unsafe {
        entry(err, || {
            node = shared()?.shown();
            Ok(())
        });
    }
    node
}

/// As `hubless_default_node`, without blocking: `on_node` comes exactly once, from a thread of its
/// own, unless this function itself fails.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_default_node_async(
    on_node: hubless_on_node,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe {
        entry(err, || {
            let tell = tell::handle(("on_node", on_node), User(user))?;
            apart(move || tell(guarded(shared)))
        })
    }
}

fn shared() -> Result<Handle<hubless_node>> {
    if let Some(running) = running() {
        return Ok(running);
    }
    may_block()?;
    let _starting = lock(&STARTING);
    if let Some(running) = running() {
        return Ok(running);
    }
    // SAFETY: `Options` says that zeroes are a value, and they hold no text.
    let (opened, body) = unsafe { prepare(&std::mem::zeroed())? };
    let started = launch(&opened, body)?.shown();
    DEFAULT.store(started.addr(), Ordering::Release);
    Ok(Handle::of(started.addr()))
}

/// The shared node, while there is one.
fn running() -> Option<Handle<hubless_node>> {
    let id = DEFAULT.load(Ordering::Acquire);
    NODES.get(handle::<hubless_node>(id)).ok().map(|_| Handle::of(id))
}

/// Runs something on a thread of its own, which ends with it.
fn apart(run: impl FnOnce() + Send + 'static) -> Result<()> {
    let thread = std::thread::Builder::new().name("hubless-c".to_owned());
    thread.spawn(run).map(drop).map_err(|error| no_thread(&error))
}

fn no_thread(error: &std::io::Error) -> Fault {
    Error::new(Kind::Internal, format!("no thread: {error}")).into()
}

unsafe fn start_body(given: &hubless_node_options) -> Result<Value> {
    // SAFETY: the caller vouches for the texts.
    unsafe {
        let mut body = Map::new();
        let texts = [
            ("name", given.name),
            ("mesh", given.mesh),
            ("home", given.home),
            ("log", given.log),
            ("trace", given.trace),
            ("gateway", given.gateway),
            ("gatewayKey", given.gateway_key),
            ("gatewaySigner", given.gateway_signer),
            ("refund", given.refund),
            ("relayCa", given.relay_ca),
        ];
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
        for (name, value) in [("zones", given.zones), ("relays", given.relays)] {
            if let Some(list) = text(name, value)? {
                let list: Vec<_> = list.split(',').map(str::trim).collect();
                body.insert(name.to_owned(), json!(list));
            }
        }
        if given.port != 0 {
            body.insert("port".to_owned(), json!(given.port));
        }
        if given.lan != 0 {
            body.insert("lan".to_owned(), json!(true));
        }
        if given.memory_only != 0 {
            body.insert("memoryOnly".to_owned(), json!(true));
        }
        if given.max_concurrency != 0 {
            body.insert("maxConcurrency".to_owned(), json!(given.max_concurrency));
        }
        if let Some(orphans) = orphans(given)? {
            body.insert("orphans".to_owned(), orphans);
        }
        if let Some(mesh) = mesh::number(given.testing)? {
            body.insert("testing".to_owned(), json!(mesh));
        }
        Ok(Value::Object(body))
    }
}

/// What the program says of orphans; none: nothing.
///
/// # Safety
/// The text and the limits are valid.
unsafe fn orphans(given: &hubless_node_options) -> Result<Option<Value>> {
    // SAFETY: as the caller says.
    let word = unsafe { text("orphans", given.orphans)? };
    if given.own_budget.is_null() {
        return Ok(word.map(Value::String));
    }
    if word.is_some() {
        return Err(Fault::invalid("own_budget", "expected either it or orphans"));
    }
    // SAFETY: as the caller says.
    let terms = unsafe { terms(given.own_budget)? };
    Ok(Some(json!({ "ownBudget": terms })))
}

fn open(given: &hubless_node_options) -> Result<Arc<Node>> {
    let session = hubless_shared::open("c");
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
        ahead: Ahead::default(),
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
            no_thread(&error)
        })?;
        *lock(&node.thread) = Some(thread);
    }
    Ok(node)
}

/// Opens a session without a node, with a thread that delivers its events.
pub(crate) fn bare() -> Result<Arc<Node>> {
    // SAFETY: `Options` says that zeroes are a value.
    open(&unsafe { std::mem::zeroed() })
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
    unsafe { entry(err, || give_handle("status", status, || describing(node)?.wait())) }
}

/// As `hubless_node_status`, without blocking: `on_text` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_node_status_async(
    node: *const hubless_node,
    on_text: hubless_on_text,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe {
        entry(err, || describing(node)?.begin(tell::handle(("on_text", on_text), User(user))?))
    }
}

fn describing(node: *const hubless_node) -> Result<Operation<Handle<hubless_text>>> {
    Ok(Operation::new(NODES.get(node)?, "node.status", json!({}), texts::keep))
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
            match crate::stream::give_up(&node, ticket) {
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

/// Counts live sessions, agents, calls, streams, bodies, switches, spendings and test meshes of
/// this process, for leak tests.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_handles() -> usize {
    look(0, hubless_shared::handles)
}

/// Frees the texts of an error and empties it; harmless when it is empty.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_error_clear(err: *mut hubless_error) {
    // SAFETY: the caller vouches for the pointer.
    unsafe { clear(err) };
}
