//! The store with a ledger behind it: what fails when, and what is still known afterwards.

use super::Store;
use super::group::{Moment, Probe};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::killswitch::{
    Allowance, Amount, Budget, CallId, Component, Ending, GrantId, Input, Keeping, Ledger, Now,
    Order, Output, Owner, ReservationId, Row, Terms, Write,
};
use hubless_proto::limits::STORE_GROUP;
use hubless_proto::wire::words::{RefundPolicy, Spends};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use tempfile::TempDir;

const NODE: NodeKey = NodeKey::from_bytes([1; 32]);
const ABROAD: NodeKey = NodeKey::from_bytes([2; 32]);
const CEILING: u64 = 1_000;

fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    (folder, path)
}

fn owner(instance: u64) -> Owner {
    Owner { node: NODE, instance, keeping: Keeping::Durable }
}

fn budget() -> Budget {
    let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(CEILING));
    Budget::new(NODE, [7; 16], Terms::of(ceiling), 0)
}

fn tokens(count: u64) -> Amount {
    Amount::ZERO.with(Component::OutputTokens, count).unwrap()
}

/// Rows that a ledger wrote for one budget.
fn some_rows() -> Vec<Write> {
    let mut ledger = Ledger::new(owner(1));
    ledger.handle(Input::Open(budget()), Now::default());
    match ledger.poll_output() {
        Some(Output::Persist { writes, .. }) => writes,
        other => panic!("{other:?}"),
    }
}

/// Writes and waits for the answer.
fn write(store: &Store, writes: Vec<Write>) -> Result<()> {
    let (answer, answered) = mpsc::channel();
    store.write(writes, move |result| answer.send(result).unwrap());
    match answered.recv() {
        Ok(result) => result,
        Err(gone) => panic!("never answered: {gone}"),
    }
}

fn refused(path: &Path) -> Error {
    Store::open(path).map(|_| ()).unwrap_err()
}

#[test]
fn what_was_written_is_there_and_only_its_owner_reads_it() {
    let (_folder, path) = place();
    let (store, rows) = Store::open(&path).unwrap();
    assert!(rows.is_empty());
    write(&store, some_rows()).unwrap();
    for name in ["store.db", "store.db-wal", "store.db.lock"] {
        let meta = std::fs::metadata(path.with_file_name(name)).unwrap();
        assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{name}");
    }
    drop(store);
    let (store, rows) = Store::open(&path).unwrap();
    let [row]: [Write; 1] = some_rows().try_into().unwrap();
    let Write::Put(row) = row else { panic!("expected a row") };
    assert_eq!(rows, [(*row).clone()]);
    write(&store, vec![Write::Delete(row.key())]).unwrap();
    drop(store);
    assert!(Store::open(&path).unwrap().1.is_empty());
}

#[test]
fn one_process_has_it_open() {
    let (_folder, path) = place();
    let held = Store::open(&path).unwrap();
    let error = refused(&path);
    assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "locked"));
    drop(held);
    assert!(Store::open(&path).is_ok());
}

#[test]
fn what_is_not_a_store_of_this_version_is_refused_and_left_alone() {
    let bad = [
        ("PRAGMA user_version = 2", "newer_format"),
        ("PRAGMA application_id = 5", "not_a_store"),
        ("PRAGMA application_id = 0; PRAGMA user_version = 0", "not_a_store"),
    ];
    for (change, code) in bad {
        let (_folder, path) = place();
        drop(Store::open(&path).unwrap());
        rusqlite::Connection::open(&path).unwrap().execute_batch(change).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = refused(&path);
        assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, code), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
    let (_folder, path) = place();
    std::fs::write(&path, vec![b'x'; 4_096]).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(refused(&path).code, "not_a_store");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert_eq!(refused(&path).code, "readable_by_others");
}

