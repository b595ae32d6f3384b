//! Streams that a peer opens: calls and questions.

use super::call_in::{self, InCall};
use super::connection::{Connection, Serving};
use super::frames::{End, FrameReader, FrameWriter, unexpected};
use super::parts::Incoming;
use super::shared::Shared;
use crate::call::pipe::{CancelCode, pipe};
use crate::chance::now_ms;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::AgentId;
use hubless_proto::policy::Caller;
use hubless_proto::wire::announcement::open_agent;
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::{Frame, FrameType};
use hubless_proto::wire::v1::{self, event};
use std::sync::Arc;
use tokio::time::timeout;

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
        Ok(Ok(First::Request(request))) => request_came(shared, connection, request),
        Ok(Ok(First::Ask(ask))) => {
            let answer = answer(shared, connection, ask);
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
            call_in::run(InCall { writer, reader, incoming, end }).await;
        }
        Err(error) => refuse(&mut writer, &mut reader, &error).await,
    }
    drop(serving);
}

enum First {
    Request(Box<v1::Request>),
    Ask(v1::Ask),
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the types of frames grow")]
/// What the stream is for. Announcements may come first: of agents that call.
async fn first(connection: &Connection, reader: &mut FrameReader) -> Result<First, End> {
    loop {
        let Frame { kind, body } = reader.next().await?;
        match kind {
            FrameType::Show => {
                let show: v1::Show = decode(kind, body).map_err(End::Broken)?;
                for agent in &show.agents {
                    let opened = open_agent(agent, &connection.peer(), now_ms());
                    connection.vouch(opened.map_err(End::Broken)?.agent());
                }
            }
            FrameType::Request => {
                return decode(kind, body)
                    .map(|request: v1::Request| First::Request(Box::new(request)))
                    .map_err(End::Broken);
            }
            FrameType::Ask => return decode(kind, body).map(First::Ask).map_err(End::Broken),
            other => return Err(End::Broken(unexpected(other))),
        }
    }
}

/// Hands a request to the engine, with who asks as the connection proves it.
fn request_came(
    shared: &Arc<Shared>,
    connection: &Arc<Connection>,
    mut request: Box<v1::Request>,
) -> Result<(Incoming, crate::call::pipe::CallerEnd)> {
    let caller = caller_of(connection, &request)?;
    if shared.is_closing() {
        return Err(Error::refusal(Kind::NotFound, "closing", "the node is closing"));
    }
    let mut incoming = Incoming::default();
    let bodies = incoming.expect(request.as_mut()).map_err(super::hello::ended)?;
    let (ours, theirs) = pipe();
    shared.host.inbound(caller, *request, bodies, theirs);
    Ok((incoming, ours))
}

fn caller_of(connection: &Connection, request: &v1::Request) -> Result<Caller> {
    still_member(connection)?;
    let greeting = connection
        .greeting()
        .ok_or_else(|| Error::new(Kind::Internal, "a stream was taken before the introduction"))?;
    let mut caller = greeting.caller.clone();
    if !request.from.is_empty() {
        let agent = AgentId::from_slice(&request.from)?;
        if !connection.vouches(agent) {
            let message = "the calling agent was not shown on this connection";
            return Err(Error::refusal(Kind::Auth, "unknown_caller", message).with_field("from"));
        }
        caller.agent = Some(agent);
    }
    let own = request.return_to.parse::<AgentId>().ok();
    caller.own_return = own.filter(|agent| connection.vouches(*agent));
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

fn answer(shared: &Shared, connection: &Connection, ask: v1::Ask) -> v1::Answer {
    if let Err(error) = still_member(connection) {
        return v1::Answer { answer: Some(v1::answer::Answer::Rejection((&error).into())) };
    }
    let message = if !connection.greeting().is_some_and(super::hello::Greeting::is_member) {
        "only members of the mesh may ask"
    } else if !speaks_for(connection, &ask) {
        "a node learns only what concerns its own agents"
    } else {
        return shared.host.answer(ask);
    };
    let error = Error::refusal(Kind::Denied, "", message);
    v1::Answer { answer: Some(v1::answer::Answer::Rejection((&error).into())) }
}

/// True when the agent that a question is asked for was shown on this connection.
fn speaks_for(connection: &Connection, ask: &v1::Ask) -> bool {
    let Some(v1::ask::Question::Returns(asked)) = &ask.question else { return true };
    AgentId::from_slice(&asked.callee).is_ok_and(|callee| connection.vouches(callee))
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
