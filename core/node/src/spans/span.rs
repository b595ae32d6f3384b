//! One call as one of its two nodes saw it.

use super::ids::{RequestId, SpanId, TraceId};
use super::paid::CallBudget;
use crate::call::core::micros;
use crate::call::trace::Place;
use crate::chance;
use crate::node::Path;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::limits::ID_BYTES;
use hubless_proto::wire::v1::{self, event, part};
use hubless_proto::wire::words::{CallSide, TripReason};
use std::borrow::Cow;
use std::time::Duration;

/// One attempt of a call, as the node that made it or the one that handled it saw it.
///
/// It holds no content, no credential and no message of an error.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Span {
    /// The trace that it belongs to.
    pub(crate) trace_id: TraceId,
    /// Its own id.
    pub(crate) span_id: SpanId,
    /// The span above it; none: the trace begins here.
    pub(crate) parent_id: Option<SpanId>,
    /// Made or handled.
    pub(crate) side: CallSide,
    /// Id of the request.
    pub(crate) request_id: RequestId,
    /// From 1; higher for one that was tried again.
    pub(crate) attempt: u32,
    /// The agent that was called.
    pub(crate) agent_id: AgentId,
    /// Its name.
    pub(crate) name: String,
    /// Node of the other side; the own one for a call in process.
    pub(crate) peer: NodeKey,
    /// The way between both; none: this side does not know.
    pub(crate) path: Option<Path>,
    /// Unix time in microseconds.
    pub(crate) started_us: u64,
    /// From the start to the last event, in microseconds.
    pub(crate) duration_us: u64,
    /// Until the handler began, in microseconds; of a call that was handled.
    pub(crate) queue_us: u64,
    /// Kind of the error that it ended with; empty: it was answered.
    pub(crate) kind: Cow<'static, str>,
    /// Code of that error.
    pub(crate) code: String,
    /// What it used, without the models.
    pub(crate) usage: v1::Usage,
    /// Bytes of the parts that were asked with, where they are known.
    pub(crate) request_bytes: Option<u64>,
    /// Bytes of the parts that were answered with, where they are known.
    pub(crate) answer_bytes: Option<u64>,
    /// Depth in its tree of calls, from 1, where this side knows it: of a call with a budget that
    /// of its grant, of another one only that it begins the tree.
    pub(crate) hop: Option<u32>,
    /// What paid for it.
    pub(crate) budget: Option<CallBudget>,
}

/// What is known of a call when it begins.
pub(crate) struct Heading {
    pub(crate) place: Place,
    pub(crate) side: CallSide,
    pub(crate) request: RequestId,
    pub(crate) attempt: u32,
    pub(crate) agent: AgentId,
    pub(crate) name: String,
    pub(crate) peer: NodeKey,
    pub(crate) path: Option<Path>,
    pub(crate) request_bytes: Option<u64>,
    /// Depth of its grant.
    pub(crate) depth: Option<u32>,
    pub(crate) budget: Option<CallBudget>,
}

/// What is known of it at its end.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) kind: Cow<'static, str>,
    pub(crate) code: String,
    pub(crate) usage: v1::Usage,
    pub(crate) answer_bytes: Option<u64>,
    pub(crate) queue: Duration,
}

impl Span {
    /// A call that ends now and took so long.
    pub(crate) fn ended(heading: Heading, took: Duration, outcome: Outcome) -> Self {
        let duration_us = micros(took);
        let Outcome { kind, mut code, usage, answer_bytes, queue } = outcome;
        // No peer takes one with control characters, and each takes six letters in a line.
        code.retain(|letter| !letter.is_control());
        code.truncate(code.floor_char_boundary(ID_BYTES));
        let begins = heading.side == CallSide::Made && heading.place.parent.is_none();
        Self {
            trace_id: heading.place.trace,
            span_id: heading.place.span,
            parent_id: heading.place.parent,
            side: heading.side,
            request_id: heading.request,
            attempt: heading.attempt,
            agent_id: heading.agent,
            name: heading.name,
            peer: heading.peer,
            path: heading.path,
            started_us: chance::now_us().saturating_sub(duration_us),
            duration_us,
            queue_us: micros(queue),
            kind,
            code,
            usage: sums(&usage),
            request_bytes: heading.request_bytes,
            answer_bytes,
            hop: heading.depth.or_else(|| begins.then_some(1)),
            budget: heading.budget,
        }
    }

    /// Why its budget was stopped; none: it was not, or the call ended of something else.
    pub(crate) fn kill_reason(&self) -> Option<TripReason> {
        let killed = self.kind == Kind::Killed.name();
        killed.then(|| self.code.parse().ok()).flatten()
    }

    /// As a peer is told it; the trace is what was asked for.
    pub(crate) fn to_wire(&self) -> v1::TraceCall {
        v1::TraceCall {
            span: self.span_id.to_wire(),
            parent: self.parent_id.map(SpanId::to_wire).unwrap_or_default(),
            side: self.side.name().to_owned(),
            request: self.request_id.to_wire(),
            attempt: self.attempt,
            agent: self.agent_id.to_wire(),
            name: self.name.clone(),
            peer: self.peer.to_wire(),
            path: self.path.map(Path::name).unwrap_or_default().to_owned(),
            started_us: self.started_us,
            duration_us: self.duration_us,
            queue_us: self.queue_us,
            kind: self.kind.clone().into_owned(),
            code: self.code.clone(),
            usage: Some(self.usage.clone()),
            request_bytes: self.request_bytes,
            answer_bytes: self.answer_bytes,
            hop: self.hop,
            budget: self.budget.as_ref().map(CallBudget::to_wire),
        }
    }

