//! Redeem codes at a node that many show wrong ones to, and before one that never answers.

use super::{Allowance, Component, KillSwitch, RedeemCode, Terms, Treasury};
use crate::Content;
use crate::call::body::Bodies;
use crate::call::handle::Call;
use crate::call::pipe::CalleeEnd;
use crate::chance;
use crate::engine::lock;
use crate::foreign::Answer;
use crate::home::Home;
use crate::mesh::{Mesh, MeshHost, MeshOptions, Source};
use crate::node::{AgentOptions, CallStream, Node, NodeOptions, RequestOptions, handler};
use bytes::Bytes;
use hubless_proto::error::{Kind, Result};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::killswitch::{Claim, GrantId};
use hubless_proto::limits;
use hubless_proto::policy::Caller;
use hubless_proto::wire::v1;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

/// For what comes within moments.
const LONG: Duration = Duration::from_secs(20);

async fn node_in(home: &TempDir) -> Node {
    let options = NodeOptions { home: Some(home.path().to_owned()), ..NodeOptions::default() };
    Node::start(options).await.unwrap()
}

fn named(name: &str) -> AgentOptions {
    AgentOptions::read(json!({"name": name})).unwrap()
}

/// A code of a call that ends when it is dropped, and what redeems it.
async fn code(node: &Node) -> (RedeemCode, Arc<Treasury>, CallStream) {
    let (said, mut heard) = mpsc::unbounded_channel();
    let holds = handler(move |call: Call, _| {
        let said = said.clone();
        async move {
            let treasury = Arc::clone(call.shared_core().held().unwrap().treasury());
            said.send((call.redeem_code().await.unwrap(), treasury)).unwrap();
            std::future::pending::<Result<Content>>().await
        }
    });
    node.register(named("holds"), holds).await.unwrap();
    let limits = Allowance::UNLIMITED.with(Component::OutputTokens, Some(1_600));
    let asked = RequestOptions {
        kill_switch: Some(KillSwitch::new(Terms::of(limits))),
        ..RequestOptions::new("holds", Content::default())
    };
    let calling = node.stream(asked).unwrap();
    let (code, treasury) = timeout(LONG, heard.recv()).await.expect("a code").unwrap();
    (code, treasury, calling)
}

#[tokio::test]
async fn a_good_code_is_taken_of_a_node_that_showed_too_many_that_are_none() {
    let home = tempfile::tempdir().unwrap();
    let node = node_in(&home).await;
    let (good, treasury, _call) = code(&node).await;
    let made_up = RedeemCode::new(good.issuer(), [1; 32], &good.claim());
    // Its own clients are bounded as those of any other node.
    for by in [NodeKey::from_bytes([7; 32]), treasury.node()] {
        let first = treasury.show_code(by, &made_up.to_wire()).await.unwrap_err();
        assert_eq!((first.kind, first.code.as_str()), (Kind::Denied, "redeem"));
        for _ in 1..limits::REDEEM_WRONG {
            lock(&treasury.wrong_codes).count(by, chance::clock_ms());
        }
        let last = treasury.show_code(by, &made_up.to_wire()).await.unwrap_err();
        assert_eq!((last.kind, last.code.as_str()), (Kind::Busy, "redeem"));
        assert_eq!(last.limit.unwrap().name, "REDEEM_WRONG");
    }
    let by = NodeKey::from_bytes([7; 32]);
    treasury.show_code(by, &good.to_wire()).await.unwrap();
    let again = treasury.show_code(by, &good.to_wire()).await.unwrap_err();
    assert_eq!(again.kind, Kind::Busy, "it is one that is none by now");
}

/// A node that is shown codes and says nothing.
#[derive(Default)]
struct Mute {
    asked: Notify,
}

impl MeshHost for Mute {
    fn inbound(&self, _: Caller, _: v1::Request, _: Bodies, _: CalleeEnd) {}
    fn announced(&self, _: Source, _: v1::NodeAnnouncement) {}
    fn hidden(&self, _: NodeKey, _: Vec<(AgentId, u64)>) {}
    fn loaded(&self, _: NodeKey, _: Vec<(AgentId, u32)>) {}
    fn gone(&self, _: NodeKey) {}
    fn redeem(&self, _: NodeKey, _: &v1::RedeemCode) -> Answer<Bytes> {
        self.asked.notify_one();
        Box::pin(std::future::pending())
    }
    fn answer(&self, _: v1::Ask) -> v1::Answer {
        v1::Answer::default()
    }
}

/// A node with an agent, one that says nothing, and what to ask of the agent with its code.
async fn scene(home: &TempDir) -> (Node, (Arc<Mute>, Mesh), RequestOptions) {
    let mute = Arc::new(Mute::default());
    let options = MeshOptions::new(Home::open(Some(home.path())).unwrap());
    let mesh = Mesh::start(options, Arc::<Mute>::clone(&mute)).await.unwrap();
    let node = node_in(home).await;
    // Before it was seen, nobody would know where to ask it.
    let (_, treasury, _call) = code(&node).await;
    let seen = async {
        while !treasury.mesh.known().contains(&mesh.node_key()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, seen).await.expect("it is seen");
    let echo = handler(|_: Call, content: Content| async move { Ok(content) });
    node.register(named("echo"), echo).await.unwrap();
    let (grant, until_ms) = (GrantId::from_bytes([1; 16]), u64::MAX);
    let claim = Claim { grant, digest: [1; 32], amount: Allowance::UNLIMITED, until_ms };
    let redeem = Some(RedeemCode::new(mesh.node_key(), [1; 32], &claim));
    let asked = RequestOptions { redeem, ..RequestOptions::new("echo", Content::default()) };
    (node, (mute, mesh), asked)
}

#[tokio::test]
async fn redeeming_ends_with_the_time_of_its_request() {
    let home = tempfile::tempdir().unwrap();
    let (node, _silent, asked) = scene(&home).await;
    let asked = RequestOptions { timeout_ms: Some(1_000), ..asked };
    // Without that it would be the node that gave no answer.
    assert_eq!(node.request(asked).await.unwrap_err().kind, Kind::Deadline);
}

#[tokio::test]
async fn redeeming_ends_with_its_node() {
    let home = tempfile::tempdir().unwrap();
    let (node, (mute, _mesh), asked) = scene(&home).await;
    let (ended, ()) = tokio::join!(node.request(asked), async {
        timeout(LONG, mute.asked.notified()).await.expect("the code is shown");
        node.close(Duration::ZERO).await;
    });
    assert_eq!(ended.unwrap_err().kind, Kind::Closed);
}