#[test]
fn what_waits_becomes_one_commit_and_is_answered_after_it() {
    let (_folder, path) = place();
    let (go, going) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let seen = tell.clone();
    let probe: Probe = Box::new(move |moment| {
        if moment == Moment::Begin {
            // The first group holds the thread until the others wait.
            going.recv().unwrap();
        }
        seen.send(format!("{moment:?}")).unwrap();
        Ok(())
    });
    let (store, _) = Store::watched(&path, 100, probe).unwrap();
    for number in 0..9 {
        let tell = tell.clone();
        store.write(some_rows(), move |result| tell.send(format!("{number} {result:?}")).unwrap());
        while number == 0 && store.waiting() > 0 {
            // The first is taken alone.
            std::thread::yield_now();
        }
    }
    (0..2).for_each(|_| go.send(()).unwrap());
    drop((store, tell));
    let all: Vec<String> = told.iter().collect();
    let commits: Vec<usize> = (0..all.len()).filter(|at| all[*at] == "Committed").collect();
    let answers: Vec<usize> = (0..all.len()).filter(|at| all[*at].ends_with("Ok(())")).collect();
    assert_eq!((commits.len(), answers.len()), (2, 9), "{all:?}");
    assert!(commits[0] < answers[0] && answers[0] < commits[1] && commits[1] < answers[1]);
}

#[test]
fn a_commit_holds_no_more_than_its_bound() {
    let (_folder, path) = place();
    let (go, going) = mpsc::channel::<()>();
    let (tell, told) = mpsc::channel();
    let probe: Probe = Box::new(move |moment| {
        if moment == Moment::Begin {
            going.recv().unwrap();
        }
        tell.send(moment).unwrap();
        Ok(())
    });
    let (store, _) = Store::watched(&path, STORE_GROUP + 1, probe).unwrap();
    store.write(some_rows(), |_| {});
    while store.waiting() > 0 {
        std::thread::yield_now();
    }
    (0..=STORE_GROUP).for_each(|_| store.write(Vec::new(), |_| {}));
    (0..3).for_each(|_| go.send(()).unwrap());
    drop((store, go));
    let commits = told.iter().filter(|moment| *moment == Moment::Committed).count();
    assert_eq!(commits, 3, "one alone, as many as fit, and one that did not");
}

#[test]
fn a_queue_that_is_full_fails_the_store_for_good() {
    let (_folder, path) = place();
    let (go, going) = mpsc::channel::<()>();
    let probe: Probe = Box::new(move |moment| {
        if moment == Moment::Begin {
            going.recv().unwrap();
        }
        Ok(())
    });
    let (store, _) = Store::watched(&path, 2, probe).unwrap();
    let (answer, answered) = mpsc::channel();
    for number in 0..3 {
        let answer = answer.clone();
        store.write(some_rows(), move |result| answer.send(result.is_ok()).unwrap());
        while number == 0 && store.waiting() > 0 {
            std::thread::yield_now();
        }
    }
    let error = write(&store, some_rows()).unwrap_err();
    assert_eq!((error.kind, error.limit.unwrap().name.as_ref()), (Kind::Busy, "STORE_QUEUE"));
    go.send(()).unwrap();
    drop((store, answer));
    assert_eq!(answered.iter().collect::<Vec<_>>(), [true, false, false]);
}

/// A node that spends: its ledger and store, and what was seen outside of both.
struct Spender {
    ledger: Ledger,
    store: Store,
    /// False: it does not wait for the store, as none may do.
    is_patient: bool,
    /// What a call of the provider costs.
    price: u64,
    spent: u64,
    abroad: Vec<GrantId>,
    next: u8,
}

impl Spender {
    fn new(path: &Path, probe: Probe, is_patient: bool) -> Self {
        let (store, rows) = Store::watched(path, 100, probe).unwrap();
        let ledger = Ledger::recover(owner(1), rows, Now::default()).unwrap();
        Self { ledger, store, is_patient, price: 0, spent: 0, abroad: Vec::new(), next: 0 }
    }

    /// Does everything once; none: the store failed on the way.
    fn live(&mut self) -> Option<()> {
        let root = budget().origin.account();
        self.input(Input::Open(budget()))?;
        for round in 1..=3 {
            let inside = self.cut(root, NODE)?;
            self.cut(root, ABROAD)?;
            for grant in [root, inside] {
                let id = ReservationId::from_bytes(self.fresh());
                self.price = if round < 3 { 7 } else { 10 };
                self.input(Input::Reserve { grant, id, most: tokens(10) })?;
                // Of the last ones nobody learns what they cost.
                let used = (round < 3).then(|| tokens(7));
                self.input(Input::Commit { grant, id, used, receipt: None })?;
            }
            self.input(Input::Finish { grant: inside, ending: Ending::Ran })?;
        }
        Some(())
    }

