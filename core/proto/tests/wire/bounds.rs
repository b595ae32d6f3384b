//! Every bound of a message, reached and passed by one.

use crate::messages;
use bytes::Bytes;
use hubless_proto::error::{Error, Kind};
use hubless_proto::limits as l;
use hubless_proto::wire::decode::{Checked, decode, decode_file, decode_within};
use hubless_proto::wire::frame::FrameType;
use hubless_proto::wire::v1;
use proptest::prelude::*;
use prost::Message;
use std::collections::BTreeMap;

fn request() -> v1::Request {
    v1::Request {
        id: vec![7; 16].into(),
        to: vec![1; 32].into(),
        deadline_ms: 60_000,
        ..Default::default()
    }
}

fn arrives(request: v1::Request) -> Result<v1::Request, Error> {
    decode(FrameType::Request, request.encode_to_vec().into())
}

fn text(text: impl Into<String>) -> v1::Part {
    v1::Part { kind: Some(v1::part::Kind::Text(text.into())), ..Default::default() }
}

fn data(text: impl Into<String>) -> v1::Part {
    v1::Part { kind: Some(v1::part::Kind::DataJson(text.into())), ..Default::default() }
}

fn stream(index: u32) -> v1::Part {
    let stream = v1::StreamPart { kind: "blob".into(), index, ..Default::default() };
    v1::Part { kind: Some(v1::part::Kind::Stream(stream)), ..Default::default() }
}

fn with(parts: Vec<v1::Part>) -> v1::Request {
    let content = v1::Content { parts, ..Default::default() };
    v1::Request { content: Some(content), ..request() }
}

fn many(count: usize) -> BTreeMap<String, String> {
    (0..count).map(|at| (format!("k{at}"), "1".to_owned())).collect()
}

fn nested(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

fn entry(key: usize) -> v1::ContextEntry {
    let value = Some(v1::context_entry::Value::Text(String::new()));
    v1::ContextEntry { key: format!("k{key}"), value, ..Default::default() }
}

fn context(context: v1::Context) -> v1::Request {
    v1::Request { context: Some(context), ..request() }
}

fn tools(count: usize) -> Vec<v1::Tool> {
    (0..count).map(|at| v1::Tool { name: format!("t{at}"), ..Default::default() }).collect()
}

/// A bound: its name, a request at it, and one past it.
type Row = (&'static str, v1::Request, v1::Request);

/// A request at the bound, and one past it.
fn row(name: &'static str, bound: usize, build: impl Fn(usize) -> v1::Request) -> Row {
    (name, build(bound), build(bound + 1))
}

fn content_rows() -> Vec<Row> {
    let streams = |count: usize| (0..count as u32).map(stream).collect();
    let entries =
        |count| v1::Context { entries: (0..count).map(entry).collect(), ..Default::default() };
    let pages = |count| v1::Context {
        pages: vec![v1::ContextPage::default(); count],
        ..Default::default()
    };
    let history = |count| v1::Context { history: vec![text("x"); count], ..Default::default() };
    vec![
        row("CONTENT_PARTS", l::CONTENT_PARTS, |count| with(vec![text("x"); count])),
        row("STREAMED_PARTS", l::STREAMED_PARTS, |count| with(streams(count))),
        row("INLINE_PART_BYTES", l::INLINE_PART_BYTES, |bytes| with(vec![text("x".repeat(bytes))])),
        row("JSON_DEPTH", l::JSON_DEPTH, |levels| with(vec![data(nested(levels))])),
        row("CONTEXT_ENTRIES", l::CONTEXT_ENTRIES, |count| context(entries(count))),
        row("CONTEXT_PAGES", l::CONTEXT_PAGES, |count| context(pages(count))),
        row("CONVERSATION_TURNS", l::CONVERSATION_TURNS, |count| context(history(count))),
    ]
}

fn list_rows() -> Vec<Row> {
    let key = || Bytes::from(vec![1; 32]);
    let zones =
        |count| v1::DataPolicy { zones_allowed: vec!["eu".into(); count], ..Default::default() };
    vec![
        row("METADATA_ENTRIES", l::METADATA_ENTRIES, |count| v1::Request {
            metadata_json: many(count),
            ..request()
        }),
        row("CALL_DEPTH", l::CALL_DEPTH as usize, |count| v1::Request {
            ancestors: vec![key(); count],
            ..request()
        }),
        row("TASK_HOPS", l::TASK_HOPS, |count| v1::Request {
            task_path: vec![key(); count],
            ..request()
        }),
        row("REQUEST_TOOLS", l::REQUEST_TOOLS, |count| v1::Request {
            tools: tools(count),
            ..request()
        }),
        row("LIST_ITEMS", l::LIST_ITEMS, |count| v1::Request {
            data_policy: Some(zones(count)),
            ..request()
        }),
    ]
}

fn size_rows() -> Vec<Row> {
    let auth = |bytes| v1::Auth { scheme: String::new(), secret: "s".repeat(bytes) };
    vec![
        row("CONVERSATION_ID_BYTES", l::CONVERSATION_ID_BYTES, |bytes| v1::Request {
            conversation_id: "c".repeat(bytes),
            ..request()
        }),
        row("IDEMPOTENCY_KEY_BYTES", l::IDEMPOTENCY_KEY_BYTES, |bytes| v1::Request {
            idempotency_key: "i".repeat(bytes),
            ..request()
        }),
        row("ID_BYTES", l::ID_BYTES, |bytes| v1::Request { skill: "s".repeat(bytes), ..request() }),
        row("TEXT_BYTES", l::TEXT_BYTES, |bytes| v1::Request {
            effect: "e".repeat(bytes),
            ..request()
        }),
        row("LONG_TEXT_BYTES", l::LONG_TEXT_BYTES, |bytes| v1::Request {
            auth: Some(auth(bytes)),
            ..request()
        }),
        row("TOKEN_BYTES", l::TOKEN_BYTES, |bytes| v1::Request {
            grant: vec![0; bytes].into(),
            ..request()
        }),
        row("DEADLINE_MAX", l::DEADLINE_MAX.as_millis() as usize, |ms| v1::Request {
            deadline_ms: ms as u64,
            ..request()
        }),
    ]
}

#[test]
fn each_bound_holds_what_it_says_and_no_more() {
    for (name, good, bad) in [content_rows(), list_rows(), size_rows()].concat() {
        assert!(good.check().is_ok(), "{name}: {:?}", good.check());
        assert_eq!(arrives(good.clone()).as_ref(), Ok(&good), "{name}");
        for error in [bad.check().unwrap_err(), arrives(bad).unwrap_err()] {
            assert_eq!(error.limit.as_ref().unwrap().name, name);
            assert!(l::NAMES.contains(&name) && error.field.is_some(), "{name}");
        }
    }
}

#[test]
fn the_seventeenth_call_or_hop_is_a_hop_limit() {
    let seventeen = vec![Bytes::from(vec![1; 32]); 17];
    let deep = v1::Request { ancestors: seventeen.clone(), ..request() };
    let error = deep.check().unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::HopLimit, "depth"));
    let far = v1::Request { task_path: seventeen, ..request() };
    let error = far.check().unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::HopLimit, "hops"));
}

