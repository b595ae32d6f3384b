//! A node of another make: what it answers, and the agents that it shows.

use crate::call::body::Bodies;
use crate::call::pipe::CalleeEnd;
use crate::engine::lock;
use crate::mesh::{MeshHost, Source};
use hubless_proto::identity::{AgentId, NodeKey, SecretKey};
use hubless_proto::policy::Caller;
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1::{self, answer::Answer};
use std::sync::{Arc, Mutex};

type Answers = dyn FnMut(v1::Ask) -> Option<Answer> + Send;

/// An engine that takes no calls, and answers questions as its test says.
pub(crate) struct Told(Mutex<Box<Answers>>);

impl Told {
    /// Answers nothing.
    pub(crate) fn nothing() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Box::new(|_| None))))
    }

    /// Answers every question with this from now on.
    pub(crate) fn tell(&self, answer: Answer) {
        self.tell_by(move |_| Some(answer.clone()));
    }

    /// Answers each question by this from now on.
    pub(crate) fn tell_by(&self, answers: impl FnMut(v1::Ask) -> Option<Answer> + Send + 'static) {
        *lock(&self.0) = Box::new(answers);
    }
}

impl MeshHost for Told {
    fn inbound(&self, _: Caller, _: v1::Request, _: Bodies, _: CalleeEnd) {}
    fn announced(&self, _: Source, _: v1::NodeAnnouncement) {}
    fn hidden(&self, _: NodeKey, _: Vec<(AgentId, u64)>) {}
    fn loaded(&self, _: NodeKey, _: Vec<(AgentId, u32)>) {}
    fn gone(&self, _: NodeKey) {}
    fn answer(&self, ask: v1::Ask) -> v1::Answer {
        let mut answers = lock(&self.0);
        v1::Answer { answer: answers(ask) }
    }
}

/// An agent at a node, as it is announced.
pub(crate) fn shown(
    key: &SecretKey,
    node: NodeKey,
    term: Term,
    body: &v1::Descriptor,
) -> v1::AgentAnnouncement {
    let descriptor = record::sign(key, term, body).unwrap();
    let hosting = v1::Hosting {
        node_key: node.to_wire(),
        descriptor_digest: record::digest(&descriptor.signed).to_vec().into(),
        ..v1::Hosting::default()
    };
    let hosting = record::sign(key, term, &hosting).unwrap();
    v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) }
}
