//! Spans as OTLP in JSON: one a line, a whole `TracesData`, as the file exporter of OpenTelemetry
//! writes it (<https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/>); or many in one
//! `ExportTraceServiceRequest`, which has the same fields.

use super::paid::CallBudget;
use super::span::Span;
use hubless_proto::identity::{MeshId, NodeKey};
use hubless_proto::killswitch::Component;
use hubless_proto::wire::words::CallSide;
use serde_json::{Value, json};

/// Whose spans they are.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) node: NodeKey,
    pub(super) mesh: MeshId,
    pub(super) language: &'static str,
    pub(super) names: Names,
}

/// Which names attributes have. Those of OpenTelemetry for agents are in development: whoever
/// wants them says so by `OTEL_SEMCONV_STABILITY_OPT_IN`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Names {
    /// Ours.
    Own,
    /// Ours, and those of OpenTelemetry.
    WithGenAi,
}

impl Names {
    /// Reads the list of what is opted in.
    pub(super) fn of(opt_in: &str) -> Self {
        let wanted = |word: &str| word.trim() == "gen_ai_latest_experimental";
        if opt_in.split(',').any(wanted) { Self::WithGenAi } else { Self::Own }
    }
}

/// The line, with its end.
pub(super) fn line(span: &Span, resource: &Resource) -> String {
    format!("{}\n", all(vec![body(span, resource)], resource))
}

/// The request that exports all of these.
pub(super) fn batch(spans: &[Span], resource: &Resource) -> String {
    all(spans.iter().map(|span| body(span, resource)).collect(), resource).to_string()
}

fn body(span: &Span, resource: &Resource) -> Value {
    let mut body = json!({
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": format!("invoke_agent {}", span.name),
        "kind": match span.side { CallSide::Handled => 2, CallSide::Made => 3 },
        "startTimeUnixNano": nanos(span.started_us),
        "endTimeUnixNano": nanos(span.started_us.saturating_add(span.duration_us)),
        "attributes": attributes(span, resource),
        "status": status(span),
    });
    if let Some(parent) = span.parent_id {
        body["parentSpanId"] = json!(parent);
    }
    body
}

fn all(spans: Vec<Value>, resource: &Resource) -> Value {
    let scope = json!({"name": "hubless", "version": env!("CARGO_PKG_VERSION")});
    let about = [
        text("service.name", "hubless"),
        text("service.instance.id", &resource.node.to_string()),
        text("hubless.node", &resource.node.to_string()),
        text("hubless.mesh", &resource.mesh.to_string()),
        text("hubless.language", resource.language),
        number("process.pid", std::process::id().into()),
    ];
    json!({"resourceSpans": [{
        "resource": {"attributes": about},
        "scopeSpans": [{"scope": scope, "spans": spans}],
    }]})
}

fn attributes(span: &Span, resource: &Resource) -> Vec<Value> {
    let usage = &span.usage;
    let mut all = vec![
        text("hubless.agent.id", &span.agent_id.to_string()),
        text("hubless.agent.name", &span.name),
        text("hubless.peer", &span.peer.to_string()),
        text("hubless.request.id", &span.request_id.to_string()),
        number("hubless.attempt", span.attempt.into()),
        number("hubless.usage.input_tokens", usage.input_tokens),
        number("hubless.usage.output_tokens", usage.output_tokens),
        number("hubless.usage.cost_micros", usage.cost_micros),
        number("hubless.usage.calls", usage.calls),
    ];
    all.extend(span.path.map(|path| text("hubless.path", path.name())));
    all.extend(span.request_bytes.map(|bytes| number("hubless.request.bytes", bytes)));
    all.extend(span.answer_bytes.map(|bytes| number("hubless.answer.bytes", bytes)));
    all.extend(span.hop.map(|hop| number("hubless.hop", hop.into())));
    all.extend(span.budget.iter().flat_map(paid));
    all.extend(span.kill_reason().map(|why| text("hubless.kill.reason", why.name())));
    if span.side == CallSide::Handled {
        all.push(number("hubless.queue_us", span.queue_us));
    }
    if !span.kind.is_empty() {
        all.push(text("error.type", &span.kind));
        all.push(text("hubless.error.code", &span.code));
    }
    if resource.names == Names::WithGenAi {
        all.extend([
            text("gen_ai.operation.name", "invoke_agent"),
            text("gen_ai.agent.id", &span.agent_id.to_string()),
            text("gen_ai.agent.name", &span.name),
            number("gen_ai.usage.input_tokens", usage.input_tokens),
            number("gen_ai.usage.output_tokens", usage.output_tokens),
        ]);
    }
    all
}

/// The budget that paid: its id, the limits of the call, and what was spent where that is known.
fn paid(budget: &CallBudget) -> Vec<Value> {
    let mut all = vec![text("hubless.budget.id", &budget.id.to_string())];
    for component in Component::ALL {
        let name = attribute(component);
        let limit = budget.limit.of(component);
        all.extend(limit.map(|limit| number(&format!("hubless.budget.limit.{name}"), limit)));
        let spent = budget.spent.map(|spent| spent.of(component));
        all.extend(spent.map(|spent| number(&format!("hubless.budget.spent.{name}"), spent)));
    }
    all
}

/// As attributes are written.
const fn attribute(component: Component) -> &'static str {
    match component {
        Component::InputTokens => "input_tokens",
        Component::OutputTokens => "output_tokens",
        Component::CostMicros => "cost_micros",
        Component::Calls => "calls",
    }
}

