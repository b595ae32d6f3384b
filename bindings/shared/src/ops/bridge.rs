//! What exercises the boundary itself, and what the core reads from the bytes of a vector.
//!
//! Owns: the operations `bridge.*`, which are there only with the feature `testing`. Must not know
//! a node. Tested through the public functions, and through each language.

use super::call::read_retry;
use super::{Job, Outcome, unknown};
use crate::json::parse::{body, required};
use hubless_proto::error::{Limit, Result};
use hubless_proto::{Error, Kind, vectors};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use std::time::Duration;

pub(super) async fn run(job: Job<'_>, name: &str) -> Result<Outcome> {
    job.leave_host().await;
    match name {
        "bridge.echo" => Ok(Outcome::with(&echo(&job.body)?, job.attachments)),
        "bridge.sleep" => sleep(&job).await,
        "bridge.throw" => throw(&job.body).map(|out| Outcome::of(&out)),
        "bridge.read" => read(&job),
        _ => unknown(name),
    }
}

/// Gives back what came.
///
/// # Errors
/// As [`body`].
pub(crate) fn echo(text: &[u8]) -> Result<Value> {
    body::<Map<String, Value>>(text).map(Value::Object)
}

#[derive(Deserialize)]
struct LimitIn {
    name: String,
    value: u64,
}

/// An Error of the contract (section 6), of which only the kind must be there.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ThrowIn {
    kind: Option<String>,
    #[serde(default)]
    code: String,
    #[serde(default)]
    operation: String,
    #[serde(default)]
    message: String,
    field: Option<String>,
    limit: Option<LimitIn>,
    retry: Option<Box<RawValue>>,
    agent: Option<String>,
    origin: Option<String>,
    trace_id: Option<String>,
    pointer: Option<String>,
    #[serde(default)]
    candidates: Vec<String>,
    #[serde(default)]
    rejection: bool,
}

/// Fails as it is told to; without `retry` as the kind says.
///
/// # Errors
/// Always.
pub(crate) fn throw(text: &[u8]) -> Result<Value> {
    let told: ThrowIn = body(text)?;
    let kind: Kind = required("kind", told.kind)?.parse()?;
    let row = Error::new(kind, told.message).with_operation(&told.operation);
    let retry = told.retry.map_or(Ok(row.retry), |retry| read_retry(&retry))?;
    Err(Error {
        code: told.code,
        field: told.field,
        limit: told.limit.map(|limit| Limit { name: limit.name, value: limit.value }),
        retry,
        agent: told.agent,
        origin: told.origin,
        trace_id: told.trace_id,
        pointer: told.pointer,
        candidates: told.candidates,
        rejection: told.rejection,
        ..row
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SleepIn {
    ms: u64,
}

async fn sleep(job: &Job<'_>) -> Result<Outcome> {
    let SleepIn { ms } = job.read()?;
    tokio::time::sleep(Duration::from_millis(ms)).await;
    Ok(Outcome::empty())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ReadIn {
    what: String,
    #[serde(default)]
    now_ms: u64,
}

/// What the attachments say, as the core reads them.
fn read(job: &Job<'_>) -> Result<Outcome> {
    let ReadIn { what, now_ms } = job.read()?;
    vectors::read(&what, now_ms, &job.attachments).map(|said| Outcome::of(&said))
}
