//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>), carried literally.

use crate::chance;
use crate::spans::{SpanId, TraceId};
use data_encoding::HEXLOWER;
use hubless_proto::error::{Error, Result};
use hubless_proto::identity::hex;
use hubless_proto::wire::v1;

/// Letters of a `traceparent`.
const LETTERS: usize = 55;

/// Where a span is in its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    /// The span above; none: the trace begins here.
    pub(crate) parent: Option<SpanId>,
}

/// A `traceparent`, read.
pub(crate) struct Parent<'a> {
    pub(crate) trace: TraceId,
    pub(crate) span: SpanId,
    flags: &'a str,
}

/// A new span of a trace that is continued, or that begins with it.
pub(crate) fn child(of: Option<&v1::Trace>) -> (v1::Trace, Place) {
    let Some(of) = of else { return begin("00") };
    let Some(Parent { trace, span: above, flags }) = parse(&of.traceparent) else {
        let (begun, place) = begin("00");
        let (tracestate, baggage) = (of.tracestate.clone(), of.baggage.clone());
        return (v1::Trace { tracestate, baggage, ..begun }, place);
    };
    let span = SpanId::fresh();
    let traceparent = write(trace, span, flags);
    let (tracestate, baggage) = (of.tracestate.clone(), of.baggage.clone());
    (v1::Trace { traceparent, tracestate, baggage }, Place { trace, span, parent: Some(above) })
}

/// The first span of a new trace.
pub(crate) fn begin(flags: &str) -> (v1::Trace, Place) {
    let chance: [u8; 24] = chance::bytes();
    let (mut trace, mut span) = ([0; 16], [0; 8]);
    trace.copy_from_slice(&chance[..16]);
    span.copy_from_slice(&chance[16..]);
    let place =
        Place { trace: TraceId::from_bytes(trace), span: SpanId::from_bytes(span), parent: None };
    let traceparent = write(place.trace, place.span, flags);
    (v1::Trace { traceparent, ..v1::Trace::default() }, place)
}

/// The trace id of a trace context, when it has one.
pub(crate) fn trace_id(trace: &v1::Trace) -> Option<String> {
    parse(&trace.traceparent).map(|parent| parent.trace.to_string())
}

/// The span that a trace context names.
pub(crate) fn span_id(trace: &v1::Trace) -> Option<SpanId> {
    parse(&trace.traceparent).map(|parent| parent.span)
}

/// Checks a trace context that a program gave.
pub(crate) fn check(trace: &v1::Trace) -> Result<()> {
    if parse(&trace.traceparent).is_some() {
        return Ok(());
    }
    Err(Error::invalid("trace", "expected a traceparent of W3C Trace Context, version 00"))
}

/// Reads a `traceparent`; none: it is not one.
pub(crate) fn parse(traceparent: &str) -> Option<Parent<'_>> {
    let mut fields = traceparent.split('-');
    let version = fields.next().filter(|v| is_hex(v, 2) && *v != "ff")?;
    let trace = hex::decode("trace", fields.next()?).ok().filter(|id| *id != [0; 16])?;
    let span = hex::decode("span", fields.next()?).ok().filter(|id| *id != [0; 8])?;
    let flags = fields.next().filter(|flags| is_hex(flags, 2))?;
    if version == "00" && fields.next().is_some() {
        return None;
    }
    Some(Parent { trace: TraceId::from_bytes(trace), span: SpanId::from_bytes(span), flags })
}

fn write(trace: TraceId, span: SpanId, flags: &str) -> String {
    let mut text = String::with_capacity(LETTERS);
    text.push_str("00-");
    HEXLOWER.encode_append(trace.as_bytes(), &mut text);
    text.push('-');
    HEXLOWER.encode_append(span.as_bytes(), &mut text);
    text.push('-');
    text.push_str(flags);
    text
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn trace(traceparent: &str) -> v1::Trace {
        v1::Trace { traceparent: traceparent.to_owned(), ..v1::Trace::default() }
    }

    #[test]
    fn a_child_keeps_the_trace_and_has_its_own_span() {
        let (child, place) = child(Some(&trace(PARENT)));
        assert_eq!(trace_id(&child).as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert!(child.traceparent.ends_with("-01"));
        assert!(!child.traceparent.contains("b7ad6b7169203331"));
        assert_eq!(place.parent.map(|id| id.to_string()).as_deref(), Some("b7ad6b7169203331"));
        assert_eq!(parse(&child.traceparent).unwrap().span, place.span);
    }

    #[test]
    fn without_a_parent_a_trace_begins() {
        for (begun, place) in [child(None), begin("01"), child(Some(&trace("nonsense")))] {
            assert_eq!((check(&begun), place.parent), (Ok(()), None));
            assert_eq!(begun.traceparent.len(), LETTERS);
        }
    }

    #[test]
    fn malformed_ones_are_refused() {
        let rows = [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ];
        for row in rows {
            assert!(check(&trace(row)).is_err(), "{row}");
        }
    }
}
