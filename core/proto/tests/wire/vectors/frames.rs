//! `frames.json`: whole frames with their JSON form, and bytes that are refused.

use super::{compare, hex};
use bytes::Bytes;
use hubless_proto::vectors::read;
use hubless_proto::wire::decode::{Checked, decode};
use hubless_proto::wire::frame::{FrameBuffer, FrameType, encode_data, encode_frame};
use hubless_proto::wire::v1;
use serde::Serialize;
use serde_json::{Value, json};

fn taken<T: Checked + Serialize + PartialEq>(kind: FrameType, message: &T) -> Value {
    let bytes = encode_frame(kind, message).unwrap();
    let mut buffer = FrameBuffer::default();
    buffer.push(&bytes);
    let frame = buffer.next_frame().unwrap().unwrap();
    assert!(decode::<T>(kind, frame.body).unwrap() == *message);
    let mut said = read("frames", 0, std::slice::from_ref(&bytes)).unwrap();
    assert_eq!(said["frames"][0]["message"], json!(message));
    let mut row = said["frames"][0].take();
    row["bytes"] = json!(hex(&bytes));
    row
}

/// What reading these bytes, then the end of the stream, ends in.
fn refused(what: &str, bytes: &[u8]) -> Value {
    let error = read("frames", 0, &[Bytes::copy_from_slice(bytes)]).unwrap_err();
    json!({
        "what": what,
        "bytes": hex(bytes),
        "kind": error.kind.name(),
        "code": error.code,
        "field": error.field,
    })
}

/// The one row of a stream of one DATA frame, and of one that is skipped.
fn data(bytes: &[u8]) -> Value {
    let said = read("frames", 0, &[Bytes::copy_from_slice(bytes)]).unwrap();
    let row = &said["frames"][0];
    json!({ "bytes": hex(bytes), "index": row["index"], "chunk": row["chunk"] })
}

fn skipped(bytes: &[u8]) -> Value {
    let said = read("frames", 0, &[Bytes::copy_from_slice(bytes)]).unwrap();
    assert_eq!(said, json!({ "frames": [] }));
    json!({ "bytes": hex(bytes) })
}

fn request() -> v1::Request {
    let part = |kind| v1::Part { kind: Some(kind), ..Default::default() };
    let stream = v1::StreamPart { kind: "blob".into(), size: Some(9), ..Default::default() };
    v1::Request {
        id: Bytes::from_static(&[7; 16]),
        attempt: 1,
        to: Bytes::from_static(&[1; 32]),
        skill: "sum".into(),
        content: Some(v1::Content {
            parts: vec![
                part(v1::part::Kind::Text("grüße".into())),
                part(v1::part::Kind::DataJson(r#"{"a":[1,2.5,null]}"#.into())),
                part(v1::part::Kind::Stream(stream)),
            ],
            metadata_json: [("k".to_owned(), "true".to_owned())].into(),
        }),
        effect: "PURE".into(),
        deadline_ms: 60_000,
        depth: 1,
        ..Default::default()
    }
}

fn last() -> v1::Event {
    let content = v1::Content {
        parts: vec![v1::Part {
            kind: Some(v1::part::Kind::DataJson("3".into())),
            ..Default::default()
        }],
        ..Default::default()
    };
    let timing = v1::Timing { queue_us: 1, handler_us: 20, network_us: 300 };
    let last = v1::Final { content: Some(content), timing: Some(timing), ..Default::default() };
    v1::Event { kind: Some(v1::event::Kind::Final(last)) }
}

fn rejection() -> v1::Event {
    let rejection = v1::Rejection {
        kind: "busy".into(),
        reason: "the queue is full".into(),
        retry: Some(v1::Retry { when: Some(v1::retry::When::AfterMs(250)) }),
        limit: Some(v1::Limit { name: "AGENT_QUEUE".into(), value: 1_024 }),
        ..Default::default()
    };
    v1::Event { kind: Some(v1::event::Kind::Rejection(rejection)) }
}

fn room(room: v1::room::Room) -> v1::Room {
    v1::Room { part: 1, room: Some(room) }
}

#[test]
fn frames() {
    let whole = encode_frame(FrameType::Request, &request()).unwrap();
    let chunk = Bytes::from_static(b"chunk");
    let stream = [encode_data(64, &chunk).unwrap(), chunk].concat();
    let goodbye = v1::Goodbye { deadline_ms: 10_000 };
    let made = json!({
        "types": read("frame_types", 0, &[]).unwrap()["types"],
        "taken": [
            taken(FrameType::Request, &request()),
            taken(FrameType::Event, &v1::Event {
                kind: Some(v1::event::Kind::Accepted(v1::Accepted {})),
            }),
            taken(FrameType::Event, &last()),
            taken(FrameType::Event, &rejection()),
            taken(FrameType::Room, &room(v1::room::Room::Bytes(1_250_000))),
            taken(FrameType::Room, &room(v1::room::Room::Unwanted(true))),
            taken(FrameType::Goodbye, &goodbye),
            taken(FrameType::Drained, &v1::Drained {}),
            taken(FrameType::Ledger, &v1::LedgerMessage {
                kind: Some(v1::ledger_message::Kind::SettleAck(v1::SettleAck {
                    grant: vec![3; 16].into(),
                })),
            }),
        ],
        "data": data(&stream),
        "skipped": skipped(&[200, 2, 1, 1]),
        "refused": [
            refused("cut short", &whole[..whole.len() - 1]),
            refused("unknown type below 128", &[99, 0]),
            refused("request of 1 MiB and one byte", &[32, 0x80, 0x10, 0, 1]),
            refused("length of 2^62 - 1", &[32, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
            refused("data without an index", &[34, 0]),
            refused("a field that ends before its length", &[32, 2, 0x0a, 9]),
            refused("text that is no UTF-8", &[32, 3, 0x32, 1, 0xff]),
            refused("request without an id", &[32, 0]),
            refused("room that says nothing", &[37, 0]),
        ],
    });
    assert_eq!(made["data"]["index"], 64);
    assert_eq!(made["data"]["chunk"], hex(b"chunk"));
    compare("frames.json", &made);
}
