//! Signed records: flipped, replayed, under another key, too old, too new, too large.

use crate::messages;
use bytes::Bytes;
use hubless_proto::error::{Error, Kind};
use hubless_proto::identity::{AgentId, Domain, NodeKey, SecretKey};
use hubless_proto::limits::{
    ATTRIBUTE_ITEMS, DESCRIPTION_BYTES, NODE_ADDRESSES, RECORD_BODY_BYTES, SKILL_ATTRIBUTES,
    SKILL_DESCRIPTION_CHARS, SKILL_DOCUMENT_BYTES,
};
use hubless_proto::wire::announcement::{agents_digest, open_agent};
use hubless_proto::wire::record::{self, RecordBody, Term};
use hubless_proto::wire::{descriptor, document, v1};
use proptest::prelude::*;
use prost::Message;
use std::time::Duration;

const NOW: u64 = 1_700_000_000_000;
const HOUR: Duration = Duration::from_secs(3_600);
const MINUTE_MS: u64 = 60_000;

fn agent() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

fn node() -> SecretKey {
    SecretKey::from_seed([2; 32])
}

fn term() -> Term {
    Term::starting(NOW, HOUR)
}

fn tombstone() -> v1::Tombstone {
    v1::Tombstone { reason: "closed".into(), ..Default::default() }
}

fn open(signed: &v1::SignedRecord) -> Result<record::Opened<v1::Tombstone>, Error> {
    record::open(signed, None, NOW)
}

fn code<T: std::fmt::Debug>(result: Result<T, Error>) -> (Kind, String) {
    let error = result.unwrap_err();
    (error.kind, error.code)
}

fn bad_signature() -> (Kind, String) {
    (Kind::Auth, "bad_signature".into())
}

/// A record as its author would write it by hand, with every check of ours left out.
fn by_hand(secret: &SecretKey, record: &v1::Record, domain: Domain) -> v1::SignedRecord {
    let signed = record.encode_to_vec();
    let signature = Bytes::copy_from_slice(&secret.sign(domain, &signed));
    v1::SignedRecord { signed: signed.into(), signature }
}

fn plain<T: RecordBody>(secret: &SecretKey, body: &T) -> v1::Record {
    v1::Record {
        kind: T::KIND.name().into(),
        version: record::VERSION,
        key: Bytes::copy_from_slice(&secret.public()),
        seq: NOW,
        issued_at_ms: NOW,
        expires_at_ms: NOW + 60 * MINUTE_MS,
        body: body.encode_to_vec().into(),
    }
}

#[test]
fn a_record_reads_back_as_it_was_signed() {
    let signed = record::sign(&agent(), term(), &tombstone()).unwrap();
    let opened = open(&signed).unwrap();
    assert_eq!((opened.author, opened.term), (agent().agent_id(), term()));
    assert_eq!((&opened.body, &opened.signed), (&tombstone(), &signed));
    assert_eq!(opened.digest, record::digest(&signed.signed));
    assert_eq!(by_hand(&agent(), &plain(&agent(), &tombstone()), Domain::Tombstone), signed);
}

#[test]
fn any_flipped_bit_is_a_bad_signature() {
    let signed = record::sign(&agent(), term(), &tombstone()).unwrap();
    let bits = |bytes: &Bytes| bytes.len() * 8;
    let flip = |bytes: &Bytes, bit: usize| {
        let mut bytes = bytes.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        Bytes::from(bytes)
    };
    for bit in 0..bits(&signed.signed) {
        let flipped = v1::SignedRecord { signed: flip(&signed.signed, bit), ..signed.clone() };
        assert_eq!(code(open(&flipped)), bad_signature(), "bit {bit} of the signed bytes");
    }
    for bit in 0..bits(&signed.signature) {
        let signature = flip(&signed.signature, bit);
        let flipped = v1::SignedRecord { signature, ..signed.clone() };
        assert_eq!(code(open(&flipped)), bad_signature(), "bit {bit} of the signature");
    }
    for cut in 0..signed.signed.len() {
        let cut = v1::SignedRecord { signed: signed.signed.slice(..cut), ..signed.clone() };
        assert_eq!(code(open(&cut)), bad_signature());
    }
}

