//! A node of another make, whose answers nobody checked before they left.

use super::support::{ask, node_in, soon};
use hubless::call::body::Bodies;
use hubless::call::content::part_text;
use hubless::call::pipe::{CalleeEnd, Down};
use hubless::home::Home;
use hubless::mesh::{Mesh, MeshHost, MeshOptions, Source};
use hubless::{Kind, Node, RequestOptions, StreamItem};
use hubless_proto::identity::{AgentId, NodeKey, SecretKey};
use hubless_proto::limits;
use hubless_proto::policy::Caller;
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1::{self, event, part};
use serde_json::json;
use std::sync::Arc;
use std::time::SystemTime;

type Answers = dyn Fn(&str) -> Vec<event::Kind> + Send + Sync;

/// Answers as its test says, by the text that it is asked.
struct Raw(Box<Answers>);

impl MeshHost for Raw {
    fn inbound(&self, _: Caller, request: v1::Request, _: Bodies, end: CalleeEnd) {
        let parts = request.content.unwrap_or_default().parts;
        let text = parts.iter().find_map(part_text).unwrap_or_default();
        let events = (self.0)(text);
        tokio::spawn(async move {
            for kind in events {
                let event = v1::Event { kind: Some(kind) };
                let _ = end.events.send(Down { event, bodies: Bodies::none() }).await;
            }
            end.events.closed().await;
        });
    }
    fn announced(&self, _: Source, _: v1::NodeAnnouncement) {}
    fn hidden(&self, _: NodeKey, _: Vec<(AgentId, u64)>) {}
    fn loaded(&self, _: NodeKey, _: Vec<(AgentId, u32)>) {}
    fn gone(&self, _: NodeKey) {}
    fn answer(&self, _: v1::Ask) -> v1::Answer {
        v1::Answer::default()
    }
}

/// The agent `raw` at a node.
fn agent(node: NodeKey) -> v1::AgentAnnouncement {
    let key = SecretKey::from_seed([7; 32]);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let term = Term::starting(u64::try_from(now.as_millis()).unwrap(), limits::RECORD_LIFE);
    let body = v1::Descriptor { name: "raw".to_owned(), ..Default::default() };
    let descriptor = record::sign(&key, term, &body).unwrap();
    let hosting = v1::Hosting {
        node_key: node.to_wire(),
        descriptor_digest: record::digest(&descriptor.signed).to_vec().into(),
        ..v1::Hosting::default()
    };
    let hosting = record::sign(&key, term, &hosting).unwrap();
    v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) }
}

/// A node of ours beside a raw one.
struct Beside {
    node: Node,
    _raw: Mesh,
    _home: tempfile::TempDir,
}

async fn beside<F>(answers: F) -> Beside
where
    F: Fn(&str) -> Vec<event::Kind> + Send + Sync + 'static,
{
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(Some(folder.path())).unwrap();
    let host = Raw(Box::new(answers));
    let raw = Mesh::start(MeshOptions::new(home), Arc::new(host)).await.unwrap();
    raw.announce(vec![agent(raw.node_key())]);
    let node = node_in(&folder).await;
    Beside { node, _raw: raw, _home: folder }
}

fn text(text: &str) -> v1::Part {
    v1::Part { kind: Some(part::Kind::Text(text.to_owned())), ..v1::Part::default() }
}

fn last(parts: Vec<v1::Part>) -> event::Kind {
    let content = Some(v1::Content { parts, ..v1::Content::default() });
    event::Kind::Final(v1::Final { content, ..v1::Final::default() })
}

#[tokio::test]
async fn what_a_peer_says_cannot_move_the_cursor_of_who_reads_it() {
    const HOSTILE: &str = "a\u{1b}[2J\u{202e}b\u{9b}c";
    const SHOWN: &str = "a[2Jbc";
    let told = |_: &str| {
        let limit = v1::Limit { name: "LIMIT".to_owned(), value: 1 };
        let refused = v1::Rejection {
            kind: "denied".to_owned(),
            reason: HOSTILE.to_owned(),
            pointer: Some(HOSTILE.to_owned()),
            limit: Some(limit),
            ..v1::Rejection::default()
        };
        let note = v1::Progress { note: HOSTILE.to_owned(), fraction: None };
        vec![event::Kind::Progress(note), event::Kind::Rejection(refused)]
    };
    let beside = beside(told).await;
    let mut stream = beside.node.stream(ask("raw", json!("?"))).unwrap();
    let (mut note, mut refused) = (None, None);
    while let Some(item) = soon("the next item", stream.next()).await {
        match item {
            Ok(StreamItem::Progress { note: told, .. }) => note = Some(told),
            Ok(StreamItem::Accepted | StreamItem::Chunk { .. } | StreamItem::Final(_)) => {}
            Err(error) => refused = Some(error),
        }
    }
    let refused = refused.unwrap();
    assert_eq!((refused.kind, refused.message.as_str()), (Kind::Denied, SHOWN));
    assert_eq!((note.as_deref(), refused.pointer.as_deref()), (Some(SHOWN), Some(SHOWN)));
}

#[tokio::test]
async fn the_name_of_a_bound_is_no_place_for_anything_else() {
    let told = |_: &str| {
        let limit = v1::Limit { name: "LIMIT\u{1b}[2J".to_owned(), value: 1 };
        let kind = "denied".to_owned();
        let refused = v1::Rejection { kind, limit: Some(limit), ..v1::Rejection::default() };
        vec![event::Kind::Rejection(refused)]
    };
    let beside = beside(told).await;
    let error = beside.node.request(ask("raw", json!("?"))).await.unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Transport, "bad_frame"));
    assert_eq!(error.field.as_deref(), Some("rejection.limit"));
}

#[tokio::test]
async fn an_answer_of_another_node_holds_the_schema_of_who_asked() {
    let told = |asked: &str| {
        let chunk = |text: &str, append| {
            let part = Some(self::text(text));
            event::Kind::Chunk(v1::Chunk { part, append })
        };
        match asked {
            "right" => vec![last(vec![text("yes")])],
            "right in pieces" => vec![chunk("ye", false), chunk("s", true), last(Vec::new())],
            "wrong in pieces" => vec![chunk("n", false), chunk("o", true), last(Vec::new())],
            _ => vec![last(vec![text("no")])],
        }
    };
    let beside = beside(told).await;
    for (asked, holds) in
        [("right", true), ("wrong", false), ("right in pieces", true), ("wrong in pieces", false)]
    {
        let request = || RequestOptions {
            output_schema: Some(json!({"const": "yes"})),
            ..ask("raw", json!(asked))
        };
        let whole = beside.node.request(request()).await.map(drop);
        let mut stream = beside.node.stream(request()).unwrap();
        let mut end = None;
        while let Some(item) = soon("the next item", stream.next()).await {
            end = Some(item.map(drop));
        }
        for told in [whole, end.unwrap()] {
            assert_eq!(told.is_ok(), holds, "{asked}: {told:?}");
            if let Err(error) = told {
                assert_eq!((error.kind, error.code.as_str()), (Kind::Json, "schema"), "{asked}");
                assert_eq!((error.field.as_deref(), error.rejection), (Some("output"), true));
            }
        }
    }
    // Whoever expects nothing gets what came.
    assert!(beside.node.request(ask("raw", json!("wrong"))).await.is_ok());
}
