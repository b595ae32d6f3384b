//! Inbound calls: from the core to a `call` event, and what the host has open of them.
//!
//! Owns: the `call` and `cancel` events. Must not know what a handler does. Tested through the
//! public functions.

use crate::event::{CALL, Event};
use crate::foreign;
use crate::json::inbound::InboundOut;
use crate::json::shown::Outlet;
use crate::ops::spend;
use crate::queue::lock;
use crate::session::Session;
use crate::table::next_id;
use hubless::call::content::Content;
use hubless::call::handle::{Call, Inbound};
use hubless::foreign::Handler;
use hubless_proto::Kind;
use hubless_proto::error::Result;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, Weak};
use tokio::sync::Semaphore;

/// An agent as its handler and its checks know it.
pub(crate) struct AgentGate {
    /// Handle of the agent.
    pub(crate) agent: u64,
    // Closed once the host knows the handle: an agent can be called before its registration has
    // returned, and no event may name a handle that the host does not know.
    known: Semaphore,
}

impl AgentGate {
    /// A gate that waits for the host to know the handle.
    pub(crate) fn new(agent: u64) -> Arc<Self> {
        Arc::new(Self { agent, known: Semaphore::new(0) })
    }

    /// The host knows the handle.
    pub(crate) fn open(&self) {
        self.known.close();
    }

    /// Waits until the host knows the handle.
    pub(crate) async fn passed(&self) {
        // Closing is the only thing that ever happens to it.
        let _ = self.known.acquire().await;
    }
}

/// Hands calls of one agent to the host.
pub(crate) struct HostHandler {
    pub(crate) session: Weak<Session>,
    pub(crate) gate: Arc<AgentGate>,
}

/// A call that the host is answering.
pub(crate) struct OpenCall {
    call: Call,
    /// True: an instance of its own answers it.
    pub(crate) fresh: bool,
    session: Weak<Session>,
    /// Streamed parts that were shown with it; let go at its end.
    shown: Mutex<Vec<u64>>,
    /// Spendings that are open; none: the call is over, and nothing more is spent.
    spends: Mutex<Option<BTreeSet<u64>>>,
    /// Keeps what the host sends about this call in the order in which it was submitted.
    pub(crate) order: tokio::sync::Mutex<()>,
}

impl OpenCall {
    /// To answer it.
    pub(crate) const fn call(&self) -> &Call {
        &self.call
    }

    /// Remembers streamed parts that belong to this call.
    pub(crate) fn shown(&self, bodies: &[u64]) {
        lock(&self.shown).extend(bodies);
    }

    /// Remembers a spending that belongs to this call; false: the call is over.
    pub(crate) fn spends(&self, spend: u64) -> bool {
        lock(&self.spends).as_mut().map(|open| open.insert(spend)).is_some()
    }

    /// A spending has ended.
    pub(crate) fn spent(&self, spend: u64) {
        if let Some(open) = lock(&self.spends).as_mut() {
            open.remove(&spend);
        }
    }

    /// Charges what was set aside and never reported; nothing more can be set aside.
    pub(crate) fn charge(&self) {
        let open = lock(&self.spends).take();
        open.into_iter().flatten().for_each(spend::charge);
    }

    /// Lets go of the streamed parts that were not read, and of spendings.
    pub(crate) fn let_go(&self) {
        self.charge();
        let Some(session) = self.session.upgrade() else { return };
        for body in std::mem::take(&mut *lock(&self.shown)) {
            session.bodies.drop_handle(body);
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        // An operation that ends a call may itself be given up.
        self.let_go();
    }
}

impl Handler for HostHandler {
    fn handle(&self, inbound: Inbound) {
        let (session, gate) = (Weak::clone(&self.session), Arc::clone(&self.gate));
        // Without a session there is no host: dropping the call fails the caller.
        if !self.gate.known.is_closed() {
            let held = async move {
                gate.passed().await;
                if let Some(session) = session.upgrade() {
                    begin(&session, gate.agent, inbound);
                }
            };
            // Without a runtime the call is dropped, which fails the caller.
            let _ = hubless::executor::spawn(held);
        } else if let Some(session) = session.upgrade() {
            begin(&session, gate.agent, inbound);
        }
    }
}

fn begin(session: &Arc<Session>, agent: u64, inbound: Inbound) {
    let Inbound { call, content, fresh } = inbound;
    let mut outlet = Outlet::new(session);
    let body = show(&mut outlet, &call, content, (agent, fresh));
    let id = next_id();
    let (attachments, opened) = outlet.into_parts();
    let open = Arc::new(OpenCall {
        call: call.clone(),
        fresh,
        session: Arc::downgrade(session),
        shown: Mutex::new(opened),
        spends: Mutex::new(Some(BTreeSet::new())),
        order: tokio::sync::Mutex::default(),
    });
    session.calls.insert_as(id, Arc::clone(&open));
    let refusal = match body {
        Ok(body) => {
            let event = Event { kind: CALL, ticket: id, body: body.into(), attachments };
            if session.queue.offer(event) {
                watch(Arc::downgrade(session), id, &call);
                return;
            }
            foreign::behind()
        }
        Err(error) => error,
    };
    end(session, id);
    if let Ok(runtime) = hubless::executor::handle() {
        runtime.spawn(async move { call.fail(refusal).await });
    }
}

fn show(
    outlet: &mut Outlet<'_>,
    call: &Call,
    content: Content,
    (agent, fresh): (u64, bool),
) -> Result<Vec<u8>> {
    let Content { message, mut bodies } = content;
    let content = outlet.content(message, &mut bodies)?;
    let out = InboundOut::new(call, content, outlet, (agent, fresh))?;
    Ok(crate::json::encode(&out))
}

/// Tells the host when the call is to be stopped, and forgets it at its end.
fn watch(session: Weak<Session>, id: u64, call: &Call) {
    let Ok(runtime) = hubless::executor::handle() else { return };
    // Does not keep the call open: the host's answer, or its silence, decides.
    let parent = call.parent();
    runtime.spawn(async move {
        parent.over().await;
        let Some(session) = session.upgrade() else { return };
        let Some(open) = end(&session, id) else { return };
        if open.call.is_cancelled() {
            let why = parent.cancelled().await;
            foreign::cancel(&session, id, why.kind, &why.message);
        }
    });
}

/// Tells the host to stop every call that is left.
pub(crate) fn cut(session: &Session) {
    for id in session.calls.ids() {
        if end(session, id).is_some() {
            foreign::cancel(session, id, Kind::Closed, "the node was closed");
        }
    }
}

/// Forgets a call; none when it was forgotten before.
pub(crate) fn end(session: &Session, id: u64) -> Option<Arc<OpenCall>> {
    let open = session.calls.take(id)?;
    open.let_go();
    Some(open)
}
