//! A peer that does not name the feature.
#![allow(clippy::wildcard_enum_match_arm, reason = "tests wait for one of many frames")]

use super::support::One;
use crate::chance::now_ms;
use crate::home::Home;
use crate::keys;
use crate::link::{Bind, Link, Tunnel};
use crate::membership::Membership;
use crate::mesh::connection::Connection;
use crate::mesh::frames::{FrameReader, FrameWriter};
use crate::mesh::local::Local;
use crate::mesh::tests::support::{LONG, agent};
use crate::mesh::{Listen, MeshChoice, hello};
use hubless_proto::directory::replica::Frame as Records;
use hubless_proto::identity::{AgentId, Domain};
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::{Frame, FrameType};
use hubless_proto::wire::record;
use hubless_proto::wire::v1::{self, record_digests::Says};
use tokio::time::timeout;

/// A member of another make, which says what the test says.
struct Peer {
    _link: Link,
    _tunnel: Tunnel,
    writer: FrameWriter,
    reader: FrameReader,
    /// Types of all frames that came.
    seen: Vec<FrameType>,
}

impl Peer {
    async fn of(one: &One, features: &[&str]) -> Self {
        let key = keys::fresh().unwrap();
        let link = Link::bind(Bind { key: &key, listen: &Listen::Loopback, port: 0 }).await;
        let link = link.unwrap();
        let membership = Membership::open(&Home::memory(), MeshChoice::Own).unwrap();
        let local = Local::new(key, membership).unwrap();
        let tunnel = link.dial(one.key(), &one.mesh.addresses()).await.unwrap();
        let (send, recv) = tunnel.open().await.unwrap();
        let clock_ms = now_ms();
        let token = local.token(clock_ms).unwrap();
        let statement = hello::statement(&tunnel, &token, clock_ms).unwrap();
        let hello = v1::Hello {
            version_low: 1,
            version_high: 1,
            instance: local.instance(),
            node: Some(local.record(clock_ms).unwrap()),
            token: token.into(),
            signature: local.key().sign(Domain::Hello, &statement).to_vec().into(),
            clock_ms,
            features: features.iter().map(|one| (*one).to_owned()).collect(),
            ..v1::Hello::default()
        };
        let (mut writer, reader) = (FrameWriter::new(send), FrameReader::new(recv));
        writer.message(FrameType::Hello, &hello).await.unwrap();
        Self { _link: link, _tunnel: tunnel, writer, reader, seen: Vec::new() }
    }

    /// The next frame of one of these types.
    async fn next(&mut self, wanted: impl Fn(&Frame) -> bool) -> Frame {
        let found = async {
            loop {
                let frame = self.reader.next().await.unwrap();
                self.seen.push(frame.kind);
                if wanted(&frame) {
                    return frame;
                }
            }
        };
        timeout(LONG, found).await.expect("in time")
    }

    /// All that was said on the control stream before the answer to a question there.
    async fn heard(&mut self) -> &[FrameType] {
        let redeem = v1::Redeem { invite: vec![2; 32].into(), member_key: vec![1; 32].into() };
        self.writer.message(FrameType::Redeem, &redeem).await.unwrap();
        self.next(|frame| frame.kind == FrameType::Redeemed).await;
        &self.seen
    }
}

const RECORDS: [FrameType; 2] = [FrameType::RecordDigests, FrameType::RecordDelta];

fn compare() -> v1::RecordDigests {
    v1::RecordDigests { says: Some(Says::Compare(vec![1; 16].into())) }
}

/// The first agent that a frame shows.
fn shows(frame: &Frame) -> Option<AgentId> {
    let show: v1::Show = decode(frame.kind, frame.body.clone()).ok()?;
    let hosting = show.agents.first()?.hosting.clone()?;
    AgentId::from_slice(&record::peek(&hosting).ok()?.key).ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_name_the_feature_is_shown_agents_and_gets_no_records() {
    let one = One::alone().await;
    let mut older = Peer::of(&one, &["another"]).await;
    let mut newer = Peer::of(&one, &["another", "records"]).await;
    newer.next(|frame| frame.kind == FrameType::HelloAck).await;
    older.next(|frame| frame.kind == FrameType::HelloAck).await;
    for peer in [&mut older, &mut newer] {
        peer.writer.message(FrameType::RecordDigests, &compare()).await.unwrap();
    }
    newer.next(|frame| frame.kind == FrameType::RecordDigests).await;
    // An agent that is new goes to both, to each in its own way.
    let (new, shown) = agent(9, one.key());
    one.mesh.announce(vec![shown]);
    older.next(|frame| frame.kind == FrameType::Show && shows(frame) == Some(new)).await;
    newer.next(|frame| frame.kind == FrameType::RecordDelta).await;
    let of_older = older.heard().await;
    assert!(!of_older.iter().any(|kind| RECORDS.contains(kind)), "{of_older:?}");
    let of_newer = newer.heard().await;
    assert!(!of_newer.contains(&FrameType::Show), "{of_newer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_member_does_not_take_is_counted() {
    let one = One::alone().await;
    let key = keys::fresh().unwrap();
    let link = Link::bind(Bind { key: &key, listen: &Listen::Loopback, port: 0 }).await.unwrap();
    let tunnel = link.dial(one.key(), &one.mesh.addresses()).await.unwrap();
    let (connection, _unsaid) = Connection::new(tunnel, true);
    let mut said = 0;
    while connection.missed_for_tests() == 0 {
        connection.spread(Records::Digests(compare()));
        said += 1;
    }
    assert!(said > 1, "the first ones wait");
    connection.spread(Records::Digests(compare()));
    assert_eq!(connection.missed_for_tests(), 2);
}
