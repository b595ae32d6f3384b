//! The log of a running node, with a store that takes its time or fails.

use super::*;
use hubless_proto::audit::{Check, Link, Row};
use hubless_proto::limits::{AUDIT_FORGOTTEN, AUDIT_MEMORY, AUDIT_ROWS};

/// A store in memory that answers when it is told to.
#[derive(Default)]
struct Fake {
    links: Mutex<Vec<Link>>,
    forgotten: Mutex<Option<Head>>,
    open: Mutex<Vec<Done>>,
    /// True: it answers at once.
    prompt: bool,
    failed: Option<Error>,
}

impl Fake {
    fn keeper(self: &Arc<Self>) -> Keeper {
        let fake = Arc::clone(self);
        let keep = move |changes: Vec<Change>, done: Done| {
            if let Some(error) = &fake.failed {
                return done(Err(error.clone()));
            }
            for change in changes {
                match change {
                    Change::Audit(link) => lock(&fake.links).push(*link),
                    Change::Forget(through) => {
                        lock(&fake.links).retain(|link| link.head.seq > through.seq);
                        *lock(&fake.forgotten) = Some(through);
                    }
                    Change::Ledger(_) | Change::Till(_) | Change::Usage(_) | Change::Hour(_) => {
                        panic!("no row of the audit log")
                    }
                }
            }
            if fake.prompt { done(Ok(())) } else { lock(&fake.open).push(done) }
        };
        Keeper { keep: Box::new(keep), acks: Arc::default() }
    }

    /// Every row that it has, which hold.
    fn rows(&self) -> Vec<Row> {
        let base = lock(&self.forgotten).unwrap_or(Head::START);
        let mut check = Check::from(base);
        let links = lock(&self.links);
        let take = |link: &Link| check.row(link.head.seq, link.row.as_bytes(), &link.head.hash);
        let rows = links.iter().map(take).collect::<std::result::Result<_, _>>().unwrap();
        check.end().unwrap();
        rows
    }
}

fn log(keeper: Option<Keeper>) -> Audit {
    let audit = Audit::default();
    audit.run(keeper, Past::default(), Entry::of(Event::NodeStarted));
    audit
}

fn pin(number: usize) -> Entry {
    Entry::of(Event::PinSet).named(&number.to_string())
}

#[test]
fn what_is_said_early_comes_after_the_start() {
    let audit = Audit::default();
    audit.record(pin(1));
    audit.fold(Entry::of(Event::PeerAccepted));
    assert!(audit.in_memory().rows.is_empty());
    audit.begin(None, Entry::of(Event::NodeStarted));
    let rows = audit.in_memory().rows;
    let kinds: Vec<_> = rows.iter().map(|kept| kept.row.entry.kind).collect();
    assert_eq!(kinds, [Event::NodeStarted, Event::PinSet, Event::PeerAccepted]);
}

#[test]
fn a_store_that_is_slow_holds_nobody_up_and_what_it_misses_is_counted() {
    let fake = Arc::new(Fake::default());
    let audit = log(Some(fake.keeper()));
    let more = 10;
    (1..AUDIT_QUEUE + more).for_each(|number| audit.record(pin(number)));
    assert_eq!(fake.rows().len(), AUDIT_QUEUE);
    // As many are in memory, and go with the answers.
    assert_eq!(audit.in_memory().rows.len(), AUDIT_QUEUE);
    std::mem::take(&mut *lock(&fake.open)).into_iter().for_each(|done| done(Ok(())));
    assert!(audit.in_memory().rows.is_empty());
    audit.record(pin(0));
    let rows = fake.rows();
    let [.., lost, last] = rows.as_slice() else { panic!("{}", rows.len()) };
    assert_eq!((lost.entry.kind, lost.entry.count), (Event::RowsLost, more as u64));
    assert_eq!(last.entry.name, "0");
}

