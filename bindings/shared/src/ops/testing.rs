//! What programs are tested with: meshes of their own, fake peers, recordings.
//!
//! A mesh belongs to the process, not to a session: it is made before the nodes that live in it.

use super::{Job, Outcome, agents, unknown};
use crate::json::parse::{body, required};
use crate::json::shown::{ContentOut, Outlet};
use crate::queue::lock;
use crate::table::Table;
use bytes::Bytes;
use hubless::call::body::Bodies;
use hubless::node::NodeOptions;
use hubless::testing::{Asked, Fake, House, Mode, Recorder, RecorderOptions, Saved, Script};
use hubless_proto::Error;
use hubless_proto::error::Result;
use hubless_proto::wire::v1;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

static MESHES: Table<Arc<House>> = Table::new("mesh");

/// Fake and recorded peers of a session, by the handle of their agent.
#[derive(Default)]
pub(crate) struct TestPeers(Mutex<BTreeMap<u64, TestPeer>>);

#[derive(Clone)]
enum TestPeer {
    Fake(Fake),
    Recorder(Recorder),
}

impl TestPeers {
    /// Forgets that of an agent, if it is one.
    pub(crate) fn forget(&self, agent: u64) {
        drop(lock(&self.0).remove(&agent));
    }

    /// Forgets all of them.
    pub(crate) fn clear(&self) {
        let all = std::mem::take(&mut *lock(&self.0));
        drop(all);
    }

    fn add(&self, agent: u64, peer: TestPeer) {
        lock(&self.0).insert(agent, peer);
    }

    fn fake(&self, agent: u64) -> Result<Fake> {
        match lock(&self.0).get(&agent) {
            Some(TestPeer::Fake(fake)) => Ok(fake.clone()),
            Some(TestPeer::Recorder(_)) | None => Err(no_such("fake", agent)),
        }
    }

    fn recorder(&self, agent: u64) -> Result<Recorder> {
        match lock(&self.0).get(&agent) {
            Some(TestPeer::Recorder(recorder)) => Ok(recorder.clone()),
            Some(TestPeer::Fake(_)) | None => Err(no_such("recorded", agent)),
        }
    }
}

fn no_such(what: &str, agent: u64) -> Error {
    Error::invalid("agent", format!("expected the handle of a live {what} peer, got {agent}"))
}