#[test]
fn a_field_in_a_wrong_form_is_a_bad_frame_and_is_named() {
    let part = |role: &str| v1::Part { role: role.into(), ..text("x") };
    let twice = [tools(1), tools(1)].concat();
    let rows = [
        ("id", v1::Request { id: vec![7; 15].into(), ..request() }),
        ("to", v1::Request { to: Bytes::new(), ..request() }),
        ("from", v1::Request { from: vec![1; 33].into(), ..request() }),
        ("attempt", v1::Request { attempt: 65_536, ..request() }),
        ("return_to", v1::Request { return_to: "me".into(), ..request() }),
        ("skill", v1::Request { skill: "a\0b".into(), ..request() }),
        ("skill", v1::Request { skill: "a\u{202e}b".into(), ..request() }),
        ("tools", v1::Request { tools: twice, ..request() }),
        ("tools.name", v1::Request { tools: vec![v1::Tool::default()], ..request() }),
        ("conversation_id", v1::Request { conversation_id: "\u{2066}".into(), ..request() }),
        ("content.role", with(vec![part("us\0er")])),
        ("content.parts", with(vec![stream(1), stream(1)])),
        ("ancestors", v1::Request { ancestors: vec![Bytes::new()], ..request() }),
        (
            "context.history",
            context(v1::Context { history: vec![stream(0)], ..Default::default() }),
        ),
        (
            "context.weight",
            context(v1::Context {
                entries: vec![v1::ContextEntry { weight: f64::NAN, ..entry(0) }],
                ..Default::default()
            }),
        ),
    ];
    for (field, request) in rows {
        let sent = request.check().unwrap_err();
        assert_eq!((sent.kind, sent.field.as_deref()), (Kind::InvalidArgument, Some(field)));
        let came = arrives(request).unwrap_err();
        assert_eq!((came.kind, came.code.as_str()), (Kind::Transport, "bad_frame"), "{field}");
        assert_eq!((came.field.as_deref(), came.operation.as_str()), (Some(field), "request"));
    }
}