#[test]
fn a_store_that_fails_leaves_the_latest_rows_in_memory_and_they_say_what_is_lost() {
    let failed = Some(Error::new(Kind::Configuration, "no space is left"));
    let fake = Arc::new(Fake { failed, ..Fake::default() });
    let audit = log(Some(fake.keeper()));
    (0..3 * AUDIT_MEMORY).for_each(|number| audit.record(pin(number)));
    let told = audit.in_memory();
    assert!(told.failed.unwrap().contains("no space"));
    assert!(told.rows.len() <= AUDIT_MEMORY && told.rows.len() > AUDIT_MEMORY / 2);
    assert_eq!(told.rows.last().unwrap().row.entry.name, (3 * AUDIT_MEMORY - 1).to_string());
    let lost = |kept: &&crate::audit::KeptRow| kept.row.entry.kind == Event::RowsLost;
    let lost: Vec<_> = told.rows.iter().filter(lost).collect();
    assert!(lost.iter().all(|kept| kept.row.entry.count == AUDIT_MEMORY as u64 / 4));
    assert!(!lost.is_empty());
}

#[test]
fn a_node_without_a_store_keeps_the_latest_rows_and_says_where_they_begin() {
    let audit = log(None);
    (0..3 * AUDIT_MEMORY).for_each(|number| audit.record(pin(number)));
    let told = audit.in_memory();
    assert_eq!(told.failed, None);
    assert!(told.start.seq > 0 && told.rows.len() <= AUDIT_MEMORY);
    let mut check = Check::from(told.start).knowing(told.head);
    for kept in &told.rows {
        check.row(kept.head.seq, kept.text.as_bytes(), &kept.head.hash).unwrap();
    }
    assert_eq!(check.end(), Ok(told.head));
}

#[test]
fn the_oldest_rows_on_disk_are_forgotten_and_a_row_says_so() {
    let fake = Arc::new(Fake { prompt: true, ..Fake::default() });
    let audit = Audit::default();
    // As if most of a full log had been written by earlier processes.
    let at = |seq: u64| Head { seq, hash: [7; 32] };
    let marks = (1..AUDIT_ROWS / AUDIT_FORGOTTEN).map(|mark| at(mark * AUDIT_FORGOTTEN)).collect();
    let past = Past { head: at(AUDIT_ROWS - 3), base: Head::START, marks };
    audit.run(Some(fake.keeper()), past, Entry::of(Event::NodeStarted));
    audit.record(pin(1));
    assert_eq!(*lock(&fake.forgotten), None);
    audit.record(pin(2));
    assert_eq!(*lock(&fake.forgotten), Some(at(AUDIT_FORGOTTEN)));
    let rows: Vec<_> =
        lock(&fake.links).iter().map(|link| Row::decode(&link.row).unwrap()).collect();
    let said = &rows.last().unwrap().entry;
    assert_eq!((said.kind, said.count), (Event::RowsForgotten, AUDIT_FORGOTTEN));
    assert_eq!(said.reason, "07".repeat(32));
    // There is room again for as many.
    audit.record(pin(3));
    assert_eq!(rows.len() + 1, lock(&fake.links).len());
}

#[tokio::test]
async fn a_flood_is_a_few_rows_whose_counts_are_all_of_it() {
    let (fake, stop) =
        (Arc::new(Fake { prompt: true, ..Fake::default() }), CancellationToken::new());
    let audit = Arc::new(log(Some(fake.keeper())));
    let telling = {
        let (audit, stop) = (Arc::clone(&audit), stop.clone());
        tokio::spawn(async move { audit.tell_counts(&stop).await })
    };
    for by in 0..50_000 {
        audit.fold(Entry::of(Event::CallRefused).by(&format!("http:token:{}", by % 100)));
    }
    audit.end();
    stop.cancel();
    telling.await.unwrap();
    let rows = fake.rows();
    let refused = rows.iter().filter(|row| row.entry.kind == Event::CallRefused);
    assert_eq!(refused.clone().map(|row| row.entry.count).sum::<u64>(), 50_000);
    // It takes a few seconds at most, of which each has its bound.
    assert!(refused.count() < 10 * (2 * hubless_proto::limits::AUDIT_FOLDED + 1));
    assert_eq!(rows.last().unwrap().entry.kind, Event::NodeEnded);
}
