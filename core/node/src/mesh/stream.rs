//! Streams that a peer opens: calls and questions.

use super::call_in::{self, InCall};
use super::connection::{Connection, Serving};
use super::frames::{End, FrameReader, FrameWriter, unexpected};
use super::hostings::Hosting;
use super::parts::Incoming;
use super::shared::Shared;
use super::{renew, revoked};
use crate::call::pipe::{CancelCode, pipe};
use crate::chance::now_ms;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::AgentId;
use hubless_proto::killswitch::BudgetId;
use hubless_proto::policy::Caller;
use hubless_proto::wire::announcement::open_agent;
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::{Frame, FrameType};
use hubless_proto::wire::v1::{self, event};
use std::sync::Arc;
use tokio::time::timeout;

/// Agents that one stream may show for itself: the one that calls, and the one that its answer
/// goes to.
const SHOWN: usize = 2;

/// Takes the peer's streams, as many as the transport allows it, until the connection ends.
pub(super) async fn accept(shared: &Arc<Shared>, connection: &Arc<Connection>) {
    while let Ok((send, recv)) = connection.tunnel.accept().await {
        let (shared, serving) = (Arc::clone(shared), connection.serve());
        let connection = Arc::clone(connection);
        let task = Arc::clone(&shared);
        task.spawn(async move {
            let streams = (FrameWriter::new(send), FrameReader::new(recv));
            one(&shared, &connection, streams, serving).await;
        });
    }
}

async fn one(
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    (mut writer, mut reader): (FrameWriter, FrameReader),
    serving: Serving,
) {
    let first = timeout(shared.patience.request, first(connection, &mut reader)).await;
    let outcome = match first {
        Ok(Ok((First::Request(request), shown))) => {
            request_came(shared, (connection, &shown), request)
        }
        Ok(Ok((First::Ask(ask), shown))) => {
            let answer = answer(shared, (connection, &shown), ask).await;
            // A peer that asked and left needs no answer.
            if writer.message(FrameType::Answer, &answer).await.is_ok() {
                writer.finish();
            }
            return;
        }
        Ok(Err(End::Broken(error))) => Err(error),
        Ok(Err(End::Finished | End::Reset(_) | End::Lost)) | Err(_) => {
            writer.reset(CancelCode::Limit as u32);
            reader.stop(CancelCode::Limit as u32);
            return;
        }
    };
    match outcome {
        Ok((incoming, end)) => {
            let cut = shared.cut.clone();
            call_in::run(InCall { writer, reader, incoming, end, cut }).await;
        }
        Err(error) => refuse(&mut writer, &mut reader, &error).await,
    }
    drop(serving);
}

enum First {
    Request(Box<v1::Request>),
    Ask(v1::Ask),
}

/// Agents that were shown for this stream alone, since they live only moments or the connection
/// remembers no more: it may see any number of them.
type Shown = Vec<AgentId>;

#[allow(clippy::wildcard_enum_match_arm, reason = "the types of frames grow")]
/// What the stream is for. Announcements may come first: of agents that call.
async fn first(connection: &Connection, reader: &mut FrameReader) -> Result<(First, Shown), End> {
    let mut shown = Shown::new();
    loop {
        let Frame { kind, body } = reader.next().await?;
        match kind {
            FrameType::Show => {
                let show: v1::Show = decode(kind, body).map_err(End::Broken)?;
                for agent in &show.agents {
                    let opened = open_agent(agent, &connection.peer(), now_ms());
                    let opened = opened.map_err(End::Broken)?;
                    let (seq, until_ms) = (opened.hosting.term.seq, opened.serve_until_ms());
                    let hosting = Hosting { seq, until_ms };
                    // One that is not remembered, or does not fit, counts for its stream.
                    match !opened.is_transient() && connection.vouch(opened.agent(), hosting) {
                        true => {}
                        false if shown.len() < SHOWN => shown.push(opened.agent()),
                        false => return Err(End::Broken(unexpected(kind))),
                    }
                }
            }
            FrameType::Request => {
                let request = decode(kind, body).map_err(End::Broken)?;
                return Ok((First::Request(Box::new(request)), shown));
            }
            FrameType::Ask => {
                let ask = decode(kind, body).map_err(End::Broken)?;
                return Ok((First::Ask(ask), shown));
            }
            other => return Err(End::Broken(unexpected(other))),
        }
    }
}

