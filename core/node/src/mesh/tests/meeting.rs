//! Nodes that come to know of each other, and of each other's end.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests wait for one of many things")]

use super::support::*;
use crate::call::body::Bodies;
use crate::call::pipe::pipe;
use crate::home::{Home, Lock};
use crate::membership::{InviteOptions, Ticket};
use crate::mesh::{Mesh, MeshOptions, Source, invite, join};
use hubless_proto::Kind;
use hubless_proto::wire::record;
use std::time::Duration;
use tokio::time::timeout;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn announcements_and_the_end_of_a_node_are_seen() {
    let mut two = two().await;
    let (id, announcement) = agent(9, two.a.node_key());
    two.a.announce(vec![announcement]);
    two.sees_b
        .until(|seen| match seen {
            Seen::Announced(_, announcement) => {
                let hosting = announcement.agents.first()?.hosting.clone()?;
                (record::peek(&hosting).ok()?.key == id.to_wire()).then_some(())
            }
            _ => None,
        })
        .await;
    let node = two.a.node_key();
    two.a.close(Duration::from_secs(1)).await;
    let gone =
        two.sees_b.until(|seen| if let Seen::Gone(node) = seen { Some(node) } else { None }).await;
    assert_eq!(gone, node);
    let (_caller, end) = pipe();
    let error = two.b.call(node, text_request("", ""), Bodies::none(), end).await.unwrap_err();
    assert_eq!(error.code, "unknown_node");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_node_starts_while_others_remove_what_its_last_process_left() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(Some(folder.path())).unwrap();
    let start = || {
        let name = Some("worker".to_owned());
        Mesh::start(MeshOptions { name, ..MeshOptions::new(home.clone()) }, Echo::new().0)
    };
    let first = start().await.unwrap();
    let key = first.node_key();
    first.close(Duration::ZERO).await;
    // As who found it holds it, for longer than usual.
    let lock = home.folders().unwrap().locks().join(format!("{key}.lock"));
    let held = Lock::take(&lock).unwrap();
    let mut second = std::pin::pin!(start());
    let early = timeout(Duration::from_millis(20), &mut second).await;
    assert!(early.is_err(), "it waits: {:?}", early.map(|started| started.err()));
    drop(held);
    let second = second.await.unwrap();
    assert_eq!(second.node_key(), key);
    // One that goes on holding it is a process that runs under the same key.
    second.close(Duration::ZERO).await;
    let _held = Lock::take(&lock).unwrap();
    assert_eq!(start().await.err().map(|error| error.kind), Some(Kind::Conflict));
}

/// Two users: a mesh with a minter, and a data folder that joins it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_user_joins_by_ticket_and_is_found_both_ways() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [ours, theirs] = [0, 1].map(|i: usize| Home::open(Some(folders[i].path())).unwrap());
    let (minter, mut sees) = node(&ours).await;
    let (id, announcement) = agent(9, minter.node_key());
    minter.announce(vec![announcement]);
    let (_other, mut sees_other) = node(&ours).await;
    meet(&mut sees_other, &minter).await;
    let options = InviteOptions { local: true, ..Default::default() };
    let ticket = invite(&ours, &options).unwrap();
    let ticket: Ticket = ticket.text().parse().unwrap();
    assert_eq!(join(&theirs, &ticket).await.unwrap(), minter.mesh_id());
    let again = join(&theirs, &ticket).await.unwrap_err();
    assert_eq!((again.kind, again.code.as_str()), (Kind::Denied, "invite"));

    let (guest, mut sees_guest) = node(&theirs).await;
    assert_eq!(guest.mesh_id(), minter.mesh_id());
    let shown = sees_guest
        .until(|seen| match seen {
            Seen::Announced(Source::Spread(node), mut announcement) => {
                let hosting = announcement.agents.pop()?.hosting?;
                (record::peek(&hosting).ok()?.key == id.to_wire()).then_some(node)
            }
            _ => None,
        })
        .await;
    assert_eq!(shown, minter.node_key());
    let (other, announcement) = agent(10, guest.node_key());
    guest.announce(vec![announcement]);
    sees.until(|seen| match seen {
        Seen::Announced(Source::Spread(_), mut announcement) => {
            let hosting = announcement.agents.pop()?.hosting?;
            (record::peek(&hosting).ok()?.key == other.to_wire()).then_some(())
        }
        _ => None,
    })
    .await;
    guest.announce(Vec::new());
    let hidden = sees.until(|seen| if let Seen::Hidden(ids) = seen { Some(ids) } else { None });
    let hidden: Vec<_> = hidden.await.into_iter().map(|(agent, _)| agent).collect();
    assert_eq!(hidden, [other]);
    let (mut caller, end) = pipe();
    let request = text_request("", "from afar");
    guest.call(minter.node_key(), request, Bodies::none(), end).await.unwrap();
    assert_eq!(final_text(&mut caller).await.as_deref(), Some("from afar"));
    let seen =
        sees.until(|seen| if let Seen::Inbound(caller) = seen { Some(caller) } else { None });
    assert_eq!(seen.await.role, "member");
    let node = guest.node_key();
    guest.close(Duration::from_secs(1)).await;
    let gone = sees.until(|seen| if let Seen::Gone(node) = seen { Some(node) } else { None });
    assert_eq!(gone.await, node);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_two_users_do_not_meet() {
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [ours, theirs] = [0, 1].map(|i: usize| Home::open(Some(folders[i].path())).unwrap());
    let (a, _sees_a) = node(&ours).await;
    let (b, mut sees_b) = node(&theirs).await;
    assert_ne!(a.mesh_id(), b.mesh_id());
    // Dialled by hand, with the right key and address: the introduction is refused.
    b.shared_for_tests().book.contact(a.node_key(), &a.addresses(), &[]);
    let (_caller, end) = pipe();
    let error = b.call(a.node_key(), text_request("", ""), Bodies::none(), end).await.unwrap_err();
    assert_eq!(error.kind, Kind::Auth);
    assert!(sees_b.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_told_of_a_node_that_comes_and_not_of_one_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(Some(folder.path())).unwrap();
    let (_waits, mut sees) = node(&home).await;
    let (first, _sees_first) = node(&home).await;
    meet(&mut sees, &first).await;
    sees.until(|seen| matches!(seen, Seen::Told).then_some(())).await;
    let key = first.node_key();
    first.close(Duration::ZERO).await;
    sees.until(|seen| matches!(seen, Seen::Gone(node) if node == key).then_some(())).await;
    // The next that is told is told of the next that comes.
    let (_second, _sees_second) = node(&home).await;
    let mut announced = 0;
    let told = |seen| match seen {
        Seen::Announced(..) => {
            announced += 1;
            None
        }
        Seen::Told => Some(()),
        _ => None,
    };
    sees.until(told).await;
    assert!(announced > 0);
}
