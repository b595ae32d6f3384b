//! The accounts as one machine.

use super::account::{Account, AccountView, LinkAccount, Root, RootAccount, Served};
use super::ends::{Tripped, over};
use super::row::{Row, RowKey, Write, broken};
use crate::error::{Error, Kind, Result};
use crate::identity::RootKey;
use crate::killswitch::{Amount, BudgetId, Component};
use crate::limits::{NAME_CHARS, TILL_RESERVATIONS, TILL_ROOTS};
use crate::metering::chain::{Chain, Link, LinkId};
use std::collections::BTreeMap;

/// The number of a reservation; a till never gives one twice while it lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReservationId(pub(super) u64);

/// What became of a reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    /// No more was used than was set aside.
    Within,
    /// The provider took more of a component: all of it is charged, and the key that paid is
    /// stopped, with those below it.
    Overrun,
}

/// The accounts of a gateway.
///
/// ```
/// use hubless_proto::identity::SecretKey;
/// use hubless_proto::metering::{Micros, chain::SpendKey, till::{Committed, Root, Till}};
///
/// let micros = |value| Micros::new(value).unwrap();
/// let key = SpendKey::root(&SecretKey::from_seed([1; 32]));
/// let ceiling = micros(100).into();
/// let root = Root { key: key.chain().root, label: "team".into(), ceiling };
/// let mut till = Till::default();
/// till.add(root)?;
/// let (first, rows) = till.reserve(key.chain(), micros(60), 0)?;
/// assert_eq!(rows.len(), 1, "it is durable before the provider is called");
/// assert_eq!(till.reserve(key.chain(), micros(60), 0).unwrap_err().code, "budget_exhausted");
/// let (outcome, _) = till.commit(first, micros(10))?;
/// assert_eq!(outcome, Committed::Within);
/// assert!(till.reserve(key.chain(), micros(60), 0).is_ok());
/// # Ok::<(), hubless_proto::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Till {
    pub(super) roots: BTreeMap<RootKey, RootAccount>,
    pub(super) links: BTreeMap<LinkId, LinkAccount>,
    pub(super) open: BTreeMap<u64, Open>,
    /// Budgets that were stopped.
    pub(super) trips: BTreeMap<BudgetId, Tripped>,
    pub(super) next: u64,
}

/// An open reservation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Open {
    pub(super) root: RootKey,
    /// Last link of the chain; none: the root's own key.
    pub(super) link: Option<LinkId>,
    pub(super) max: Amount,
}

impl Till {
    /// Registers a root.
    ///
    /// # Errors
    /// `conflict`, code `root_exists`; `invalid_argument`: a label that is too long;
    /// `too_large`, limit `TILL_ROOTS`.
    pub fn add(&mut self, root: Root) -> Result<Vec<Write>> {
        if root.label.len() > NAME_CHARS {
            let error = Error::invalid("label", format!("expected at most {NAME_CHARS} bytes"));
            return Err(error.with_limit("NAME_CHARS", NAME_CHARS as u64));
        }
        if self.roots.contains_key(&root.key) {
            let message = "expected a root that is not registered yet";
            return Err(Error::new(Kind::Conflict, message).with_code("root_exists"));
        }
        if self.roots.len() >= TILL_ROOTS {
            let message = format!("expected at most {TILL_ROOTS} roots");
            let error = Error::new(Kind::TooLarge, message).with_code("roots");
            return Err(error.with_limit("TILL_ROOTS", TILL_ROOTS as u64));
        }
        let Root { key, label, ceiling } = root;
        let account = Account::new(ceiling.with(Component::Calls, None));
        self.roots.insert(key, RootAccount { account, label, links: 0, forgotten_ms: 0 });
        Ok(self.rows(key, &[]))
    }

