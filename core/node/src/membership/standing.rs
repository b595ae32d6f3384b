//! How a node proves its membership, and how it checks that of others.

use super::joined;
use super::token::{self, Terms};
use crate::home::Home;
use crate::keys;
use crate::mesh::MeshChoice;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{MeshId, NodeKey, SecretKey};
use hubless_proto::limits;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// The role of the processes of the user whose mesh it is.
const OWN_ROLE: &str = "owner";

/// Membership of one node in one mesh.
///
/// ```
/// use hubless::home::Home;
/// use hubless::membership::{Membership, Standing};
/// use hubless::mesh::MeshChoice;
/// use hubless_proto::identity::NodeKey;
///
/// let membership = Membership::open(&Home::memory(), MeshChoice::Own)?;
/// let (node, now_ms) = (NodeKey::from_bytes([1; 32]), 1_800_000_000_000);
/// let token = membership.token_for(node, now_ms)?;
/// let standing: Standing = membership.verify(&token, node, now_ms)?;
/// assert_eq!(standing.role, "owner");
/// assert!(membership.verify(&token, NodeKey::from_bytes([2; 32]), now_ms).is_err());
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Debug)]
pub struct Membership {
    mesh: MeshId,
    proof: Proof,
    contacts: Vec<joined::Contact>,
    verdicts: Mutex<BTreeMap<[u8; 32], Standing>>,
}

/// What was proven about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Role that its token states.
    pub role: String,
    /// Groups that its token states.
    pub groups: Vec<String>,
    /// End of the token, Unix time in milliseconds.
    pub until_ms: u64,
}

#[derive(Debug)]
enum Proof {
    /// The root itself: the user's own mesh.
    Root(SecretKey),
    /// None yet: a node that comes with an invite.
    Outsider,
    /// A member key and the token that names it.
    Member { key: SecretKey, token: Vec<u8> },
}

impl Membership {
    /// Opens the membership that `choice` names in this home; the own root is made on first use.
    ///
    /// # Errors
    /// `not_found` for a mesh that was not joined; those of reading the keys.
    pub fn open(home: &Home, choice: MeshChoice) -> Result<Self> {
        let wanted = match choice {
            MeshChoice::Own => None,
            MeshChoice::Id(mesh) => Some(mesh),
            MeshChoice::Outside(mesh) => return Ok(Self::outsider(mesh)),
            MeshChoice::Default => joined::default_mesh(home)?,
        };
        let Some(mesh) = wanted else { return Self::own(home) };
        if let Some(found) = joined::load(home, mesh)? {
            return Ok(Self::new(
                mesh,
                Proof::Member { key: found.key, token: found.token },
                found.contacts,
            ));
        }
        let own = Self::own(home)?;
        if own.mesh == mesh {
            return Ok(own);
        }
        let message = format!("mesh {mesh} was not joined from this data folder; see hubless join");
        Err(Error::new(Kind::NotFound, message).with_code("mesh").with_field("mesh"))
    }

    fn own(home: &Home) -> Result<Self> {
        let root = keys::root(home)?;
        Ok(Self::new(root.mesh_id(), Proof::Root(root), Vec::new()))
    }

    /// Knows a mesh without being in it: checks its tokens, and has none.
    pub const fn outsider(mesh: MeshId) -> Self {
        Self::new(mesh, Proof::Outsider, Vec::new())
    }

    const fn new(mesh: MeshId, proof: Proof, contacts: Vec<joined::Contact>) -> Self {
        Self { mesh, proof, contacts, verdicts: Mutex::new(BTreeMap::new()) }
    }

    /// The mesh: its root key.
    pub const fn mesh(&self) -> MeshId {
        self.mesh
    }

    /// Nodes that were named by the ticket of this mesh.
    pub(crate) fn contacts(&self) -> &[joined::Contact] {
        &self.contacts
    }

    /// The root key, for those who may admit others: processes of the user's own mesh.
    pub(crate) const fn root(&self) -> Option<&SecretKey> {
        match &self.proof {
            Proof::Root(root) => Some(root),
            Proof::Outsider | Proof::Member { .. } => None,
        }
    }

    /// A token for a node key of ours; valid for an hour. Empty for a node that is no member yet.
    ///
    /// # Errors
    /// `internal` when signing fails.
    pub fn token_for(&self, node: NodeKey, now_ms: u64) -> Result<Vec<u8>> {
        let life = u64::try_from(limits::NODE_TOKEN_LIFE.as_millis()).unwrap_or(u64::MAX);
        let until_ms = now_ms.saturating_add(life);
        match &self.proof {
            Proof::Root(root) => {
                let terms = Terms { role: OWN_ROLE, groups: &[], until_ms };
                token::mint_node(root, node, terms)
            }
            Proof::Outsider => Ok(Vec::new()),
            Proof::Member { key, token } => token::bind(token, self.mesh, key, node, until_ms),
        }
    }

    /// Checks the token of a peer. A good verdict is remembered until it ends.
    ///
    /// # Errors
    /// `auth` with the reason.
    pub fn verify(&self, token: &[u8], node: NodeKey, now_ms: u64) -> Result<Standing> {
        let id = Self::verdict_id(token, node);
        let known = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(standing) = known.filter(|standing| now_ms < standing.until_ms) {
            return Ok(standing);
        }
        let found = token::verify(token, self.mesh, node, now_ms)?;
        let standing =
            Standing { role: found.role, groups: found.groups, until_ms: found.until_ms };
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= limits::TOKEN_VERDICTS {
            verdicts.retain(|_, kept| now_ms < kept.until_ms);
        }
        if verdicts.len() < limits::TOKEN_VERDICTS {
            verdicts.insert(id, standing.clone());
        }
        Ok(standing)
    }

    fn verdict_id(token: &[u8], node: NodeKey) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(node.as_bytes());
        hash.update(token);
        hash.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_verdicts_are_remembered_and_those_that_are_over_make_room() {
        const NOW: u64 = 1_700_000_000_000;
        let membership = Membership::own(&Home::memory()).unwrap();
        let fill = |until_ms: u64| {
            let mut verdicts = membership.verdicts.lock().unwrap();
            verdicts.clear();
            for n in 0..limits::TOKEN_VERDICTS as u64 {
                let mut id = [0; 32];
                id[..8].copy_from_slice(&n.to_be_bytes());
                let standing = Standing { role: String::new(), groups: Vec::new(), until_ms };
                verdicts.insert(id, standing);
            }
        };
        let node = NodeKey::from_bytes([1; 32]);
        let token = membership.token_for(node, NOW).unwrap();
        let id = Membership::verdict_id(&token, node);
        for (until_ms, many, remembered) in
            [(NOW + 1, limits::TOKEN_VERDICTS, false), (NOW, 1, true)]
        {
            fill(until_ms);
            membership.verify(&token, node, NOW).unwrap();
            let verdicts = membership.verdicts.lock().unwrap();
            assert_eq!((verdicts.len(), verdicts.contains_key(&id)), (many, remembered));
        }
    }
}
