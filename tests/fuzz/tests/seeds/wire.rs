//! Seeds of what nodes say to each other, and what they keep of it: bytes of the wire.

use super::{NOW, Seed, agent, node};
use bytes::Bytes;
use hubless_proto::wire::frame::{FrameType, encode_data, encode_frame};
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::revoked::RevokedKeys;
use hubless_proto::wire::v1;
use prost::Message;
use std::time::Duration;

pub(super) fn all() -> Vec<Seed> {
    let calls = [events(), messages(), frames()].concat();
    [calls, records(), control(), numbers()].concat()
}

fn term() -> Term {
    Term::starting(NOW, Duration::from_secs(3_600))
}

fn part(kind: v1::part::Kind) -> v1::Part {
    v1::Part {
        kind: Some(kind),
        role: "user".into(),
        metadata_json: [("k".to_owned(), "[1,{\"a\":null}]".to_owned())].into(),
    }
}

fn content() -> v1::Content {
    use v1::part::Kind;
    let stream = v1::StreamPart {
        kind: "data".into(),
        size: Some(9),
        sha256: vec![3; 32].into(),
        index: 1,
        ..Default::default()
    };
    let blob = v1::Blob {
        media_type: "image/png".into(),
        filename: "a.png".into(),
        bytes: Bytes::from_static(b"\x89PNG"),
    };
    let uri = v1::Uri { uri: "https://example.org/a".into(), size: 5, ..Default::default() };
    v1::Content {
        parts: vec![
            part(Kind::Text("grüße 💱".into())),
            part(Kind::DataJson("{\"a\":[1,2.5,null,\"\\u00e9\"]}".into())),
            part(Kind::Blob(blob)),
            part(Kind::Uri(uri)),
            part(Kind::Stream(stream)),
        ],
        metadata_json: [("m".to_owned(), "true".to_owned())].into(),
    }
}

fn request() -> v1::Request {
    let entry = v1::ContextEntry {
        key: "k".into(),
        weight: 0.5,
        links: vec!["l".into()],
        value: Some(v1::context_entry::Value::DataJson("[1]".into())),
    };
    let page = v1::ContextPage { name: "p".into(), entries: vec![entry.clone()] };
    let context = v1::Context {
        entries: vec![entry],
        pages: vec![page],
        history: vec![part(v1::part::Kind::Text("before".into()))],
        descriptions: [("k".to_owned(), "a key".to_owned())].into(),
        ..Default::default()
    };
    let tool = v1::Tool {
        name: "look_up".into(),
        input_schema_json: "{\"type\":\"object\"}".into(),
        effect: "PURE".into(),
        ..Default::default()
    };
    v1::Request {
        id: vec![7; 16].into(),
        to: vec![1; 32].into(),
        from: vec![2; 32].into(),
        skill: "sum".into(),
        content: Some(content()),
        accept: Some(v1::Accept { media_types: vec!["text/*".into()], ..Default::default() }),
        auth: Some(v1::Auth { scheme: "shared_secret".into(), secret: "s".into() }),
        context: Some(context),
        tools: vec![tool],
        output_schema_json: "{\"type\":\"number\"}".into(),
        effect: "IDEMPOTENT".into(),
        idempotency_key: "key".into(),
        deadline_ms: 60_000,
        total_ms: Some(120_000),
        depth: 2,
        trace: Some(v1::Trace { traceparent: "00-0-0-01".into(), ..Default::default() }),
        extensions_json: [("x".to_owned(), "1".to_owned())].into(),
        ancestors: vec![vec![4; 32].into()],
        ..Default::default()
    }
}

fn rejection() -> v1::Rejection {
    v1::Rejection {
        kind: "busy".into(),
        reason: "the queue is full".into(),
        retry: Some(v1::Retry { when: Some(v1::retry::When::AfterMs(250)) }),
        limit: Some(v1::Limit { name: "AGENT_QUEUE".into(), value: 1_024 }),
        origin: vec![2; 32].into(),
        candidates: vec!["did:key:z6Mk".into()],
        ..Default::default()
    }
}

