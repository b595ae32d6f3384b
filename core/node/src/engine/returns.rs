//! Answers that go to another agent than the caller.

use super::Engine;
use super::run::{Arrival, rejected};
use crate::call::content::Content;
use crate::call::pieces::Pieces;
use crate::call::pipe::{CalleeEnd, CallerEnd, Down};
use crate::call::split;
use crate::foreign::Answer;
use hubless_proto::error::{Error, Result, Retry};
use hubless_proto::identity::AgentId;
use hubless_proto::limits;
use hubless_proto::policy::{Caller, check};
use hubless_proto::wire::v1::{self, event};
use std::sync::Arc;

/// Entry of the metadata of an answer that went elsewhere: the id of the agent that has it.
pub(crate) const RETURNED_TO: &str = "hubless.returnedTo";

/// Carries answers to agents other than the caller. No method may block.
pub(crate) trait Returns: Send + Sync {
    /// Whether `to` expects answers of `callee` to calls of this caller.
    fn expected(&self, caller: &Caller, callee: AgentId, to: AgentId) -> Answer<bool>;

    /// Hands an answer over; ready when the agent has taken it.
    fn deliver(&self, answer: Return, content: Content) -> Answer<()>;
}

/// An answer's way: of which call, from whom to whom.
#[derive(Clone)]
pub(crate) struct Return {
    pub(crate) to: AgentId,
    pub(crate) callee: AgentId,
    /// The call that is answered.
    pub(crate) call: v1::Request,
}

impl Return {
    /// Where the answer of a request is to go; none: back on its connection. A request that names
    /// no agent is refused by the checks.
    pub(super) fn of(arrival: &Arrival) -> Option<Self> {
        let request = &arrival.request;
        let to = check::return_to(&arrival.caller, request).ok().flatten()?;
        let callee = AgentId::from_slice(&request.to).ok()?;
        let call = v1::Request {
            id: request.id.clone(),
            conversation_id: request.conversation_id.clone(),
            deadline_ms: request.deadline_ms,
            total_ms: request.total_ms,
            depth: request.depth,
            ancestors: request.ancestors.clone(),
            trace: request.trace.clone(),
            ..v1::Request::default()
        };
        Some(Self { to, callee, call })
    }
}

/// Passes events on between the two ends, except the answer: that is delivered, and the caller is
/// told where it went, or why it could not go there.
pub(super) async fn carry(engine: &Arc<Engine>, way: Return, from: CallerEnd, to: CalleeEnd) {
    let CalleeEnd { events, mut control, cancel } = to;
    let mut from = from;
    let CallerEnd { events: came, control: answers, cancel: give_up, parent: _ } = &mut from;
    let answered = async {
        let mut pieces = Pieces::default();
        while let Some(down) = came.recv().await {
            let last = matches!(down.event.kind, Some(event::Kind::Rejection(_)));
            match take(engine, &way, down, &mut pieces).await {
                Ok(None) => {}
                // A caller that went away cancels the call.
                Ok(Some(down)) => {
                    let ends = last || matches!(down.event.kind, Some(event::Kind::Final(_)));
                    let _ = events.send(down).await;
                    if ends {
                        return;
                    }
                }
                Err(error) => {
                    let trace = way.call.trace.as_ref();
                    let _ = events.send(rejected(engine, trace, &error)).await;
                    return;
                }
            }
        }
    };
    let questions = async {
        while let Some(up) = control.recv().await {
            let _ = answers.send(up).await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = answered => {}
        () = questions => {}
        code = cancel.cancelled() => give_up.cancel(code),
    }
}

/// Takes one event: pieces of the answer are kept, the last one is delivered, others pass.
async fn take(
    engine: &Engine,
    way: &Return,
    down: Down,
    pieces: &mut Pieces,
) -> Result<Option<Down>> {
    let Down { event, bodies } = down;
    match event.kind {
        Some(event::Kind::Chunk(chunk)) => {
            let parts = chunk.part.into_iter().collect();
            let message = v1::Content { parts, ..v1::Content::default() };
            pieces.add(whole(Content { message, bodies }).await?, chunk.append)?;
            Ok(None)
        }
        Some(event::Kind::Final(mut last)) => {
            let message = last.content.take().unwrap_or_default();
            let content = std::mem::take(pieces).end(whole(Content { message, bodies }).await?);
            let delivered = engine.returns()?.deliver(way.clone(), content).await;
            delivered.map_err(|error| undelivered(way, error))?;
            let note = serde_json::Value::from(way.to.to_string()).to_string();
            let metadata_json = [(RETURNED_TO.to_owned(), note)].into();
            last.content = Some(v1::Content { metadata_json, ..v1::Content::default() });
            let event = v1::Event { kind: Some(event::Kind::Final(last)) };
            Ok(Some(Down { event, bodies: crate::call::body::Bodies::none() }))
        }
        other => Ok(Some(Down { event: v1::Event { kind: other }, bodies })),
    }
}

async fn whole(content: Content) -> Result<Content> {
    split::gather(content, &split::up_to(limits::REQUEST_BYTES)).await
}

/// The handler ran: asking again would not make up for it.
fn undelivered(way: &Return, error: Error) -> Error {
    let message = format!("the answer could not be given to {}: {}", way.to, error.message);
    Error::refusal(error.kind, "return_failed", message)
        .with_field("returnTo")
        .with_retry(Retry::Never)
}
