//! Calls that wait for a node, and requests that are sent again.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests wait for one of many things")]

use super::support::*;
use crate::call::body::Bodies;
use crate::call::pipe::{CallerEnd, pipe};
use crate::home::Home;
use crate::membership::{InviteOptions, Minter};
use crate::mesh::shared::{Here, Patience};
use crate::mesh::{Again, Mesh, MeshOptions, Sending, Wait, invite_beside, join};
use hubless_proto::Kind;
use hubless_proto::identity::SecretKey;
use hubless_proto::limits;
use std::time::Duration;
use tokio::time::Instant;

fn long() -> Wait {
    Wait::Until(Instant::now() + LONG)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_waits_for_a_node_that_comes_back_and_others_are_told_soon() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [ours, theirs] = [0, 1].map(|i: usize| Home::open(Some(folders[i].path())).unwrap());
    let start = async || {
        let options = MeshOptions { name: Some("host".into()), ..MeshOptions::new(ours.clone()) };
        Mesh::start(options, Echo::new().0).await.unwrap()
    };
    let host = start().await;
    let node = host.node_key();
    let minter = Minter { node, addresses: host.addresses(), relays: Vec::new() };
    let options = InviteOptions { local: true, ..InviteOptions::default() };
    let ticket = invite_beside(&ours, minter, &options).unwrap();
    join(&theirs, &ticket).await.unwrap();
    host.close(Duration::ZERO).await;

    let (guest, mut sees) = super::support::node(&theirs).await;
    let waits = {
        let guest = guest.clone();
        tokio::spawn(async move { guest.ready(node, long()).await.map(drop) })
    };
    sees.until(|seen| matches!(seen, Seen::Unreached(one) if one == node).then_some(())).await;
    let (_caller, end) = pipe();
    let told = guest.call(node, text_request("", ""), Bodies::none(), end).await.unwrap_err();
    assert_eq!((told.kind, told.code.as_str()), (Kind::Transport, "dial"));
    let short = Wait::Until(Instant::now() + Duration::from_millis(20));
    let late = guest.ready(node, short).await.map(drop).unwrap_err();
    assert_eq!(late.kind, Kind::Deadline);
    assert!(late.message.contains("cannot reach node"), "{late}");
    assert!(!waits.is_finished(), "a call has more time");

    // It comes back under its key, at another port.
    let host = start().await;
    assert_eq!(host.node_key(), node);
    guest.contact(node, &host.addresses());
    tokio::time::timeout(LONG, waits).await.expect("in time").unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_nobody_waits_for_is_dialled_no_more() {
    let mut two = two().await;
    let nobody = SecretKey::from_seed([9; 32]).node_key();
    // Somebody who never answers.
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    two.a.contact(nobody, &[deaf.local_addr().unwrap()]);
    let waits = {
        let a = two.a.clone();
        tokio::spawn(async move { a.ready(nobody, long()).await.map(drop) })
    };
    two.sees_a
        .until(|seen| matches!(seen, Seen::Unreached(one) if one == nobody).then_some(()))
        .await;
    let is_dialled = || two.a.shared_for_tests().peers.is_dialled_for_tests(nobody);
    assert!(is_dialled());
    waits.abort();
    let over = async {
        while is_dialled() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, over).await.expect("the dial ends");
}

/// Sends a request of so many bytes that is never answered.
async fn hangs(two: &Two, bytes: usize, again: Again) -> CallerEnd {
    let (caller, end) = pipe();
    let lane = two.a.ready(two.b.node_key(), long()).await.unwrap();
    let request = text_request("hang", &"x".repeat(bytes));
    let sending = Sending { request, bodies: Bodies::none(), again };
    two.a.send_on(lane, sending, |_| {}, end).await.unwrap();
    caller
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_of_which_nothing_is_heard_is_sent_once_more_on_another_stream() {
    let mut two = two_with(Patience { here: Here::Again, ..Patience::default() }).await;
    connection(&two).await;
    let came = |seen| matches!(seen, Seen::Inbound(_)).then_some(());
    // The control: those that are sent once.
    let once = hangs(&two, 1, Again::Never).await;
    let large = hangs(&two, limits::REPEAT_BYTES, Again::OnStream).await;
    for _ in 0..2 {
        two.sees_b.until(came).await;
    }
    let again = hangs(&two, limits::REPEAT_BYTES / 2, Again::OnStream).await;
    for _ in 0..2 {
        two.sees_b.until(came).await;
    }
    assert!(two.sees_b.is_empty());
    assert_eq!((two.a.repeats(), two.a.peers()[0].connections), (1, 1));
    // Who gives the call up gives up each of its streams.
    drop((once, large, again));
    for _ in 0..4 {
        two.sees_b.until(|seen| matches!(seen, Seen::Cancelled(_)).then_some(())).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_within_this_machine_is_sent_once() {
    let mut two = two().await;
    connection(&two).await;
    let caller = hangs(&two, 1, Again::OverConnection).await;
    two.sees_b.until(|seen| matches!(seen, Seen::Inbound(_)).then_some(())).await;
    tokio::time::sleep(limits::REPEAT_AFTER * 10).await;
    assert!(two.sees_b.is_empty());
    assert_eq!(two.a.repeats(), 0);
    drop(caller);
}
