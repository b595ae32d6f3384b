//! Open operations of the C library: whoever waits gets an end, whoever is told is told once.

use crate::fault::Fault;
use crate::pending::{Done, Pending, Told};
use crate::schedules::{breaks, holds};
use crate::sync::{Arc, AtomicUsize as Switched, Ordering};
use bytes::Bytes;
use hubless_proto::Kind;
use shuttle::thread;
use std::sync::atomic::AtomicUsize;

fn done() -> Done {
    Done { body: Bytes::from_static(b"{}"), attachments: Vec::new() }
}

fn counted(told: &Arc<AtomicUsize>) -> Told {
    let told = Arc::clone(told);
    Told::new(move |_| _ = told.fetch_add(1, Ordering::SeqCst))
}

fn kind<T>(result: &Result<T, Fault>) -> Option<Kind> {
    result.as_ref().err().map(|fault| fault.0.kind)
}

#[test]
fn whoever_waits_gets_the_end_or_the_close() {
    holds(|| {
        let pending = Arc::new(Pending::default());
        let Ok(ticket) = pending.waiting(None) else { panic!("an open node takes operations") };
        let (ending, closing) = (Arc::clone(&pending), Arc::clone(&pending));
        let threads = [
            thread::spawn(move || ending.end(ticket, Ok(done()))),
            thread::spawn(move || closing.close()),
        ];
        let ended = pending.wait(ticket, None);
        assert!(ended.is_ok() || kind(&ended) == Some(Kind::Closed));
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(kind(&pending.waiting(None)), Some(Kind::Closed));
    });
}

#[test]
fn two_that_wait_without_a_dispatcher_take_turns_and_both_get_their_ends() {
    holds(|| {
        let pending = Arc::new(Pending::default());
        let first = pending.waiting(None);
        let second = pending.waiting(None);
        let (Ok(first), Ok(second)) = (first, second) else { panic!("an open node takes them") };
        // The queue: each taking of events ends one operation, as a drain does.
        let queue = Arc::new(Switched::new(0));
        let turn = move |pending: &Pending, queue: &Switched| {
            let ticket = if queue.fetch_add(1, Ordering::SeqCst) == 0 { second } else { first };
            pending.end(ticket, Ok(done()));
        };
        let (other, its_queue) = (Arc::clone(&pending), Arc::clone(&queue));
        let waiter = thread::spawn(move || {
            let pump = || turn(&other, &its_queue);
            other.wait(second, Some(&pump)).is_ok()
        });
        let pump = || turn(&pending, &queue);
        assert!(pending.wait(first, Some(&pump)).is_ok());
        assert!(waiter.join().unwrap());
    });
}

#[test]
fn an_end_is_told_once_beside_a_close() {
    holds(|| {
        let pending = Arc::new(Pending::default());
        let told = Arc::new(AtomicUsize::new(0));
        let Ok(ticket) = pending.told(counted(&told)) else { panic!("an open node takes it") };
        let (ending, closing) = (Arc::clone(&pending), Arc::clone(&pending));
        let threads = [
            thread::spawn(move || ending.end(ticket, Ok(done()))),
            thread::spawn(move || closing.close()),
        ];
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(told.load(Ordering::SeqCst), 1);
    });
}

/// What whoever began an operation says when it could not be started: false, it was told already.
type Forget = fn(&Pending, u64) -> bool;

fn is_told_or_refused(forget: Forget) {
    let pending = Arc::new(Pending::default());
    let told = Arc::new(AtomicUsize::new(0));
    let closing = Arc::clone(&pending);
    let closer = thread::spawn(move || closing.close());
    let refused = match pending.told(counted(&told)) {
        Ok(ticket) => forget(&pending, ticket),
        Err(_) => true,
    };
    closer.join().unwrap();
    let times = told.load(Ordering::SeqCst) + usize::from(refused);
    assert_eq!(times, 1, "told and refused, or neither");
}

#[test]
fn whoever_is_refused_an_operation_hears_of_no_end_of_it() {
    holds(|| is_told_or_refused(Pending::forget));
    // The control: refused whatever became of it meanwhile.
    breaks(|| {
        is_told_or_refused(|pending, ticket| {
            pending.forget(ticket);
            true
        });
    });
}
