//! From queued events to callbacks: one event at a time, on one thread at a time.

use crate::call;
use crate::entry::in_callback;
use crate::fault::Fault;
use crate::handles::lock;
use crate::pending::Done;
use crate::question;
use crate::secrets;
use crate::state::Node;
use crate::types::hubless_str;
use hubless_shared::Event;
use hubless_shared::event::{
    AUTH, CALL, CANCEL, COUNT, CREDENTIAL, DONE, FAILED, INPUT, LOG, TOOL,
};
use serde::Deserialize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Events taken off the queue at once.
const BATCH: usize = 64;

/// The life of a dispatcher thread.
pub(crate) fn run(node: &Arc<Node>) {
    while hubless_shared::wait(node.session, None) {
        take(node, BATCH);
    }
    node.pending.close();
}

/// Waits for events and delivers them; for a thread that waits in a node without a dispatcher.
pub(crate) fn wait_and_take(node: &Node) {
    if hubless_shared::wait(node.session, None) {
        if let Some(node) = node.me.upgrade() {
            take(&node, BATCH);
        }
    } else {
        node.pending.close();
    }
}

/// Delivers at most `max` events that are there, and says how many.
pub(crate) fn take(node: &Arc<Node>, max: usize) -> usize {
    let events = hubless_shared::drain(node.session, max);
    let count = events.len();
    for event in events {
        if node.pending.is_closed() {
            // A callback has ended the node: it was the last one.
            break;
        }
        // Nothing that goes wrong with one event may keep the next one back.
        let _ = catch_unwind(AssertUnwindSafe(|| deliver(node, event)));
    }
    count
}

fn deliver(node: &Arc<Node>, event: Event) {
    match event.kind {
        DONE => {
            let done = Done { body: event.body, attachments: event.attachments };
            node.pending.end(event.ticket, Ok(done));
        }
        FAILED => node.pending.end(event.ticket, Err(Fault::read(&event.body))),
        CALL => call::begin(node, event),
        CANCEL => call::cancelled(node, &event),
        TOOL => question::tool(node, &event),
        AUTH => question::auth(node, &event),
        COUNT => question::count(node, &event),
        CREDENTIAL => secrets::credential(node, &event),
        INPUT => question::input(node, event),
        LOG => log(node, &event),
        _ => {}
    }
}

#[derive(Deserialize)]
struct LogIn {
    level: String,
    target: String,
    message: String,
    fields: Box<serde_json::value::RawValue>,
}

fn log(node: &Node, event: &Event) {
    let Some((on_log, user)) = &node.on_log else { return };
    let Ok(line) = serde_json::from_slice::<LogIn>(&event.body) else { return };
    let LogIn { level, target, message, fields } = line;
    let texts = [level.as_str(), target.as_str(), message.as_str(), fields.get()];
    let [level, target, message, fields] = texts.map(hubless_str::of);
    // SAFETY: the program gave the function for this; the texts live until it returns.
    in_callback(|| unsafe { on_log(level, target, message, fields, user.0) });
}

/// Forgets what a request lent.
pub(crate) fn forget_lent(node: &Node, ticket: u64) {
    lock(&node.lent).remove(&ticket);
}
