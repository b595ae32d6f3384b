//! Nodes that a call did not reach, or of which it heard nothing, and which node it asks instead.

use super::lifecycle::Inner;
use super::prepare::Prepared;
use super::reach::Place;
use super::resolve::Route;
use super::world::Known;
use crate::caller::drive::SILENT_PATH;
use hubless_proto::error::{Error, Kind};
use hubless_proto::identity::NodeKey;
use hubless_proto::policy::Effect;

/// Whether another node may take over what is asked of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spare {
    /// None: there is no other, or it may not be asked.
    Nobody,
    /// As long as nothing was sent to the first.
    Unsent,
    /// Whatever became of it.
    Sent,
}

impl Spare {
    /// For a call of this effect; none: it has bytes that can be read once only.
    pub(super) fn of(effect: Option<Effect>) -> Self {
        match effect {
            None => Self::Nobody,
            Some(effect) if effect.repeatable() => Self::Sent,
            Some(_) => Self::Unsent,
        }
    }
}

/// The nodes that one call asked in vain. Source: SPEC 03, "a call on a path silent for 2 s".
pub(super) struct Silent<'a> {
    inner: &'a Inner,
    nodes: Vec<NodeKey>,
    /// What another node may do for the call.
    most: Spare,
    /// True for a call that names its node: each attempt goes there.
    is_placed: bool,
}

impl<'a> Silent<'a> {
    /// `most`: what another node may do by the effect of the call.
    pub(super) fn new(inner: &'a Inner, prepared: &Prepared, most: Spare) -> Self {
        let is_placed = Place::of(&prepared.to).is_some();
        // A second grant may not fit beside the first, and what does not fit stops a budget.
        let stays = prepared.funds.is_some() || is_placed;
        let most = if stays { Spare::Nobody } else { most };
        Self { inner, nodes: Vec::new(), most, is_placed }
    }

    /// What a node that is neither silent nor this one may do for a call to `route`.
    pub(super) fn spare(&self, route: &Route) -> Spare {
        if self.most == Spare::Nobody || !route.remote(self.inner) {
            return Spare::Nobody;
        }
        if self.beside(route, route.node).is_some() { self.most } else { Spare::Nobody }
    }

    /// Notes that nothing is heard of the node of `route`; false: the call ended otherwise, or
    /// nobody else may be asked any more.
    pub(super) fn turns_from(&mut self, route: &Route, error: &Error) -> bool {
        // A refusal may have any code: a callee's word for it turns nothing.
        let turns = !error.rejection
            && match self.most {
                Spare::Nobody => false,
                Spare::Unsent => is_unsent(error),
                Spare::Sent => is_unsent(error) || error.code == SILENT_PATH,
            };
        if !turns {
            return false;
        }
        self.nodes.extend(route.node);
        self.beside(route, None).is_some()
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

/// True for a call whose node was not reached: what breaks off later has no such code.
fn is_unsent(error: &Error) -> bool {
    error.kind == Kind::Transport && matches!(error.code.as_str(), "dial" | "unknown_node")
}
