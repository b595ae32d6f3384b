//! Agents that are taken back, and shown again under the same key, on one connection.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests wait for one of many things")]

use super::connection::Say;
use super::local::hosting_seq;
use super::tests::support::*;
use super::*;
use crate::call::body::Bodies;
use crate::call::pipe::{Down, pipe};
use crate::chance::now_ms;
use crate::home::Home;
use hubless_proto::identity::AgentId;
use hubless_proto::wire::v1::{self, event};
use tokio::time::timeout;

/// Asks as an agent of its node; gives the code of the refusal, nothing for an answer.
async fn asked(from: &Mesh, agent: AgentId, to: &Mesh) -> String {
    let (mut caller, end) = pipe();
    let request = v1::Request { from: agent.to_wire(), ..text_request("", "x") };
    from.call(to.node_key(), request, Bodies::none(), end).await.unwrap();
    let Down { event, .. } = timeout(LONG, caller.events.recv()).await.unwrap().unwrap();
    match event.kind {
        Some(event::Kind::Rejection(rejection)) => rejection.code,
        Some(event::Kind::Final(_)) => String::new(),
        other => panic!("{other:?}"),
    }
}

async fn until_shown(sees: &mut Seeing) {
    sees.until(|seen| match seen {
        Seen::Announced(Source::Spread(_), shown) => (!shown.agents.is_empty()).then_some(()),
        _ => None,
    })
    .await;
}

async fn until_hidden(sees: &mut Seeing, taken: (AgentId, u64)) {
    sees.until(|seen| matches!(seen, Seen::Hidden(all) if all.contains(&taken)).then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_that_is_registered_again_is_shown_again_on_the_same_connection() {
    // Nodes in memory share a mesh and no folder: a connection is all they know each other by.
    let (a, _sees_a) = node(&Home::memory()).await;
    let (b, mut sees) = node(&Home::memory()).await;
    a.shared_for_tests().book.contact(b.node_key(), &b.addresses(), &[]);
    let (id, first) = agent(9, a.node_key());
    a.announce(vec![first.clone()]);
    assert_eq!(asked(&a, id, &b).await, "");
    until_shown(&mut sees).await;
    a.announce(Vec::new());
    until_hidden(&mut sees, (id, hosting_seq(&first))).await;
    while now_ms() <= hosting_seq(&first) {
        tokio::task::yield_now().await;
    }
    let (_, second) = agent(9, a.node_key());
    a.announce(vec![second.clone()]);
    assert_eq!(asked(&a, id, &b).await, "", "the peer forgot what it had seen before");
    // Words of the control stream may come late: what they take back is the hosting they name.
    let open = a.shared_for_tests().peers.of(b.node_key()).pop().unwrap();
    for (hosting, code) in [(&first, ""), (&second, "unknown_caller")] {
        let (agents, seqs) = (vec![id.to_wire()], vec![hosting_seq(hosting)]);
        open.control.send(Say::Hide(v1::Hide { agents, seqs })).await.unwrap();
        until_hidden(&mut sees, (id, hosting_seq(hosting))).await;
        assert_eq!(asked(&a, id, &b).await, code);
    }
}
