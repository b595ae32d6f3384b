//! How a node proves its membership, and how it checks that of others.

use super::invite::check_zones;
use super::joined;
use super::token::{self, Terms};
use crate::home::Home;
use crate::keys;
use crate::mesh::MeshChoice;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{MeshId, NodeKey, SecretKey};
use hubless_proto::limits::{self, ms};
use hubless_proto::wire::revoked::RevokedKeys;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

/// The role of the processes of the user whose mesh it is.
pub(crate) const OWN_ROLE: &str = "owner";

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
    pub(super) mesh: MeshId,
    pub(super) proof: Proof,
    contacts: Vec<joined::Contact>,
    /// What agents of this node may say of where they are.
    zones: Vec<String>,
    verdicts: Mutex<BTreeMap<[u8; 32], Standing>>,
    /// Lists of keys that the mesh lets in no more, the latest first.
    pub(super) revoked: Mutex<Vec<RevokedKeys>>,
}

/// What was proven about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Role that its token states.
    pub role: String,
    /// Groups that its token states.
    pub groups: Vec<String>,
    /// Zones that its token states.
    pub zones: Vec<String>,
    /// End of the token, Unix time in milliseconds.
    pub until_ms: u64,
    /// End of the membership, which outlives the token of the node; of a pass, its own. None: the
    /// root named the node.
    pub(crate) member_until_ms: Option<u64>,
    /// Keys that it rests on: of the node, and of the member and the bearer ticket where it has
    /// them.
    pub(crate) keys: Vec<[u8; 32]>,
}

#[derive(Debug)]
pub(super) enum Proof {
    /// The root itself: the user's own mesh.
    Root(SecretKey),
    /// None yet: a node that comes with an invite.
    Outsider,
    /// A member key and the token that names it, which is renewed.
    Member { key: SecretKey, token: Mutex<Vec<u8>> },
}

impl Membership {
    /// Opens the membership that `choice` names in this home; the own root is made on first use.
    ///
    /// # Errors
    /// `not_found` for a mesh that was not joined; those of reading the keys.
    pub fn open(home: &Home, choice: MeshChoice) -> Result<Self> {
        let membership = Self::choose(home, choice)?;
        membership.look_revoked(home)?;
        Ok(membership)
    }

