//! Room for accounts: which are forgotten, and when.

use super::account::LinkAccount;
use super::accounts::Till;
use super::row::{RowKey, Write};
use crate::error::{Error, Kind, Result};
use crate::identity::RootKey;
use crate::limits::{KEY_LINKS, TILL_LINK_SHARE, TILL_LINKS};
use crate::metering::chain::{Chain, Link, LinkId};

impl Till {
    /// Room for the accounts that a chain needs; links that ended are forgotten for it, and what
    /// was paid below them stays with those above.
    ///
    /// Whoever has a key makes as many below it as he likes, and to end one costs nothing. So each
    /// has a share of the room that is left, and there is some left for the others.
    ///
    /// # Errors
    /// `busy`, limit `TILL_LINKS` or `TILL_LINK_SHARE`; nothing was changed.
    pub(super) fn make_place(&mut self, chain: &Chain, now_ms: u64) -> Result<Vec<Write>> {
        let root = chain.root;
        self.root(root)?;
        if self.crowded(chain, &[]).is_none() {
            return Ok(Vec::new());
        }
        let over = |link: &LinkAccount| {
            link.root == root && link.until_ms <= now_ms && link.account.calls == 0
        };
        let over = self.links.iter().filter(|(_, link)| over(link));
        let over: Vec<_> = over.map(|(id, _)| *id).collect();
        if let Some(error) = self.crowded(chain, &over) {
            return Err(error);
        }
        let account = self.root(root)?;
        account.forgotten_ms = account.forgotten_ms.max(now_ms);
        let mut writes = self.rows(root, &[]);
        for id in over {
            // Whoever is below it ended no later and has no call either: it is forgotten as well.
            writes.push(self.drop_link(root, id)?);
        }
        Ok(writes)
    }

    /// Why there is no room for the accounts that a chain needs, were these links forgotten.
    fn crowded(&self, chain: &Chain, over: &[LinkId]) -> Option<Error> {
        let is_new = |link: &&Link| !self.links.contains_key(&link.id);
        let fresh = chain.links.iter().filter(is_new).count();
        let held = self.roots.get(&chain.root).map_or(0, |root| root.links);
        let Some(left) = (TILL_LINKS + over.len()).checked_sub(held + fresh) else {
            let error = Error::refusal(Kind::Busy, "links", "too many keys of this root live");
            return Some(error.with_limit("TILL_LINKS", TILL_LINKS as u64));
        };
        let mut rest = chain.links.iter();
        while let Some(link) = rest.next() {
            let more = rest.clone().filter(is_new).count();
            let known = self.links.get(&link.id).map_or(0, |link| link.below);
            // That of a call or a grant is in hands that nobody chose; others are given by hand.
            let share = match link.budget {
                Some(_) => left / TILL_LINK_SHARE,
                None => left.saturating_mul(TILL_LINK_SHARE - 1),
            };
            if more == 0 || known + more <= share {
                continue;
            }
            let gone = over.iter().filter(|id| self.is_below(**id, link.id)).count();
            if known + more - gone > share {
                let message = "too many keys below one of this chain live";
                let error = Error::refusal(Kind::Busy, "links", message);
                return Some(error.with_limit("TILL_LINK_SHARE", share as u64));
            }
        }
        None
    }

    fn is_below(&self, id: LinkId, above: LinkId) -> bool {
        let mut next = self.links.get(&id).and_then(|link| link.parent);
        for _ in 0..KEY_LINKS {
            let Some(parent) = next else { return false };
            if parent == above {
                return true;
            }
            next = self.links.get(&parent).and_then(|link| link.parent);
        }
        false
    }

    /// Changes a link and all above it.
    pub(super) fn above(&mut self, first: Option<LinkId>, change: impl Fn(&mut LinkAccount)) {
        let mut next = first;
        // What was read may be a circle, and is refused elsewhere.
        for _ in 0..KEY_LINKS {
            let Some(link) = next.and_then(|id| self.links.get_mut(&id)) else { return };
            change(link);
            next = link.parent;
        }
    }

    /// Forgets the links of a path of which there is nothing to say, from its end on.
    pub(super) fn drop_blank(&mut self, root: RootKey, path: &[LinkId]) -> Result<Vec<Write>> {
        let mut writes = Vec::new();
        for id in path.iter().rev() {
            let blank = self.links.get(id).is_some_and(|link| link.account.is_blank());
            if !blank || self.links.values().any(|link| link.parent == Some(*id)) {
                break;
            }
            writes.push(self.drop_link(root, *id)?);
        }
        Ok(writes)
    }

    fn drop_link(&mut self, root: RootKey, id: LinkId) -> Result<Write> {
        if let Some(link) = self.links.remove(&id) {
            // Those that are still below it are forgotten with it, and climb no further.
            let gone = link.below + 1;
            self.above(link.parent, |above| above.below = above.below.saturating_sub(gone));
        }
        self.root(root)?.links -= 1;
        Ok(Write::Delete(RowKey::Link(id)))
    }
}
