//! Agents of this node, and what is known of others.

use super::{Job, Outcome, unknown};
use crate::foreign::HostChecks;
use crate::handler::{AgentGate, HostHandler};
use crate::json::error::ErrorJson;
use crate::json::parse::required;
use crate::session::Session;
use crate::table::next_id;
use hubless::node::{AgentOptions, Scope};
use hubless::{Agent, Handler, Parent};
use hubless_proto::error::Result;
use hubless_proto::limits;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// An agent that the host registered.
pub(crate) type AgentEntry = Agent;

pub(super) async fn run(job: Job<'_>, name: &str) -> Result<Outcome> {
    match name {
        "register" => register(job).await,
        "unregister" => unregister(job).await,
        "health" => health(&job),
        "listAgents" => list(&job),
        "loadAgents" => load(&job),
        "describe" => describe(job).await,
        _ => unknown(name),
    }
}

const REGISTER: [&str; 25] = [
    "name",
    "title",
    "description",
    "version",
    "skills",
    "tags",
    "groups",
    "contextProtocol",
    "inputSchemaKind",
    "contextWindowTokens",
    "contentTypesIn",
    "contentTypesOut",
    "allowedModels",
    "streaming",
    "costHint",
    "tools",
    "requestTemplate",
    "needs",
    "flags",
    "requirements",
    "concurrency",
    "identity",
    "transient",
    "replica",
    "parent",
];

#[derive(Deserialize)]
struct ParentIn {
    parent: Option<u64>,
}

async fn register(job: Job<'_>) -> Result<Outcome> {
    let session = Arc::downgrade(job.session);
    let handler = |gate: &Arc<AgentGate>| -> Arc<dyn Handler> {
        Arc::new(HostHandler { session, gate: Arc::clone(gate) })
    };
    host(&job, handler).await.map(|(_, outcome)| outcome)
}

/// Registers what the body of a job says with a handler, and gives the handle as well.
///
/// # Errors
/// As `Node::register`; `invalid_argument` with the field.
pub(super) async fn host(
    job: &Job<'_>,
    handler: impl FnOnce(&Arc<AgentGate>) -> Arc<dyn Handler>,
) -> Result<(u64, Outcome)> {
    job.only(&REGISTER)?;
    let mut options = AgentOptions::read(job.read()?)?;
    let ParentIn { parent } = job.read()?;
    let node = job.session.node()?;
    let parent = parent.map(|call| job.session.calls.get(call)).transpose()?;
    // Only an isolated call takes the agents that it registered with it.
    let parent = parent.filter(|open| open.fresh).map(|open| open.call().parent());
    let id = next_id();
    let gate = AgentGate::new(id);
    let session = Arc::downgrade(job.session);
    let checks = || HostChecks { session: session.clone(), gate: Some(Arc::clone(&gate)) };
    options.authenticator = Some(Arc::new(checks()));
    options.counter = Some(Arc::new(checks()));
    options.parent.clone_from(&parent);
    let handler = handler(&gate);
    let agent = node.register(options, handler).await?;
    let out = json!({
        "agent": id,
        "agentId": agent.id().to_string(),
        "address": agent.address().to_string(),
        "name": agent.name(),
        "reach": agent.reach().to_string(),
    });
    job.session.agents.insert_as(id, agent);
    if let Some(parent) = parent {
        forget_with(job.session, id, parent)?;
    }
    let then: Box<dyn FnOnce() + Send> = Box::new(move || gate.open());
    Ok((id, Outcome { then: Some(then), ..Outcome::of(&out).opening(vec![id]) }))
}

/// The node takes a child agent out when its call ends; its handle goes with it.
fn forget_with(session: &Arc<Session>, id: u64, parent: Parent) -> Result<()> {
    let session = Arc::downgrade(session);
    hubless::executor::spawn(async move {
        parent.over().await;
        if let Some(session) = session.upgrade() {
            drop(session.agents.take(id));
            session.test_peers.forget(id);
        }
    })?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UnregisterIn {
    agent: u64,
    grace_ms: Option<u64>,
}

async fn unregister(job: Job<'_>) -> Result<Outcome> {
    let UnregisterIn { agent: id, grace_ms } = job.read()?;
    let agent = job.session.agents.remove(id)?;
    job.session.test_peers.forget(id);
    agent.unregister(grace_ms.map_or(limits::CLOSE_GRACE, Duration::from_millis)).await?;
    Ok(Outcome::empty())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HealthIn {
    agent: u64,
    health: String,
}

fn health(job: &Job<'_>) -> Result<Outcome> {
    let HealthIn { agent, health } = job.read()?;
    let health = health.parse()?;
    job.session.agents.get(agent)?.health(health)?;
    Ok(Outcome::empty())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListIn {
    scope: Option<Scope>,
}

fn list(job: &Job<'_>) -> Result<Outcome> {
    let ListIn { scope } = job.read()?;
    let agents = job.session.node()?.list_agents(scope.unwrap_or(Scope::All))?;
    Ok(Outcome::of(&json!({ "agents": agents })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LoadIn {
    descriptors: Option<Vec<Value>>,
}

fn load(job: &Job<'_>) -> Result<Outcome> {
    let LoadIn { descriptors } = job.read()?;
    let loaded = job.session.node()?.load_agents(required("descriptors", descriptors)?)?;
    let refused: Vec<ErrorJson> = loaded.refused.into_iter().map(ErrorJson).collect();
    Ok(Outcome::of(&json!({"loaded": loaded.loaded, "refused": refused})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DescribeIn {
    agent: Option<String>,
}

async fn describe(job: Job<'_>) -> Result<Outcome> {
    let DescribeIn { agent } = job.read()?;
    let agent = required("agent", agent)?;
    Ok(Outcome::of(&job.session.node()?.describe(&agent).await?))
}
