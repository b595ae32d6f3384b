//! The host's answers to what it was asked.

use super::{Job, Outcome, unknown};
use crate::foreign::Question;
use crate::json::content::{ContentIn, Intake};
use hubless::call::content::Content;
use hubless::foreign::AuthVerdict;
use hubless_proto::error::Result;
use hubless_proto::wire::v1;
use hubless_proto::{Error, Kind};
use serde::Deserialize;

pub(super) async fn run(job: Job<'_>, name: &str) -> Result<Outcome> {
    job.leave_host().await;
    match name {
        "tool.final" | "input.final" => content(&job),
        "tool.fail" | "input.fail" => failure(&job),
        "auth.verdict" => verdict(&job),
        "count.result" => count(&job),
        "credential.result" => credential(&job),
        _ => unknown(name),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContentAnswer {
    id: u64,
    #[serde(default)]
    content: ContentIn,
}

fn content(job: &Job<'_>) -> Result<Outcome> {
    let ContentAnswer { id, content } = job.read()?;
    let mut intake = Intake::new(job.session, &job.attachments);
    let message = intake.content(content)?;
    let content = Content { message, bodies: intake.into_bodies() };
    match job.session.questions.take(id) {
        Some(Question::Tool(asker) | Question::Input(asker)) => {
            let _ = asker.send(Ok(content));
            Ok(Outcome::empty())
        }
        other => unfit(other),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct FailureAnswer {
    id: u64,
    kind: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

fn failure(job: &Job<'_>) -> Result<Outcome> {
    let FailureAnswer { id, kind, code, message } = job.read()?;
    let kind = kind.as_deref().map_or(Ok(Kind::HandlerFailed), str::parse)?;
    let code = code.unwrap_or_default();
    let error = Error::refusal(kind, &code, message.unwrap_or_default());
    match job.session.questions.take(id) {
        Some(Question::Tool(asker) | Question::Input(asker)) => {
            let _ = asker.send(Err(error));
            Ok(Outcome::empty())
        }
        other => unfit(other),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VerdictAnswer {
    id: u64,
    allow: bool,
    #[serde(default)]
    cache_ms: u64,
}

fn verdict(job: &Job<'_>) -> Result<Outcome> {
    let VerdictAnswer { id, allow, cache_ms } = job.read()?;
    match job.session.questions.take(id) {
        Some(Question::Auth(asker)) => {
            let _ = asker.send(Ok(AuthVerdict { allow, cache_ms }));
            Ok(Outcome::empty())
        }
        other => unfit(other),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountAnswer {
    id: u64,
    tokens: u64,
}

fn count(job: &Job<'_>) -> Result<Outcome> {
    let CountAnswer { id, tokens } = job.read()?;
    match job.session.questions.take(id) {
        Some(Question::Count(asker)) => {
            let _ = asker.send(Ok(tokens));
            Ok(Outcome::empty())
        }
        other => unfit(other),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialAnswer {
    id: u64,
    scheme: Option<String>,
    secret: Option<String>,
    none: Option<bool>,
}

fn credential(job: &Job<'_>) -> Result<Outcome> {
    let CredentialAnswer { id, scheme, secret, none } = job.read()?;
    let auth = match (secret, none) {
        (Some(secret), None | Some(false)) => {
            Some(v1::Auth { scheme: scheme.unwrap_or_else(|| "shared_secret".to_owned()), secret })
        }
        (None, Some(true)) => None,
        _ => return Err(Error::invalid("secret", "expected either secret or none: true")),
    };
    match job.session.questions.take(id) {
        Some(Question::Credential(asker)) => {
            let _ = asker.send(Ok(auth));
            Ok(Outcome::empty())
        }
        other => unfit(other),
    }
}

/// An answer to nothing is ignored: the question may have been taken back meanwhile. An answer
/// of the wrong kind ends the question as unanswered.
fn unfit(question: Option<Question>) -> Result<Outcome> {
    match question {
        None => Ok(Outcome::empty()),
        Some(_) => Err(Error::invalid("id", "expected the id of a question of this kind")),
    }
}
