//! What a handler does with its call.

use super::{Job, Outcome, spend, unknown};
use crate::handler::OpenCall;
use crate::json::content::{ContentIn, Intake};
use crate::json::inbound::turns;
use crate::json::parse;
use crate::json::shown::Outlet;
use hubless::budget::{Provider, ProviderMost};
use hubless::call::body::Bodies;
use hubless::call::content::Content;
use hubless_proto::error::{Result, Retry};
use hubless_proto::wire::v1::{self, part};
use hubless_proto::{Error, Kind};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) async fn run(job: Job<'_>, name: &str) -> Result<Outcome> {
    match name {
        "call.progress" => progress(job).await,
        "call.chunk" => chunk(job).await,
        "call.tool" => tool(job).await,
        "call.input" => input(job).await,
        "call.usage" => usage(job).await,
        "call.spend" => set_aside(job).await,
        "call.trip" => trip(job).await,
        "call.provider" => provider(job).await,
        "call.history" => history(&job),
        "call.final" => last(job).await,
        "call.fail" => fail(job).await,
        _ => unknown(name),
    }
}

fn open(job: &Job<'_>, call: u64) -> Result<Arc<OpenCall>> {
    job.session.calls.get(call).map_err(|_| ended())
}

/// Takes a call out, to end it: from here on nothing else ends it, and no `cancel` event comes.
fn taken(job: &Job<'_>, call: u64) -> Result<Arc<OpenCall>> {
    job.session.calls.take(call).ok_or_else(ended)
}

