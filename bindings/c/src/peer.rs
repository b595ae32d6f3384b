//! Fake and recorded peers of tests.
//!
//! Owns: the form in which they are asked for. Must not know: scripts, matching and recordings,
//! which are the library's below. Tested by `include/tests/testing.c`.

use crate::agent::{Callbacks, hubless_on_registered, keep, object};
use crate::entry::{Options, entry, give, give_handle, is_callback, json, need, options, text};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::Handle;
use crate::operation::{Operation, nothing};
use crate::pending::Done;
use crate::state::{AGENTS, NODES, Node, User};
use crate::tell::{self, hubless_on_done};
use crate::texts::{self, hubless_on_text};
use crate::types::{hubless_agent, hubless_node, hubless_status, hubless_str, hubless_text};
use serde_json::{Map, Value, json};
use std::os::raw::c_void;
use std::sync::Arc;

/// Options of `hubless_testing_peer`. Zero means the default everywhere. With `record` it is a
/// recorder, with `replay` it answers as recorded, else by `script_json`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_testing_options {
    /// `sizeof(hubless_testing_options)`.
    pub size: usize,
    /// Name of the peer; none in `replay`: the recorded one.
    pub name: hubless_str,
    /// What it answers, as a JSON object `{mode?, steps?, otherwise?}`; none: it refuses all.
    pub script_json: hubless_str,
    /// File of a recording, from which it answers.
    pub replay: hubless_str,
    /// In `replay`: `byContent`, `strict` or `loose`; none: as recorded, `strict`.
    pub mode: hubless_str,
    /// Id, address or name of a real peer, which requests are handed on to and recorded.
    pub record: hubless_str,
    /// In `record`: further names whose values are kept out, as a JSON array of texts.
    pub redact_json: hubless_str,
    /// In `record`: scheme of the credential for the real peer; none: `shared_secret`.
    pub auth_scheme: hubless_str,
    /// In `record`: that credential; none: none is sent.
    pub auth_secret: hubless_str,
    /// All other fields of the contract's `register`, such as `skills`, as a JSON object.
    pub options_json: hubless_str,
}

// SAFETY: `repr(C)`, begins with its size, all zero is a value.
unsafe impl Options for hubless_testing_options {}

/// Registers a peer of a test, which the library answers for. Blocks shortly. `agent` is that of
/// `hubless_testing_asked` and the others; it is freed by `hubless_agent_free`, or stays until its
/// node is closed. A request that no step of a script fits is refused: kind `handler_failed`, code
/// `script_unmatched` or `script_used_up`, with a message that names what came.
/// `HUBLESS_INVALID_ARGUMENT` naming the place in the script; `HUBLESS_CONFIGURATION`, code
/// `bad_file` or `newer_format`, for a recording that cannot be read.
///
/// # Safety
/// `given` is valid; `agent` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_testing_peer(
    node: *const hubless_node,
    given: *const hubless_testing_options,
    agent: *mut *mut hubless_agent,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give("agent", agent, std::ptr::null_mut())?;
            give("agent", agent, registration(node, given)?.wait()?.shown())
        })
    }
}

/// As `hubless_testing_peer`, without blocking: `on_registered` comes exactly once, unless this
/// function itself fails.
///
/// # Safety
/// `given` is valid; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_testing_peer_async(
    node: *const hubless_node,
    given: *const hubless_testing_options,
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
    given: *const hubless_testing_options,
) -> Result<Operation<Handle<hubless_agent>>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the options.
    let (op, body) = unsafe { body(&options(given)?)? };
    let keep = |node: &Arc<Node>, done: &Done| Ok(keep(node, done.read()?, Callbacks::none()));
    Ok(Operation::early(node, op, body, keep))
}

/// Which operation it is, and its body.
///
/// # Safety
/// The texts are readable.
unsafe fn body(given: &hubless_testing_options) -> Result<(&'static str, Value)> {
    // SAFETY: the caller vouches for the texts.
    unsafe {
        let mut agent = object("options_json", given.options_json)?;
        if let Some(name) = text("name", given.name)? {
            agent.insert("name".to_owned(), name.into());
        }
        let (replay, record) = (text("replay", given.replay)?, text("record", given.record)?);
        let script = json("script_json", given.script_json)?;
        let mut body = Map::from_iter([("agent".to_owned(), Value::Object(agent))]);
        let op = match (replay, record, script) {
            (Some(path), None, None) => {
                body.insert("path".to_owned(), path.into());
                if let Some(mode) = text("mode", given.mode)? {
                    body.insert("mode".to_owned(), mode.into());
                }
                "testing.replay"
            }
            (None, Some(to), None) => {
                body.insert("to".to_owned(), to.into());
                recorded(given, &mut body)?;
                "testing.record"
            }
            (None, None, script) => {
                body.extend(script.map(|script| ("script".to_owned(), json!(script))));
                "testing.fake"
            }
            _ => {
                let message = "expected one of script_json, replay and record";
                return Err(Fault::invalid("script_json", message));
            }
        };
        Ok((op, Value::Object(body)))
    }
}

