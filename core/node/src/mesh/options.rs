//! How a node takes part in a mesh.

use crate::home::Home;
use hubless_proto::identity::MeshId;
use std::net::IpAddr;
use std::path::PathBuf;

pub use crate::link::RelayUrl;

/// Options of [`super::Mesh::start`].
#[derive(Debug, Clone)]
pub struct MeshOptions {
    /// Folders of keys and records; see [`Home::memory`] for a node without any.
    pub home: Home,
    /// Name of a stored node key; none: a fresh key in memory.
    pub name: Option<String>,
    /// The mesh to be in.
    pub mesh: MeshChoice,
    /// Addresses to bind. In a mesh that was joined by a ticket of another machine `Loopback`
    /// counts as `All`: a node could not reach that machine otherwise.
    pub listen: Listen,
    /// UDP port; 0: any.
    pub port: u16,
    /// True: nodes of this mesh are met on the local networks that are listened to, by multicast
    /// DNS. `Loopback` counts as `All` then.
    pub lan: bool,
    /// Zones of the node; none: those of its token.
    pub zones: Vec<String>,
    /// Relays by which this node can be reached and reaches others, at most 4; none: those of the
    /// ticket by which the mesh was joined.
    pub relays: Vec<RelayUrl>,
    /// File of the certificates, in PEM, that relays are believed by, and by no others; none: those
    /// that this machine trusts.
    pub relay_ca: Option<PathBuf>,
}

impl MeshOptions {
    /// The defaults of a home: a fresh key, the default mesh, loopback, any port, no zones and no
    /// relays of its own.
    pub const fn new(home: Home) -> Self {
        Self {
            home,
            name: None,
            mesh: MeshChoice::Default,
            listen: Listen::Loopback,
            port: 0,
            lan: false,
            zones: Vec::new(),
            relays: Vec::new(),
            relay_ca: None,
        }
    }
}

/// Which mesh a node is in; it is in exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MeshChoice {
    /// The one that this data folder joined last, else the user's own.
    #[default]
    Default,
    /// The user's own.
    Own,
    /// One that this data folder joined, or the user's own by its id.
    Id(MeshId),
    /// None: without a token of this one, in which only agents that allow external connections
    /// answer. Its nodes are reached where [`super::Mesh::contact`] says.
    Outside(MeshId),
}

/// Which addresses a node binds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Listen {
    /// This machine only.
    #[default]
    Loopback,
    /// Every interface.
    All,
    /// These addresses; loopback is added when it is missing.
    Addresses(Vec<IpAddr>),
}