/// Hands a request to the engine, with who asks as the connection proves it.
fn request_came(
    shared: &Arc<Shared>,
    proven: (&Connection, &Shown),
    mut request: Box<v1::Request>,
) -> Result<(Incoming, crate::call::pipe::CallerEnd)> {
    let caller = caller_of(proven, &request)?;
    if shared.is_closing() {
        return Err(Error::refusal(Kind::NotFound, "closing", "the node is closing"));
    }
    let mut incoming = Incoming::default();
    let bodies = incoming.expect(request.as_mut()).map_err(super::hello::ended)?;
    let (ours, theirs) = pipe();
    shared.host.inbound(caller, *request, bodies, theirs);
    Ok((incoming, ours))
}

fn caller_of((connection, shown): (&Connection, &Shown), request: &v1::Request) -> Result<Caller> {
    let vouched = |agent: AgentId| shown.contains(&agent) || connection.vouches(agent);
    still_member(connection)?;
    let greeting = connection
        .greeting()
        .ok_or_else(|| Error::new(Kind::Internal, "a stream was taken before the introduction"))?;
    let mut caller = greeting.caller.clone();
    if !request.edge.is_empty() && greeting.is_member() {
        // A member that asks for someone else has less by it, never more.
        return Caller::edge(caller.node, &request.edge);
    }
    if !request.from.is_empty() {
        let agent = AgentId::from_slice(&request.from)?;
        if !vouched(agent) {
            let message = "the calling agent was not shown on this connection";
            return Err(Error::refusal(Kind::Auth, "unknown_caller", message).with_field("from"));
        }
        caller.agent = Some(agent);
    }
    let own = request.return_to.parse::<AgentId>().ok();
    caller.own_return = own.filter(|agent| vouched(*agent));
    Ok(caller)
}

/// Refuses what comes after the end of a token that was shown on this connection.
fn still_member(connection: &Connection) -> Result<()> {
    if connection.ends_by(now_ms()) {
        let message = "a membership token of this connection is over; expected a new connection";
        return Err(Error::refusal(Kind::Expired, "token", message));
    }
    Ok(())
}

async fn answer(
    shared: &Arc<Shared>,
    (connection, shown): (&Connection, &Shown),
    ask: v1::Ask,
) -> v1::Answer {
    if let Err(error) = still_member(connection) {
        return v1::Answer { answer: Some(v1::answer::Answer::Rejection((&error).into())) };
    }
    let message = if !connection.greeting().is_some_and(super::hello::Greeting::is_member) {
        "only members of the mesh may ask"
    } else if !speaks_for((connection, shown), &ask) {
        "a node learns only what concerns its own agents"
    } else if let Some(v1::ask::Question::RenewToken(token)) = &ask.question {
        return renew::answer(shared, connection.peer(), token);
    } else if let Some(v1::ask::Question::Revoked(theirs)) = &ask.question {
        return revoked::answer(shared, connection.peer(), theirs).await;
    } else if let Some(v1::ask::Question::OperatorStop(signed)) = &ask.question {
        return stopped(shared.host.operator_stop(connection.peer(), signed).await);
    } else if let Some(v1::ask::Question::Redeem(code)) = &ask.question {
        return granted(shared.host.redeem(connection.peer(), code).await);
    } else {
        return shared.host.answer(ask);
    };
    let error = Error::refusal(Kind::Denied, "", message);
    v1::Answer { answer: Some(v1::answer::Answer::Rejection((&error).into())) }
}

fn stopped(known: Result<Vec<BudgetId>>) -> v1::Answer {
    let answer = match known {
        Ok(known) => {
            let budgets = known.iter().map(BudgetId::to_wire).collect();
            v1::answer::Answer::Stopped(v1::StoppedBudgets { budgets })
        }
        Err(error) => v1::answer::Answer::Rejection((&error).into()),
    };
    v1::Answer { answer: Some(answer) }
}

fn granted(grant: Result<bytes::Bytes>) -> v1::Answer {
    let answer = match grant {
        Ok(grant) => v1::answer::Answer::Granted(grant),
        Err(error) => v1::answer::Answer::Rejection((&error).into()),
    };
    v1::Answer { answer: Some(answer) }
}

/// True when the agent that a question is asked for was shown on this connection, or stream.
fn speaks_for((connection, shown): (&Connection, &Shown), ask: &v1::Ask) -> bool {
    let Some(v1::ask::Question::Returns(asked)) = &ask.question else { return true };
    AgentId::from_slice(&asked.callee)
        .is_ok_and(|callee| shown.contains(&callee) || connection.vouches(callee))
}

/// Ends a stream that never became a call.
async fn refuse(writer: &mut FrameWriter, reader: &mut FrameReader, error: &Error) {
    tracing::debug!(%error, "a stream was refused");
    let event = v1::Event { kind: Some(event::Kind::Rejection(error.into())) };
    if writer.message(FrameType::Event, &event).await.is_ok() {
        writer.finish();
    }
    reader.stop(0);
}
