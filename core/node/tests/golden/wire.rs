//! What nodes and people hand to each other, as bytes with what they say. They are taken from the
//! corpus of the fuzz targets, which holds one of each kind.

use super::{NOW, differs, key, place};
use bytes::Bytes;
use hubless::membership::{Membership, Ticket};
use hubless_proto::audit::{Head, Row as AuditRow};
use hubless_proto::error::{Error, Result};
use hubless_proto::killswitch::{Component, Message, Row};
use hubless_proto::metering::chain::SpendKey;
use hubless_proto::template::Template;
use hubless_proto::wire::announcement::open_agent;
use hubless_proto::wire::decode::{Checked, decode, decode_file};
use hubless_proto::wire::frame::{FrameBuffer, FrameType, decode_data, encode_data, encode_frame};
use hubless_proto::wire::record::{self, RecordBody};
use hubless_proto::wire::{document, v1};
use prost::Message as _;
use serde::Serialize;
use serde_json::{Value, json};

/// Bodies of frames by their type.
const FRAMES: &[(FrameType, &[&str])] = &[
    (FrameType::Hello, &["hello/hello"]),
    (FrameType::HelloAck, &["control/hello_ack"]),
    (FrameType::Refused, &["control/refusal"]),
    (FrameType::Show, &["show/show"]),
    (FrameType::Hide, &["control/hide"]),
    (FrameType::Clock, &["control/clock"]),
    (FrameType::Load, &["control/load"]),
    (FrameType::Redeem, &["control/redeem"]),
    (FrameType::Redeemed, &["control/redeemed"]),
    (FrameType::Drained, &["control/drained"]),
    (FrameType::Goodbye, &["control/goodbye"]),
    (
        FrameType::Ledger,
        &[
            "ledger_message/grant",
            "ledger_message/declined",
            "ledger_message/progress",
            "ledger_message/settle",
            "ledger_message/settle_ack",
            "ledger_message/renew_ask",
            "ledger_message/renew",
            "ledger_message/recall",
            "ledger_message/trip",
        ],
    ),
    (FrameType::RecordDigests, &["control/record_digests"]),
    (FrameType::RecordDelta, &["control/record_delta"]),
    (FrameType::Ask, &["answer/ask"]),
    (FrameType::Answer, &["answer/agent", "answer/trace", "answer/rejection"]),
    (FrameType::Request, &["request/request"]),
    (
        FrameType::Event,
        &[
            "event/accepted",
            "event/progress",
            "event/chunk",
            "event/tool_call",
            "event/input_required",
            "event/final",
            "event/rejection",
        ],
    ),
    (FrameType::ToolResult, &["tool_result/result", "tool_result/failed"]),
    (FrameType::Input, &["tool_result/input"]),
    (FrameType::Room, &["tool_result/room"]),
];

/// What is no frame, by how it is read.
const OTHERS: &[(&str, &[&str])] = &[
    ("descriptor", &["record/descriptor"]),
    ("hosting", &["record/hosting"]),
    ("node", &["record/node"]),
    ("tombstone", &["record/tombstone"]),
    ("announcement", &["announcement/one"]),
    ("skill_document", &["skill_document/document"]),
    (
        "ledger_row",
        &[
            "ledger_row/account",
            "ledger_row/reservation",
            "ledger_row/subgrant",
            "ledger_row/trip",
            "ledger_row/closed",
            "ledger_row/since",
        ],
    ),
    ("audit_row", &["audit_row/refusal"]),
    ("token", &["token/node", "token/member"]),
    ("ticket", &["ticket/one"]),
    ("spending_key", &["spend_key/root", "spend_key/child", "spend_key/below"]),
    ("template", &["template/all"]),
];

