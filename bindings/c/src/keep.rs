//! What a node keeps, and the rest of its operations: one function each.

use crate::agent::object;
use crate::content;
use crate::entry::{entry, give, need, text};
use crate::fault::hubless_error;
use crate::handles::handle;
use crate::request::{hubless_request_options, prepare};
use crate::state::{AGENTS, NODES, TEXTS};
use crate::texts;
use crate::types::{hubless_agent, hubless_node, hubless_status, hubless_str, hubless_text};
use serde_json::{Value, json};

/// Keeps a template of requests: content, context, auth, schemas, tools, metadata as a JSON
/// object. Blocks shortly.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_template_set(
    node: *const hubless_node,
    name: hubless_str,
    template_json: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let name = need("name", name)?;
            let template_json = object("template_json", template_json)?;
            NODES
                .get(node)?
                .run("template.set", (json!({"name": name, "template": template_json}), Vec::new()))
                .map(drop)
        })
    }
}

/// Forgets a template. Blocks shortly.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_template_remove(
    node: *const hubless_node,
    name: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let name = need("name", name)?;
            NODES.get(node)?.run("template.remove", (json!({ "name": name }), Vec::new())).map(drop)
        })
    }
}

/// Pins a name to an agent id: no other key may answer to it. Blocks shortly.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_pin_set(
    node: *const hubless_node,
    name: hubless_str,
    agent_id: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let name = need("name", name)?;
            let agent_id = need("agent_id", agent_id)?;
            NODES
                .get(node)?
                .run("pin.set", (json!({"name": name, "agentId": agent_id}), Vec::new()))
                .map(drop)
        })
    }
}

/// Forgets a pin. Blocks shortly.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_pin_remove(
    node: *const hubless_node,
    name: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let name = need("name", name)?;
            NODES.get(node)?.run("pin.remove", (json!({ "name": name }), Vec::new())).map(drop)
        })
    }
}

/// Gives everything that is public of an agent, by id, address or name, as a JSON text
/// `{descriptor, skills}`. Blocks.
///
/// # Safety
/// The texts are readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_describe(
    node: *const hubless_node,
    agent: hubless_str,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let agent = need("agent", agent)?;
            texts::result(node, "describe", json!({ "agent": agent }), out)
        })
    }
}

/// Imports a static catalogue: a JSON array of descriptors; gives `{loaded, refused}`. Blocks
/// shortly.
///
/// # Safety
/// The texts are readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_load_agents(
    node: *const hubless_node,
    descriptors_json: hubless_str,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let descriptors_json = crate::entry::json("descriptors_json", descriptors_json)?;
            texts::result(node, "loadAgents", json!({ "descriptors": descriptors_json }), out)
        })
    }
}

/// Gives the names of templates as `{templates: […]}`. Blocks shortly.
///
/// # Safety
/// The texts are readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_template_list(
    node: *const hubless_node,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || texts::result(node, "template.list", json!({}), out)) }
}

/// Gives the pins as `{pins: [{name, agentId}]}`. Blocks shortly.
///
/// # Safety
/// The texts are readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_pin_list(
    node: *const hubless_node,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe { entry(err, || texts::result(node, "pin.list", json!({}), out)) }
}

/// Makes a ticket for others to join this mesh; options as a JSON object, or none; gives
/// `{ticket}`. Blocks.
///
/// # Safety
/// The texts are readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_invite(
    node: *const hubless_node,
    options_json: hubless_str,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let options_json = object("options_json", options_json)?;
            texts::result(node, "invite", Value::Object(options_json), out)
        })
    }
}

/// Runs the checks of a hosted agent on a request without calling it; gives `{}` or
/// `{rejection: …}`. Blocks shortly.
///
/// # Safety
/// All pointers are valid; `given` may be NULL; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_check(
    agent: *const hubless_agent,
    content: *const content::hubless_content,
    given: *const hubless_request_options,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give("out", out, std::ptr::null_mut())?;
            let agent = AGENTS.get(agent)?;
            let to = hubless_str::of(&agent.agent_id);
            let ((request, attachments), _, _) = prepare(to, content, given)?.into_parts();
            let body = json!({"agent": agent.id, "request": request});
            let done = agent.node.run("check", (body, attachments))?;
            let text = String::from_utf8_lossy(&done.body).into_owned();
            give("out", out, handle(TEXTS.insert(text).0))
        })
    }
}

/// Joins the mesh of a ticket, for all nodes of this data folder that are started later. `home`
/// may be none. Gives `{meshId}`. Blocks.
///
/// # Safety
/// The texts are readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_join(
    home: hubless_str,
    ticket: hubless_str,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give("out", out, std::ptr::null_mut())?;
            let ticket = need("ticket", ticket)?;
            let home = text("home", home)?;
            let joined = crate::node::without_node(|node| {
                node.run("join", (json!({"ticket": ticket, "home": home}), Vec::new()))
            })?;
            let text = String::from_utf8_lossy(&joined.body).into_owned();
            give("out", out, handle(TEXTS.insert(text).0))
        })
    }
}

/// Reads an id, key, address or name and gives `{text, key?, address?}`: its canonical form, and
/// the key and address (within `mesh`, which may be none) of an agent id. `kind`: `agentId`,
/// `nodeKey`, `meshId`, `address`, `name`, or none for whatever a request may be for.
///
/// # Safety
/// The texts are readable; `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_inspect(
    kind: hubless_str,
    value: hubless_str,
    mesh: hubless_str,
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give("out", out, std::ptr::null_mut())?;
            let body = json!({
                "kind": text("kind", kind)?,
                "text": need("value", value)?,
                "mesh": text("mesh", mesh)?,
            });
            let read =
                crate::node::without_node(|node| node.run("id.inspect", (body, Vec::new())))?;
            let text = String::from_utf8_lossy(&read.body).into_owned();
            give("out", out, handle(TEXTS.insert(text).0))
        })
    }
}

/// Gives every bound of the library as a JSON object `{NAME: value}`, by the names that errors say
/// in `limit_name`: times in milliseconds, sizes in bytes. Needs no node.
///
/// # Safety
/// `out` is writable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_limits(
    out: *mut *mut hubless_text,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            give("out", out, std::ptr::null_mut())?;
            let told =
                crate::node::without_node(|node| node.run("limits", (json!({}), Vec::new())))?;
            let told: Value = told.read()?;
            give("out", out, handle(TEXTS.insert(told["limits"].to_string()).0))
        })
    }
}
