//! The targets. Each says whether it took its input, so that a run can tell that it came behind
//! the first checks.

use bytes::Bytes;
use hubless_proto::audit::{Check, Head, Row as AuditRow};
use hubless_proto::error::Kind;
use hubless_proto::identity::{Address, AgentId, Domain, MeshId, Name, NodeKey, SecretKey, Target};
use hubless_proto::killswitch::{
    Ledger, Message as LedgerMessage, Now, Owner, RedeemCode, Row, Terms,
};
use hubless_proto::policy::{AuthRule, Requirements};
use hubless_proto::query::Query;
use hubless_proto::schema::Schema;
use hubless_proto::template::Template;
use hubless_proto::wire::announcement::{open_agent, read_agent_unverified};
use hubless_proto::wire::decode::{Checked, decode, decode_file};
use hubless_proto::wire::frame::{FrameBuffer, FrameType, decode_data, encode_data};
use hubless_proto::wire::json_text::check_json;
use hubless_proto::wire::record::{self, RecordBody};
use hubless_proto::wire::revoked::RevokedKeys;
use hubless_proto::wire::{document, v1};
use prost::Message;
use serde::{Serialize, de::DeserializeOwned};
use std::fmt::{Debug, Display};
use std::str::FromStr;

/// The clock of every run, in Unix milliseconds.
pub(crate) const NOW: u64 = 1_700_000_000_000;

/// A stream of frames, cut where the first byte says.
pub fn frame(data: &[u8]) -> bool {
    let Some((cut, stream)) = data.split_first() else { return false };
    let mut buffer = FrameBuffer::default();
    for piece in stream.chunks(usize::from(*cut).max(1)) {
        buffer.push(piece);
        loop {
            match buffer.next_frame() {
                Ok(Some(frame)) => {
                    assert!(frame.body.len() <= frame.kind.max_bytes());
                    if frame.kind == FrameType::Data {
                        data_frame(frame.body);
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    assert!(matches!(error.kind, Kind::Unsupported | Kind::TooLarge));
                    return false;
                }
            }
        }
    }
    buffer.finish().is_ok()
}

fn data_frame(body: Bytes) {
    let Ok((index, chunk)) = decode_data(body) else { return };
    let header = encode_data(index, &chunk).expect("a chunk that came may be sent");
    let mut buffer = FrameBuffer::default();
    buffer.push(&header);
    buffer.push(&chunk);
    let frame = buffer.next_frame().expect("a frame of ours").expect("a whole frame");
    assert_eq!(decode_data(frame.body), Ok((index, chunk)));
}

/// Decodes, and holds the decoder to its promises: what it takes passes its own check, comes back
/// the same and has a JSON form.
fn message<T>(kind: FrameType, data: &[u8]) -> bool
where
    T: Checked + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let Ok(value) = decode::<T>(kind, Bytes::copy_from_slice(data)) else { return false };
    value.check().expect("what is taken passes its check");
    let again = Bytes::from(value.encode_to_vec());
    if again.len() <= kind.max_bytes() {
        assert_eq!(decode::<T>(kind, again).as_ref(), Ok(&value));
    }
    let text = serde_json::to_string(&value).expect("what is taken has a JSON form");
    serde_json::from_str::<T>(&text).expect("the JSON form reads back");
    true
}

/// The first message of a connection.
pub fn hello(data: &[u8]) -> bool {
    message::<v1::Hello>(FrameType::Hello, data)
}

/// Agents that a peer shows.
pub fn show(data: &[u8]) -> bool {
    message::<v1::Show>(FrameType::Show, data)
}

/// The other messages between two nodes.
pub fn control(data: &[u8]) -> bool {
    message::<v1::HelloAck>(FrameType::HelloAck, data)
        | message::<v1::Refused>(FrameType::Refused, data)
        | message::<v1::Hide>(FrameType::Hide, data)
        | message::<v1::Clock>(FrameType::Clock, data)
        | message::<v1::Load>(FrameType::Load, data)
        | message::<v1::Redeem>(FrameType::Redeem, data)
        | message::<v1::Redeemed>(FrameType::Redeemed, data)
        | message::<v1::Drained>(FrameType::Drained, data)
        | message::<v1::Goodbye>(FrameType::Goodbye, data)
        | message::<v1::RecordDigests>(FrameType::RecordDigests, data)
        | message::<v1::RecordDelta>(FrameType::RecordDelta, data)
}

/// A request.
pub fn request(data: &[u8]) -> bool {
    message::<v1::Request>(FrameType::Request, data)
}

/// An event of a call.
pub fn event(data: &[u8]) -> bool {
    message::<v1::Event>(FrameType::Event, data)
}

/// The answer of a tool, that to an input, and room for a part.
pub fn tool_result(data: &[u8]) -> bool {
    let result = message::<v1::ToolResult>(FrameType::ToolResult, data);
    let room = message::<v1::Room>(FrameType::Room, data);
    message::<v1::Input>(FrameType::Input, data) | result | room
}

