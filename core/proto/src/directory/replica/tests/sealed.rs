//! Records and messages as they are written and read.

use super::support::{HOUR, UNIX};
use crate::directory::replica::{
    Brief, Carried, Frame, Message, RowKey, Sealed, Span, Statement, Suspect,
};
use crate::identity::{NodeKey, SecretKey};
use crate::limits;
use crate::wire::decode::decode;
use crate::wire::frame::FrameType;
use crate::wire::record::{self, Term};
use crate::wire::v1;
use crate::wire::v1::spread_record::Record;
use prost::Message as _;

const TERM: Term = Term { seq: UNIX, issued_at_ms: UNIX, expires_at_ms: UNIX + HOUR };

fn keys() -> (SecretKey, SecretKey) {
    (SecretKey::from_seed([1; 32]), SecretKey::from_seed([2; 32]))
}

fn agent() -> v1::AgentAnnouncement {
    let (agent, node) = keys();
    let body = v1::Descriptor { name: "echo".into(), ..Default::default() };
    let descriptor = record::sign(&agent, TERM, &body).unwrap();
    let body = v1::Hosting {
        node_key: node.node_key().to_wire(),
        descriptor_digest: record::digest(&descriptor.signed).to_vec().into(),
        ..Default::default()
    };
    let hosting = record::sign(&agent, TERM, &body).unwrap();
    v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) }
}

fn records() -> [(Record, RowKey); 4] {
    let (agent_key, node_key) = keys();
    let node = record::sign(&node_key, TERM, &v1::NodeRecord::default()).unwrap();
    let dead = |of: Option<&SecretKey>| {
        let agent = of.map(|of| of.agent_id().to_wire()).unwrap_or_default();
        let body = v1::Tombstone { reason: "closed".into(), agent };
        Record::Tombstone(record::sign(&node_key, TERM, &body).unwrap())
    };
    let (agent_id, node_id) = (agent_key.agent_id(), node_key.node_key());
    [
        (Record::Node(node), RowKey::Node(node_id)),
        (Record::Agent(agent()), RowKey::Agent(agent_id, node_id)),
        (dead(None), RowKey::Ended(*node_id.as_bytes())),
        (dead(Some(&agent_key)), RowKey::Left(agent_id, node_id)),
    ]
}

#[test]
fn each_kind_is_read_and_holds() {
    for (record, key) in records() {
        let sealed = Sealed::read(record.clone()).unwrap();
        let claim = sealed.claim();
        assert_eq!((claim.key, claim.seq, claim.expires_at_ms), (key, UNIX, UNIX + HOUR));
        sealed.open(UNIX).unwrap();
        assert_eq!(sealed.open(UNIX + HOUR).unwrap_err().code, "expired");
        let spread = v1::SpreadRecord { record: Some(record), hops: 15, here: true };
        assert!(spread.encoded_len() + 4 <= claim.bytes, "{key:?}");
    }
}

#[test]
fn what_was_changed_does_not_hold_and_another_kind_is_not_read() {
    for (record, key) in records() {
        let mut broken = record.clone();
        let signed = match &mut broken {
            Record::Node(signed) | Record::Tombstone(signed) => signed,
            Record::Agent(agent) => agent.hosting.as_mut().unwrap(),
        };
        let mut signature = signed.signature.to_vec();
        signature[0] ^= 1;
        signed.signature = signature.into();
        let (good, broken) = (Sealed::read(record).unwrap(), Sealed::read(broken).unwrap());
        assert_eq!(broken.open(UNIX).unwrap_err().code, "bad_signature", "{key:?}");
        assert_eq!(good.claim().digest, broken.claim().digest);
        assert_ne!(good.claim().print, broken.claim().print);
    }
    let Record::Tombstone(dead) = records()[2].0.clone() else { panic!("it is one") };
    assert_eq!(Sealed::read(Record::Node(dead)).unwrap_err().code, "bad_signature");
    let half = v1::AgentAnnouncement { descriptor: None, ..agent() };
    assert_eq!(Sealed::read(Record::Agent(half)).unwrap_err().code, "bad_frame");
}

fn there_and_back(message: &Message<Sealed>) -> Message<Sealed> {
    match message.to_frame(&|_| true) {
        Frame::Digests(digests) => {
            let bytes = digests.encode_to_vec().into();
            let read = decode::<v1::RecordDigests>(FrameType::RecordDigests, bytes).unwrap();
            Message::of_digests(&read).unwrap()
        }
        Frame::Delta(delta) => {
            let bytes = delta.encode_to_vec().into();
            let read = decode::<v1::RecordDelta>(FrameType::RecordDelta, bytes).unwrap();
            let delta = Message::of_delta(read);
            assert!(delta.unread.is_empty());
            assert_eq!(delta.here, [keys().1.node_key()]);
            delta.message
        }
    }
}

#[test]
fn every_message_is_read_as_it_was_written() {
    let most = limits::REPAIR_ROWS as u64;
    let rows =
        || (0..most).map(|n| Brief { name: u128::from(n) << 90, seq: n, mark: !n }).collect();
    let spans = || vec![Span { from: 1, to: 2 }, Span { from: 1 << 120, to: u128::MAX }];
    let suspects = (0..limits::GOSSIP_SUSPECTS as u64)
        .map(|seq| Suspect { node: NodeKey::from_bytes([7; 32]), seq });
    let all = records().map(|(record, _)| Sealed::read(record).unwrap());
    let pushed = all.iter().map(|one| Carried { statement: one.clone(), hops: 3 }).collect();
    let messages = [
        Message::Compare(7 << 100),
        Message::Buckets(Vec::new()),
        Message::Buckets((0..256).collect()),
        Message::Rows { spans: spans(), rows: rows() },
        Message::Wants { names: vec![1, u128::MAX], rest: spans() },
        Message::Offer(rows()),
        Message::Ask(vec![3; 5]),
        Message::Suspects(suspects.collect()),
        Message::Push(pushed),
        Message::Answer(all.to_vec()),
    ];
    for message in messages {
        let back = there_and_back(&message);
        assert_eq!(format!("{back:?}"), format!("{message:?}"));
    }
}

#[test]
fn a_message_in_another_form_is_refused_and_a_record_left_out_alone() {
    use v1::record_digests::Says;
    for says in [
        Says::Compare(vec![0; 15].into()),
        Says::Buckets(vec![0; 16].into()),
        Says::Offer(vec![0; 31].into()),
        Says::Offer(vec![0; 32 * (limits::REPAIR_ROWS + 1)].into()),
        Says::Suspects(vec![0; 39].into()),
    ] {
        let bytes = v1::RecordDigests { says: Some(says) }.encode_to_vec().into();
        assert!(decode::<v1::RecordDigests>(FrameType::RecordDigests, bytes).is_err());
    }
    let good = v1::SpreadRecord { record: Some(records()[0].0.clone()), ..Default::default() };
    let records = vec![v1::SpreadRecord::default(), good];
    let delta = Message::of_delta(v1::RecordDelta { records, pushed: true });
    assert_eq!((delta.unread.len(), delta.here.len()), (1, 0));
    assert!(matches!(delta.message, Message::Push(carried) if carried.len() == 1));
}
