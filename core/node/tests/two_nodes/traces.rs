//! One trace over several nodes, gathered from those that are left.

use super::support::{Pair, ask, node_in, pair, patient, register};
use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms, TripReason};
use hubless::spans::TraceId;
use hubless::{Kind, Node, NodeOptions};
use hubless_proto::query::Query;
use hubless_proto::wire::v1::Trace;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;

const TOKENS: Component = Component::OutputTokens;
/// Where the call that is stopped is in the trace of its program.
const STOPPED: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

#[tokio::test]
async fn a_trace_is_gathered_from_every_node_and_outlives_the_caller() {
    let Pair { one, two, _home } = pair().await;
    let caller = node_in(&_home).await;
    register(&two, json!({"name": "leaf"}), |_, c| async move { Ok(c) }).await;
    let inner = one.clone();
    register(&one, json!({"name": "front"}), move |call, content| {
        let inner = inner.clone();
        async move {
            let mut request = ask("leaf", content.decoded().unwrap());
            request.parent = Some(call.parent());
            Ok(inner.request(request).await?.content)
        }
    })
    .await;
    // A trace is gathered from the nodes that are known.
    register(&caller, json!({"name": "asker"}), |_, c| async move { Ok(c) }).await;
    let asker = json!({"filter": {"field": "name", "op": "=", "value": "asker"}});
    two.peer(Query::read(asker).unwrap(), patient()).await.unwrap();
    let reply = caller.request(ask("front", json!("x"))).await.unwrap();
    let whole = two.trace(reply.trace_id).await.unwrap();
    let [front] = whole.calls.as_slice() else { panic!("{whole:?}") };
    let [leaf] = front.calls.as_slice() else { panic!("{whole:?}") };
    let seen = [(&front.name, front.node_key), (&leaf.name, leaf.node_key)];
    assert_eq!(seen, [(&"front".to_owned(), one.key()), (&"leaf".to_owned(), two.key())]);
    assert!([front, leaf].iter().all(|call| call.made.is_some() && call.handled.is_some()));
    assert_eq!((whole.nodes.len(), whole.missing.len()), (3, 0));
    let gone = caller.key();
    caller.close(Duration::ZERO).await;
    let left = two.trace(reply.trace_id).await.unwrap();
    let [front] = left.calls.as_slice() else { panic!("{left:?}") };
    assert!(front.made.is_none() && front.handled.is_some() && front.calls.len() == 1);
    assert_eq!((left.missing.as_slice(), left.nodes.len()), (&[gone][..], 2));
}

/// Two nodes that write their spans, and two agents of the first: one that passes on to the other,
/// which spends.
struct Writing {
    home: tempfile::TempDir,
    one: Node,
    two: Node,
    /// Fires when the one that spends waits for its stop.
    waits: Arc<Notify>,
}

impl Writing {
    async fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let start = |name: &str| {
            let trace = Some(home.path().join(format!("{name}.jsonl")));
            let home = Some(home.path().join("home"));
            Node::start(NodeOptions { home, trace, ..NodeOptions::default() })
        };
        std::fs::create_dir_all(home.path().join("home")).unwrap();
        let (one, two) = (start("one").await.unwrap(), start("two").await.unwrap());
        let waits = Arc::<Notify>::default();
        let told = Arc::clone(&waits);
        register(&one, json!({"name": "model"}), move |call, content| {
            let told = Arc::clone(&told);
            async move {
                let spend = call.spend(tokens(7)).await?;
                if content.decoded() == Some(json!("wait")) {
                    told.notify_one();
                    return Err(call.cancelled().await);
                }
                spend.used(tokens(5));
                Ok(content)
            }
        })
        .await;
        let inner = one.clone();
        register(&one, json!({"name": "front"}), move |call, content| {
            let inner = inner.clone();
            async move {
                // Silent, it would be charged all that it was granted.
                call.spend(Amount::ZERO).await?.used(Amount::ZERO);
                let mut request = ask("model", content.decoded().unwrap());
                request.parent = Some(call.parent());
                // Beside this function, which may be dropped before the request has ended.
                let asked = tokio::spawn(async move { inner.request(request).await });
                Ok(asked.await.unwrap()?.content)
            }
        })
        .await;
        Self { home, one, two, waits }
    }

    /// The spans of each, once both have ended.
    async fn written(self) -> [Vec<Value>; 2] {
        for node in [self.one, self.two] {
            node.close(Duration::from_secs(5)).await;
        }
        ["one", "two"].map(|name| {
            let text = std::fs::read_to_string(self.home.path().join(format!("{name}.jsonl")));
            let text = text.unwrap();
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            lines.map(|all| all["resourceSpans"][0]["scopeSpans"][0]["spans"][0].clone()).collect()
        })
    }
}

fn tokens(count: u64) -> Amount {
    Amount::ZERO.with(TOKENS, count).unwrap()
}

