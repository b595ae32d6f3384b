//! Room for accounts: which are forgotten, and when.

use super::account::LinkAccount;
use super::accounts::Till;
use super::row::{RowKey, Write};
use crate::error::{Error, Kind, Result};
use crate::identity::RootKey;
use crate::limits::TILL_LINKS;
use crate::metering::chain::{Chain, LinkId};

impl Till {
    /// Room for the accounts that a chain needs; links that ended are forgotten for it, and what
    /// was paid below them stays with those above.
    ///
    /// # Errors
    /// `busy`, limit `TILL_LINKS`; nothing was changed.
    pub(super) fn make_place(&mut self, chain: &Chain, now_ms: u64) -> Result<Vec<Write>> {
        let root = chain.root;
        let fresh = chain.links.iter().filter(|link| !self.links.contains_key(&link.id)).count();
        let wanted = self.root(root)?.links + fresh;
        if wanted <= TILL_LINKS {
            return Ok(Vec::new());
        }
        let over = |link: &LinkAccount| {
            link.root == root && link.until_ms <= now_ms && link.account.calls == 0
        };
        let over = self.links.iter().filter(|(_, link)| over(link));
        let over: Vec<_> = over.map(|(id, _)| *id).collect();
        if wanted - over.len() > TILL_LINKS {
            let error = Error::refusal(Kind::Busy, "links", "too many keys of this root live");
            return Err(error.with_limit("TILL_LINKS", TILL_LINKS as u64));
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
        self.links.remove(&id);
        self.root(root)?.links -= 1;
        Ok(Write::Delete(RowKey::Link(id)))
    }
}
