//! A peer that opens more streams than it may and leaves them idle (SPEC 10, W11).

use super::strangers_tests::Stranger;
use super::tests::support::*;
use super::*;
use crate::home::Home;
use crate::link::{RecvStream, SendStream, Tunnel};
use crate::meter::{self, HELD_KIB, Subject};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// Streams that one peer opens again and again.
const OPENED: usize = 10_000;
/// Streams that are given back and opened again together.
const AGAIN: usize = 1_024;

/// Half of a frame, so that the stream waits for the rest.
async fn open(tunnel: &Tunnel) -> (SendStream, RecvStream) {
    let (mut send, recv) = tunnel.open().await.unwrap();
    send.write_all(&[32]).await.unwrap();
    (send, recv)
}

/// Opens as many as may be open, and shows that there is no room for another.
async fn fill(tunnel: &Tunnel, most: u32) -> Vec<(SendStream, RecvStream)> {
    let mut idle = Vec::new();
    for _ in 0..most {
        idle.push(timeout(LONG, open(tunnel)).await.expect("within the bound"));
    }
    full(tunnel).await;
    idle
}

/// Gives streams back and opens others, until so many were opened.
async fn again(tunnel: &Tunnel, idle: &mut Vec<(SendStream, RecvStream)>) -> usize {
    let mut opened = 0;
    while opened < OPENED {
        for (mut send, mut recv) in idle.drain(..AGAIN) {
            let _ = (send.reset(1_u32.into()), recv.stop(1_u32.into()));
        }
        // The engine tells of room for several streams at once, and not of the last few.
        idle.push(timeout(LONG, open(tunnel)).await.expect("room again"));
        opened += 1;
        while let Ok(stream) = timeout(Duration::from_millis(300), open(tunnel)).await {
            idle.push(stream);
            opened += 1;
        }
        assert!(idle.len() <= limits::MEMBER_STREAMS as usize, "{}", idle.len());
    }
    opened
}

async fn full(tunnel: &Tunnel) {
    let more = timeout(Duration::from_millis(300), open(tunnel)).await;
    assert!(more.is_err(), "one stream more than the bound was opened");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_streams_cost_no_more_than_the_bound() {
    if let Some(home) = meter::subject() {
        let (mesh, _sees) = node(&Home::open(Some(&home)).unwrap()).await;
        tokio::task::block_in_place(|| {
            meter::obey(|_| format!("{} {}", mesh.node_key(), mesh.addresses()[0]));
        });
    }
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(Some(folder.path())).unwrap();
    let (member, mut sees) = node(&home).await;
    let test = "mesh::crowd_tests::ten_thousand_idle_streams_cost_no_more_than_the_bound";
    let mut subject = Subject::start(test, folder.path());
    let said = subject.tell("who");
    let (key, address) = said.split_once(' ').unwrap();
    let (key, address): (NodeKey, SocketAddr) = (key.parse().unwrap(), address.parse().unwrap());
    sees.until(|seen| matches!(seen, Seen::Announced(..)).then_some(())).await;
    let start = subject.memory_kib();

    let stranger = Stranger::reach(key, member.mesh_id(), &[address]).await.taken().await;
    let few = fill(&stranger.tunnel, limits::EXTERNAL_STREAMS).await;
    let with_few = subject.memory_kib();

    let connection = member.shared_for_tests().connection(key).await.unwrap();
    connection.introduced().await.unwrap();
    let tunnel = &connection.tunnel;
    let mut idle = fill(tunnel, limits::MEMBER_STREAMS).await;
    let filled = subject.memory_kib();
    // What an allocator keeps beside as many as may be open is there after the first time.
    let first = again(tunnel, &mut idle).await;
    let once = subject.memory_kib();
    let second = again(tunnel, &mut idle).await;
    let after = subject.memory_kib();
    assert_eq!(subject.tell("hold"), "1");
    let held = subject.memory_kib();
    eprintln!(
        "KiB: {start} at first, {with_few} with {}, {filled} with {} more, {once} after {first}, \
         {after} after {second} again, {held} with {HELD_KIB} held",
        few.len(),
        idle.len()
    );
    // How many are there at once depends on how fast those that were given back are let go.
    let each_kib = (filled - with_few) / u64::from(limits::MEMBER_STREAMS);
    let kept_kib = each_kib * u64::try_from(second).unwrap();
    assert!(after < once + kept_kib / 4, "it grew by {} KiB of {kept_kib}", after - once);
    assert!(held > after + HELD_KIB * 9 / 10, "the meter sees what is held");
    let mut caller = call_again(&member, key).await;
    assert_eq!(final_text(&mut caller).await.as_deref(), Some("next"), "and the next is served");
    drop((few, idle));
}

/// A call finds a place on a connection that is full once others are given back.
async fn call_again(from: &Mesh, to: NodeKey) -> crate::call::pipe::CallerEnd {
    let other = from.shared_for_tests().peers.of(to);
    other.iter().for_each(|connection| connection.close(crate::link::CloseReason::Idle));
    let (caller, end) = crate::call::pipe::pipe();
    let request = text_request("", "next");
    from.call(to, request, crate::call::body::Bodies::none(), end).await.unwrap();
    caller
}