#[test]
fn what_only_a_newer_version_means_is_unsupported() {
    let critical = vec!["x-\u{202e}new".to_owned()];
    let mut kindless = with(vec![v1::Part::default()]);
    let rows = [
        ("extension", v1::Request { critical_extensions: critical, ..request() }),
        ("unknown_kind", kindless.clone()),
        ("unknown_kind", {
            let mut odd = stream(0);
            if let Some(v1::part::Kind::Stream(stream)) = &mut odd.kind {
                stream.kind = "hologram".into();
            }
            with(vec![odd])
        }),
    ];
    for (code, request) in rows {
        let error = arrives(request).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Unsupported, code));
        assert!(!error.message.contains('\u{202e}'));
    }
    kindless.content = None;
    kindless.extensions_json = BTreeMap::from([("x-new".into(), "{\"a\":1}".into())]);
    assert_eq!(arrives(kindless.clone()), Ok(kindless));
}

#[test]
fn deep_json_is_refused_wherever_it_stands() {
    let deep = || nested(100_000);
    let tool = v1::Tool { name: "t".into(), input_schema_json: deep(), ..Default::default() };
    let metadata = BTreeMap::from([("k".to_owned(), deep())]);
    let value = Some(v1::context_entry::Value::DataJson(deep()));
    let deep_entry = v1::ContextEntry { value, ..entry(0) };
    let requests = [
        with(vec![data(deep())]),
        v1::Request { input_schema_json: deep(), ..request() },
        v1::Request { output_schema_json: deep(), ..request() },
        v1::Request { tools: vec![tool], ..request() },
        v1::Request { metadata_json: metadata.clone(), ..request() },
        v1::Request { extensions_json: metadata, ..request() },
        context(v1::Context { entries: vec![deep_entry], ..Default::default() }),
    ];
    for request in requests {
        let error = arrives(request).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Json, "too_deep"));
    }
}

#[test]
fn messages_inside_messages_have_a_bottom() {
    // an attribute list inside an attribute list, 10,000 times
    let mut bytes = Vec::new();
    for _ in 0..10_000 {
        let mut outer = vec![0x32]; // Attribute.list
        let list_length = bytes.len() + 1 + prost::length_delimiter_len(bytes.len());
        prost::encode_length_delimiter(list_length, &mut outer).unwrap();
        outer.push(0x0a); // AttributeList.items
        prost::encode_length_delimiter(bytes.len(), &mut outer).unwrap();
        outer.extend_from_slice(&bytes);
        bytes = outer;
    }
    let error = decode_within::<v1::Attribute>(bytes.into(), l::MIB).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Transport, "bad_frame"));
    assert!(error.field.is_some_and(|field| field.starts_with("Attribute")));
    let limit = error.limit.unwrap();
    assert_eq!((limit.name.as_str(), limit.value), ("MESSAGE_DEPTH", l::MESSAGE_DEPTH as u64));
}

#[test]
fn two_bytes_do_not_become_two_hundred() {
    let empty_parts = [0x0a, 0].repeat(l::MESSAGE_FRAME_BYTES / 2 - 4);
    let mut body = vec![0x3a]; // Request.content
    prost::encode_length_delimiter(empty_parts.len(), &mut body).unwrap();
    body.extend(empty_parts);
    let error = decode::<v1::Request>(FrameType::Request, body.into()).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::TooLarge, "too_many"));
    assert_eq!(error.limit.unwrap().name, "CONTENT_PARTS");
    // the same field over and over is no list, and is counted as well
    let body = [0x3a, 0].repeat(l::MESSAGE_FRAME_BYTES / 2);
    let error = decode::<v1::Request>(FrameType::Request, body.into()).unwrap_err();
    assert_eq!(error.limit.unwrap().name, "MESSAGE_ITEMS");
}