#[test]
fn a_signature_over_another_statement_does_not_count() {
    let record = plain(&agent(), &tombstone());
    for domain in Domain::ALL {
        let signed = by_hand(&agent(), &record, domain);
        assert_eq!(open(&signed).is_ok(), domain == Domain::Tombstone, "{domain:?}");
    }
    let other_kind = v1::Record { kind: "hosting".into(), ..record };
    let signed = by_hand(&agent(), &other_kind, Domain::Tombstone);
    assert_eq!(code(open(&signed)), bad_signature());
    let hosting = v1::Hosting {
        node_key: node().node_key().to_wire(),
        descriptor_digest: Bytes::from_static(&[0; 32]),
        ..v1::Hosting::default()
    };
    let hosting = record::sign(&agent(), term(), &hosting).unwrap();
    assert_eq!(code(open(&hosting)), bad_signature());
}

#[test]
fn a_valid_signature_under_another_key_is_refused() {
    // signed by one key, claims another
    let claims = plain(&node(), &tombstone());
    assert_eq!(code(open(&by_hand(&agent(), &claims, Domain::Tombstone))), bad_signature());
    // looked up under another key
    let signed = record::sign(&agent(), term(), &tombstone()).unwrap();
    let other = AgentId::from_bytes(node().public());
    let looked_up = record::open::<v1::Tombstone>(&signed, Some(&other), NOW);
    assert_eq!(code(looked_up), (Kind::Auth, "wrong_key".into()));
    let short = v1::Record { key: Bytes::from_static(&[1; 31]), ..plain(&agent(), &tombstone()) };
    assert_eq!(code(open(&by_hand(&agent(), &short, Domain::Tombstone))), bad_signature());
}

#[test]
fn another_version_is_unsupported() {
    let newer = v1::Record { version: 2, ..plain(&agent(), &tombstone()) };
    let signed = by_hand(&agent(), &newer, Domain::Tombstone);
    assert_eq!(code(open(&signed)), (Kind::Unsupported, "record_version".into()));
}

#[test]
fn time_is_checked_on_both_sides() {
    let expired = (Kind::Expired, "expired".to_owned());
    let ahead = (Kind::Expired, "not_yet_valid".to_owned());
    let rows = [
        (0, 4 * MINUTE_MS, 60 * MINUTE_MS, None),
        (0, 5 * MINUTE_MS, 60 * MINUTE_MS, None),
        (0, 5 * MINUTE_MS + 1, 60 * MINUTE_MS, Some(ahead.clone())),
        (0, 10 * MINUTE_MS, 60 * MINUTE_MS, Some(ahead)),
        (0, 0, 1, None),
        (0, 0, 0, Some(expired.clone())),
        (0, 2 * MINUTE_MS, 2 * MINUTE_MS, Some(expired.clone())),
        (0, 3 * MINUTE_MS, 2 * MINUTE_MS, Some(expired)),
        (u64::MAX, 0, 60 * MINUTE_MS, Some((Kind::Conflict, "seq_ahead".into()))),
        (NOW + 5 * MINUTE_MS, 0, 60 * MINUTE_MS, None),
        (NOW + 5 * MINUTE_MS + 1, 0, MINUTE_MS, Some((Kind::Conflict, "seq_ahead".into()))),
    ];
    for (seq, issued, expires, refused) in rows {
        let (issued_at_ms, expires_at_ms) = (NOW + issued, NOW + expires);
        let term = Term { seq, issued_at_ms, expires_at_ms };
        let signed = record::sign(&agent(), term, &tombstone()).unwrap();
        match refused {
            None => assert!(open(&signed).is_ok(), "{term:?}"),
            Some(refused) => assert_eq!(code(open(&signed)), refused, "{term:?}"),
        }
    }
}

#[test]
fn a_record_is_served_for_a_day_at_most() {
    let term = Term::starting(NOW, HOUR * 1_000);
    let signed = record::sign(&agent(), term, &tombstone()).unwrap();
    assert_eq!(open(&signed).unwrap().serve_until_ms, NOW + 24 * 60 * MINUTE_MS);
    let forever = Term { expires_at_ms: u64::MAX, ..term };
    let signed = record::sign(&agent(), forever, &tombstone()).unwrap();
    assert_eq!(open(&signed).unwrap().serve_until_ms, NOW + 24 * 60 * MINUTE_MS);
    assert!(record::open::<v1::Tombstone>(&signed, None, u64::MAX).is_err());
}

