//! The one connection of two nodes, and the streams on it.

use super::support::*;
use crate::call::body::Bodies;
use crate::call::pipe::pipe;
use crate::link::CloseReason;
use crate::mesh::Mesh;
use hubless_proto::error::{Error, Kind};
use hubless_proto::limits;
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::{Frame, FrameBuffer};
use hubless_proto::wire::v1::{self, event};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_that_dial_at_once_end_with_one_connection_and_lose_nothing() {
    let mut merged = 0;
    for _ in 0..20 {
        let two = two().await;
        let mut calls = tokio::task::JoinSet::new();
        for number in 0..40 {
            let (from, to) = if number % 2 == 0 { (&two.a, &two.b) } else { (&two.b, &two.a) };
            let (from, to) = (from.clone(), to.node_key());
            calls.spawn(async move {
                let (mut caller, end) = pipe();
                let text = number.to_string();
                from.call(to, text_request("", &text), Bodies::none(), end).await.unwrap();
                assert_eq!(final_text(&mut caller).await, Some(text));
            });
        }
        while let Some(done) = calls.join_next().await {
            done.unwrap();
        }
        let count = |mesh: &Mesh| mesh.peers().iter().map(|peer| peer.connections).sum::<usize>();
        let one = async {
            while count(&two.a) != 1 || count(&two.b) != 1 {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, one).await.expect("one connection is left");
        merged += two.a.merged() + two.b.merged();
    }
    assert!(merged > 0, "no two connections were made at once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_has_so_many_streams_and_no_more() {
    let mut two = two().await;
    let tunnel = connection(&two).await.tunnel.clone();
    let mut idle = Vec::new();
    // A stream is there for the peer once something was written on it.
    let open = async |idle: &mut Vec<_>| {
        let (mut send, recv) = tunnel.open().await.unwrap();
        send.write_all(&[32]).await.unwrap();
        idle.push((send, recv));
    };
    for _ in 0..limits::MEMBER_STREAMS {
        timeout(LONG, open(&mut idle)).await.expect("within the bound");
    }
    let more = timeout(Duration::from_millis(300), open(&mut idle)).await;
    assert!(more.is_err(), "one stream more than the bound was opened");
    // Calls of ours wait meanwhile, and go on as soon as there is room.
    let (mut caller, end) = pipe();
    let node = two.b.node_key();
    let call = two.a.call(node, text_request("", "waits"), Bodies::none(), end);
    let mut call = std::pin::pin!(call);
    assert!(timeout(Duration::from_millis(300), &mut call).await.is_err());
    for (mut send, mut recv) in idle.drain(..) {
        let _ = (send.reset(1_u32.into()), recv.stop(1_u32.into()));
    }
    timeout(LONG, call).await.unwrap().unwrap();
    assert_eq!(final_text(&mut caller).await.as_deref(), Some("waits"));
    two.sees_b.until(|seen| matches!(seen, Seen::Inbound(_)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_come_from_x25519_and_are_fresh_for_each_connection() {
    let two = two().await;
    let mut seen = BTreeSet::new();
    for _ in 0..5 {
        let connection = connection(&two).await;
        assert_eq!(connection.tunnel.key_exchange().as_deref(), Some("X25519"));
        assert!(seen.insert(connection.tunnel.exporter().unwrap()), "keys came twice");
        connection.tunnel.close(CloseReason::Idle);
        connection.tunnel.closed().await;
    }
}

/// The refusal in the one frame of these bytes.
fn refusal(bytes: &[u8]) -> Error {
    let mut buffer = FrameBuffer::default();
    buffer.push(bytes);
    let Frame { kind, body } = buffer.next_frame().unwrap().expect("a frame");
    let event: v1::Event = decode(kind, body).unwrap();
    buffer.finish().unwrap();
    let Some(event::Kind::Rejection(refused)) = event.kind else { panic!("no refusal") };
    refused.into()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_frame_ends_its_stream_and_the_next_call_is_served() {
    let two = two().await;
    let tunnel = connection(&two).await.tunnel.clone();
    // Too long, unknown, out of place, and cut off.
    for (bytes, kind, code) in [
        (&[32_u8, 0xbf, 0xff, 0xff, 0xff][..], Kind::TooLarge, "frame"),
        (&[99, 0], Kind::Unsupported, "frame_type"),
        (&[33, 0], Kind::Transport, "unexpected_frame"),
        (&[32, 5, 1], Kind::Transport, "incomplete"),
    ] {
        let (mut send, mut recv) = tunnel.open().await.unwrap();
        send.write_all(bytes).await.unwrap();
        send.finish().unwrap();
        // Never silence, never a lost connection.
        let answer = timeout(LONG, recv.read_to_end(1 << 16)).await.expect("no silence");
        let error = refusal(&answer.unwrap());
        assert_eq!((error.kind, error.code.as_str()), (kind, code));
        assert_eq!(error.limit.is_some(), kind == Kind::TooLarge);
        assert!(!tunnel.is_closed());
    }
    let (mut caller, end) = pipe();
    two.a.call(two.b.node_key(), text_request("", "next"), Bodies::none(), end).await.unwrap();
    assert_eq!(final_text(&mut caller).await.as_deref(), Some("next"));
}
