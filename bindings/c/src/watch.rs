//! Agents as they appear, change and go.

use crate::arena::Arena;
use crate::entry::{entry, function, give, in_callback};
use crate::fault::{Result, hubless_error};
use crate::find::{self, hubless_found, hubless_query};
use crate::handles::{Handle, lock};
use crate::operation::Operation;
use crate::pending::{Done, Ended, Told};
use crate::state::{NODES, Node, User, WATCHES};
use crate::tell;
use crate::types::{hubless_node, hubless_status, hubless_str, hubless_watch};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::os::raw::c_void;
use std::sync::{Arc, Mutex};

/// `kind` of a change: the agent matches, or matches now.
pub const HUBLESS_CHANGE_ARRIVED: i32 = 1;
/// `kind` of a change: the agent is different.
pub const HUBLESS_CHANGE_CHANGED: i32 = 2;
/// `kind` of a change: the agent is gone; only id and name are told.
pub const HUBLESS_CHANGE_DEPARTED: i32 = 3;
/// `kind` of a change: changes were left out; all that match follow as arrived.
pub const HUBLESS_CHANGE_LAGGED: i32 = 4;
/// `kind` of a change: nothing more comes. The last one, exactly once.
pub const HUBLESS_CHANGE_END: i32 = 5;

/// Takes a change; `found` is NULL where there is no agent, and lives until it returns.
pub type hubless_on_change =
    Option<unsafe extern "C" fn(kind: i32, found: *const hubless_found, user: *mut c_void)>;
type OnChange = unsafe extern "C" fn(i32, *const hubless_found, *mut c_void);

/// Is told how the beginning of a search ended; owns `watch`, which is NULL unless the status is
/// `HUBLESS_OK`. `err` lives until it returns.
pub type hubless_on_watch = Option<
    unsafe extern "C" fn(
        status: hubless_status,
        watch: *mut hubless_watch,
        err: *const hubless_error,
        user: *mut c_void,
    ),
>;

/// A running search.
pub(crate) struct Watch {
    pub(crate) node: Arc<Node>,
    /// Number of its stream in the session.
    stream: u64,
}

struct Reading {
    node: Arc<Node>,
    stream: u64,
    on_change: OnChange,
    user: User,
    // The agents known from the last items, so that a snapshot can be told as arrivals.
    ended: Mutex<bool>,
}

#[derive(Deserialize)]
struct Opened {
    stream: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Departed {
    agent_id: String,
    name: String,
}

#[derive(Deserialize)]
struct ChangeIn {
    arrived: Option<Box<RawValue>>,
    changed: Option<Box<RawValue>>,
    departed: Option<Departed>,
    lagged: Option<u64>,
    snapshot: Option<Vec<Box<RawValue>>>,
}

#[derive(Deserialize)]
struct ItemsIn {
    items: Vec<Box<RawValue>>,
    end: bool,
}

/// Tells agents that match as they are found, each once, until it is freed. Blocks shortly.
///
/// # Safety
/// `query` is NULL or valid; `watch` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_discover(
    node: *const hubless_node,
    query: *const hubless_query,
    on_change: hubless_on_change,
    user: *mut c_void,
    watch: *mut *mut hubless_watch,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let wait = || searching(node, ("discover", query), (on_change, user))?.wait();
            started(watch, wait)
        })
    }
}

/// As `hubless_discover`, without blocking: `on_watch` comes exactly once, unless this function
/// itself fails, and before the first change; none comes unless its status is `HUBLESS_OK`. Both
/// functions get the same `user`.
///
/// # Safety
/// `query` is NULL or valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_discover_async(
    node: *const hubless_node,
    query: *const hubless_query,
    on_change: hubless_on_change,
    on_watch: hubless_on_watch,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            searching(node, ("discover", query), (on_change, user))?
                .begin(told(on_watch, User(user))?)
        })
    }
}

/// Tells what matches, then every change of it, until it is freed. Blocks shortly.
///
/// # Safety
/// `query` is NULL or valid; `watch` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_watch_start(
    node: *const hubless_node,
    query: *const hubless_query,
    on_change: hubless_on_change,
    user: *mut c_void,
    watch: *mut *mut hubless_watch,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let wait = || searching(node, ("watch", query), (on_change, user))?.wait();
            started(watch, wait)
        })
    }
}

/// As `hubless_watch_start`, without blocking: `on_watch` comes exactly once, unless this function
/// itself fails, and before the first change; none comes unless its status is `HUBLESS_OK`. Both
/// functions get the same `user`.
///
/// # Safety
/// `query` is NULL or valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_watch_start_async(
    node: *const hubless_node,
    query: *const hubless_query,
    on_change: hubless_on_change,
    on_watch: hubless_on_watch,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            searching(node, ("watch", query), (on_change, user))?.begin(told(on_watch, User(user))?)
        })
    }
}

/// A search that has begun, and is not read yet.
struct Started {
    watch: Handle<hubless_watch>,
    reading: Arc<Reading>,
}

