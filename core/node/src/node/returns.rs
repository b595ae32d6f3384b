//! Answers that go to another agent than the caller: who expects them, and how they get there.

use super::calls;
use super::funds::Funds;
use super::lifecycle::Inner;
use super::prepare;
use super::request::{RequestOptions, Target};
use super::resolve::{Sight, Times};
use crate::call::content::Content;
use crate::engine::{Return, Returns, lock};
use crate::foreign::Answer;
use hubless_proto::error::Result;
use hubless_proto::identity::{self, AgentId};
use hubless_proto::limits;
use hubless_proto::policy::{Caller, CallerKind, Effect};
use hubless_proto::wire::v1;
use serde_json::json;
use std::sync::{Arc, Weak};
use tokio::time::Instant;

/// Entry of the metadata of a delivered answer: which call it answers, and who answered.
const RETURN_OF: &str = "hubless.returnOf";

/// Carries answers for a node.
pub(super) struct Postman(Weak<Inner>);

impl Postman {
    pub(super) fn of(node: &Arc<Inner>) -> Self {
        Self(Arc::downgrade(node))
    }
}

impl Returns for Postman {
    fn expected(&self, caller: &Caller, callee: AgentId, to: AgentId) -> Answer<bool> {
        let (node, caller) = (self.0.upgrade(), caller.clone());
        Box::pin(async move {
            let Some(node) = node else { return Ok(false) };
            Ok(node.expects(&caller, callee, to).await)
        })
    }

    fn deliver(&self, answer: Return, content: Content) -> Answer<()> {
        let node = self.0.upgrade().ok_or_else(super::lifecycle::closed);
        Box::pin(async move { node?.deliver(answer, content).await })
    }
}

impl Inner {
    /// The agent that an answer is to go to, as the caller names it.
    ///
    /// # Errors
    /// `invalid_argument`, `not_found`, `ambiguous`, with field `returnTo`.
    pub(super) fn return_address(&self, text: &str) -> Result<String> {
        if text.is_empty() {
            return Ok(String::new());
        }
        let found = match text.parse::<AgentId>() {
            Ok(id) => Ok(id),
            Err(_) => self.agent_now(&Target::from(text)),
        };
        found.map(|id| id.to_string()).map_err(|error| error.with_field("returnTo"))
    }

    /// An agent of the caller's node expects it, and one whose rules name the callee.
    async fn expects(self: &Arc<Self>, caller: &Caller, callee: AgentId, to: AgentId) -> bool {
        if caller.own_return == Some(to) {
            return true;
        }
        let here = lock(&self.engine.registry).by_id(&to).map(|agent| Arc::clone(&agent.value));
        if let Some(hosted) = here {
            let rules = hosted.policy.requirements();
            return caller.kind == CallerKind::Local || rules.accept_returns_from.contains(&callee);
        }
        // The caller may have heard of it before this node did.
        let times = Times::brief(Instant::now() + limits::FIND_WAIT);
        let known = self.route((&Target::from(to), Sight::All), times, None).await;
        let Some(node) = known.ok().and_then(|route| route.node) else { return false };
        let asked = v1::ReturnQuestion { agent: to.to_wire(), callee: callee.to_wire() };
        // The callee is known there by what this node shows.
        self.announce_now();
        let answer = self.mesh.ask(node, v1::ask::Question::Returns(asked)).await;
        matches!(answer, Ok(v1::answer::Answer::Returns(true)))
    }

    /// Whether an agent of this node takes answers of the callee, an agent of the node that asks:
    /// it learns that of its own agents only, the rules stay private.
    pub(super) fn takes_returns(&self, asked: &v1::ReturnQuestion) -> Result<bool> {
        let agent = AgentId::from_slice(&asked.agent)?;
        let callee = AgentId::from_slice(&asked.callee)?;
        let registry = lock(&self.engine.registry);
        let hosted = registry.by_id(&agent);
        Ok(hosted.is_some_and(|hosted| {
            hosted.value.policy.requirements().accept_returns_from.contains(&callee)
        }))
    }

    /// Asks the agent to take the answer: repeatable, under the id of the call that it answers, and
    /// paid from the grant of that call.
    async fn deliver(self: &Arc<Self>, answer: Return, content: Content) -> Result<()> {
        let Return { to: agent, callee, node, call, grant, .. } = answer;
        let to: Target = match node {
            Some(node) => identity::Target::At { agent, node }.into(),
            None => agent.into(),
        };
        let id = data_encoding::HEXLOWER.encode(&call.id);
        let note = json!({"requestId": id, "agent": callee.to_string()});
        let options = RequestOptions {
            timeout_ms: Some(call.deadline_ms.max(1)),
            total_ms: call.total_ms.map(|ms| ms.max(1)),
            conversation_id: call.conversation_id,
            effect: Some(Effect::Idempotent.name().to_owned()),
            idempotency_key: id,
            metadata: [(RETURN_OF.to_owned(), note)].into_iter().collect(),
            trace: call.trace,
            from: Some(callee),
            ..RequestOptions::new(to, content)
        };
        let mut prepared = prepare::prepare(self, options)?;
        prepared.request.id = call.id;
        prepared.request.depth = call.depth.saturating_add(1);
        prepared.request.ancestors = call.ancestors;
        prepared.request.ancestors.push(callee.to_wire());
        let treasury = self.engine.treasury();
        prepared.funds = grant.map(|grant| Arc::new(Funds::of_grant(treasury, grant)));
        calls::run_alone(self, prepared).await.map(drop)
    }
}
