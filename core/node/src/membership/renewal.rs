//! Tokens of member keys are renewed before they end: by a minter that still accepts them, for the
//! same key and on the same terms.
//!
//! The process whose turn it is asks; what it gets is kept in the data folder, where the others
//! find it. Must not know who is asked, or how. Tested here with the clock passed in, and between
//! data folders in `mesh/tests/renewal.rs`.

use super::narrowed;
use super::standing::{Membership, Proof};
use super::token::{self, Terms};
use super::{check_member, joined};
use crate::home::Home;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits::{self, ms};
use std::sync::{Mutex, PoisonError};

/// A token that has so much of its life left is renewed: two thirds.
const LEFT_MS: u64 = limits::MEMBER_TOKEN_LIFE.as_secs() * 1_000 / 3 * 2;

impl Membership {
    /// True for a token of a member key: that of a node key is made anew by its process alone.
    pub(crate) const fn is_renewed(&self) -> bool {
        matches!(self.proof, Proof::Member { .. })
    }

    /// Renews the token of a member key, which `node` shows bound to itself; gives that key too.
    ///
    /// # Errors
    /// `denied`, code `no_minter`, where the root key is not; as [`Membership::verify`] for a token
    /// that does not hold; `auth`, code `bad_token`, for one that somebody narrowed, since its
    /// narrowing would be lost, and for one without a member key.
    pub(crate) fn renew(
        &self,
        token: &[u8],
        node: NodeKey,
        now_ms: u64,
    ) -> Result<(Vec<u8>, [u8; 32])> {
        let Some(root) = self.root() else {
            let message = "this node cannot renew tokens of its mesh";
            return Err(Error::refusal(Kind::Denied, "no_minter", message));
        };
        self.verify(token, node, now_ms)?;
        let found = token::verify(token, self.mesh, node, now_ms)?;
        let plain = 1 + usize::from(found.named.bearer.is_some());
        let member = found.named.member.filter(|_| narrowed::is_plain(token, plain));
        let member = member.ok_or_else(|| {
            let message = "a membership token is renewed as the root signed it, with a member key \
                           and without anything that narrows it";
            Error::refusal(Kind::Auth, "bad_token", message)
        })?;
        let until_ms = now_ms.saturating_add(ms(limits::MEMBER_TOKEN_LIFE));
        let (role, groups, zones) = (&found.role, &found.groups, &found.zones);
        let new = token::mint_member(root, &member, Terms { role, groups, zones, until_ms })?;
        Ok((new, member))
    }

    /// The token of the member key, when it is to be renewed: a third of its life is over. None for
    /// one that is over, since nobody renews that, and in the user's own mesh.
    pub(crate) fn due(&self, now_ms: u64) -> Option<Vec<u8>> {
        let token = self.member_token()?;
        let stated = token::stated_of(&token, self.mesh, now_ms).ok()?;
        (stated.until_ms.saturating_sub(now_ms) <= LEFT_MS).then_some(token)
    }

    /// Checks what a minter answered to `old`: a token for the same key that does not end earlier
    /// and says where this node is, as before.
    ///
    /// # Errors
    /// `auth` for one that does not hold, or says less.
    pub(crate) fn check_renewed(
        &self,
        old: &[u8],
        new: &[u8],
        node: NodeKey,
        now_ms: u64,
    ) -> Result<()> {
        let Proof::Member { key, .. } = &self.proof else { return Err(less()) };
        check_member(new, self.mesh, key, node, now_ms)?;
        let before = token::stated_of(old, self.mesh, now_ms)?;
        let after = token::stated_of(new, self.mesh, now_ms)?;
        if after.until_ms < before.until_ms || !self.names_zones(&after.zones) {
            return Err(less());
        }
        Ok(())
    }

