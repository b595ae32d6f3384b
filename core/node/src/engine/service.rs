//! The engine itself: whom requests are for, and how many run.

use super::hosted::Hosted;
use super::returns::Returns;
use super::run::Arrival;
use super::{memory, room, run};
use crate::audit::Audit;
use crate::budget::Treasury;
use crate::call::body::Bodies;
use crate::call::kept::Kept;
use crate::call::pipe::CalleeEnd;
use crate::foreign::Authenticator;
use crate::spans::Recorder;
use crate::usage::Tally;
use hubless_proto::error::{Error, Kind, Result, Retry};
use hubless_proto::identity::{AgentId, MeshId, NodeKey};
use hubless_proto::memo::Duplicates;
use hubless_proto::policy::{AuthRule, Caller, CallerKind};
use hubless_proto::registry::Registry;
use hubless_proto::wire::v1;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

/// The node's own mechanism of auth, and the user's function behind it.
type NodeAuth = (AuthRule, Option<Arc<dyn Authenticator>>);

/// Everything that answers calls in this node.
pub(crate) struct Engine {
    node: NodeKey,
    treasury: Arc<Treasury>,
    spans: Arc<Recorder>,
    audit: Arc<Audit>,
    tally: Arc<Tally>,
    pub(crate) registry: Mutex<Registry<Arc<Hosted>>>,
    auth: Mutex<NodeAuth>,
    pub(super) duplicates: Mutex<Duplicates<Arc<Kept>>>,
    pub(super) running: Mutex<memory::Running>,
    calls: AtomicUsize,
    /// Fires whenever a call ends.
    ended: Notify,
    serials: AtomicU64,
    closing: AtomicBool,
    /// Who carries answers that do not go back on the connection.
    returns: OnceLock<Arc<dyn Returns>>,
    /// Calls of all agents together, when the node has a bound.
    room: Option<Arc<Semaphore>>,
}

impl Engine {
    pub(crate) fn new(
        treasury: Arc<Treasury>,
        (spans, audit, tally): (Arc<Recorder>, Arc<Audit>, Arc<Tally>),
        mesh: MeshId,
        max_concurrency: Option<usize>,
    ) -> Self {
        Self {
            node: treasury.node(),
            treasury,
            spans,
            audit,
            tally,
            registry: Mutex::new(Registry::new(mesh)),
            auth: Mutex::new((AuthRule::None, None)),
            duplicates: Mutex::new(Duplicates::new()),
            running: Mutex::default(),
            calls: AtomicUsize::new(0),
            ended: Notify::new(),
            serials: AtomicU64::new(1),
            closing: AtomicBool::new(false),
            returns: OnceLock::new(),
            room: max_concurrency.map(|most| Arc::new(Semaphore::new(most))),
        }
    }

    pub(crate) const fn node(&self) -> NodeKey {
        self.node
    }

    /// What is remembered of calls, made and handled.
    pub(crate) const fn spans(&self) -> &Arc<Recorder> {
        &self.spans
    }

    /// What happens is written down here.
    pub(crate) const fn audit(&self) -> &Arc<Audit> {
        &self.audit
    }

    /// What calls used.
    pub(crate) const fn tally(&self) -> &Arc<Tally> {
        &self.tally
    }

    /// What calls are paid from.
    pub(crate) const fn treasury(&self) -> &Arc<Treasury> {
        &self.treasury
    }

    /// Takes one request in; its answer leaves through `end`. Must be called on the runtime.
    pub(crate) fn inbound(
        self: &Arc<Self>,
        caller: Caller,
        request: v1::Request,
        bodies: Bodies,
        end: CalleeEnd,
    ) {
        let arrived = Instant::now();
        let arrival = Arrival { caller, request, bodies, arrived, delivery: None };
        let engine = Arc::clone(self);
        let counted = Counted::begin(&engine);
        tokio::spawn(async move {
            let _counted = counted;
            run::run(engine, arrival, end).await;
        });
    }

    /// The agent that a request names.
    pub(super) fn called(&self, caller: &Caller, request: &v1::Request) -> Result<Arc<Hosted>> {
        // What running handlers ask of each other belongs to what may still end.
        let nested = caller.kind == CallerKind::Local && request.depth > 0;
        if self.closing.load(Ordering::Acquire) && !nested {
            // Another node may find the agent elsewhere; for the own one everything is over.
            let own = caller.kind == CallerKind::Local;
            let kind = if own { Kind::Closed } else { Kind::NotFound };
            return Err(Error::refusal(kind, "closing", "the node is closing"));
        }
        let id = AgentId::from_slice(&request.to)?;
        let registry = lock(&self.registry);
        let named = request.to_name.parse().ok().and_then(|name| registry.by_name(&name));
        let found = named.filter(|agent| agent.id == id).or_else(|| registry.by_id(&id));
        let found = found.map(|agent| Arc::clone(&agent.value));
        found.ok_or_else(|| {
            Error::refusal(Kind::NotFound, "agent", "no such agent lives here")
                .with_field("to")
                .with_agent(id)
        })
    }

    pub(crate) fn auth(&self) -> NodeAuth {
        lock(&self.auth).clone()
    }

    pub(crate) fn set_auth(&self, auth: NodeAuth) {
        *lock(&self.auth) = auth;
    }

    /// Names who carries answers that do not go back on the connection; the first stands.
    pub(crate) fn set_returns(&self, returns: Arc<dyn Returns>) {
        let _ = self.returns.set(returns);
    }

    pub(super) fn returns(&self) -> Result<Arc<dyn Returns>> {
        self.returns
            .get()
            .cloned()
            .ok_or_else(|| Error::refusal(Kind::Closed, "closing", "the node is closing"))
    }

    pub(crate) fn serial(&self) -> u64 {
        self.serials.fetch_add(1, Ordering::Relaxed)
    }

    /// Counts a call against the bound of the whole node.
    pub(super) fn enter(&self, place: room::Place) -> Result<room::Place> {
        let Some(room) = &self.room else { return Ok(place) };
        let permit = Arc::clone(room).try_acquire_owned().map_err(|_| {
            Error::refusal(Kind::Busy, "node", "the node has no room for another call")
                .with_retry(Retry::AfterMs(100))
        })?;
        Ok(place.within(permit))
    }

    /// Calls that run or wait here.
    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::Acquire)
    }

    /// Refuses every new call.
    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Waits until no call runs here.
    pub(crate) async fn idle(&self) {
        loop {
            let ended = self.ended.notified();
            if self.calls() == 0 {
                return;
            }
            ended.await;
        }
    }
}

/// One call among those that run here.
struct Counted(Arc<Engine>);

impl Counted {
    fn begin(engine: &Arc<Engine>) -> Self {
        engine.calls.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(engine))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::AcqRel);
        self.0.ended.notify_waiters();
    }
}

/// A lock whose holder panicked holds plain values: they stay usable.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