#[test]
fn a_body_above_its_bound_is_neither_signed_nor_opened() {
    let too_large = (Kind::TooLarge, "record".to_owned());
    let filled = |bytes: usize| {
        let mut body = v1::Descriptor { name: "a".into(), ..Default::default() };
        body.description = "x".repeat(bytes - body.encoded_len() - 3);
        assert_eq!(body.encoded_len(), bytes);
        body
    };
    let fits = record::sign(&agent(), term(), &filled(RECORD_BODY_BYTES)).unwrap();
    assert!(record::open::<v1::Descriptor>(&fits, None, NOW).is_ok());
    let body = filled(RECORD_BODY_BYTES + 1);
    assert_eq!(code(record::sign(&agent(), term(), &body)), too_large);
    let signed = by_hand(&agent(), &plain(&agent(), &body), Domain::Descriptor);
    assert_eq!(code(record::open::<v1::Descriptor>(&signed, None, NOW)), too_large);
    let huge = v1::SignedRecord { signed: vec![0; 1 << 20].into(), signature: Bytes::new() };
    assert_eq!(code(open(&huge)), too_large);
}

fn shown() -> (v1::AgentAnnouncement, NodeKey) {
    let descriptor = v1::Descriptor {
        name: "digester".into(),
        description: "counts\u{202e} \0things".into(),
        ..Default::default()
    };
    let descriptor = record::sign(&agent(), term(), &descriptor).unwrap();
    let hosting = v1::Hosting {
        node_key: node().node_key().to_wire(),
        descriptor_digest: Bytes::copy_from_slice(&record::digest(&descriptor.signed)),
        priority: 0,
        ..v1::Hosting::default()
    };
    let hosting = record::sign(&agent(), term(), &hosting).unwrap();
    let announcement =
        v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) };
    (announcement, node().node_key())
}

#[test]
fn an_agent_is_shown_by_its_own_node_with_its_own_descriptor() {
    let (announcement, node_key) = shown();
    let opened = open_agent(&announcement, &node_key, NOW).unwrap();
    assert_eq!((opened.agent(), opened.node), (agent().agent_id(), node_key));
    assert_eq!(opened.descriptor.body.description, "counts things");
    assert_eq!(opened.descriptor.signed, announcement.descriptor.clone().unwrap());

    let stranger = NodeKey::from_bytes([9; 32]);
    let elsewhere = open_agent(&announcement, &stranger, NOW);
    assert_eq!(code(elsewhere), (Kind::Auth, "wrong_node".into()));

    let other = SecretKey::from_seed([7; 32]);
    let body = v1::Descriptor { name: "digester".into(), ..Default::default() };
    let foreign = Some(record::sign(&other, term(), &body).unwrap());
    let mixed = v1::AgentAnnouncement { descriptor: foreign, ..announcement.clone() };
    assert_eq!(code(open_agent(&mixed, &node_key, NOW)), (Kind::Auth, "wrong_key".into()));

    let changed = Some(record::sign(&agent(), term(), &body).unwrap());
    let changed = v1::AgentAnnouncement { descriptor: changed, ..announcement.clone() };
    let opened = open_agent(&changed, &node_key, NOW);
    assert_eq!(code(opened), (Kind::Content, "digest_mismatch".into()));

    for half in [
        v1::AgentAnnouncement { descriptor: None, ..announcement.clone() },
        v1::AgentAnnouncement { hosting: None, ..announcement },
    ] {
        let opened = open_agent(&half, &node_key, NOW);
        assert_eq!(code(opened), (Kind::Transport, "bad_frame".into()));
    }
}

/// A varint field of number 2,000, which no message of this version has.
const OF_THE_FUTURE: [u8; 3] = [0x80, 0x7d, 0x07];

