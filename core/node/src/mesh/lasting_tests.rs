//! What lasts and what ends: idle connections, tokens, records, drained connections, half requests.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests wait for one of many things")]

use super::connection::Connection;
use super::keep;
use super::local::Local;
use super::shared::Patience;
use super::strangers_tests::Stranger;
use super::tests::support::*;
use super::*;
use crate::call::body::Bodies;
use crate::call::pipe::{CallerEnd, pipe};
use crate::chance::now_ms;
use crate::home::Home;
use crate::keys;
use crate::link::CloseReason;
use crate::membership::{InviteOptions, Membership, Ticket};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::wire::record;
use hubless_proto::wire::v1::{self, event};
use hubless_proto::{Kind, limits};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::time::timeout;

const SHORT: Duration = Duration::from_millis(100);

/// Waits for what others bring about.
async fn until(what: &str, mut state: impl FnMut() -> bool) {
    let came = async {
        while !state() {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, came).await.unwrap_or_else(|_| panic!("in time: {what}"));
}

async fn call(from: &Mesh, to: NodeKey, skill: &str, text: &str) -> CallerEnd {
    let (caller, end) = pipe();
    from.call(to, text_request(skill, text), Bodies::none(), end).await.unwrap();
    caller
}

/// The connection of `connection`, as the other side has it.
async fn other_end(two: &Two) -> Arc<Connection> {
    let of = || two.b.shared_for_tests().peers.of(two.a.node_key());
    let usable = || of().into_iter().find(|connection| connection.is_usable());
    until("the other side has it", || usable().is_some()).await;
    usable().unwrap()
}

async fn refusal(end: &mut CallerEnd) -> (String, String) {
    let down = timeout(LONG, end.events.recv()).await.expect("in time").expect("an event");
    let Some(event::Kind::Rejection(why)) = down.event.kind else { panic!("{down:?}") };
    (why.kind, why.code)
}

fn idle_after(mesh: &Mesh, time: Duration) {
    keep::close_idle(mesh.shared_for_tests(), Instant::now() + time);
}

/// The agent that members announce first; nobody is gone meanwhile.
fn shown(seen: Seen) -> Option<AgentId> {
    match seen {
        Seen::Gone(node) => panic!("{node} was only idle"),
        Seen::Announced(Source::Spread(_), announcement) => {
            let hosting = announcement.agents.first()?.hosting.clone()?;
            AgentId::from_slice(&record::peek(&hosting).ok()?.key).ok()
        }
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_closed_and_the_next_call_makes_another() {
    let two = two().await;
    let node = two.b.node_key();
    let mut first = call(&two.a, node, "", "first").await;
    assert_eq!(final_text(&mut first).await.as_deref(), Some("first"));
    let old = connection(&two).await;
    until("the stream is over", || old.idle_for(Instant::now()).is_some()).await;
    idle_after(&two.a, limits::CONNECTION_IDLE - Duration::from_secs(10));
    assert!(!old.tunnel.is_closed(), "it was used five minutes ago at most");
    let running = call(&two.a, node, "hang", "").await;
    idle_after(&two.a, limits::CONNECTION_IDLE * 2);
    assert!(!old.tunnel.is_closed(), "a call runs on it");
    drop(running);
    until("the call is over", || old.idle_for(Instant::now()).is_some()).await;
    idle_after(&two.a, limits::CONNECTION_IDLE + Duration::from_secs(1));
    assert_eq!(old.ended().await, Some(CloseReason::Idle));
    until("both forget it", || two.a.peers().is_empty() && two.b.peers().is_empty()).await;
    let mut second = call(&two.a, node, "", "second").await;
    assert_eq!(final_text(&mut second).await.as_deref(), Some("second"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_waits_while_its_node_is_dialled_again() {
    let two = two().await;
    let node = two.b.node_key();
    let mut first = call(&two.a, node, "", "first").await;
    assert_eq!(final_text(&mut first).await.as_deref(), Some("first"));
    let old = connection(&two).await;
    until("the stream is over", || old.idle_for(Instant::now()).is_some()).await;
    idle_after(&two.a, limits::CONNECTION_IDLE + Duration::from_secs(1));
    until("both forget it", || two.a.peers().is_empty() && two.b.peers().is_empty()).await;
    // All that is known of it now is an address where nobody answers.
    let silent = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let book = &two.a.shared_for_tests().book;
    assert!(book.gone(node), "it was known from the folder");
    book.contact(node, &[silent.local_addr().unwrap()], &[]);
    let tried = async {
        silent.recv_from(&mut [0; 2_048]).await.unwrap();
        book.contact(node, &two.b.addresses(), &[]);
    };
    let (mut again, ()) = timeout(LONG, async { tokio::join!(call(&two.a, node, "", "2"), tried) })
        .await
        .expect("in time");
    assert_eq!(final_text(&mut again).await.as_deref(), Some("2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_of_another_folder_is_told_of_changes_after_an_idle_time() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [ours, theirs] = [0, 1].map(|i: usize| Home::open(Some(folders[i].path())).unwrap());
    let (minter, mut sees_minter) = node(&ours).await;
    let (first, announcement) = agent(9, minter.node_key());
    minter.announce(vec![announcement]);
    let (_other, mut sees_other) = node(&ours).await;
    meet(&mut sees_other, &minter).await;
    let options = InviteOptions { local: true, ..Default::default() };
    let ticket: Ticket = invite(&ours, &options).unwrap().text().parse().unwrap();
    join(&theirs, &ticket).await.unwrap();
    let (guest, mut sees_guest) = node(&theirs).await;
    assert_eq!(sees_guest.until(shown).await, first);
    // The ticket names every node that ran: the guest may have a connection to the other one too.
    let linked =
        |from: &Mesh, to: &Mesh| !from.shared_for_tests().peers.of(to.node_key()).is_empty();
    // Each side closes theirs, and the other side's agents change.
    for round in 0..2 {
        until("connected", || linked(&minter, &guest) && linked(&guest, &minter)).await;
        let closer = if round == 0 { &guest } else { &minter };
        until("closed", || {
            idle_after(closer, limits::CONNECTION_IDLE * 2);
            !linked(&guest, &minter)
        })
        .await;
        let (new, announcement) = agent(20 + round, minter.node_key());
        let (own, of_guest) = agent(30 + round, guest.node_key());
        if round == 0 {
            minter.announce(vec![announcement]);
            assert_eq!(sees_guest.until(|seen| shown(seen).filter(|id| *id == new)).await, new);
        } else {
            guest.announce(vec![of_guest]);
            assert_eq!(sees_minter.until(|seen| shown(seen).filter(|id| *id == own)).await, own);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_connections_are_kept_for_records_and_others_end_earlier() {
    let (hub, _sees) = node(&Home::memory()).await;
    let mut others = Vec::new();
    for _ in 0..limits::RECORD_LINKS + 3 {
        let (other, sees) = node(&Home::memory()).await;
        other.contact(hub.node_key(), &hub.addresses());
        let shared = other.shared_for_tests();
        shared.connection(hub.node_key()).await.unwrap().introduced().await.unwrap();
        others.push((other, sees));
    }
    let called = others[0].0.node_key();
    let links = || {
        let all = hub.shared_for_tests().peers.all();
        all.into_iter().filter(|one| one.spreads() && !one.tunnel.is_closed()).count()
    };
    until("all are linked", || links() >= others.len()).await;
    let mut call = call(&hub, called, "", "once").await;
    assert_eq!(final_text(&mut call).await.as_deref(), Some("once"));
    let with_calls = || hub.shared_for_tests().peers.of(called);
    let over = |c: &Arc<Connection>| c.idle_for(Instant::now()).is_some();
    until("the call is over", || with_calls().iter().all(over)).await;
    idle_after(&hub, limits::RECORD_LINK_IDLE / 2);
    assert!(links() >= others.len());
    idle_after(&hub, limits::RECORD_LINK_IDLE + Duration::from_secs(1));
    assert_eq!(links(), limits::RECORD_LINKS);
    assert!(with_calls().iter().any(|one| !one.tunnel.is_closed()), "it may be called again");
    idle_after(&hub, limits::CONNECTION_IDLE + Duration::from_secs(1));
    assert_eq!(links(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_keeps_so_many_connections_and_more_while_calls_need_them() {
    let (host, _sees) = Echo::new();
    let mesh = Mesh::start(MeshOptions::new(Home::memory()), host).await.unwrap();
    let mut strangers = Vec::new();
    for _ in 0..limits::CONNECTIONS + 3 {
        strangers.push(Stranger::of(&mesh).await);
    }
    // Each is told that it is taken before it stands in the table.
    until("all are in", || mesh.peers().len() == limits::CONNECTIONS + 3).await;
    // The oldest would be the first to go: it has a stream open.
    let (mut send, _recv) = strangers[0].tunnel.open().await.unwrap();
    send.write_all(&[32]).await.unwrap();
    let all = mesh.shared_for_tests().peers.all();
    let busy = |c: &Arc<Connection>| c.idle_for(Instant::now()).is_none();
    until("its stream is there", || all.iter().any(busy)).await;
    idle_after(&mesh, Duration::ZERO);
    until("the surplus is closed", || mesh.peers().len() == limits::CONNECTIONS).await;
    idle_after(&mesh, Duration::ZERO);
    assert_eq!(mesh.peers().len(), limits::CONNECTIONS);
    assert!(!strangers[0].tunnel.is_closed());
    for closed in &strangers[1..4] {
        let reason = timeout(LONG, closed.tunnel.closed()).await.unwrap();
        assert_eq!(reason.and_then(crate::link::close_reason), Some(CloseReason::Idle));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ends_on_a_connection_ends_what_is_new_on_it_and_nothing_else() {
    let mut two = two().await;
    let node = two.b.node_key();
    let mut running = call(&two.a, node, "slow", "admitted before").await;
    two.sees_b.until(|seen| matches!(seen, Seen::Inbound(_)).then_some(())).await;
    let old = connection(&two).await;
    let end = now_ms() + u64::try_from(limits::NODE_TOKEN_LIFE.as_millis()).unwrap();
    assert!(old.ends_by(end) && !old.ends_by(now_ms() + keep::ENDING_MS));
    // The callee refuses what is new, whatever the caller thinks of the time.
    let theirs = other_end(&two).await;
    theirs.end_token_for_tests(now_ms());
    let mut late = call(&two.a, node, "", "too late").await;
    assert_eq!(refusal(&mut late).await, ("expired".to_owned(), "token".to_owned()));
    let question = v1::ask::Question::SkillDocument(bytes::Bytes::from_static(&[5; 32]));
    let why = two.a.ask(node, question).await.unwrap_err();
    assert!(why.rejection && why.kind == Kind::Expired, "{why}");
    // A caller that knows the time makes another connection before that.
    keep::end_terms(two.a.shared_for_tests(), end - keep::ENDING_MS);
    keep::end_terms(two.b.shared_for_tests(), end - keep::ENDING_MS);
    let mut next = call(&two.a, node, "", "with new tokens").await;
    assert_eq!(final_text(&mut next).await.as_deref(), Some("with new tokens"));
    assert_eq!(final_text(&mut running).await.as_deref(), Some("admitted before"));
    assert!(!Arc::ptr_eq(&old, &connection(&two).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drained_connection_waits_for_calls_and_not_for_a_peer_that_is_silent() {
    assert_eq!(Patience::default().drain, limits::DRAIN);
    let patience = Patience { drain: SHORT, ..Patience::default() };
    let mut two = two_with(patience).await;
    let node = two.b.node_key();
    let (ours, mut long) = (connection(&two).await, call(&two.a, node, "slow", "long").await);
    two.sees_b.until(|seen| matches!(seen, Seen::Inbound(_)).then_some(())).await;
    let theirs = other_end(&two).await;
    for side in [&ours, &theirs] {
        assert!(side.start_drain());
        tokio::spawn(Arc::clone(side).drain(SHORT));
    }
    assert_eq!(final_text(&mut long).await.as_deref(), Some("long"), "three times as long");
    assert_eq!(timeout(LONG, theirs.ended()).await.unwrap(), Some(CloseReason::Drained));
    // The other side never begins to drain.
    let ours = connection(&two).await;
    let theirs = other_end(&two).await;
    assert!(theirs.start_drain());
    tokio::spawn(Arc::clone(&theirs).drain(SHORT));
    assert_eq!(timeout(LONG, ours.ended()).await.unwrap(), Some(CloseReason::Drained));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_left_half_sent_ends_and_frees_its_place() {
    assert_eq!(Patience::default().request, limits::DEADLINE);
    let (host, _sees) = Echo::new();
    let patience = Patience { request: SHORT, ..Patience::default() };
    let options = MeshOptions::new(Home::memory());
    let mesh = Mesh::start_with(options, host, patience).await.unwrap();
    let stranger = Stranger::of(&mesh).await;
    // What may be open at once, and again; of the last few places that are free the engine does not
    // tell.
    for streams in [limits::EXTERNAL_STREAMS, limits::EXTERNAL_STREAMS / 2] {
        let mut half = Vec::new();
        for _ in 0..streams {
            let opened = timeout(LONG, stranger.tunnel.open()).await.expect("a place is free");
            let (mut send, recv) = opened.unwrap();
            // A REQUEST of 1,000 bytes, of which half comes.
            let mut frame = vec![32, 0x43, 0xe8];
            frame.extend([0; 500]);
            send.write_all(&frame).await.unwrap();
            half.push((send, recv));
        }
        for (send, mut recv) in half {
            let ended = timeout(LONG, recv.read_to_end(1)).await.expect("it ends").unwrap_err();
            assert!(format!("{ended:?}").contains("Reset(4)"), "{ended:?}");
            assert_eq!(timeout(LONG, send.stopped()).await.unwrap().unwrap(), Some(4_u32.into()));
        }
    }
    let all = mesh.shared_for_tests().peers.all();
    until("nothing is open", || all.iter().all(|c| c.idle_for(Instant::now()).is_some())).await;
}

/// This node's record and token hold for its peers at any time, since they are made anew in time;
/// those of a node that does not are over with their term.
#[test]
fn records_and_tokens_outlive_their_first_term_when_they_are_renewed() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(Some(folder.path())).unwrap();
    let membership = || Membership::open(&home, MeshChoice::Own).unwrap();
    let local = Local::new(keys::fresh().unwrap(), membership()).unwrap();
    let (node, peer) = (local.node(), membership());
    let start = now_ms();
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap();
    let third = millis(limits::RECORD_LIFE) / 3;
    assert!(local.is_due(start), "there is none");
    let (first, first_token) = (local.record(start).unwrap(), local.token(start).unwrap());
    assert!(!local.is_due(start + third - 1));
    assert_eq!(local.record(start + third - 1).unwrap(), first, "not before its time");
    assert!(local.is_due(start + third));
    let mut last = record::open::<v1::NodeRecord>(&first, Some(&node), start).unwrap().term.seq;
    for now in (start..start + 5 * millis(limits::RECORD_LIFE)).step_by(300_000) {
        let (record, token) = (local.record(now).unwrap(), local.token(now).unwrap());
        let opened = record::open::<v1::NodeRecord>(&record, Some(&node), now).unwrap();
        assert!(opened.term.seq >= last, "a later record has a later number");
        last = opened.term.seq;
        assert_eq!(peer.verify(&token, node, now).unwrap().role, "owner");
        peer.verify(&opened.body.token, node, now).unwrap();
        // What a peer has just been shown holds until it is renewed, and a while longer.
        peer.verify(&token, node, now + third).unwrap();
    }
    // Tokens count whole seconds, records what a clock may be wrong.
    let over = start + millis(limits::NODE_TOKEN_LIFE) + 1_000;
    assert_eq!(peer.verify(&first_token, node, over).unwrap_err().kind, Kind::Auth);
    let over = start + millis(limits::RECORD_LIFE);
    let error = record::open::<v1::NodeRecord>(&first, Some(&node), over).unwrap_err();
    assert_eq!(error.kind, Kind::Expired);
}

#[test]
fn a_record_that_is_over_is_not_dialled() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(Some(folder.path())).unwrap();
    let local = || {
        let membership = Membership::open(&home, MeshChoice::Own).unwrap();
        Local::new(keys::fresh().unwrap(), membership).unwrap()
    };
    let (own, other, now) = (local(), local(), now_ms());
    other.set_addresses(vec!["127.0.0.1:1".parse().unwrap()]);
    let book = book::Book::default();
    book.near(other.node(), other.record(now).unwrap());
    assert!(book.reach(other.node(), &own, now).unwrap().trusted);
    let later = now + u64::try_from((limits::RECORD_LIFE * 2).as_millis()).unwrap();
    assert_eq!(book.reach(other.node(), &own, later).unwrap_err().kind, Kind::Expired);
    book.near(other.node(), other.record(later).unwrap());
    assert!(book.reach(other.node(), &own, later).unwrap().trusted, "renewed");
}
