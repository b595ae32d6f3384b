//! The switch that a program holds: a budget and a stop for everything that is called under it.

use super::hourly::Ticket;
use super::tree::Branch;
use super::{Allowance, Amount, Held, Terms, Treasury, TripReason};
use crate::chance;
use crate::engine::lock;
use crate::executor;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::killswitch::{Budget, GrantId, Input, Origin, Share, Statement};
use serde_json::Value;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

/// What a switch does with a request that belongs to no call and has no switch, made while its
/// node handles a call with a budget: most likely one that has lost its context.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Orphans {
    /// It is refused: `configuration`, code `orphan`.
    #[default]
    Refuse,
    /// It runs without a budget.
    Allow,
    /// It runs under a budget of its own.
    OwnBudget(Terms),
}

impl Orphans {
    /// Reads `"refuse"`, `"allow"` or `{"ownBudget": Terms}`.
    ///
    /// # Errors
    /// `invalid_argument` that names the field.
    pub fn read(value: &Value) -> Result<Self> {
        let own = value.as_object().filter(|object| object.len() == 1);
        match (value.as_str(), own.and_then(|object| object.get("ownBudget"))) {
            (Some("refuse"), _) => Ok(Self::Refuse),
            (Some("allow"), _) => Ok(Self::Allow),
            (_, Some(terms)) => Terms::read("orphans.ownBudget", terms).map(Self::OwnBudget),
            (_, None) => {
                let message = "expected refuse, allow or {ownBudget: limits}";
                Err(Error::invalid("orphans", message))
            }
        }
    }
}

/// Why, by whom and when a budget was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stop {
    /// Why.
    pub reason: TripReason,
    /// Node that asked for it; none: the switch was stopped before a node used it.
    pub by: Option<NodeKey>,
    /// When, in Unix milliseconds.
    pub at_ms: u64,
}

/// A budget for a whole tree of calls, in this process and on any machine, and the stop of it;
/// cheap to clone. The budget is over with the last clone.
///
/// What is reserved by [`crate::Call::spend`] never goes above the limits, and calls are counted by
/// the node itself; what a handler spends without saying so is charged as all that its call was
/// granted, but cannot be seen. The budget lives at the first node that uses the switch.
///
/// ```
/// use hubless::budget::{Allowance, Amount, Branch, Component, KillSwitch, Spend, Stop, Terms};
/// use hubless::budget::TripReason;
/// use hubless::{AgentOptions, Content, Kind, Node, NodeOptions, RequestOptions, handler};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let think = handler(|call: hubless::Call, _| async move {
///     let spend: Spend = call.spend(Amount::ZERO.with(Component::OutputTokens, 100)?).await?;
///     // A model that writes at most 100 tokens is asked here.
///     spend.used(Amount::ZERO.with(Component::OutputTokens, 60)?);
///     Ok(Content::text("thought"))
/// });
/// node.register(AgentOptions { name: "think".into(), ..AgentOptions::default() }, think).await?;
/// let limits = Allowance::UNLIMITED.with(Component::OutputTokens, Some(1_000));
/// let switch = KillSwitch::new(Terms::of(limits.with(Component::Calls, Some(2))));
/// let ask = || RequestOptions {
///     kill_switch: Some(switch.clone()),
///     ..RequestOptions::new("think", Content::default())
/// };
/// assert_eq!(node.request(ask()).await?.usage.output_tokens, 60);
/// assert_eq!(switch.spent().of(Component::OutputTokens), 60);
/// assert_eq!(switch.remaining().of(Component::Calls), Some(1));
/// let tree: Branch = switch.tree().expect("an open budget");
/// assert_eq!(tree.children[0].state, "settled");
/// switch.trip(TripReason::Operator);
/// let Stop { reason, .. } = switch.stop().expect("a stop");
/// assert_eq!(reason, TripReason::Operator);
/// assert_eq!(node.request(ask()).await.unwrap_err().kind, Kind::Killed);
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct KillSwitch(pub(super) Arc<Switch>);

pub(super) struct Switch {
    terms: Terms,
    /// What a request that it pays for is given.
    share: Share,
    nonce: [u8; 16],
    made_ms: u64,
    home: OnceCell<Home>,
    /// What was set aside for it of the hour of a principal.
    hour: Option<Ticket>,
    stop: Arc<OnceLock<Stop>>,
    /// Fires with the stop.
    token: CancellationToken,
    listeners: Mutex<Vec<Listener>>,
}

type Listener = Box<dyn FnOnce(&Stop) + Send>;

/// Where the budget is.
struct Home {
    treasury: Arc<Treasury>,
    origin: Origin,
}

