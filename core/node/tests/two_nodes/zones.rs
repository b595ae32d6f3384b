//! Zones: where an agent says it is, as far as the token of its node says so.

use super::support::{ask, patient, register, soon};
use hubless::node::{InviteOptions, join};
use hubless::{Kind, Node, NodeOptions, RequestOptions, Result};
use hubless_proto::query::Query;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

async fn start(home: &tempfile::TempDir, zones: &[&str]) -> Result<Node> {
    let zones = zones.iter().map(|zone| (*zone).to_owned()).collect();
    let home = Some(home.path().to_owned());
    Node::start(NodeOptions { home, zones, ..NodeOptions::default() }).await
}

/// A request that may only be answered in these zones.
fn within(to: &str, zones: &[&str]) -> RequestOptions {
    let mut request = ask(to, json!("?"));
    let zones = zones.iter().map(|zone| (*zone).to_owned());
    request.data_policy.get_or_insert_default().zones_allowed.extend(zones);
    request
}

async fn names_in(node: &Node, zone: &str) -> Vec<String> {
    let query = Query::read(json!({"zone": zone})).unwrap();
    let found = node.find(query, patient()).await.unwrap();
    found.into_iter().map(|found| found.name).collect()
}

/// An agent that counts its calls.
async fn counted(node: &Node, name: &str) -> Arc<AtomicUsize> {
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    register(node, json!({"name": name}), move |_, content| {
        count.fetch_add(1, Ordering::SeqCst);
        async move { Ok(content) }
    })
    .await;
    ran
}

#[tokio::test]
async fn agents_of_the_own_mesh_are_found_and_asked_by_their_zones() {
    let home = tempfile::tempdir().unwrap();
    let one = start(&home, &["eu", "on-prem"]).await.unwrap();
    let two = start(&home, &[]).await.unwrap();
    let ran = counted(&one, "here").await;
    assert_eq!(names_in(&two, "on-prem").await, ["here"]);
    let refused = two.request(within("here", &["us"])).await.unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (Kind::Denied, "data_policy"));
    assert_eq!(refused.field.as_deref(), Some("dataPolicy.zonesAllowed"));
    let own = two.key().to_string();
    assert_eq!(refused.origin.as_deref(), Some(own.as_str()), "nothing left the caller's node");
    assert!(refused.rejection && ran.load(Ordering::SeqCst) == 0);
    two.request(within("here", &["us", "eu"])).await.unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    // In its own node the agent itself refuses.
    let inside = one.request(within("here", &["us"])).await.unwrap_err();
    assert_eq!((inside.code.as_str(), ran.load(Ordering::SeqCst)), ("data_policy", 1));
}

#[tokio::test]
async fn who_joined_is_in_the_zones_of_its_ticket_and_in_no_other() {
    let (ours, theirs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let near = start(&ours, &[]).await.unwrap();
    let zones = vec!["eu".to_owned(), "on-prem".to_owned()];
    let invite = InviteOptions { local: true, zones, ..InviteOptions::default() };
    join(Some(theirs.path()), &near.invite(invite).await.unwrap()).await.unwrap();
    let refused = start(&theirs, &["eu", "us"]).await.unwrap_err();
    assert_eq!((refused.kind, refused.code.as_str()), (Kind::Denied, "zone"));
    assert_eq!(refused.field.as_deref(), Some("zones"));

    let all = start(&theirs, &[]).await.unwrap();
    let ran = counted(&all, "anywhere").await;
    assert_eq!(names_in(&near, "eu").await, ["anywhere"]);
    let some = start(&theirs, &["on-prem"]).await.unwrap();
    counted(&some, "inside").await;
    let both = async {
        while names_in(&near, "on-prem").await.len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    soon("both", both).await;
    assert_eq!(names_in(&near, "eu").await, ["anywhere"], "it says less than it may");
    near.request(within("anywhere", &["eu"])).await.unwrap();
    assert_eq!(ran.load(Ordering::SeqCst), 1);
}
