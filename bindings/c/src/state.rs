//! What the library keeps of nodes, agents, calls and the rest, by handle.

use crate::ahead::Ahead;
use crate::entry::may_block;
use crate::fault::{Fault, Result};
use crate::handles::{Table, lock};
use crate::pending::{Done, Hook, Pending, Told};
use crate::types::{hubless_agent, hubless_call};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::raw::c_void;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, Weak};

/// A pointer of the program, handed back to it and never followed.
#[derive(Clone, Copy)]
pub(crate) struct User(pub(crate) *mut c_void);

// SAFETY: the library hands the pointer back and never follows it; the header says that callbacks
// come from the library's own thread.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

pub(crate) static NODES: Table<Node> = Table::new("node");
pub(crate) static AGENTS: Table<Agent> = Table::new("agent");
pub(crate) static CALLS: Table<crate::call::Call> = Table::new("call");
pub(crate) static REPLIES: Table<crate::reply::Reply> = Table::new("reply");
pub(crate) static BODIES: Table<crate::body::Body> = Table::new("body");
pub(crate) static QUESTIONS: Table<crate::question::Question> = Table::new("question");
pub(crate) static LISTS: Table<crate::find::List> = Table::new("agents");
pub(crate) static WATCHES: Table<crate::watch::Watch> = Table::new("watch");
pub(crate) static SWITCHES: Table<crate::switch::Switch> = Table::new("kill_switch");
pub(crate) static SPENDS: Table<crate::spend::Spend> = Table::new("spend");
pub(crate) static PROVIDERS: Table<crate::provider::Provider> = Table::new("provider");
pub(crate) static TEXTS: Table<String> = Table::new("text");

/// A node and its session.
pub(crate) struct Node {
    pub(crate) me: Weak<Self>,
    pub(crate) session: u64,
    pub(crate) pending: Pending,
    /// True: the program takes events off the queue itself.
    pub(crate) polled: bool,
    pub(crate) bell: Mutex<Option<crate::poll::Bell>>,
    pub(crate) thread: Mutex<Option<std::thread::JoinHandle<()>>>,
    /// Agents by the session's number of them.
    pub(crate) agents: Mutex<BTreeMap<u64, Arc<Agent>>>,
    /// Calls by the session's number of them, with their handles.
    pub(crate) calls: Mutex<BTreeMap<u64, usize>>,
    /// What requests lend, by ticket.
    pub(crate) lent: Mutex<BTreeMap<u64, Arc<crate::question::Lent>>>,
    /// Streams by the ticket that opened them.
    pub(crate) streams: Mutex<BTreeMap<u64, crate::stream::State>>,
    /// The functions that give credentials.
    pub(crate) providers: Mutex<crate::secrets::Providers>,
    /// Checks callers of agents that have no mechanism of their own.
    pub(crate) on_auth: Mutex<crate::secrets::Mechanism>,
    /// What its callbacks have sent ahead.
    pub(crate) ahead: Ahead,
    /// True once someone is ending it.
    pub(crate) ending: AtomicBool,
    pub(crate) on_log: Option<(crate::node::OnLog, User)>,
}

/// An agent with its callbacks.
pub(crate) struct Agent {
    pub(crate) node: Arc<Node>,
    /// Its number in the session.
    pub(crate) id: u64,
    /// Its handle.
    pub(crate) handle: usize,
    pub(crate) callbacks: crate::agent::Callbacks,
    pub(crate) agent_id: String,
    pub(crate) address: String,
    pub(crate) name: String,
    pub(crate) reach: String,
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.callbacks.free();
    }
}

impl Node {
    /// Starts an operation.
    pub(crate) fn submit(&self, ticket: u64, op: &str, work: (Value, Vec<Bytes>)) -> Result<()> {
        let (body, attachments) = work;
        let body = Bytes::from(body.to_string());
        if hubless_shared::submit(self.session, ticket, op, body, attachments) {
            return Ok(());
        }
        Err(Fault::closed("the node is closed"))
    }

    /// Runs an operation to its end; refused inside a callback.
    pub(crate) fn run(&self, op: &str, work: (Value, Vec<Bytes>)) -> Result<Done> {
        self.run_as(op, work, (None, |_| Ok(())))
    }

    /// As `run`; `hook` sees the result before any later event is delivered, and `with` gets the
    /// ticket before the operation starts.
    pub(crate) fn run_as(
        &self,
        op: &str,
        work: (Value, Vec<Bytes>),
        (hook, with): (Option<Hook>, impl FnOnce(u64) -> Result<()>),
    ) -> Result<Done> {
        may_block()?;
        let ticket = self.pending.waiting(hook)?;
        if let Err(fault) = with(ticket).and_then(|()| self.submit(ticket, op, work)) {
            self.pending.forget(ticket);
            return Err(fault);
        }
        let ended = self.pumping(|pump| self.pending.wait(ticket, pump));
        lock(&self.lent).remove(&ticket);
        ended
    }

    /// Waits with what takes events off the queue where no thread of the library does.
    fn pumping<T>(&self, wait: impl FnOnce(Option<&dyn Fn()>) -> T) -> T {
        if self.polled { wait(Some(&|| crate::dispatch::wait_and_take(self))) } else { wait(None) }
    }

    /// Waits until whoever closes the node was told so.
    pub(crate) fn wait_over(&self) {
        self.pumping(|pump| self.pending.wait_over(pump));
    }

    /// Starts an operation whose end is told, and gives its ticket.
    pub(crate) fn begin(&self, op: &str, work: (Value, Vec<Bytes>), told: Told) -> Result<u64> {
        self.begin_as(op, work, told, |_| Ok(()))
    }

    /// As `begin`; `with` gets the ticket before the operation starts.
    pub(crate) fn begin_as(
        &self,
        op: &str,
        work: (Value, Vec<Bytes>),
        told: Told,
        with: impl FnOnce(u64) -> Result<()>,
    ) -> Result<u64> {
        let ticket = self.pending.told(told)?;
        match with(ticket).and_then(|()| self.submit(ticket, op, work)) {
            // Whoever was told of the end hears of no refusal as well.
            Err(fault) if self.pending.forget(ticket) => Err(fault),
            Ok(()) | Err(_) => Ok(ticket),
        }
    }

    /// Keeps a thing of this node under a handle, unless the node was closed meanwhile.
    pub(crate) fn hold<T>(&self, table: &Table<T>, thing: T) -> Result<usize> {
        let kept = table.insert_unless(thing, || self.pending.is_closed());
        kept.ok_or_else(|| Fault::closed("the node is closed"))
    }

    /// Starts an operation whose end is of no interest.
    pub(crate) fn tell(&self, op: &str, work: (Value, Vec<Bytes>)) -> Result<()> {
        self.begin(op, work, Told::new(drop)).map(drop)
    }
}

/// The agent of a handle; none for NULL.
pub(crate) fn agent_of(agent: *const hubless_agent) -> Result<Option<Arc<Agent>>> {
    if agent.is_null() { Ok(None) } else { AGENTS.get(agent).map(Some) }
}

/// The call of a handle; none for NULL.
pub(crate) fn call_of(call: *const hubless_call) -> Result<Option<Arc<crate::call::Call>>> {
    if call.is_null() { Ok(None) } else { CALLS.get(call).map(Some) }
}