    fn choose(home: &Home, choice: MeshChoice) -> Result<Self> {
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
                Proof::Member { key: found.key, token: Mutex::new(found.token) },
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

    /// True unless it only knows the mesh.
    pub(crate) const fn is_member(&self) -> bool {
        !matches!(self.proof, Proof::Outsider)
    }

    /// Knows a mesh without being in it: checks its tokens, and has none.
    pub const fn outsider(mesh: MeshId) -> Self {
        Self::new(mesh, Proof::Outsider, Vec::new())
    }

    const fn new(mesh: MeshId, proof: Proof, contacts: Vec<joined::Contact>) -> Self {
        Self {
            mesh,
            proof,
            contacts,
            zones: Vec::new(),
            verdicts: Mutex::new(BTreeMap::new()),
            revoked: Mutex::new(Vec::new()),
        }
    }

    /// Names the zones of `node`: in the user's own mesh those that are wanted, in a joined one
    /// those of its token, or of these the ones that are wanted, if any are.
    ///
    /// # Errors
    /// `invalid_argument` for a bound; `denied`, code `zone`, for one that the token does not name.
    pub(crate) fn zoned(mut self, wanted: Vec<String>, node: NodeKey, now_ms: u64) -> Result<Self> {
        check_zones(&wanted)?;
        let wanted: BTreeSet<String> = wanted.into_iter().collect();
        let held = match &self.proof {
            Proof::Root(_) => wanted.clone(),
            Proof::Outsider => BTreeSet::new(),
            Proof::Member { .. } => {
                let token = self.token_for(node, now_ms)?;
                // A token that is over is refused where it is shown.
                let stated = self.verify(&token, node, now_ms).map(|standing| standing.zones);
                stated.unwrap_or_default().into_iter().collect()
            }
        };
        if let Some(zone) = wanted.difference(&held).next() {
            let message = format!(
                "the membership token of this data folder does not name the zone {zone:?}: \
                 join again by a ticket that does (hubless invite --zone)"
            );
            return Err(Error::refusal(Kind::Denied, "zone", message).with_field("zones"));
        }
        self.zones = if wanted.is_empty() { held } else { wanted }.into_iter().collect();
        Ok(self)
    }

    /// The zones of the node that this is the membership of.
    pub(crate) fn zones(&self) -> &[String] {
        &self.zones
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
        self.token_until(node, now_ms.saturating_add(ms(limits::NODE_TOKEN_LIFE)))
    }

    /// The same for relays, which are shown one for as long as a connection to them may last: the
    /// engine shows it again, by itself, when that is interrupted.
    ///
    /// # Errors
    /// As [`Membership::token_for`].
    pub(crate) fn relay_token(&self, node: NodeKey, now_ms: u64) -> Result<Vec<u8>> {
        let life = ms(limits::RELAY_SESSION).saturating_add(ms(limits::NODE_TOKEN_LIFE));
        self.token_until(node, now_ms.saturating_add(life))
    }

    fn token_until(&self, node: NodeKey, until_ms: u64) -> Result<Vec<u8>> {
        match &self.proof {
            Proof::Root(root) => {
                let terms = Terms { role: OWN_ROLE, groups: &[], zones: &self.zones, until_ms };
                token::mint_node(root, node, terms)
            }
            Proof::Outsider => Ok(Vec::new()),
            Proof::Member { key, token } => {
                let token = token.lock().unwrap_or_else(PoisonError::into_inner).clone();
                token::bind(&token, self.mesh, key, node, until_ms)
            }
        }
    }

    /// Checks the token of a peer. A good verdict is remembered until it ends, or a key that it
    /// rests on is revoked.
    ///
    /// # Errors
    /// `auth` with the reason.
    pub fn verify(&self, token: &[u8], node: NodeKey, now_ms: u64) -> Result<Standing> {
        let standing = self.judge(token, node, now_ms)?;
        self.check_keys(&standing.keys)?;
        Ok(standing)
    }

    /// As [`Membership::verify`], of revoked keys as well.
    pub(crate) fn judge(&self, token: &[u8], node: NodeKey, now_ms: u64) -> Result<Standing> {
        let id = Self::verdict_id(token, node);
        let known = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned();
        if let Some(standing) = known.filter(|standing| now_ms < standing.until_ms) {
            return Ok(standing);
        }
        let found = token::verify(token, self.mesh, node, now_ms)?;
        let token::Statement { role, groups, zones, until_ms, member_until_ms, named } = found;
        let keys = [Some(*node.as_bytes()), named.member, named.bearer];
        let keys = keys.into_iter().flatten().collect();
        let standing = Standing { role, groups, zones, until_ms, member_until_ms, keys };
        let mut verdicts = self.verdicts.lock().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= limits::TOKEN_VERDICTS {
            verdicts.retain(|_, kept| now_ms < kept.until_ms);
        }
        if verdicts.len() < limits::TOKEN_VERDICTS {
            verdicts.insert(id, standing.clone());
        }
        Ok(standing)
    }

    /// Checks what a node shows at a relay: the token of a member, or the pass of a ticket, which
    /// lets it to the relay and nowhere else.
    ///
    /// # Errors
    /// `auth` with the reason.
    #[cfg(any(test, feature = "relay-server"))]
    pub(crate) fn let_by(&self, token: &[u8], node: NodeKey, now_ms: u64) -> Result<Standing> {
        let refused = match self.verify(token, node, now_ms) {
            Ok(standing) => return Ok(standing),
            Err(refused) => refused,
        };
        // Only of a token that is good but names nobody may there be more to say.
        if refused.code != "bad_token" {
            return Err(refused);
        }
        let token::Statement { role, groups, zones, until_ms, named, .. } =
            token::verify_pass(token, self.mesh, node, now_ms)?;
        let keys = [Some(*node.as_bytes()), named.member];
        let keys: Vec<_> = keys.into_iter().flatten().collect();
        self.check_keys(&keys)?;
        let member_until_ms = Some(until_ms);
        Ok(Standing { role, groups, zones, until_ms, member_until_ms, keys })
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
    use super::super::token::mint_member;
    use super::*;

    const NOW: u64 = 1_700_000_000_000;
    const NODE: NodeKey = NodeKey::from_bytes([1; 32]);

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    /// The zones of a node, and those that its token states.
    fn zones(membership: Membership, wanted: &[&str]) -> Result<(Vec<String>, Vec<String>)> {
        let zoned = membership.zoned(words(wanted), NODE, NOW)?;
        let token = zoned.token_for(NODE, NOW)?;
        let stated = zoned.verify(&token, NODE, NOW)?.zones;
        Ok((zoned.zones().to_vec(), stated))
    }

    #[test]
    fn the_owner_of_a_mesh_says_in_which_zones_a_node_is() {
        let own = || Membership::own(&Home::memory()).unwrap();
        assert_eq!(zones(own(), &[]).unwrap(), (words(&[]), words(&[])));
        let both = words(&["eu", "on-prem"]);
        assert_eq!(zones(own(), &["on-prem", "eu", "eu"]).unwrap(), (both.clone(), both));
        assert_eq!(zones(own(), &[""]).unwrap_err().field.as_deref(), Some("zones"));
    }

    #[test]
    fn who_joined_is_in_the_zones_of_its_token_and_in_no_other() {
        let (root, member) = (SecretKey::from_seed([3; 32]), SecretKey::from_seed([4; 32]));
        let of = words(&["eu", "on-prem"]);
        let joined = || {
            let until_ms = NOW + 60_000;
            let terms = Terms { role: "member", groups: &[], zones: &of, until_ms };
            let token = mint_member(&root, &member.public(), terms).unwrap();
            let proof = Proof::Member { key: member.clone(), token: Mutex::new(token) };
            Membership::new(root.mesh_id(), proof, Vec::new())
        };
        assert_eq!(zones(joined(), &[]).unwrap(), (of.clone(), of.clone()));
        assert_eq!(zones(joined(), &["eu"]).unwrap(), (words(&["eu"]), of.clone()));
        for refused in [zones(joined(), &["eu", "us"]), zones(outside(), &["eu"])] {
            let error = refused.unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "zone"));
            assert_eq!(error.field.as_deref(), Some("zones"));
        }
    }

