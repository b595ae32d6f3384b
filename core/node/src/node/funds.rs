//! What pays for a request: the switch that it names, or the grant of the call that it belongs to.

use super::lifecycle::{Inner, closed};
use super::prepare::Prepared;
use super::request::RequestOptions;
use super::resolve::Route;
use crate::budget::{Allowance, Funded, KillSwitch, Orphans, Redeemed, Treasury};
use crate::call::handle::Parent;
use crate::chance;
use crate::mesh::Wait;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::killswitch::{CallId, GrantId, Order, RedeemCode, Share};
use hubless_proto::policy::check::grant_brought;
use hubless_proto::wire::v1;
use hubless_proto::wire::words::RefundPolicy;
use serde_json::Value;
use std::sync::Arc;

/// What a call is paid from.
pub(super) struct Funds {
    treasury: Arc<Treasury>,
    from: GrantId,
    max: Allowance,
    /// How much of what is free it gets.
    share: Share,
    /// The call whose grant pays.
    above: Option<Parent>,
    /// Keeps the budget open.
    switch: Option<KillSwitch>,
    /// Who asks is outside of the mesh, and its budget is what a listener allows anybody.
    from_outside: bool,
    /// Keeps the grant that a code became.
    _redeemed: Option<Redeemed>,
}

/// Turns the code of a request, if it has one, into what pays for it. Last of all, with the callee
/// found and reached: a request that cannot be sent leaves it to be redeemed.
pub(super) async fn redeem(inner: &Inner, prepared: &mut Prepared, route: &Route) -> Result<()> {
    let Some(code) = prepared.redeem.take() else { return Ok(()) };
    let node = route.host()?;
    let redeeming = async {
        if route.remote(inner) {
            inner.mesh.meet(node, Wait::Until(prepared.deadline())).await?;
        }
        // What comes of a code is said by its own node, and never by a callee.
        inner.redeem(&code).await.map_err(|error| Error { origin: None, ..error })
    };
    let late = || Err(Error::new(Kind::Deadline, "the redeem code was not redeemed in time"));
    let funds = tokio::time::timeout_at(prepared.deadline(), redeeming).await;
    let funds = funds.unwrap_or_else(|_| late()).map_err(|error| {
        // Connections end a moment before the node that closes them.
        let own = inner.mesh.is_closed() && error.kind == Kind::Transport && !error.rejection;
        if own { closed() } else { error }
    });
    prepared.funds = Some(Arc::new(funds?));
    Ok(())
}

/// True when a request would carry a grant.
pub(super) fn is_funded(options: &RequestOptions) -> bool {
    let parent = options.parent.as_ref().map(Parent::core);
    let given = options.kill_switch.is_some() || options.redeem.is_some();
    given || parent.is_some_and(|core| core.held().is_some())
}

/// Sees that nothing else would pay beside a redeem code.
///
/// # Errors
/// `configuration`, code `second_budget`; `invalid_argument`, field `max`.
pub(super) fn alone(options: &RequestOptions) -> Result<()> {
    if options.kill_switch.is_some() || options.parent.is_some() {
        let message = "expected no switch and no parent beside a redeem code, which pays alone";
        return Err(configuration("second_budget", message));
    }
    match options.max {
        Some(_) => Err(Error::invalid("max", "expected none beside a redeem code")),
        None => Ok(()),
    }
}

/// Waits for the stop of the switch that pays; where a budget begins elsewhere, the parent hears of
/// it.
pub(super) async fn stopped(funds: Option<&Funds>) -> Error {
    match funds.and_then(|funds| funds.switch.as_ref()) {
        Some(switch) => switch.tripped().await,
        None => std::future::pending().await,
    }
}

impl Inner {
    /// What pays for a request; none: it has no budget.
    ///
    /// # Errors
    /// `configuration`: code `orphan` for a request that seems to have lost its budget,
    /// `second_budget` for a switch beside the budget of the parent, `other_node` for a budget of
    /// another node. `invalid_argument`: a most without a budget. `killed`.
    pub(super) async fn funds(&self, options: &RequestOptions) -> Result<Option<Funds>> {
        let treasury = self.engine.treasury();
        let held = options.parent.as_ref().and_then(|parent| parent.core().held());
        let given = options.kill_switch.clone();
        let (from, switch, share) = match (held, given) {
            (Some(held), _) if !Arc::ptr_eq(held.treasury(), treasury) => {
                let message = "expected a request of the node that handles the call";
                return Err(configuration("other_node", message));
            }
            (Some(held), Some(switch)) if !switch.pays(held) => {
                let message = "expected no other switch: the budget of the call that the request \
                               belongs to pays for it";
                return Err(configuration("second_budget", message));
            }
            (Some(held), switch) => (held.id(), switch, Share::Quarter),
            (None, given) => {
                let own = if given.is_some() { given } else { self.orphaned(options)? };
                let Some(switch) = own else { return without(options) };
                let share = switch.share();
                (switch.open(treasury).await?, Some(switch), share)
            }
        };
        let max = options.max.unwrap_or(Allowance::UNLIMITED);
        let (treasury, above) = (Arc::clone(treasury), options.parent.clone());
        let from_outside = options.edge.is_some();
        let _redeemed = None;
        Ok(Some(Funds { treasury, from, max, share, above, switch, from_outside, _redeemed }))
    }

