//! Seeds of what comes from outside the mesh: texts, lines of programs, HTTP and its bodies.

use super::{NOW, Seed, agent, node};
use hubless_proto::audit::{Entry, Event, Row};
use hubless_proto::identity::{Address, Domain, SecretKey};
use serde_json::json;

pub(super) fn all() -> Vec<Seed> {
    [lines(), texts(), outside(), gateway(), till()].concat()
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
    // As `token.rs` of the node minted them once, in the form that callers show.
    let credential = |token: &[u8]| {
        let text = data_encoding::BASE64URL.encode(token);
        [&NOW.to_be_bytes()[..], text.as_bytes()].concat()
    };
    let mut good = form.clone();
    good["invite"] = json!(data_encoding::BASE64URL_NOPAD.encode(&[3; 32]));
    vec![
        ("ticket", "one", ticket(&good)),
        ("ticket", "refused", ticket(&form)),
        ("credential", "node", credential(include_bytes!("../../corpus/token/node.bin"))),
        ("credential", "member", credential(include_bytes!("../../corpus/token/member.bin"))),
        ("credential", "refused", [&NOW.to_be_bytes()[..], b"EAAA"].concat()),
        ("stdio_line", "chunk", text(json!({"id": "AAE=", "event": {"chunk": {"part": part}}}))),
        ("stdio_line", "descriptor", text(json!({"descriptor": {"name": "x", "skills": []}}))),
        ("stdio_line", "refused", b"just some log text".to_vec()),
    ]
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

fn outside() -> Vec<Seed> {
    let traceparent = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let own = json!({"content": {"value": {"a": 1}}, "outputSchema": {"type": "object"},
        "context": {"entries": [{"key": "k", "text": "t"}], "explanation": "why"}});
    let body = json!({"content": {"parts": [{"text": "hi"}, {"data": [1, null]},
        {"blob": {"mediaType": "image/png", "bytes": "iVBORw=="}}]}, "skill": "s",
        "auth": {"scheme": "shared_secret", "secret": "x"}, "timeoutMs": 5, "effect": "PURE",
        "metadata": {"team": "fx"}});
    let connection =
        b"\x07GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST /v1/agents/a/requests HTTP/1.1\r\n\
        host: a\r\ncontent-length: 2\r\n\r\n{}POST / HTTP/1.1\r\nHost: a\r\n\
        Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    let both = b"\x01POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\
        Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let entry = Entry::of(Event::CallRefused).named("echo").agent(agent().agent_id());
    let row = Row { seq: 1, at_ms: NOW, entry };
    vec![
        ("trace_id", "whole", traceparent.to_vec()),
        ("trace_id", "alone", traceparent[3..35].to_vec()),
        ("template", "all", own.to_string().into_bytes()),
        ("template", "refused", b"{\"auth\":{\"secret\":\"x\"}}".to_vec()),
        ("audit_row", "refusal", row.encode().into_bytes()),
        ("http_body", "all", body.to_string().into_bytes()),
        ("http_body", "refused", b"{\"returnTo\":\"did:key:z6Mk\"}".to_vec()),
        ("http_connection", "three", connection.to_vec()),
        ("http_connection", "refused", both.to_vec()),
    ]
}

fn gateway() -> Vec<Seed> {
    use hubless_proto::killswitch::{Allowance, Component};
    use hubless_proto::metering::{Micros, chain::SpendKey};
    let root = SpendKey::root(&SecretKey::from_seed([1; 32]));
    let micros = |value| Micros::new(value).unwrap();
    let child = root.issue([2; 32], micros(500), (NOW, NOW + 60_000)).unwrap();
    let limits = [(Component::InputTokens, None), (Component::OutputTokens, Some(7))];
    let limits = limits
        .into_iter()
        .fold(micros(50).into(), |all: Allowance, (one, most)| all.with(one, most));
    let below = child.issue([3; 32], limits, (NOW, NOW + 6_000)).unwrap();
    let key = |key: &SpendKey| key.text().as_bytes().to_vec();
    let chat = json!({"model": "m", "stream": true, "max_tokens": 7, "messages": [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]});
    let unpriced = json!({"model": "m", "n": 2, "messages": []});
    let embeddings = json!({"model": "m", "input": ["a", "b"], "encoding_format": "base64"});
    let model = json!({"input_micros": 1, "output_micros": 2, "cached_input_micros": 0,
        "max_output_tokens": 3, "tokens": "bytes", "output_field": "max_tokens"});
    let prices = json!({"models": {"m": model, "m-*": model}});
    let text = |value: serde_json::Value| value.to_string().into_bytes();
    vec![
        ("spend_key", "root", key(&root)),
        ("spend_key", "child", key(&child)),
        ("spend_key", "below", key(&below)),
        ("spend_key", "before", key_of_before()),
        ("chat_request", "all", text(chat)),
        ("chat_request", "refused", text(unpriced)),
        ("embeddings_request", "two", text(embeddings)),
        ("prices", "all", text(prices)),
    ]
}

/// What a node and a gateway say to each other, and rows of its till.
fn till() -> Vec<Seed> {
    use hubless_proto::identity::RootKey;
    use hubless_proto::killswitch::{Amount, Component, GrantId, Receipt, ReservationId};
    use hubless_proto::metering::chain::LinkId;
    use hubless_proto::metering::till::{Paid, Row};
    use hubless_proto::metering::{Micros, word};
    let spent = Amount::from(Micros::new(5).unwrap());
    let reserved = spent.with(Component::OutputTokens, 7).unwrap();
    let said = Paid { spent, reserved };
    let (grant, link) = (GrantId::from_bytes([1; 16]), [2; 32]);
    let purpose = word::Purpose { grant, reservation: ReservationId::from_bytes([3; 16]) };
    let gateway = node();
    let receipt = Receipt {
        gateway: gateway.node_key(),
        provider: "p".into(),
        reservation: Receipt::WHOLE,
        grant,
        link,
        limit_micros: 50,
        used_micros: 5,
        tokens: None,
        calls: 1,
        model: "m".into(),
        provider_request_id: "r".into(),
    };
    let receipted = word::receipted(said, &receipt.sign(&gateway).unwrap());
    let (root, link) = (RootKey::from_bytes(agent().public()), LinkId::from_bytes(link));
    let open = Row::Open { id: 4, root, link: Some(link), max: reserved };
    vec![
        ("word", "end", word::end(Some(purpose)).into_bytes()),
        ("word", "trip", word::trip(&super::ledger::trip().0).into_bytes()),
        ("word", "paid", word::paid(said).into_bytes()),
        ("word", "receipted", receipted.into_bytes()),
        ("word", "refused", b"{\"grant\": \"x\"}".to_vec()),
        ("till_row", "open", open.encode()),
    ]
}

/// A key of one link as version 2 had it: the cost alone is limited.
fn key_of_before() -> Vec<u8> {
    let [root, child] = [1, 2].map(|seed| SecretKey::from_seed([seed; 32]));
    let numbers = [500, NOW, NOW + 60_000].map(u64::to_be_bytes).concat();
    let mut key = [&[2][..], &root.public(), &numbers, &[0; 32], &child.public()].concat();
    key.extend(root.sign(Domain::Link, &key));
    key.extend(&child.seed()[..]);
    format!("hbl_{}", data_encoding::BASE64URL_NOPAD.encode(&key)).into_bytes()
}
