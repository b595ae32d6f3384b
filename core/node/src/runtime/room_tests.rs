//! Records that are left out for lack of room, until there is some.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests wait for one of many things")]

use super::folder::{Bounds, Folder, record_path};
use super::tests::{LONG, agent, announcement, home, node, present};
use super::watch::follow;
use super::*;
use crate::home::Home;
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::v1;
use prost::Message;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What is read in use; tests read what fits them.
const USUAL: Bounds = Bounds { files: limits::RECORD_FILES, bytes: limits::RECORD_FILES_BYTES };

/// A watch that reads so much.
struct Watched {
    seen: mpsc::Receiver<Vec<Sighting>>,
    task: JoinHandle<()>,
}

impl Watched {
    fn of(home: &Home, most: Bounds) -> Self {
        let (sender, seen) = mpsc::channel(16);
        let folder = Folder::bounded(home.folders().unwrap(), most);
        Self { seen, task: tokio::spawn(follow(folder, node(9), sender)) }
    }

    /// Nodes of which records are seen, each with the number of its agents, up to this one.
    async fn until(&mut self, last: NodeKey) -> Vec<(NodeKey, usize)> {
        let mut records = Vec::new();
        while records.last().is_none_or(|(node, _)| *node != last) {
            let together = timeout(LONG, self.seen.recv()).await.unwrap().unwrap();
            records.extend(together.into_iter().filter_map(|sighting| match sighting {
                Sighting::Seen(node, shown) => Some((node, shown.agents.len())),
                _ => None,
            }));
        }
        records
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[test]
fn as_many_records_are_read_as_the_limits_say() {
    let (_folder, home) = home();
    assert_eq!(Folder::new(home.folders().unwrap()).most, USUAL);
}

#[tokio::test]
async fn so_many_records_are_read_and_the_next_when_one_is_gone() {
    let (_folder, home) = home();
    let mut all: Vec<_> = (1..=2).map(|byte| present(&home, byte)).collect();
    let mut watched = Watched::of(&home, Bounds { files: 2, ..USUAL });
    assert_eq!(watched.until(node(2)).await, [(node(1), 0), (node(2), 0)]);
    all.push(present(&home, 3));
    // What is seen of the second is seen after the third was left out.
    all[1].write(&announcement()).unwrap();
    assert_eq!(watched.until(node(2)).await, [(node(2), 0)], "one more than is read");
    all[0].end();
    assert_eq!(watched.until(node(3)).await, [(node(3), 0)]);
}

#[tokio::test]
async fn one_of_more_records_than_are_listed_is_read_when_another_is_gone() {
    let (_folder, home) = home();
    let all: Vec<_> = (1..=3).map(|byte| present(&home, byte)).collect();
    let mut watched = Watched::of(&home, Bounds { files: 2, ..USUAL });
    let mut read = Vec::new();
    while read.len() < 2 {
        let together = timeout(LONG, watched.seen.recv()).await.unwrap().unwrap();
        read.extend(together.into_iter().map(|sighting| match sighting {
            Sighting::Seen(node, _) => node,
            other => panic!("{other:?}"),
        }));
    }
    // Which two is up to the order of the folder.
    let third = (1..=3).find(|byte| !read.contains(&node(*byte))).unwrap();
    let first = (1..=3).find(|byte| read.contains(&node(*byte))).unwrap();
    all[usize::from(first) - 1].end();
    assert_eq!(watched.until(node(third)).await, [(node(third), 0)]);
}

#[tokio::test]
async fn records_of_the_dead_keep_no_place_from_the_living() {
    let (_folder, home) = home();
    let folders = home.folders().unwrap();
    let _living = present(&home, 5);
    let text = announcement().encode_to_vec();
    for byte in [1, 2, 3, 4, 6, 7, 8] {
        let record = record_path(&folders.records(), node(byte));
        std::fs::write(record, &text).unwrap();
    }
    // One is listed and one is left out, up to the order of the folder.
    let mut watched = Watched::of(&home, Bounds { files: 1, ..USUAL });
    assert_eq!(watched.until(node(5)).await, [(node(5), 0)]);
}

#[test]
fn a_full_folder_is_told_once_until_all_of_it_is_read() {
    let (_folder, home) = home();
    let all: Vec<_> = (1..=3).map(|byte| present(&home, byte)).collect();
    let mut folder = Folder::bounded(home.folders().unwrap(), Bounds { files: 1, ..USUAL });
    let look = |folder: &mut Folder| {
        for byte in 1..=3 {
            folder.examine(node(byte)).unwrap();
        }
        folder.have_room();
    };
    look(&mut folder);
    assert!(!folder.is_first_left_out(), "it was told");
    look(&mut folder);
    assert!(!folder.is_first_left_out());
    all[1..].iter().for_each(Presence::end);
    look(&mut folder);
    assert!(folder.is_first_left_out(), "nothing was left out");
}

#[tokio::test]
async fn so_many_bytes_of_records_are_read_and_more_when_others_are_gone() {
    let (_folder, home) = home();
    let large = v1::NodeAnnouncement { agents: vec![agent(1)], ..announcement() };
    let bytes = (announcement().encoded_len() + large.encoded_len()) as u64;
    let mut all: Vec<_> = (1..=2).map(|byte| present(&home, byte)).collect();
    all[1].write(&large).unwrap();
    let mut watched = Watched::of(&home, Bounds { bytes, ..USUAL });
    assert_eq!(watched.until(node(2)).await, [(node(1), 0), (node(2), 1)]);
    all.push(present(&home, 3));
    all[0].write(&large).unwrap();
    // One that was read takes the place of its older version; seen after the others were left out.
    all[1].write(&large).unwrap();
    assert_eq!(watched.until(node(2)).await, [(node(2), 1)], "the others do not fit");
    all[1].end();
    assert_eq!(watched.until(node(3)).await, [(node(1), 1), (node(3), 0)], "they do by now");
}
