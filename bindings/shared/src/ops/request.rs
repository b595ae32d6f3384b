//! Asking agents: whole answers, refusals as data, checks.

use super::{Job, Outcome, switch, unknown};
use crate::foreign::{HostInput, HostTools};
use crate::json::content::{ContentIn, Intake};
use crate::json::context::ContextIn;
use crate::json::error::ErrorJson;
use crate::json::parse::{self, required};
use crate::json::reply::{ReplyOut, ResponseOut};
use crate::json::shown::Outlet;
use crate::session::Session;
use bytes::Bytes;
use hubless::budget::Allowance;
use hubless::call::content::{Content, text_part};
use hubless::node::{AgentRequest, RequestOptions, Target};
use hubless_proto::error::Result;
use hubless_proto::fields::Fields;
use hubless_proto::query::Query;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn run(job: Job<'_>, name: &str) -> Result<Outcome> {
    match name {
        "request" => request(job).await,
        "send" => send(job).await,
        "check" => check(job).await,
        _ => unknown(name),
    }
}

async fn request(job: Job<'_>) -> Result<Outcome> {
    job.leave_host().await;
    let options = options(&job)?;
    let reply = job.session.node()?.request(options).await?;
    let mut outlet = Outlet::new(job.session);
    let out = ReplyOut::new(reply, &mut outlet)?;
    Ok(Outcome::shown(&out, outlet))
}

async fn send(job: Job<'_>) -> Result<Outcome> {
    job.leave_host().await;
    let options = if job.has("agent")? { short(&job)? } else { options(&job)? };
    let response = job.session.node()?.send(options).await?;
    let mut outlet = Outlet::new(job.session);
    let out = ResponseOut::new(response, &mut outlet)?;
    Ok(Outcome::shown(&out, outlet))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckIn {
    agent: u64,
    request: Option<Box<RawValue>>,
}

async fn check(job: Job<'_>) -> Result<Outcome> {
    let CheckIn { agent, request } = job.read()?;
    let request = required("request", request)?;
    let agent = job.session.agents.get(agent)?.id();
    let inner = Job {
        session: job.session,
        ticket: job.ticket,
        body: Bytes::copy_from_slice(request.get().as_bytes()),
        attachments: job.attachments.clone(),
    };
    let rejection = job.session.node()?.check(agent, options(&inner)?).await?;
    Ok(Outcome::of(&match rejection {
        Some(error) => json!({"rejection": ErrorJson(error)}),
        None => json!({}),
    }))
}

const OPTIONS: [&str; 29] = [
    "to",
    "prompt",
    "content",
    "skill",
    "timeoutMs",
    "totalMs",
    "accept",
    "auth",
    "transportAuth",
    "context",
    "conversationId",
    "tools",
    "inputSchema",
    "outputSchema",
    "effect",
    "idempotencyKey",
    "returnTo",
    "retry",
    "dataPolicy",
    "metadata",
    "extensions",
    "trace",
    "parent",
    "from",
    "template",
    "onInput",
    "wait",
    "killSwitch",
    "max",
];

/// What only this side of a request knows: attachments, handles, the host's functions.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Ours {
    to: Option<Value>,
    prompt: Option<String>,
    #[serde(default)]
    content: ContentIn,
    context: Option<ContextIn>,
    parent: Option<u64>,
    from: Option<u64>,
    #[serde(default)]
    on_input: bool,
    #[serde(flatten)]
    paying: Paying,
}

/// What pays for a request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Paying {
    kill_switch: Option<u64>,
    max: Option<Value>,
}

impl Paying {
    fn put(self, options: &mut RequestOptions) -> Result<()> {
        let Self { kill_switch, max } = self;
        options.kill_switch =
            kill_switch.map(|switch| switch::get("killSwitch", switch)).transpose()?;
        options.max = max.map(|max| Allowance::read("max", &max)).transpose()?;
        Ok(())
    }
}

/// The options of a request, with all that the host lends it.
pub(super) fn options(job: &Job<'_>) -> Result<RequestOptions> {
    job.only(&OPTIONS)?;
    let ours: Ours = job.read()?;
    let mut options: RequestOptions = job.read()?;
    options.to = target(required("to", ours.to)?)?;
    let mut intake = Intake::new(job.session, &job.attachments);
    let mut message = intake.content(ours.content)?;
    if let Some(prompt) = ours.prompt {
        message.parts.insert(0, text_part(prompt));
    }
    options.context = ours.context.map(|context| context.into_wire(&mut intake)).transpose()?;
    options.content = Content { message, bodies: intake.into_bodies() };
    if let Some(call) = ours.parent {
        options.parent = Some(job.session.parent(call)?.call().parent());
    }
    if let Some(agent) = ours.from {
        options.from = Some(job.session.agents.get(agent)?.id());
    }
    ours.paying.put(&mut options)?;
    lend(&mut options, job.session, (job.ticket, ours.on_input));
    Ok(options)
}

/// Whom a request is for: a text, or `{"query": Query}`.
fn target(to: Value) -> Result<Target> {
    if let Value::String(text) = to {
        return Ok(Target::Text(text));
    }
    let mut fields = Fields::of("to", to)?;
    let query = required("to.query", fields.value("query"))?;
    fields.end()?;
    Query::read(query).map(Target::from)
}

fn lend(options: &mut RequestOptions, session: &Arc<Session>, (request, asks): (u64, bool)) {
    let session = Arc::downgrade(session);
    if asks {
        options.input_host = Some(Arc::new(HostInput { session: session.clone(), request }));
    }
    if !options.tools.is_empty() {
        options.tool_host = Some(Arc::new(HostTools { session, request }));
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShortOurs {
    content: Option<ContentIn>,
    parent: Option<u64>,
    #[serde(flatten)]
    paying: Paying,
}

const SHORT: [&str; 10] = [
    "agent",
    "prompt",
    "promptSchema",
    "content",
    "skill",
    "tools",
    "template",
    "parent",
    "killSwitch",
    "max",
];

/// The short form that people and models write.
fn short(job: &Job<'_>) -> Result<RequestOptions> {
    job.only(&SHORT)?;
    let mut short: AgentRequest = job.read()?;
    let ShortOurs { content, parent, paying } = parse::body(&job.body)?;
    let mut intake = Intake::new(job.session, &job.attachments);
    let message = content.map(|content| intake.content(content)).transpose()?;
    let bodies = intake.into_bodies();
    short.content = message.map(|message| Content { message, bodies });
    let mut options = RequestOptions::from(short);
    if let Some(call) = parent {
        options.parent = Some(job.session.parent(call)?.call().parent());
    }
    paying.put(&mut options)?;
    lend(&mut options, job.session, (job.ticket, false));
    Ok(options)
}
