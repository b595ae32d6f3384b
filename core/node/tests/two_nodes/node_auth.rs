//! The node's own mechanism of auth, set while agents stand.

use super::support::{Pair, agent, ask, pair, register};
use hubless::home::Lock;
use hubless::node::{Change, Identity};
use hubless::{AgentOptions, FindOptions, Kind, handler};
use hubless_proto::policy::{AuthRule, Secret};
use hubless_proto::query::Query;
use hubless_proto::wire::v1;
use serde_json::json;
use std::pin::pin;
use std::sync::mpsc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::yield_now;

#[tokio::test]
async fn agents_say_that_they_need_a_proof_once_the_node_asks_for_one() {
    let Pair { one, two, _home } = pair().await;
    let open = json!({"name": "open", "requirements": {"auth": {"none": true}}});
    register(&one, open, |_, c| async move { Ok(c) }).await;
    register(&one, json!({"name": "plain"}), |_, c| async move { Ok(c) }).await;
    let named = || Query::read(json!({"filter": {"field": "name", "op": "=", "value": "plain"}}));
    let mut watch = two.watch(named().unwrap()).unwrap();
    two.request(ask("plain", json!(1))).await.unwrap();
    one.set_auth(AuthRule::SharedSecret(Secret::from("letmein".to_owned())), None).await.unwrap();
    loop {
        if let Change::Changed(found) = watch.next().await.unwrap() {
            assert!(found.requires_auth);
            assert_eq!(found.needs.unwrap().auth_schemes, ["shared_secret"]);
            break;
        }
    }
    let error = two.request(ask("plain", json!(1))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Auth, "missing_credential"));
    let plain = two.peer(named().unwrap(), FindOptions::default()).await.unwrap();
    let auth = v1::Auth { scheme: "shared_secret".to_owned(), secret: "letmein".to_owned() };
    let target = plain.agent_id.to_string();
    two.credentials().set(&target, hubless::node::Secret::Plain(auth)).unwrap();
    two.request(ask("plain", json!(1))).await.unwrap();
    two.request(ask("open", json!(1))).await.unwrap();
    let others = two.find(Query::read(json!({"text": ""})).unwrap(), FindOptions::default());
    let needs: Vec<_> = others.await.unwrap().into_iter().filter(|one| one.requires_auth).collect();
    assert_eq!(needs.len(), 1, "an agent with a rule of its own goes by that");
}

#[tokio::test]
async fn a_process_that_holds_the_lock_of_an_identity_keeps_only_its_agents_waiting() {
    let Pair { one, two, _home } = pair().await;
    let identity = Identity::Stored("twin".into());
    let twin = AgentOptions { identity, replica: true, ..agent(json!({"name": "twin"})) };
    one.register(twin, handler(|_, c| async move { Ok(c) })).await.unwrap();
    two.request(ask("twin", json!(1))).await.unwrap();
    let lock = one.home().unwrap().join("agents/twin.body.new.lock");
    let (held, is_held) = oneshot::channel();
    let (let_go, told) = mpsc::channel();
    let other = std::thread::spawn(move || {
        let _lock = Lock::wait(&lock).unwrap();
        held.send(()).unwrap();
        told.recv_timeout(Duration::from_secs(20)).is_ok()
    });
    is_held.await.unwrap();
    let secret = "letmein".to_owned();
    let mut set = pin!(one.set_auth(AuthRule::SharedSecret(Secret::from(secret)), None));
    // This test has one thread: what blocks it keeps the request waiting as well.
    for _ in 0..2 {
        tokio::select! {
            biased;
            done = &mut set => panic!("it did not wait: {done:?}"),
            () = yield_now() => {}
        }
        let error = two.request(ask("twin", json!(1))).await.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Auth, "missing_credential"));
    }
    let_go.send(()).unwrap();
    set.await.unwrap();
    assert!(other.join().unwrap(), "the lock was held until it was told");
}