/// What only a recorder has.
///
/// # Safety
/// The texts are readable.
unsafe fn recorded(given: &hubless_testing_options, body: &mut Map<String, Value>) -> Result<()> {
    // SAFETY: the caller vouches for the texts.
    unsafe {
        if let Some(redact) = json("redact_json", given.redact_json)? {
            body.insert("redact".to_owned(), json!(redact));
        }
        if let Some(secret) = text("auth_secret", given.auth_secret)? {
            let scheme = text("auth_scheme", given.auth_scheme)?;
            let scheme = scheme.unwrap_or_else(|| "shared_secret".to_owned());
            body.insert("auth".to_owned(), json!({"scheme": scheme, "secret": secret}));
        }
        Ok(())
    }
}

/// Waits until a fake peer was asked `at_least` so often, and gives what it was asked as a JSON
/// text `{count, asked: [{skill, content, caller, step, ending}]}`, the last 10,000 of
/// 64 MiB at most, oldest first. Blocks.
///
/// # Safety
/// `asked` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_testing_asked(
    agent: *const hubless_agent,
    at_least: u64,
    asked: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("asked", asked, || asking(agent, at_least)?.wait())) }
}

/// As `hubless_testing_asked`, without blocking: `on_text` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_testing_asked_async(
    agent: *const hubless_agent,
    at_least: u64,
    on_text: hubless_on_text,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe {
        entry(err, || {
            asking(agent, at_least)?.begin(tell::handle(("on_text", on_text), User(user))?)
        })
    }
}

fn asking(agent: *const hubless_agent, at_least: u64) -> Result<Operation<Handle<hubless_text>>> {
    let agent = AGENTS.get(agent)?;
    let body = json!({"agent": agent.id, "atLeast": at_least});
    Ok(Operation::new(Arc::clone(&agent.node), "testing.asked", body, texts::keep))
}

/// Opens a gate of a script for good: answers of steps with this `hold` go on. Inside a callback it
/// returns at once, and what the node refuses is not told.
///
/// # Safety
/// `gate` is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_testing_release(
    agent: *const hubless_agent,
    gate: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let agent = AGENTS.get(agent)?;
            let work = (json!({"agent": agent.id, "gate": need("gate", gate)?}), Vec::new());
            // Its end is told to the program: it must not outlive a close while this waits.
            let node = Arc::clone(&agent.node);
            drop(agent);
            if is_callback() {
                node.tell("testing.release", work)
            } else {
                node.run("testing.release", work).map(drop)
            }
        })
    }
}

/// Checks that the whole script of a fake peer was asked for, and nothing else:
/// `HUBLESS_CONFLICT`, code `script_unmet`, naming what is open and what did not fit. Blocks
/// shortly.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_testing_verify(
    agent: *const hubless_agent,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe { entry(err, || verifying(agent)?.wait()) }
}

/// As `hubless_testing_verify`, without blocking: `on_done` comes exactly once, unless this
/// function itself fails.
///
/// # Safety
/// `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_testing_verify_async(
    agent: *const hubless_agent,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for `err`.
    unsafe { entry(err, || verifying(agent)?.begin(tell::done(on_done, User(user))?)) }
}

fn verifying(agent: *const hubless_agent) -> Result<Operation<()>> {
    let agent = AGENTS.get(agent)?;
    let body = json!({ "agent": agent.id });
    Ok(Operation::new(Arc::clone(&agent.node), "testing.verify", body, nothing))
}

/// Writes what a recorder recorded, whole or not at all, and gives `{steps, open}`: requests that
/// are in it, and those that had not ended and are not. Values under names such as `password`,
/// `token` and `apiKey` are never in it, nor credentials of requests; bytes of blobs are not looked
/// into. `HUBLESS_TOO_LARGE` beyond 10,000 requests or 64 MiB. Blocks shortly.
///
/// # Safety
/// `path` is readable; `saved` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_testing_save(
    agent: *const hubless_agent,
    path: hubless_str,
    saved: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || give_handle("saved", saved, || saving(agent, path)?.wait())) }
}

/// As `hubless_testing_save`, without blocking: `on_text` comes exactly once, unless this function
/// itself fails.
///
/// # Safety
/// `path` is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_testing_save_async(
    agent: *const hubless_agent,
    path: hubless_str,
    on_text: hubless_on_text,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || saving(agent, path)?.begin(tell::handle(("on_text", on_text), User(user))?))
    }
}

unsafe fn saving(
    agent: *const hubless_agent,
    path: hubless_str,
) -> Result<Operation<Handle<hubless_text>>> {
    let agent = AGENTS.get(agent)?;
    // SAFETY: the callers vouch for the text.
    let path = unsafe { need("path", path)? };
    let body = json!({"agent": agent.id, "path": path});
    Ok(Operation::new(Arc::clone(&agent.node), "testing.save", body, texts::keep))
}
