//! Records and locks, alive and left behind.

use super::folder::{Folder, Found, lock_path, record_path};
use super::watch::{follow_by, start};
use super::*;
use crate::home::{Home, Lock};
use hubless_proto::identity::{NodeKey, SecretKey};
use hubless_proto::limits;
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1;
use prost::Message;
use std::fs::File;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

pub(super) const LONG: Duration = Duration::from_secs(20);

pub(super) fn home() -> (tempfile::TempDir, Home) {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(Some(folder.path())).unwrap();
    (folder, home)
}

pub(super) fn node(byte: u8) -> NodeKey {
    NodeKey::from_bytes([byte; 32])
}

/// What a node may say; whose signature it carries is not looked at here.
pub(super) fn announcement() -> v1::NodeAnnouncement {
    let key = SecretKey::from_seed([7; 32]);
    let term = Term::starting(1_700_000_000_000, Duration::from_secs(60));
    let node = record::sign(&key, term, &v1::NodeRecord::default()).unwrap();
    v1::NodeAnnouncement { node: Some(node), ..Default::default() }
}

/// The one thing that was seen.
async fn next(seen: &mut mpsc::Receiver<Vec<Sighting>>) -> Sighting {
    let mut together = Vec::new();
    while together.is_empty() {
        // Nothing: the first look is over.
        together = timeout(LONG, seen.recv()).await.unwrap().unwrap();
    }
    assert_eq!(together.len(), 1, "{together:?}");
    together.remove(0)
}

/// A node with its record written.
pub(super) fn present(home: &Home, byte: u8) -> Presence {
    let presence = Presence::begin(home, node(byte)).unwrap().unwrap();
    presence.write(&announcement()).unwrap();
    presence
}

#[test]
fn a_record_is_read_once_and_gone_with_its_node() {
    let (_folder, home) = home();
    let mut folder = Folder::new(home.folders().unwrap());
    let presence = present(&home, 1);
    assert!(matches!(folder.examine(node(1)), Ok(Found::Record(_))));
    assert!(matches!(folder.examine(node(1)), Ok(Found::Known)));
    presence.hide();
    assert!(matches!(folder.examine(node(1)), Ok(Found::Left)));
    presence.write(&announcement()).unwrap();
    assert!(matches!(folder.examine(node(1)), Ok(Found::Left)), "it is not shown again");
    presence.end();
    assert!(matches!(folder.examine(node(1)), Ok(Found::Dead)));
}

/// A record may be taken back between the look at its file and the reading of it.
#[test]
fn a_node_that_takes_its_record_back_while_it_is_read_lives_on() {
    let (_folder, home) = home();
    let record = record_path(&home.folders().unwrap().records(), node(1));
    let bytes = announcement().encode_to_vec();
    let presence = present(&home, 1);
    let (mut shown, mut left) = (0, 0);
    std::thread::scope(|scope| {
        let looker = scope.spawn(|| {
            let mut folder = Folder::new(home.folders().unwrap());
            while !record.with_extension("end").exists() {
                match folder.examine(node(1)).unwrap() {
                    Found::Record(_) => shown += 1,
                    Found::Left => left += 1,
                    Found::Known => {}
                    Found::Dead => panic!("taken for dead after {shown} records, {left} without"),
                }
            }
        });
        for _ in 0..20_000 {
            std::fs::remove_file(&record).unwrap();
            std::fs::write(record.with_extension("new"), &bytes).unwrap();
            std::fs::rename(record.with_extension("new"), &record).unwrap();
        }
        File::create(record.with_extension("end")).unwrap();
        looker.join().unwrap();
    });
    assert!(shown > 0 && left > 0, "both were met: {shown} {left}");
    drop(presence);
}

