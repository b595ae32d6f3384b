//! Two nodes with an engine that echoes, and what they saw.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests wait for one of many things")]

use super::hosts::shown;
use crate::call::body::{Bodies, body};
use crate::call::pipe::{CalleeEnd, CallerEnd, CancelCode, Down};
use crate::chance::now_ms;
use crate::home::Home;
use crate::mesh::connection::Connection;
use crate::mesh::shared::Patience;
use crate::mesh::{Mesh, MeshHost, MeshOptions, Source};
use bytes::Bytes;
use hubless_proto::identity::{AgentId, NodeKey, SecretKey};
use hubless_proto::killswitch::Reading;
use hubless_proto::policy::Caller;
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1::{self, event, part};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(in crate::mesh) const LONG: Duration = Duration::from_secs(20);

/// What a host saw.
#[derive(Debug)]
pub(in crate::mesh) enum Seen {
    Inbound(Caller),
    Announced(Source, v1::NodeAnnouncement),
    /// What was announced together was told of.
    Told,
    Hidden(Vec<(AgentId, u64)>),
    Clock(NodeKey, Reading),
    Gone(NodeKey),
    Unreached(NodeKey),
    Cancelled(CancelCode),
}

/// Echoes content; `hang` in the skill field waits for the end of the call.
pub(in crate::mesh) struct Echo {
    seen: mpsc::UnboundedSender<Seen>,
}

impl Echo {
    pub(in crate::mesh) fn new() -> (Arc<Self>, Seeing) {
        #[allow(clippy::disallowed_methods)]
        let (seen, sees) = mpsc::unbounded_channel();
        (Arc::new(Self { seen }), Seeing(Mutex::new(sees)))
    }
}

/// Says more than there is room for beside a part of which no byte comes, then gives the call up.
async fn pour(end: CalleeEnd) {
    let (_writer, reader) = body();
    let mut bodies = Bodies::none();
    bodies.insert(0, reader);
    let stream = v1::StreamPart { kind: "blob".to_owned(), ..Default::default() };
    let part = v1::Part { kind: Some(part::Kind::Stream(stream)), ..Default::default() };
    let chunk = event::Kind::Chunk(v1::Chunk { part: Some(part), append: false });
    let event = v1::Event { kind: Some(chunk) };
    let _ = end.events.send(Down { event, bodies }).await;
    let progress = v1::Progress { note: "x".repeat(16_000), fraction: None };
    let event = v1::Event { kind: Some(event::Kind::Progress(progress)) };
    let told = || end.events.send(Down { event: event.clone(), bodies: Bodies::none() });
    // Until nothing moves.
    while matches!(timeout(Duration::from_millis(300), told()).await, Ok(Ok(()))) {}
    end.cancel.cancel(CancelCode::Deadline);
    end.events.closed().await;
}

/// Reads what a host saw.
pub(in crate::mesh) struct Seeing(Mutex<mpsc::UnboundedReceiver<Seen>>);

impl Seeing {
    pub(in crate::mesh) async fn until<T>(&mut self, mut pick: impl FnMut(Seen) -> Option<T>) -> T {
        let seen = self.0.get_mut().unwrap();
        let found = async {
            loop {
                if let Some(found) = pick(seen.recv().await.expect("the host lives")) {
                    return found;
                }
            }
        };
        timeout(LONG, found).await.expect("seen in time")
    }

    /// True when it saw nothing that was not read, but for what clocks say.
    pub(in crate::mesh) fn is_empty(&mut self) -> bool {
        let seen = self.0.get_mut().unwrap();
        std::iter::from_fn(|| seen.try_recv().ok()).all(|one| matches!(one, Seen::Clock(..)))
    }
}

