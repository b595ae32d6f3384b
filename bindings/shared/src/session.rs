//! Sessions: one node each, what the host has open in it, and its queue.
//!
//! Owns: the table of sessions, open operations, and their exactly-once completion. Must not know
//! what an operation does. Tested beside the code and through the public functions.

use crate::bodies::OpenBodies;
use crate::event::{DONE, Event, FAILED};
use crate::foreign::Questions;
use crate::handler::OpenCall;
use crate::json::error::ErrorJson;
use crate::ops::testing::TestPeers;
use crate::ops::{self, AgentEntry, OpenStream, Outcome};
use crate::queue::{Queue, lock};
use crate::results::Results;
use crate::table::{Alive, Table, next_id};
use bytes::Bytes;
use hubless::Node;
use hubless_proto::error::Result;
use hubless_proto::{Error, Kind, limits};
use std::collections::{BTreeMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::oneshot;

/// One host's view of one node.
pub(crate) struct Session {
    /// Language of the host.
    pub(crate) language: &'static str,
    /// True: the host has doubles and no other numbers.
    pub(crate) doubles: AtomicBool,
    pub(crate) queue: Queue,
    /// The node, once it is started.
    pub(crate) node: RwLock<Option<Node>>,
    pub(crate) agents: Table<AgentEntry>,
    pub(crate) calls: Table<Arc<OpenCall>>,
    pub(crate) streams: Table<Arc<OpenStream>>,
    pub(crate) bodies: OpenBodies,
    pub(crate) questions: Questions,
    /// Fake and recorded peers, by the handle of their agent.
    pub(crate) test_peers: TestPeers,
    // None: given up.
    operations: Mutex<BTreeMap<u64, Option<oneshot::Sender<()>>>>,
    results: Results,
    alive: Mutex<Option<Alive>>,
}

type Sessions = BTreeMap<u64, Arc<Session>>;

static OPEN: LazyLock<RwLock<Sessions>> = LazyLock::new(RwLock::default);
/// Sessions that ended; kept for the last events of what was open.
static ENDED: Mutex<VecDeque<(u64, Arc<Session>)>> = Mutex::new(VecDeque::new());

/// Opens a session.
pub(crate) fn open(language: &'static str) -> u64 {
    let id = next_id();
    let session = Arc::new(Session {
        language,
        doubles: AtomicBool::new(false),
        queue: Queue::default(),
        node: RwLock::new(None),
        agents: Table::new("agent"),
        calls: Table::new("call"),
        streams: Table::new("stream"),
        bodies: OpenBodies::default(),
        questions: Questions::default(),
        test_peers: TestPeers::default(),
        operations: Mutex::default(),
        results: Results::default(),
        alive: Mutex::new(Some(Alive::new())),
    });
    OPEN.write().unwrap_or_else(PoisonError::into_inner).insert(id, session);
    id
}

/// The open session of a handle.
pub(crate) fn find(id: u64) -> Option<Arc<Session>> {
    OPEN.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
}

/// The session of a handle, or what is left of it.
pub(crate) fn find_or_ended(id: u64) -> Option<Arc<Session>> {
    find(id).or_else(|| {
        let ended = lock(&ENDED);
        ended.iter().find(|(other, _)| *other == id).map(|(_, session)| Arc::clone(session))
    })
}

/// Ends a session; idempotent.
pub(crate) fn close(id: u64) {
    let removed = OPEN.write().unwrap_or_else(PoisonError::into_inner).remove(&id);
    if let Some(session) = removed {
        session.end();
        if !session.queue.is_finished() {
            let mut ended = lock(&ENDED);
            ended.push_back((id, session));
            if ended.len() > limits::ENDED_SESSIONS {
                ended.pop_front();
            }
        }
    }
}

/// Forgets an ended session once its last events were taken.
pub(crate) fn forget(id: u64) {
    lock(&ENDED).retain(|(other, session)| *other != id || !session.queue.is_finished());
}

/// One operation as it was submitted.
pub(crate) struct Operation {
    pub(crate) ticket: u64,
    pub(crate) name: String,
    pub(crate) body: Bytes,
    pub(crate) attachments: Vec<Bytes>,
}

impl Session {
    /// The node of this session.
    ///
    /// # Errors
    /// `closed` when it was not started, or was closed.
    pub(crate) fn node(&self) -> Result<Node> {
        let node = self.node.read().unwrap_or_else(PoisonError::into_inner).clone();
        node.ok_or_else(|| Error::new(Kind::Closed, "expected a started node"))
    }

    /// A call that is handled in this process, at this node or another one: what asks on through
    /// another node still belongs to it.
    ///
    /// # Errors
    /// `invalid_argument` with field `parent`.
    pub(crate) fn parent(&self, call: u64) -> Result<Arc<OpenCall>> {
        self.calls.get(call).or_else(|error| {
            let open = OPEN.read().unwrap_or_else(PoisonError::into_inner);
            let found = open.values().find_map(|session| session.calls.get(call).ok());
            found.ok_or_else(|| error.with_field("parent"))
        })
    }

    /// Puts the node in, or takes it out.
    pub(crate) fn set_node(&self, node: Option<Node>) -> Option<Node> {
        let mut place = self.node.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut place, node)
    }

    /// Starts an operation; false when the ticket is 0 or already open.
    ///
    /// It runs on the host's thread up to its first wait, so that operations on one call or body
    /// keep the order in which they were submitted; the rest runs on the runtime.
    pub(crate) fn submit(self: &Arc<Self>, operation: Operation) -> bool {
        let ticket = operation.ticket;
        let (cancel, cancelled) = oneshot::channel();
        {
            let mut operations = lock(&self.operations);
            if ticket == 0 || operations.contains_key(&ticket) {
                return false;
            }
            // What ends something has room of its own, so that a full session can be emptied.
            let most = limits::SESSION_OPERATIONS * if ops::ends(&operation.name) { 2 } else { 1 };
            if operations.len() >= most {
                drop(operations);
                self.refuse_more(ticket);
                return true;
            }
            operations.insert(ticket, Some(cancel));
            // The number is that of another operation now.
            self.results.take(ticket);
        }
        let mut completion = Completion { session: Arc::clone(self), ticket, open: true };
        match hubless::executor::handle() {
            Ok(runtime) => begin(runtime, Box::pin(completion.run(operation, cancelled))),
            Err(error) => completion.finish(Err(error)),
        }
        true
    }

    /// Gives an operation up, or what the result of an ended one opened; unknown tickets are
    /// ignored.
    pub(crate) fn cancel(&self, ticket: u64) {
        let open = lock(&self.operations).get_mut(&ticket).map(Option::take);
        match open {
            Some(Some(cancel)) => {
                // An operation that ends at this moment no longer listens.
                let _ = cancel.send(());
            }
            Some(None) => {}
            None => self.let_go(self.results.take(ticket)),
        }
    }

    /// Lets handles of any kind go.
    fn let_go(&self, handles: Vec<u64>) {
        for handle in handles {
            self.bodies.drop_handle(handle);
            ops::drop_stream(self, handle);
            ops::spend::give_back(handle);
            self.test_peers.forget(handle);
            if let Some(agent) = self.agents.take(handle) {
                // Without a runtime there is nothing left to unregister from.
                let _ = hubless::executor::spawn(async move {
                    // Closing the node may have come first.
                    let _ = agent.unregister(Duration::ZERO).await;
                });
            }
        }
    }

    fn has(&self, handle: u64) -> bool {
        let own = self.bodies.has(handle) || self.streams.has(handle) || self.agents.has(handle);
        own || ops::spend::has(handle)
    }

    /// Takes the ticket out: whoever does so says how the operation ended, and the host may use
    /// its number again. The host gets `opened` only if it still wants it.
    fn settle(&self, ticket: u64, opened: Vec<u64>) -> Ending {
        let mut operations = lock(&self.operations);
        let ending = match operations.remove(&ticket) {
            None => Ending::Over,
            Some(None) if !opened.is_empty() => Ending::Unwanted,
            Some(_) => Ending::Wanted,
        };
        if opened.is_empty() {
            return ending;
        }
        if matches!(ending, Ending::Wanted) {
            self.results.keep(ticket, opened, |handle| self.has(handle));
        } else {
            drop(operations);
            self.let_go(opened);
        }
        ending
    }

    fn refuse_more(&self, ticket: u64) {
        let error = Error::new(Kind::Busy, "too many operations are open in this session")
            .with_limit("SESSION_OPERATIONS", limits::SESSION_OPERATIONS as u64);
        self.queue.push(failed(ticket, error));
    }

    /// Ends everything: open operations fail with `closed`, and the node is closed without grace.
    fn end(&self) {
        let open = std::mem::take(&mut *lock(&self.operations));
        for (ticket, cancel) in open {
            let error = Error::new(Kind::Closed, "the session was closed");
            self.queue.push(failed(ticket, error));
            let _ = cancel.map(|cancel| cancel.send(()));
        }
        self.queue.close(|event| matches!(event.kind, DONE | FAILED));
        self.release();
        if let (Some(node), Ok(runtime)) = (self.set_node(None), hubless::executor::handle()) {
            runtime.spawn(async move { node.close(Duration::ZERO).await });
        }
        drop(lock(&self.alive).take());
    }

    /// Lets go of all that the host had open; callers of open calls are failed.
    pub(crate) fn release(&self) {
        drop(self.calls.clear());
        drop(self.streams.clear());
        drop(self.agents.clear());
        self.bodies.clear();
        self.test_peers.clear();
        self.questions.clear();
    }
}