impl KillSwitch {
    /// A switch with these limits; what has none is not limited, and zero refuses everything. Its
    /// wall time begins here.
    pub fn new(terms: Terms) -> Self {
        Self::sharing(terms, Share::Quarter)
    }

    /// A switch for one request alone, which is given all of it and not a quarter; what it is
    /// tried again with is what is left.
    ///
    /// ```
    /// use hubless::budget::{Allowance, Component, KillSwitch, Terms};
    ///
    /// let limits = Allowance::UNLIMITED.with(Component::OutputTokens, Some(1_000));
    /// let switch = KillSwitch::for_one(Terms::of(limits));
    /// assert_eq!(switch.remaining(), limits);
    /// ```
    pub fn for_one(terms: Terms) -> Self {
        Self::sharing(terms, Share::Whole)
    }

    fn sharing(terms: Terms, share: Share) -> Self {
        Self::made((terms, share), (chance::bytes(), chance::now_ms()), None)
    }

    /// A switch for one request whose budget has its id before it has its limits.
    pub(super) fn planned(node: NodeKey, terms: Terms) -> Planned {
        let (nonce, made_ms) = (chance::bytes(), chance::now_ms());
        let account = Budget::new(node, nonce, terms.clone(), made_ms).origin.account();
        Planned { terms, account, nonce, made_ms }
    }

    fn made(
        (terms, share): (Terms, Share),
        (nonce, made_ms): ([u8; 16], u64),
        hour: Option<Ticket>,
    ) -> Self {
        Self(Arc::new(Switch {
            terms,
            share,
            nonce,
            made_ms,
            home: OnceCell::new(),
            hour,
            stop: Arc::default(),
            token: CancellationToken::new(),
            listeners: Mutex::default(),
        }))
    }

    /// Stops everything below it, for good: running handlers are cancelled, waiting calls are
    /// refused with `killed`. The first stop stands.
    pub fn trip(&self, reason: TripReason) {
        match self.0.home.get() {
            Some(home) => {
                let (grant, by) = (home.origin.account(), home.treasury.node());
                home.treasury.put(Input::Trip { grant, reason, by });
            }
            None => {
                self.0.stopped_by(Stop { reason, by: None, at_ms: chance::now_ms() });
                // It was opened meanwhile.
                if let Some(home) = self.0.home.get() {
                    let (grant, by) = (home.origin.account(), home.treasury.node());
                    home.treasury.put(Input::Trip { grant, reason, by });
                }
            }
        }
    }

    /// Why it was stopped; none: it is armed.
    pub fn stop(&self) -> Option<Stop> {
        self.0.stop.get().copied()
    }

    /// Used so far, as far as it was settled. Calls count when they are made.
    pub fn spent(&self) -> Amount {
        self.view().map_or(Amount::ZERO, |view| view.used)
    }

    /// Part of [`Self::spent`]: what providers took above what was set aside for it, here and
    /// below. It is zero unless a provider broke its cap, which stops the switch.
    pub fn overrun(&self) -> Amount {
        self.view().map_or(Amount::ZERO, |view| view.overrun)
    }

    /// What is neither used nor set aside; none for what is not limited.
    pub fn remaining(&self) -> Allowance {
        let view = self.view();
        let taken = view.map_or(Amount::ZERO, |view| view.used.plus_at_most(&view.held));
        self.0.terms.ceiling.without(&taken)
    }

    /// Its grants, as its node knows them; none: no call was made under it yet.
    pub fn tree(&self) -> Option<Branch> {
        self.0.home.get().and_then(|home| home.treasury.tree(home.origin))
    }

    /// Has `listener` called once when it is stopped, on a thread of its own; at once when it is
    /// stopped already. Whatever the listener does, the stop stands.
    pub fn on_tripped(&self, listener: impl FnOnce(&Stop) + Send + 'static) {
        {
            let mut listeners = lock(&self.0.listeners);
            if self.0.stop.get().is_none() {
                return listeners.push(Box::new(listener));
            }
        }
        self.0.tell([Box::new(listener) as Listener].into());
    }

    /// Waits for the stop; none: the budget was over before. Does not keep the budget open.
    pub fn stopped(&self) -> impl Future<Output = Option<Stop>> + Send + use<> {
        let (stop, token) = (Arc::clone(&self.0.stop), self.0.token.clone());
        async move {
            token.cancelled().await;
            stop.get().copied()
        }
    }

    /// Waits for the stop.
    pub(crate) async fn tripped(&self) -> Error {
        self.0.token.cancelled().await;
        self.killed()
    }

