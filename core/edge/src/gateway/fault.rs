//! Errors in the form that clients of OpenAI's API read.

use crate::http::{Fault, outside};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use hubless::{Error, Kind};
use serde_json::json;

/// Tells clients that try again by themselves whether that is worth it.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// The fault of an error, with the status that such clients expect.
pub(super) fn fault(error: Error) -> Fault {
    if matches!(error.kind, Kind::BudgetExhausted | Kind::Killed) {
        let fault = Fault::new(StatusCode::TOO_MANY_REQUESTS, outside(error));
        return fault.with_header(SHOULD_RETRY, HeaderValue::from_static("false"));
    }
    // 501 would say that the path is not there.
    if matches!(error.kind, Kind::Unsupported | Kind::Prompt | Kind::Json) {
        return Fault::new(StatusCode::BAD_REQUEST, outside(error));
    }
    Fault::from(error)
}

/// The provider did not answer as it should.
pub(super) fn provider(code: &str, message: &str) -> Fault {
    Fault::new(StatusCode::BAD_GATEWAY, Error::refusal(Kind::Transport, code, message))
}

/// The answer of a fault.
pub(super) fn show(fault: Fault) -> Response {
    fault.show(|error| body(error).into_bytes())
}

/// An error as JSON.
pub(super) fn body(error: &Error) -> String {
    let code = if error.code.is_empty() { error.kind.name() } else { &error.code };
    let field = error.field.as_deref();
    json!({ "error": {
        "message": error.message, "type": family(error.kind), "param": field, "code": code,
    } })
    .to_string()
}

/// OpenAI's name of the family that a kind belongs to.
fn family(kind: Kind) -> &'static str {
    match kind {
        Kind::BudgetExhausted | Kind::Killed => "insufficient_quota",
        Kind::Busy => "rate_limit_error",
        Kind::Denied | Kind::Revoked => "permission_error",
        Kind::Transport | Kind::Deadline | Kind::UnknownOutcome => "api_error",
        Kind::Configuration | Kind::Closed | Kind::Internal | Kind::HandlerFailed => "server_error",
        Kind::Auth
        | Kind::Prompt
        | Kind::Json
        | Kind::Content
        | Kind::Context
        | Kind::NotFound
        | Kind::Ambiguous
        | Kind::Cancelled
        | Kind::HopLimit
        | Kind::Cycle
        | Kind::Conflict
        | Kind::StaleAttempt
        | Kind::TooLarge
        | Kind::Unsupported
        | Kind::Expired
        | Kind::InvalidArgument => "invalid_request_error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header::RETRY_AFTER;

    #[test]
    fn an_empty_budget_is_no_reason_to_try_again() {
        let error = Error::refusal(Kind::BudgetExhausted, "budget_exhausted", "empty");
        let shown: serde_json::Value = serde_json::from_str(&body(&error)).unwrap();
        let error_of = |name: &str| shown["error"][name].as_str();
        assert_eq!(error_of("type"), Some("insufficient_quota"));
        assert_eq!(error_of("code"), Some("budget_exhausted"));
        let response = show(fault(error));
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()["x-should-retry"], "false");
        assert!(response.headers().get(RETRY_AFTER).is_none());
        let busy = show(fault(Error::refusal(Kind::Busy, "calls", "full")));
        assert_eq!(busy.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(busy.headers()[RETRY_AFTER], "1");
    }

    #[test]
    fn every_kind_has_a_family_and_the_inside_stays_inside() {
        for kind in Kind::ALL {
            let error = Error::refusal(kind, "", "x").with_field("n");
            let shown: serde_json::Value = serde_json::from_str(&body(&error)).unwrap();
            assert_eq!(shown["error"]["param"], "n");
            assert_eq!(shown["error"]["code"], kind.name());
            assert!(!shown["error"]["type"].as_str().unwrap().is_empty());
            assert!(show(fault(error)).status().as_u16() >= 400);
        }
    }
}