/// Polls once here, the rest on the runtime.
fn begin(runtime: &tokio::runtime::Handle, mut work: Pin<Box<dyn Future<Output = ()> + Send>>) {
    let entered = runtime.enter();
    let mut context = Context::from_waker(Waker::noop());
    // A panic drops the completion with the future, which fails the operation.
    let polled = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut context)));
    drop(entered);
    if matches!(polled, Ok(Poll::Pending)) {
        runtime.spawn(work);
    }
}

/// How an operation ended in the eyes of the host.
enum Ending {
    /// With the session, before.
    Over,
    /// It gave up what a result opened.
    Unwanted,
    /// As it says itself.
    Wanted,
}

fn given_up() -> Error {
    Error::new(Kind::Cancelled, "given up by the host")
}

/// The duty to complete one operation exactly once.
struct Completion {
    session: Arc<Session>,
    ticket: u64,
    open: bool,
}

impl Completion {
    async fn run(mut self, operation: Operation, cancelled: oneshot::Receiver<()>) {
        let result = tokio::select! {
            biased;
            told = cancelled => match told {
                Ok(()) | Err(_) => Err(given_up()),
            },
            result = ops::dispatch(&self.session, operation) => result,
        };
        self.finish(result);
    }

    fn finish(&mut self, result: Result<Outcome>) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        let ticket = self.ticket;
        let (mut then, mut opened) = (None, Vec::new());
        let event = result.map_or_else(
            |error| failed(ticket, error),
            |outcome| {
                (then, opened) = (outcome.then, outcome.opened);
                let (body, attachments) = (outcome.body.into(), outcome.attachments);
                Event { kind: DONE, ticket, body, attachments }
            },
        );
        let event = match self.session.settle(ticket, opened) {
            Ending::Over => return,
            Ending::Unwanted => failed(ticket, given_up()),
            Ending::Wanted => event,
        };
        self.session.queue.push(event);
        if let Some(then) = then {
            then();
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        self.finish(Err(Error::new(Kind::Internal, "the operation ended without a result")));
    }
}

/// The event of a failed operation.
fn failed(ticket: u64, error: Error) -> Event {
    let body = crate::json::encode(&ErrorJson(error));
    Event { kind: FAILED, ticket, body: body.into(), attachments: Vec::new() }
}