/// Makes the temporary home of a mesh.
///
/// # Errors
/// As `House::new`; `invalid_argument` for a body that is not empty.
pub(crate) fn mesh(text: &[u8]) -> Result<Value> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    let Nothing {} = body(text)?;
    let house = House::new()?;
    let home = house.home().to_owned();
    Ok(json!({ "mesh": MESHES.insert(Arc::new(house)), "home": home }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MeshIn {
    mesh: u64,
}

/// Removes the home with all that is in it.
///
/// # Errors
/// `invalid_argument` for an unknown handle.
pub(crate) fn drop_handle(text: &[u8]) -> Result<Value> {
    let MeshIn { mesh } = body(text)?;
    MESHES.remove(mesh).map(|_| json!({}))
}

/// Makes the options of a node those of a node in such a mesh.
///
/// # Errors
/// `invalid_argument`, field `testing` for an unknown handle, or the field that says otherwise.
pub(super) fn enter(job: &Job<'_>, mesh: u64, options: &mut NodeOptions) -> Result<()> {
    for field in ["mesh", "home", "listen", "port", "memoryOnly"] {
        if job.has(field)? {
            let message = "a node of a test mesh has the home and the addresses of that mesh";
            return Err(Error::invalid(field, message));
        }
    }
    let house = MESHES.get(mesh).map_err(|error| error.with_field("testing"))?.options();
    options.home = house.home;
    options.mesh = house.mesh;
    options.listen = house.listen;
    options.hermetic = house.hermetic;
    Ok(())
}

pub(super) async fn run(job: Job<'_>, name: &str) -> Result<Outcome> {
    match name {
        "testing.mesh" => mesh(&job.body).map(|out| Outcome::of(&out)),
        "testing.drop" => drop_handle(&job.body).map(|out| Outcome::of(&out)),
        "testing.fake" => fake(job).await,
        "testing.replay" => replay(job).await,
        "testing.record" => record(job).await,
        "testing.save" => save(job).await,
        "testing.asked" => asked(job).await,
        "testing.release" => release(&job),
        "testing.verify" => verify(&job),
        _ => unknown(name),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FakeIn {
    agent: Option<Map<String, Value>>,
    script: Option<Value>,
}

async fn fake(job: Job<'_>) -> Result<Outcome> {
    let FakeIn { agent, script } = job.read()?;
    let script = Script::read(script.unwrap_or_else(|| json!({})))?;
    play(&job, required("agent", agent)?, script).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplayIn {
    path: Option<PathBuf>,
    agent: Option<Map<String, Value>>,
    mode: Option<String>,
}

async fn replay(job: Job<'_>) -> Result<Outcome> {
    let ReplayIn { path, agent, mode } = job.read()?;
    let mut script = Script::load(&required("path", path)?).await?;
    if let Some(mode) = mode {
        script = script.with_mode(Mode::parse(&mode)?);
    }
    let agent = over(script.agent().clone(), agent);
    play(&job, agent, script).await
}

/// What a recording says of its agent, and what the host says instead.
fn over(mut recorded: Map<String, Value>, said: Option<Map<String, Value>>) -> Map<String, Value> {
    recorded.extend(said.unwrap_or_default());
    recorded
}

async fn play(job: &Job<'_>, agent: Map<String, Value>, script: Script) -> Result<Outcome> {
    let name = agent.get("name").and_then(Value::as_str).unwrap_or_default();
    let fake = Fake::new(name, script);
    let handler = fake.handler();
    register(job, agent, handler, TestPeer::Fake(fake)).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RecordIn {
    to: Option<String>,
    agent: Option<Map<String, Value>>,
    #[serde(default)]
    redact: Vec<String>,
    auth: Option<v1::Auth>,
}

async fn record(job: Job<'_>) -> Result<Outcome> {
    let RecordIn { to, agent, redact, auth } = job.read()?;
    let node = job.session.node()?;
    let options = RecorderOptions { redact, auth };
    let recorder = Recorder::new(&node, &required("to", to)?, options).await?;
    let agent = over(recorder.agent().clone(), agent);
    let handler = recorder.handler();
    register(&job, agent, handler, TestPeer::Recorder(recorder)).await
}

async fn register(
    job: &Job<'_>,
    agent: Map<String, Value>,
    handler: Arc<dyn hubless::Handler>,
    peer: TestPeer,
) -> Result<Outcome> {
    let body = Bytes::from(Value::Object(agent).to_string());
    let inner = Job { session: job.session, ticket: job.ticket, body, attachments: Vec::new() };
    let (agent, outcome) = agents::host(&inner, |_| handler).await?;
    job.session.test_peers.add(agent, peer);
    // The call that it belongs to may have ended before it was there to be forgotten.
    if !job.session.agents.has(agent) {
        job.session.test_peers.forget(agent);
    }
    Ok(outcome)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SaveIn {
    agent: u64,
    path: Option<PathBuf>,
}

async fn save(job: Job<'_>) -> Result<Outcome> {
    let SaveIn { agent, path } = job.read()?;
    let recorder = job.session.test_peers.recorder(agent)?;
    let Saved { steps, open } = recorder.save(&required("path", path)?).await?;
    Ok(Outcome::of(&json!({ "steps": steps, "open": open })))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct AskedIn {
    agent: u64,
    #[serde(default)]
    at_least: u64,
    #[serde(default)]
    count_only: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct AskedOut {
    skill: String,
    content: ContentOut,
    caller: Value,
    #[serde(skip_serializing_if = "String::is_empty")]
    conversation_id: String,
    metadata: BTreeMap<String, Box<RawValue>>,
    step: Option<usize>,
    ending: &'static str,
}

async fn asked(job: Job<'_>) -> Result<Outcome> {
    let AskedIn { agent, at_least, count_only } = job.read()?;
    let fake = job.session.test_peers.fake(agent)?;
    let all = if count_only {
        fake.came(at_least).await;
        Vec::new()
    } else {
        fake.asked(at_least).await
    };
    let mut outlet = Outlet::new(job.session);
    let all = all.into_iter().map(|asked| show(asked, &mut outlet));
    let all = all.collect::<Result<Vec<AskedOut>>>()?;
    #[derive(Serialize)]
    struct AllOut {
        count: u64,
        asked: Vec<AskedOut>,
    }
    Ok(Outcome::shown(&AllOut { count: fake.count(), asked: all }, outlet))
}

fn show(asked: Asked, outlet: &mut Outlet<'_>) -> Result<AskedOut> {
    Ok(AskedOut {
        skill: asked.skill,
        content: outlet.content(asked.content, &mut Bodies::none())?,
        caller: crate::json::caller(&asked.caller),
        conversation_id: asked.conversation_id,
        metadata: outlet.values("metadata", asked.metadata)?,
        step: asked.step,
        ending: asked.ending.name(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReleaseIn {
    agent: u64,
    gate: Option<String>,
}

fn release(job: &Job<'_>) -> Result<Outcome> {
    let ReleaseIn { agent, gate } = job.read()?;
    let fake = job.session.test_peers.fake(agent)?;
    fake.release(&required("gate", gate)?).map(|()| Outcome::empty())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VerifyIn {
    agent: u64,
}

fn verify(job: &Job<'_>) -> Result<Outcome> {
    let VerifyIn { agent } = job.read()?;
    job.session.test_peers.fake(agent)?.verify().map(|()| Outcome::empty())
}