/// The span of one side of a call in a trace.
fn find(all: &[Value], trace: &TraceId, name: &str, kind: u64) -> Value {
    let wanted = json!([trace.to_string(), format!("invoke_agent {name}"), kind]);
    let is = |span: &&Value| json!([span["traceId"], span["name"], span["kind"]]) == wanted;
    all.iter().find(is).cloned().unwrap_or_else(|| panic!("{wanted}: {all:?}"))
}

/// What a span says under this name; null: nothing.
fn said(span: &Value, key: &str) -> Value {
    let mut all = span["attributes"].as_array().into_iter().flatten();
    let found = all.find(|one| one["key"] == key);
    found.map(|one| one["value"].clone()).unwrap_or_default()
}

fn number(count: u64) -> Value {
    json!({"intValue": count.to_string()})
}

#[tokio::test]
async fn a_span_says_which_budget_paid_how_deep_it_is_and_why_it_was_stopped() {
    let nodes = Writing::new().await;
    let two = nodes.two.clone();
    let switch = KillSwitch::new(Terms::of(Allowance::UNLIMITED.with(TOKENS, Some(1_600))));
    let paid = |value: &str| {
        let mut request = ask("front", json!(value));
        request.kill_switch = Some(switch.clone());
        request
    };
    let answered = two.request(paid("x")).await.unwrap().trace_id;
    let mut waiting = paid("wait");
    let traceparent = STOPPED.to_owned();
    waiting.trace = Some(Trace { traceparent, ..Trace::default() });
    let waiting = tokio::spawn({
        let two = two.clone();
        async move { two.request(waiting).await }
    });
    nodes.waits.notified().await;
    switch.trip(TripReason::Operator);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind, Kind::Killed);
    let stopped = STOPPED.parse().unwrap();
    let free = two.request(ask("front", json!("x"))).await.unwrap().trace_id;
    // The tree joins what both sides know.
    let trace = two.trace(answered).await.unwrap();
    let (front, model) = (&trace.calls[0], &trace.calls[0].calls[0]);
    assert_eq!((front.hop, model.hop), (Some(1), Some(2)));
    let budgets = [front, model].map(|call| call.budget.clone().unwrap());
    let id = json!({"stringValue": budgets[0].id.to_string()});
    assert_eq!(budgets[0].id, budgets[1].id);
    let known = budgets.map(|one| (one.limit.of(TOKENS), one.spent.map(|all| all.of(TOKENS))));
    assert_eq!(known, [(Some(400), Some(5)), (Some(100), Some(5))]);
    let [of_one, of_two] = nodes.written().await;
    let spent = "hubless.budget.spent.output_tokens";
    // Name, whose file, kind, hop, limit, what was spent where that side knows it.
    for (name, all, kind, hop, most, used) in [
        ("front", &of_two, 3, 1, 400, Value::Null),
        ("front", &of_one, 2, 1, 400, number(5)),
        ("model", &of_one, 3, 2, 100, Value::Null),
        ("model", &of_one, 2, 2, 100, number(5)),
    ] {
        let span = find(all, &answered, name, kind);
        assert_eq!(said(&span, "hubless.budget.id"), id, "{name} {kind}");
        assert_eq!(said(&span, "hubless.hop"), number(hop), "{name} {kind}");
        let limit = said(&span, "hubless.budget.limit.output_tokens");
        assert_eq!((limit, said(&span, spent)), (number(most), used), "{name} {kind}");
        assert_eq!(said(&span, "hubless.kill.reason"), Value::Null, "{name} {kind}");
        let why = said(&find(all, &stopped, name, kind), "hubless.kill.reason");
        // Below, the end of the call above may be heard of first: by its callee as that, by who
        // asked as no stop at all.
        let above = [("model", 2, json!({"stringValue": "parent"})), ("model", 3, Value::Null)];
        let is_above = above.contains(&(name, kind, why.clone()));
        assert!(is_above || why == json!({"stringValue": "operator"}), "{name} {kind}: {why}");
    }
    // Without a budget only who begins the tree knows where it is in it.
    let hops = [(&of_two, "front", 3), (&of_one, "front", 2), (&of_one, "model", 3)];
    let hops = hops.map(|(all, name, kind)| said(&find(all, &free, name, kind), "hubless.hop"));
    assert_eq!(hops, [number(1), Value::Null, Value::Null]);
    assert_eq!(said(&find(&of_two, &free, "front", 3), "hubless.budget.id"), Value::Null);
}

#[tokio::test]
async fn a_refusal_is_in_the_trace_that_its_error_names() {
    let Pair { one, two, _home } = pair().await;
    let options = json!({"name": "shut", "requirements": {"maxRequestBytes": 1}});
    register(&one, options, |_, c| async move { Ok(c) }).await;
    let error = two.request(ask("shut", Value::from("too long"))).await.unwrap_err();
    assert_eq!(error.kind, Kind::TooLarge);
    let trace = one.trace(error.trace_id.unwrap().parse().unwrap()).await.unwrap();
    let [call] = trace.calls.as_slice() else { panic!("{trace:?}") };
    assert_eq!((call.kind.as_str(), call.node_key), ("too_large", one.key()));
    assert!(call.made.is_some() && call.handled.is_some());
}
