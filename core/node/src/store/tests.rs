//! The store with a ledger behind it: what fails when, and what is still known afterwards.

use super::Store;
use super::group::{Moment, Probe};
use hubless_proto::audit::{Chain, Check, Entry, Event, Head};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::killswitch::{
    Allowance, Amount, Budget, CallId, Component, Ending, GrantId, Input, Keeping, Ledger, Now,
    Order, Output, Owner, ReservationId, Row, Share, Terms, Write,
};
use hubless_proto::limits::{AMOUNT_MAX, AUDIT_FORGOTTEN, AUDIT_ROWS, STORE_GROUP};
use hubless_proto::policy::{HourPart, HourRow, HourWrite};
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
    for name in ["store.db", "store.db-wal", "store.db-shm", "store.db.lock"] {
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
        ("PRAGMA user_version = 4", "newer_format"),
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
    drop(Store::open(&path).unwrap());
    let strange = "INSERT INTO ledger VALUES (x'01', x'ffff')";
    rusqlite::Connection::open(&path).unwrap().execute_batch(strange).unwrap();
    assert_eq!(refused(&path).code, "broken_store");
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    write(&store, some_rows()).unwrap();
    drop(store);
    // Its pages but for the first, which says what it is.
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4_096..].fill(b'x');
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(refused(&path).code, "broken_store");
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
            share: Share::Quarter,
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
                | Output::Offered(_)
                | Output::Refused { .. }
                | Output::Cancel { .. }
                | Output::Sign(_)
                | Output::SignBeacon(_)
                | Output::Tripped(_)
                | Output::Settled { .. }
                | Output::Closed { .. }
                | Output::Overrun { .. }
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

/// Everything that the log at `path` says, which holds.
fn audited(path: &Path) -> Vec<hubless_proto::audit::Row> {
    let view = super::View::open(path).unwrap();
    let (base, noted) = view.audit_ends().unwrap();
    let mut check = Check::from(base);
    let mut rows = Vec::new();
    view.audit_rows(|kept| {
        rows.push(check.row(kept.seq, &kept.row, &kept.hash).unwrap());
        true
    })
    .unwrap();
    assert_eq!(check.end().ok(), noted.or(Some(Head::START)));
    rows
}

fn pin(name: &str) -> Entry {
    Entry::of(Event::PinSet).named(name)
}

#[test]
fn the_audit_log_goes_on_where_it_ended_and_is_read_beside_its_owner() {
    let (_folder, path) = place();
    let mut seq = 0;
    for round in 1..=2 {
        let (store, contents) = Store::open_whole(&path).unwrap();
        assert_eq!(contents.past.head.seq, seq);
        let mut chain = Chain::after(contents.past.head);
        let links: Vec<_> = ["a", "b", "c"].iter().map(|name| chain.add(pin(name), 1)).collect();
        let (answer, answered) = mpsc::channel();
        let changes = links.into_iter().map(|link| super::Change::Audit(Box::new(link)));
        store.change(changes.collect(), move |result| answer.send(result).unwrap());
        answered.recv().unwrap().unwrap();
        seq += 3;
        // Its owner has it open.
        assert_eq!(audited(&path).len(), 3 * round);
    }
    assert_eq!(audited(&path).last().unwrap().entry.name, "c");
}

#[test]
fn a_store_of_the_first_version_gets_a_log_and_keeps_its_rows() {
    let (_folder, path) = place();
    let (store, _) = Store::open(&path).unwrap();
    write(&store, some_rows()).unwrap();
    drop(store);
    let older = "DROP TABLE audit; DROP TABLE audit_end; DROP TABLE usage; DROP TABLE hours; \
                 PRAGMA user_version = 1";
    rusqlite::Connection::open(&path).unwrap().execute_batch(older).unwrap();
    assert!(audited(&path).is_empty(), "read as it is, without a log");
    let (store, contents) = Store::open_whole(&path).unwrap();
    assert_eq!((contents.rows.len(), contents.past), (1, super::Past::default()));
    assert!(contents.sums.is_empty());
    drop(store);
    super::append(&path, pin("a"), 1).unwrap();
    assert_eq!(audited(&path).len(), 1);
}