    /// What pays for a request with a redeem code: the grant that the code becomes, all of it.
    ///
    /// # Errors
    /// As [`Treasury::redeem`].
    pub(super) async fn redeem(&self, code: &RedeemCode) -> Result<Funds> {
        let treasury = self.engine.treasury();
        let redeemed = treasury.redeem(code).await?;
        let funds = Funds::of_grant(treasury, redeemed.id());
        Ok(Funds { _redeemed: Some(redeemed), share: Share::Whole, ..funds })
    }

    /// The switch of an orphan that runs under a budget of its own.
    fn orphaned(&self, options: &RequestOptions) -> Result<Option<KillSwitch>> {
        // Who asks from outside has no context here that could have been lost.
        let has_place = options.parent.is_some() || options.edge.is_some();
        if has_place || !self.engine.treasury().is_busy() {
            return Ok(None);
        }
        match &self.orphans {
            Orphans::Allow => Ok(None),
            Orphans::OwnBudget(terms) => Ok(Some(KillSwitch::new(terms.clone()))),
            Orphans::Refuse => {
                let message = "this node handles a call with a budget, and the request belongs to \
                               no call: give it the call as parent, or a switch, or set `orphans`";
                Err(configuration("orphan", message))
            }
        }
    }
}

fn configuration(code: &str, message: &str) -> Error {
    Error::new(Kind::Configuration, message).with_code(code)
}

fn without(options: &RequestOptions) -> Result<Option<Funds>> {
    if options.max.is_none() {
        return Ok(None);
    }
    let message = "expected a kill switch, or a parent with a budget, beside it";
    Err(Error::invalid("max", message))
}

impl Funds {
    /// A grant that is held here, for what its call leaves to be done.
    pub(super) fn of_grant(treasury: &Arc<Treasury>, from: GrantId) -> Self {
        let (max, share) = (Allowance::UNLIMITED, Share::Quarter);
        let (treasury, above, switch) = (Arc::clone(treasury), None, None);
        let (from_outside, _redeemed) = (false, None);
        Self { treasury, from, max, share, above, switch, from_outside, _redeemed }
    }

    /// Cuts the grant of one attempt.
    ///
    /// # Errors
    /// `budget_exhausted`, code `grant_required` for one from outside to an agent that requires a
    /// grant: of what a listener allows anybody it gets nothing. `hop_limit`, `killed`, `busy`.
    ///
    /// # Cancellation
    /// Safe: nothing stays charged but the call.
    pub(super) async fn cut(
        &self,
        request: &v1::Request,
        route: &Route,
        audience: NodeKey,
        attempt: u32,
    ) -> Result<Funded> {
        if self.from_outside {
            grant_brought(&route.descriptor, route.agent)?;
        }
        let above = self.above.as_ref().and_then(|parent| parent.core().held());
        let refund = self.treasury.refund(audience, above);
        let order = Order {
            id: GrantId::from_bytes(chance::bytes()),
            audience,
            agent: route.agent,
            call_id: CallId::from_slice(&request.id)?,
            attempt,
            max: self.max,
            hint: hint(&route.descriptor.cost_hint_json),
            spends: route.spends(&request.skill),
            share: self.share,
            refund,
            detached_until_ms: None,
        };
        let mut funded = self.treasury.cut(self.from, order).await?;
        if refund == RefundPolicy::Provider
            && let Some(gateway) = self.treasury.gateway_for(above)
        {
            funded.key_by(&gateway);
        }
        Ok(funded)
    }
}

/// The most that a callee says a call costs.
fn hint(cost_hint_json: &str) -> Allowance {
    let hint: Value = serde_json::from_str(cost_hint_json).unwrap_or_default();
    let most = hint.get("max").map(|most| Allowance::read("max", most));
    // Its own words, which need not be ours.
    most.and_then(Result::ok).unwrap_or(Allowance::UNLIMITED)
}
