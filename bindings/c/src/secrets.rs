//! How this side proves itself, and how others must: credentials, and the node's own mechanism.
//!
//! Owns: the program's functions that give and check credentials. Must not know what a scheme
//! means, or which credential is for whom. Tested by `include/tests/secrets.c`.

use crate::entry::{entry, in_callback, json, need, text};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::lock;
use crate::pending::Hook;
use crate::question::{Asked, OnAuth, hubless_on_auth, open, take};
use crate::state::{NODES, Node, User};
use crate::types::{hubless_node, hubless_question, hubless_status, hubless_str};
use hubless_shared::Event;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::os::raw::c_void;
use std::sync::Arc;

/// Gives the credential for a target; answered once by `hubless_credential_result`, now or later,
/// on any thread.
pub type hubless_on_credential = Option<
    unsafe extern "C" fn(question: *mut hubless_question, target: hubless_str, user: *mut c_void),
>;
type OnCredential = unsafe extern "C" fn(*mut hubless_question, hubless_str, *mut c_void);

/// The functions that give credentials, by the key that they are asked with.
#[derive(Default)]
pub(crate) struct Providers {
    last: u64,
    known: BTreeMap<String, Provider>,
}

struct Provider {
    target: String,
    on_credential: OnCredential,
    user: User,
}

impl Providers {
    fn add(&mut self, provider: Provider) -> String {
        self.last += 1;
        let key = self.last.to_string();
        self.known.insert(key.clone(), provider);
        key
    }

    /// Forgets the functions of a target, except that of a key.
    fn forget(&mut self, target: &str, except: &str) {
        self.known.retain(|key, provider| key == except || provider.target != target);
    }
}

/// Keeps a credential for a target: an agent id, a mesh id or a URL origin. `scheme` may be
/// none: `shared_secret`. Blocks shortly.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_credential_set(
    node: *const hubless_node,
    target: hubless_str,
    scheme: hubless_str,
    secret: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let target = need("target", target)?;
            let scheme = text("scheme", scheme)?;
            let secret = need("secret", secret)?;
            let body = json!({"target": target, "scheme": scheme, "secret": secret});
            keep(&NODES.get(node)?, "credential.set", body, (target, String::new()))
        })
    }
}

/// Asks the program for the credential of a target, each time it is needed, instead of keeping
/// one. An answer must come within 10 s. Blocks shortly.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised. `user` is valid until the credential of
/// this target was set, provided or removed again, or the node is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_credential_provide(
    node: *const hubless_node,
    target: hubless_str,
    on_credential: hubless_on_credential,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let node = NODES.get(node)?;
            let target = need("target", target)?;
            let missing = || Fault::invalid("on_credential", "expected a function");
            let on_credential = on_credential.ok_or_else(missing)?;
            let user = User(user);
            let provider = Provider { target: target.clone(), on_credential, user };
            let key = lock(&node.providers).add(provider);
            let body = json!({"target": target, "provider": key});
            let kept = keep(&node, "credential.set", body, (target, key.clone()));
            if kept.is_err() {
                lock(&node.providers).known.remove(&key);
            }
            kept
        })
    }
}

/// Forgets a credential, or the function that gives it: it is not called after this returns.
/// Blocks shortly.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_credential_remove(
    node: *const hubless_node,
    target: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let target = need("target", target)?;
            let body = json!({ "target": target });
            keep(&NODES.get(node)?, "credential.remove", body, (target, String::new()))
        })
    }
}

/// Changes the credential of a target, and forgets the functions that gave it before, on the
/// thread that would call them.
fn keep(node: &Arc<Node>, op: &str, body: Value, (target, key): (String, String)) -> Result<()> {
    let of = Arc::clone(node);
    let hook: Hook = Box::new(move |_| lock(&of.providers).forget(&target, &key));
    node.run_as(op, (body, Vec::new()), (Some(hook), |_| Ok(()))).map(drop)
}

/// Gives the credential that was asked for; `scheme` may be none: `shared_secret`; `secret` none:
/// there is none for this target.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_credential_result(
    question: *mut hubless_question,
    scheme: hubless_str,
    secret: hubless_str,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let scheme = text("scheme", scheme)?;
            let secret = text("secret", secret)?;
            let open = take(question, &[Asked::Credential])?;
            let body = match secret {
                Some(secret) => json!({"id": open.id, "scheme": scheme, "secret": secret}),
                None => json!({"id": open.id, "none": true}),
            };
            open.node.tell("credential.result", (body, Vec::new()))
        })
    }
}

#[derive(Deserialize)]
struct CredentialIn {
    key: String,
    target: String,
}

/// Asks the program for a credential.
pub(crate) fn credential(node: &Arc<Node>, event: &Event) {
    let Ok(read) = serde_json::from_slice::<CredentialIn>(&event.body) else { return };
    let provider = lock(&node.providers).known.get(&read.key).map(|p| (p.on_credential, p.user));
    let Some((on_credential, user)) = provider else {
        let body = json!({"id": event.ticket, "none": true});
        let _ = node.tell("credential.result", (body, Vec::new()));
        return;
    };
    let question = open(node, event.ticket, Asked::Credential);
    let target = hubless_str::of(&read.target);
    // SAFETY: the program gave the function for this; the text lives until it returns.
    in_callback(|| unsafe { on_credential(question, target, user.0) });
}

/// Sets how callers prove themselves to agents whose requirements do not say: `auth_json` is
/// `{"none": true}`, `{"sharedSecret": "…"}`, or none with `on_auth`, which then decides. Blocks
/// shortly.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised. `user` is valid until this is set again or
/// the node is closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_auth_global(
    node: *const hubless_node,
    auth_json: hubless_str,
    on_auth: hubless_on_auth,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let node = NODES.get(node)?;
            let rule = match (json("auth_json", auth_json)?, on_auth) {
                (Some(rule), None) => json!(rule),
                (None, Some(_)) => json!({"host": true}),
                (Some(_), Some(_)) | (None, None) => {
                    return Err(Fault::invalid("auth_json", "expected either it or on_auth"));
                }
            };
            let function = on_auth.map(|on_auth| (on_auth, User(user)));
            global(&node, rule, function)
        })
    }
}

/// Kept before the rule holds, so that its first question finds it.
fn global(node: &Node, rule: Value, function: Option<(OnAuth, User)>) -> Result<()> {
    let before = std::mem::replace(&mut *lock(&node.on_auth), function);
    let set = node.run("auth.global", (json!({ "auth": rule }), Vec::new()));
    if set.is_err() {
        *lock(&node.on_auth) = before;
    }
    set.map(drop)
}