/// An agent as large as it may be, but for its signatures.
pub(super) fn agent(byte: u8) -> v1::AgentAnnouncement {
    let key = SecretKey::from_seed([byte; 32]);
    let term = Term::starting(1_700_000_000_000, Duration::from_secs(60));
    let mut body = v1::Descriptor { name: "a".into(), ..v1::Descriptor::default() };
    let beside = body.encoded_len() + 3;
    body.description = "x".repeat(limits::RECORD_BODY_BYTES - beside);
    let descriptor = record::sign(&key, term, &body).unwrap();
    let hosting = v1::Hosting {
        node_key: node(byte).to_wire(),
        descriptor_digest: record::digest(&descriptor.signed).to_vec().into(),
        priority: u32::MAX,
        health: "suspect".into(),
    };
    let hosting = record::sign(&key, term, &hosting).unwrap();
    v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) }
}

#[test]
fn as_many_of_the_largest_agents_as_a_node_hosts_fit_into_its_file() {
    let one = v1::NodeAnnouncement { agents: vec![agent(1)], ..announcement() };
    let beside = announcement().encoded_len() + limits::RECORD_BODY_BYTES;
    let each = one.encoded_len() - announcement().encoded_len();
    assert!(each > limits::RECORD_BODY_BYTES, "it is one of the largest: {each}");
    assert!(beside + each * limits::HOSTED_AGENTS <= limits::RECORD_FILE_BYTES, "{each}");
}

#[test]
fn what_a_dead_process_left_is_removed_by_who_finds_it() {
    let (_folder, home) = home();
    let folders = home.folders().unwrap();
    let (record, lock) =
        (record_path(&folders.records(), node(1)), lock_path(&folders.locks(), node(1)));
    let mut folder = Folder::new(folders);
    // With its lock let go, and with its lock missing.
    for with_lock in [true, false] {
        File::create(&record).unwrap();
        if with_lock {
            File::create(&lock).unwrap();
        }
        assert!(matches!(folder.examine(node(1)), Ok(Found::Dead)));
        assert!(!record.exists() && !lock.exists());
    }
    // The control: a live one stays.
    let held = Lock::take(&lock).unwrap();
    std::fs::write(&record, announcement().encode_to_vec()).unwrap();
    assert!(matches!(folder.examine(node(1)), Ok(Found::Record(_))));
    assert!(record.exists());
    drop(held);
}

#[test]
fn one_key_is_one_running_node() {
    let (_folder, home) = home();
    let first = present(&home, 1);
    let second = Presence::begin(&home, node(1)).unwrap_err();
    assert_eq!(second.kind, hubless_proto::Kind::Conflict);
    drop(first);
    assert!(Presence::begin(&home, node(1)).is_ok());
}

#[tokio::test]
async fn polling_sees_arrivals_and_ends_where_nothing_can_be_watched() {
    let (_folder, home) = home();
    let (sender, mut seen) = mpsc::channel(16);
    let folder = Folder::new(home.folders().unwrap());
    let none = std::io::Error::other("no more watches");
    let polling = tokio::spawn(follow_by(Err(none), folder, node(9), sender));
    let presence = present(&home, 1);
    let arrived = next(&mut seen).await;
    assert!(matches!(arrived, Sighting::Seen(key, _) if key == node(1)));
    presence.end();
    let gone = next(&mut seen).await;
    assert!(matches!(gone, Sighting::Gone(key, _) if key == node(1)));
    drop(seen);
    polling.abort();
}

/// Otherwise each of many nodes that looks would wake all others.
#[test]
fn the_kernel_tells_of_writers_and_not_of_readers() {
    let (_folder, home) = home();
    let _presence = present(&home, 1);
    let folders = home.folders().unwrap();
    let mut watched = start(&Folder::new(folders)).unwrap();
    let mut told = || match watched.read_events(&mut [0; 4_096]) {
        Ok(events) => events.count(),
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
            0
        }
    };
    let mut reader = Folder::new(folders);
    assert!(matches!(reader.examine(node(1)), Ok(Found::Record(_))));
    assert!(File::open(lock_path(&folders.locks(), node(1))).unwrap().metadata().is_ok());
    assert_eq!(told(), 0, "it was only read");
    let _other = present(&home, 2);
    assert!(told() > 0, "a record came");
}