#[test]
fn bytes_that_are_no_message_and_too_many_of_them_are_named() {
    let whole = with(vec![text("x")]).encode_to_vec();
    let cut = Bytes::copy_from_slice(&whole[..whole.len() - 1]);
    // A number where the name of a skill belongs, cut off inside the content, and in a number.
    for (body, field) in [
        (Bytes::from_static(&[0x30, 1]), "Request"),
        (cut, "Request"),
        (Bytes::from_static(&[0x3a, 2, 0x0a, 9]), "Content"),
        (Bytes::from_static(&[0xff]), "Request"),
    ] {
        let error = decode::<v1::Request>(FrameType::Request, body).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Transport, "bad_frame"), "{error}");
        assert_eq!(error.field.as_deref(), Some(field), "{error}");
    }
    let long = |bytes: usize| Bytes::from(vec![0; bytes + 1]);
    let frame = decode::<v1::Request>(FrameType::Request, long(l::MESSAGE_FRAME_BYTES));
    let control = decode::<v1::Clock>(FrameType::Clock, long(l::CONTROL_FRAME_BYTES)).map(drop);
    let token = decode_within::<v1::Clock>(long(l::TOKEN_BYTES), l::TOKEN_BYTES).map(drop);
    for (refused, field, limit, most) in [
        (frame.map(drop), "Request", "MESSAGE_FRAME_BYTES", l::MESSAGE_FRAME_BYTES),
        (control, "Clock", "CONTROL_FRAME_BYTES", l::CONTROL_FRAME_BYTES),
        (token, "Clock", "TOKEN_BYTES", l::TOKEN_BYTES),
    ] {
        let error = refused.unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::TooLarge, "message"));
        assert_eq!(error.field.as_deref(), Some(field));
        let named = error.limit.map(|limit| (limit.name, limit.value));
        assert_eq!(named, Some((limit.to_owned(), most as u64)));
    }
}

#[test]
fn text_that_is_no_utf8_is_named() {
    let mut body = request().encode_to_vec();
    body.extend([0x32, 3, b'a', 0xff, b'b']); // Request.skill
    let error = decode::<v1::Request>(FrameType::Request, body.into()).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Transport, "not_utf8"));
    assert_eq!(error.field.as_deref(), Some("skill"));
    let surrogate = with(vec![data("\"\\ud800\"")]);
    let error = arrives(surrogate).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Json, "bad_json"));
}

#[test]
fn a_file_holds_as_many_agents_as_a_node_may_have() {
    let record = v1::SignedRecord { signed: vec![1; 100].into(), signature: vec![2; 64].into() };
    let agent =
        v1::AgentAnnouncement { descriptor: Some(record.clone()), hosting: Some(record.clone()) };
    let of = |count| v1::NodeAnnouncement {
        node: Some(record.clone()),
        agents: vec![agent.clone(); count],
        ..Default::default()
    };
    let full = decode_file(of(l::MEMBER_RECORDS).encode_to_vec().into()).unwrap();
    assert_eq!(full.agents.len(), l::MEMBER_RECORDS);
    let error = decode_file(of(l::MEMBER_RECORDS + 1).encode_to_vec().into()).unwrap_err();
    assert_eq!(error.limit.unwrap().name, "MEMBER_RECORDS");
    let error = decode_file(vec![0; l::RECORD_FILE_BYTES + 1].into()).unwrap_err();
    assert_eq!(error.kind, Kind::TooLarge);
}