    /// Takes a root out, with all that is known of the links below it.
    ///
    /// # Errors
    /// `not_found`, code `unknown_root`; `conflict`, code `open_calls`, while calls are open.
    pub fn remove(&mut self, key: &RootKey) -> Result<Vec<Write>> {
        if self.open.values().any(|open| open.root == *key) {
            let message = "calls are open below this root";
            return Err(Error::new(Kind::Conflict, message).with_code("open_calls"));
        }
        if self.roots.remove(key).is_none() {
            let message = "expected a root that is registered here";
            return Err(Error::new(Kind::NotFound, message).with_code("unknown_root"));
        }
        let below = self.links.iter().filter(|(_, link)| link.root == *key);
        let below: Vec<_> = below.map(|(id, _)| *id).collect();
        let mut writes = vec![Write::Delete(RowKey::Root(*key))];
        for id in below {
            self.links.remove(&id);
            writes.push(Write::Delete(RowKey::Link(id)));
        }
        Ok(writes)
    }

    /// True for a root that is registered.
    pub fn knows(&self, key: &RootKey) -> bool {
        self.roots.contains_key(key)
    }

    /// Sets aside the most that a call can take of each component, at every link of a verified
    /// chain and at its root; the writes are to be durable before the call begins. Calls are not
    /// counted.
    ///
    /// # Errors
    /// `auth`: code `unknown_root`, `expired` or `bad_chain`; `killed`: a key that was ended, or
    /// whose budget was stopped, and code `stopped`: one whose provider took more than was set
    /// aside; `budget_exhausted`, code `budget_exhausted`:
    /// it does not fit; `busy`: limit `TILL_LINKS`, `TILL_LINK_SHARE` or
    /// `TILL_RESERVATIONS`.
    pub fn reserve(
        &mut self,
        chain: &Chain,
        max: impl Into<Amount>,
        now_ms: u64,
    ) -> Result<(ReservationId, Vec<Write>)> {
        let max = counted(max.into());
        self.admit(chain, now_ms)?;
        self.check_room(chain, &max)?;
        if self.open.len() >= TILL_RESERVATIONS {
            let error = Error::refusal(Kind::Busy, "calls", "too many calls are open");
            return Err(error.with_limit("TILL_RESERVATIONS", TILL_RESERVATIONS as u64));
        }
        let mut writes = self.open_accounts(chain, now_ms)?;
        let link = chain.links.last().map(|link| link.id);
        let path: Vec<_> = chain.links.iter().map(|link| link.id).collect();
        self.each(chain.root, &path, |account| account.hold(&max));
        let id = self.next;
        self.next += 1;
        let open = Open { root: chain.root, link, max };
        writes.push(Write::put(Row::Open { id, root: open.root, link: open.link, max }));
        self.open.insert(id, open);
        Ok((ReservationId(id), writes))
    }

    /// Ends a reservation: what was used is charged at every link and at the root.
    ///
    /// # Errors
    /// `not_found`: it has ended.
    pub fn commit(
        &mut self,
        id: ReservationId,
        used: impl Into<Amount>,
    ) -> Result<(Committed, Vec<Write>)> {
        self.commit_call(id, used, None)
    }

    /// The same for a call that a provider was asked for: its model, and what the provider calls
    /// it.
    ///
    /// # Errors
    /// As [`Till::commit`].
    pub fn commit_call(
        &mut self,
        id: ReservationId,
        used: impl Into<Amount>,
        call: Option<(&str, &str)>,
    ) -> Result<(Committed, Vec<Write>)> {
        let used = counted(used.into());
        let gone = || Error::new(Kind::NotFound, "the reservation has ended");
        let Open { root, link, max } = self.open.remove(&id.0).ok_or_else(gone)?;
        let path = self.path(root, link)?;
        self.each(root, &path, |account| account.pay(&max, &used));
        if let Some((model, request)) = call.filter(|_| !used.is_zero()) {
            self.serve(&path, model, request);
        }
        let within = used.is_within(&max);
        let outcome = if within { Committed::Within } else { Committed::Overrun };
        if outcome == Committed::Overrun {
            match link.and_then(|link| self.links.get_mut(&link)) {
                Some(link) => link.account.stopped = true,
                None => self.root(root)?.account.stopped = true,
            }
        }
        let mut writes = vec![Write::Delete(RowKey::Open(id.0))];
        writes.extend(self.rows(root, &path));
        writes.extend(self.drop_blank(root, &path)?);
        Ok((outcome, writes))
    }

    /// What was paid by a link, as far as it is known.
    pub fn served(&self, link: &LinkId) -> Served {
        self.links.get(link).map(|link| link.served.clone()).unwrap_or_default()
    }

