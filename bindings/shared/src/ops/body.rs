//! Streamed parts: reading and writing in pieces.

use super::{Job, Outcome, unknown};
use hubless_proto::error::Result;
use hubless_proto::{Error, Kind, limits};
use serde::Deserialize;
use serde_json::json;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BodyIn {
    body: u64,
    #[serde(default)]
    attachment: usize,
    max: Option<usize>,
    message: Option<String>,
}

pub(super) async fn run(job: Job<'_>, name: &str) -> Result<Outcome> {
    let bodies = &job.session.bodies;
    if name == "body.open" {
        let body = bodies.open();
        return Ok(Outcome::of(&json!({"body": body})).opening(vec![body]));
    }
    let BodyIn { body, attachment, max, message } = job.read()?;
    match name {
        "body.read" => {
            let max = max.unwrap_or(limits::BODY_READ_BYTES).clamp(1, limits::BODY_READ_BYTES);
            Ok(match bodies.read(body, max).await? {
                Some(bytes) => Outcome::with(&json!({"attachment": 0}), vec![bytes]),
                None => Outcome::of(&json!({"end": true})),
            })
        }
        "body.gather" => {
            let bytes = bodies.gather(body).await?;
            Ok(Outcome::with(&json!({"attachment": 0}), vec![bytes]))
        }
        "body.drop" => {
            bodies.drop_handle(body);
            Ok(Outcome::empty())
        }
        "body.write" => {
            let bytes = job.attachments.get(attachment).cloned();
            let bytes = bytes.ok_or_else(|| {
                Error::invalid("attachment", "expected the index of an attachment")
            })?;
            bodies.write(body, bytes).await.map(|()| Outcome::empty())
        }
        "body.end" => bodies.end(body).await.map(|()| Outcome::empty()),
        "body.fail" => {
            let message = message.unwrap_or_else(|| "the writer gave this part up".to_owned());
            let error = Error::new(Kind::Transport, message).with_code("incomplete");
            bodies.fail(body, error).await.map(|()| Outcome::empty())
        }
        _ => unknown(name),
    }
}
