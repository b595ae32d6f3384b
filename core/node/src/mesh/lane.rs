//! One stream of ours, on the connection that it was opened on.

use super::connection::{Calling, Connection};
use super::frames::{FrameReader, FrameWriter};
use super::hostings::Hosting;
use super::shared::Shared;
use super::{hello, local};
use hubless_proto::error::{Error, Result};
use hubless_proto::identity::AgentId;
use hubless_proto::wire::frame::FrameType;
use hubless_proto::wire::v1::{self, answer, ask};
use std::sync::Arc;

/// A stream of ours to a peer.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(super) connection: Arc<Connection>,
    /// Held until the stream is over.
    pub(super) calling: Calling,
    pub(super) writer: FrameWriter,
    pub(super) reader: FrameReader,
    /// What the peer may remember of whom, once it has answered here.
    pub(super) shown: Option<(AgentId, Hosting)>,
}

/// Notes that the peer was heard on a stream on which this was shown.
pub(super) fn was_heard(connection: &Connection, shown: Option<(AgentId, Hosting)>) {
    connection.was_heard();
    if let Some((agent, hosting)) = shown {
        connection.acknowledge(agent, hosting);
    }
}

impl Lane {
    /// Opens a stream; none when another connection must be used.
    pub(super) async fn open(connection: Arc<Connection>) -> Option<Self> {
        let (calling, writer, reader) = connection.open().await?;
        Some(Self { connection, calling, writer, reader, shown: None })
    }

    /// Shows the agent that calls; none calls for the node itself.
    pub(super) async fn introduce(&mut self, shared: &Shared, from: &[u8]) -> Result<()> {
        self.shown = self.show(shared, from).await?;
        Ok(())
    }

    /// Shows an agent of this node, until it is certain that the peer has seen it: streams overtake
    /// each other. Gives what the peer may remember of whom.
    pub(super) async fn show(
        &mut self,
        shared: &Shared,
        agent: &[u8],
    ) -> Result<Option<(AgentId, Hosting)>> {
        if agent.is_empty() {
            return Ok(None);
        }
        let agent = AgentId::from_slice(agent)?;
        let Some(announcement) = shared.own(agent) else {
            // One that was taken out while it runs counts until the peer hears of it.
            return if self.connection.knows(agent) {
                Ok(None)
            } else {
                Err(Error::invalid("from", "the calling agent is not registered with this node"))
            };
        };
        let seq = local::hosting_seq(&announcement);
        // Of a transient agent, 0, nothing is remembered.
        if seq > 0 && self.connection.has_seen(agent, seq) {
            return Ok(None);
        }
        let hosting = local::remembered(&announcement);
        let show = v1::Show { agents: vec![announcement] };
        self.writer.message(FrameType::Show, &show).await.map_err(hello::ended)?;
        Ok(hosting.map(|hosting| (agent, hosting)))
    }

    /// Notes that the peer was heard here.
    pub(super) fn was_heard(&mut self) {
        was_heard(&self.connection, self.shown.take());
    }

    /// Ends both halves of it with this code.
    pub(super) fn give_up(mut self, code: u32) {
        self.writer.reset(code);
        self.reader.stop(code);
    }
}

impl Shared {
    /// The announcement of an agent of ours; the engine knows those that are not announced.
    pub(super) fn own(&self, agent: AgentId) -> Option<v1::AgentAnnouncement> {
        self.local.agent(agent).or_else(|| {
            let question = ask::Question::Descriptor(agent.to_wire());
            let answer = self.host.answer(v1::Ask { question: Some(question) });
            let Some(answer::Answer::Agent(shown)) = answer.answer else { return None };
            Some(shown)
        })
    }
}
