//! One request to a collector, tried again as OTLP says
//! (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>).

use super::collector::Times;
use crate::back_off::BackOff;
use crate::web::{Client, Patience, Response, Roots, Url, cause, client, read};
use hubless_proto::error::{Result, Retry};
use hubless_proto::limits::TRACE_ANSWER_BYTES;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// Longest part of a collector's words that is shown.
const REASON_CHARS: usize = 200;

/// The way to a collector.
pub(super) struct Post {
    client: Client,
    url: Url,
    times: Times,
}

/// What a collector did with a batch that it took.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Taken {
    /// Spans of it that it refused.
    pub(super) refused: u64,
    /// Why, in its words.
    pub(super) reason: String,
}

/// Why a batch did not arrive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) reason: String,
    /// How long the collector asked to be left alone, where it said so.
    pub(super) rest: Option<Duration>,
}

/// What came of one attempt.
enum Outcome {
    Taken(Taken),
    /// Not now; where it said so, not before that.
    Again(Option<Duration>, String),
    Never(String),
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Said {
    partial_success: Partial,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Partial {
    /// 64-bit numbers are texts in the JSON form of protobuf, and some write numbers.
    rejected_spans: Value,
    error_message: String,
}

impl Post {
    /// Makes ready to post; nothing is sent.
    ///
    /// # Errors
    /// `configuration`, code `tls`, without the roots that this machine trusts.
    pub(super) fn new(url: Url, times: Times) -> Result<Self> {
        let patience = Patience { connect: times.post, silence: times.post };
        Ok(Self { client: client(&Roots::of(&url), patience)?, url, times })
    }

    /// Posts until it is taken, or refused for good, or its time is over; then says why.
    pub(super) async fn send(&self, body: String) -> std::result::Result<Taken, Lost> {
        let body = bytes::Bytes::from(body);
        let until = Instant::now() + self.times.give_up;
        let mut pauses = BackOff::new();
        loop {
            let (after, why) = match self.attempt(body.clone()).await {
                Outcome::Taken(taken) => return Ok(taken),
                Outcome::Never(reason) => return Err(Lost { reason, rest: None }),
                Outcome::Again(after, why) => (after, why),
            };
            let ms = |after: Duration| u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            let pause = pauses.next(after.map_or(Retry::Later, |after| Retry::AfterMs(ms(after))));
            if Instant::now().checked_add(pause).is_none_or(|at| at > until) {
                return Err(Lost { reason: why, rest: after });
            }
            sleep(pause).await;
        }
    }

    async fn attempt(&self, body: bytes::Bytes) -> Outcome {
        let request = self.client.post(self.url.clone());
        let request = request.header(CONTENT_TYPE, "application/json").body(body);
        let answered = async {
            let response = request.send().await?;
            let (status, after) = (response.status(), after(&response));
            Ok::<_, reqwest::Error>((status, after, read(response, TRACE_ANSWER_BYTES).await))
        };
        match timeout(self.times.post, answered).await {
            // What is too long, or broken off, says nothing.
            Ok(Ok((status, after, body))) => outcome(status, after, &body.unwrap_or_default()),
            Ok(Err(error)) => Outcome::Again(None, cause(error)),
            Err(_) => Outcome::Again(None, "the collector did not answer in time".to_owned()),
        }
    }
}

/// OTLP names the codes after which the same is sent again; after all others it is not.
fn outcome(status: StatusCode, after: Option<Duration>, body: &[u8]) -> Outcome {
    let why = || format!("the collector answered {}", status.as_u16());
    match status.as_u16() {
        200..=299 => Outcome::Taken(taken(body)),
        429 | 502 | 503 | 504 => Outcome::Again(after, why()),
        _ => Outcome::Never(why()),
    }
}

/// What it did not take of what it took; an answer that says nothing of it took all.
fn taken(body: &[u8]) -> Taken {
    let said = serde_json::from_slice::<Said>(body).unwrap_or_default().partial_success;
    let number = &said.rejected_spans;
    let read = number.as_str().map_or_else(|| number.as_u64(), |text| text.parse().ok());
    Taken {
        refused: read.unwrap_or_default(),
        reason: said.error_message.chars().take(REASON_CHARS).collect(),
    }
}

/// Seconds of `Retry-After`; a date is taken as a word to wait, without a time.
fn after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_sent_again_after_the_codes_that_otlp_names() {
        for status in 100..600 {
            let code = StatusCode::from_u16(status).unwrap();
            let again = matches!(outcome(code, None, b""), Outcome::Again(None, _));
            assert_eq!(again, [429, 502, 503, 504].contains(&status), "{status}");
            let taken = matches!(outcome(code, None, b""), Outcome::Taken(_));
            assert_eq!(taken, (200..300).contains(&status), "{status}");
        }
    }

    #[test]
    fn what_was_refused_of_a_batch_is_read_in_both_forms() {
        for (body, refused, reason) in [
            (r#"{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "old"}}"#, 3, "old"),
            (r#"{"partialSuccess": {"rejectedSpans": 3}}"#, 3, ""),
            (r#"{"partialSuccess": {"errorMessage": "slow down"}}"#, 0, "slow down"),
            (r#"{"partialSuccess": {"rejectedSpans": -1}}"#, 0, ""),
            ("{}", 0, ""),
            ("", 0, ""),
        ] {
            let wanted = Taken { refused, reason: reason.to_owned() };
            assert_eq!(taken(body.as_bytes()), wanted, "{body}");
        }
    }
}