#[tokio::test]
async fn watching_tells_of_all_that_are_there_and_then_that_those_are_all() {
    let (_folder, home) = home();
    let most = limits::RECORDS_TOGETHER;
    let all: Vec<_> = (1..=most + 6).map(|n| present(&home, u8::try_from(n).unwrap())).collect();
    let (sender, mut seen) = mpsc::channel(16);
    let watching = home.clone();
    let task = tokio::spawn(async move {
        watch(watching.folders().unwrap(), node(99), sender).await;
    });
    let mut known = 0;
    loop {
        let together = timeout(LONG, seen.recv()).await.unwrap().unwrap();
        if together.is_empty() {
            break;
        }
        assert!(together.len() <= most, "{}", together.len());
        known += together.len();
    }
    assert_eq!(known, all.len());
    task.abort();
}

#[tokio::test]
async fn watching_tells_of_a_lost_record_of_our_own() {
    let (_folder, home) = home();
    let (sender, mut seen) = mpsc::channel(16);
    let presence = present(&home, 1);
    let watching = home.clone();
    let task = tokio::spawn(async move {
        watch(watching.folders().unwrap(), node(1), sender).await;
    });
    let other = present(&home, 2);
    let arrived = next(&mut seen).await;
    assert!(matches!(arrived, Sighting::Seen(key, _) if key == node(2)));
    std::fs::remove_file(record_path(&home.folders().unwrap().records(), node(1))).unwrap();
    let lost = next(&mut seen).await;
    assert!(matches!(lost, Sighting::OwnRecordLost));
    drop((presence, other));
    task.abort();
}

#[test]
fn a_lock_that_is_let_go_after_its_file_was_closed_is_looked_at_again() {
    let (_folder, home) = home();
    let mut folder = Folder::new(home.folders().unwrap());
    let presence = present(&home, 1);
    folder.doubt(node(1));
    folder.examine(node(1)).unwrap();
    assert!(matches!(folder.examine(node(1)), Ok(Found::Known)));
    assert_eq!(folder.doubted().collect::<Vec<_>>(), [node(1)], "it may still be dying");
    presence.end();
    assert!(matches!(folder.examine(node(1)), Ok(Found::Dead)));
    assert_eq!(folder.doubted().count(), 0);
    // The control: one that goes on living is trusted again.
    let _alive = present(&home, 2);
    folder.doubt(node(2));
    for look in 1..=limits::DOUBTED_LOOKS {
        assert_eq!(folder.doubted().count(), 1, "look {look}");
        assert!(!matches!(folder.examine(node(2)), Ok(Found::Dead | Found::Left)));
    }
    assert_eq!(folder.doubted().count(), 0);
}

#[tokio::test]
async fn watching_sees_an_end_whose_lock_is_let_go_late() {
    let (_folder, home) = home();
    let folders = home.folders().unwrap();
    let (record, lock) =
        (record_path(&folders.records(), node(1)), lock_path(&folders.locks(), node(1)));
    File::create(&lock).unwrap();
    // Opened for reading, so that its closing tells nobody of anything.
    let held = File::open(&lock).unwrap();
    held.lock().unwrap();
    std::fs::write(&record, announcement().encode_to_vec()).unwrap();
    let (sender, mut seen) = mpsc::channel(16);
    let watching = home.clone();
    let task = tokio::spawn(async move {
        watch(watching.folders().unwrap(), node(9), sender).await;
    });
    assert!(matches!(next(&mut seen).await, Sighting::Seen(key, _) if key == node(1)));
    // The end of writing is told of, and looked at no later than what comes after it.
    drop(File::options().write(true).open(&lock).unwrap());
    let _other = present(&home, 2);
    assert!(matches!(next(&mut seen).await, Sighting::Seen(key, _) if key == node(2)));
    drop(held);
    assert!(matches!(next(&mut seen).await, Sighting::Gone(key, _) if key == node(1)));
    task.abort();
}
