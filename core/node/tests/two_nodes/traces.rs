//! One trace over several nodes, gathered from those that are left.

use super::support::{Pair, ask, node_in, pair, patient, register};
use hubless::Kind;
use hubless_proto::query::Query;
use serde_json::{Value, json};
use std::time::Duration;

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
