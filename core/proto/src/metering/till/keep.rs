//! A till from its rows, and its rows.

use super::account::{Account, LinkAccount, RootAccount};
use super::accounts::{Open, ReservationId, Till};
use super::ends::Tripped;
use super::row::{Row, Write, broken};
use crate::error::Result;
use crate::identity::RootKey;
use crate::limits::KEY_LINKS;
use crate::metering::chain::LinkId;

impl Till {
    /// A till of the rows that were kept. Reservations are open as they were; after a crash,
    /// [`Till::recover`] ends them.
    ///
    /// # Errors
    /// `configuration`, code `broken_store`: rows that do not belong together.
    pub fn load(rows: Vec<Row>) -> Result<Self> {
        let mut till = Self::default();
        let mut open = Vec::new();
        for row in rows {
            match row {
                Row::Root { key, label, ceiling, spent, stopped, forgotten_ms } => {
                    let account = Account { spent, stopped, ..Account::new(ceiling) };
                    let root = RootAccount { account, label, links: 0, forgotten_ms };
                    till.roots.insert(key, root);
                }
                Row::Link {
                    id,
                    root,
                    parent,
                    limit,
                    spent,
                    until_ms,
                    stopped,
                    ended,
                    budget,
                    served,
                } => {
                    let account = Account { spent, stopped, ended, ..Account::new(limit) };
                    let below = 0;
                    let link =
                        LinkAccount { account, root, parent, until_ms, budget, served, below };
                    till.links.insert(id, link);
                }
                Row::Trip { budget, teller, until_ms } => {
                    till.trips.insert(budget, Tripped { teller, until_ms });
                }
                Row::Open { id, root, link, max } => open.push((id, Open { root, link, max })),
            }
        }
        for link in till.links.values() {
            let root = till.roots.get_mut(&link.root);
            root.ok_or_else(|| broken("a link is below no root"))?.links += 1;
            if link.parent.is_some_and(|parent| !till.links.contains_key(&parent)) {
                return Err(broken("a link is below no link"));
            }
        }
        let parents: Vec<_> = till.links.values().map(|link| link.parent).collect();
        for parent in parents {
            till.above(parent, |link| link.below += 1);
        }
        for (id, open) in open {
            let path = till.path(open.root, open.link)?;
            till.each(open.root, &path, |account| account.hold(&open.max));
            till.next = till.next.max(id.saturating_add(1));
            till.open.insert(id, open);
        }
        Ok(till)
    }

    /// Ends every open reservation at its most: nobody knows what a call used that a crash cut.
    ///
    /// # Errors
    /// As [`Till::load`].
    pub fn recover(&mut self) -> Result<Vec<Write>> {
        let open: Vec<_> = self.open.iter().map(|(id, open)| (*id, open.max)).collect();
        let mut writes = Vec::new();
        for (id, max) in open {
            writes.extend(self.commit(ReservationId(id), max)?.1);
        }
        Ok(writes)
    }

    /// The links from the root's first down to this one.
    pub(super) fn path(&self, root: RootKey, last: Option<LinkId>) -> Result<Vec<LinkId>> {
        let (mut path, mut next) = (Vec::new(), last);
        if !self.roots.contains_key(&root) {
            return Err(broken("a reservation is below no root"));
        }
        while let Some(id) = next {
            let link = self.links.get(&id).filter(|link| link.root == root);
            let link = link.ok_or_else(|| broken("a reservation is below no link"))?;
            path.push(id);
            if path.len() > KEY_LINKS {
                return Err(broken("a link is below itself"));
            }
            next = link.parent;
        }
        path.reverse();
        Ok(path)
    }

    /// The rows of a root and of these links.
    pub(super) fn rows(&self, key: RootKey, path: &[LinkId]) -> Vec<Write> {
        let root = self.roots.get(&key).map(|root| Row::Root {
            key,
            label: root.label.clone(),
            ceiling: root.account.limit,
            spent: root.account.spent,
            stopped: root.account.stopped,
            forgotten_ms: root.forgotten_ms,
        });
        let links = path.iter().filter_map(|id| self.link_row(*id));
        root.into_iter().chain(links).map(Write::put).collect()
    }

    pub(super) fn link_row(&self, id: LinkId) -> Option<Row> {
        let LinkAccount { account, root, parent, until_ms, budget, served, .. } =
            self.links.get(&id)?.clone();
        let Account { limit, spent, stopped, ended, .. } = account;
        Some(Row::Link { id, root, parent, limit, spent, until_ms, stopped, ended, budget, served })
    }
}