#[test]
fn records_with_fields_of_the_future_hold_and_are_passed_on_as_they_were_signed() {
    let body = v1::Descriptor { name: "digester".into(), ..Default::default() };
    let later = |body: Vec<u8>, domain| {
        let body = [&body[..], &OF_THE_FUTURE].concat().into();
        let kind = if domain == Domain::Hosting { "hosting" } else { "descriptor" }.into();
        let record = v1::Record { kind, body, ..plain(&agent(), &tombstone()) };
        let signed = [&record.encode_to_vec()[..], &OF_THE_FUTURE].concat();
        let signature = Bytes::copy_from_slice(&agent().sign(domain, &signed));
        v1::SignedRecord { signed: signed.into(), signature }
    };
    let descriptor = later(body.encode_to_vec(), Domain::Descriptor);
    let hosting = v1::Hosting {
        node_key: node().node_key().to_wire(),
        descriptor_digest: record::digest(&descriptor.signed).to_vec().into(),
        ..v1::Hosting::default()
    };
    let hosting = later(hosting.encode_to_vec(), Domain::Hosting);
    let shown = v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) };
    // From one node to the next, twice.
    let mut passed = shown.clone();
    for _ in 0..2 {
        let opened = open_agent(&passed, &node().node_key(), NOW).unwrap();
        assert_eq!(opened.descriptor.body, body);
        let (descriptor, hosting) = (opened.descriptor.signed, opened.hosting.signed);
        passed = v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) };
        passed = v1::AgentAnnouncement::decode(passed.encode_to_vec().as_slice()).unwrap();
    }
    assert_eq!(passed, shown);
}

#[test]
fn the_digest_of_a_node_depends_on_every_hosting() {
    let (announcement, _) = shown();
    let one = agents_digest(std::slice::from_ref(&announcement));
    let two = agents_digest(&[announcement.clone(), announcement]);
    assert!(one != two && one != agents_digest(&[]));
}

#[test]
fn a_skill_document_is_what_its_digest_says() {
    let schema = "{\"type\":\"object\"}".to_owned();
    let body =
        v1::SkillDocument { id: "sum".into(), input_schema_json: schema, ..Default::default() };
    let sealed = document::seal(&body).unwrap();
    assert_eq!(document::open(&sealed.bytes, &sealed.digest), Ok(body.clone()));
    let other = document::open(&sealed.bytes, &[0; 32]);
    assert_eq!(code(other), (Kind::Content, "digest_mismatch".into()));

    let broken = v1::SkillDocument { input_schema_json: "{".into(), ..body.clone() };
    assert_eq!(code(document::seal(&broken)), (Kind::Json, "bad_json".into()));
    let large = |bytes| v1::SkillDocument { description: "x".repeat(bytes), ..body.clone() };
    let over = document::seal(&large(SKILL_DOCUMENT_BYTES));
    assert_eq!(code(over), (Kind::TooLarge, "skill_document".into()));
    let many: Vec<_> = (0..5).map(|_| large(SKILL_DOCUMENT_BYTES - 1_000)).collect();
    let over = document::seal_all(&many).unwrap_err();
    assert_eq!(over.limit.unwrap().name, "AGENT_DOCUMENTS_BYTES");
    assert!(document::seal_all(&many[..4]).is_ok());
}

#[test]
fn a_descriptor_that_cannot_fit_is_refused() {
    let skill = |id: usize, title: usize| v1::Skill {
        id: format!("s{id}"),
        title: "t".repeat(title),
        ..Default::default()
    };
    let skills: Vec<_> = (0..65).map(|id| skill(id, 1)).collect();
    let body = v1::Descriptor { name: "a".into(), skills, ..Default::default() };
    assert_eq!(descriptor::fit(body).unwrap_err().limit.unwrap().name, "DESCRIPTOR_SKILLS");
    let skills: Vec<_> = (0..64).map(|id| skill(id, 200)).collect();
    let body = v1::Descriptor { name: "a".into(), skills, ..Default::default() };
    assert_eq!(descriptor::fit(body).unwrap_err().limit.unwrap().name, "RECORD_BODY_BYTES");
}

#[test]
fn what_an_agent_says_of_itself_is_shown_without_control_characters() {
    let odd = || "a\0b".to_owned();
    let body = v1::Descriptor { title: odd(), description: odd(), ..Default::default() };
    let fitted = descriptor::fit(body).unwrap();
    assert_eq!((fitted.title.as_str(), fitted.description.as_str()), ("ab", "ab"));
}

#[test]
fn a_description_of_a_skill_is_cut_at_its_bound() {
    let skill = v1::Skill { id: "s".into(), description: "é".repeat(1_000), ..Default::default() };
    let body = v1::Descriptor { name: "a".into(), skills: vec![skill], ..Default::default() };
    let fitted = descriptor::fit(body).unwrap();
    assert_eq!(fitted.skills[0].description, "é".repeat(SKILL_DESCRIPTION_CHARS));
}