impl MeshHost for Echo {
    fn inbound(&self, caller: Caller, request: v1::Request, mut bodies: Bodies, end: CalleeEnd) {
        let _ = self.seen.send(Seen::Inbound(caller));
        let seen = self.seen.clone();
        tokio::spawn(async move {
            if request.skill == "hang" {
                let _ = seen.send(Seen::Cancelled(end.cancel.cancelled().await));
                return;
            }
            if request.skill == "drop" {
                return;
            }
            if request.skill == "pour" {
                return pour(end).await;
            }
            if request.skill == "slow" {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            let mut echoed = Bodies::none();
            for (index, mut source) in bodies.drain() {
                let (writer, reader) = body();
                echoed.insert(index, reader);
                tokio::spawn(async move {
                    while let Some(Ok(chunk)) = source.next().await {
                        if writer.write(chunk).await.is_err() {
                            return;
                        }
                    }
                    writer.end();
                });
            }
            let last = v1::Final { content: request.content, ..Default::default() };
            let event = v1::Event { kind: Some(event::Kind::Final(last)) };
            let _ = end.events.send(Down { event, bodies: echoed }).await;
            end.events.closed().await;
        });
    }

    fn announced(&self, source: Source, announcement: v1::NodeAnnouncement) {
        let _ = self.seen.send(Seen::Announced(source, announcement));
    }

    fn told(&self) {
        let _ = self.seen.send(Seen::Told);
    }

    fn loaded(&self, _: NodeKey, _: Vec<(AgentId, u32)>) {}

    fn hidden(&self, _node: NodeKey, agents: Vec<(AgentId, u64)>) {
        let _ = self.seen.send(Seen::Hidden(agents));
    }

    fn clock(&self, node: NodeKey, reading: Reading) {
        let _ = self.seen.send(Seen::Clock(node, reading));
    }

    fn gone(&self, node: NodeKey) {
        let _ = self.seen.send(Seen::Gone(node));
    }

    fn unreached(&self, node: NodeKey) {
        let _ = self.seen.send(Seen::Unreached(node));
    }

    fn answer(&self, ask: v1::Ask) -> v1::Answer {
        let Some(v1::ask::Question::SkillDocument(digest)) = ask.question else {
            return v1::Answer::default();
        };
        v1::Answer { answer: Some(v1::answer::Answer::SkillDocument(digest)) }
    }
}

pub(in crate::mesh) fn text_request(skill: &str, text: &str) -> v1::Request {
    let part = v1::Part { kind: Some(part::Kind::Text(text.to_owned())), ..Default::default() };
    v1::Request {
        id: Bytes::from_static(&[1; 16]),
        to: Bytes::from_static(&[2; 32]),
        skill: skill.to_owned(),
        content: Some(v1::Content { parts: vec![part], ..Default::default() }),
        deadline_ms: 60_000,
        ..Default::default()
    }
}

/// An agent as its node announces it.
pub(in crate::mesh) fn agent(seed: u8, node: NodeKey) -> (AgentId, v1::AgentAnnouncement) {
    let body = v1::Descriptor { name: format!("agent-{seed}"), ..Default::default() };
    signed(seed, node, Term::starting(now_ms(), hubless_proto::limits::RECORD_LIFE), &body)
}

/// An agent that lives only moments.
pub(in crate::mesh) fn transient(seed: u8, node: NodeKey) -> (AgentId, v1::AgentAnnouncement) {
    let name = format!("agent-{seed}");
    let body = v1::Descriptor { name, transient: true, ..Default::default() };
    signed(seed, node, Term::transient(now_ms()), &body)
}

pub(in crate::mesh) fn signed(
    seed: u8,
    node: NodeKey,
    term: Term,
    body: &v1::Descriptor,
) -> (AgentId, v1::AgentAnnouncement) {
    let key = SecretKey::from_seed([seed; 32]);
    (key.agent_id(), shown(&key, node, term, body))
}

pub(in crate::mesh) async fn node(home: &Home) -> (Mesh, Seeing) {
    let (host, sees) = Echo::new();
    (Mesh::start(MeshOptions::new(home.clone()), host).await.unwrap(), sees)
}

pub(in crate::mesh) async fn meet(sees: &mut Seeing, other: &Mesh) {
    let key = other.node_key();
    sees.until(|seen| match seen {
        Seen::Announced(Source::RuntimeFolder, announcement) => {
            let record = record::peek(&announcement.node?).ok()?;
            (record.key == key.to_wire()).then_some(())
        }
        _ => None,
    })
    .await;
}

pub(in crate::mesh) async fn final_text(end: &mut CallerEnd) -> Option<String> {
    while let Some(Down { event, .. }) = timeout(LONG, end.events.recv()).await.expect("in time") {
        if let Some(event::Kind::Final(last)) = event.kind {
            let part = last.content?.parts.into_iter().next()?;
            let Some(part::Kind::Text(text)) = part.kind else { return None };
            return Some(text);
        }
    }
    None
}

pub(in crate::mesh) struct Two {
    _folder: tempfile::TempDir,
    pub(in crate::mesh) a: Mesh,
    pub(in crate::mesh) b: Mesh,
    pub(in crate::mesh) sees_a: Seeing,
    pub(in crate::mesh) sees_b: Seeing,
}

pub(in crate::mesh) async fn two() -> Two {
    two_with(Patience::default()).await
}

pub(in crate::mesh) async fn two_with(patience: Patience) -> Two {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(Some(folder.path())).unwrap();
    let start = async || {
        let (host, sees) = Echo::new();
        (Mesh::start_with(MeshOptions::new(home.clone()), host, patience).await.unwrap(), sees)
    };
    let (a, mut sees_a) = start().await;
    let (b, mut sees_b) = start().await;
    meet(&mut sees_a, &b).await;
    meet(&mut sees_b, &a).await;
    Two { _folder: folder, a, b, sees_a, sees_b }
}

/// The one connection from `a` to `b`.
pub(in crate::mesh) async fn connection(two: &Two) -> Arc<Connection> {
    let shared = two.a.shared_for_tests();
    let found = shared.connection(two.b.node_key()).await.unwrap();
    found.introduced().await.unwrap();
    found
}
