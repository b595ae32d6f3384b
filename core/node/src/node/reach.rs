//! Agents that are named with their node: found there, before others are told of them.

use super::lifecycle::Inner;
use super::request::Target;
use super::resolve::{Route, Times};
use super::world::Known;
use crate::chance::now_ms;
use crate::engine::lock;
use crate::mesh::{Wait, another_answer};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{self, AgentId, NodeKey};
use hubless_proto::wire::announcement::open_agent;
use hubless_proto::wire::v1::{answer, ask};
use std::sync::Arc;

/// An agent at a node.
#[derive(Clone, Copy)]
pub(super) struct Place {
    agent: AgentId,
    node: NodeKey,
}

impl Place {
    /// The place that a request names, if it names one.
    pub(super) fn of(to: &Target) -> Option<Self> {
        let Target::Text(text) = to else { return None };
        match text.parse() {
            Ok(identity::Target::At { agent, node }) => Some(Self { agent, node }),
            Ok(
                identity::Target::Id(_)
                | identity::Target::Address(_)
                | identity::Target::Name { .. },
            )
            | Err(_) => None,
        }
    }
}

impl Inner {
    /// The agent at its node, which is asked for it if nothing is known of it here; the node itself
    /// may take a while to appear.
    pub(super) async fn route_at(
        &self,
        place: Place,
        times: Times,
        gone: Option<&Route>,
    ) -> Result<Route> {
        let mut changed = self.world.changed();
        loop {
            changed.borrow_and_update();
            let found = match self.known_at(place.agent, place.node) {
                Some(known) => Ok(known),
                None => self.asked_for(place, times.reached).await,
            };
            let waits = |error: &Error| error.code == "unknown_node";
            match found.map(Route::from).map_err(|error| error.with_field("to")) {
                Ok(route) if gone.is_some_and(|gone| route.is_same(gone)) => {
                    return Err(not_there());
                }
                Err(error) if waits(&error) => {
                    if !self.changes_by(&mut changed, times.known_by).await? {
                        return Err(error);
                    }
                }
                found => return found,
            }
        }
    }

    /// The agent at this node, as far as it is known here.
    pub(super) fn known_at(&self, agent: AgentId, node: NodeKey) -> Option<Known> {
        if node != self.mesh.node_key() {
            return self.world.at(agent, node);
        }
        let registry = lock(&self.engine.registry);
        registry.by_id(&agent).map(|agent| Known::hosted(&agent.value, node))
    }

    /// Asks the node for the agent. What it answers is used for the call and not kept: it may live
    /// for moments only.
    async fn asked_for(&self, Place { agent, node }: Place, wait: Wait) -> Result<Known> {
        if node == self.mesh.node_key() {
            return Err(not_there());
        }
        let question = ask::Question::Descriptor(agent.to_wire());
        let answer = self.mesh.ask_in(node, question, wait).await.map_err(|error| {
            let refused = error.rejection && error.kind == Kind::NotFound;
            if refused && error.code != "closing" { not_there() } else { error }
        })?;
        let answer::Answer::Agent(shown) = answer else { return Err(another_answer()) };
        let opened = open_agent(&shown, &node, now_ms())?;
        if opened.agent() != agent {
            let message = format!("expected the records of {agent}, got those of another agent");
            return Err(Error::new(Kind::Auth, message).with_code("wrong_key"));
        }
        self.check_zones(node, &opened.descriptor.body)?;
        let descriptor = Arc::new(opened.descriptor.body);
        Ok(Known { agent, node: Some(node), descriptor })
    }
}

/// It says what to do next, since a transient agent that is gone does not come back.
fn not_there() -> Error {
    let message = "no such agent lives at this node; it may be gone: ask its maker for another";
    Error::new(Kind::NotFound, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::Home;
    use crate::mesh::tests::hosts::{Told, shown};
    use crate::mesh::{Mesh, MeshOptions};
    use crate::node::{Node, NodeOptions};
    use hubless_proto::identity::SecretKey;
    use hubless_proto::wire::record::Term;
    use hubless_proto::wire::v1;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_the_named_node_and_the_agent_do_not_prove_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(Some(folder.path())).unwrap();
        let liar = Told::nothing();
        let mesh = Mesh::start(MeshOptions::new(home), Arc::<Told>::clone(&liar)).await.unwrap();
        let options = NodeOptions { home: Some(folder.path().into()), ..NodeOptions::default() };
        let node = Node::start(options).await.unwrap();
        let key = SecretKey::from_seed([7; 32]);
        let reach = identity::Target::At { agent: key.agent_id(), node: mesh.node_key() };
        let term = Term::transient(now_ms());
        let body = v1::Descriptor { name: "brief".into(), transient: true, ..Default::default() };
        let abroad = v1::Descriptor { zones: vec!["eu".into()], ..body.clone() };
        let of = |key: &SecretKey, node, term| shown(key, node, term, &body);
        let good = of(&key, mesh.node_key(), term);
        let mut forged = good.clone();
        forged.hosting.as_mut().unwrap().signature = vec![0; 64].into();
        let over = Term::transient(now_ms() - 61_000);
        let renewed = Term { seq: term.issued_at_ms, ..term };
        let rows = [
            (of(&key, node.key(), term), Kind::Auth, "wrong_node"),
            (of(&SecretKey::from_seed([8; 32]), mesh.node_key(), term), Kind::Auth, "wrong_key"),
            (forged, Kind::Auth, "bad_signature"),
            (of(&key, mesh.node_key(), over), Kind::Expired, "expired"),
            (of(&key, mesh.node_key(), renewed), Kind::Content, "transient_term"),
            (v1::AgentAnnouncement::default(), Kind::Transport, "bad_frame"),
            (shown(&key, mesh.node_key(), term, &abroad), Kind::Denied, "zone"),
        ];
        for (records, kind, code) in rows {
            liar.tell(answer::Answer::Agent(records));
            let error = node.describe(&reach.to_string()).await.unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (kind, code), "{error}");
            assert_eq!(error.field.as_deref(), Some("to"));
        }
        liar.tell(answer::Answer::Returns(true));
        let error = node.describe(&reach.to_string()).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Transport, "no_answer"));
        liar.tell(answer::Answer::Agent(good));
        let described = node.describe(&reach.to_string()).await.unwrap();
        assert_eq!(described.descriptor.name, "brief");
        assert!(node.open().unwrap().world.by_id(&key.agent_id()).is_none(), "it is not kept");
    }
}