fn events() -> Vec<Seed> {
    use v1::event::Kind;
    let last = v1::Final {
        content: Some(content()),
        usage: Some(v1::Usage {
            by_model: [("m".to_owned(), v1::ModelUsage::default())].into(),
            ..Default::default()
        }),
        timing: Some(v1::Timing { queue_us: 1, handler_us: 2, network_us: 3 }),
        load: 4,
    };
    let call = v1::ToolCall { id: 1, name: "look_up".into(), arguments_json: "{}".into() };
    let input = v1::InputRequired { id: 1, prompt: Some(content()), schema_json: "{}".into() };
    let chunk = v1::Chunk { part: Some(part(v1::part::Kind::Text("x".into()))), append: true };
    let progress = v1::Progress { note: "half".into(), fraction: Some(0.5) };
    let seed = |name, kind| ("event", name, v1::Event { kind: Some(kind) }.encode_to_vec());
    vec![
        seed("accepted", Kind::Accepted(v1::Accepted {})),
        seed("progress", Kind::Progress(progress)),
        seed("chunk", Kind::Chunk(chunk)),
        seed("tool_call", Kind::ToolCall(call)),
        seed("input_required", Kind::InputRequired(input)),
        seed("final", Kind::Final(last)),
        seed("rejection", Kind::Rejection(rejection())),
    ]
}

fn descriptor() -> v1::Descriptor {
    use v1::attribute::Value;
    let attribute = |value| v1::Attribute { value: Some(value) };
    let period = v1::Interval {
        low: Some(v1::interval::Low::FromDate("2021-01-01".into())),
        high: Some(v1::interval::High::ToDate("2024-12-31".into())),
    };
    let pairs = v1::AttributeList { items: vec![attribute(Value::Text("EUR/USD".into()))] };
    let skill = v1::Skill {
        id: "rates".into(),
        attributes: [
            ("pair".to_owned(), attribute(Value::List(pairs))),
            ("period".to_owned(), attribute(Value::Interval(period))),
            ("resolution_s".to_owned(), attribute(Value::Number(60.0))),
        ]
        .into(),
        effect: "PURE".into(),
        document_digest: vec![5; 32].into(),
        ..Default::default()
    };
    v1::Descriptor {
        name: "fx".into(),
        skills: vec![skill],
        needs: Some(v1::Needs { tools: vec!["look_up".into()], ..Default::default() }),
        allowed_models: [("chat".to_owned(), v1::Models { names: vec!["m".into()] })].into(),
        ..Default::default()
    }
}

fn announcement() -> v1::NodeAnnouncement {
    let descriptor = record::sign(&agent(), term(), &descriptor()).unwrap();
    let hosting = v1::Hosting {
        node_key: node().node_key().to_wire(),
        descriptor_digest: record::digest(&descriptor.signed).to_vec().into(),
        priority: 0,
        ..v1::Hosting::default()
    };
    let hosting = record::sign(&agent(), term(), &hosting).unwrap();
    let record = v1::NodeRecord {
        addresses: vec!["127.0.0.1:4433".into()],
        token: vec![1; 307].into(),
        mesh: vec![9; 32].into(),
        instance: 77,
        ..Default::default()
    };
    v1::NodeAnnouncement {
        node: Some(record::sign(&node(), term(), &record).unwrap()),
        agents: vec![v1::AgentAnnouncement {
            descriptor: Some(descriptor),
            hosting: Some(hosting),
        }],
        ..Default::default()
    }
}

