//! How a person names whom a request is for.

use super::{Address, AgentId, MeshId, Name};
use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// An agent by id, by address, or by name (`name`, or `name@` and the id of a mesh).
///
/// ```
/// use hubless_proto::identity::Target;
///
/// assert!(matches!("digester".parse(), Ok(Target::Name { mesh: None, .. })));
/// assert!(matches!("4711:0A1B.2C3D.4E5F".parse(), Ok(Target::Address(_))));
/// assert!("did:key:z6Mk".parse::<Target>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// By the full key.
    Id(AgentId),
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
            return text.parse().map(Self::Id);
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
            Self::Address(address) => address.fmt(f),
            Self::Name { name, mesh: None } => name.fmt(f),
            Self::Name { name, mesh: Some(mesh) } => write!(f, "{name}@{mesh}"),
        }
    }
}