unsafe fn searching(
    node: *const hubless_node,
    (op, query): (&'static str, *const hubless_query),
    (on_change, user): (hubless_on_change, *mut c_void),
) -> Result<Operation<Started>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the query.
    let body = unsafe { find::body(query)? };
    let (on_change, user) = (function("on_change", on_change)?, User(user));
    let keep = move |node: &Arc<Node>, done: &Done| {
        let Opened { stream } = done.read()?;
        let id = node.hold(&WATCHES, Watch { node: Arc::clone(node), stream })?;
        let node = Arc::clone(node);
        let reading = Reading { node, stream, on_change, user, ended: Mutex::new(false) };
        Ok(Started { watch: Handle::of(id), reading: Arc::new(reading) })
    };
    Ok(Operation::new(node, op, body, keep))
}

/// Gives the program its search before the first change of it.
///
/// # Safety
/// `watch` is NULL or writable.
unsafe fn started(
    watch: *mut *mut hubless_watch,
    wait: impl FnOnce() -> Result<Started>,
) -> Result<()> {
    // SAFETY: as the caller says.
    unsafe {
        give("watch", watch, std::ptr::null_mut())?;
        let begun = wait()?;
        give("watch", watch, begun.watch.shown())?;
        // A node that was closed meanwhile has called back for the last time.
        read(&begun.reading).or_else(|fault| {
            give("watch", watch, std::ptr::null_mut())?;
            Err(fault)
        })
    }
}

/// As `started`, for who is told.
fn told(
    on_watch: hubless_on_watch,
    user: User,
) -> Result<impl FnOnce(Result<Started>) + Send + 'static> {
    let tell = tell::handle(("on_watch", on_watch), user)?;
    Ok(move |ended: Result<Started>| match ended {
        Ok(Started { watch, reading }) => {
            tell(Ok(watch));
            read_on(&reading);
        }
        Err(fault) => tell(Err(fault)),
    })
}

/// Reads until the end; a node that is closed reads nothing more, which is the end as well.
fn read_on(reading: &Arc<Reading>) {
    if read(reading).is_err() {
        reading.over();
    }
}

/// Reads once, and then on. When this fails, nothing is told.
fn read(reading: &Arc<Reading>) -> Result<()> {
    let reads = Arc::clone(reading);
    let told = Told::new(move |ended: Ended| {
        let items = ended.and_then(|done| done.read::<ItemsIn>());
        match items {
            Ok(ItemsIn { items, end }) => {
                for item in &items {
                    reads.item(item);
                }
                if end { reads.over() } else { read_on(&reads) }
            }
            Err(_) => reads.over(),
        }
    });
    let work = (json!({"stream": reading.stream}), Vec::new());
    reading.node.begin("stream.next", work, told).map(drop)
}

impl Reading {
    fn item(&self, item: &RawValue) {
        let Ok(change) = serde_json::from_str::<ChangeIn>(item.get()) else { return };
        let ChangeIn { arrived, changed, departed, lagged, snapshot } = change;
        if lagged.is_some() {
            self.call(HUBLESS_CHANGE_LAGGED, None);
        } else if let Some(departed) = departed {
            let mut arena = Arena::default();
            let found = hubless_found {
                size: size_of::<hubless_found>(),
                agent_id: arena.text(departed.agent_id),
                address: hubless_str::NONE,
                name: arena.text(departed.name),
                description: hubless_str::NONE,
                node_key: hubless_str::NONE,
                path: hubless_str::NONE,
                score: 0.0,
                json: hubless_str::NONE,
            };
            self.call(HUBLESS_CHANGE_DEPARTED, Some(&found));
        } else if let Some(changed) = changed {
            self.found(HUBLESS_CHANGE_CHANGED, &changed);
        } else if let Some(snapshot) = snapshot {
            for found in &snapshot {
                self.found(HUBLESS_CHANGE_ARRIVED, found);
            }
        } else {
            // What `discover` gives is an agent itself.
            self.found(HUBLESS_CHANGE_ARRIVED, arrived.as_deref().unwrap_or(item));
        }
    }

    fn found(&self, kind: i32, found: &RawValue) {
        let mut arena = Arena::default();
        if let Ok(found) = find::show(found, &mut arena) {
            self.call(kind, Some(&found));
        }
    }

    fn over(&self) {
        if !std::mem::replace(&mut *lock(&self.ended), true) {
            self.call(HUBLESS_CHANGE_END, None);
        }
    }

    fn call(&self, kind: i32, found: Option<&hubless_found>) {
        let found = found.map_or(std::ptr::null(), |found| &raw const *found);
        // SAFETY: the program gave the function for this; the memory lives until it returns.
        in_callback(|| unsafe { (self.on_change)(kind, found, self.user.0) });
    }
}

/// Ends a search. Its last change is `HUBLESS_CHANGE_END`. Never blocks.
#[unsafe(no_mangle)]
pub extern "C" fn hubless_watch_free(watch: *mut hubless_watch) -> hubless_status {
    // SAFETY: no error is filled.
    unsafe {
        entry(std::ptr::null_mut(), || {
            let open = WATCHES.remove(watch)?;
            open.node.tell("stream.drop", (json!({"stream": open.stream}), Vec::new()))
        })
    }
}
