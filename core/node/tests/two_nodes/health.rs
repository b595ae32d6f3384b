//! What an agent says of its health, as another node finds it.

use super::support::{Pair, ask, pair, register};
use hubless::node::{Found, Health};
use hubless::{FindOptions, Kind, Node};
use hubless_proto::query::Query;
use serde_json::json;
use std::time::Duration;

fn ward() -> Query {
    Query::read(json!({"tags": ["ward"]})).unwrap()
}

async fn found(node: &Node) -> Vec<Found> {
    let options = FindOptions { explain: true, ..FindOptions::default() };
    node.find(ward(), options).await.unwrap()
}

fn health(of: &Found) -> f64 {
    let signals = of.explain.as_ref().unwrap();
    signals.iter().find(|signal| signal.signal == "health").unwrap().value
}

#[tokio::test]
async fn what_an_agent_says_of_its_health_orders_what_another_node_finds() {
    let Pair { one, two, _home } = pair().await;
    let tagged = |name| json!({"name": name, "tags": ["ward"]});
    let first = register(&one, tagged("first"), |_, content| async { Ok(content) }).await;
    let second = register(&one, tagged("second"), |_, content| async { Ok(content) }).await;
    let mut watch = two.watch(ward()).unwrap();
    while found(&two).await.len() < 2 {
        watch.next().await.unwrap();
    }
    for (ill, well) in [(&first, "second"), (&second, "first")] {
        ill.health(Health::Down).unwrap();
        let order = loop {
            let order = found(&two).await;
            if health(&order[1]) == 0.0 {
                break order;
            }
            watch.next().await.unwrap();
        };
        assert_eq!((order[0].name.as_str(), health(&order[0])), (well, 1.0));
        assert!(two.request(ask(ill.name(), json!(1))).await.is_ok(), "who asks for it is served");
        ill.health(Health::Up).unwrap();
        while found(&two).await.iter().any(|one| health(one) < 1.0) {
            watch.next().await.unwrap();
        }
    }
    first.unregister(Duration::ZERO).await.unwrap();
    let error = first.health(Health::Suspect).unwrap_err();
    assert_eq!((error.kind, error.operation.as_str()), (Kind::NotFound, "health"));
}

#[tokio::test]
async fn what_others_were_told_of_a_transient_agent_stands() {
    let Pair { one, two, _home } = pair().await;
    let brief = json!({"name": "brief", "tags": ["ward"], "transient": true});
    let brief = register(&one, brief, |_, content| async { Ok(content) }).await;
    brief.health(Health::Suspect).unwrap();
    let mut watch = two.watch(ward()).unwrap();
    while found(&two).await.is_empty() {
        watch.next().await.unwrap();
    }
    assert!((health(&found(&two).await[0]) - 0.5).abs() < f64::EPSILON, "said before it was told");
    let error = brief.health(Health::Up).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Unsupported, "transient"));
}
