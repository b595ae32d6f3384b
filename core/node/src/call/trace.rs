//! W3C Trace Context (<https://www.w3.org/TR/trace-context/>), carried literally.

use hubless_proto::error::{Error, Result};
use hubless_proto::wire::v1;

/// The trace of a request: continued with a new span, or begun.
pub(crate) fn child(of: Option<&v1::Trace>) -> v1::Trace {
    let parts = of.and_then(|trace| parse(&trace.traceparent));
    let (trace_id, flags) = parts.unwrap_or_else(|| (hex(&random::<16>()), "00".to_owned()));
    let traceparent = format!("00-{trace_id}-{}-{flags}", hex(&random::<8>()));
    let (tracestate, baggage) =
        of.map(|t| (t.tracestate.clone(), t.baggage.clone())).unwrap_or_default();
    v1::Trace { traceparent, tracestate, baggage }
}

/// The trace id of a trace context, when it has one.
pub(crate) fn trace_id(trace: &v1::Trace) -> Option<String> {
    parse(&trace.traceparent).map(|(id, _)| id)
}

/// Checks a trace context that a program gave.
pub(crate) fn check(trace: &v1::Trace) -> Result<()> {
    if parse(&trace.traceparent).is_some() {
        return Ok(());
    }
    Err(Error::invalid("trace", "expected a traceparent of W3C Trace Context, version 00"))
}

fn parse(traceparent: &str) -> Option<(String, String)> {
    let mut fields = traceparent.split('-');
    let version = fields.next().filter(|v| is_hex(v, 2) && *v != "ff")?;
    let trace = fields.next().filter(|id| is_hex(id, 32) && id.bytes().any(|b| b != b'0'))?;
    fields.next().filter(|id| is_hex(id, 16) && id.bytes().any(|b| b != b'0'))?;
    let flags = fields.next().filter(|flags| is_hex(flags, 2))?;
    if version == "00" && fields.next().is_some() {
        return None;
    }
    Some((trace.to_owned(), flags.to_owned()))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn random<const N: usize>() -> [u8; N] {
    crate::chance::bytes()
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
        let child = child(Some(&trace(PARENT)));
        assert_eq!(trace_id(&child).as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert!(child.traceparent.ends_with("-01"));
        assert!(!child.traceparent.contains("b7ad6b7169203331"));
    }

    #[test]
    fn without_a_parent_a_trace_begins() {
        assert!(check(&child(None)).is_ok());
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
