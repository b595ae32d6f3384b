//! What goes wrong, as an answer: a status, the error of the language contract, and headers.

use super::gate::Refusal;
use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hubless::{Error, Kind};
use hubless_proto::error::{Form, Retry};
use hubless_proto::limits;

/// A refusal or failure on its way out.
#[derive(Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    error: Error,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Fault {
    /// A fault with a status of its own, where HTTP has a better one than the kind.
    pub(crate) fn new(status: StatusCode, error: Error) -> Self {
        Self { status, error, header: None }
    }

    /// What is said of it.
    pub(crate) const fn error(&self) -> &Error {
        &self.error
    }

    /// The same with one more header.
    pub(crate) fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { header: Some((name, value)), ..self }
    }

    /// The answer, with a body of this form in JSON.
    pub(crate) fn show(self, form: impl FnOnce(&Error) -> Vec<u8>) -> Response {
        let mut response = Response::new(Body::from(form(&self.error)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(seconds) = retry_after(self.status, &self.error) {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        headers.extend(self.header);
        response
    }

    /// No path of ours.
    pub(crate) fn path() -> Self {
        Self::from(Error::refusal(Kind::NotFound, "path", "there is nothing at this path"))
    }

    /// A path of ours, asked in another way.
    pub(crate) fn method(allowed: &'static str) -> Self {
        let error = Error::refusal(Kind::Unsupported, "method", format!("expected {allowed}"));
        let header = Some((ALLOW, HeaderValue::from_static(allowed)));
        Self { header, ..Self::new(StatusCode::METHOD_NOT_ALLOWED, error) }
    }

    /// No token, or a wrong one: which of them is not said.
    pub(crate) fn token() -> Self {
        let error = Error::refusal(Kind::Auth, "token", "expected a bearer token of this listener");
        let header = Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
        Self { header, ..Self::from(error) }
    }

    /// A bound of the listener.
    pub(super) fn too_large(status: StatusCode, code: &str, limit: (&str, usize)) -> Self {
        let (name, bound) = limit;
        let error = Error::refusal(Kind::TooLarge, code, format!("expected at most {bound}"));
        Self::new(status, error.with_limit(name, bound as u64))
    }

    /// The peer took too long.
    pub(super) fn late(code: &str) -> Self {
        let error = Error::refusal(Kind::Deadline, code, "the request did not come in time");
        Self::new(StatusCode::REQUEST_TIMEOUT, error)
    }
}

/// What strangers may know of an error: its kind and code, and a message unless that could speak
/// of the inside of this node or of an agent.
pub(crate) fn outside(mut error: Error) -> Error {
    let message = match error.kind {
        Kind::HandlerFailed => "the agent failed",
        Kind::Internal | Kind::Configuration => "the gateway failed",
        Kind::Transport | Kind::UnknownOutcome => "the way to the agent failed",
        Kind::Closed => "the gateway is closing",
        Kind::Auth
        | Kind::Prompt
        | Kind::Json
        | Kind::Content
        | Kind::Context
        | Kind::NotFound
        | Kind::Ambiguous
        | Kind::Busy
        | Kind::Deadline
        | Kind::Cancelled
        | Kind::HopLimit
        | Kind::Cycle
        | Kind::Conflict
        | Kind::StaleAttempt
        | Kind::BudgetExhausted
        | Kind::Killed
        | Kind::TooLarge
        | Kind::Unsupported
        | Kind::Expired
        | Kind::Revoked
        | Kind::Denied
        | Kind::InvalidArgument => "",
    };
    if !message.is_empty() {
        error.message = message.to_owned();
    }
    // Which node it was is no matter of theirs.
    error.origin = None;
    error
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let status = StatusCode::from_u16(error.kind.row().http);
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Self::new(status, outside(error))
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        let malformed = |message: &str| {
            let error = Error::refusal(Kind::InvalidArgument, "bad_request", message);
            Self::new(StatusCode::BAD_REQUEST, error)
        };
        match refusal {
            Refusal::BareLine => malformed("expected lines that end in CR LF"),
            Refusal::Malformed => malformed("expected a request of HTTP/1.1"),
            Refusal::Version => {
                let error = Error::refusal(Kind::Unsupported, "version", "expected HTTP/1.1");
                Self::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, error)
            }
            Refusal::Url => {
                let limit = ("HTTP_URL_BYTES", limits::HTTP_URL_BYTES);
                Self::too_large(StatusCode::URI_TOO_LONG, "url", limit)
            }
            Refusal::Headers => {
                let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
                let limit = ("HTTP_HEADERS_BYTES", limits::HTTP_HEADERS_BYTES);
                Self::too_large(status, "headers", limit)
            }
            Refusal::Host => malformed("expected exactly one Host"),
            Refusal::Length => malformed("expected one Content-Length, or chunks, in plain form"),
            Refusal::Coding => malformed("expected no transfer coding but chunked"),
            Refusal::Chunk => malformed("expected plain chunks without extensions or trailers"),
            Refusal::HeaderTime => Self::late("header"),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        // Nothing of an error keeps it from being shown.
        self.show(|error| serde_json::to_vec(&Form(error)).unwrap_or_default())
    }
}

/// Whole seconds after which it is worth another try.
fn retry_after(status: StatusCode, error: &Error) -> Option<u64> {
    let wait = status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::SERVICE_UNAVAILABLE;
    match error.retry {
        Retry::AfterMs(ms) => Some(ms.div_ceil(1_000).max(1)),
        // What was spent does not come back by itself.
        _ if matches!(error.kind, Kind::BudgetExhausted | Kind::Killed) => None,
        Retry::Later | Retry::Never if wait => Some(1),
        Retry::Later | Retry::Never => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_status_that_says_it_failed() {
        for kind in Kind::ALL {
            let response = Fault::from(Error::refusal(kind, "code", "why")).into_response();
            let status = response.status();
            assert_eq!(status.as_u16(), kind.row().http, "{kind}");
            assert!((400..600).contains(&status.as_u16()), "{kind}: {status}");
            assert_eq!(response.headers()[CONTENT_TYPE], "application/json");
        }
        let budget = Fault::from(Error::refusal(Kind::BudgetExhausted, "grant_required", "x"));
        assert_eq!(budget.into_response().status(), StatusCode::PAYMENT_REQUIRED);
    }

    #[test]
    fn waiting_is_said_in_whole_seconds() {
        let after = |kind, retry| {
            let fault = Fault::from(Error::refusal(kind, "", "x").with_retry(retry));
            fault
                .into_response()
                .headers()
                .get(RETRY_AFTER)
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(after(Kind::Busy, Retry::AfterMs(1)).as_deref(), Some("1"));
        assert_eq!(after(Kind::Busy, Retry::AfterMs(1_001)).as_deref(), Some("2"));
        assert_eq!(after(Kind::Busy, Retry::Later).as_deref(), Some("1"));
        assert_eq!(after(Kind::Closed, Retry::Never).as_deref(), Some("1"));
        assert_eq!(after(Kind::Denied, Retry::Never), None);
        // What was spent comes back with the hour, and not otherwise.
        assert_eq!(after(Kind::BudgetExhausted, Retry::AfterMs(61_000)).as_deref(), Some("61"));
        assert_eq!(after(Kind::BudgetExhausted, Retry::Later), None);
        assert_eq!(after(Kind::Killed, Retry::Never), None);
        assert_eq!(after(Kind::NotFound, Retry::Later), None);
    }

    #[test]
    fn strangers_see_the_code_and_nothing_of_the_inside() {
        let inside = "canary /home/someone/agent.py line 3";
        for kind in [Kind::HandlerFailed, Kind::Internal, Kind::Configuration, Kind::Transport] {
            let mut error = Error::refusal(kind, "code", inside);
            error.origin = Some(inside.to_owned());
            let shown = serde_json::to_string(&Form(&outside(error))).unwrap();
            assert!(!shown.contains("canary") && shown.contains("\"code\""), "{shown}");
        }
        let kept = outside(Error::refusal(Kind::Denied, "caller", "why"));
        assert_eq!(kept.message, "why");
    }

    #[test]
    fn refused_bytes_have_a_status_each() {
        for (refusal, status) in [
            (Refusal::BareLine, 400),
            (Refusal::Malformed, 400),
            (Refusal::Version, 505),
            (Refusal::Url, 414),
            (Refusal::Headers, 431),
            (Refusal::Host, 400),
            (Refusal::Length, 400),
            (Refusal::Coding, 400),
            (Refusal::Chunk, 400),
            (Refusal::HeaderTime, 408),
        ] {
            assert_eq!(Fault::from(refusal).into_response().status().as_u16(), status);
        }
    }
}
