//! The till of a running gateway.

use super::held::Held;
use crate::audit::Audit;
use crate::chance::now_ms;
use crate::engine::lock;
use crate::executor::blocking;
use crate::home::Home;
use crate::keys::load_or_make;
use crate::store::{Change, Past, SharedStore};
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{Name, NodeKey, SecretKey};
use hubless_proto::killswitch::Amount;
use hubless_proto::metering::chain::{self, Chain};
use hubless_proto::metering::till::{
    AccountView, Committed, ReservationId, Root, Row, Till, Write, over,
};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

/// Folder of the stores, below the data folder.
pub(crate) const FOLDER_OF_GATEWAYS: &str = "gateways";

/// The accounts of a gateway that runs; nobody else has them open while this lives.
///
/// ```
/// use hubless::home::Home;
/// use hubless::till::{GatewayTill, Held, add_root};
/// use hubless_proto::identity::SecretKey;
/// use hubless_proto::metering::{Micros, chain::SpendKey, till::Root};
///
/// # let folder = tempfile::tempdir().unwrap();
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let home = Home::open(Some(folder.path()))?;
/// let (name, key) = ("front".parse()?, SpendKey::root(&SecretKey::from_seed([1; 32])));
/// let ceiling = Micros::new(100).unwrap();
/// let root = key.chain().root;
/// let team = Root { key: root, label: "team".into(), ceiling: ceiling.into() };
/// add_root(&home, &name, team).await?;
/// let till = GatewayTill::open(&home, &name).await?;
/// let held: Held = till.reserve(key.chain(), ceiling).await?;
/// // ... the provider is called ...
/// held.settle(Micros::new(10).unwrap()).await?;
/// assert_eq!(till.accounts()[0].spent, Micros::new(10).unwrap().into());
/// till.close().await?;
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
pub struct GatewayTill {
    store: Arc<SharedStore>,
    pub(super) till: Mutex<Till>,
    /// Fire when an open call is to be cut.
    pub(super) cuts: Mutex<BTreeMap<ReservationId, CancellationToken>>,
    pub(super) audit: Audit,
    name: Name,
    /// Signs receipts.
    pub(super) signer: SecretKey,
}

impl GatewayTill {
    /// Opens the till of the gateway of this name; makes it when there is none. What was open when
    /// its process died is charged at its most.
    ///
    /// # Errors
    /// `conflict`, code `locked`: another process has it; `configuration`: as those of a store.
    pub async fn open(home: &Home, name: &Name) -> Result<Arc<Self>> {
        let started = Entry::of(Event::NodeStarted).named(name.as_str());
        Self::begin(home, name, |_| Ok((Vec::new(), started))).await
    }

    /// Opens it, does one thing, and writes that down as the first row of the audit log.
    pub(super) async fn begin(
        home: &Home,
        name: &Name,
        first: impl FnOnce(&mut Till) -> Result<(Vec<Write>, Entry)>,
    ) -> Result<Arc<Self>> {
        let (home, kept) = (home.clone(), name.clone());
        let opening = move || {
            let (store, rows) = open(&home, &kept)?;
            // Under the lock of the store: nobody else makes it.
            let signer = load_or_make(&place(&home, &kept)?.with_extension("key"))?;
            Ok::<_, Error>((store, rows, signer))
        };
        let (store, (rows, past), signer) = blocking(opening).await?;
        let mut till = Till::load(rows)?;
        let mut writes = till.recover()?;
        let (more, entry) = first(&mut till)?;
        writes.extend(more);
        let opened = Self {
            store: Arc::new(store),
            till: Mutex::new(till),
            cuts: Mutex::default(),
            audit: Audit::default(),
            name: name.clone(),
            signer,
        };
        opened.durable(writes).await?;
        opened.audit.begin(Some((Arc::clone(&opened.store), past)), entry);
        Ok(Arc::new(opened))
    }

    /// The chain of a key that a caller shows. What is refused is in the audit log, with `by` whom.
    ///
    /// # Errors
    /// `auth`: code `bad_chain`, `unknown_root` or `expired`.
    pub fn admit(&self, key: &str, by: &str) -> Result<Chain> {
        let known = chain::verify(key, |root| lock(&self.till).knows(root));
        let chain = known.and_then(|chain| chain.check_time(now_ms()).map(|()| chain));
        chain.inspect_err(|error| self.note_key(by, error))
    }

    /// Sets aside the most that a call can take of each component; durable when this returns. What
    /// is refused for want of it is in the audit log.
    ///
    /// # Errors
    /// As [`Till::reserve`], `killed` as well for a key that ends meanwhile; `configuration`: what
    /// the store says.
    ///
    /// # Cancellation
    /// Nothing is charged.
    pub async fn reserve(self: &Arc<Self>, chain: &Chain, max: impl Into<Amount>) -> Result<Held> {
        let max = max.into();
        let reserved = {
            let mut till = lock(&self.till);
            let reserved = till.reserve(chain, max, now_ms());
            // Under the lock: rows are handed over in the order of what they say.
            reserved.map(|(id, writes)| {
                let cut = CancellationToken::new();
                lock(&self.cuts).insert(id, cut.clone());
                (id, cut, self.write(writes))
            })
        };
        let (id, cut, written) = reserved.inspect_err(|error| self.note_refused(chain, error))?;
        let mut held = Held::new(Arc::clone(self), id, cut, key_name(chain));
        answer(written).await?;
        if held.is_cut() {
            held.settle(Amount::ZERO).await?;
            return Err(over());
        }
        held.arm(max);
        Ok(held)
    }

