//! The seeds of the corpus: inputs that their target takes (but `refused`), so that mutation begins
//! behind the first checks. `HUBLESS_VECTORS=write` writes those that are missing; a seed that is
//! not what it was made as is a change of the wire.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use bytes::Bytes;
use hubless_fuzz::TARGETS;
use hubless_proto::identity::{Address, SecretKey};
use hubless_proto::wire::frame::{FrameType, encode_data, encode_frame};
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1;
use prost::Message;
use serde_json::json;
use std::path::Path;
use std::time::Duration;

const NOW: u64 = 1_700_000_000_000;

type Seed = (&'static str, &'static str, Vec<u8>);

fn agent() -> SecretKey {
    SecretKey::from_seed([1; 32])
}

fn node() -> SecretKey {
    SecretKey::from_seed([2; 32])
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
    }
}

fn records() -> Vec<Seed> {
    let all = announcement();
    let agent_records = all.agents.first().unwrap().clone();
    let tombstone = v1::Tombstone { reason: "closed".into() };
    let hello = v1::Hello {
        version_low: 1,
        version_high: 1,
        instance: 77,
        node: all.node.clone(),
        token: vec![1; 307].into(),
        signature: vec![6; 64].into(),
        clock_ms: NOW,
        features: vec!["x".into()],
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

fn control() -> Vec<Seed> {
    let seed = |name, bytes| ("control", name, bytes);
    let load = v1::Load { queued: [("00".repeat(32), 7)].into() };
    let refused = v1::Refused { rejection: Some(rejection()) };
    let redeem = v1::Redeem { invite: vec![1; 32].into(), member_key: vec![2; 32].into() };
    let redeemed = v1::Redeemed { token: vec![1; 307].into(), rejection: None };
    vec![
        seed("refusal", refused.encode_to_vec()),
        seed("hide", v1::Hide { agents: vec![vec![1; 32].into()] }.encode_to_vec()),
        seed("clock", v1::Clock { clock_ms: NOW }.encode_to_vec()),
        seed("load", load.encode_to_vec()),
        seed("redeem", redeem.encode_to_vec()),
        seed("redeemed", redeemed.encode_to_vec()),
        seed("goodbye", v1::Goodbye { deadline_ms: 10_000 }.encode_to_vec()),
    ]
}

fn lines() -> Vec<Seed> {
    let part = json!({"text": "x"});
    let minter = json!({"node": node().node_key(), "addresses": ["10.0.0.1:4433"]});
    let form = json!({"mesh": node().mesh_id(), "minters": [minter], "invite": "AwMD".repeat(10)});
    let text = |value: serde_json::Value| value.to_string().into_bytes();
    let ticket = |form: &serde_json::Value| {
        let body = data_encoding::BASE64URL_NOPAD.encode(form.to_string().as_bytes());
        format!("hubless-ticket-1:{body}").into_bytes()
    };
    let mut good = form.clone();
    good["invite"] = json!(data_encoding::BASE64URL_NOPAD.encode(&[3; 32]));
    vec![
        ("ticket", "one", ticket(&good)),
        ("ticket", "refused", ticket(&form)),
        ("stdio_line", "chunk", text(json!({"id": "AAE=", "event": {"chunk": {"part": part}}}))),
        ("stdio_line", "descriptor", text(json!({"descriptor": {"name": "x", "skills": []}}))),
        ("stdio_line", "refused", b"just some log text".to_vec()),
    ]
}

fn messages() -> Vec<Seed> {
    use v1::ask::Question;
    let agent = announcement().agents.remove(0);
    let answer = |answer| v1::Answer { answer: Some(answer) }.encode_to_vec();
    let result = v1::ToolResult { id: 1, content: Some(content()), error: None };
    let failed = v1::ToolResult { id: 1, content: None, error: Some(rejection()) };
    let room = v1::Room { part: 1, room: Some(v1::room::Room::Bytes(1_250_000)) };
    let ask = v1::Ask { question: Some(Question::SkillDocument(vec![5; 32].into())) };
    vec![
        ("request", "request", request().encode_to_vec()),
        ("request", "refused", {
            let parts = vec![v1::Part::default(); 500];
            let content = v1::Content { parts, ..Default::default() };
            v1::Request { content: Some(content), ..Default::default() }.encode_to_vec()
        }),
        ("tool_result", "result", result.encode_to_vec()),
        ("tool_result", "failed", failed.encode_to_vec()),
        ("tool_result", "room", room.encode_to_vec()),
        ("answer", "ask", ask.encode_to_vec()),
        ("answer", "agent", answer(v1::answer::Answer::Agent(agent))),
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

fn texts() -> Vec<Seed> {
    let id = agent().agent_id();
    let mesh = node().mesh_id();
    let rules = json!({
        "acceptedContent": ["text", "image/png"],
        "maxTokens": 100,
        "auth": {"sharedSecret": "s"},
        "ratePerS": 2.5,
        "allowedCallers": {"principals": ["mesh:*"], "agentIds": [id], "groups": ["g"]},
        "reentrant": false,
    });
    let query = json!({
        "text": "exchange rates", "skill": "rates", "tags": ["fx"], "version": ">=1.2, <2",
        "contentTypesIn": ["text"], "accepts": {"type": "object"}, "limit": 5,
        "filter": {"and": [
            {"field": "attributes.pair", "op": "contains", "value": "EUR/USD"},
            {"not": {"field": "attributes.resolution_s", "op": "<=", "value": 60}},
        ]},
    });
    let schema = |value: &str| {
        let schema = json!({
            "$defs": {"node": {
                "properties": {
                    "a": {"items": {"pattern": "^(x+)+$"}},
                    "b": {"$ref": "#/$defs/node"},
                },
            }},
            "$ref": "#/$defs/node",
        });
        format!("{schema}\0{value}").into_bytes()
    };
    vec![
        ("identity", "did", id.to_string().into_bytes()),
        ("identity", "hex", mesh.to_string().into_bytes()),
        ("identity", "address", Address::new(&mesh, &id).to_string().into_bytes()),
        ("identity", "name", b"sum.v-1_0".to_vec()),
        ("identity", "target", format!("sum@{mesh}").into_bytes()),
        ("json_text", "object", br#"{"a":[1,-2.5e3,"\u00e9\n",true,null],"b":{}}"#.to_vec()),
        ("json_text", "deep", [b"[".repeat(64), b"]".repeat(64)].concat()),
        ("query", "fx", query.to_string().into_bytes()),
        ("schema", "object", schema("{\"a\":[1,\"x\"],\"b\":{\"a\":[]}}")),
        ("schema", "refused", b"{\"$ref\":\"#\"}\x001".to_vec()),
        ("schema", "deep", schema(&format!("{}{}", "[".repeat(60), "]".repeat(60)))),
        ("requirements", "all", rules.to_string().into_bytes()),
    ]
}

fn killswitch() -> Vec<Seed> {
    use hubless_proto::killswitch::{
        Budget, Input, Keeping, Ledger, Message, Now, Order, Output, Owner, ReservationId, Terms,
        Write,
    };
    let owner = Owner { node: node().node_key(), instance: 1, keeping: Keeping::Durable };
    let mut ledger = Ledger::new(owner);
    let terms = json!({"outputTokens": 100, "calls": 5, "wallTimeMs": 600_000, "depth": 4});
    let budget = Budget::new(owner.node, [1; 16], Terms::read("", &terms).unwrap(), NOW);
    let from = budget.origin.account();
    let order = Order {
        id: hubless_proto::killswitch::GrantId::from_bytes([2; 16]),
        audience: agent().node_key(),
        agent: agent().agent_id(),
        call_id: hubless_proto::killswitch::CallId::from_bytes([3; 16]),
        attempt: 1,
        max: hubless_proto::killswitch::Allowance::UNLIMITED,
        hint: hubless_proto::killswitch::Allowance::UNLIMITED,
        spends: hubless_proto::wire::words::Spends::Tokens,
        refund: hubless_proto::wire::words::RefundPolicy::Signed,
        detached_until_ms: None,
    };
    let most = hubless_proto::killswitch::Amount::ZERO;
    let reserve = Input::Reserve { grant: from, id: ReservationId::from_bytes([4; 16]), most };
    let mut seeds = vec![("terms", "all", terms.to_string().into_bytes())];
    let (mut rows, mut seq) = (std::collections::BTreeMap::new(), 0);
    for input in [Input::Open(budget), Input::Cut { from, order }, reserve] {
        ledger.handle(input, Now { clock_ms: 1, unix_ms: NOW });
        seq += 1;
        ledger.handle(Input::Persisted { seq }, Now { clock_ms: 1, unix_ms: NOW });
        while let Some(output) = ledger.poll_output() {
            if let Output::Persist { writes, .. } = output {
                let rows_of = |write| match write {
                    Write::Put(row) => Some((row.key(), row.encode().to_vec())),
                    Write::Delete(_) => None,
                };
                rows.extend(writes.into_iter().filter_map(rows_of));
            } else if let Output::Granted(grant) = output {
                let message = Message::Grant(grant).encode().to_vec();
                seeds.push(("ledger_message", "grant", message));
            }
        }
    }
    let settle = Message::Settle(hubless_proto::killswitch::Settlement {
        grant: from,
        used: most,
        receipts: Some([5; 32]),
        lost: false,
    });
    seeds.push(("ledger_message", "settle", settle.encode().to_vec()));
    let names = ["account", "reservation", "subgrant"];
    let rows = names.into_iter().zip(rows.into_values());
    seeds.extend(rows.map(|(name, row)| ("ledger_row", name, row)));
    seeds
}

#[test]
fn the_corpus_holds_what_it_was_made_as() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let write = std::env::var("HUBLESS_VECTORS").as_deref() == Ok("write");
    let network = [events(), records(), control(), messages(), frames()].concat();
    let all = [network, lines(), texts(), killswitch()].concat();
    for (target, name, bytes) in &all {
        let path = folder.join(target).join(format!("{name}.bin"));
        if write {
            std::fs::create_dir_all(folder.join(target)).unwrap();
            std::fs::write(&path, bytes).unwrap();
        }
        let kept = std::fs::read(&path).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert!(kept == *bytes, "{path:?} is not what it was made as");
    }
    for target in TARGETS {
        // Minting draws random keys: `token.rs` of the node minted the tokens once.
        let made = all.iter().any(|(name, ..)| *name == target.name) || target.name == "token";
        assert!(made, "{} has no seed", target.name);
    }
}
