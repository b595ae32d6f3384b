//! What paid for a call, as one of its sides knows it.

use hubless_proto::error::Result;
use hubless_proto::killswitch::{Allowance, Amount, BudgetId, Grant};
use hubless_proto::wire::v1;
use serde::{Serialize, Serializer};

/// The budget that paid for a call.
///
/// Who made the call knows what it granted, who handled it also what was spent of that.
///
/// ```
/// use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms};
/// use hubless::spans::CallBudget;
/// use hubless::{AgentOptions, Call, Content, Node, NodeOptions, RequestOptions, handler};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let think = handler(|call: Call, _| async move {
///     let spend = call.spend(Amount::ZERO.with(Component::OutputTokens, 9)?).await?;
///     spend.used(Amount::ZERO.with(Component::OutputTokens, 6)?);
///     Ok(Content::text("thought"))
/// });
/// node.register(AgentOptions { name: "think".into(), ..AgentOptions::default() }, think).await?;
/// let limits = Allowance::UNLIMITED.with(Component::OutputTokens, Some(40));
/// let ask = RequestOptions {
///     kill_switch: Some(KillSwitch::new(Terms::of(limits))),
///     ..RequestOptions::new("think", Content::default())
/// };
/// let reply = node.request(ask).await?;
/// let trace = node.trace(reply.trace_id).await?;
/// let budget: &CallBudget = trace.calls[0].budget.as_ref().expect("one that paid");
/// // A quarter of what is free.
/// assert_eq!(budget.limit.of(Component::OutputTokens), Some(10));
/// assert_eq!(budget.spent.unwrap().of(Component::OutputTokens), 6);
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CallBudget {
    /// Its id.
    #[serde(serialize_with = "text")]
    pub id: BudgetId,
    /// Most that the call could spend, with all calls below it.
    #[serde(serialize_with = "limits")]
    pub limit: Allowance,
    /// What was spent of that, with all calls below it, as far as they had settled at its end; all
    /// of it where nothing was said. None: its callee tells nothing.
    #[serde(serialize_with = "amounts")]
    pub spent: Option<Amount>,
}

impl CallBudget {
    /// As who cut the grant of a call knows it.
    pub(crate) fn of(grant: &Grant) -> Self {
        Self { id: grant.budget_id(), limit: grant.amount, spent: None }
    }

    pub(super) fn to_wire(&self) -> v1::TraceBudget {
        v1::TraceBudget {
            id: self.id.to_wire(),
            limit: Some(self.limit.to_wire()),
            spent: self.spent.map(|spent| spent.to_wire()),
        }
    }

    /// What a peer tells; it was checked when it was decoded.
    pub(super) fn from_wire(told: &v1::TraceBudget) -> Result<Self> {
        Ok(Self {
            id: BudgetId::from_slice(&told.id)?,
            limit: told.limit.as_ref().map_or(Allowance::NOTHING, Allowance::of_wire),
            spent: told.spent.as_ref().map(Amount::of_wire),
        })
    }
}

fn text<S: Serializer>(id: &BudgetId, to: S) -> std::result::Result<S::Ok, S::Error> {
    to.collect_str(id)
}

fn limits<S: Serializer>(limit: &Allowance, to: S) -> std::result::Result<S::Ok, S::Error> {
    limit.to_json().serialize(to)
}

fn amounts<S: Serializer>(spent: &Option<Amount>, to: S) -> std::result::Result<S::Ok, S::Error> {
    spent.map(|spent| spent.to_json()).serialize(to)
}
