//! Calls and questions from one node to another.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests wait for one of many things")]

use super::support::*;
use crate::call::body::{Bodies, body};
use crate::call::pipe::{CancelCode, Down, pipe};
use bytes::Bytes;
use hubless_proto::policy::CallerKind;
use hubless_proto::wire::v1::{self, event, part};
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_one_user_find_and_call_each_other() {
    let mut two = two().await;
    assert_eq!(two.a.mesh_id(), two.b.mesh_id());
    let (mut caller, end) = pipe();
    let path =
        two.a.call(two.b.node_key(), text_request("", "hello"), Bodies::none(), end).await.unwrap();
    assert_eq!(path.name(), "direct");
    assert_eq!(final_text(&mut caller).await.as_deref(), Some("hello"));
    let node = two.a.node_key();
    two.sees_b
        .until(|seen| match seen {
            Seen::Inbound(caller) => {
                assert_eq!((caller.kind, caller.node), (CallerKind::Member, node));
                assert_eq!(caller.role, "owner");
                Some(())
            }
            _ => None,
        })
        .await;
    assert_eq!(two.a.peers().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streamed_parts_travel_both_ways() {
    let two = two().await;
    let (mut caller, end) = pipe();
    let mut request = text_request("", "");
    let stream = v1::StreamPart { kind: "blob".into(), index: 7, ..Default::default() };
    let part = v1::Part { kind: Some(part::Kind::Stream(stream)), ..Default::default() };
    request.content = Some(v1::Content { parts: vec![part], ..Default::default() });
    let (writer, reader) = body();
    let mut bodies = Bodies::none();
    bodies.insert(7, reader);
    two.a.call(two.b.node_key(), request, bodies, end).await.unwrap();
    let size = 5 * 1024 * 1024;
    let sent = tokio::spawn(async move {
        for _ in 0..size / 50_000 + 1 {
            writer.write(Bytes::from(vec![42; 50_000])).await.unwrap();
        }
        writer.end();
    });
    let Down { event, mut bodies } = timeout(LONG, caller.events.recv()).await.unwrap().unwrap();
    assert!(matches!(event.kind, Some(event::Kind::Final(_))));
    let (_, back) = bodies.drain().next().unwrap();
    let back = timeout(LONG, back.gather(64 << 20)).await.unwrap().unwrap();
    sent.await.unwrap();
    assert_eq!(back.len(), (size / 50_000 + 1) * 50_000);
    assert!(back.iter().all(|byte| *byte == 42));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn giving_a_call_up_reaches_the_callee_with_its_code() {
    let mut two = two().await;
    let (caller, end) = pipe();
    let node = two.b.node_key();
    two.a.call(node, text_request("hang", ""), Bodies::none(), end).await.unwrap();
    two.sees_b.until(|seen| matches!(seen, Seen::Inbound(_)).then_some(())).await;
    caller.cancel.cancel(CancelCode::Deadline);
    let code = two
        .sees_b
        .until(|seen| if let Seen::Cancelled(code) = seen { Some(code) } else { None })
        .await;
    assert_eq!(code, CancelCode::Deadline);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callee_that_lets_a_call_fall_is_told_as_internal() {
    let two = two().await;
    let (mut caller, end) = pipe();
    let node = two.b.node_key();
    two.a.call(node, text_request("drop", ""), Bodies::none(), end).await.unwrap();
    let Down { event, .. } = timeout(LONG, caller.events.recv()).await.unwrap().unwrap();
    let Some(event::Kind::Rejection(rejection)) = event.kind else { panic!("{event:?}") };
    assert_eq!((rejection.kind.as_str(), rejection.code.as_str()), ("internal", "no_answer"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_are_answered() {
    let two = two().await;
    let question = v1::ask::Question::SkillDocument(Bytes::from_static(&[5; 32]));
    let answer = two.a.ask(two.b.node_key(), question).await.unwrap();
    assert!(matches!(answer, v1::answer::Answer::SkillDocument(d) if d[..] == [5; 32]));
}

/// As an engine does whose last event has no room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callee_that_gives_up_is_heard_while_events_wait() {
    let two = two().await;
    let (mut caller, end) = pipe();
    two.a.call(two.b.node_key(), text_request("pour", ""), Bodies::none(), end).await.unwrap();
    let Down { mut bodies, .. } = timeout(LONG, caller.events.recv()).await.unwrap().unwrap();
    let (_, part) = bodies.drain().next().unwrap();
    // No event is taken meanwhile.
    let read = timeout(LONG, part.gather(1)).await.expect("the end of the part");
    assert_eq!(read.unwrap_err().code, "incomplete");
    let mut last = None;
    while let Some(Down { event, .. }) = timeout(LONG, caller.events.recv()).await.unwrap() {
        last = event.kind;
    }
    let Some(event::Kind::Rejection(refused)) = last else { panic!("no end: {last:?}") };
    assert_eq!(refused.kind, "deadline");
}
