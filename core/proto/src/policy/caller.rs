//! Who asks, as the callee's own node saw it; never taken from the message.

use crate::error::{Error, Result};
use crate::identity::{AgentId, MeshId, NodeKey};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// How a caller reached the agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallerKind {
    /// An agent of the same node, or the node's own program.
    Local,
    /// A node of the same mesh.
    Member,
    /// A node of a mesh that is trusted by a bridge; refused until bridges exist.
    Bridged,
    /// A node without a token of the mesh.
    External,
    /// A client of a gateway, for which a node of the mesh asks; external to every agent.
    Edge,
}

impl CallerKind {
    /// Every kind.
    pub const ALL: [Self; 5] =
        [Self::Local, Self::Member, Self::Bridged, Self::External, Self::Edge];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Member => "member",
            Self::Bridged => "bridged",
            Self::External => "external",
            Self::Edge => "edge",
        }
    }
}

impl fmt::Display for CallerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for CallerKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            Error::invalid("kind", "expected local, member, bridged, external or edge")
        })
    }
}

/// Who asks: what requirements, hooks and a handler's context see.
///
/// ```
/// use hubless_proto::identity::NodeKey;
/// use hubless_proto::policy::Caller;
///
/// let caller = Caller::local(NodeKey::from_bytes([1; 32]), None);
/// assert_eq!(caller.principal, format!("mesh:{}", "01".repeat(32)));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// How it reached the agent.
    pub kind: CallerKind,
    /// Node whose connection it came over.
    pub node: NodeKey,
    /// Calling agent; none: the node itself.
    pub agent: Option<AgentId>,
    /// Stable name for rules, such as `mesh:<node key>`.
    pub principal: String,
    /// Mesh that the node proved; none: external.
    pub mesh: Option<MeshId>,
    /// Role that its token states; empty: none.
    pub role: String,
    /// Groups that its token states.
    pub groups: Vec<String>,
    /// Agent of its node that the answer is to go to, as the connection proves it.
    pub own_return: Option<AgentId>,
}

/// What a caller is counted by: fair queues, rates and remembered keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallerKey {
    node: NodeKey,
    agent: Option<AgentId>,
    /// Digest of the principal of a client of a gateway: many stand behind one node.
    client: Option<[u8; 32]>,
}

/// What the principal of a client of a gateway begins with; that of a node is never one.
const EDGES: [&str; 2] = ["edge:", "http:"];

impl Caller {
    /// A caller of the own node.
    pub fn local(node: NodeKey, agent: Option<AgentId>) -> Self {
        Self::of_node(CallerKind::Local, node, agent)
    }

    /// A caller of another node; its mesh, role and groups are filled in by who verified them.
    pub fn of_node(kind: CallerKind, node: NodeKey, agent: Option<AgentId>) -> Self {
        Self {
            kind,
            node,
            agent,
            principal: format!("mesh:{node}"),
            mesh: None,
            role: String::new(),
            groups: Vec::new(),
            own_return: None,
        }
    }

    /// A client of a gateway of this node, such as `edge:http:anonymous`. It has no mesh, role or
    /// group, whatever the node has.
    ///
    /// # Errors
    /// `invalid_argument` for a principal that is none of a gateway.
    pub fn edge(node: NodeKey, principal: &str) -> Result<Self> {
        let known = EDGES
            .iter()
            .any(|edge| principal.strip_prefix(edge).is_some_and(|name| !name.is_empty()));
        if !known {
            let message = "expected the principal of a client of a gateway, edge:… or http:…";
            return Err(Error::invalid("edge", message));
        }
        let caller = Self::of_node(CallerKind::Edge, node, None);
        Ok(Self { principal: principal.to_owned(), ..caller })
    }

    /// What it is counted by. The agents of an external node count as one, since it can make any
    /// number of them; clients of a gateway count by their principal.
    pub fn key(&self) -> CallerKey {
        let agent = match self.kind {
            CallerKind::Local | CallerKind::Member => self.agent,
            CallerKind::Bridged | CallerKind::External | CallerKind::Edge => None,
        };
        let client = self.kind == CallerKind::Edge;
        let client = client.then(|| Sha256::digest(self.principal.as_bytes()).into());
        CallerKey { node: self.node, agent, client }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_read_back() {
        for kind in CallerKind::ALL {
            assert_eq!(kind.name().parse(), Ok(kind));
        }
        assert!("LOCAL".parse::<CallerKind>().is_err());
    }

    #[test]
    fn agents_of_an_external_node_count_as_one() {
        let node = NodeKey::from_bytes([1; 32]);
        let of = |kind, agent: u8| {
            Caller::of_node(kind, node, Some(AgentId::from_bytes([agent; 32]))).key()
        };
        assert_eq!(of(CallerKind::External, 1), of(CallerKind::External, 2));
        assert_ne!(of(CallerKind::Member, 1), of(CallerKind::Member, 2));
    }

    #[test]
    fn clients_of_a_gateway_count_by_their_principal_and_never_pass_for_a_node() {
        let node = NodeKey::from_bytes([1; 32]);
        let of = |principal: &str| Caller::edge(node, principal);
        let alice = of("http:token:alice").unwrap();
        assert_eq!((alice.kind, alice.role.as_str()), (CallerKind::Edge, ""));
        assert_eq!(alice.key(), of("http:token:alice").unwrap().key());
        assert_ne!(alice.key(), of("http:token:bob").unwrap().key());
        assert_ne!(alice.key(), Caller::local(node, None).key());
        for forged in ["", "edge:", "mesh:0101", "stdio:0"] {
            assert_eq!(of(forged).unwrap_err().field.as_deref(), Some("edge"), "{forged}");
        }
    }
}
