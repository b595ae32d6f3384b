//! An answer that comes at once, and what a provider says instead of one.

use super::charge::charge;
use super::fault;
use super::provider::Provider;
use crate::http::{Fault, json};
use axum::body::{Body, Bytes};
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use hubless::till::Held;
use hubless::web::{self, read};
use hubless_proto::killswitch::Amount;
use hubless_proto::limits::{PROVIDER_ANSWER_BYTES, PROVIDER_ERROR_BYTES};
use hubless_proto::metering::Usage;
use hubless_proto::metering::prices::Model;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;

/// Codes of 400 for a prompt that was worked on: there are providers that bill it, with what was
/// written before it was given up.
const WORKED_ON: [&str; 2] = ["content_filter", "context_length_exceeded"];

/// What an error costs.
enum Cost {
    /// The call did not run.
    Nothing,
    /// Nobody knows whether it ran, and how far.
    All,
    /// The body says which.
    Said,
}

impl Cost {
    /// That of an error by its status, and by whether it says when to come again.
    const fn of(status: StatusCode, says_when: bool) -> Self {
        match status.as_u16() {
            400 => Self::Said,
            // A time that was over, and a caller that was lost.
            408 | 499 => Self::All,
            // Not understood.
            501 | 505 => Self::Nothing,
            // Whoever asks for patience took nothing on; the same from a proxy whose provider hung
            // up on it does not.
            503 | 529 if says_when => Self::Nothing,
            // It failed while it worked, or who stands before it lost the answer.
            500.. => Self::All,
            _ => Self::Nothing,
        }
    }
}

/// Reads what was used from the `usage` of an answer.
pub(super) type Read = fn(&Value) -> Option<Usage>;

/// What is read of an answer; the rest is passed on as it is.
#[derive(Deserialize)]
struct Said {
    usage: Option<Value>,
}

/// Passes a whole answer on, once it is charged.
///
/// # Errors
/// 502 for an answer that broke off or is too large, which is charged in full.
pub(super) async fn pass(
    response: web::Response,
    held: Held,
    (model, usage): (&Model, Read),
) -> Result<Response, Fault> {
    let body = read(response, PROVIDER_ANSWER_BYTES).await;
    let answer: Option<Said> = body.as_ref().and_then(|body| serde_json::from_slice(body).ok());
    let used = answer.as_ref().and_then(|answer| usage(answer.usage.as_ref()?));
    charge(held, model, used).await?;
    match (body, answer) {
        (Some(body), Some(_)) => Ok(json(body)),
        (None, _) | (_, None) => {
            Err(fault::provider("provider_answer", "the provider's answer is not whole"))
        }
    }
}

/// Passes on what a provider said instead of an answer. A refusal is of a call that did not run,
/// and costs nothing; what may be of one that ran (a failure, a time that was over, an answer that
/// was lost), and what is no error, is charged in full.
///
/// # Errors
/// 502 for what is no error, and for one that speaks of the gateway's own key.
pub(super) async fn refusal(
    provider: &Provider,
    response: web::Response,
    held: Held,
) -> Result<Response, Fault> {
    let status = response.status();
    tracing::warn!(status = status.as_u16(), "the provider refused a call");
    if !status.is_client_error() && !status.is_server_error() {
        drop(held);
        let message = "the provider said neither an answer nor an error";
        return Err(fault::provider("provider_answer", message));
    }
    let pause = response.headers().get(RETRY_AFTER).cloned();
    let undecided = match Cost::of(status, pause.is_some()) {
        Cost::Nothing => {
            held.settle(Amount::ZERO).await.map_err(fault::fault)?;
            None
        }
        Cost::All => None,
        Cost::Said => Some(held),
    };
    // What it says of its key shows a part of it.
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        let message = "the provider does not take the key of the gateway";
        return Err(fault::provider("provider_key", message));
    }
    let body = read(response, PROVIDER_ERROR_BYTES).await;
    if let Some(held) = undecided.filter(|_| !is_worked_on(body.as_deref())) {
        held.settle(Amount::ZERO).await.map_err(fault::fault)?;
    }
    let is_json = |body: &Bytes| serde_json::from_slice::<IgnoredAny>(body).is_ok();
    let body = body.filter(|body| !provider.is_named_in(body) && is_json(body));
    let mut shown = match body {
        Some(body) => Body::from(body).into_response(),
        None => {
            let said = fault::provider("provider_error", "the provider failed");
            fault::show(said)
        }
    };
    *shown.status_mut() = status;
    let headers = shown.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(pause) = pause {
        headers.insert(RETRY_AFTER, pause);
    }
    Ok(shown)
}

/// True for the body of an error about a prompt that was worked on, and for one that did not come
/// whole: it may have been that.
fn is_worked_on(body: Option<&[u8]>) -> bool {
    let Some(body) = body else { return true };
    let said = serde_json::from_slice::<Value>(body).ok();
    let code = said.as_ref().and_then(|said| said.pointer("/error/code")?.as_str());
    code.is_some_and(|code| WORKED_ON.contains(&code))
}