fn records() -> Vec<Seed> {
    let all = announcement();
    let agent_records = all.agents.first().unwrap().clone();
    let tombstone = v1::Tombstone { reason: "closed".into(), ..Default::default() };
    let hello = v1::Hello {
        version_low: 1,
        version_high: 1,
        instance: 77,
        node: all.node.clone(),
        token: vec![1; 307].into(),
        signature: vec![6; 64].into(),
        clock_ms: NOW,
        features: vec!["x".into()],
        revoked_seq: 0,
    };
    let document = v1::SkillDocument {
        id: "rates".into(),
        input_schema_json: "{\"type\":\"object\"}".into(),
        examples: vec![v1::SkillExample { input_json: "{}".into(), ..Default::default() }],
        ..Default::default()
    };
    vec![
        ("record", "node", all.node.clone().unwrap().encode_to_vec()),
        ("record", "descriptor", agent_records.descriptor.clone().unwrap().encode_to_vec()),
        ("record", "hosting", agent_records.hosting.unwrap().encode_to_vec()),
        (
            "record",
            "tombstone",
            record::sign(&agent(), term(), &tombstone).unwrap().encode_to_vec(),
        ),
        ("record_body", "descriptor", [vec![0], descriptor().encode_to_vec()].concat()),
        ("record_body", "tombstone", [vec![3], tombstone.encode_to_vec()].concat()),
        ("hello", "hello", hello.encode_to_vec()),
        ("show", "show", v1::Show { agents: all.agents.clone() }.encode_to_vec()),
        ("announcement", "one", all.encode_to_vec()),
        ("skill_document", "document", document.encode_to_vec()),
    ]
}

/// A node and its agent as members pass them on.
fn spread() -> v1::RecordDelta {
    use v1::spread_record::Record;
    let all = announcement();
    let agents = all.agents.into_iter().map(Record::Agent);
    let records = all.node.map(Record::Node).into_iter().chain(agents);
    let spread = |record| v1::SpreadRecord { record: Some(record), hops: 1, here: true };
    v1::RecordDelta { records: records.map(spread).collect(), pushed: true }
}

/// Each thing that members say of the records that they hold.
fn numbers() -> Vec<Seed> {
    use v1::record_digests::Says;
    let rows = v1::RecordRows { spans: vec![1; 32].into(), rows: vec![2; 64].into() };
    let wants = v1::RecordWants { names: vec![3; 32].into(), rest: vec![4; 32].into() };
    let all = [
        ("compare", Says::Compare(vec![5; 16].into())),
        ("buckets", Says::Buckets(vec![6; 256 * 16].into())),
        ("same", Says::Buckets(Bytes::new())),
        ("rows", Says::Rows(rows)),
        ("wants", Says::Wants(wants)),
        ("offer", Says::Offer(vec![7; 64].into())),
        ("ask", Says::Ask(vec![8; 32].into())),
        ("suspects", Says::Suspects(vec![9; 80].into())),
    ];
    let seed =
        |(name, says)| ("digests", name, v1::RecordDigests { says: Some(says) }.encode_to_vec());
    let answered = v1::RecordDelta { pushed: false, ..spread() };
    let deltas = [("pushed", spread()), ("answered", answered)];
    let deltas = deltas.map(|(name, delta)| ("delta", name, delta.encode_to_vec()));
    all.into_iter().map(seed).chain(deltas).collect()
}

fn control() -> Vec<Seed> {
    let seed = |name, bytes| ("control", name, bytes);
    let ack = v1::HelloAck { version: 1, role: "member".into() };
    let load = v1::Load { queued: [("00".repeat(32), 7)].into() };
    let refused = v1::Refused { rejection: Some(rejection()) };
    let redeem = v1::Redeem { invite: vec![1; 32].into(), member_key: vec![2; 32].into() };
    let redeemed = v1::Redeemed { token: vec![1; 307].into(), rejection: None };
    let rows = v1::RecordRows { spans: vec![1; 32].into(), rows: vec![2; 64].into() };
    let digests = v1::RecordDigests { says: Some(v1::record_digests::Says::Rows(rows)) };
    let delta = spread();
    vec![
        seed("hello_ack", ack.encode_to_vec()),
        seed("drained", v1::Drained::default().encode_to_vec()),
        seed("refusal", refused.encode_to_vec()),
        seed(
            "hide",
            v1::Hide { agents: vec![vec![1; 32].into()], seqs: Vec::new() }.encode_to_vec(),
        ),
        seed("clock", v1::Clock { clock_ms: NOW }.encode_to_vec()),
        seed("load", load.encode_to_vec()),
        seed("redeem", redeem.encode_to_vec()),
        seed("redeemed", redeemed.encode_to_vec()),
        seed("goodbye", v1::Goodbye { deadline_ms: 10_000 }.encode_to_vec()),
        seed("record_digests", digests.encode_to_vec()),
        seed("record_delta", delta.encode_to_vec()),
    ]
}