    fn serve(&mut self, path: &[LinkId], model: &str, request: &str) {
        for id in path {
            if let Some(link) = self.links.get_mut(id) {
                let calls = link.served.calls.saturating_add(1);
                let (model, request) = (model.to_owned(), request.to_owned());
                link.served = Served { calls, model, request };
            }
        }
    }

    /// Every account: each root before its links.
    pub fn accounts(&self) -> Vec<AccountView> {
        let mut all = Vec::new();
        for (key, root) in &self.roots {
            all.push(root.account.view(*key, &root.label));
            let links = self.links.iter().filter(|(_, link)| link.root == *key);
            all.extend(links.map(|(id, link)| link.view(*id)));
        }
        all
    }

    /// The account of the root of a chain.
    pub(super) fn root_of(&self, chain: &Chain) -> Result<&RootAccount> {
        self.roots.get(&chain.root).ok_or_else(|| {
            let message = "expected a key of a root that is registered here";
            Error::refusal(Kind::Auth, "unknown_root", message)
        })
    }

    fn admit(&self, chain: &Chain, now_ms: u64) -> Result<()> {
        let root = self.root_of(chain)?;
        // A clock that is set back does not bring back what was forgotten.
        chain.check_time(now_ms.max(root.forgotten_ms))
    }

    fn check_room(&self, chain: &Chain, max: &Amount) -> Result<()> {
        let known = |link: &Link| {
            let known = self.links.get(&link.id).map(|link| link.account.clone());
            known.unwrap_or_else(|| Account::new(link.limit))
        };
        let root = self.roots.get(&chain.root).map(|root| root.account.clone());
        let accounts: Vec<_> = root.into_iter().chain(chain.links.iter().map(known)).collect();
        if self.is_stopped(chain) || accounts.iter().any(|account| account.ended) {
            return Err(over());
        }
        if accounts.iter().any(|account| account.stopped) {
            let message = "the key is stopped: a provider took more than was set aside";
            return Err(Error::refusal(Kind::Killed, "stopped", message));
        }
        let Some(lacking) = accounts.iter().find_map(|account| account.lacks(max)) else {
            return Ok(());
        };
        let (much, name) = (max.of(lacking), lacking.name());
        let message = format!("the call may take {much} of {name}, more than the key has left");
        Err(Error::refusal(Kind::BudgetExhausted, "budget_exhausted", message))
    }

    /// An account for each link of a chain that has none.
    pub(super) fn open_accounts(&mut self, chain: &Chain, now_ms: u64) -> Result<Vec<Write>> {
        let mut writes = self.make_place(chain, now_ms)?;
        let mut parent = None;
        for link in &chain.links {
            if !self.links.contains_key(&link.id) {
                writes.extend(self.open_account(chain.root, parent, link)?);
            }
            parent = Some(link.id);
        }
        Ok(writes)
    }

    fn open_account(
        &mut self,
        root: RootKey,
        parent: Option<LinkId>,
        link: &Link,
    ) -> Result<Option<Write>> {
        let (account, until_ms) = (Account::new(link.limit), link.until_ms);
        let budget = link.budget;
        let served = Served::default();
        let link_account =
            LinkAccount { account, root, parent, until_ms, budget, served, below: 0 };
        self.links.insert(link.id, link_account);
        self.root(root)?.links += 1;
        self.above(parent, |link| link.below += 1);
        Ok(self.link_row(link.id).map(Write::put))
    }

    pub(super) fn each(
        &mut self,
        root: RootKey,
        path: &[LinkId],
        mut change: impl FnMut(&mut Account),
    ) {
        if let Some(root) = self.roots.get_mut(&root) {
            change(&mut root.account);
        }
        for id in path {
            if let Some(link) = self.links.get_mut(id) {
                change(&mut link.account);
            }
        }
    }

    pub(super) fn root(&mut self, key: RootKey) -> Result<&mut RootAccount> {
        self.roots.get_mut(&key).ok_or_else(|| broken("there is no such root"))
    }
}

/// What is counted of an amount: all but calls, which nobody limits here.
fn counted(amount: Amount) -> Amount {
    amount.with(Component::Calls, 0).unwrap_or(amount)
}
