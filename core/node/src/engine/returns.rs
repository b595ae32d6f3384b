//! Answers that go to another agent than the caller.

use super::Engine;
use super::run::{Arrival, rejected};
use crate::budget::Delivery;
use crate::call::content::Content;
use crate::call::pieces::Pieces;
use crate::call::pipe::{CalleeEnd, CallerEnd, Down, is_last};
use crate::call::split;
use crate::foreign::Answer;
use hubless_proto::error::{Error, Kind, Result, Retry};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::killswitch::GrantId;
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
    /// Node that proved the agent to be its own; none: it is looked for.
    pub(crate) node: Option<NodeKey>,
    /// The call that is answered.
    pub(crate) call: v1::Request,
    /// The grant of that call, which pays; none: it has no budget.
    pub(crate) grant: Option<GrantId>,
    /// True: the call came with a grant, so that only a grant may pay.
    is_funded: bool,
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
        let caller = &arrival.caller;
        let node = (caller.own_return == Some(to)).then_some(caller.node);
        Some(Self { to, callee, node, call, grant: None, is_funded: !request.grant.is_empty() })
    }

    /// The same, paid for by what the call holds.
    ///
    /// # Errors
    /// `unsupported`: the answer was kept from an earlier call, so the grant of this one pays for
    /// nothing.
    fn paid(&self, delivery: &Delivery) -> Result<Self> {
        let grant = delivery.grant();
        if self.is_funded && grant.is_none() {
            let message = "an answer that was kept is not delivered under a budget; ask without \
                           an idempotency key, or without returnTo";
            return Err(Error::new(Kind::Unsupported, message).with_code("return_to"));
        }
        Ok(Self { grant, ..self.clone() })
    }
}

/// Passes events on between the two ends, except the answer: that is delivered, and the caller is
/// told where it went, or why it could not go there.
pub(super) async fn carry(
    engine: &Arc<Engine>,
    (way, delivery): (Return, Arc<Delivery>),
    from: CallerEnd,
    to: CalleeEnd,
) {
    let CalleeEnd { events, mut control, cancel } = to;
    let mut from = from;
    let CallerEnd { events: came, control: answers, cancel: give_up, parent: _ } = &mut from;
    let answered = async {
        let mut pieces = Pieces::default();
        while let Some(down) = came.recv().await {
            match take(engine, (&way, &delivery), down, &mut pieces).await {
                Ok(None) => {}
                Ok(Some(down)) => {
                    let last = is_last(&down.event);
                    if last {
                        // The last word about the grant leaves before the end of the call: who has
                        // the end has the rest.
                        delivery.end();
                    }
                    // A caller that went away cancels the call.
                    let _ = events.send(down).await;
                    if last {
                        return;
                    }
                }
                Err(error) => {
                    delivery.end();
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
    delivery.end();
}

/// Takes one event: pieces of the answer are kept, the last one is delivered, others pass.
async fn take(
    engine: &Engine,
    (way, delivery): (&Return, &Delivery),
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
            let paid = way.paid(delivery).map_err(|error| undelivered(way, error))?;
            let delivered = engine.returns()?.deliver(paid, content).await;
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