    /// Takes up the token that the data folder holds, where another process of this user renewed it
    /// or joined again; true: it is another one. Blocks for milliseconds.
    ///
    /// # Errors
    /// `configuration` when the file cannot be read.
    pub(crate) fn take_up(&self, home: &Home, node: NodeKey, now_ms: u64) -> Result<bool> {
        let Proof::Member { key, token } = &self.proof else { return Ok(false) };
        let Some(kept) = joined::token(home, self.mesh)? else { return Ok(false) };
        if *held(token) == kept {
            return Ok(false);
        }
        // What does not hold, or would take a zone from agents that run, waits for the next start.
        let holds = check_member(&kept, self.mesh, key, node, now_ms).is_ok();
        let zones = token::stated_of(&kept, self.mesh, now_ms).map(|stated| stated.zones);
        if !holds || !zones.is_ok_and(|zones| self.names_zones(&zones)) {
            return Ok(false);
        }
        *held(token) = kept;
        Ok(true)
    }

    /// True when the data folder holds this token: another one, which this process cannot take up,
    /// is not to be replaced by a renewal of it. Blocks for milliseconds.
    ///
    /// # Errors
    /// `configuration` when the file cannot be read.
    pub(crate) fn is_kept(&self, home: &Home, token: &[u8]) -> Result<bool> {
        Ok(joined::token(home, self.mesh)?.is_some_and(|kept| kept == token))
    }

    /// True when these are, among others, the zones of this node.
    fn names_zones(&self, zones: &[String]) -> bool {
        self.zones().iter().all(|zone| zones.contains(zone))
    }

    fn member_token(&self) -> Option<Vec<u8>> {
        match &self.proof {
            Proof::Member { token, .. } => Some(held(token).clone()),
            Proof::Root(_) | Proof::Outsider => None,
        }
    }
}

fn held(token: &Mutex<Vec<u8>>) -> std::sync::MutexGuard<'_, Vec<u8>> {
    token.lock().unwrap_or_else(PoisonError::into_inner)
}

fn less() -> Error {
    Error::refusal(Kind::Auth, "bad_token", "the renewed membership token says less than the old")
}

#[cfg(test)]
mod tests {
    use super::super::{InviteOptions, Minter, Ticket, invite, member_key, redeem, save};
    use super::*;
    use crate::mesh::MeshChoice;
    use biscuit_auth::builder::BlockBuilder;
    use hubless_proto::identity::{MeshId, SecretKey};
    use std::time::Duration;

    const NOW: u64 = 1_700_000_000_000;
    const DAY_MS: u64 = 24 * 3_600_000;
    const NODE: NodeKey = NodeKey::from_bytes([1; 32]);

    /// The owner of a mesh, and a data folder that joined it at `NOW`.
    struct House {
        _folders: [tempfile::TempDir; 2],
        ours: Home,
        theirs: Home,
        mesh: MeshId,
    }

    impl House {
        fn new(options: InviteOptions) -> Self {
            let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
            let [ours, theirs] =
                [&folders[0], &folders[1]].map(|folder| Home::open(Some(folder.path())).unwrap());
            let mesh = Membership::open(&ours, MeshChoice::Own).unwrap().mesh();
            let house = Self { _folders: folders, ours, theirs, mesh };
            house.join(options);
            house
        }

        fn join(&self, options: InviteOptions) {
            let addresses = vec!["10.0.0.1:1".parse().unwrap()];
            let minter = Minter { node: NODE, addresses, relays: Vec::new() };
            let ticket: Ticket = invite(&self.ours, &[minter], &options, NOW).unwrap();
            let member = member_key(&self.theirs, self.mesh).unwrap().public();
            let token = ticket.admit(&member).unwrap().unwrap_or_else(|| {
                redeem(&self.ours, ticket.invite().unwrap(), &member, NOW).unwrap()
            });
            save(&self.theirs, &ticket, &token, NOW).unwrap();
        }

        fn owner(&self) -> Membership {
            Membership::open(&self.ours, MeshChoice::Own).unwrap()
        }

        fn guest(&self) -> Membership {
            Membership::open(&self.theirs, MeshChoice::Default).unwrap()
        }

