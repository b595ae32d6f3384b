//! Keys that the mesh lets in no more, as this process knows them: the lists of its root, which
//! lie in the data folder as well and outlive every process.
//!
//! Where two folders have the root key, a later list need not have the keys of an earlier one. No
//! key is lost by that: both stand, until whoever has the root key signs one list of all.
//!
//! Must not know: connections, and who is told. Tested here, and between nodes in
//! `mesh/tests/revocation.rs`.

use super::standing::{Membership, Proof};
use crate::home::{self, Home, Lock};
use bytes::{Buf as _, Bytes};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::wire::decode::decode_within;
use hubless_proto::wire::revoked::RevokedKeys;
use hubless_proto::wire::v1;
use prost::Message as _;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

/// More than a list and its signature take, in bytes.
const LIST_BYTES: usize = limits::CONTROL_FRAME_BYTES * 2;
/// Lists that stand beside each other; the root of a mesh has as many folders at most that know
/// nothing of each other.
const LISTS: usize = 16;

/// What became of a list that somebody showed and that stands.
#[derive(Debug)]
pub(crate) struct Taken {
    /// Keys that are new by it.
    pub(crate) new: usize,
    /// Whether the data folder has it; this process goes by it in any case.
    pub(crate) kept: Result<()>,
}

impl Membership {
    /// The lists that stand, the latest first, each with a key that none before it has; none:
    /// nothing was revoked.
    pub(crate) fn revoked(&self) -> Vec<RevokedKeys> {
        self.held().clone()
    }

    /// The keys of all of them.
    pub(crate) fn revoked_keys(&self) -> BTreeSet<[u8; 32]> {
        self.held().iter().flat_map(RevokedKeys::keys).copied().collect()
    }

    /// The number of the latest; 0: nothing was revoked.
    pub(crate) fn revoked_seq(&self) -> u64 {
        self.held().first().map_or(0, RevokedKeys::seq)
    }

    /// Refuses a token, or whoever else rests on these keys, when one of them is revoked.
    ///
    /// # Errors
    /// `auth`, code `revoked`.
    pub(crate) fn check_keys(&self, keys: &[[u8; 32]]) -> Result<()> {
        let held = self.held();
        if !keys.iter().any(|key| held.iter().any(|list| list.holds(key))) {
            return Ok(());
        }
        let message = "the owner of the mesh revoked the key of this node, or of its member";
        Err(Error::refusal(Kind::Auth, "revoked", message))
    }

    /// Takes a list that somebody shows, for this data folder as well; none for one that says
    /// nothing new. Blocks for milliseconds.
    ///
    /// # Errors
    /// As [`RevokedKeys::open`]; `too_large` when more lists stand than are kept.
    pub(crate) fn take_revoked(
        &self,
        home: &Home,
        signed: &v1::SignedRecord,
    ) -> Result<Option<Taken>> {
        let list = RevokedKeys::open(signed, self.mesh)?;
        let Some(new) = self.hold(&list)? else { return Ok(None) };
        Ok(Some(Taken { new, kept: self.keep(home) }))
    }

    /// Takes up the lists of the data folder, where another process of this user kept later ones,
    /// and keeps there what could not be kept before; gives how many keys are new by them. Blocks
    /// for milliseconds.
    ///
    /// # Errors
    /// `configuration` for a file that cannot be read or written, or is none of this mesh.
    pub(crate) fn look_revoked(&self, home: &Home) -> Result<Option<usize>> {
        let Some(path) = self.revoked_file(home) else { return Ok(None) };
        let kept = self.read(&path)?;
        let new = self.hold_all(&kept)?;
        if self.revoked() != kept {
            self.keep(home)?;
        }
        Ok(new)
    }