fn traced() -> v1::TraceCalls {
    let call = v1::TraceCall {
        span: vec![1; 8].into(),
        parent: vec![2; 8].into(),
        side: "handled".into(),
        request: vec![3; 16].into(),
        attempt: 1,
        agent: vec![4; 32].into(),
        name: "echo".into(),
        peer: vec![5; 32].into(),
        path: "direct".into(),
        started_us: NOW * 1_000,
        kind: "busy".into(),
        code: "queue".into(),
        usage: Some(v1::Usage { input_tokens: 3, ..Default::default() }),
        answer_bytes: Some(7),
        hop: Some(2),
        budget: Some(v1::TraceBudget {
            id: vec![6; 32].into(),
            limit: Some(v1::Allowance { calls: 4, ..Default::default() }),
            spent: Some(v1::Amount { calls: 1, ..Default::default() }),
        }),
        ..Default::default()
    };
    v1::TraceCalls { calls: vec![call], more: true, language: "rust".into() }
}

fn messages() -> Vec<Seed> {
    use v1::ask::Question;
    let shown = announcement().agents.remove(0);
    let answer = |answer| v1::Answer { answer: Some(answer) }.encode_to_vec();
    let result = v1::ToolResult { id: 1, content: Some(content()), error: None };
    let failed = v1::ToolResult { id: 1, content: None, error: Some(rejection()) };
    let input = v1::Input { id: 1, content: Some(content()), error: None };
    let room = v1::Room { part: 1, room: Some(v1::room::Room::Bytes(1_250_000)) };
    let ask = v1::Ask { question: Some(Question::SkillDocument(vec![5; 32].into())) };
    let renew = v1::Ask { question: Some(Question::RenewToken(vec![1; 307].into())) };
    let list = RevokedKeys::after(None, &agent(), [[5; 32], [6; 32]], NOW).unwrap();
    let redeem = v1::Ask { question: Some(Question::Redeem(super::ledger::code().to_wire())) };
    vec![
        ("request", "request", request().encode_to_vec()),
        ("request", "refused", {
            let parts = vec![v1::Part::default(); 500];
            let content = v1::Content { parts, ..Default::default() };
            v1::Request { content: Some(content), ..Default::default() }.encode_to_vec()
        }),
        ("tool_result", "result", result.encode_to_vec()),
        ("tool_result", "failed", failed.encode_to_vec()),
        ("tool_result", "input", input.encode_to_vec()),
        ("tool_result", "room", room.encode_to_vec()),
        ("answer", "ask", ask.encode_to_vec()),
        ("answer", "renew", renew.encode_to_vec()),
        ("answer", "token", answer(v1::answer::Answer::Token(vec![1; 307].into()))),
        ("answer", "revoked", answer(v1::answer::Answer::Revoked(list.signed().clone()))),
        ("revoked", "list", list.signed().signed.to_vec()),
        ("answer", "redeem", redeem.encode_to_vec()),
        ("answer", "granted", answer(v1::answer::Answer::Granted(vec![1; 40].into()))),
        ("answer", "agent", answer(v1::answer::Answer::Agent(shown))),
        ("answer", "trace", answer(v1::answer::Answer::Trace(traced()))),
        ("answer", "rejection", answer(v1::answer::Answer::Rejection(rejection()))),
        ("json_message", "request", serde_json::to_vec(&request()).unwrap()),
        ("json_message", "descriptor", serde_json::to_vec(&descriptor()).unwrap()),
    ]
}

fn frames() -> Vec<Seed> {
    let chunk = Bytes::from_static(b"chunk");
    let mut call = vec![7];
    call.extend_from_slice(&encode_frame(FrameType::Request, &request()).unwrap());
    call.extend_from_slice(&encode_data(1, &chunk).unwrap());
    call.extend_from_slice(&chunk);
    call.extend_from_slice(&encode_data(1, &Bytes::new()).unwrap());
    let mut future = vec![1, 200, 3, 1, 2, 3];
    future.extend(encode_frame(FrameType::Clock, &v1::Clock { clock_ms: NOW }).unwrap());
    vec![("frame", "call", call), ("frame", "future", future)]
}