    /// The budget at this node.
    ///
    /// # Errors
    /// `killed`; `configuration`, code `other_node`: another node has it; `busy`: the ledger is
    /// full.
    pub(crate) async fn open(&self, treasury: &Arc<Treasury>) -> Result<GrantId> {
        if self.0.stop.get().is_some() {
            return Err(self.killed());
        }
        if self.0.hour.as_ref().is_some_and(|hour| !hour.is_of(treasury)) {
            return Err(elsewhere());
        }
        if self.0.home.get().is_none() {
            // Goes on when nobody waits for it any more: else nobody would end what it opens.
            let (switch, treasury) = (self.clone(), Arc::clone(treasury));
            let opening = executor::spawn(async move { switch.open_at(&treasury).await })?;
            opening.await.unwrap_or_else(|_| Err(broken()))?;
        }
        let home = self.0.home.get().ok_or_else(broken)?;
        if !Arc::ptr_eq(&home.treasury, treasury) {
            return Err(elsewhere());
        }
        if self.0.stop.get().is_some() {
            return Err(self.killed());
        }
        Ok(home.origin.account())
    }

    /// Opens the budget at a node, unless it is open at one.
    async fn open_at(&self, treasury: &Arc<Treasury>) -> Result<()> {
        let opening = || async {
            let (terms, made_ms) = (self.0.terms.clone(), self.0.made_ms);
            let budget = Budget::new(treasury.node(), self.0.nonce, terms, made_ms);
            let origin = budget.origin;
            treasury.open(budget, &self.0).await?;
            Ok::<_, Error>(Home { treasury: Arc::clone(treasury), origin })
        };
        self.0.home.get_or_try_init(opening).await.map(drop)
    }

    /// How much of what is free a request is given.
    pub(crate) fn share(&self) -> Share {
        self.0.share
    }

    /// True when the grant of a call is a part of this budget.
    pub(crate) fn pays(&self, held: &Held) -> bool {
        self.0.home.get().is_some_and(|home| home.origin == held.origin())
    }

    fn view(&self) -> Option<hubless_proto::killswitch::View> {
        self.0.home.get().and_then(|home| home.treasury.view(&home.origin.account()))
    }

    fn killed(&self) -> Error {
        let reason = self.0.stop.get().map_or(TripReason::Operator, |stop| stop.reason);
        Error::refusal(Kind::Killed, reason.name(), "the call tree was stopped")
    }
}

/// A switch that is yet to be made.
pub(super) struct Planned {
    pub(super) terms: Terms,
    /// Account of its budget.
    pub(super) account: GrantId,
    nonce: [u8; 16],
    made_ms: u64,
}

impl Planned {
    /// The switch, with what was set aside for it.
    pub(super) fn within(self, most: Allowance, hour: Ticket) -> KillSwitch {
        let terms = Terms { ceiling: most, ..self.terms };
        KillSwitch::made((terms, Share::Whole), (self.nonce, self.made_ms), Some(hour))
    }
}

fn elsewhere() -> Error {
    let message = "expected the node that the switch was first used with";
    Error::new(Kind::Configuration, message).with_code("other_node")
}

fn broken() -> Error {
    Error::new(Kind::Internal, "the opening of a budget broke off")
}

impl Switch {
    /// The ledger says that the budget is stopped.
    pub(super) fn stopped(self: &Arc<Self>, statement: &Statement) {
        let Statement { reason, by, at_ms, .. } = *statement;
        self.stopped_by(Stop { reason, by: Some(by), at_ms });
    }

    fn stopped_by(self: &Arc<Self>, stop: Stop) {
        let listeners = {
            let mut listeners = lock(&self.listeners);
            if self.stop.set(stop).is_err() {
                return;
            }
            std::mem::take(&mut *listeners)
        };
        self.token.cancel();
        self.tell(listeners);
    }

    /// Calls listeners beside everything else.
    fn tell(&self, listeners: Vec<Listener>) {
        let Some(stop) = self.stop.get().copied().filter(|_| !listeners.is_empty()) else { return };
        for listener in listeners {
            let call = move || {
                if catch_unwind(AssertUnwindSafe(|| listener(&stop))).is_err() {
                    tracing::error!("a listener of a kill switch panicked");
                }
            };
            let thread = std::thread::Builder::new().name("hubless-tripped".to_owned());
            if let Err(error) = thread.spawn(call) {
                tracing::error!(%error, "no thread for a listener of a kill switch");
            }
        }
    }
}

impl Drop for Switch {
    fn drop(&mut self) {
        // Whoever waits for a stop waits no longer.
        self.token.cancel();
        if let Some(home) = self.home.get() {
            if let Some(hour) = &mut self.hour {
                hour.settle();
            }
            home.treasury.close(home.origin.account());
        }
    }
}

impl fmt::Debug for KillSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KillSwitch").field("stop", &self.0.stop.get()).finish_non_exhaustive()
    }
}
