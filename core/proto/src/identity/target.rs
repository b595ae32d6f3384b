//! How a person names whom a request is for.

use super::{Address, AgentId, MeshId, Name, NodeKey};
use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// An agent by id (alone, or with `@` and the key of the node that has it), by address, or by name
/// (`name`, or `name@` and the id of a mesh).
///
/// ```
/// use hubless_proto::identity::Target;
///
/// assert!(matches!("digester".parse(), Ok(Target::Name { mesh: None, .. })));
/// assert!(matches!("4711:0A1B.2C3D.4E5F".parse(), Ok(Target::Address(_))));
/// assert!("did:key:z6Mk".parse::<Target>().is_err());
/// let agent = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp";
/// let reach = format!("{agent}@{}", "ab".repeat(32));
/// assert!(matches!(reach.parse(), Ok(Target::At { .. })));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// By the full key.
    Id(AgentId),
    /// By the full key, at a node: found there even before anyone else has heard of it.
    At {
        /// Key of the agent.
        agent: AgentId,
        /// Node that has it.
        node: NodeKey,
    },
    /// By the 48-bit handle; may be ambiguous.
    Address(Address),
    /// By name; may be ambiguous.
    Name {
        /// Name of the agent.
        name: Name,
        /// Mesh that is meant; none: one's own.
        mesh: Option<MeshId>,
    },
}

impl FromStr for Target {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with("did:") {
            return match text.split_once('@') {
                Some((agent, node)) => Ok(Self::At { agent: agent.parse()?, node: node.parse()? }),
                None => text.parse().map(Self::Id),
            };
        }
        if text.contains(':') {
            return text.parse().map(Self::Address);
        }
        let (name, mesh) = match text.split_once('@') {
            Some((name, mesh)) => (name, Some(mesh.parse()?)),
            None => (text, None),
        };
        Ok(Self::Name { name: name.parse()?, mesh })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::At { agent, node } => write!(f, "{agent}@{node}"),
            Self::Address(address) => address.fmt(f),
            Self::Name { name, mesh: None } => name.fmt(f),
            Self::Name { name, mesh: Some(mesh) } => write!(f, "{name}@{mesh}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::SecretKey;
    use proptest::prelude::*;

    fn target(agent: [u8; 32], node: [u8; 32]) -> Target {
        Target::At { agent: AgentId::from_bytes(agent), node: NodeKey::from_bytes(node) }
    }

    #[test]
    fn refuses_what_is_no_agent_at_a_node() {
        let agent = SecretKey::from_seed([1; 32]).agent_id().to_string();
        let node = SecretKey::from_seed([2; 32]).node_key().to_string();
        let good = format!("{agent}@{node}");
        assert_eq!(good.parse::<Target>().unwrap().to_string(), good);
        let bad = [
            (format!("{agent}@"), "not_hex"),
            (format!("@{node}"), "bad_name"),
            (format!("{agent} @{node}"), "bad_did"),
            (format!("{agent}@ {node}"), "not_hex"),
            (format!("{agent}@{}", node.to_uppercase()), "not_hex"),
            (format!("{agent}@{node}0"), "not_hex"),
            (format!("{agent}@{}", &node[1..]), "not_hex"),
            (format!("{agent}@@{node}"), "not_hex"),
            (format!("{agent}@{node}@{node}"), "not_hex"),
            (format!("{agent}@{agent}"), "not_hex"),
            (format!("{agent}@{node}\n"), "not_hex"),
            (format!("{agent}\u{ff20}{node}"), "bad_did"),
            (format!("{agent}#{node}"), "bad_did"),
            (format!("did:key:z@{node}"), "bad_did"),
            (format!("did:web:example.org@{node}"), "bad_did"),
            (format!("{agent}@{}", "0".repeat(100_000)), "not_hex"),
        ];
        for (text, code) in bad {
            assert_eq!(text.parse::<Target>().unwrap_err().code, code, "{text}");
        }
    }

    proptest! {
        #[test]
        fn an_agent_at_a_node_has_one_text(agent: [u8; 32], node: [u8; 32]) {
            let at = target(agent, node);
            prop_assert_eq!(at.to_string().parse(), Ok(at));
        }

        #[test]
        fn what_reads_is_what_is_written(
            text in "(did:key:z6Mk[1-9A-HJ-NP-Za-km-z]{44}|[a-z]{1,8})@?([0-9a-f]{64})?",
        ) {
            if let Ok(target) = text.parse::<Target>() {
                prop_assert_eq!(target.to_string(), text);
            }
        }
    }
}