        fn token(&self) -> Vec<u8> {
            joined::token(&self.theirs, self.mesh).unwrap().unwrap()
        }
    }

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_token_is_renewed_after_a_third_of_its_life_on_the_same_terms() {
        let (groups, zones) = (words(&["a", "b"]), words(&["eu"]));
        let role = "helper".to_owned();
        let house = House::new(InviteOptions { role, groups, zones, ..Default::default() });
        let (owner, guest) = (house.owner(), house.guest());
        assert_eq!(guest.due(NOW), None);
        assert_eq!(guest.due(NOW + 10 * DAY_MS - 2_000), None);
        let now = NOW + 10 * DAY_MS;
        let old = guest.due(now).expect("a third of its life is over");
        let bound = guest.token_for(NODE, now).unwrap();
        let before = owner.verify(&bound, NODE, now).unwrap();
        let new = owner.renew(&bound, NODE, now).unwrap().0;
        guest.check_renewed(&old, &new, NODE, now).unwrap();
        assert!(super::super::replace_token(&house.theirs, house.mesh, &old, &new).unwrap());
        assert!(guest.take_up(&house.theirs, NODE, now).unwrap());
        assert!(!guest.take_up(&house.theirs, NODE, now).unwrap(), "it has it by now");
        assert_eq!(guest.due(now), None);
        // Ten days after the end of the first it still lets in, as what it was.
        let late = NOW + 39 * DAY_MS;
        let bound = guest.token_for(NODE, late).unwrap();
        let after = owner.verify(&bound, NODE, late).unwrap();
        let said = |of: &crate::membership::Standing| {
            (of.role.clone(), of.groups.clone(), of.zones.clone())
        };
        assert_eq!(said(&after), said(&before));
        assert_eq!(guest.due(NOW + 41 * DAY_MS), None, "one that is over is not renewed");
    }

    #[test]
    fn a_process_that_runs_takes_up_what_another_one_got() {
        let house = House::new(InviteOptions { zones: words(&["eu"]), ..Default::default() });
        let other = house.guest().zoned(words(&["eu"]), NODE, NOW).unwrap();
        let first = house.token();
        house.join(InviteOptions { role: "helper".to_owned(), ..Default::default() });
        assert_ne!(house.token(), first);
        // The new one does not name the zone that agents of that process say.
        assert!(!other.take_up(&house.theirs, NODE, NOW).unwrap());
        let roleless =
            InviteOptions { role: "x".to_owned(), zones: words(&["eu"]), ..Default::default() };
        house.join(roleless);
        assert!(other.take_up(&house.theirs, NODE, NOW).unwrap());
        let bound = other.token_for(NODE, NOW).unwrap();
        assert_eq!(house.owner().verify(&bound, NODE, NOW).unwrap().role, "x");
        // Who renewed the first one meanwhile is too late.
        let late = super::super::replace_token(&house.theirs, house.mesh, &first, &first).unwrap();
        assert!(!late);
    }

    #[test]
    fn one_process_of_a_user_renews_at_a_time() {
        let house = House::new(InviteOptions::default());
        let turn = || super::super::renewal_turn(&house.theirs, house.mesh).unwrap();
        let first = turn().expect("nobody has it");
        assert!(turn().is_none());
        drop(first);
        assert!(turn().is_some());
    }

    #[test]
    fn a_bearer_s_token_is_renewed_at_once_into_one_of_a_member() {
        let life = limits::BEARER_LIFE;
        let house = House::new(InviteOptions { bearer: true, life, ..Default::default() });
        let (owner, guest, now) = (house.owner(), house.guest(), NOW + 1_000);
        let old = guest.due(now).expect("it has little time");
        let bound = guest.token_for(NODE, now).unwrap();
        let (new, member) = owner.renew(&bound, NODE, now).unwrap();
        assert_eq!(member, member_key(&house.theirs, house.mesh).unwrap().public());
        guest.check_renewed(&old, &new, NODE, now).unwrap();
        let stated = token::stated_of(&new, house.mesh, now + ms(limits::BEARER_LIFE)).unwrap();
        assert_eq!(stated.named.bearer, None);
        assert!(stated.until_ms > NOW + 29 * DAY_MS);
        // Not once it is over.
        let over = NOW + ms(life) + 2_000;
        assert_eq!(owner.renew(&bound, NODE, over).unwrap_err().code, "expired");
    }