    fn outside() -> Membership {
        Membership::outsider(MeshId::from_bytes([9; 32]))
    }

    #[test]
    fn so_many_verdicts_are_remembered_and_those_that_are_over_make_room() {
        let membership = Membership::own(&Home::memory()).unwrap();
        let fill = |until_ms: u64| {
            let mut verdicts = membership.verdicts.lock().unwrap();
            verdicts.clear();
            for n in 0..limits::TOKEN_VERDICTS as u64 {
                let mut id = [0; 32];
                id[..8].copy_from_slice(&n.to_be_bytes());
                let (role, groups, zones) = (String::new(), Vec::new(), Vec::new());
                let (keys, member_until_ms) = (Vec::new(), None);
                let standing = Standing { role, groups, zones, until_ms, member_until_ms, keys };
                verdicts.insert(id, standing);
            }
        };
        let token = membership.token_for(NODE, NOW).unwrap();
        let id = Membership::verdict_id(&token, NODE);
        for (until_ms, many, remembered) in
            [(NOW + 1, limits::TOKEN_VERDICTS, false), (NOW, 1, true)]
        {
            fill(until_ms);
            membership.verify(&token, NODE, NOW).unwrap();
            let verdicts = membership.verdicts.lock().unwrap();
            assert_eq!((verdicts.len(), verdicts.contains_key(&id)), (many, remembered));
        }
    }
}
