//! From the name of an operation to its function.

use super::job::{Job, Outcome};
use super::{
    agents, answer, body, call, find, inspect, keep, node, request, stream, switch, testing,
};
use crate::session::{Operation, Session};
use hubless_proto::error::Result;
use hubless_proto::{Error, Kind};
use std::sync::Arc;

/// Runs one operation.
///
/// # Errors
/// `invalid_argument` with field `op` for an unknown one; what the operation says, with its name.
pub(crate) async fn dispatch(session: &Arc<Session>, operation: Operation) -> Result<Outcome> {
    let Operation { ticket, name, body, attachments } = operation;
    let job = Job { session, ticket, body, attachments };
    let group = name.split('.').next().unwrap_or_default();
    let result = match group {
        "call" => call::run(job, &name).await,
        "body" => body::run(job, &name).await,
        "tool" | "input" | "auth" | "count" | "credential" if is_answer(&name) => {
            answer::run(job, &name).await
        }
        "template" | "credential" | "pin" | "auth" => keep::run(job, &name).await,
        "node" | "invite" | "join" => node::run(job, &name).await,
        "stream" => stream::run(job, &name).await,
        "request" | "send" | "check" => request::run(job, &name).await,
        "register" | "unregister" | "health" | "listAgents" | "loadAgents" | "describe" => {
            agents::run(job, &name).await
        }
        "find" | "peer" | "discover" | "watch" => find::run(job, &name).await,
        "switch" => switch::run(job, &name).await,
        "testing" => testing::run(job, &name).await,
        "id" if name == "id.inspect" => inspect::run(&job.body).map(|out| Outcome::of(&out)),
        "limits" => inspect::limits(&job.body).map(|out| Outcome::of(&out)),
        #[cfg(feature = "testing")]
        "bridge" => super::bridge::run(job, &name).await,
        _ => unknown(&name),
    };
    result.map_err(|error| error.with_operation(&name))
}

/// Whether an operation ends something that is open: there are no more of those than of what they
/// end, and one that is refused would leave somebody waiting.
pub(crate) fn ends(name: &str) -> bool {
    let end = name.split_once('.').map_or(name, |(_, end)| end);
    let ends = matches!(end, "final" | "fail" | "verdict" | "result" | "end" | "drop" | "close");
    ends || name == "unregister"
}

fn is_answer(name: &str) -> bool {
    !matches!(name, "credential.set" | "credential.remove" | "auth.global")
}

/// Refuses an operation that the contract does not have.
///
/// # Errors
/// Always.
pub(crate) fn unknown(name: &str) -> Result<Outcome> {
    let message = format!("expected an operation of the contract, got {name:?}");
    Err(Error::new(Kind::InvalidArgument, message).with_field("op"))
}
