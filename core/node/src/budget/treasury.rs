//! The one ledger of a node, and what moves its outputs to its inputs.

use super::Amount;
use super::durable::{failed, refused};
use super::gateway::Gateway;
use super::guards::{Funded, Held, Reservation};
use super::hourly::Hourly;
use super::receipts::Framed;
use super::refunds::Refunds;
use super::rows::{InMemory, Rows, Written};
use super::state::{Effect, Handled, State};
use super::switch::Switch;
use super::tree::{self, Branch};
use crate::audit::Audit;
use crate::call::core::CallCore;
use crate::chance;
use crate::engine::lock;
use crate::executor;
use crate::mesh::Mesh;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{MeshId, NodeKey};
use hubless_proto::killswitch::{
    Budget, Ending, Grant, GrantId, Input, Ledger, Message, Now, Origin, Owner, Reading,
    ReservationId, View, WrongCodes,
};
use hubless_proto::limits;
use hubless_proto::wire::v1;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio_util::task::TaskTracker;

/// A clock that stands still while the machine sleeps is not trusted for longer.
const SLEEP_MAX: Duration = Duration::from_secs(1);

/// The ledger of a node at work.
pub(crate) struct Treasury {
    pub(super) mesh: Mesh,
    pub(super) rows: Box<dyn Rows>,
    pub(super) written: Arc<Written>,
    pub(super) state: Mutex<State>,
    /// What principals of a listener may spend in an hour.
    pub(super) hourly: Hourly,
    /// Fires when something is due sooner.
    wake: Notify,
    /// Fires when a last word was acknowledged.
    acknowledged: Notify,
    /// Fires when a last word came.
    pub(super) settled: Notify,
    /// Fires when the store said something.
    pub(super) persisted: Notify,
    /// Where keys of a provider are made for, if anywhere.
    pub(super) gateway: OnceLock<Arc<Gateway>>,
    /// What comes back of grants that others hold.
    pub(super) refund: OnceLock<Refunds>,
    /// Keys that went with grants, and whether their end is being asked for.
    pub(super) framed: Mutex<BTreeMap<GrantId, Framed>>,
    /// Codes that are none, by the node that showed them.
    pub(super) wrong_codes: Mutex<WrongCodes<NodeKey>>,
    /// What is being told there.
    pub(super) telling: TaskTracker,
    /// Hears what peers say before the ledger does, which gets what it gives back.
    #[cfg(test)]
    pub(super) ear: OnceLock<Ear>,
}

#[cfg(test)]
pub(super) type Ear = Box<dyn Fn(NodeKey, Message) -> Option<Message> + Send + Sync>;

pub(super) fn now() -> Now {
    Now { clock_ms: chance::clock_ms(), unix_ms: chance::now_ms() }
}

impl Treasury {
    /// A ledger that dies with its process.
    pub(crate) fn in_memory(mesh: Mesh, audit: Arc<Audit>) -> Arc<Self> {
        let rows = Box::new(InMemory);
        let owner =
            Owner { node: mesh.node_key(), instance: mesh.instance(), keeping: rows.keeping() };
        Self::with(mesh, rows, Ledger::new(owner), (Arc::default(), audit))
    }

    pub(super) fn with(
        mesh: Mesh,
        rows: Box<dyn Rows>,
        ledger: Ledger,
        (written, audit): (Arc<Written>, Arc<Audit>),
    ) -> Arc<Self> {
        Arc::new(Self {
            mesh,
            rows,
            written,
            state: Mutex::new(State::new(ledger.seeded(chance::bytes()), audit)),
            hourly: Hourly::default(),
            wake: Notify::new(),
            acknowledged: Notify::new(),
            settled: Notify::new(),
            persisted: Notify::new(),
            gateway: OnceLock::new(),
            refund: OnceLock::new(),
            framed: Mutex::default(),
            wrong_codes: Mutex::new(WrongCodes::new("REDEEM_WRONG", limits::REDEEM_WRONG)),
            telling: TaskTracker::new(),
            #[cfg(test)]
            ear: OnceLock::new(),
        })
    }

