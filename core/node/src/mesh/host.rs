//! What a mesh asks of the engine above it.

use crate::call::body::Bodies;
use crate::call::pipe::CalleeEnd;
use crate::foreign::Answer;
use bytes::Bytes;
use hubless_proto::audit::Entry;
use hubless_proto::error::{Error, Kind};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::killswitch::{BudgetId, Message, Reading};
use hubless_proto::policy::Caller;
use hubless_proto::wire::v1;

/// Where an announcement came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A record file of this user on this machine.
    RuntimeFolder,
    /// The connection to this node, whose membership was verified.
    Connection(NodeKey),
    /// The records that members pass on, of agents of this node: signatures and its token hold.
    Spread(NodeKey),
}

/// The engine, as the mesh sees it. No method may block or wait: each hands over and returns.
pub trait MeshHost: Send + Sync + 'static {
    /// A request came over a verified connection; `caller` is proven by the tunnel.
    ///
    /// The engine owns `end` from here on: it sends the events, and a last one in every case.
    fn inbound(&self, caller: Caller, request: v1::Request, bodies: Bodies, end: CalleeEnd);

    /// A node and its agents were announced. The records are *not* verified here: the receiver
    /// opens those that it uses, but for those that members passed on, which were opened as they
    /// came. An announcement from the runtime folder holds all agents of its node; any other one
    /// adds to what was shown before.
    fn announced(&self, source: Source, announcement: v1::NodeAnnouncement);

    /// What was seen together in the runtime folder was announced, at least one node: who waits
    /// for agents is woken once for all of it.
    fn told(&self) {}

    /// A node takes back the hosting of this number, of each agent, and those before it. A later
    /// one may have been announced already, over another connection.
    fn hidden(&self, node: NodeKey, agents: Vec<(AgentId, u64)>);

    /// A node told how many calls its agents have, running and waiting.
    fn loaded(&self, node: NodeKey, loads: Vec<(AgentId, u32)>);

    /// A node of the mesh said what its clock of leases reads.
    fn clock(&self, _node: NodeKey, _reading: Reading) {}

    /// A node of the mesh said something about a grant.
    fn ledger(&self, _node: NodeKey, _message: Message) {}

    /// A node of the mesh shows a statement that stops budgets; answers those that are known here,
    /// once no crash takes it back.
    ///
    /// # Errors
    /// `denied` when it is not one of the operator of the mesh.
    fn operator_stop(&self, _node: NodeKey, _signed: &v1::SignedRecord) -> Answer<Vec<BudgetId>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }

    /// A node of the mesh shows a redeem code of this one; answers the grant that it became,
    /// encoded.
    ///
    /// # Errors
    /// `denied` for one that is none.
    fn redeem(&self, _node: NodeKey, _code: &v1::RedeemCode) -> Answer<Bytes> {
        let none = Error::refusal(Kind::Denied, "redeem", "no codes are made here");
        Box::pin(std::future::ready(Err(none)))
    }

    /// Others did, or were refused, what the audit log is to know.
    fn noted(&self, _entry: Entry) {}

    /// A node ceased to exist: killed, closed, or its connection was lost and nothing else
    /// vouches for it.
    fn gone(&self, node: NodeKey);

    /// A node was dialled in vain; it is dialled again while somebody waits for it. Or others lost
    /// it, and say so.
    fn unreached(&self, _node: NodeKey) {}

    /// Others lost a node, and it has said nothing since for a while: its agents are found no more,
    /// until it is heard of.
    fn faded(&self, _node: NodeKey) {}

    /// Others hold what an earlier process said under the key of this node, with this number, which
    /// is not below what this one says: its clock was set back. What its agents publish counts for
    /// others only above that number.
    fn outnumbered(&self, _seq: u64) {}

    /// Answers a question of a peer about the agents of this node. A callee that it names is proven
    /// to be one of the peer's own.
    fn answer(&self, ask: v1::Ask) -> v1::Answer;
}