#[test]
fn lists_of_records_are_bounded() {
    let number = |n: usize| v1::Attribute { value: Some(v1::attribute::Value::Number(n as f64)) };
    let with_skill = |skill: v1::Skill| v1::Descriptor {
        name: "a".into(),
        skills: vec![v1::Skill { id: "s".into(), ..skill }],
        ..Default::default()
    };
    let facts = |count: usize| {
        let attributes = (0..count).map(|n| (format!("a{n}"), number(n))).collect();
        with_skill(v1::Skill { attributes, ..Default::default() })
    };
    let items = |count: usize| {
        let list = v1::AttributeList { items: (0..count).map(number).collect() };
        let value = Some(v1::attribute::Value::List(list));
        let attributes = [("a".to_owned(), v1::Attribute { value })].into();
        with_skill(v1::Skill { attributes, ..Default::default() })
    };
    let check = |name: &str, bound: usize, build: &dyn Fn(usize) -> v1::Descriptor| {
        let signed = by_hand(&agent(), &plain(&agent(), &build(bound)), Domain::Descriptor);
        assert!(record::open::<v1::Descriptor>(&signed, None, NOW).is_ok(), "{name}");
        let signed = by_hand(&agent(), &plain(&agent(), &build(bound + 1)), Domain::Descriptor);
        let error = record::open::<v1::Descriptor>(&signed, None, NOW).unwrap_err();
        assert_eq!(error.limit.unwrap().name, name);
    };
    check("SKILL_ATTRIBUTES", SKILL_ATTRIBUTES, &facts);
    check("ATTRIBUTE_ITEMS", ATTRIBUTE_ITEMS, &items);
    let addresses = |count: usize| v1::NodeRecord {
        addresses: vec!["127.0.0.1:1".into(); count],
        ..Default::default()
    };
    let open = |count: usize| {
        let signed = by_hand(&node(), &plain(&node(), &addresses(count)), Domain::Node);
        record::open::<v1::NodeRecord>(&signed, None, NOW)
    };
    assert!(open(NODE_ADDRESSES).is_ok());
    assert_eq!(open(NODE_ADDRESSES + 1).unwrap_err().limit.unwrap().name, "NODE_ADDRESSES");
}

proptest! {
    #[test]
    fn a_fitted_descriptor_fits_and_keeps_all_it_can(
        body in messages::descriptor(),
        letters in 0usize..3_000,
        copies in 1usize..12,
    ) {
        let mut body = body;
        body.description = "é".repeat(letters);
        let mut skills = Vec::new();
        for copy in 0..copies {
            skills.extend(body.skills.iter().cloned().map(|mut skill| {
                skill.id = format!("{copy}-{}", skill.id);
                skill
            }));
        }
        body.skills = skills;
        let Ok(fitted) = descriptor::fit(body.clone()) else {
            let mut bare = body;
            bare.skills.iter_mut().for_each(|skill| skill.description.clear());
            prop_assert!(bare.encoded_len() > RECORD_BODY_BYTES - DESCRIPTION_BYTES);
            return Ok(());
        };
        prop_assert!(fitted.encoded_len() <= RECORD_BODY_BYTES);
        let chars = |skill: &v1::Skill| skill.description.chars().count();
        let kept = fitted.skills.iter().map(chars).max().unwrap_or(160);
        for (before, after) in body.skills.iter().zip(&fitted.skills) {
            prop_assert!(before.description.starts_with(&after.description));
            prop_assert!(chars(after) == kept || chars(before) == chars(after));
        }
        let signed = record::sign(&agent(), term(), &fitted).unwrap();
        let opened = record::open::<v1::Descriptor>(&signed, None, NOW).unwrap();
        prop_assert_eq!(opened.body, fitted);
    }

    #[test]
    fn any_bytes_are_refused_as_a_record(signed: Vec<u8>, signature: Vec<u8>) {
        let record = v1::SignedRecord { signed: signed.into(), signature: signature.into() };
        prop_assert!(record::open::<v1::Descriptor>(&record, None, NOW).is_err());
    }
}
