//! Keys that the mesh lets in no more, as this process knows them: the latest list, which lies in
//! the data folder as well and outlives every process.
//!
//! Must not know: connections, and who is told. Tested here, and between nodes in
//! `mesh/tests/revocation.rs`.

use super::standing::{Membership, Proof};
use crate::home::{self, Home, Lock};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::wire::decode::decode_within;
use hubless_proto::wire::revoked::RevokedKeys;
use hubless_proto::wire::v1;
use prost::Message as _;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

/// More than a list and its signature take, in bytes.
const FILE_BYTES: usize = limits::CONTROL_FRAME_BYTES * 2;

impl Membership {
    /// The latest list that is known here; none: nothing was revoked.
    pub(crate) fn revoked(&self) -> Option<RevokedKeys> {
        self.held().clone()
    }

    /// Its number; 0: nothing was revoked.
    pub(crate) fn revoked_seq(&self) -> u64 {
        self.held().as_ref().map_or(0, RevokedKeys::seq)
    }

    /// Refuses a token, or whoever else rests on these keys, when one of them is revoked.
    ///
    /// # Errors
    /// `auth`, code `revoked`.
    pub(crate) fn check_keys(&self, keys: &[[u8; 32]]) -> Result<()> {
        let held = self.held();
        let revoked = held.as_ref().is_some_and(|list| keys.iter().any(|key| list.holds(key)));
        if !revoked {
            return Ok(());
        }
        let message = "the owner of the mesh revoked the key of this node, or of its member";
        Err(Error::refusal(Kind::Auth, "revoked", message))
    }

    /// Takes a list that somebody shows, for this data folder as well; gives how many keys are new
    /// by it, or none for one that does not stand. Blocks for milliseconds.
    ///
    /// # Errors
    /// As [`RevokedKeys::open`]; `configuration` when it cannot be kept.
    pub(crate) fn take_revoked(
        &self,
        home: &Home,
        signed: &v1::SignedRecord,
    ) -> Result<Option<usize>> {
        let list = RevokedKeys::open(signed, self.mesh)?;
        if self.held().as_ref().is_some_and(|held| !list.beats(held)) {
            return Ok(None);
        }
        if let Some(path) = self.revoked_file(home) {
            let _held = Lock::wait(&path.with_extension("lock"))?;
            self.keep(&path, &list)?;
        }
        Ok(self.hold(list))
    }

    /// Takes up the list of the data folder, where another process of this user kept a later one;
    /// gives how many keys are new by it. Blocks for milliseconds.
    ///
    /// # Errors
    /// `configuration` for a file that cannot be read, or is none of this mesh.
    pub(crate) fn look_revoked(&self, home: &Home) -> Result<Option<usize>> {
        let Some(path) = self.revoked_file(home) else { return Ok(None) };
        Ok(self.read(&path)?.and_then(|list| self.hold(list)))
    }

    /// Revokes keys for good, with the root key; gives the list, and how many were not in it
    /// before. Blocks for milliseconds.
    ///
    /// # Errors
    /// `denied`, code `not_operator`, in a mesh that was joined; `too_large`, limit
    /// `REVOKED_KEYS`; `configuration` when it cannot be kept.
    pub(crate) fn revoke(
        &self,
        home: &Home,
        keys: &[[u8; 32]],
        now_ms: u64,
    ) -> Result<(RevokedKeys, Vec<[u8; 32]>)> {
        let Some(root) = self.root() else {
            let message = "this data folder joined the mesh and cannot revoke keys of others: ask \
                           whoever has its root key";
            return Err(Error::new(Kind::Denied, message).with_code("not_operator"));
        };
        let path = self.revoked_file(home);
        let locked = path.as_ref().map(|path| Lock::wait(&path.with_extension("lock")));
        let _held = locked.transpose()?;
        let kept = path.as_ref().map(|path| self.read(path)).transpose()?.flatten();
        let last = kept.or_else(|| self.revoked());
        let is_new = |key: &&[u8; 32]| !last.as_ref().is_some_and(|last| last.holds(key));
        let new: Vec<_> = keys.iter().filter(is_new).copied().collect();
        if let (true, Some(last)) = (new.is_empty(), last.as_ref()) {
            return Ok((last.clone(), new));
        }
        let list = RevokedKeys::after(last.as_ref(), root, new.iter().copied(), now_ms)?;
        if let Some(path) = &path {
            self.keep(path, &list)?;
        }
        self.hold(list.clone());
        Ok((list, new))
    }

    fn held(&self) -> MutexGuard<'_, Option<RevokedKeys>> {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a list that stands; gives how many of its keys were not held before.
    fn hold(&self, list: RevokedKeys) -> Option<usize> {
        let mut held = self.held();
        let before = held.as_ref();
        if before.is_some_and(|before| !list.beats(before)) {
            return None;
        }
        let is_new = |key: &&[u8; 32]| before.is_none_or(|before| !before.holds(key));
        let new = list.keys().filter(is_new).count();
        *held = Some(list);
        Some(new)
    }

