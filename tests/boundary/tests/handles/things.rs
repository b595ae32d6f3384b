//! Things behind handles: taken once, never another one's, none left after the end.

use crate::handles;
use crate::schedules::{breaks, holds};
use crate::sync::{Arc, AtomicUsize as Switched, Ordering};
use crate::table::{self, Table};
use hubless_proto::Kind;
use shuttle::thread;
use std::sync::atomic::AtomicUsize;

/// Counts how often it is let go of.
struct Thing(Arc<AtomicUsize>);

impl Drop for Thing {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counter() -> Arc<AtomicUsize> {
    Arc::new(AtomicUsize::new(0))
}

/// A handle of C, with the type that its table is asked with.
fn pointer(id: usize) -> *const u8 {
    handles::handle::<u8>(id)
}

#[test]
fn a_thing_is_taken_by_one_of_two() {
    holds(|| {
        let before = table::handles();
        let table = Arc::new(Table::new("call"));
        let id = table.insert("thing");
        let other = Arc::clone(&table);
        let taker = thread::spawn(move || other.remove(id).is_ok());
        let here = table.remove(id);
        let there = taker.join().unwrap();
        assert!(here.is_ok() != there, "each of two took it, or none");
        assert_eq!(table.get(id).map_err(|error| error.kind), Err(Kind::InvalidArgument));
        assert_eq!(table::handles(), before);
    });
}

#[test]
fn a_handle_means_one_thing_whatever_is_put_beside_it() {
    holds(|| {
        let table = Arc::new(Table::new("call"));
        let id = table.insert(1);
        let other = Arc::clone(&table);
        let writer = thread::spawn(move || {
            assert_eq!(other.take(id), Some(1));
            let again = other.insert(2);
            assert_ne!(again, id);
            again
        });
        // Before it is taken or not at all: never what came after it.
        assert!(table.get(id).is_ok_and(|thing| thing == 1) || !table.has(id));
        assert_eq!(table.get(writer.join().unwrap()), Ok(2));
    });
}

#[test]
fn what_is_cleared_is_taken_once_and_counted_down() {
    holds(|| {
        let before = table::handles();
        let gone = counter();
        let table = Arc::new(Table::new("body"));
        let first = table.insert(Arc::new(Thing(Arc::clone(&gone))));
        let other = Arc::clone(&table);
        let second = Arc::new(Thing(Arc::clone(&gone)));
        let user = thread::spawn(move || {
            let id = other.insert(second);
            drop(other.take(first));
            drop(other.take(id));
        });
        drop(table.clear());
        user.join().unwrap();
        drop(table.clear());
        assert_eq!((gone.load(Ordering::SeqCst), table::handles()), (2, before));
    });
}

#[test]
fn what_is_freed_twice_at_once_is_freed_once() {
    holds(|| {
        let gone = counter();
        let table = Arc::new(handles::Table::new("reply"));
        let (id, kept) = table.insert(Thing(Arc::clone(&gone)));
        drop(kept);
        let other = Arc::clone(&table);
        let freer = thread::spawn(move || other.remove(pointer(id)).is_ok());
        // Whoever uses it meanwhile has it to the end of that use.
        let used = table.get(pointer(id)).map(|thing| thing.0.load(Ordering::SeqCst));
        let freed = table.remove(pointer(id)).is_ok();
        assert!(used.is_err() || used.is_ok_and(|gone| gone == 0), "it was gone while it was used");
        assert!(freed != freer.join().unwrap());
        assert_eq!(gone.load(Ordering::SeqCst), 1);
    });
}

/// How a thing of an owner is kept that may be closed at that moment.
type Keep = fn(&handles::Table<Thing>, Thing, &Switched) -> Option<usize>;

fn nothing_outlives_its_owner(keep: Keep) {
    let gone = counter();
    let table = Arc::new(handles::Table::new("body"));
    // The others may run whenever this one is asked.
    let closed = Arc::new(Switched::new(0));
    let (other, told) = (Arc::clone(&table), Arc::clone(&closed));
    let closer = thread::spawn(move || {
        told.store(1, Ordering::SeqCst);
        drop(other.take_all(|_| true));
    });
    let kept = keep(&table, Thing(Arc::clone(&gone)), &closed);
    closer.join().unwrap();
    let handle = kept.map(|id| table.get(pointer(id)).is_ok());
    assert!(handle != Some(true), "it is there after its owner");
    assert_eq!(gone.load(Ordering::SeqCst), 1);
}

#[test]
fn what_is_kept_while_its_owner_is_closed_does_not_outlive_it() {
    holds(|| {
        nothing_outlives_its_owner(|table, thing, closed| {
            table.insert_unless(thing, || closed.load(Ordering::SeqCst) == 1)
        });
    });
    // The control: asked before it is kept, which looks as good.
    breaks(|| {
        nothing_outlives_its_owner(|table, thing, closed| {
            let open = closed.load(Ordering::SeqCst) == 0;
            open.then(|| table.insert(thing).0)
        });
    });
}
