//! From what a request names to the agent that is meant, and what is known only then.

use super::documents::Wants;
use super::lifecycle::{Inner, closed};
use super::prepare::Prepared;
use super::reach::Place;
use super::request::Target;
use super::world::Known;
use crate::engine::lock;
use crate::mesh::Wait;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{self, AgentId, Name, NodeKey};
use hubless_proto::policy::Effect;
use hubless_proto::wire::v1;
use hubless_proto::wire::words::Spends;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

/// Which agents a call may see.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sight {
    /// Every agent that is known.
    All,
    /// Those that allow external connections: for who asks, the others are not there.
    External,
}

impl Sight {
    /// True for an agent that is seen.
    pub(super) fn takes(self, descriptor: &v1::Descriptor) -> bool {
        self == Self::All || descriptor.allows_external_connections
    }
}

/// How long an agent is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// Until then it may become known.
    pub(super) known_by: Instant,
    /// So long the node is waited for that is named with it.
    pub(super) reached: Wait,
}

impl Times {
    /// For who is told soon that a node cannot be reached.
    pub(super) const fn brief(known_by: Instant) -> Self {
        Self { known_by, reached: Wait::Tries }
    }
}

/// Where a call goes.
pub(super) struct Route {
    pub(super) agent: AgentId,
    pub(super) name: String,
    /// Node that hosts it; none: only a catalogue knows it.
    pub(super) node: Option<NodeKey>,
    pub(super) descriptor: Arc<v1::Descriptor>,
    /// True when its name was found pinned to it, or it was named by its key.
    proven: bool,
}

impl Route {
    /// True when the call leaves this process.
    pub(super) fn remote(&self, inner: &Inner) -> bool {
        self.node != Some(inner.mesh.node_key())
    }

    /// The node that is asked.
    ///
    /// # Errors
    /// `not_found` where none is known.
    pub(super) fn host(&self) -> Result<NodeKey> {
        self.node.ok_or_else(|| {
            let message = "no node that hosts this agent is known";
            Error::new(Kind::NotFound, message).with_agent(self.agent)
        })
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        (self.agent, self.node) == (other.agent, other.node)
    }

    /// What the skill says about repeating.
    pub(super) fn effect(&self, skill: &str) -> Effect {
        self.descriptor.skill(skill).map_or(Effect::AtMostOnce, |skill| Effect::of(&skill.effect))
    }

    /// What the skill says about spending.
    pub(super) fn spends(&self, skill: &str) -> Spends {
        self.descriptor.skill(skill).map_or(Spends::Tokens, |skill| Spends::of(&skill.spends))
    }

    /// Id of the skill that is meant, as the agent itself says it; empty for one without skills
    /// that is asked as a whole. None: it has no such skill.
    pub(super) fn own_skill(&self, skill: &str) -> Option<&str> {
        let whole = skill.is_empty() && self.descriptor.skills.is_empty();
        let own = self.descriptor.skill(skill).map(|own| own.id.as_str());
        own.or_else(|| whole.then_some(""))
    }
}

impl Inner {
    /// Finds the agent that is meant, which may take a while to appear; `gone` is one that was
    /// asked and is not there any more.
    pub(super) async fn route(
        self: &Arc<Self>,
        (to, sight): (&Target, Sight),
        times: Times,
        gone: Option<&Route>,
    ) -> Result<Route> {
        // No node is asked for what a stranger names.
        if sight == Sight::All
            && let Some(place) = Place::of(to)
        {
            return self.route_at(place, times, gone).await;
        }
        let (mut changed, mut wants) = (self.world.changed(), Wants::default());
        loop {
            changed.borrow_and_update();
            if let (Sight::All, Target::Query { query }) = (sight, to) {
                self.want_documents(query, &mut wants);
            }
            let found = match sight {
                Sight::All => self.look(to)?,
                Sight::External => self.look_outside(to)?,
            };
            let found = found.filter(|found| !gone.is_some_and(|gone| found.is_same(gone)));
            let hosted = found.as_ref().is_some_and(|route| route.node.is_some());
            // One that only a catalogue knows may still be announced.
            if self.looks_again(&mut changed, &mut wants, hosted, times.known_by).await? {
                continue;
            }
            return found.ok_or_else(|| {
                Error::new(Kind::NotFound, "no such agent is known").with_field("to")
            });
        }
    }