#[test]
fn hours_are_kept_and_a_store_of_the_second_version_begins_with_none() {
    let (_folder, path) = place();
    let (open, spent) =
        (HourPart::Open(GrantId::from_bytes([3; 16])), HourPart::Spent { over_ms: u64::MAX });
    let row = |who: &str, part, count| HourRow { who: who.to_owned(), part, amount: tokens(count) };
    let write = |store: &Store, writes: Vec<HourWrite>| {
        let (answer, answered) = mpsc::channel();
        let changes = writes.into_iter().map(super::Change::Hour).collect();
        store.change(changes, move |result| answer.send(result).unwrap());
        answered.recv().unwrap().unwrap();
    };
    let (store, contents) = Store::open_whole(&path).unwrap();
    assert!(contents.hours.is_empty());
    let all = [row("a", open, 5), row("a", spent, AMOUNT_MAX), row("b", open, 7)];
    write(&store, all.map(HourWrite::Put).into());
    write(&store, vec![HourWrite::Put(row("a", open, 6))]);
    write(&store, vec![HourWrite::Delete("b".to_owned(), open)]);
    drop(store);
    let (store, mut contents) = Store::open_whole(&path).unwrap();
    contents.hours.sort_by_key(|row| row.part);
    assert_eq!(contents.hours, [row("a", open, 6), row("a", spent, AMOUNT_MAX)]);
    drop(store);
    let older = "DROP TABLE hours; PRAGMA user_version = 2";
    rusqlite::Connection::open(&path).unwrap().execute_batch(older).unwrap();
    assert!(Store::open_whole(&path).unwrap().1.hours.is_empty());
    let strange = "INSERT INTO hours VALUES ('a', x'01', 1, 1, 1, 1)";
    rusqlite::Connection::open(&path).unwrap().execute_batch(strange).unwrap();
    assert_eq!(Store::open_whole(&path).map(|_| ()).unwrap_err().code, "broken_store");
}

#[test]
fn several_threads_add_to_one_log_for_moments() {
    let (_folder, path) = place();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let path = &path;
            scope.spawn(move || {
                (0..5).for_each(|row| {
                    super::append(path, pin(&format!("{thread}-{row}")), 1).unwrap()
                });
            });
        }
    });
    assert_eq!(audited(&path).len(), 20);
}

#[test]
fn a_log_on_disk_forgets_its_oldest_rows_together() {
    let (_folder, path) = place();
    super::append(&path, pin("first"), 1).unwrap();
    // A log that is full but for one row: the first part of it, and its end.
    let mut chain = Chain::after(audited_head(&path));
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute_batch("BEGIN").unwrap();
    for _ in 1..AUDIT_ROWS - 1 {
        let link = chain.add(pin("x"), 1);
        let row = (i64::try_from(link.head.seq).unwrap(), &link.row, &link.head.hash[..]);
        connection
            .prepare_cached("INSERT INTO audit VALUES (?1, ?2, ?3)")
            .unwrap()
            .execute(row)
            .unwrap();
    }
    connection.execute_batch("COMMIT").unwrap();
    drop(connection);
    super::append(&path, pin("last"), 1).unwrap();
    let rows = audited(&path);
    let (first, last) = (&rows[0], rows.last().unwrap());
    assert_eq!((first.seq, last.seq), (AUDIT_FORGOTTEN + 1, AUDIT_ROWS + 1));
    assert_eq!((last.entry.kind, last.entry.count), (Event::RowsForgotten, AUDIT_FORGOTTEN));
    super::append(&path, pin("more"), 1).unwrap();
    assert_eq!(audited(&path).len(), rows.len() + 1);
}

fn audited_head(path: &Path) -> Head {
    super::View::open(path).unwrap().audit_ends().unwrap().1.unwrap()
}
