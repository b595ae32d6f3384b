//! How this side proves itself, and how others must: credentials, and the node's own mechanism.
//!
//! Owns: the program's functions that give and check credentials. Must not know what a scheme
//! means, or which credential is for whom. Tested by `include/tests/secrets.c`.

use crate::entry::{entry, function, in_callback, json, need, text};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::lock;
use crate::operation::{OnDrop, Operation};
use crate::pending::Done;
use crate::question::{Asked, OnAuth, hubless_on_auth, open, take};
use crate::state::{NODES, Node, User};
use crate::tell::{self, hubless_on_done};
use crate::types::{hubless_node, hubless_question, hubless_status, hubless_str};
use hubless_shared::Event;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::os::raw::c_void;
use std::sync::Arc;

/// Gives the credential for a target; answered once by `hubless_credential_result`, now or later,
/// on any thread.
pub type hubless_on_credential = Option<
    unsafe extern "C" fn(question: *mut hubless_question, target: hubless_str, user: *mut c_void),
>;
type OnCredential = unsafe extern "C" fn(*mut hubless_question, hubless_str, *mut c_void);

/// The functions that give credentials, by the number of the change that brought them, which is
/// also the key that they are asked with.
#[derive(Default)]
pub(crate) struct Providers {
    /// Number of the last change of a credential.
    last: u64,
    known: BTreeMap<u64, Provider>,
}

/// Checks callers of agents that have no mechanism of their own.
#[derive(Default)]
pub(crate) struct Mechanism {
    /// Number of the last change.
    last: u64,
    /// The function of the last change that the node took.
    taken: Option<(OnAuth, User)>,
    /// Changes that are not over.
    open: BTreeMap<u64, Option<(OnAuth, User)>>,
}

impl Mechanism {
    /// The function that decides: that of the change that was begun last.
    pub(crate) fn function(&self) -> Option<(OnAuth, User)> {
        self.open.last_key_value().map_or(self.taken, |(_, function)| *function)
    }

    /// Begins a change and gives its number.
    fn begin(&mut self, function: Option<(OnAuth, User)>) -> u64 {
        self.last += 1;
        self.open.insert(self.last, function);
        self.last
    }

    /// Ends a change. The node takes them in the order of their numbers, and may tell so in
    /// another one: one that it took ends those before it as well.
    fn end(&mut self, number: u64, taken: bool) {
        let Some(function) = self.open.remove(&number) else { return };
        if taken {
            self.taken = function;
            self.open = self.open.split_off(&number);
        }
    }
}

struct Provider {
    target: String,
    on_credential: OnCredential,
    user: User,
}

impl Providers {
    /// The number of a change that begins.
    fn number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn add(&mut self, provider: Provider) -> u64 {
        let number = self.number();
        self.known.insert(number, provider);
        number
    }

    /// Forgets the functions of a target that a change took the place of. One that was begun later
    /// stays: its function is there before the node knows of it.
    fn forget(&mut self, target: &str, change: u64) {
        self.known.retain(|number, provider| *number >= change || provider.target != target);
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
    unsafe { entry(err, || setting(node, target, (scheme, secret))?.wait()) }
}

/// As `hubless_credential_set`, without blocking: `on_done` comes exactly once, unless this
/// function itself fails.
///
/// # Safety
/// The texts are readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_credential_set_async(
    node: *const hubless_node,
    target: hubless_str,
    scheme: hubless_str,
    secret: hubless_str,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let tell = tell::done(on_done, User(user))?;
            setting(node, target, (scheme, secret))?.begin(tell)
        })
    }
}

unsafe fn setting(
    node: *const hubless_node,
    target: hubless_str,
    (scheme, secret): (hubless_str, hubless_str),
) -> Result<Operation<()>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the texts.
    let (target, scheme, secret) =
        unsafe { (need("target", target)?, text("scheme", scheme)?, need("secret", secret)?) };
    let body = json!({"target": target, "scheme": scheme, "secret": secret});
    let change = lock(&node.providers).number();
    Ok(Operation::early(node, "credential.set", body, forgetting(target, change)))
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
    unsafe { entry(err, || providing(node, target, (on_credential, user))?.wait()) }
}

