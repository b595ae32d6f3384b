//! `POST /v1/agents/{name}/requests`: one request to one agent.

use super::body::{json_only, read};
use super::desk::{Client, Desk, json};
use super::events::{self, EVENTS, EventBody};
use super::fault::Fault;
use super::form::{self, ErrorForm, ItemForm, ReplyForm, RequestForm};
use super::rules::single;
use super::trace;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::http::header::ACCEPT;
use axum::http::request::Parts;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use hubless::budget::{RedeemCode, Terms};
use hubless::{Error, Kind, RequestOptions};
use std::sync::Arc;

/// Name of the header that bounds the whole call, in milliseconds.
const TIMEOUT: HeaderName = HeaderName::from_static("x-timeout-ms");
/// Name of the header with the code of the call that a program asks on behalf of.
const REDEEM: HeaderName = HeaderName::from_static("hubless-redeem");

/// Name of the header with limits that the client sets itself.
const BUDGET: HeaderName = HeaderName::from_static("hubless-budget");

/// Ask an agent: by name, address or id.
///
/// With `Accept: text/event-stream` the answer comes as server-sent events: each event's name is
/// the field of its StreamItem, and `error` the one of an Error that ends it. A call whose client
/// goes away is cancelled.
///
/// A client may have a budget of each call and of each hour. A request whose most does not fit into
/// what is left of the hour is refused before it runs: 402, `budget_exhausted`, code `hour`, with
/// `Retry-After` where the hour ends for something that was spent before.
#[utoipa::path(
    post,
    path = "/v1/agents/{name}/requests",
    tag = "agents",
    params(
        ("name" = String, Path, description = "name, address or id of the agent"),
        ("x-request-id" = Option<String>, Header, description = "echoed, or made when missing"),
        ("x-timeout-ms" = Option<u64>, Header, description = "milliseconds for the whole call"),
        ("hubless-redeem" = Option<String>, Header, description = "code that came with a call, in \
            its metadata, for what is asked on its behalf; redeemed once"),
        ("hubless-budget" = Option<String>, Header, description = "limits of this call and all \
            below it, as a JSON object: inputTokens, outputTokens, costMicros, calls, wallTimeMs, \
            depth, fanOut, soft. The smaller of each and of the client's own holds: a limit is \
            lowered, or set where there is none, and never raised; not beside a redeem code"),
    ),
    request_body(content = RequestForm, content_type = "application/json"),
    responses(
        (status = 200, description = "the answer", content(
            (ReplyForm = "application/json"),
            (ItemForm = "text/event-stream"),
        )),
        (status = "default", description = "an error", body = ErrorForm),
    ),
)]
pub(super) async fn ask(
    State(desk): State<Arc<Desk>>,
    Extension(client): Extension<Client>,
    name: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Fault> {
    let (head, body) = request.into_parts();
    let Path(name) = name.map_err(|_| Fault::path())?;
    json_only(&head)?;
    let streams = streams(&head)?;
    let timeout = timeout(&head)?;
    let body = read(body, &client, desk.body_time).await?;
    let mut options = form::request(&name, &client.principal, &body)?;
    options.redeem = redeem(&head)?;
    let shows_code = options.redeem.is_some();
    if shows_code {
        desk.codes.admit(&client)?;
    }
    let asked = asked(&head)?;
    if shows_code && asked.is_some() {
        let message = "expected none beside a redeem code, which says what may be spent";
        return Err(Error::invalid(BUDGET.as_str(), message).into());
    }
    options.total_ms = options.total_ms.into_iter().chain(timeout).min();
    trace::carry(&head, desk.trust_traces, &mut options)?;
    let note = |error: &Error| {
        if shows_code {
            desk.codes.note(&client, error);
        }
        note(&desk, &client, &name, error);
    };
    // What comes back with a code is paid by that alone, and never by a budget that begins here.
    if !shows_code {
        let switch = desk.allowed.switch(&desk.node, &client, asked.as_ref()).await;
        options.kill_switch = switch.inspect_err(note)?;
    }
    if streams { stream(&desk, options, note).await } else { whole(&desk, options, note).await }
}

/// Writes down who asks for what is not there for those outside, or for more than its hour holds;
/// what an agent refuses is written down where it lives.
fn note(desk: &Desk, client: &Client, name: &str, error: &Error) {
    let own = error.origin.is_none();
    if own && (error.kind == Kind::NotFound || error.code == "hour") {
        desk.node.note_refused(&client.principal, name, error);
    }
}

async fn whole(
    desk: &Desk,
    options: RequestOptions,
    note: impl Fn(&Error),
) -> Result<Response, Fault> {
    let reply = desk.node.request(options).await.inspect_err(note)?;
    let reply = form::reply(reply).await?;
    let text = serde_json::to_string(&reply)
        .map_err(|_| Error::new(Kind::Internal, "the answer cannot be written as JSON"))?;
    Ok(json(text))
}

/// The first item decides the status: what is refused at once is refused with its own.
async fn stream(
    desk: &Desk,
    options: RequestOptions,
    note: impl Fn(&Error),
) -> Result<Response, Fault> {
    let mut items = desk.node.stream(options)?;
    let first = items
        .next()
        .await
        .unwrap_or_else(|| Err(Error::new(Kind::Internal, "the call ended without an answer")))
        .inspect_err(note)?;
    Ok(EventBody::new(events::pump(first, items)).into_response())
}

/// True when the client takes events; 406 when it takes neither them nor JSON.
fn streams(head: &Parts) -> Result<bool, Fault> {
    let all = head.headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let all: Vec<_> = all.flat_map(|value| value.split(',')).map(accepted).collect();
    let takes = |wanted: &[&str]| {
        let of = |kind: &str| wanted.iter().any(|one| kind.eq_ignore_ascii_case(one));
        all.iter().any(|(kind, taken)| *taken && of(kind))
    };
    if takes(&[EVENTS]) {
        return Ok(true);
    }
    if all.is_empty() || takes(&["application/json", "application/*", "*/*"]) {
        return Ok(false);
    }
    let message = "expected to be taken: application/json or text/event-stream";
    let error = Error::refusal(Kind::Unsupported, "accept", message);
    Err(Fault::new(StatusCode::NOT_ACCEPTABLE, error))
}

/// A type, and whether it is wanted at all.
fn accepted(entry: &str) -> (&str, bool) {
    let mut parts = entry.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let weight = parts.filter_map(|part| part.strip_prefix("q=")).next();
    (kind, weight.is_none_or(|weight| weight.parse::<f32>().is_ok_and(|weight| weight > 0.0)))
}

/// The limits that the client sets itself; none: it sets none.
fn asked(head: &Parts) -> Result<Option<Terms>, Fault> {
    let wrong = || Error::invalid(BUDGET.as_str(), "expected limits as a JSON object, once");
    let Some(given) = single(head, &BUDGET, || wrong().into())? else { return Ok(None) };
    let value = serde_json::from_slice(given.as_bytes()).map_err(|_| wrong())?;
    Ok(Some(Terms::read_foreign(BUDGET.as_str(), &value)?))
}

/// The code that pays; none: the request has no budget of the mesh.
fn redeem(head: &Parts) -> Result<Option<RedeemCode>, Fault> {
    let wrong = || {
        let error = Error::invalid("hubless-redeem", "expected one redeem code");
        Fault::from(error.with_code("bad_redeem_code"))
    };
    let given = single(head, &REDEEM, wrong)?;
    let code = given.map(|text| text.to_str().ok().and_then(|text| RedeemCode::read(text).ok()));
    code.map(|code| code.ok_or_else(wrong)).transpose()
}

fn timeout(head: &Parts) -> Result<Option<u64>, Fault> {
    let wrong =
        || Fault::from(Error::invalid("x-timeout-ms", "expected milliseconds, once, in digits"));
    let given = single(head, &TIMEOUT, wrong)?;
    given.map(|ms| ms.to_str().ok().and_then(|ms| ms.parse().ok()).ok_or_else(wrong)).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn head(name: HeaderName, values: &[&str]) -> Parts {
        let mut request = Request::new(Body::empty());
        for value in values {
            request.headers_mut().append(name.clone(), value.parse().unwrap());
        }
        request.into_parts().0
    }

    #[test]
    fn events_come_to_who_takes_them() {
        for (given, wanted) in [
            (&[][..], Some(false)),
            (&["*/*"], Some(false)),
            (&["text/event-stream"], Some(true)),
            (&["application/json, text/event-stream"], Some(true)),
            (&["text/event-stream;q=0, application/json"], Some(false)),
            (&["text/html"], None),
            (&["application/json;q=0"], None),
        ] {
            assert_eq!(streams(&head(ACCEPT, given)).ok(), wanted, "{given:?}");
        }
    }

    #[test]
    fn a_deadline_is_digits_said_once() {
        assert_eq!(timeout(&head(TIMEOUT, &["250"])).unwrap(), Some(250));
        assert_eq!(timeout(&head(TIMEOUT, &[])).unwrap(), None);
        for wrong in [&["soon"][..], &["-1"], &["1", "1"]] {
            assert!(timeout(&head(TIMEOUT, wrong)).is_err());
        }
    }

    #[test]
    fn limits_are_one_object_of_the_form_that_the_operator_uses() {
        let field = |values: &[&str]| {
            asked(&head(BUDGET, values)).map_err(|fault| fault.error().field.clone().unwrap())
        };
        assert_eq!(field(&[]), Ok(None));
        let same = Terms::read("", &serde_json::json!({"calls": 2, "wallTimeMs": 9})).unwrap();
        assert_eq!(field(&[r#"{"calls": 2, "wallTimeMs": 9}"#]), Ok(Some(same)));
        for (values, at) in [
            (&["{"][..], "hubless-budget"),
            (&["5"], "hubless-budget"),
            (&["null"], "hubless-budget"),
            (&[r#"{"calls":1}"#, r#"{"calls":1}"#], "hubless-budget"),
            (&["{}"], "hubless-budget.unlimited"),
            (&[r#"{"calls":-1}"#], "hubless-budget.calls"),
            (&[r#"{"calls":9007199254740992}"#], "hubless-budget.calls"),
            (&[r#"{"calls":1,"leaseMs":1}"#], "hubless-budget.leaseMs"),
            (&[r#"{"calls":1,"strict":true}"#], "hubless-budget.strict"),
            (&[r#"{"tokens":1}"#], "hubless-budget.tokens"),
        ] {
            assert_eq!(field(values), Err(at.to_owned()), "{values:?}");
        }
    }
}