    /// Waits for a change of what is known; false: none came in time.
    pub(super) async fn changes_by(
        &self,
        changed: &mut watch::Receiver<u64>,
        deadline: Instant,
    ) -> Result<bool> {
        tokio::select! {
            changed = timeout_at(deadline, changed.changed()) => Ok(changed.is_ok()),
            () = self.stop.cancelled() => Err(closed()),
        }
    }

    /// The agent that is meant, as far as it is known now.
    pub(super) fn agent_now(&self, to: &Target) -> Result<AgentId> {
        let found = self.look(to)?;
        found
            .map(|route| route.agent)
            .ok_or_else(|| Error::new(Kind::NotFound, "no such agent is known"))
    }

    fn look(&self, to: &Target) -> Result<Option<Route>> {
        let text = match to {
            Target::Query { query } => {
                let best = self.world.find(query).into_iter().next();
                let known = best.and_then(|found| self.known(found.id));
                let listed = || self.listed(query).into_iter().find(|one| one.node.is_some());
                let known = known.or_else(listed);
                return Ok(known.map(|known| Route { proven: false, ..Route::from(known) }));
            }
            Target::Text(text) => text,
        };
        let target: identity::Target =
            text.parse().map_err(|error: Error| error.with_field("to"))?;
        match target {
            identity::Target::Id(id) => Ok(self.known(id).map(Route::from)),
            identity::Target::At { agent, node } => Ok(self.known_at(agent, node).map(Route::from)),
            identity::Target::Address(address) => {
                let local = lock(&self.engine.registry)
                    .by_address(address)?
                    .map(|agent| Known::hosted(&agent.value, self.mesh.node_key()));
                let known = match local {
                    Some(known) => Some(known),
                    None => self.world.by_address(address)?,
                };
                Ok(known.map(Route::from))
            }
            identity::Target::Name { name, mesh } => {
                if mesh.is_some_and(|mesh| mesh != self.mesh_id()) {
                    let message = "other meshes are not reached by this version";
                    return Err(Error::refusal(Kind::Unsupported, "mesh", message).with_field("to"));
                }
                self.named(&name)
            }
        }
    }

    /// The agent that a stranger means. Nothing of the answer tells that an agent is there which
    /// does not allow external connections, and no name is pinned by a stranger.
    fn look_outside(&self, to: &Target) -> Result<Option<Route>> {
        let Target::Text(text) = to else { return Ok(None) };
        let target: identity::Target =
            text.parse().map_err(|error: Error| error.with_field("to"))?;
        let found = match target {
            identity::Target::Id(_) | identity::Target::At { .. } => self.look(to)?,
            // Two keys of one address are two agents, which may not both be shown.
            identity::Target::Address(_) => self.look(to).ok().flatten(),
            identity::Target::Name { name, mesh } => {
                if mesh.is_some_and(|mesh| mesh != self.mesh_id()) {
                    return Ok(None);
                }
                self.named_outside(&name)?
            }
        };
        Ok(found.filter(|route| Sight::External.takes(&route.descriptor)))
    }

    /// By name, among the agents that allow external connections; one of the own node comes first.
    fn named_outside(&self, name: &Name) -> Result<Option<Route>> {
        let here = {
            let registry = lock(&self.engine.registry);
            registry.by_name(name).map(|agent| Known::hosted(&agent.value, self.mesh.node_key()))
        };
        let open = |known: &Known| Sight::External.takes(&known.descriptor);
        if let Some(known) = here.filter(open) {
            return Ok(Some(Route::from(known)));
        }
        let pinned = self.pins.pinned(name)?;
        let mut known = self.world.by_name(name);
        known.retain(|known| open(known) && pinned.is_none_or(|pinned| pinned == known.agent));
        if known.len() > 1 {
            return Err(ambiguous(name, &known));
        }
        Ok(known.pop().map(|known| Route { proven: false, ..Route::from(known) }))
    }

    /// The agent of this key: here, elsewhere, or in a catalogue.
    pub(super) fn known(&self, id: AgentId) -> Option<Known> {
        let here = {
            let registry = lock(&self.engine.registry);
            registry.by_id(&id).map(|agent| Known::hosted(&agent.value, self.mesh.node_key()))
        };
        here.or_else(|| self.world.by_id(&id)).or_else(|| {
            let registry = lock(&self.engine.registry);
            registry.catalogue().by_id(&id).map(Known::listed)
        })
    }