/// One row for each: its bytes and what they say.
pub(super) fn made() -> Value {
    let frame = |kind: FrameType, what: &str, body: Bytes| {
        let (_, frame) = message(kind, body).unwrap();
        row("frame", what, &frame)
    };
    let all = FRAMES.iter().flat_map(|(kind, all)| all.iter().map(move |what| (*kind, what)));
    let mut rows: Vec<Value> = all.map(|(kind, what)| frame(kind, what, corpus(what))).collect();
    let chunk = Bytes::from_static(b"chunk");
    let header = encode_data(3, &chunk).unwrap();
    rows.push(row("frame", "data", &[header, chunk].concat()));
    let all = OTHERS.iter().flat_map(|(kind, all)| all.iter().map(move |what| (kind, what)));
    rows.extend(all.map(|(kind, what)| row(kind, what, &corpus(what))));
    let known = |kind: &FrameType| rows.iter().any(|row| row["value"]["type"] == kind.name());
    assert!(FrameType::ALL.iter().all(known), "who adds a type of frame adds one here");
    Value::Array(rows)
}

/// Every row is read, and says what it said.
pub(super) fn check(rows: &Value) -> std::result::Result<(), String> {
    let rows = rows.as_array().unwrap();
    assert!(!rows.is_empty(), "nothing would be checked");
    rows.iter().try_for_each(|row| {
        let (what, kind) = (row["what"].as_str().unwrap(), row["kind"].as_str().unwrap());
        let bytes = data_encoding::HEXLOWER.decode(row["bytes"].as_str().unwrap().as_bytes());
        let seen = read(kind, bytes.unwrap().into());
        let seen = seen.map_err(|error| format!("{what} is refused: {error}"))?;
        differs(what, &row["value"], &seen)
    })
}

fn row(kind: &str, what: &str, bytes: &[u8]) -> Value {
    let value = read(kind, Bytes::copy_from_slice(bytes));
    let value = value.unwrap_or_else(|error| panic!("{what}: {error}"));
    json!({"what": what, "kind": kind, "bytes": hex(bytes), "value": value})
}

