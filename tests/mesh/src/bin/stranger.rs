//! The external caller of the conformance cases: a node without a token of the mesh. A node of the
//! mesh beside it finds what is called and asks what ran there.
//!
//! `stranger call --to <language> --cases <file>` reports as the runners of the languages do
//! (`tests/conformance/SUBJECT.md`); it knows one request a case, and what those cases expect.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it reports on standard output")]

use hubless::call::pipe::{CalleeEnd, pipe};
use hubless::home::Home;
use hubless::membership::Ticket;
use hubless::mesh::{Mesh, MeshChoice, MeshHost, MeshOptions, Source};
use hubless::node::InviteOptions;
use hubless::{
    Bodies, Content, Error, FindOptions, Kind, Node, NodeOptions, Reply, RequestOptions, Result,
};
use hubless_mesh_tests::now_us;
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::policy::Caller;
use hubless_proto::query::Query;
use hubless_proto::wire::v1::{self, event};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// The same, as a request says it.
const PATIENCE_MS: u64 = 20_000;

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> ExitCode {
    hubless::telemetry::init();
    match run().await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("stranger: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the cases; gives how many failed.
async fn run() -> Result<usize> {
    let arguments: Vec<String> = std::env::args().collect();
    let after = |flag: &str| {
        let place = arguments.iter().position(|one| one == flag);
        let value = place.and_then(|place| arguments.get(place + 1));
        value.cloned().ok_or_else(|| Error::invalid(flag, "expected a value behind it"))
    };
    let path = after("--cases")?;
    let unread = |why: String| Error::invalid("--cases", format!("{path}: {why}"));
    let text = std::fs::read_to_string(&path).map_err(|error| unread(error.to_string()))?;
    let cases: Vec<Value> =
        serde_json::from_str(&text).map_err(|error| unread(error.to_string()))?;
    let stranger = Stranger::start(after("--to")?).await?;
    let mut failed = 0;
    for (number, case) in cases.iter().enumerate() {
        let report = stranger.case(number, case).await?;
        failed += usize::from(report["ok"] != true);
        println!("{report}");
    }
    println!("{}", json!({"passed": cases.len() - failed, "failed": failed}));
    stranger.mesh.close(Duration::ZERO).await;
    stranger.member.close(Duration::ZERO).await;
    Ok(failed)
}

struct Stranger {
    /// Without a token.
    mesh: Mesh,
    member: Node,
    /// The language that is called.
    to: String,
    /// Its node.
    subject: NodeKey,
}

impl Stranger {
    async fn start(to: String) -> Result<Self> {
        let member = Node::start(NodeOptions::default()).await?;
        let subject = stats(&member, &to).await?.agent.node_key;
        // A ticket says where the nodes of a mesh are; its invite is not used.
        let invite = InviteOptions { local: true, ..InviteOptions::default() };
        let ticket: Ticket = member.invite(invite).await?.parse()?;
        let place = ticket.minters.iter().find(|minter| minter.node == subject);
        let place = place.ok_or_else(|| {
            Error::new(Kind::NotFound, "expected the node of the subject among those of a ticket")
        })?;
        let mesh = MeshChoice::Outside(ticket.mesh);
        let options = MeshOptions { mesh, ..MeshOptions::new(Home::memory()) };
        let mesh = Mesh::start(options, Arc::new(Nobody)).await?;
        mesh.contact(subject, &place.addresses);
        Ok(Self { mesh, member, to, subject })
    }

    /// Makes the request of a case, and says what came of it.
    async fn case(&self, number: usize, case: &Value) -> Result<Value> {
        let agent = case["agent"].as_str().unwrap_or_default();
        let (before, began) = (self.runs(agent).await?, now_us());
        let content = case["request"]["content"]["value"].clone();
        let got = self.ask(number, self.id(agent).await?, content).await?;
        let ms = now_us().saturating_sub(began) / 1_000;
        let runs = self.runs(agent).await? - before;
        let counted = case["runs"].as_u64().is_none_or(|wanted| wanted == runs);
        let ok = counted && holds(&case["expect"], &got["outcome"]);
        let expected = json!({"expect": case["expect"], "runs": case["runs"]});
        Ok(json!({
            "case": case["id"], "ok": ok, "expected": expected, "got": got["outcome"],
            "path": got["path"], "peer": self.subject.to_string(), "wayOf": "answer",
            "runs": runs, "ms": ms,
        }))
    }

    /// How often the handler of an agent was started.
    async fn runs(&self, agent: &str) -> Result<u64> {
        let stats = stats(&self.member, &self.to).await?.content.decoded().unwrap_or_default();
        Ok(stats["runs"][agent].as_u64().unwrap_or_default())
    }

    async fn id(&self, agent: &str) -> Result<AgentId> {
        let name = format!("{}.{agent}", self.to);
        let query = json!({"filter": {"field": "name", "op": "=", "value": name}});
        let options = FindOptions { wait: PATIENCE, explain: false };
        let found = self.member.find(Query::read(query)?, options).await?;
        let first = found.first().map(|found| found.agent_id);
        first.ok_or_else(|| Error::new(Kind::NotFound, format!("expected an agent {name}")))
    }

    /// What an agent answers to who has no token.
    async fn ask(&self, number: usize, agent: AgentId, content: Value) -> Result<Value> {
        let (mut end, callee) = pipe();
        let request = v1::Request {
            id: u128::try_from(number).unwrap_or_default().to_be_bytes().to_vec().into(),
            attempt: 1,
            to: agent.to_wire(),
            content: Some(Content::value(content).message),
            deadline_ms: PATIENCE_MS,
            ..v1::Request::default()
        };
        let path = self.mesh.call(self.subject, request, Bodies::none(), callee).await?;
        let path = if path.relayed { "relay" } else { "direct" };
        loop {
            let down = timeout(PATIENCE, end.events.recv()).await.ok().flatten();
            let down = down.ok_or_else(|| Error::new(Kind::Transport, "no answer came"))?;
            let outcome = match down.event.kind {
                Some(event::Kind::Final(last)) => {
                    json!({"value": Content::from(last.content.unwrap_or_default()).decoded()})
                }
                Some(event::Kind::Rejection(rejection)) => {
                    let Error { kind, code, rejection, .. } = Error::from(rejection);
                    json!({"error": {"kind": kind.name(), "code": code, "rejection": rejection}})
                }
                Some(_) | None => continue,
            };
            return Ok(json!({"path": path, "outcome": outcome}));
        }
    }
}

/// What the subject counted, as a member of the mesh is told.
async fn stats(member: &Node, to: &str) -> Result<Reply> {
    let to = format!("{to}.stats");
    let asked = RequestOptions::new(to.as_str(), Content::text("?"));
    member.request(RequestOptions { wait_ms: Some(PATIENCE_MS), ..asked }).await
}

/// True when all of an expectation holds; one that is not known here does not.
fn holds(expect: &Value, got: &Value) -> bool {
    let has = |wanted: &Value, got: &Value| {
        let wanted = wanted.as_object();
        wanted.is_some_and(|all| all.iter().all(|(name, value)| got.get(name) == Some(value)))
    };
    let one = |(word, wanted): (&String, &Value)| match word.as_str() {
        "value" => got.get("value") == Some(wanted),
        "valueHas" => has(wanted, &got["value"]),
        "error" => has(wanted, &got["error"]),
        _ => false,
    };
    expect.as_object().is_some_and(|all| !all.is_empty() && all.iter().all(one))
}

/// An engine without agents.
struct Nobody;

impl MeshHost for Nobody {
    fn inbound(&self, _: Caller, _: v1::Request, _: Bodies, _: CalleeEnd) {}
    fn announced(&self, _: Source, _: v1::NodeAnnouncement) {}
    fn hidden(&self, _: NodeKey, _: Vec<(AgentId, u64)>) {}
    fn loaded(&self, _: NodeKey, _: Vec<(AgentId, u32)>) {}
    fn gone(&self, _: NodeKey) {}
    fn answer(&self, _: v1::Ask) -> v1::Answer {
        v1::Answer::default()
    }
}
