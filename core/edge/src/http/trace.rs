//! W3C Trace Context of a client: noted, not adopted, unless the operator trusts it.
//!
//! `baggage` goes no further: what strangers write into it is not for agents of the mesh.

use super::fault::Fault;
use super::rules::single;
use axum::http::HeaderName;
use axum::http::request::Parts;
use hubless::spans::TraceId;
use hubless::{Error, RequestOptions};
use hubless_proto::wire::v1;
use serde_json::Value;

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// Metadata that names the trace of the client.
const LINK: &str = "hubless.linkedTrace";

/// Carries the trace of the client over: continued where it is trusted, else as a link. One that
/// is malformed counts as none, as the standard says.
pub(super) fn carry(
    head: &Parts,
    trusted: bool,
    options: &mut RequestOptions,
) -> Result<(), Fault> {
    let twice = || Fault::from(Error::invalid("traceparent", "expected one traceparent"));
    let given = single(head, &TRACEPARENT, twice)?.and_then(|given| given.to_str().ok());
    let Some(traceparent) = given.filter(|given| is_whole(given)) else { return Ok(()) };
    if !trusted {
        options.metadata.insert(LINK.to_owned(), Value::from(traceparent));
        return Ok(());
    }
    let tracestate = head.headers.get_all(&TRACESTATE).iter().filter_map(|one| one.to_str().ok());
    let tracestate = tracestate.collect::<Vec<_>>().join(",");
    let traceparent = traceparent.to_owned();
    options.trace = Some(v1::Trace { traceparent, tracestate, baggage: String::new() });
    Ok(())
}

/// Version 00, and ids that are not zero.
fn is_whole(text: &str) -> bool {
    text.starts_with("00-") && text.parse::<TraceId>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::Request;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn carried(parent: &str, trusted: bool) -> RequestOptions {
        let request = Request::builder()
            .header("traceparent", parent)
            .header("tracestate", "a=b")
            .header("baggage", "canary=1");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let mut options = RequestOptions::default();
        carry(&head, trusted, &mut options).unwrap();
        options
    }

    #[test]
    fn a_foreign_trace_is_noted_and_adopted_only_where_trusted() {
        let linked = carried(PARENT, false);
        assert!(linked.trace.is_none());
        assert_eq!(linked.metadata[LINK], PARENT);
        let trusted = carried(PARENT, true);
        let trace = trusted.trace.unwrap();
        assert_eq!((trace.traceparent.as_str(), trace.tracestate.as_str()), (PARENT, "a=b"));
        assert_eq!(trace.baggage, "");
        assert!(trusted.metadata.is_empty());
    }

    #[test]
    fn one_that_is_malformed_counts_as_none() {
        for parent in ["x", "00-00000000000000000000000000000000-b7ad6b7169203331-01"] {
            let options = carried(parent, true);
            assert!(options.trace.is_none() && options.metadata.is_empty(), "{parent}");
        }
        let twice = Request::builder().header("traceparent", PARENT).header("traceparent", PARENT);
        let (head, _) = twice.body(Body::empty()).unwrap().into_parts();
        assert!(carry(&head, true, &mut RequestOptions::default()).is_err());
    }
}