    /// Writes into the audit log that a caller was refused.
    pub fn note_key(&self, by: &str, why: &Error) {
        let entry = Entry::of(Event::KeyRefused).by(by).named(self.name.as_str());
        self.audit.fold(entry.refused(why));
    }

    /// Writes into the audit log that the holder of a key was refused something else than money.
    pub fn note_holder(&self, chain: &Chain, why: &Error) {
        self.note_key(&key_name(chain), why);
    }

    /// Every account: each root before its links.
    pub fn accounts(&self) -> Vec<AccountView> {
        lock(&self.till).accounts()
    }

    /// The key that its receipts hold under; it stays the same as long as the accounts are kept.
    pub fn signer(&self) -> NodeKey {
        self.signer.node_key()
    }

    /// The gateway's name.
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Tells the audit log how often others caused the same, until `stop`.
    pub async fn tell_counts(&self, stop: &CancellationToken) {
        self.audit.tell_counts(stop).await;
    }

    /// Ends the audit log and lets the store go, once what waits is written.
    ///
    /// # Errors
    /// `internal` when the store's thread panicked.
    pub async fn close(&self) -> Result<()> {
        self.audit.end();
        self.release().await
    }

    pub(super) async fn release(&self) -> Result<()> {
        let store = Arc::clone(&self.store);
        blocking(move || {
            store.close();
            Ok(())
        })
        .await
    }

    /// Charges what a call used; the answer comes when it is durable.
    pub(super) fn settle(
        &self,
        id: ReservationId,
        (key, used): (&str, Amount),
        call: Option<(&str, &str)>,
    ) -> Result<(Committed, oneshot::Receiver<Result<()>>)> {
        let (outcome, written) = {
            let mut till = lock(&self.till);
            lock(&self.cuts).remove(&id);
            let (outcome, writes) = till.commit_call(id, used, call)?;
            (outcome, self.write(writes))
        };
        if outcome == Committed::Overrun {
            let entry = Entry::of(Event::ProviderOverrun).by(key).named(self.name.as_str());
            self.audit.record(entry.spent(&used));
            tracing::warn!(key, ?used, "a provider took more than was set aside; key stopped");
        }
        Ok((outcome, written))
    }

    fn note_refused(&self, chain: &Chain, error: &Error) {
        let key = key_name(chain);
        let poor = matches!(error.kind, Kind::BudgetExhausted | Kind::Killed);
        let event = if poor { Event::KeyExhausted } else { Event::KeyRefused };
        let entry = Entry::of(event).by(&key).named(self.name.as_str());
        self.audit.fold(entry.refused(error));
    }

    pub(super) fn write(&self, writes: Vec<Write>) -> oneshot::Receiver<Result<()>> {
        let (sender, receiver) = oneshot::channel();
        let changes = writes.into_iter().map(Change::Till).collect();
        self.store.change(changes, move |result| {
            // Who waited may have gone.
            let _ = sender.send(result);
        });
        receiver
    }

    async fn durable(&self, writes: Vec<Write>) -> Result<()> {
        answer(self.write(writes)).await
    }
}

impl fmt::Debug for GatewayTill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GatewayTill").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What the store said.
pub(super) async fn answer(written: oneshot::Receiver<Result<()>>) -> Result<()> {
    let gone = |_| Err(Error::new(Kind::Internal, "the store ended without an answer"));
    written.await.unwrap_or_else(gone)
}

/// Where the store of a gateway is.
pub(super) fn place(home: &Home, name: &Name) -> Result<PathBuf> {
    let folders = home.folders().ok_or_else(|| {
        let message = "a gateway keeps its accounts in a data folder; set HUBLESS_HOME";
        Error::new(Kind::Configuration, message).with_code("memory_only")
    })?;
    Ok(folders.data().join(FOLDER_OF_GATEWAYS).join(format!("{name}.db")))
}

fn open(home: &Home, name: &Name) -> Result<(SharedStore, (Vec<Row>, Past))> {
    let path = place(home, name)?;
    if let Some(folders) = home.folders() {
        folders.make_below_data(Path::new(FOLDER_OF_GATEWAYS))?;
    }
    SharedStore::open_till(path)
}

/// What a key is called where people read: its last link, or its root.
pub(super) fn key_name(chain: &Chain) -> String {
    match chain.links.last() {
        Some(link) => format!("link:{}", link.id),
        None => format!("root:{}", chain.root),
    }
}

/// The row that says that a root was registered.
pub(super) fn root_added(root: &Root) -> Entry {
    // Of what is not limited there is nothing to say.
    let ceiling = root.ceiling.held();
    Entry::of(Event::GatewayRootAdded).named(&root.key.to_string()).spent(&ceiling)
}
