//! The body of a request: JSON, within its bounds.

use super::desk::Client;
use super::fault::Fault;
use super::rules::single;
use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts;
use http_body::Body as _;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hubless::{Error, Kind};
use hubless_proto::limits;
use std::time::Duration;

/// JSON and nothing else: other types can be sent by any page without being asked for.
pub(crate) fn json_only(head: &Parts) -> Result<(), Fault> {
    let wrong = || {
        let message = "expected Content-Type: application/json";
        Fault::from(Error::refusal(Kind::Content, "content_type", message))
    };
    let given = single(head, &CONTENT_TYPE, wrong)?.and_then(|given| given.to_str().ok());
    let mut parts = given.unwrap_or_default().split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts.all(|part| part.eq_ignore_ascii_case("charset=utf-8"));
    if is_json && is_utf8 { Ok(()) } else { Err(wrong()) }
}

/// Reads the body, within its bounds of size and time.
pub(crate) async fn read(body: Body, client: &Client, time: Duration) -> Result<Bytes, Fault> {
    let bound = limits::HTTP_BODY_BYTES;
    let large =
        || Fault::too_large(StatusCode::PAYLOAD_TOO_LARGE, "body", ("HTTP_BODY_BYTES", bound));
    if body.size_hint().lower() > bound as u64 {
        return Err(large());
    }
    let read = tokio::time::timeout(time, Limited::new(body, bound).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(large()),
        Ok(Err(_)) => Err(client.activity.refusal().map_or_else(
            || {
                let message = "the body broke off";
                Fault::from(Error::refusal(Kind::InvalidArgument, "bad_request", message))
            },
            Fault::from,
        )),
        Err(_) => Err(Fault::late("body")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    fn head(values: &[&str]) -> Parts {
        let mut request = Request::new(Body::empty());
        for value in values {
            request.headers_mut().append(CONTENT_TYPE, value.parse().unwrap());
        }
        request.into_parts().0
    }

    #[test]
    fn only_json_is_taken() {
        for (given, taken) in [
            (&["application/json"][..], true),
            (&["Application/JSON; charset=UTF-8"], true),
            (&["application/json; charset=latin1"], false),
            (&["text/plain"], false),
            (&["application/x-www-form-urlencoded"], false),
            (&["application/json-patch+json"], false),
            (&["application/json", "text/plain"], false),
            (&[], false),
        ] {
            assert_eq!(json_only(&head(given)).is_ok(), taken, "{given:?}");
        }
    }
}