    /// Writes a list, unless one that stands before it is there; the caller holds the lock.
    fn keep(&self, path: &Path, list: &RevokedKeys) -> Result<()> {
        if self.read(path)?.is_some_and(|kept| !list.beats(&kept)) {
            return Ok(());
        }
        home::replace(path, &path.with_extension("new"), &list.signed().encode_to_vec())
    }

    fn read(&self, path: &Path) -> Result<Option<RevokedKeys>> {
        let Some(bytes) = home::read_private(path)? else { return Ok(None) };
        let signed: Result<v1::SignedRecord> = decode_within(bytes.to_vec().into(), FILE_BYTES);
        let list = signed.and_then(|signed| RevokedKeys::open(&signed, self.mesh));
        // Whoever cannot read it would let in whom it keeps out.
        list.map(Some).map_err(|_| {
            let message = format!("{} is no list of revoked keys of this mesh", path.display());
            Error::new(Kind::Configuration, message).with_code("broken_file")
        })
    }

    fn revoked_file(&self, home: &Home) -> Option<PathBuf> {
        let data = home.folders()?.data();
        match &self.proof {
            Proof::Root(_) => Some(data.join("own").join("revoked.keys")),
            Proof::Member { .. } => {
                let folder = data.join("meshes").join(self.mesh.to_string());
                Some(folder.join("revoked.keys"))
            }
            Proof::Outsider => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::MeshChoice;
    use hubless_proto::identity::{NodeKey, SecretKey};

    const NOW: u64 = 1_700_000_000_000;
    const NODE: NodeKey = NodeKey::from_bytes([1; 32]);

    fn home() -> (tempfile::TempDir, Home) {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(Some(folder.path())).unwrap();
        (folder, home)
    }

    fn own(home: &Home) -> Membership {
        Membership::open(home, MeshChoice::Own).unwrap()
    }

    #[test]
    fn a_revoked_key_is_refused_by_every_process_of_the_user_for_good() {
        let (_folder, home) = home();
        let (one, two) = (own(&home), own(&home));
        let (token, other) = (one.token_for(NODE, NOW).unwrap(), NodeKey::from_bytes([2; 32]));
        one.verify(&token, NODE, NOW).unwrap();
        two.verify(&token, NODE, NOW).unwrap();
        let (list, new) = one.revoke(&home, &[*NODE.as_bytes()], NOW).unwrap();
        assert_eq!((list.seq(), new), (NOW, vec![*NODE.as_bytes()]));
        // A verdict that was remembered does not let it in.
        let refused = |of: &Membership| of.verify(&token, NODE, NOW).unwrap_err().code;
        assert_eq!(refused(&one), "revoked");
        assert!(two.verify(&token, NODE, NOW).is_ok(), "it has not looked");
        assert_eq!(two.look_revoked(&home), Ok(Some(1)));
        assert_eq!(two.look_revoked(&home), Ok(None));
        assert_eq!((refused(&two), refused(&own(&home))), ("revoked".into(), "revoked".into()));
        let good = one.token_for(other, NOW).unwrap();
        one.verify(&good, other, NOW).unwrap();
        // Once more changes nothing; another one keeps the first.
        let (again, none) = two.revoke(&home, &[*NODE.as_bytes()], NOW + 5).unwrap();
        assert_eq!((again, none.len()), (list, 0));
        two.revoke(&home, &[[9; 32]], NOW + 5).unwrap();
        assert_eq!(one.look_revoked(&home), Ok(Some(1)));
        assert_eq!(refused(&one), "revoked");
    }

    #[test]
    fn a_list_of_another_root_an_older_one_and_a_broken_file_are_not_taken() {
        let ((folder, home), root) = (home(), SecretKey::from_seed([5; 32]));
        let owner = own(&home);
        let foreign = RevokedKeys::after(None, &root, [[9; 32]], NOW).unwrap();
        let error = owner.take_revoked(&home, foreign.signed()).unwrap_err();
        assert_eq!(error.code, "not_operator");
        let (first, _) = owner.revoke(&home, &[[1; 32]], NOW).unwrap();
        let (second, _) = owner.revoke(&home, &[[2; 32]], NOW + 1).unwrap();
        assert_eq!(owner.take_revoked(&home, first.signed()), Ok(None));
        assert_eq!(owner.revoked(), Some(second));
        let file = folder.path().join("data/own/revoked.keys");
        home::replace(&file, &folder.path().join("t"), b"nothing").unwrap();
        let error = Membership::open(&home, MeshChoice::Own).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, "broken_file"));
    }

    #[test]
    fn only_who_has_the_root_key_revokes() {
        let (_folder, home) = home();
        let outsider = Membership::outsider(own(&home).mesh());
        let error = outsider.revoke(&home, &[[1; 32]], NOW).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "not_operator"));
        assert_eq!(outsider.revoked(), None);
        let memory = own(&Home::memory());
        memory.revoke(&Home::memory(), &[[1; 32]], NOW).unwrap();
        assert_eq!(memory.check_keys(&[[2; 32], [1; 32]]).unwrap_err().code, "revoked");
    }
}
