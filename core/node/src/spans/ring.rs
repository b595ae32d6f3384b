//! The calls that a node remembers, the latest last.

use super::ids::TraceId;
use super::span::Span;
use hubless_proto::limits::{RECENT_CALLS, TRACE_CALLS};
use std::collections::VecDeque;

/// A bounded memory of calls; the oldest goes first.
#[derive(Default)]
pub(super) struct Ring {
    spans: VecDeque<Span>,
}

/// What is remembered of one trace.
pub(super) struct OfTrace {
    /// The latest, oldest first.
    pub(super) spans: Vec<Span>,
    /// True: older ones were left out.
    pub(super) more: bool,
}

impl Ring {
    pub(super) fn push(&mut self, span: Span) {
        if self.spans.len() >= RECENT_CALLS {
            self.spans.pop_front();
        }
        self.spans.push_back(span);
    }

    pub(super) fn of(&self, trace: TraceId) -> OfTrace {
        let latest = self.spans.iter().rev().filter(|span| span.trace_id == trace);
        let mut spans: Vec<Span> = latest.take(TRACE_CALLS + 1).cloned().collect();
        let more = spans.len() > TRACE_CALLS;
        spans.truncate(TRACE_CALLS);
        spans.reverse();
        OfTrace { spans, more }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::span;
    use super::*;

    #[test]
    fn the_oldest_call_is_forgotten_for_one_more_than_the_bound() {
        let mut ring = Ring::default();
        ring.push(span(1, 1, None));
        for _ in 1..RECENT_CALLS {
            ring.push(span(2, 2, None));
        }
        let first = TraceId::from_bytes([1; 16]);
        assert_eq!(ring.of(first).spans.len(), 1, "at the bound");
        ring.push(span(2, 2, None));
        assert!(ring.of(first).spans.is_empty());
        assert_eq!(ring.spans.len(), RECENT_CALLS);
    }

    #[test]
    fn the_latest_calls_of_a_trace_are_told_up_to_the_bound() {
        let mut ring = Ring::default();
        for at in 0..TRACE_CALLS {
            ring.push(Span { attempt: u32::try_from(at).unwrap(), ..span(1, 1, None) });
        }
        let trace = TraceId::from_bytes([1; 16]);
        let told = ring.of(trace);
        assert_eq!((told.spans.len(), told.more, told.spans[0].attempt), (TRACE_CALLS, false, 0));
        ring.push(Span { attempt: u32::MAX, ..span(1, 1, None) });
        let told = ring.of(trace);
        assert_eq!((told.spans.len(), told.more, told.spans[0].attempt), (TRACE_CALLS, true, 1));
        assert_eq!(told.spans.last().unwrap().attempt, u32::MAX);
    }
}
