//! Names that were found once: which of them stand for a key, and what follows for credentials.

use super::support::{Pair, agent, ask, node_in, pair, register};
use hubless::foreign::{Answer, CredentialProvider};
use hubless::node::{Identity, InviteOptions, Secret, join};
use hubless::{AgentOptions, Content, Kind, Node, RequestOptions, handler};
use hubless_proto::query::Query;
use hubless_proto::wire::v1::Auth;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};

fn stored(name: &str, requirements: Value) -> AgentOptions {
    AgentOptions {
        identity: Identity::Stored(name.to_owned()),
        ..agent(json!({"name": name, "requirements": requirements}))
    }
}

fn secret() -> Auth {
    Auth { scheme: "shared_secret".to_owned(), secret: "letmein".to_owned() }
}

#[tokio::test]
async fn a_name_is_pinned_to_a_key_that_is_kept_and_to_no_other() {
    let Pair { one, two, _home } = pair().await;
    let echo = handler(|_, c| async move { Ok(c) });
    let kept = one.register(stored("kept", json!({})), Arc::clone(&echo)).await.unwrap();
    let brief = one.register(agent(json!({"name": "brief"})), echo.clone()).await.unwrap();
    for name in ["brief", "kept"] {
        two.request(ask(name, json!(1))).await.unwrap();
    }
    let pins: Vec<_> = two.pins().list().unwrap().into_iter().map(|pin| pin.name).collect();
    assert_eq!(pins, ["kept"]);
    assert_eq!(two.pins().list().unwrap()[0].agent_id, kept.id());
    // Another key may have the name that stands for none.
    brief.unregister(std::time::Duration::ZERO).await.unwrap();
    let next = one.register(agent(json!({"name": "brief"})), echo).await.unwrap();
    let reply = two.request(ask("brief", json!(1))).await.unwrap();
    assert_eq!(reply.agent.agent_id, next.id());
}

/// Two nodes of two data folders in the mesh of the first; the first has an agent that asks for a
/// secret and whose key is kept.
async fn guarded() -> (Node, Node, [tempfile::TempDir; 2]) {
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let host = node_in(&homes[0]).await;
    let invite = InviteOptions { local: true, ..Default::default() };
    join(Some(homes[1].path()), &host.invite(invite).await.unwrap()).await.unwrap();
    let requirements = json!({"auth": {"sharedSecret": "letmein"}});
    let echo = handler(|_, c| async move { Ok(c) });
    host.register(stored("guarded", requirements), echo).await.unwrap();
    let guest = node_in(&homes[1]).await;
    (host, guest, homes)
}

#[tokio::test]
async fn a_stored_credential_goes_to_a_pinned_name_and_not_to_what_a_query_finds() {
    let (host, guest, _homes) = guarded().await;
    guest.credentials().set(&host.mesh_id().to_string(), Secret::Plain(secret())).unwrap();
    let query = || {
        let query = json!({"filter": {"field": "name", "op": "=", "value": "guarded"}});
        let asked = RequestOptions::new(Query::read(query).unwrap(), Content::text("x"));
        RequestOptions { wait_ms: Some(10_000), ..asked }
    };
    assert_eq!(guest.request(query()).await.unwrap_err().kind, Kind::Auth);
    // The first use by name pins it: from then on the name stands for the key.
    assert!(guest.request(ask("guarded", json!(1))).await.is_ok());
    assert_eq!(guest.pins().list().unwrap().len(), 1);
    assert_eq!(guest.request(query()).await.unwrap_err().kind, Kind::Auth);
    // Given by hand it goes where the call goes.
    let by_hand = RequestOptions { auth: Some(secret()), ..query() };
    assert!(guest.request(by_hand).await.is_ok());
}

/// Notes what it is asked for, and has something for one target.
struct Vault {
    asked: Mutex<Vec<String>>,
    has: String,
}

impl CredentialProvider for Vault {
    fn credential(&self, target: String) -> Answer<Option<Auth>> {
        self.asked.lock().unwrap().push(target.clone());
        let found = (target == self.has).then(secret);
        Box::pin(async move { Ok(found) })
    }
}

#[tokio::test]
async fn a_function_is_asked_for_the_credential_of_the_agent_and_then_for_that_of_the_mesh() {
    let Pair { one, two, _home } = pair().await;
    let options = json!({"name": "guarded", "requirements": {"auth": {"sharedSecret": "letmein"}}});
    let guarded = register(&one, options, |_, c| async move { Ok(c) }).await;
    register(&one, json!({"name": "open"}), |_, c| async move { Ok(c) }).await;
    let (agent, mesh) = (guarded.id().to_string(), one.mesh_id().to_string());
    for (has, asked) in [(&agent, vec![&agent]), (&mesh, vec![&agent, &mesh])] {
        let vault = Arc::new(Vault { asked: Mutex::default(), has: has.clone() });
        for target in [&agent, &mesh] {
            let provider = Arc::clone(&vault) as Arc<dyn CredentialProvider>;
            two.credentials().set(target, Secret::Provider(provider)).unwrap();
        }
        two.request(ask("open", json!(1))).await.unwrap();
        assert!(vault.asked.lock().unwrap().is_empty(), "nobody needs one");
        two.request(ask("guarded", json!(1))).await.unwrap();
        assert_eq!(vault.asked.lock().unwrap().iter().collect::<Vec<_>>(), asked);
    }
}
