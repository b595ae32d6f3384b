//! Spans and their node, for the tests of this module.

use super::ids::{RequestId, SpanId, TraceId};
use super::otlp::{Names, Resource};
use super::paid::CallBudget;
use super::span::{Heading, Outcome, Span};
use crate::call::trace::Place;
use crate::node::Path;
use hubless_proto::error::{Error, Kind};
use hubless_proto::identity::{AgentId, MeshId, NodeKey};
use hubless_proto::killswitch::{Allowance, Amount, BudgetId, Component};
use hubless_proto::wire::words::CallSide;
use std::time::Duration;

/// A span of this trace with this id, below another.
pub(super) fn span(trace: u8, id: u8, parent: Option<u8>) -> Span {
    let place = Place {
        trace: TraceId::from_bytes([trace; 16]),
        span: SpanId::from_bytes([id; 8]),
        parent: parent.map(|parent| SpanId::from_bytes([parent; 8])),
    };
    let heading = Heading {
        place,
        side: CallSide::Made,
        request: RequestId::from_bytes([id; 16]),
        attempt: 1,
        agent: AgentId::from_bytes([7; 32]),
        name: "echo".to_owned(),
        peer: NodeKey::from_bytes([8; 32]),
        path: Some(Path::Direct),
        request_bytes: Some(5),
        depth: Some(3),
        budget: Some(budget()),
    };
    let error = Error::refusal(Kind::Busy, "queue", "secret-4711");
    Span::ended(heading, Duration::from_micros(1_500), Outcome::failed(&error))
}

/// A span of a call that failed with this code.
pub(super) fn failed_with(code: &str) -> Span {
    let own = span(1, 2, None);
    let heading = Heading {
        place: Place { trace: own.trace_id, span: own.span_id, parent: None },
        side: own.side,
        request: own.request_id,
        attempt: own.attempt,
        agent: own.agent_id,
        name: own.name,
        peer: own.peer,
        path: own.path,
        request_bytes: None,
        depth: None,
        budget: None,
    };
    let error = Error::refusal(Kind::Busy, code, "");
    Span::ended(heading, Duration::ZERO, Outcome::failed(&error))
}

/// One that paid: seven of forty tokens were spent.
pub(super) fn budget() -> CallBudget {
    let tokens = |count| Amount::ZERO.with(Component::OutputTokens, count).unwrap();
    CallBudget {
        id: BudgetId::from_bytes([9; 32]),
        limit: Allowance::UNLIMITED.with(Component::OutputTokens, Some(40)),
        spent: Some(tokens(7)),
    }
}

/// A node whose spans are written.
pub(super) fn resource(names: Names) -> Resource {
    let (node, mesh) = (NodeKey::from_bytes([1; 32]), MeshId::from_bytes([2; 32]));
    Resource { node, mesh, language: "rust", names }
}