/// As `hubless_credential_provide`, without blocking: `on_done` comes exactly once, unless this
/// function itself fails. Both functions get the same `user`.
///
/// # Safety
/// As `hubless_credential_provide`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_credential_provide_async(
    node: *const hubless_node,
    target: hubless_str,
    on_credential: hubless_on_credential,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let tell = tell::done(on_done, User(user))?;
            providing(node, target, (on_credential, user))?.begin(tell)
        })
    }
}

unsafe fn providing(
    node: *const hubless_node,
    target: hubless_str,
    (on_credential, user): (hubless_on_credential, *mut c_void),
) -> Result<Operation<()>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the text.
    let target = unsafe { need("target", target)? };
    let on_credential = function("on_credential", on_credential)?;
    let provider = Provider { target: target.clone(), on_credential, user: User(user) };
    // Kept ahead, so that the first question finds it.
    let change = lock(&node.providers).add(provider);
    let body = json!({"target": target, "provider": change.to_string()});
    let of = Arc::clone(&node);
    let undo = OnDrop::new(move || drop(lock(&of.providers).known.remove(&change)));
    let forget = forgetting(target, change);
    let keep = move |node: &Arc<Node>, done: &Done| {
        undo.disarm();
        forget(node, done)
    };
    Ok(Operation::early(node, "credential.set", body, keep))
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
    unsafe { entry(err, || removing(node, target)?.wait()) }
}

/// As `hubless_credential_remove`, without blocking: `on_done` comes exactly once, unless this
/// function itself fails; the function that gave the credential is not called after it.
///
/// # Safety
/// The text is readable; `err` is NULL or initialised.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_credential_remove_async(
    node: *const hubless_node,
    target: hubless_str,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let tell = tell::done(on_done, User(user))?;
            removing(node, target)?.begin(tell)
        })
    }
}

unsafe fn removing(node: *const hubless_node, target: hubless_str) -> Result<Operation<()>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the text.
    let target = unsafe { need("target", target)? };
    let body = json!({ "target": target });
    let change = lock(&node.providers).number();
    Ok(Operation::early(node, "credential.remove", body, forgetting(target, change)))
}

/// Forgets the functions that gave the credential of a target before a change of it, on the thread
/// that would call them.
fn forgetting(
    target: String,
    change: u64,
) -> impl FnOnce(&Arc<Node>, &Done) -> Result<()> + Send + 'static {
    move |node, _| {
        lock(&node.providers).forget(&target, change);
        Ok(())
    }
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
    let known = read.key.parse::<u64>().ok().and_then(|number| {
        lock(&node.providers).known.get(&number).map(|known| (known.on_credential, known.user))
    });
    let Some((on_credential, user)) = known else {
        let body = json!({"id": event.ticket, "failed": true});
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
    unsafe { entry(err, || mechanism(node, auth_json, (on_auth, user))?.wait()) }
}

/// As `hubless_auth_global`, without blocking: `on_done` comes exactly once, unless this function
/// itself fails. Both functions get the same `user`.
///
/// # Safety
/// As `hubless_auth_global`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_auth_global_async(
    node: *const hubless_node,
    auth_json: hubless_str,
    on_auth: hubless_on_auth,
    on_done: hubless_on_done,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let tell = tell::done(on_done, User(user))?;
            mechanism(node, auth_json, (on_auth, user))?.begin(tell)
        })
    }
}

unsafe fn mechanism(
    node: *const hubless_node,
    auth_json: hubless_str,
    (on_auth, user): (hubless_on_auth, *mut c_void),
) -> Result<Operation<()>> {
    let node = NODES.get(node)?;
    // SAFETY: the callers vouch for the text.
    let rule = match (unsafe { json("auth_json", auth_json)? }, on_auth) {
        (Some(rule), None) => json!(rule),
        (None, Some(_)) => json!({"host": true}),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Fault::invalid("auth_json", "expected either it or on_auth"));
        }
    };
    let function = on_auth.map(|on_auth| (on_auth, User(user)));
    // Kept ahead, so that the first question under the rule finds it.
    let change = lock(&node.on_auth).begin(function);
    let of = Arc::clone(&node);
    let undo = OnDrop::new(move || lock(&of.on_auth).end(change, false));
    let keep = move |node: &Arc<Node>, _: &Done| {
        undo.disarm();
        lock(&node.on_auth).end(change, true);
        Ok(())
    };
    Ok(Operation::new(node, "auth.global", json!({ "auth": rule }), keep))
}