    /// By name: the own node, then what is pinned, then the directory.
    fn named(&self, name: &Name) -> Result<Option<Route>> {
        let here = {
            let registry = lock(&self.engine.registry);
            registry.by_name(name).map(|agent| Known::hosted(&agent.value, self.mesh.node_key()))
        };
        if let Some(known) = here {
            return Ok(Some(Route::from(known)));
        }
        let pinned = self.pins.pinned(name)?;
        let mut known = self.world.by_name(name);
        if known.is_empty() {
            let registry = lock(&self.engine.registry);
            known.extend(registry.catalogue().by_name(name).map(Known::listed));
        }
        if let Some(pinned) = pinned {
            let Some(found) = known.iter().position(|known| known.agent == pinned) else {
                return match known.first() {
                    None => Ok(None),
                    Some(other) => Err(not_pinned(name, pinned, other.agent)),
                };
            };
            return Ok(Some(Route { proven: true, ..Route::from(known.swap_remove(found)) }));
        }
        if known.len() > 1 {
            return Err(ambiguous(name, &known));
        }
        let Some(known) = known.pop() else { return Ok(None) };
        if known.descriptor.stored && known.node.is_some() {
            // The first use of a name stands for its key from then on.
            self.pins.set(name.as_str(), known.agent)?;
            self.world.pin(known.agent);
            tracing::info!(%name, agent = %known.agent, "name pinned at first use");
            return Ok(Some(Route { proven: true, ..Route::from(known) }));
        }
        Ok(Some(Route { proven: false, ..Route::from(known) }))
    }

    /// The request for this callee, with what the caller left open: from the callee's template,
    /// then from the one that the caller named, then the stored credential.
    ///
    /// # Errors
    /// `denied`, code `data_policy`, for a callee outside the caller's data policy, of whom nothing
    /// is asked; `auth` with code `unproven_name` when a stored credential must not go where the
    /// name leads.
    pub(super) async fn complete(&self, prepared: &Prepared, route: &Route) -> Result<v1::Request> {
        let mut request = prepared.request.clone();
        super::templates::fill_of_callee(&mut request, &route.descriptor);
        prepared.fill_named(&mut request)?;
        self.check_policy(route, &request)?;
        if request.auth.is_some() || !route.descriptor.requires_auth {
            return Ok(request);
        }
        if prepared.sight() == Sight::External {
            // The credentials of this node are not lent to strangers.
            return Ok(request);
        }
        request.auth = self.credentials.find(route.agent, self.mesh_id()).await?;
        // In the user's own mesh every process is within the boundary; elsewhere a credential
        // goes only where its target is certain.
        if request.auth.is_some() && !route.proven && !self.own_mesh {
            return Err(unproven(route));
        }
        Ok(request)
    }
}

impl From<Known> for Route {
    fn from(known: Known) -> Self {
        Self {
            agent: known.agent,
            name: known.descriptor.name.clone(),
            node: known.node,
            descriptor: known.descriptor,
            proven: true,
        }
    }
}

fn ambiguous(name: &Name, known: &[Known]) -> Error {
    let candidates = known.iter().map(|known| known.agent.to_string()).collect();
    let message = format!("several agents are named {name}; use the id of one of them");
    Error { candidates, ..Error::refusal(Kind::Ambiguous, "", message).with_field("to") }
}

fn unproven(route: &Route) -> Error {
    let message = format!(
        "a credential is stored for {}, which was found by a name or a query that anyone in this \
         mesh may answer to; call it by its id, or give the agent an identity (a key that is kept) \
         and pin its name",
        route.agent
    );
    let error = Error::new(Kind::Auth, message).with_code("unproven_name");
    error.with_field("to").with_agent(route.agent)
}

fn not_pinned(name: &Name, pinned: AgentId, other: AgentId) -> Error {
    let message = format!(
        "the name {name} is pinned to {pinned}, but another agent answers to it; \
         `hubless pin set` accepts the other"
    );
    Error::refusal(Kind::Conflict, "pinned", message).with_field("to").with_agent(other)
}