#[test]
fn control_messages_are_checked() {
    use v1::ask::Question;
    let hello = v1::Hello {
        version_low: 1,
        version_high: 1,
        node: Some(v1::SignedRecord::default()),
        signature: vec![0; 64].into(),
        ..Default::default()
    };
    assert_eq!(hello.check(), Ok(()));
    let returns = |agent: &[u8], callee: &[u8]| {
        let (agent, callee) = (Bytes::copy_from_slice(agent), Bytes::copy_from_slice(callee));
        let asked = v1::ReturnQuestion { agent, callee };
        v1::Ask { question: Some(Question::Returns(asked)) }.check()
    };
    assert_eq!(returns(&[1; 32], &[2; 32]), Ok(()));
    let trace = |id: &'static [u8]| {
        v1::Ask { question: Some(Question::Trace(Bytes::from_static(id))) }.check()
    };
    assert_eq!(trace(&[1; 16]), Ok(()));
    let hide = |seqs: Vec<u64>| v1::Hide { agents: vec![vec![1; 32].into()], seqs }.check();
    assert_eq!((hide(vec![]), hide(vec![7])), (Ok(()), Ok(())));
    let renew = |bytes: usize| {
        let token = Bytes::from(vec![7; bytes]);
        let answer = v1::answer::Answer::Token(token.clone());
        let answer = v1::Answer { answer: Some(answer) }.check();
        let ask = v1::Ask { question: Some(Question::RenewToken(token)) }.check();
        assert_eq!(ask.is_ok(), answer.is_ok());
        ask
    };
    assert_eq!(renew(l::TOKEN_BYTES), Ok(()));
    let amount = Some(v1::Allowance::default());
    let (key, id) = (|| Bytes::from_static(&[1; 32]), Bytes::from_static(&[1; 16]));
    let code = v1::RedeemCode { issuer: key(), grant: id, secret: key(), amount, until_ms: 1 };
    let redeem = |code| v1::Ask { question: Some(Question::Redeem(code)) }.check();
    assert_eq!(redeem(code.clone()), Ok(()));
    let too_much = v1::Allowance { calls: u64::MAX, ..v1::Allowance::default() };
    let short = || Bytes::from_static(&[1; 31]);
    let bad: [(&str, Result<(), Error>); 23] = [
        ("renew_token", renew(0)),
        ("renew_token", renew(l::TOKEN_BYTES + 1)),
        ("issuer", redeem(v1::RedeemCode { issuer: short(), ..code.clone() })),
        ("grant", redeem(v1::RedeemCode { grant: key(), ..code.clone() })),
        ("secret", redeem(v1::RedeemCode { secret: short(), ..code.clone() })),
        ("amount", redeem(v1::RedeemCode { amount: None, ..code.clone() })),
        ("calls", redeem(v1::RedeemCode { amount: Some(too_much), ..code })),
        ("version_low", v1::Hello { version_low: 2, ..hello.clone() }.check()),
        ("version_low", v1::Hello { version_low: 0, ..hello.clone() }.check()),
        ("node", v1::Hello { node: None, ..hello.clone() }.check()),
        ("signature", v1::Hello { signature: Bytes::new(), ..hello }.check()),
        ("rejection", v1::Refused::default().check()),
        ("agents", v1::Hide { agents: vec![Bytes::new()], seqs: vec![] }.check()),
        ("seqs", hide(vec![7, 8])),
        ("hosting", v1::Show { agents: vec![v1::AgentAnnouncement::default()] }.check()),
        ("invite", v1::Redeem::default().check()),
        ("token", v1::Redeemed::default().check()),
        ("question", v1::Ask::default().check()),
        ("descriptor", v1::Ask { question: Some(Question::Descriptor(Bytes::new())) }.check()),
        ("agent", returns(&[1; 31], &[2; 32])),
        ("callee", returns(&[1; 32], &[])),
        ("trace", trace(&[1; 15])),
        ("answer", v1::Answer::default().check()),
    ];
    for (field, result) in bad {
        assert_eq!(result.unwrap_err().field.as_deref(), Some(field));
    }
}

#[test]
fn events_are_checked() {
    use v1::event::Kind as E;
    let event = |kind| v1::Event { kind: Some(kind) }.check().unwrap_err().field.unwrap();
    assert_eq!(v1::Event::default().check().unwrap_err().code, "unknown_kind");
    let progress = |fraction| E::Progress(v1::Progress { fraction, ..Default::default() });
    for fraction in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert_eq!(event(progress(Some(fraction))), "progress.fraction");
    }
    assert_eq!(event(E::Chunk(v1::Chunk::default())), "chunk.part");
    assert_eq!(event(E::ToolCall(v1::ToolCall::default())), "tool_call.name");
    let call = v1::ToolCall { name: "t".into(), arguments_json: String::new(), id: 1 };
    assert_eq!(event(E::ToolCall(call)), "tool_call.arguments");
    assert_eq!(v1::ToolResult::default().check().unwrap_err().field.unwrap(), "tool_result");
    assert_eq!(v1::Input::default().check().unwrap_err().field.unwrap(), "input");
}

proptest! {
    #[test]
    fn what_is_made_well_is_taken(
        request in messages::request(),
        event in messages::event(),
        descriptor in messages::descriptor(),
    ) {
        prop_assert_eq!(request.check(), Ok(()));
        prop_assert_eq!(event.check(), Ok(()));
        prop_assert_eq!(descriptor.check(), Ok(()));
        prop_assert_eq!(arrives(request.clone()), Ok(request));
    }

    #[test]
    fn a_damaged_message_is_a_message_or_an_error(
        request in messages::request(),
        at: prop::sample::Index,
        byte: u8,
        cut: bool,
    ) {
        let mut body = request.encode_to_vec();
        let at = at.index(body.len());
        if cut {
            body.truncate(at);
        } else {
            body[at] = byte;
        }
        if let Ok(read) = decode::<v1::Request>(FrameType::Request, body.into()) {
            prop_assert_eq!(read.check(), Ok(()));
        }
    }

    #[test]
    fn any_bytes_are_a_message_or_an_error(body: Vec<u8>) {
        let body = Bytes::from(body);
        let _ = decode::<v1::Request>(FrameType::Request, body.clone());
        let _ = decode::<v1::Event>(FrameType::Event, body.clone());
        let _ = decode::<v1::Hello>(FrameType::Hello, body.clone());
        let _ = decode_within::<v1::Descriptor>(body.clone(), l::RECORD_BODY_BYTES);
        let _ = decode_file(body);
    }
}