    /// Does what is due when it is due, for ever.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let next = lock(&self.state).ledger.poll_timeout();
            let wait = next.map(|at_ms| {
                let left = Duration::from_millis(at_ms.saturating_sub(chance::clock_ms()));
                left.min(SLEEP_MAX)
            });
            tokio::select! {
                () = self.wake.notified() => {}
                () = self.written.changed() => self.look_at_rows(),
                () = sleep(wait) => self.work(|_, _| ()),
            }
        }
    }

    /// Takes one input, and does what comes of it.
    pub(super) fn put(self: &Arc<Self>, input: Input) {
        self.work(|state, now| state.ledger.handle(input, now));
    }

    /// A peer said something about a grant; a last word without receipts, where only those free,
    /// waits for that of the gateway.
    pub(crate) fn receive(self: &Arc<Self>, from: NodeKey, message: Message) {
        #[cfg(test)]
        let Some(message) = (match self.ear.get() {
            Some(ear) => ear(from, message),
            None => Some(message),
        }) else {
            return;
        };
        if let Some(message) = self.ask_gateway(from, message) {
            self.receive_now(from, message);
        }
    }

    pub(super) fn receive_now(self: &Arc<Self>, from: NodeKey, message: Message) {
        let mut settled = None;
        let acknowledged = match &message {
            // A grant comes with its call only.
            Message::Grant(_) => return,
            Message::SettleAck { grant } => Some(*grant),
            Message::Settle(settlement) => {
                settled = Some(settlement.grant);
                None
            }
            Message::Refused { .. }
            | Message::Progress { .. }
            | Message::RenewAsk { .. }
            | Message::Renew { .. }
            | Message::Beacon(_)
            | Message::Recall { .. }
            | Message::Trip(_) => None,
            Message::OperatorStop(stop) => {
                // Whom it is refused is in the audit log.
                let _ = self.operator_stop(from, stop);
                return;
            }
        };
        let news = self.work(|state, now| {
            if let Some(grant) = acknowledged {
                state.unsaid.remove(&grant);
            }
            let news = state.stop_of_gateway(&message);
            state.ledger.handle(Input::Receive { from, message }, now);
            if let Some(grant) = settled {
                state.answered.remove(&grant);
            }
            news
        });
        if let Some(trip) = news {
            self.tell_gateway(trip);
        }
        if acknowledged.is_some() {
            self.acknowledged.notify_waiters();
        }
        if settled.is_some() {
            self.settled.notify_waiters();
        }
    }

    /// A peer said what its clock reads.
    pub(crate) fn clock(self: &Arc<Self>, peer: NodeKey, reading: Reading) {
        self.put(Input::Clock { peer, reading });
        // Whoever waits for it to cut a grant.
        self.settled.notify_waiters();
    }

    /// A peer is gone.
    pub(crate) fn gone(self: &Arc<Self>, peer: NodeKey) {
        self.work(|state, now| {
            state.answered.retain(|_, answered| answered.holder != peer);
            state.ledger.handle(Input::Gone { peer }, now);
        });
        self.settled.notify_waiters();
    }

    /// Waits until every last word of this node was acknowledged by those that are there.
    pub(crate) async fn said(&self) {
        loop {
            let acknowledged = self.acknowledged.notified();
            let mut acknowledged = std::pin::pin!(acknowledged);
            acknowledged.as_mut().enable();
            let unsaid: BTreeSet<NodeKey> = lock(&self.state).unsaid.values().copied().collect();
            if unsaid.iter().all(|peer| self.mesh.path(*peer).is_none()) {
                return;
            }
            acknowledged.await;
        }
    }

    /// True while a call with a budget is handled here.
    pub(crate) fn is_busy(&self) -> bool {
        !lock(&self.state).calls.is_empty()
    }

    pub(crate) fn node(&self) -> NodeKey {
        self.mesh.node_key()
    }

    pub(super) const fn mesh(&self) -> &Mesh {
        &self.mesh
    }

    pub(super) fn mesh_id(&self) -> MeshId {
        self.mesh.mesh_id()
    }

    pub(super) fn view(&self, account: &GrantId) -> Option<View> {
        lock(&self.state).ledger.view(account)
    }

    pub(super) fn tree(&self, origin: Origin) -> Option<Branch> {
        tree::of(&lock(&self.state).ledger, origin)
    }

    /// Opens the budget of a switch; twice is as good as once.
    pub(super) async fn open(self: &Arc<Self>, budget: Budget, switch: &Arc<Switch>) -> Result<()> {
        let account = budget.origin.account();
        let (answer, opened) = oneshot::channel();
        self.work(|state, now| {
            if let Some(why) = &state.failed {
                let _ = answer.send(Err(failed(why)));
                return;
            }
            state.switches.insert(account, Arc::downgrade(switch));
            state.roots.insert(account, budget.origin.budget_id());
            if state.ledger.view(&account).is_some() {
                let _ = answer.send(Ok(()));
                return;
            }
            state.budgets.insert(account, answer);
            state.ledger.handle(Input::Open(budget), now);
        });
        opened.await.unwrap_or_else(|_| Err(lost()))
    }

    /// The switch of a budget is done with.
    pub(super) fn close(self: &Arc<Self>, account: GrantId) {
        self.work(|state, now| {
            state.switches.remove(&account);
            state.ledger.handle(Input::Finish { grant: account, ending: Ending::Ran }, now);
        });
    }

    /// Takes the grant that came with a call. From here on the call must finish it.
    pub(crate) async fn take(
        self: &Arc<Self>,
        from: NodeKey,
        grant: Grant,
        core: &Arc<CallCore>,
    ) -> Result<()> {
        let id = grant.id;
        let inside = from == self.node();
        let gateway = self.key_of(&grant, core);
        let (answer, held) = oneshot::channel();
        self.work(|state, now| {
            let known = state.ledger.view(&id);
            let open = known.as_ref().is_some_and(|view| view.stopped.is_none());
            let used = state.calls.contains_key(&id) || (known.is_some() && !inside);
            if used || (inside && !open) {
                let _ = answer.send(Err(if used { used_before() } else { over() }));
                return;
            }
            if let Some(why) = &state.failed {
                let _ = answer.send(Err(refused(why)));
                return;
            }
            state.calls.insert(id, Handled::new(core, &grant));
            core.hold(Held::new(Arc::clone(self), grant.clone()).paid_by(gateway));
            if inside {
                let _ = answer.send(Ok(()));
                return;
            }
            state.holds.insert(id, answer);
            let message = Message::Grant(Box::new(grant));
            state.ledger.handle(Input::Receive { from, message }, now);
        });
        self.answer_silence(&id);
        held.await.unwrap_or_else(|_| Err(lost()))
    }

    /// Nothing more comes about a grant that the ledger neither holds nor remembers: it found no
    /// room, or the store was too far behind to take it.
    pub(super) fn answer_silence(&self, id: &GrantId) {
        let silent = {
            let mut state = lock(&self.state);
            if state.ledger.knows(*id) { None } else { state.holds.remove(id) }
        };
        if let Some(answer) = silent {
            let message = "no more grants fit into this node";
            let _ = answer.send(Err(Error::refusal(Kind::Busy, "ledger", message)));
        }
    }

    /// The handler of a call is about to run.
    ///
    /// # Errors
    /// `killed`: its grant is stopped, or over, so it may not.
    pub(super) fn begin(self: &Arc<Self>, grant: GrantId) -> Result<()> {
        let view = self.work(|state, now| {
            state.ledger.handle(Input::Begin { grant }, now);
            state.ledger.view(&grant)
        });
        if view.is_some_and(|view| view.stopped.is_none()) { Ok(()) } else { Err(over()) }
    }

    /// The call of a grant that is held here ended.
    pub(super) fn leave(self: &Arc<Self>, grant: GrantId, ending: Ending) {
        self.work(|state, now| {
            state.calls.remove(&grant);
            state.ledger.handle(Input::Finish { grant, ending }, now);
        });
    }

    /// A grant inside this node is not used by the call that it was cut for, unless that call has
    /// taken it.
    pub(super) fn drop_untaken(self: &Arc<Self>, grant: GrantId) {
        self.work(|state, now| {
            let view = state.ledger.view(&grant);
            let fresh = view.is_some_and(|view| view.stopped.is_none());
            if fresh && !state.calls.contains_key(&grant) {
                state.ledger.handle(Input::Finish { grant, ending: Ending::Free }, now);
            }
        });
    }

    /// A request of a peer is answered without running: its grant is given back unused, unless
    /// another sending of the same request has it.
    pub(crate) fn decline(self: &Arc<Self>, from: NodeKey, request: &v1::Request) {
        if request.grant.is_empty() || from == self.node() {
            return;
        }
        // What is no grant holds nothing.
        let Ok(grant) = Grant::decode(request.grant.clone()) else { return };
        self.work(|state, now| {
            if state.ledger.view(&grant.id).is_none() {
                let message = Message::Recall { grant: grant.id, reading: grant.reading };
                state.ledger.handle(Input::Receive { from, message }, now);
            }
        });
    }

    pub(super) async fn reserve(
        self: &Arc<Self>,
        grant: GrantId,
        most: Amount,
    ) -> Result<Reservation> {
        let id = ReservationId::from_bytes(chance::bytes());
        let (answer, reserved) = oneshot::channel();
        self.work(|state, now| {
            if let Some(why) = &state.failed {
                let _ = answer.send(Err(failed(why)));
                return;
            }
            state.reservations.insert((grant, id), answer);
            state.ledger.handle(Input::Reserve { grant, id, most }, now);
        });
        reserved.await.unwrap_or_else(|_| Err(lost()))
    }

    pub(super) fn work<T>(self: &Arc<Self>, work: impl FnOnce(&mut State, Now) -> T) -> T {
        let (done, effects, sooner) = {
            let mut state = lock(&self.state);
            let (now, before) = (now(), state.ledger.poll_timeout());
            // What is over is over before anything new is looked at.
            state.ledger.handle_timeout(now);
            let done = work(&mut state, now);
            let effects = state.drain(self.mesh.key(), self.rows.as_ref(), now);
            (done, effects, state.ledger.poll_timeout() != before)
        };
        if sooner {
            self.wake.notify_one();
        }
        self.act_all(effects);
        done
    }

    pub(super) fn act_all(self: &Arc<Self>, effects: Vec<Effect>) {
        // In a forked child nothing of this is running.
        if let Ok(runtime) = executor::handle() {
            let _inside = runtime.enter();
            effects.into_iter().for_each(|effect| self.act(effect));
        }
    }

    /// Whoever no longer waits for an answer drops it, which gives back what it is about.
    fn act(self: &Arc<Self>, effect: Effect) {
        match effect {
            Effect::Send(to, message) => self.mesh.tell(to, &message),
            Effect::Opened(answer, result) | Effect::Held(answer, result) => {
                let _ = answer.send(result);
            }
            Effect::Granted(answer, grant) => {
                let funded = Funded::new(Arc::clone(self), *grant);
                if let Some(answer) = answer {
                    let _ = answer.send(Ok(funded));
                }
            }
            Effect::NotGranted(answer, error) => {
                let _ = answer.send(Err(*error));
            }
            Effect::Offered(answer, claim) => {
                let _ = answer.send(claim.map(|claim| *claim));
            }
            Effect::Reserved(answer, grant, id) => {
                let reservation = Reservation::new(Arc::clone(self), grant, id);
                if let Some(answer) = answer {
                    let _ = answer.send(Ok(reservation));
                }
            }
            Effect::NotReserved(answer, error) => {
                let _ = answer.send(Err(*error));
            }
            Effect::Cancel(call, reason) => call.kill(reason),
            Effect::Tripped(switch, statement) => switch.stopped(&statement),
            Effect::TellGateway(trip) => self.tell_gateway(*trip),
            Effect::Settled(grant) => self.forget_key(&grant),
            Effect::Over(budget, used) => self.hourly.end(budget, &used),
        }
    }
}

async fn sleep(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

pub(super) fn lost() -> Error {
    Error::new(Kind::Closed, "the node is closed")
}

pub(super) fn over() -> Error {
    Error::refusal(Kind::Killed, "finished", "the grant of this call has ended")
}

pub(super) fn used_before() -> Error {
    Error::refusal(Kind::Conflict, "grant", "expected a grant that no other call has")
        .with_field("grant")
}