/// A question to a node, and its answer.
pub fn answer(data: &[u8]) -> bool {
    let ask = message::<v1::Ask>(FrameType::Ask, data);
    message::<v1::Answer>(FrameType::Answer, data) | ask
}

/// A list of revoked keys, signed as it comes: the next one stands before it and keeps its keys.
pub fn revoked(data: &[u8]) -> bool {
    let root = SecretKey::from_seed([1; 32]);
    let signed = Bytes::copy_from_slice(data);
    let signature = Bytes::copy_from_slice(&root.sign(Domain::Revoked, &signed));
    let signed = v1::SignedRecord { signed, signature };
    let Ok(list) = RevokedKeys::open(&signed, root.mesh_id()) else { return false };
    if let Ok(next) = RevokedKeys::after(Some(&list), &root, [[9; 32]], NOW)
        && list.seq() < u64::MAX
    {
        assert!(next.beats(&list) && list.keys().all(|key| next.holds(key)));
    }
    true
}

/// A signed record of any kind.
pub fn record(data: &[u8]) -> bool {
    let Ok(signed) = decode::<v1::SignedRecord>(FrameType::Show, Bytes::copy_from_slice(data))
    else {
        return false;
    };
    open::<v1::Descriptor>(&signed)
        | open::<v1::Hosting>(&signed)
        | open::<v1::NodeRecord>(&signed)
        | open::<v1::Tombstone>(&signed)
}

/// Opens a record both ways: what holds with its signature holds without looking at it.
fn open<T: RecordBody + PartialEq + Debug>(signed: &v1::SignedRecord) -> bool {
    let unverified = record::read_unverified::<T>(signed, None, NOW);
    let Ok(opened) = record::open::<T>(signed, None, NOW) else { return false };
    assert_eq!(unverified.as_ref(), Ok(&opened));
    assert_eq!(opened.signed, *signed);
    assert!(opened.serve_until_ms > NOW);
    true
}

/// The body of a record whose signature holds: what an author may send who means harm. The first
/// byte says which kind it is.
pub fn record_body(data: &[u8]) -> bool {
    let Some((kind, body)) = data.split_first() else { return false };
    match kind % 4 {
        0 => signed_body::<v1::Descriptor>(body),
        1 => signed_body::<v1::Hosting>(body),
        2 => signed_body::<v1::NodeRecord>(body),
        _ => signed_body::<v1::Tombstone>(body),
    }
}

fn signed_body<T: RecordBody + PartialEq + Debug>(body: &[u8]) -> bool {
    let key = SecretKey::from_seed([1; 32]);
    let record = v1::Record {
        kind: T::KIND.name().to_owned(),
        version: record::VERSION,
        key: Bytes::copy_from_slice(&key.public()),
        seq: NOW,
        issued_at_ms: NOW,
        expires_at_ms: NOW + 1_000,
        body: Bytes::copy_from_slice(body),
    };
    let signed = Bytes::from(record.encode_to_vec());
    let signature = Bytes::copy_from_slice(&key.sign(T::KIND.domain(), &signed));
    let signed = v1::SignedRecord { signed, signature };
    let Ok(opened) = record::open::<T>(&signed, None, NOW) else { return false };
    assert!(body.len() <= hubless_proto::limits::RECORD_BODY_BYTES);
    let again = record::sign(&key, opened.term, &opened.body).expect("what is taken is signed");
    let again = record::open::<T>(&again, Some(&opened.author), NOW).expect("and taken again");
    assert_eq!(again.body, opened.body);
    true
}

/// A file of the runtime folder.
pub fn announcement(data: &[u8]) -> bool {
    let Ok(file) = decode_file(Bytes::copy_from_slice(data)) else { return false };
    let Some(node) = &file.node else { return false };
    let Ok(node) = record::open::<v1::NodeRecord>(node, None, NOW) else { return false };
    for agent in &file.agents {
        let _ = read_agent_unverified(agent, &node.author, NOW);
        if let Ok(opened) = open_agent(agent, &node.author, NOW) {
            assert_eq!(opened.node, node.author);
            assert_eq!(opened.hosting.author, opened.descriptor.author);
        }
    }
    true
}

/// A skill document under its own digest.
pub fn skill_document(data: &[u8]) -> bool {
    let bytes = Bytes::copy_from_slice(data);
    let Ok(opened) = document::open(&bytes, &record::digest(&bytes)) else { return false };
    let sealed = document::seal(&opened).expect("what is taken may be sealed");
    assert_eq!(document::open(&sealed.bytes, &sealed.digest), Ok(opened));
    true
}

/// JSON text: the check and the parser are of one opinion, up to the depth.
pub fn json_text(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let parsed = serde_json::from_str::<serde_json::Value>(text);
    let checked = check_json("text", text);
    match &checked {
        Ok(()) => drop(parsed.expect("what is taken parses")),
        Err(error) if error.code == "too_deep" => {}
        Err(_) => assert!(parsed.is_err(), "what is refused does not parse"),
    }
    checked.is_ok()
}

