//! Load that peers are told of without asking.

use super::support::{Gated, Pair, ask, gated, pair};
use hubless::{FindOptions, Node};
use hubless_proto::query::Query;
use serde_json::json;
use std::time::Duration;

async fn load(node: &Node) -> f64 {
    let query = Query::read(json!({"filter": {"field": "name", "op": "=", "value": "gate"}}));
    let options = FindOptions { explain: true, ..FindOptions::default() };
    let found = node.peer(query.unwrap(), options).await.unwrap();
    let signals = found.explain.unwrap();
    signals.iter().find(|signal| signal.signal == "load").map_or(f64::NAN, |load| load.value)
}

async fn until(node: &Node, wanted: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..200 {
        let now = load(node).await;
        if wanted(now) {
            return now;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the load stayed at {}", load(node).await);
}

#[tokio::test]
async fn a_busy_agent_is_known_as_busy_by_who_is_connected_and_idle_again_afterwards() {
    let Pair { one, two, _home } = pair().await;
    let Gated { gate, .. } = gated(&one, json!({"name": "gate"})).await;
    gate.add_permits(1);
    two.request(ask("gate", json!(0))).await.unwrap();
    let idle = load(&two).await;
    let calls: Vec<_> = (0..20)
        .map(|number| {
            let node = one.clone();
            tokio::spawn(async move { node.request(ask("gate", json!(number))).await })
        })
        .collect();
    // Asked by its own node: no answer tells the other one.
    let busy = until(&two, |now| (now - idle).abs() > f64::EPSILON).await;
    gate.add_permits(20);
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(idle > busy, "idle {idle} ranks above busy {busy}");
    until(&two, |now| now > busy).await;
}