    fn cut(&mut self, from: GrantId, audience: NodeKey) -> Option<GrantId> {
        let id = GrantId::from_bytes(self.fresh());
        let order = Order {
            id,
            audience,
            agent: AgentId::from_bytes([9; 32]),
            call_id: CallId::from_bytes(self.fresh()),
            attempt: 1,
            max: Allowance::exactly(&tokens(50)).with(Component::Calls, None),
            hint: Allowance::UNLIMITED,
            spends: Spends::Tokens,
            refund: RefundPolicy::Signed,
            detached_until_ms: None,
        };
        self.input(Input::Cut { from, order })?;
        Some(id)
    }

    fn fresh(&mut self) -> [u8; 16] {
        self.next += 1;
        [self.next; 16]
    }

    fn input(&mut self, input: Input) -> Option<()> {
        self.ledger.handle(input, Now::default());
        while let Some(output) = self.ledger.poll_output() {
            match output {
                Output::Persist { seq, writes } => {
                    let written = write(&self.store, writes);
                    if self.is_patient && written.is_err() {
                        return None;
                    }
                    self.ledger.handle(Input::Persisted { seq }, Now::default());
                }
                Output::Reserved { .. } => self.spent += self.price,
                Output::Granted(grant) if grant.audience == ABROAD => self.abroad.push(grant.id),
                Output::Granted(_)
                | Output::Send { .. }
                | Output::Opened { .. }
                | Output::Held(_)
                | Output::Refused { .. }
                | Output::Cancel { .. }
                | Output::Sign(_)
                | Output::Tripped(_)
                | Output::Settled { .. }
                | Output::Closed { .. }
                | Output::Audit { .. } => {}
            }
        }
        Some(())
    }
}

/// What a restart does not know of what was seen outside; none: nothing.
fn forgotten(path: &Path, spent: u64, abroad: &[GrantId]) -> Option<String> {
    let (_store, rows): (Store, Vec<Row>) = Store::open(path).unwrap();
    let ledger = Ledger::recover(owner(2), rows, Now::default()).unwrap();
    let root = budget().origin.account();
    let Some(view) = ledger.view(&root) else {
        return (spent > 0 || !abroad.is_empty()).then(|| "the budget".to_owned());
    };
    let cuts = ledger.cuts(&root);
    for id in abroad {
        let cut = cuts.iter().find(|cut| cut.grant == *id);
        if cut.is_none_or(|cut| count(&cut.charged) < 50) {
            return Some(format!("grant {id}: {cut:?}"));
        }
    }
    let far = cuts.iter().filter(|cut| cut.audience == ABROAD);
    let far: u64 = far.map(|cut| count(&cut.charged)).sum();
    let charged = count(&view.used) + count(&view.held) - far;
    (charged < spent).then(|| format!("{spent} was spent, {charged} is charged"))
}

fn count(amount: &Amount) -> u64 {
    amount.of(Component::OutputTokens)
}

/// Lives with a store that fails at its operation `at` and ever after; whether it got to the end,
/// and what was forgotten.
fn live_until(at: u64, is_patient: bool) -> (bool, Option<String>) {
    let (_folder, path) = place();
    let mut done = 0;
    let probe: Probe = Box::new(move |_| {
        done += 1;
        let gone = Error::new(Kind::Internal, "the disk is gone");
        if done > at { Err(gone) } else { Ok(()) }
    });
    let mut spender = Spender::new(&path, probe, is_patient);
    let ended = spender.live().is_some();
    let Spender { spent, abroad, store, .. } = spender;
    drop(store);
    assert!(!ended || (spent, abroad.len()) == (48, 3));
    (ended, forgotten(&path, spent, &abroad))
}

#[test]
fn a_store_that_fails_at_any_operation_loses_no_grant_and_forgets_no_spending() {
    let mut at = 0;
    loop {
        let (ended, forgotten) = live_until(at, true);
        assert_eq!(forgotten, None, "failed at operation {at}");
        if ended {
            break;
        }
        at += 1;
    }
    println!("store: failed at each of {at} operations");
    assert!(at > 50, "only {at} operations");
    // The control: with a ledger that does not wait for its store the same history forgets.
    let forgot = (0..at).filter(|at| live_until(*at, false).1.is_some()).count();
    assert!(forgot > 0, "the control forgot nothing");
}