    /// Revokes keys for good, with the root key; gives the list, and which were in none before.
    /// This process goes by it even where it cannot be kept. Blocks for milliseconds.
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
        // What cannot be read is said when it cannot be kept either.
        if let Some(Ok(kept)) = self.revoked_file(home).map(|path| self.read(&path)) {
            self.hold_all(&kept)?;
        }
        let (lists, mut all) = (self.revoked(), self.revoked_keys());
        let mut new = keys.to_vec();
        new.retain(|key| all.insert(*key));
        let list = match lists.first() {
            Some(latest) if new.is_empty() => latest.clone(),
            latest => RevokedKeys::after(latest, root, all, now_ms)?,
        };
        self.hold(&list)?;
        self.keep(home)?;
        Ok((list, new))
    }

    fn held(&self) -> MutexGuard<'_, Vec<RevokedKeys>> {
        self.revoked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds a list beside those that have a key which it lacks; gives how many of its keys were
    /// not held before, or none for one that says nothing new.
    fn hold(&self, list: &RevokedKeys) -> Result<Option<usize>> {
        let mut held = self.held();
        let is_new = |key: &&[u8; 32]| !held.iter().any(|one| one.holds(key));
        let new = list.keys().filter(is_new).count();
        if new == 0 && held.first().is_some_and(|latest| !list.beats(latest)) {
            return Ok(None);
        }
        let lists = held.iter().chain([list]).cloned().collect();
        let lists = self.united(standing(lists));
        if lists.len() > LISTS {
            let message = format!("expected at most {LISTS} lists of revoked keys that differ");
            return Err(Error::new(Kind::TooLarge, message));
        }
        *held = lists;
        Ok(Some(new))
    }

    fn hold_all(&self, lists: &[RevokedKeys]) -> Result<Option<usize>> {
        let mut all = None;
        for list in lists {
            if let Some(new) = self.hold(list)? {
                all = Some(all.unwrap_or(0) + new);
            }
        }
        Ok(all)
    }

    /// One list of all keys, where the root key is here to sign it.
    fn united(&self, lists: Vec<RevokedKeys>) -> Vec<RevokedKeys> {
        let (Some(root), Some(latest)) = (self.root(), lists.first()) else { return lists };
        if lists.len() == 1 {
            return lists;
        }
        let all = lists.iter().flat_map(RevokedKeys::keys).copied();
        match RevokedKeys::after(Some(latest), root, all, latest.seq()) {
            Ok(list) => vec![list],
            Err(error) => {
                tracing::warn!(%error, "lists of revoked keys stand beside each other");
                lists
            }
        }
    }

    /// Makes the file say what is held here, and what it says held.
    fn keep(&self, home: &Home) -> Result<()> {
        let Some(path) = self.revoked_file(home) else { return Ok(()) };
        let _locked = Lock::wait(&path.with_extension("lock"))?;
        let kept = self.read(&path)?;
        self.hold_all(&kept)?;
        let lists = self.revoked();
        if lists == kept {
            return Ok(());
        }
        let bytes = lists.iter().flat_map(|list| list.signed().encode_length_delimited_to_vec());
        home::replace(&path, &path.with_extension("new"), &bytes.collect::<Vec<_>>())
    }

    fn read(&self, path: &Path) -> Result<Vec<RevokedKeys>> {
        let Some(bytes) = home::read_private(path)? else { return Ok(Vec::new()) };
        let (mut bytes, mut lists) = (Bytes::from(bytes.to_vec()), Vec::new());
        // Whoever cannot read it would let in whom it keeps out.
        let broken = || {
            let message = format!("{} is no list of revoked keys of this mesh", path.display());
            Error::new(Kind::Configuration, message).with_code("broken_file")
        };
        while bytes.has_remaining() {
            let length = prost::decode_length_delimiter(&mut bytes).map_err(|_| broken())?;
            if length > bytes.len() || lists.len() == LISTS {
                return Err(broken());
            }
            let signed: Result<v1::SignedRecord> =
                decode_within(bytes.split_to(length), LIST_BYTES);
            let list = signed.and_then(|signed| RevokedKeys::open(&signed, self.mesh));
            lists.push(list.map_err(|_| broken())?);
        }
        Ok(lists)
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

/// Of these lists those that stand, the latest first: it, and whichever has a key that no later one
/// has.
fn standing(mut lists: Vec<RevokedKeys>) -> Vec<RevokedKeys> {
    lists.sort_by(|one, other| other.beats(one).cmp(&one.beats(other)));
    let mut standing: Vec<RevokedKeys> = Vec::new();
    for list in lists {
        let is_held = |key: &[u8; 32]| standing.iter().any(|later| later.holds(key));
        if standing.is_empty() || !list.keys().all(is_held) {
            standing.push(list);
        }
    }
    standing
}

#[cfg(test)]
mod tests {
    use super::super::{InviteOptions, invite, member_key, save};
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
        assert!(owner.take_revoked(&home, first.signed()).unwrap().is_none());
        assert_eq!(owner.revoked(), [second]);
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
        assert_eq!(outsider.revoked(), []);
        let memory = own(&Home::memory());
        memory.revoke(&Home::memory(), &[[1; 32]], NOW).unwrap();
        assert_eq!(memory.check_keys(&[[2; 32], [1; 32]]).unwrap_err().code, "revoked");
    }

    /// The file of the data folder of an owner.
    fn file(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("data/own/revoked.keys")
    }

    #[test]
    fn a_later_list_of_another_folder_with_the_root_key_lets_nobody_in_again() {
        let ((folder_a, home_a), (folder_b, home_b), (_c, home_c)) = (home(), home(), home());
        let a = own(&home_a);
        std::fs::create_dir_all(folder_b.path().join("data/own")).unwrap();
        let root = |folder: &tempfile::TempDir| folder.path().join("data/own/root.key");
        std::fs::copy(root(&folder_a), root(&folder_b)).unwrap();
        let b = own(&home_b);
        assert_eq!(a.mesh(), b.mesh());
        let options = InviteOptions { bearer: true, life: limits::BEARER_LIFE, ..<_>::default() };
        let ticket = invite(&home_a, &[], &options, NOW).unwrap();
        let member = member_key(&home_c, ticket.mesh).unwrap().public();
        let token = ticket.admit(&member).unwrap().unwrap();
        save(&home_c, &ticket, &token, NOW).unwrap();
        let guest = || Membership::open(&home_c, MeshChoice::Default).unwrap();
        let (first, _) = a.revoke(&home_a, &[[1; 32]], NOW).unwrap();
        let (second, _) = b.revoke(&home_b, &[[2; 32]], NOW + 1).unwrap();
        assert!(second.beats(&first) && !second.holds(&[1; 32]), "the one did not know the other");

        let (c, refuses) = (guest(), |of: &Membership, key| of.check_keys(&[[key; 32]]).is_err());
        for (list, new) in [(&first, 1), (&second, 1)] {
            let taken = c.take_revoked(&home_c, list.signed()).unwrap().unwrap();
            assert_eq!((taken.new, taken.kept), (new, Ok(())));
            assert!(c.take_revoked(&home_c, list.signed()).unwrap().is_none(), "it has it");
        }
        // For good: whoever is started next goes by both, and shows both.
        for of in [c, guest()] {
            assert!(refuses(&of, 1) && refuses(&of, 2) && !refuses(&of, 3));
            assert_eq!(of.revoked(), [second.clone(), first.clone()]);
        }
        // Who has the root key signs one list of both, which stands before either.
        let taken = b.take_revoked(&home_b, first.signed()).unwrap().unwrap();
        assert_eq!((taken.new, taken.kept), (1, Ok(())));
        let [both] = own(&home_b).revoked().try_into().unwrap();
        assert!(both.beats(&second) && both.holds(&[1; 32]) && both.holds(&[2; 32]));
        let c = guest();
        let taken = c.take_revoked(&home_c, both.signed()).unwrap().unwrap();
        assert_eq!((taken.new, c.revoked()), (0, vec![both]));
    }

    #[test]
    fn lists_of_so_many_folders_stand_beside_each_other() {
        let root = SecretKey::from_seed([5; 32]);
        let (home, outsider) = (Home::memory(), Membership::outsider(root.mesh_id()));
        let take = |number: u64, keys: &[[u8; 32]]| {
            let list = RevokedKeys::after(None, &root, keys.iter().copied(), NOW + number);
            outsider.take_revoked(&home, list.unwrap().signed())
        };
        let keys: Vec<_> = (0..=u8::MAX).take(LISTS + 1).map(|number| [number; 32]).collect();
        for (number, key) in (0..).zip(keys.iter().take(LISTS)) {
            assert_eq!(take(number, &[*key]).unwrap().unwrap().new, 1);
        }
        assert_eq!(take(100, &keys[LISTS..]).unwrap_err().kind, Kind::TooLarge);
        assert_eq!(outsider.revoked_keys().len(), LISTS, "none is lost");
        assert_eq!(take(101, &keys).unwrap().unwrap().new, 1, "one of all takes their place");
        assert_eq!(outsider.revoked().len(), 1);
    }

    #[test]
    fn a_list_that_cannot_be_kept_counts_here_and_is_kept_later() {
        let (folder, home) = home();
        let (one, two) = (own(&home), own(&home));
        // No file can take the place of a folder.
        let path = file(&folder);
        let list = one.revoke(&home, &[[1; 32]], NOW).unwrap().0;
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir_all(path.join("in the way")).unwrap();
        let taken = two.take_revoked(&home, list.signed()).unwrap().unwrap();
        assert_eq!((taken.new, taken.kept.is_err()), (1, true));
        assert_eq!(two.check_keys(&[[1; 32]]).unwrap_err().code, "revoked");
        assert!(two.revoke(&home, &[[2; 32]], NOW).is_err());
        assert_eq!(two.check_keys(&[[2; 32]]).unwrap_err().code, "revoked");
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(two.look_revoked(&home), Ok(None), "nothing is new here");
        assert_eq!(own(&home).revoked_keys().len(), 2);
    }
}