    #[test]
    fn renews_only_what_the_root_signed_for_who_asks() {
        let house = House::new(InviteOptions::default());
        let (owner, guest) = (house.owner(), house.guest());
        let bound = guest.token_for(NODE, NOW).unwrap();
        let of = |token: &[u8], node: NodeKey, now| {
            owner.renew(token, node, now).map_err(|error| error.code)
        };
        assert!(of(&bound, NODE, NOW).is_ok(), "the control");
        let other = NodeKey::from_bytes([2; 32]);
        assert_eq!(of(&bound, other, NOW), Err("wrong_node".to_owned()));
        assert_eq!(of(&house.token(), NODE, NOW), Err("wrong_node".to_owned()), "bound to nobody");
        assert_eq!(of(&bound, NODE, NOW + 31 * DAY_MS), Err("expired".to_owned()));
        let owned = owner.token_for(NODE, NOW).unwrap();
        assert_eq!(of(&owned, NODE, NOW), Err("bad_token".to_owned()), "of no member key");
        // Narrowed before or after the node was bound: that would be lost.
        let narrow = |token: &[u8]| {
            let block = BlockBuilder::new().code("check if true;").unwrap();
            token::parse(token, house.mesh).unwrap().append(block).unwrap().to_vec().unwrap()
        };
        let member = member_key(&house.theirs, house.mesh).unwrap();
        let until = NOW + 60_000;
        let early = token::bind(&narrow(&house.token()), house.mesh, &member, NODE, until).unwrap();
        for narrowed in [narrow(&bound), early] {
            owner.verify(&narrowed, NODE, NOW).unwrap();
            assert_eq!(of(&narrowed, NODE, NOW), Err("bad_token".to_owned()));
        }
        assert_eq!(guest.renew(&bound, NODE, NOW).unwrap_err().code, "no_minter");
    }

    #[test]
    fn a_renewed_token_that_says_less_is_not_taken() {
        let house = House::new(InviteOptions { zones: words(&["eu"]), ..Default::default() });
        let guest = house.guest().zoned(Vec::new(), NODE, NOW).unwrap();
        let root = crate::keys::root(&house.ours).unwrap();
        let member = member_key(&house.theirs, house.mesh).unwrap();
        let (old, of_member) = (house.token(), member.public());
        let of = |root: &SecretKey, key: &[u8; 32], zones: &[&str], days: u64| {
            let (zones, until_ms) = (words(zones), NOW + days * DAY_MS);
            let terms = Terms { role: "member", groups: &[], zones: &zones, until_ms };
            let new = token::mint_member(root, key, terms).unwrap();
            guest.check_renewed(&old, &new, NODE, NOW).map_err(|error| error.code)
        };
        assert_eq!(of(&root, &of_member, &["eu", "us"], 30), Ok(()));
        assert_eq!(of(&root, &of_member, &[], 30), Err("bad_token".to_owned()));
        assert_eq!(of(&root, &of_member, &["eu"], 29), Err("bad_token".to_owned()));
        assert_eq!(of(&root, &[9; 32], &["eu"], 30), Err("wrong_node".to_owned()));
        let stranger = SecretKey::from_seed([5; 32]);
        assert_eq!(of(&stranger, &of_member, &["eu"], 30), Err("bad_signature".to_owned()));
        assert_eq!(Duration::from_millis(LEFT_MS), limits::MEMBER_TOKEN_LIFE / 3 * 2);
    }
}