/// An answer leaves the status unset, as OpenTelemetry asks of libraries.
fn status(span: &Span) -> Value {
    match (span.kind.as_ref(), span.code.as_str()) {
        ("", _) => json!({}),
        (kind, "") => json!({"code": 2, "message": kind}),
        (kind, code) => json!({"code": 2, "message": format!("{kind} ({code})")}),
    }
}

fn nanos(us: u64) -> String {
    us.saturating_mul(1_000).to_string()
}

fn text(key: &str, value: &str) -> Value {
    json!({"key": key, "value": {"stringValue": value}})
}

/// 64-bit numbers are texts in the JSON form of protobuf.
fn number(key: &str, value: u64) -> Value {
    json!({"key": key, "value": {"intValue": value.to_string()}})
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{budget, resource, span};
    use super::*;
    use hubless_proto::killswitch::{Allowance, Amount};
    use hubless_proto::limits::{ID_BYTES, NAME_CHARS, TRACE_LINE_BYTES};

    fn keys(span: &Value) -> Vec<String> {
        let all = span["attributes"].as_array().unwrap().iter();
        all.map(|one| one["key"].as_str().unwrap().to_owned()).collect()
    }

    fn read(line: &str) -> Value {
        let all: Value = serde_json::from_str(line).unwrap();
        all["resourceSpans"][0]["scopeSpans"][0]["spans"][0].clone()
    }

    #[test]
    fn a_line_is_one_span_in_the_form_of_otlp() {
        let made = span(0xa, 0xb, Some(0xc));
        let line = line(&made, &resource(Names::Own));
        assert_eq!(line.matches('\n').count(), 1);
        let read = read(&line);
        assert_eq!(read["traceId"], "0a".repeat(16));
        assert_eq!(
            (&read["spanId"], &read["parentSpanId"]),
            (&json!("0b".repeat(8)), &json!("0c".repeat(8)))
        );
        assert_eq!((&read["name"], &read["kind"]), (&json!("invoke_agent echo"), &json!(3)));
        let at = |key: &str| read[key].as_str().unwrap().parse::<u64>().unwrap();
        assert_eq!(at("endTimeUnixNano") - at("startTimeUnixNano"), 1_500_000);
        assert_eq!(read["status"], json!({"code": 2, "message": "busy (queue)"}));
        assert!(keys(&read).iter().all(|key| !key.starts_with("gen_ai.")));
        let handled = Span { side: CallSide::Handled, kind: "".into(), parent_id: None, ..made };
        let read = self::read(&super::line(&handled, &resource(Names::Own)));
        assert_eq!((&read["kind"], &read["status"]), (&json!(2), &json!({})));
        assert!(read.get("parentSpanId").is_none());
    }

    #[test]
    fn a_call_with_a_budget_says_its_hop_its_limits_and_why_it_was_stopped() {
        let made = Span { kind: "killed".into(), code: "operator".into(), ..span(1, 2, Some(3)) };
        let said = |span: &Span, key: &str| {
            let read = read(&line(span, &resource(Names::Own)));
            let all = read["attributes"].as_array().unwrap().clone();
            all.into_iter().find(|one| one["key"] == key).map(|one| one["value"].clone())
        };
        for (key, value) in [
            ("hubless.hop", json!({"intValue": "3"})),
            ("hubless.budget.id", json!({"stringValue": "09".repeat(32)})),
            ("hubless.budget.limit.output_tokens", json!({"intValue": "40"})),
            ("hubless.budget.spent.output_tokens", json!({"intValue": "7"})),
            ("hubless.budget.spent.calls", json!({"intValue": "0"})),
            ("hubless.kill.reason", json!({"stringValue": "operator"})),
        ] {
            assert_eq!(said(&made, key), Some(value), "{key}");
        }
        assert_eq!(said(&made, "hubless.budget.limit.calls"), None, "it is not limited");
        let free = Span { budget: None, hop: None, code: "canary".into(), ..made };
        for key in ["hubless.hop", "hubless.budget.id", "hubless.kill.reason"] {
            assert_eq!(said(&free, key), None, "{key}");
        }
    }

    #[test]
    fn names_of_opentelemetry_are_there_for_who_opts_in() {
        let wanted = Names::of("http, gen_ai_latest_experimental");
        assert_eq!((wanted, Names::of("http/dup")), (Names::WithGenAi, Names::Own));
        let read = read(&line(&span(1, 2, None), &resource(wanted)));
        assert!(keys(&read).contains(&"gen_ai.agent.name".to_owned()));
    }

    #[test]
    fn the_longest_line_is_within_its_bound() {
        let code = "\u{1}\"".repeat(ID_BYTES);
        let longest = Span {
            name: "n".repeat(NAME_CHARS),
            code: super::super::fixtures::failed_with(&code).code,
            kind: "stale_attempt".into(),
            started_us: u64::MAX,
            request_bytes: Some(u64::MAX),
            answer_bytes: Some(u64::MAX),
            hop: Some(u32::MAX),
            budget: Some(CallBudget {
                limit: Allowance::exactly(&Amount::MAX),
                spent: Some(Amount::MAX),
                ..budget()
            }),
            ..span(1, 2, Some(3))
        };
        assert_eq!(longest.code, "\"".repeat(ID_BYTES));
        let line = line(&longest, &resource(Names::WithGenAi));
        assert!(line.len() <= TRACE_LINE_BYTES, "{}", line.len());
    }
}