/// The JSON form of requests and events, as it comes over stdio and HTTP.
pub fn json_message(data: &[u8]) -> bool {
    json::<v1::Request>(FrameType::Request, data)
        | json::<v1::Event>(FrameType::Event, data)
        | json::<v1::Descriptor>(FrameType::Show, data)
}

fn json<T>(kind: FrameType, data: &[u8]) -> bool
where
    T: Checked + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let Ok(value) = serde_json::from_slice::<T>(data) else { return false };
    let bytes = Bytes::from(value.encode_to_vec());
    if bytes.len() > kind.max_bytes() || value.check().is_err() {
        return false;
    }
    assert_eq!(decode::<T>(kind, bytes).as_ref(), Ok(&value));
    true
}

/// Texts that name someone.
pub fn identity(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    read::<AgentId>(text)
        | read::<NodeKey>(text)
        | read::<MeshId>(text)
        | read::<Address>(text)
        | read::<Name>(text)
        | read::<Target>(text)
}

/// What is read prints itself so that it is read again.
fn read<T: FromStr + Display + PartialEq + Debug>(text: &str) -> bool {
    let Ok(value) = text.parse::<T>() else { return false };
    let printed = value.to_string();
    assert_eq!(printed.parse::<T>().ok().as_ref(), Some(&value));
    assert!(printed.bytes().all(|byte| byte.is_ascii_graphic()));
    true
}

/// Private requirements from a configuration.
pub fn requirements(data: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice(data) else { return false };
    let Ok(requirements) = Requirements::read(value) else { return false };
    let mut public = v1::Descriptor { name: "a".to_owned(), ..Default::default() };
    requirements.publish(&AuthRule::None, &mut public);
    public.check().expect("what is published passes the check of a descriptor");
    true
}

/// A query, and its filter.
pub fn query(data: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice(data) else { return false };
    let Ok(query) = Query::read(value) else { return false };
    assert!(query.limit <= hubless_proto::limits::FIND_LIMIT);
    true
}

/// A schema, and a value for it: two JSON texts with a zero byte between them.
pub fn schema(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let (schema, value) = text.split_once('\0').unwrap_or((text, "null"));
    let Ok(schema) = Schema::compile(schema) else { return false };
    let Ok(value) = serde_json::from_str(value) else { return false };
    if let Err(error) = schema.check(&value, "content") {
        assert_eq!((error.kind, error.code.as_str()), (Kind::Json, "schema"));
    }
    true
}

/// What issuer and holder of a grant say to each other.
pub fn ledger_message(data: &[u8]) -> bool {
    let Ok(read) = LedgerMessage::decode(Bytes::copy_from_slice(data)) else { return false };
    assert_eq!(LedgerMessage::decode(read.encode()).as_ref(), Ok(&read));
    true
}

/// The text of a redeem code: of one code there is one, and its message is the same code.
pub fn redeem_code(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(code) = RedeemCode::read(text) else { return false };
    assert_eq!(*code.text(), text, "one code has one text");
    assert_eq!(RedeemCode::of_wire(&code.to_wire()).as_ref(), Ok(&code));
    true
}

/// A row of the store of a ledger: whatever it says, a ledger comes back from it or refuses it.
pub fn ledger_row(data: &[u8]) -> bool {
    let Ok(row) = Row::decode(Bytes::copy_from_slice(data)) else { return false };
    assert_eq!(Row::decode(row.encode()).as_ref(), Ok(&row));
    let node = SecretKey::from_seed([1; 32]).node_key();
    let owner = Owner { node, instance: 1, keeping: hubless_proto::killswitch::Keeping::Durable };
    let Ok(mut ledger) = Ledger::recover(owner, [row], Now::default()) else { return false };
    ledger.handle_timeout(Now { clock_ms: u64::MAX, unix_ms: u64::MAX });
    while ledger.poll_output().is_some() {}
    true
}

/// The limits of a switch.
pub fn terms(data: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice(data) else { return false };
    let Ok(terms) = Terms::read("", &value) else { return false };
    assert!(terms.lease_ms > 0);
    true
}

/// The template of a callee, which fills what a request leaves open, and nothing twice.
pub fn template(data: &[u8]) -> bool {
    let Ok(value) = serde_json::from_slice(data) else { return false };
    let Ok(template) = Template::read_of_callee(value) else { return false };
    let mut request = v1::Request::default();
    template.fill_of_callee(&mut request);
    assert!(request.auth.is_none() && request.tools.is_empty(), "those are the caller's alone");
    let mut again = request.clone();
    template.fill(&mut again);
    assert_eq!(again, request);
    true
}

/// A row of an audit log, as whoever can write the file may have changed it.
pub fn audit_row(data: &[u8]) -> bool {
    let head = Head::START.then(data);
    assert_eq!(head.to_string().parse(), Ok(head));
    let mut check = Check::from(Head::START);
    let taken = check.row(1, data, &head.hash);
    let Ok(row) = taken else { return false };
    assert_eq!((row.seq, check.head()), (1, head));
    assert_eq!(AuditRow::decode(&row.encode()).ok(), Some(row));
    assert!(check.end().is_ok());
    true
}
