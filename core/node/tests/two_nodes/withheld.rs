//! A stored credential goes only where it is certain whom it reaches.

use super::support::{ask, node_in, register};
use hubless::node::{InviteOptions, Secret, join};
use hubless::{Kind, Node};
use hubless_proto::policy::AuthRule;
use hubless_proto::wire::v1;
use serde_json::json;

fn keep(node: &Node, target: &str) {
    let auth = v1::Auth { scheme: "shared_secret".to_owned(), secret: "letmein".to_owned() };
    node.credentials().set(target, Secret::Plain(auth)).unwrap();
}

#[tokio::test]
async fn a_credential_is_not_sent_to_a_name_that_anyone_of_another_mesh_may_take() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = node_in(&ours).await;
    let options = InviteOptions { local: true, ..Default::default() };
    let ticket = one.invite(options).await.unwrap();
    join(Some(theirs.path()), &ticket).await.unwrap();
    let secret = "letmein".to_owned();
    one.set_auth(AuthRule::SharedSecret(secret.into()), None).await.unwrap();
    let guarded = register(&one, json!({"name": "guarded"}), |_, c| async move { Ok(c) }).await;
    let id = guarded.id().to_string();

    let (near, far) = (node_in(&ours).await, node_in(&theirs).await);
    let named = || ask("guarded", json!(1));
    // Nothing is stored: the agent says what it misses.
    let missing = far.request(named()).await.unwrap_err();
    assert_eq!((missing.kind, missing.code.as_str()), (Kind::Auth, "missing_credential"));
    assert!(missing.rejection);
    for node in [&near, &far] {
        keep(node, &id);
    }
    let withheld = far.request(named()).await.unwrap_err();
    assert_eq!((withheld.kind, withheld.code.as_str()), (Kind::Auth, "unproven_name"));
    assert!(!withheld.rejection, "it was never asked");
    assert_eq!(withheld.agent.as_deref(), Some(id.as_str()));
    assert!(withheld.message.contains("give the agent an identity"), "{withheld}");
    // By its id it is certain; and in the user's own mesh a name is enough.
    assert!(far.request(ask(&id, json!(1))).await.is_ok());
    assert!(near.request(named()).await.is_ok());
}
