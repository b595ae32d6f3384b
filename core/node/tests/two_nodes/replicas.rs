//! Stored identities of more than one host: who may join, and what a replica publishes.

use super::support::{Pair, agent, node_in, pair, patient};
use hubless::node::Identity;
use hubless::{AgentOptions, Kind, Node, handler};
use hubless_proto::query::Query;
use serde_json::{Value, json};
use std::time::Duration;

fn twin(options: Value, replica: bool) -> AgentOptions {
    AgentOptions { identity: Identity::Stored("twin".into()), replica, ..agent(options) }
}

#[tokio::test]
async fn who_says_that_it_is_no_replica_joins_none() {
    let Pair { one, two, _home } = pair().await;
    let echo = || handler(|_, c| async move { Ok(c) });
    let options = || json!({"name": "twin"});
    let first = one.register(twin(options(), true), echo()).await.unwrap();
    let error = two.register(twin(options(), false), echo()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "key_in_use"));
    // The control: a replica joins, and keeps such a host out when the first one is gone.
    let second = two.register(twin(options(), true), echo()).await.unwrap();
    assert_eq!(second.id(), first.id());
    first.unregister(Duration::ZERO).await.unwrap();
    let error = one.register(twin(options(), false), echo()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "key_in_use"));
    assert!(one.register(twin(options(), true), echo()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_register_at_once_publish_one_descriptor() {
    let Pair { one, two, _home } = pair().await;
    for round in 0..20 {
        // The control, every other time: the same descriptor stands twice.
        let same = round % 2 == 0;
        let name = format!("twin-{round}");
        let start = |node: &Node, says: &str| {
            let options = json!({"name": name, "description": says});
            let identity = Identity::Stored(name.clone());
            let twin = AgentOptions { identity, replica: true, ..agent(options) };
            let (node, echo) = (node.clone(), handler(|_, c| async move { Ok(c) }));
            tokio::spawn(async move { node.register(twin, echo).await })
        };
        let (first, second) =
            (start(&one, "one thing"), start(&two, if same { "one thing" } else { "another" }));
        let outcomes = [first.await.unwrap(), second.await.unwrap()];
        let refused: Vec<_> =
            outcomes.iter().filter_map(|outcome| outcome.as_ref().err()).collect();
        assert_eq!(refused.len(), usize::from(!same), "round {round}: {refused:?}");
        for error in refused {
            assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "replica"));
        }
    }
}

#[tokio::test]
async fn a_replica_of_a_node_that_has_just_started_knows_the_other_hosts() {
    let Pair { one, two, _home } = pair().await;
    let echo = || handler(|_, c| async move { Ok(c) });
    one.register(twin(json!({"name": "twin"}), true), echo()).await.unwrap();
    // What another node has found is written for the next one as well.
    let query = json!({"filter": {"field": "name", "op": "=", "value": "twin"}});
    two.peer(Query::read(query).unwrap(), patient()).await.unwrap();
    let third = node_in(&_home).await;
    let other = twin(json!({"name": "twin", "description": "another"}), true);
    let error = third.register(other, echo()).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "replica"));
    assert!(third.register(twin(json!({"name": "twin"}), true), echo()).await.is_ok());
}