    /// What a peer tells of a call of this trace; it was checked when it was decoded.
    pub(crate) fn from_wire(trace_id: TraceId, told: v1::TraceCall) -> Result<Self> {
        let parent = (!told.parent.is_empty()).then(|| SpanId::from_slice(&told.parent));
        Ok(Self {
            trace_id,
            span_id: SpanId::from_slice(&told.span)?,
            parent_id: parent.transpose()?,
            side: CallSide::of(&told.side),
            request_id: RequestId::from_slice(&told.request)?,
            attempt: told.attempt,
            agent_id: AgentId::from_slice(&told.agent)?,
            name: told.name,
            peer: NodeKey::from_slice(&told.peer)?,
            path: Path::of(&told.path),
            started_us: told.started_us,
            duration_us: told.duration_us,
            queue_us: told.queue_us,
            kind: Cow::Owned(told.kind),
            code: told.code,
            usage: told.usage.unwrap_or_default(),
            request_bytes: told.request_bytes,
            answer_bytes: told.answer_bytes,
            hop: told.hop,
            budget: told.budget.as_ref().map(CallBudget::from_wire).transpose()?,
        })
    }
}

impl Outcome {
    /// How a call ended with this event.
    pub(crate) fn of(last: &event::Kind) -> Self {
        match last {
            event::Kind::Rejection(rejection) => Self {
                kind: named_kind(&rejection.kind),
                code: rejection.code.clone(),
                ..Self::default()
            },
            event::Kind::Final(last) => Self {
                usage: last.usage.as_ref().map(sums).unwrap_or_default(),
                answer_bytes: content_bytes(last.content.as_ref()),
                ..Self::default()
            },
            event::Kind::Accepted(_)
            | event::Kind::Progress(_)
            | event::Kind::Chunk(_)
            | event::Kind::ToolCall(_)
            | event::Kind::InputRequired(_) => Self::default(),
        }
    }

    /// How it ended with this error.
    pub(crate) fn failed(error: &Error) -> Self {
        let kind = Cow::Borrowed(error.kind.name());
        Self { kind, code: error.code.clone(), ..Self::default() }
    }
}

/// A kind that this version knows costs no memory of its own.
fn named_kind(kind: &str) -> Cow<'static, str> {
    let known = kind.parse::<Kind>().map(|kind| Cow::Borrowed(kind.name()));
    known.unwrap_or_else(|_| Cow::Owned(kind.to_owned()))
}

/// Bytes of all parts of a content.
pub(crate) fn content_bytes(content: Option<&v1::Content>) -> Option<u64> {
    part_bytes(content.map(|content| content.parts.as_slice()).unwrap_or_default())
}

/// Bytes of these parts; none when a streamed one does not say its size.
pub(crate) fn part_bytes<'a>(parts: impl IntoIterator<Item = &'a v1::Part>) -> Option<u64> {
    let size = |part: &v1::Part| match part.kind.as_ref() {
        Some(part::Kind::Text(text) | part::Kind::DataJson(text)) => Some(text.len() as u64),
        Some(part::Kind::Blob(blob)) => Some(blob.bytes.len() as u64),
        Some(part::Kind::Uri(uri)) => Some(uri.uri.len() as u64),
        Some(part::Kind::Stream(stream)) => stream.size,
        None => Some(0),
    };
    let mut parts = parts.into_iter();
    parts.try_fold(0_u64, |sum, part| Some(sum.saturating_add(size(part)?)))
}

/// Usage without the models.
fn sums(usage: &v1::Usage) -> v1::Usage {
    v1::Usage {
        input_tokens: usage.input_tokens,
        output_tokens: usage.output_tokens,
        cost_micros: usage.cost_micros,
        calls: usage.calls,
        charged_in_full: usage.charged_in_full,
        ..v1::Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::span;
    use super::*;
    use hubless_proto::wire::decode::Checked;

    #[test]
    fn a_peer_is_told_everything_but_the_trace() {
        let own = span(1, 2, Some(3));
        assert!(own.started_us > 1_600_000_000_000_000 && own.duration_us == 1_500);
        let told = own.to_wire();
        assert_eq!(told.check(), Ok(()));
        assert_eq!(Span::from_wire(own.trace_id, told).unwrap(), own);
        assert_eq!(own.hop, Some(3), "of its grant");
        let root = Span { budget: None, hop: None, ..span(1, 2, None) };
        assert_eq!(Span::from_wire(root.trace_id, root.to_wire()).unwrap(), root);
        assert!(!format!("{own:?}").contains("4711"), "no message of an error");
    }

    #[test]
    fn sizes_are_known_unless_a_stream_does_not_say() {
        let text = crate::call::content::text_part("four");
        let stream = |size| v1::Part {
            kind: Some(part::Kind::Stream(v1::StreamPart { size, ..Default::default() })),
            ..Default::default()
        };
        assert_eq!(content_bytes(None), Some(0));
        assert_eq!(part_bytes(&[text.clone(), stream(Some(6))]), Some(10));
        assert_eq!(part_bytes(&[text, stream(None)]), None);
    }
}
