//! Nodes with a name and a home: their budgets outlive them.

use super::*;
use hubless::Kind;
use hubless::NodeOptions;
use hubless::store::Store;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

async fn named(home: &TempDir, name: &str) -> Result<Node> {
    let (home, name) = (Some(home.path().to_owned()), Some(name.to_owned()));
    Node::start(NodeOptions { home, name, ..NodeOptions::default() }).await
}

fn store(home: &Path, name: &str) -> PathBuf {
    home.join("data/nodes").join(format!("{name}.db"))
}

/// Rows that the store of a node holds, without the one that says since when.
fn rows(home: &TempDir, name: &str) -> usize {
    let (_store, rows) = Store::open(&store(home.path(), name)).unwrap();
    rows.len() - 1
}

#[tokio::test]
async fn a_named_node_pays_and_leaves_nothing_open() {
    let home = tempfile::tempdir().unwrap();
    let (one, two) = (named(&home, "one").await.unwrap(), named(&home, "two").await.unwrap());
    let provider = Arc::default();
    spender(&two, "model", &provider).await;
    relay(&one, "front", "model").await;
    let switch = tokens(6_400);
    let asked = json!({"most": 100, "tokens": 60});
    let asked = RequestOptions { wait_ms: Some(5_000), ..paid(&switch, "front", asked) };
    one.request(asked).await.unwrap();
    until("everything is settled", || switch.spent().of(Component::OutputTokens) == 60).await;
    assert_eq!(provider.spent(), 60);
    drop(switch);
    one.close(Duration::from_secs(2)).await;
    two.close(Duration::from_secs(2)).await;
    // Only what is remembered of the grant that ended at the second.
    assert_eq!((rows(&home, "one"), rows(&home, "two")), (0, 1));
    // The store is let go with the node, and opens again.
    named(&home, "one").await.unwrap().close(Duration::ZERO).await;
    let unnamed = support::node_in(&home).await;
    let stores = std::fs::read_dir(home.path().join("data/nodes")).unwrap();
    let stores = stores.filter(|file| {
        file.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "db")
    });
    assert_eq!(stores.count(), 2, "a node without a stored key keeps nothing");
    drop(unnamed);
}

#[tokio::test]
async fn a_budget_whose_node_was_closed_under_it_is_over_at_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let node = named(&home, "root").await.unwrap();
    let mut heard = waiter(&node, json!({"name": "wait"})).await;
    let switch = tokens(1_000);
    let (asking, asked) = (node.clone(), paid(&switch, "wait", json!(0)));
    let call = tokio::spawn(async move { asking.request(asked).await });
    assert_eq!(heard.recv().await.unwrap(), "runs");
    node.close(Duration::ZERO).await;
    assert!(call.await.unwrap().is_err());
    // The switch lives on, and has no node.
    let refused = node.request(paid(&switch, "wait", json!(0))).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Closed);
    assert!(rows(&home, "root") > 0, "the budget was open");
    named(&home, "root").await.unwrap().close(Duration::from_secs(2)).await;
    assert_eq!(rows(&home, "root"), 0);
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_refused_with_what_to_do() {
    type Break = fn(&Path);
    let breaks: [(&str, &str, Break); 4] = [
        ("not_a_store", "move it away", |path| std::fs::write(path, [b'x'; 4_096]).unwrap()),
        ("readable_by_others", "chmod 600", |path| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
        }),
        ("not_a_store", "move it away", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[68..72].copy_from_slice(b"else");
            std::fs::write(path, bytes).unwrap();
        }),
        ("newer_format", "newer hubless", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[63] = 9;
            std::fs::write(path, bytes).unwrap();
        }),
    ];
    for (code, fix, break_it) in breaks {
        let home = tempfile::tempdir().unwrap();
        named(&home, "one").await.unwrap().close(Duration::ZERO).await;
        let path = store(home.path(), "one");
        break_it(&path);
        let error = named(&home, "one").await.unwrap_err();
        assert_eq!(super::named(&error), ("configuration", code), "{error}");
        assert!(error.message.contains(fix), "{error}");
        // Another one is not hindered, and neither is this one once the store is moved away.
        named(&home, "two").await.unwrap().close(Duration::ZERO).await;
        std::fs::rename(&path, home.path().join("away")).unwrap();
        named(&home, "one").await.unwrap().close(Duration::ZERO).await;
    }
    let home = tempfile::tempdir().unwrap();
    named(&home, "one").await.unwrap().close(Duration::ZERO).await;
    let held = Store::open(&store(home.path(), "one")).unwrap();
    let error = named(&home, "one").await.unwrap_err();
    assert_eq!(super::named(&error), ("conflict", "locked"));
    assert!(error.message.contains("end that one"), "{error}");
    drop(held);
    named(&home, "one").await.unwrap();
}

/// From which process on a store knows everything, and how many had it open.
fn since(home: &TempDir, name: &str) -> (u64, u64) {
    let (_store, rows) = Store::open(&store(home.path(), name)).unwrap();
    rows.iter().find_map(hubless_proto::killswitch::Row::since).expect("a row that says it")
}

#[tokio::test]
async fn an_older_copy_of_a_store_is_known_for_one() {
    let home = tempfile::tempdir().unwrap();
    let once = async || named(&home, "one").await.unwrap().close(Duration::from_secs(2)).await;
    once().await;
    let first = since(&home, "one");
    assert_eq!(first.1, 1);
    let path = store(home.path(), "one");
    let older = std::fs::read(&path).unwrap();
    once().await;
    assert_eq!(since(&home, "one"), (first.0, 2), "it knows all that the first did");
    std::fs::write(&path, older).unwrap();
    once().await;
    let (from, opened) = since(&home, "one");
    assert!(from > first.0, "it knows nothing of the second");
    assert_eq!(opened, 3);
    // The control: what came after it is whole again.
    once().await;
    assert_eq!(since(&home, "one"), (from, 4));
}
