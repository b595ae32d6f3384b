//! The node's own mechanism of auth, set while agents stand.

use super::support::{Pair, ask, pair, register};
use hubless::node::Change;
use hubless::{FindOptions, Kind};
use hubless_proto::policy::{AuthRule, Secret};
use hubless_proto::query::Query;
use hubless_proto::wire::v1;
use serde_json::json;

#[tokio::test]
async fn agents_say_that_they_need_a_proof_once_the_node_asks_for_one() {
    let Pair { one, two, _home } = pair().await;
    let open = json!({"name": "open", "requirements": {"auth": {"none": true}}});
    register(&one, open, |_, c| async move { Ok(c) }).await;
    register(&one, json!({"name": "plain"}), |_, c| async move { Ok(c) }).await;
    let named = || Query::read(json!({"filter": {"field": "name", "op": "=", "value": "plain"}}));
    let mut watch = two.watch(named().unwrap()).unwrap();
    two.request(ask("plain", json!(1))).await.unwrap();
    one.set_auth(AuthRule::SharedSecret(Secret::from("letmein".to_owned())), None).unwrap();
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
