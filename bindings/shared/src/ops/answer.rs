//! The host's answers to what it was asked.

use super::{Job, Outcome, unknown};
use crate::foreign::Question;
use crate::json::content::{ContentIn, Intake};
use crate::json::parse::required;
use hubless::call::content::Content;
use hubless::foreign::AuthVerdict;
use hubless_proto::error::Result;
use hubless_proto::wire::v1;
use hubless_proto::{Error, Kind};
use serde::Deserialize;
use serde::de::DeserializeOwned;

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

/// What the function of the host said; none: it failed.
struct Answer<T> {
    id: u64,
    said: Option<T>,
}

/// The id alone, of an answer that may be anything besides.
#[derive(Deserialize)]
struct OnlyId {
    id: u64,
}

/// Reads an answer. One that cannot be read is told to the host, and is as good as none to whoever
/// asked: nobody waits for a better one.
fn read<A: DeserializeOwned, T>(
    job: &Job<'_>,
    said: impl FnOnce(A) -> Result<Option<T>>,
) -> Result<(Answer<T>, Result<Outcome>)> {
    let OnlyId { id } = job.read()?;
    Ok(match job.read().and_then(said) {
        Ok(said) => (Answer { id, said }, Ok(Outcome::empty())),
        Err(error) => (Answer { id, said: None }, Err(error)),
    })
}

/// What a function of the host that failed has said, where somebody has to decide.
fn failed() -> Error {
    Error::new(Kind::HandlerFailed, "a function of the program failed")
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct VerdictAnswer {
    #[serde(rename = "id")]
    _id: u64,
    allow: Option<bool>,
    #[serde(default)]
    cache_ms: u64,
    #[serde(default)]
    failed: bool,
}

fn verdict(job: &Job<'_>) -> Result<Outcome> {
    let (Answer { id, said }, outcome) = read(job, |answer: VerdictAnswer| {
        let VerdictAnswer { allow, cache_ms, failed, .. } = answer;
        let verdict = |allow| AuthVerdict { allow, cache_ms };
        if failed { Ok(None) } else { required("allow", allow).map(verdict).map(Some) }
    })?;
    match job.session.questions.take(id) {
        Some(Question::Auth(asker)) => {
            let _ = asker.send(said.ok_or_else(failed));
            outcome
        }
        None => outcome,
        other => unfit(other),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CountAnswer {
    #[serde(rename = "id")]
    _id: u64,
    tokens: Option<u64>,
    #[serde(default)]
    failed: bool,
}

fn count(job: &Job<'_>) -> Result<Outcome> {
    let (Answer { id, said }, outcome) = read(job, |answer: CountAnswer| {
        let CountAnswer { tokens, failed, .. } = answer;
        if failed { Ok(None) } else { required("tokens", tokens).map(Some) }
    })?;
    match job.session.questions.take(id) {
        Some(Question::Count(asker)) => {
            let _ = asker.send(said.ok_or_else(failed));
            outcome
        }
        None => outcome,
        other => unfit(other),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CredentialAnswer {
    #[serde(rename = "id")]
    _id: u64,
    scheme: Option<String>,
    secret: Option<String>,
    #[serde(default)]
    none: bool,
    #[serde(default)]
    failed: bool,
}

fn credential(job: &Job<'_>) -> Result<Outcome> {
    let (Answer { id, said }, outcome) = read(job, |answer: CredentialAnswer| {
        let CredentialAnswer { scheme, secret, none, failed, .. } = answer;
        match (secret, none || failed) {
            (Some(secret), false) => {
                let scheme = scheme.unwrap_or_else(|| "shared_secret".to_owned());
                Ok(Some(v1::Auth { scheme, secret }))
            }
            (None, true) => Ok(None),
            _ => Err(Error::invalid("secret", "expected either secret or none: true")),
        }
    })?;
    match job.session.questions.take(id) {
        Some(Question::Credential(asker)) => {
            // Without one the request goes as it is: the callee says what it lacks.
            let _ = asker.send(Ok(said));
            outcome
        }
        None => outcome,
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
