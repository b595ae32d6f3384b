//! Nodes that leave, die, and come back under the same key, and what is still said of them.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests wait for one of many things")]

use super::tests::support::*;
use super::*;
use crate::call::body::Bodies;
use crate::call::pipe::{CancelCode, pipe};
use crate::home::Home;
use hubless_proto::wire::frame::{FrameType, encode_frame};
use iroh::endpoint::{ReadError, ReadToEndError};
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restarted_node_replaces_its_old_connection() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(Some(folder.path())).unwrap();
    let (b, _sees_b) = node(&home).await;
    let named = async || {
        let (host, mut sees) = Echo::new();
        let options = MeshOptions { name: Some("worker".into()), ..MeshOptions::new(home.clone()) };
        let mesh = Mesh::start(options, host).await.unwrap();
        meet(&mut sees, &b).await;
        mesh
    };
    let first = named().await;
    let (_hanging, end) = pipe();
    let request = text_request("hang", "");
    first.call(b.node_key(), request, Bodies::none(), end).await.unwrap();
    let key = first.node_key();
    // Gone without a word to its peers, as after a crash: only its lock is let go.
    first.vanish_for_tests();
    drop(first);
    let second = named().await;
    assert_eq!(second.node_key(), key);
    for text in ["one", "two"] {
        let (mut caller, end) = pipe();
        second.call(b.node_key(), text_request("", text), Bodies::none(), end).await.unwrap();
        assert_eq!(final_text(&mut caller).await.as_deref(), Some(text));
    }
    let (mut caller, end) = pipe();
    b.call(key, text_request("", "back"), Bodies::none(), end).await.unwrap();
    assert_eq!(final_text(&mut caller).await.as_deref(), Some("back"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_older_process_of_a_node_was_asked_ends_when_a_newer_one_is_seen() {
    let mut two = two().await;
    let a = two.a.node_key();
    let (mut caller, end) = pipe();
    two.b.call(a, text_request("hang", ""), Bodies::none(), end).await.unwrap();
    two.sees_a.until(|seen| matches!(seen, Seen::Inbound(_)).then_some(())).await;
    let b = two.b.shared_for_tests();
    let connection = b.peers.of(a).pop().unwrap();
    // A request may come before the greeting.
    connection.introduced().await.unwrap();
    let instance = connection.greeting().unwrap().instance;
    b.node_restarted(a, instance);
    assert!(!b.peers.of(a).is_empty(), "its own record says nothing new");
    b.node_restarted(a, instance + 1);
    assert_eq!(final_text(&mut caller).await, None);
}

/// The news of the death of one process may come after the next one has introduced itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_next_process_said_of_its_clock_outlives_the_news_of_a_death() {
    let mut two = two().await;
    let a = two.a.node_key();
    let before = std::time::Instant::now();
    let (mut caller, end) = pipe();
    two.b.call(a, text_request("", "alive"), Bodies::none(), end).await.unwrap();
    assert_eq!(final_text(&mut caller).await.as_deref(), Some("alive"));
    let b = two.b.shared_for_tests();
    let connection = b.peers.of(a).pop().unwrap();
    // An answer may come before the greeting.
    connection.introduced().await.unwrap();
    let greeting = connection.greeting().unwrap();
    b.node_died(a, before);
    assert!(!connection.tunnel.is_closed(), "it is to the process that came after");
    two.sees_b.until(|seen| matches!(seen, Seen::Gone(node) if node == a).then_some(())).await;
    let said = two.sees_b.until(|seen| match seen {
        Seen::Clock(node, reading) => Some((node, reading)),
        _ => None,
    });
    let (node, reading) = timeout(LONG, said).await.unwrap();
    assert_eq!((node, reading.instance), (a, greeting.instance));
    assert_eq!(reading.clock_ms, greeting.clock_ms);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_arrives_after_the_news_of_its_death_is_ended() {
    let mut two = two().await;
    let (a, b) = (two.a.node_key(), two.b.node_key());
    let (mut caller, end) = pipe();
    two.b.call(a, text_request("", "alive"), Bodies::none(), end).await.unwrap();
    assert_eq!(final_text(&mut caller).await.as_deref(), Some("alive"));
    // As a killed process: its lock is let go, while what it sent is still on the way.
    two.b.shared_for_tests().presence.as_ref().unwrap().end();
    two.sees_a.until(|seen| matches!(seen, Seen::Gone(node) if node == b).then_some(())).await;
    // The first may still go over the old connection, which ended with the news.
    for _ in 0..3 {
        let (mut caller, end) = pipe();
        if let Err(error) = two.b.call(a, text_request("hang", ""), Bodies::none(), end).await {
            assert_eq!(error.kind, hubless_proto::Kind::Transport, "{error}");
        }
        assert_eq!(final_text(&mut caller).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_goes_away_ends_its_calls_and_takes_no_more() {
    let mut two = two().await;
    let node = two.b.node_key();
    let (mut caller, end) = pipe();
    two.a.call(node, text_request("slow", "to the end"), Bodies::none(), end).await.unwrap();
    two.sees_b.until(|seen| matches!(seen, Seen::Inbound(_)).then_some(())).await;
    let closing = tokio::spawn({
        let b = two.b.clone();
        async move { b.close(Duration::from_secs(10)).await }
    });
    let gone = two.sees_a.until(|seen| if let Seen::Gone(node) = seen { Some(node) } else { None });
    assert_eq!(gone.await, node);
    let (_second, end) = pipe();
    let late = two.a.call(node, text_request("", "late"), Bodies::none(), end).await;
    assert_eq!(late.unwrap_err().code, "unknown_node");
    assert_eq!(final_text(&mut caller).await.as_deref(), Some("to the end"));
    timeout(Duration::from_secs(5), closing).await.expect("closed before its grace").unwrap();
}

/// Both the calls that it makes and those that it was asked.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_still_run_when_a_node_closes_end_with_the_code_for_that() {
    let mut two = two().await;
    let (_caller, end) = pipe();
    let node = two.b.node_key();
    two.a.call(node, text_request("hang", ""), Bodies::none(), end).await.unwrap();
    two.sees_b.until(|seen| matches!(seen, Seen::Inbound(_)).then_some(())).await;
    let tunnel = connection(&two).await.tunnel.clone();
    let (mut send, mut recv) = tunnel.open().await.unwrap();
    let request = encode_frame(FrameType::Request, &text_request("hang", "raw")).unwrap();
    send.write_all(&request).await.unwrap();
    two.sees_b.until(|seen| matches!(seen, Seen::Inbound(_)).then_some(())).await;
    let reading = tokio::spawn(async move { recv.read_to_end(1 << 16).await });
    two.b.close(Duration::ZERO).await;
    let code = two.sees_b.until(|seen| match seen {
        Seen::Cancelled(code) => Some(code),
        _ => None,
    });
    assert_eq!(code.await, CancelCode::Drained);
    let told = timeout(LONG, reading).await.unwrap().unwrap().unwrap_err();
    let drained = CancelCode::Drained as u32;
    assert!(
        matches!(told, ReadToEndError::Read(ReadError::Reset(code)) if code == drained.into()),
        "{told:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_asked_by_a_node_that_closes_hears_the_code_for_that() {
    let mut two = two().await;
    let (_caller, end) = pipe();
    two.a.call(two.b.node_key(), text_request("hang", ""), Bodies::none(), end).await.unwrap();
    two.sees_b.until(|seen| matches!(seen, Seen::Inbound(_)).then_some(())).await;
    two.a.close(Duration::ZERO).await;
    let code = two.sees_b.until(|seen| match seen {
        Seen::Cancelled(code) => Some(code),
        _ => None,
    });
    assert_eq!(code.await, CancelCode::Drained);
}
