//! Agents that call, which their node has to show first.

use super::support::*;
use crate::call::body::Bodies;
use crate::call::pipe::{Down, pipe};
use crate::chance::now_ms;
use crate::mesh::Mesh;
use crate::mesh::connection::Connection;
use hubless_proto::identity::AgentId;
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::FrameType;
use hubless_proto::wire::record::Term;
use hubless_proto::wire::v1::{self, event};
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calling_agent_counts_only_when_its_node_hosts_it() {
    let mut two = two().await;
    let (id, announcement) = agent(9, two.a.node_key());
    two.a.announce(vec![announcement]);
    for _ in 0..2 {
        let (mut caller, end) = pipe();
        let request = v1::Request { from: id.to_wire(), ..text_request("", "x") };
        two.a.call(two.b.node_key(), request, Bodies::none(), end).await.unwrap();
        assert_eq!(final_text(&mut caller).await.as_deref(), Some("x"));
        let seen = two
            .sees_b
            .until(|seen| if let Seen::Inbound(caller) = seen { Some(caller) } else { None })
            .await;
        assert_eq!(seen.agent, Some(id));
    }
    let (foreign, stolen) = agent(8, two.b.node_key());
    two.a.announce(vec![stolen]);
    let (mut caller, end) = pipe();
    let request = v1::Request { from: foreign.to_wire(), ..text_request("", "x") };
    two.a.call(two.b.node_key(), request, Bodies::none(), end).await.unwrap();
    let Down { event, .. } = timeout(LONG, caller.events.recv()).await.unwrap().unwrap();
    let Some(event::Kind::Rejection(rejection)) = event.kind else { panic!("{event:?}") };
    assert_eq!(rejection.kind, "auth");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transient_calling_agent_is_remembered_for_its_stream_only() {
    let two = two().await;
    let node = two.a.node_key();
    let (lasting, brief) = (agent(9, node), transient(10, node));
    two.a.announce(vec![lasting.1, brief.1]);
    for (id, remembered) in [(lasting.0, true), (brief.0, false)] {
        let (mut caller, end) = pipe();
        let request = v1::Request { from: id.to_wire(), ..text_request("", "x") };
        two.a.call(two.b.node_key(), request, Bodies::none(), end).await.unwrap();
        assert_eq!(final_text(&mut caller).await.as_deref(), Some("x"));
        let known = |mesh: &Mesh, peer, how: fn(&Connection, AgentId) -> bool| {
            mesh.shared_for_tests().peers.of(peer).iter().any(|one| how(one, id))
        };
        let ours = known(&two.a, two.b.node_key(), Connection::knows);
        let theirs = known(&two.b, node, Connection::vouches);
        assert_eq!((ours, theirs), (remembered, remembered));
    }
}

/// Shows an agent whose records live so long, and calls from it until that is refused; gives how
/// often it was taken, and the code of the refusal.
async fn calls_until_refused(two: &Two, life: Duration) -> (u32, String) {
    let node = two.a.node_key();
    let open = two.a.shared_for_tests().connection(two.b.node_key()).await.unwrap();
    let body = v1::Descriptor { name: "agent-9".into(), ..Default::default() };
    let (id, shown) = signed(9, node, Term::starting(now_ms(), life), &body);
    let mut show = Some(v1::Show { agents: vec![shown] });
    let mut taken = 0;
    loop {
        let (_calling, mut writer, mut reader) = open.open().await.unwrap();
        if let Some(show) = show.take() {
            writer.message(FrameType::Show, &show).await.unwrap();
        }
        let request = v1::Request { from: id.to_wire(), ..text_request("", "x") };
        // Refused, it may be read no more.
        let _ = writer.message(FrameType::Request, &request).await;
        let frame = timeout(LONG, reader.next()).await.unwrap().unwrap();
        let event: v1::Event = decode(frame.kind, frame.body).unwrap();
        if let Some(event::Kind::Rejection(rejection)) = event.kind {
            return (taken, rejection.code);
        }
        taken += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_calling_agent_counts_until_the_hosting_that_was_shown_ends() {
    let two = two().await;
    let mut life = Duration::from_secs(1);
    let (taken, code) = loop {
        let (taken, code) = calls_until_refused(&two, life).await;
        if taken > 0 {
            break (taken, code);
        }
        // A busy machine had not read what was shown before its end.
        life *= 4;
        assert!(life < Duration::from_secs(100), "it never counted: {code}");
    };
    assert_eq!(code, "unknown_caller", "after {taken} calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_shows_so_many_transient_agents_and_no_more() {
    let two = two().await;
    let node = two.a.node_key();
    let open = two.a.shared_for_tests().connection(two.b.node_key()).await.unwrap();
    for (many, taken) in [(2, true), (3, false)] {
        let (_calling, mut writer, mut reader) = open.open().await.unwrap();
        let agents: Vec<_> = (0..many).map(|seed| transient(20 + seed, node)).collect();
        let from = agents[0].0.to_wire();
        let show = v1::Show { agents: agents.into_iter().map(|agent| agent.1).collect() };
        writer.message(FrameType::Show, &show).await.unwrap();
        let request = v1::Request { from, ..text_request("", "x") };
        // Refused, it may be read no more.
        let _ = writer.message(FrameType::Request, &request).await;
        let frame = timeout(LONG, reader.next()).await.unwrap().unwrap();
        let event: v1::Event = decode(frame.kind, frame.body).unwrap();
        let refused = matches!(event.kind, Some(event::Kind::Rejection(_)));
        assert_eq!(refused, !taken, "{many}: {event:?}");
    }
}