fn corpus(what: &str) -> Bytes {
    let path = place("tests/fuzz/corpus").join(format!("{what}.bin"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
}

fn read(kind: &str, bytes: Bytes) -> Result<Value> {
    match kind {
        "frame" => frame(&bytes),
        "descriptor" => opened::<v1::Descriptor>(bytes),
        "hosting" => opened::<v1::Hosting>(bytes),
        "node" => opened::<v1::NodeRecord>(bytes),
        "tombstone" => opened::<v1::Tombstone>(bytes),
        "announcement" => announcement(bytes),
        "skill_document" => {
            let digest = record::digest(&bytes);
            let document = document::open(&bytes, &digest)?;
            Ok(json!({"digest": hex(&digest), "document": shown(&document)}))
        }
        "ledger_row" => {
            let row = Row::decode(bytes)?;
            Ok(shown(&v1::LedgerRow::decode(row.encode()).unwrap()))
        }
        "audit_row" => {
            let row = AuditRow::decode(text(&bytes))?;
            Ok(json!({"head": Head::START.then(&bytes).to_string(), "row": shown(&row)}))
        }
        "token" => {
            let (mesh, node) = (key(1).mesh_id(), key(2).node_key());
            let found = Membership::outsider(mesh).verify(&bytes, node, NOW)?;
            Ok(json!({"role": found.role, "groups": found.groups, "untilMs": found.until_ms}))
        }
        "ticket" => {
            let ticket: Ticket = text(&bytes).parse()?;
            let minters = ticket.minters.iter();
            let minters = minters.map(|one| json!({"node": one.node, "addresses": one.addresses}));
            let minters: Vec<_> = minters.collect();
            Ok(json!({"mesh": ticket.mesh, "minters": minters, "text": ticket.text()}))
        }
        "spending_key" => spending_key(text(&bytes)),
        "template" => {
            let template = Template::read_of_callee(serde_json::from_slice(&bytes).unwrap())?;
            let mut request = v1::Request::default();
            template.fill_of_callee(&mut request);
            Ok(shown(&request))
        }
        other => Err(Error::invalid("kind", format!("{other} is of no kind that is read here"))),
    }
}

/// A whole frame, as it comes over a stream.
fn frame(bytes: &[u8]) -> Result<Value> {
    let mut buffer = FrameBuffer::default();
    buffer.push(bytes);
    let frame = buffer.next_frame()?.expect("a row holds a whole frame");
    buffer.finish()?;
    let (value, _) = message(frame.kind, frame.body)?;
    Ok(json!({"type": frame.kind.name(), "message": value}))
}

/// What the body of a frame says, and the frame.
fn message(kind: FrameType, body: Bytes) -> Result<(Value, Vec<u8>)> {
    match kind {
        FrameType::Hello => of::<v1::Hello>(kind, body),
        FrameType::HelloAck => of::<v1::HelloAck>(kind, body),
        FrameType::Refused => of::<v1::Refused>(kind, body),
        FrameType::Show => of::<v1::Show>(kind, body),
        FrameType::Hide => of::<v1::Hide>(kind, body),
        FrameType::Clock => of::<v1::Clock>(kind, body),
        FrameType::Load => of::<v1::Load>(kind, body),
        FrameType::Redeem => of::<v1::Redeem>(kind, body),
        FrameType::Redeemed => of::<v1::Redeemed>(kind, body),
        FrameType::Drained => of::<v1::Drained>(kind, body),
        FrameType::Goodbye => of::<v1::Goodbye>(kind, body),
        FrameType::RecordDigests => of::<v1::RecordDigests>(kind, body),
        FrameType::RecordDelta => of::<v1::RecordDelta>(kind, body),
        FrameType::Ask => of::<v1::Ask>(kind, body),
        FrameType::Answer => of::<v1::Answer>(kind, body),
        FrameType::Request => of::<v1::Request>(kind, body),
        FrameType::Event => of::<v1::Event>(kind, body),
        FrameType::ToolResult => of::<v1::ToolResult>(kind, body),
        FrameType::Input => of::<v1::Input>(kind, body),
        FrameType::Room => of::<v1::Room>(kind, body),
        FrameType::Ledger => {
            let message = Message::decode(body)?.to_wire();
            Ok((shown(&message), encode_frame(kind, &message)?.to_vec()))
        }
        FrameType::Data => {
            let (index, chunk) = decode_data(body)?;
            let header = encode_data(index, &chunk)?;
            let value = json!({"index": index, "chunk": hex(&chunk)});
            Ok((value, [header, chunk].concat()))
        }
        other => panic!("who adds a type of frame says here how {} is read", other.name()),
    }
}

fn of<T: Checked + Serialize>(kind: FrameType, body: Bytes) -> Result<(Value, Vec<u8>)> {
    let message = decode::<T>(kind, body)?;
    Ok((shown(&message), encode_frame(kind, &message)?.to_vec()))
}

fn opened<T: RecordBody + Serialize>(bytes: Bytes) -> Result<Value> {
    let signed = decode::<v1::SignedRecord>(FrameType::Show, bytes)?;
    let opened = record::open::<T>(&signed, None, NOW)?;
    Ok(json!({
        "author": opened.author.to_string(),
        "seq": opened.term.seq,
        "issuedAtMs": opened.term.issued_at_ms,
        "expiresAtMs": opened.term.expires_at_ms,
        "digest": hex(&opened.digest),
        "body": shown(&opened.body),
    }))
}

fn announcement(bytes: Bytes) -> Result<Value> {
    let file = decode_file(bytes)?;
    let node = record::open::<v1::NodeRecord>(&file.node.unwrap_or_default(), None, NOW)?;
    let open = |agent| Ok(open_agent(agent, &node.author, NOW)?.agent().to_string());
    let agents = file.agents.iter().map(open).collect::<Result<Vec<_>>>()?;
    Ok(json!({"node": node.author, "agents": agents}))
}

fn spending_key(text: &str) -> Result<Value> {
    let key = SpendKey::read(text)?;
    let links = key.chain().links.iter().map(|link| {
        json!({
            "id": link.id.to_string(),
            "limitMicros": link.limit.of(Component::CostMicros),
            "issuedMs": link.issued_ms,
            "untilMs": link.until_ms,
        })
    });
    let links: Vec<_> = links.collect();
    Ok(json!({"root": key.chain().root.to_string(), "links": links}))
}

/// The JSON form, as a reader of its text has it.
fn shown(value: &impl Serialize) -> Value {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    hubless_proto::identity::hex::encode(bytes)
}
