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

/// Passes on what a provider said instead of an answer. An error of its own is of a call that did
/// not run, and costs nothing; one of who stands before it (a time that was over, an answer that
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
    if matches!(status.as_u16(), 408 | 499 | 502 | 504 | 520..=527) {
        drop(held);
    } else {
        held.settle(Amount::ZERO).await.map_err(fault::fault)?;
    }
    // What it says of its key shows a part of it.
    if status == StatusCode::UNAUTHORIZED || status == StatusCode::FORBIDDEN {
        let message = "the provider does not take the key of the gateway";
        return Err(fault::provider("provider_key", message));
    }
    let pause = response.headers().get(RETRY_AFTER).cloned();
    let body = read(response, PROVIDER_ERROR_BYTES).await;
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
