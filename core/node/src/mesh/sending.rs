//! Sending a request: a stream for it, its words, and the pump that takes over.

use super::call_out::{self, OutCall};
use super::dials::{self, Wait};
use super::frames::End;
use super::lane::Lane;
use super::parts::Outgoing;
use super::repeat::Repeat;
use super::shared::Shared;
use super::{CallPath, Mesh};
use crate::call::body::Bodies;
use crate::call::pipe::CalleeEnd;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::wire::frame::{FrameType, encode_frame};
use hubless_proto::wire::v1;

/// A request that is to be sent.
pub(crate) struct Sending {
    pub(crate) request: v1::Request,
    pub(crate) bodies: Bodies,
    pub(crate) again: Again,
}

/// Where a request may be sent again, with the same id and attempt, while nothing is heard of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Again {
    /// Nowhere.
    Never,
    /// On another stream of its connection.
    OnStream,
    /// There, and over another connection to its node.
    OverConnection,
}

impl Mesh {
    /// A stream to `node`, which is waited for so long.
    ///
    /// # Errors
    /// `transport` when the node cannot be reached, `deadline` when that took too long, `busy` when
    /// too many calls wait for a stream, `closed`. Nothing was sent.
    ///
    /// # Cancellation
    /// Safe.
    pub(crate) async fn ready(&self, node: NodeKey, wait: Wait) -> Result<Lane> {
        let shared = &self.shared;
        if shared.is_closing() {
            return Err(Error::new(Kind::Closed, "the node is closed"));
        }
        let _waiting = shared.place()?;
        loop {
            let connection = shared.reached(node, wait).await?;
            let lane = tokio::select! {
                biased;
                lane = Lane::open(connection) => lane,
                () = dials::until(wait) => return Err(dials::late(None)),
            };
            if let Some(lane) = lane {
                return Ok(lane);
            }
        }
    }

    /// Sends a request whose times are only known now, and moves everything else of the call
    /// between the peer and the other side of `end`, as [`Mesh::call`] does.
    ///
    /// # Errors
    /// As [`Mesh::call`]; nothing was sent.
    pub(crate) async fn send_on(
        &self,
        mut lane: Lane,
        sending: Sending,
        time: impl FnOnce(&mut v1::Request),
        end: CalleeEnd,
    ) -> Result<CallPath> {
        let Sending { mut request, bodies, again } = sending;
        lane.introduce(&self.shared, &request.from).await?;
        if let Some(own) = own_return(&self.shared, &request) {
            lane.show(&self.shared, own.as_bytes()).await?;
        }
        let way = lane.connection.tunnel.way();
        let path = CallPath { relayed: way.relayed, rtt: way.rtt };
        time(&mut request);
        // What streams can be read once only.
        let again = if bodies.is_empty() { again } else { Again::Never };
        let mut outgoing = Outgoing::new();
        outgoing.add(&mut request, bodies);
        let frame = match encode_frame(FrameType::Request, &request) {
            Ok(frame) => frame,
            Err(error) => {
                lane.writer.reset(0);
                return Err(error);
            }
        };
        let asked = (frame.clone(), request.from.clone());
        let mut repeat = Repeat::of(&self.shared, (&lane, way), again, asked);
        match lane.writer.raw(frame).await {
            Ok(()) => {}
            // The connection broke under it: nobody can say what arrived, and dropping `end` says
            // just that.
            Err(End::Finished | End::Lost | End::Broken(_)) => return Ok(path),
            // The callee answered before it had read everything: the pump reads its answer.
            Err(End::Reset(_)) => (outgoing, repeat) = (Outgoing::new(), None),
        }
        let cut = self.shared.cut.clone();
        self.shared.tasks.spawn(call_out::run(OutCall { lane, outgoing, end, repeat, cut }));
        Ok(path)
    }
}

/// The agent of this node that the answer is to go to.
fn own_return(shared: &Shared, request: &v1::Request) -> Option<AgentId> {
    let to = request.return_to.parse::<AgentId>().ok()?;
    shared.own(to).map(|_| to)
}