/// A handler that is not told yet that its call was given up is not at fault.
fn ended() -> Error {
    Error::new(Kind::Closed, "the call has ended").with_field("call")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProgressIn {
    call: u64,
    #[serde(default)]
    note: String,
    fraction: Option<f64>,
}

async fn progress(job: Job<'_>) -> Result<Outcome> {
    let ProgressIn { call, note, fraction } = job.read()?;
    let open = open(&job, call)?;
    let _turn = open.order.lock().await;
    open.call().progress(&note, fraction).await?;
    Ok(Outcome::empty())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ChunkIn {
    call: u64,
    #[serde(default)]
    content: ContentIn,
    append: Option<bool>,
}

/// A chunk carries one part: content of several is as many chunks, with nothing between them.
async fn chunk(job: Job<'_>) -> Result<Outcome> {
    let ChunkIn { call, content, append } = job.read()?;
    let open = open(&job, call)?;
    let _turn = open.order.lock().await;
    job.leave_host().await;
    let mut intake = Intake::new(job.session, &job.attachments);
    // Nothing is sent of what cannot be sent as a whole.
    let v1::Content { parts, metadata_json } = intake.content(content)?;
    if parts.is_empty() {
        return Err(Error::invalid("content", "expected at least one part in a piece"));
    }
    if !metadata_json.is_empty() {
        let message = "expected no metadata: a piece has none, its parts may have";
        return Err(Error::invalid("metadata", message));
    }
    let mut bodies = intake.into_bodies();
    for (nth, part) in parts.into_iter().enumerate() {
        // Text goes on where the text before it ended; anything else is a part of its own, and so
        // are parts that came as several.
        let goes_on = append.unwrap_or(matches!(part.kind, Some(part::Kind::Text(_))));
        let content = alone(part, &mut bodies);
        open.call().chunk(content, nth == 0 && goes_on).await?;
    }
    Ok(Outcome::empty())
}

/// One of several parts, with the bytes that are streamed for it.
fn alone(part: v1::Part, bodies: &mut Bodies) -> Content {
    let mut own = Bodies::none();
    if let Some(part::Kind::Stream(stream)) = &part.kind
        && let Some(body) = bodies.take(stream.index)
    {
        own.insert(stream.index, body);
    }
    Content { message: v1::Content { parts: vec![part], ..v1::Content::default() }, bodies: own }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ToolIn {
    call: u64,
    name: String,
    #[serde(default)]
    arguments: Value,
}

async fn tool(job: Job<'_>) -> Result<Outcome> {
    let ToolIn { call, name, arguments } = job.read()?;
    let open = open(&job, call)?;
    drop(open.order.lock().await);
    let content = open.call().call_tool(&name, &arguments).await?;
    answered(&job, &open, content)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct InputIn {
    call: u64,
    prompt: ContentIn,
    schema: Option<Value>,
}

async fn input(job: Job<'_>) -> Result<Outcome> {
    let InputIn { call, prompt, schema } = job.read()?;
    let open = open(&job, call)?;
    drop(open.order.lock().await);
    let mut intake = Intake::new(job.session, &job.attachments);
    let message = intake.content(prompt)?;
    let prompt = Content { message, bodies: intake.into_bodies() };
    let content = open.call().input(prompt, schema.as_ref()).await?;
    answered(&job, &open, content)
}

/// Content that came for a call: its streamed parts end with the call.
fn answered(job: &Job<'_>, open: &OpenCall, content: Content) -> Result<Outcome> {
    let Content { message, mut bodies } = content;
    let mut outlet = Outlet::new(job.session);
    let shown = outlet.content(message, &mut bodies)?;
    let outcome = Outcome::shown(&shown, outlet);
    open.shown(&outcome.opened);
    Ok(outcome)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UsageIn {
    call: u64,
    #[serde(default)]
    input_tokens: u64,
    #[serde(default)]
    output_tokens: u64,
    #[serde(default)]
    cost_micros: u64,
    #[serde(default)]
    calls: u64,
    model: Option<String>,
}

async fn usage(job: Job<'_>) -> Result<Outcome> {
    let UsageIn { call, input_tokens, output_tokens, cost_micros, calls, model } = job.read()?;
    let open = open(&job, call)?;
    let _turn = open.order.lock().await;
    let by_model = v1::ModelUsage { input_tokens, output_tokens, cost_micros, calls };
    let added = open.call().add_usage(&v1::Usage {
        input_tokens,
        output_tokens,
        cost_micros,
        calls,
        by_model: model.map(|model| (model, by_model)).into_iter().collect(),
        charged_in_full: false,
    });
    added.map_err(|error| error.with_field("model"))?;
    Ok(Outcome::empty())
}

async fn set_aside(job: Job<'_>) -> Result<Outcome> {
    let (call, most) = spend::amounts(&job.body, "call")?;
    let open = open(&job, call)?;
    drop(open.order.lock().await);
    let handle = spend::keep(open.call().spend(most).await?, &open);
    Ok(Outcome::of(&json!({ "spend": handle })).opening(vec![handle]))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProviderIn {
    call: u64,
    max_input: Option<Value>,
    max_output: Option<Value>,
    max_cost: Option<Value>,
}

async fn provider(job: Job<'_>) -> Result<Outcome> {
    let ProviderIn { call, max_input, max_output, max_cost } = job.read()?;
    // What is no amount is refused where amounts are.
    let amount = |most: Option<Value>| most.map(|most| most.as_u64().unwrap_or(u64::MAX));
    let most = ProviderMost {
        input_tokens: amount(max_input),
        output_tokens: amount(max_output),
        cost_micros: amount(max_cost),
    };
    let open = open(&job, call)?;
    drop(open.order.lock().await);
    let Provider { base_url, api_key, until_ms } = open.call().provider_for(most).await?;
    let out = json!({ "baseUrl": base_url, "apiKey": api_key.reveal(), "untilMs": until_ms });
    Ok(Outcome::of(&out))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallIn {
    call: u64,
}

/// Not in turn with what the host sends: a stop waits for no reader.
async fn trip(job: Job<'_>) -> Result<Outcome> {
    let CallIn { call } = job.read()?;
    open(&job, call)?.call().trip().await?;
    Ok(Outcome::empty())
}

fn history(job: &Job<'_>) -> Result<Outcome> {
    let CallIn { call } = job.read()?;
    let open = open(job, call)?;
    let mut outlet = Outlet::new(job.session);
    let turns = turns(&mut outlet, open.call().history().to_vec())?;
    Ok(Outcome::shown(&turns, outlet))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FinalIn {
    call: u64,
    #[serde(default)]
    content: ContentIn,
}

async fn last(job: Job<'_>) -> Result<Outcome> {
    let FinalIn { call, content } = job.read()?;
    let open = open(&job, call)?;
    let _turn = open.order.lock().await;
    job.leave_host().await;
    let mut intake = Intake::new(job.session, &job.attachments);
    let message = match intake.content(content) {
        Ok(message) => message,
        Err(error) => {
            // Nobody is left who could say it better: not every host waits for this.
            let error = wrong(error);
            end_with(&job, call, error.clone()).await?;
            return Err(error);
        }
    };
    let written = job.session.bodies.written_by_host(&intake.named);
    let content = Content { message, bodies: intake.into_bodies() };
    let open = taken(&job, call)?;
    open.charge();
    let finished = open.call().finish(content).await;
    // What the host goes on writing may be made of what it goes on reading: the streamed parts
    // of the call are let go only afterwards.
    hubless::executor::spawn(async move {
        for part in written {
            part.written().await;
        }
        open.let_go();
    })?;
    finished.map(|()| Outcome::empty())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FailIn {
    call: u64,
    kind: Option<String>,
    code: Option<String>,
    message: Option<String>,
    field: Option<String>,
    retry: Option<Box<RawValue>>,
}

/// What an answer cannot carry is a fault of the handler's, not of what it was asked.
fn wrong(error: Error) -> Error {
    if error.kind != Kind::InvalidArgument {
        return error;
    }
    let message = format!("the answer is wrong: {}", error.message);
    Error { field: error.field, limit: error.limit, ..Error::new(Kind::HandlerFailed, message) }
}

/// Ends a call with an error.
async fn end_with(job: &Job<'_>, call: u64, error: Error) -> Result<()> {
    let open = taken(job, call)?;
    open.charge();
    let failed = open.call().fail(error).await;
    open.let_go();
    failed
}

async fn fail(job: Job<'_>) -> Result<Outcome> {
    let fail: FailIn = job.read()?;
    let open = open(&job, fail.call)?;
    let _turn = open.order.lock().await;
    let kind = fail.kind.as_deref().map_or(Ok(Kind::HandlerFailed), str::parse)?;
    let code = fail.code.unwrap_or_default();
    let mut error = Error::refusal(kind, &code, fail.message.unwrap_or_default());
    error.field = fail.field;
    if let Some(retry) = fail.retry {
        error.retry = read_retry(&retry)?;
    }
    end_with(&job, fail.call, error).await.map(|()| Outcome::empty())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum RetryIn {
    Never,
    Later,
    AfterMs(u64),
}

/// Reads when to try again.
///
/// # Errors
/// `invalid_argument` with field `retry`.
pub(super) fn read_retry(text: &RawValue) -> Result<Retry> {
    Ok(match parse::field("retry", text)? {
        RetryIn::Never => Retry::Never,
        RetryIn::Later => Retry::Later,
        RetryIn::AfterMs(ms) => Retry::AfterMs(ms),
    })
}
