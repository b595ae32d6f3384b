//! Nodes of which a call heard nothing, and which node it asks instead.

use super::lifecycle::Inner;
use super::prepare::Prepared;
use super::reach::Place;
use super::resolve::Route;
use super::world::Known;
use hubless_proto::identity::NodeKey;

/// The silent nodes of one call. Source: SPEC 03, "a call on a path silent for 2 s"; a second
/// connection to the same node would take the path that the first one has.
pub(super) struct Silent<'a> {
    inner: &'a Inner,
    nodes: Vec<NodeKey>,
    /// False for a call that may run once only, for one that names its node, and for one with a
    /// budget: a second grant may not fit beside the first, and what does not fit stops a budget.
    may_turn: bool,
    /// True for a call that names its node: each attempt goes there.
    is_placed: bool,
}

impl<'a> Silent<'a> {
    pub(super) fn new(inner: &'a Inner, prepared: &Prepared, may_repeat: bool) -> Self {
        let is_placed = Place::of(&prepared.to).is_some();
        let may_turn = may_repeat && prepared.funds.is_none() && !is_placed;
        Self { inner, nodes: Vec::new(), may_turn, is_placed }
    }

    /// True when the agent of `route` is hosted by a node that is neither silent nor this one.
    pub(super) fn spare(&self, route: &Route) -> bool {
        self.may_turn && self.beside(route, route.node).is_some()
    }

    /// Notes that nothing is heard of the node of `route`; false: nobody else hosts the agent any
    /// more.
    pub(super) fn turns_from(&mut self, route: &Route) -> bool {
        self.nodes.extend(route.node);
        self.may_turn && self.beside(route, None).is_some()
    }

    /// Where the agent is asked for now.
    pub(super) fn known(&self, route: &Route) -> Option<Known> {
        if self.is_placed {
            return self.inner.known_at(route.agent, route.node?);
        }
        if self.nodes.is_empty() {
            return self.inner.known(route.agent);
        }
        self.beside(route, None)
    }

    fn beside(&self, route: &Route, not: Option<NodeKey>) -> Option<Known> {
        let hosts = self.inner.world.hosts(&route.agent);
        let heard = |node: &NodeKey| !self.nodes.contains(node) && not != Some(*node);
        hosts.into_iter().filter(heard).find_map(|node| self.inner.known_at(route.agent, node))
    }
}
