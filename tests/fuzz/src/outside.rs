//! Targets for what others hand over apart from frames: tickets, tokens, credentials, traces, lines
//! of programs, what comes over HTTP.

use super::targets::NOW;
use hubless::membership::{Credential, Membership, Ticket};
use hubless::spans::TraceId;
use hubless_edge::http;
use hubless_proto::identity::SecretKey;
use hubless_proto::policy::{Caller, CallerKind, TokenRule};
use serde_json::{Value, json};

/// The word that one user hands to another.
pub fn ticket(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(ticket) = text.parse::<Ticket>() else { return false };
    assert!(!ticket.minters.is_empty());
    assert_eq!(ticket.text().parse::<Ticket>(), Ok(ticket));
    true
}

/// A token of membership. Nothing is taken but what the root said of this node.
pub fn token(data: &[u8]) -> bool {
    let (mesh, node) = (SecretKey::from_seed([1; 32]).mesh_id(), SecretKey::from_seed([2; 32]));
    let members = Membership::outsider(mesh);
    let Ok(standing) = members.verify(data, node.node_key(), NOW) else { return false };
    assert_eq!((standing.role.as_str(), standing.groups), ("member", vec!["a".to_owned()]));
    assert!(standing.until_ms > NOW);
    let other = SecretKey::from_seed([3; 32]);
    assert!(members.verify(data, other.node_key(), NOW).is_err());
    assert!(Membership::outsider(other.mesh_id()).verify(data, node.node_key(), NOW).is_err());
    true
}

/// Who signed the credential of the conformance cases, which states facts and names nobody.
const BADGES: &str = "97e92cbf815223ddc790124e79febc6a368b1fadda85b9c431a8bba5d59e5be8";

/// A time (milliseconds, 8 bytes, big-endian) and the token that a caller shows then as its
/// credential. It proves what its root stated and nothing else.
pub fn credential(data: &[u8]) -> bool {
    let Some((time, token)) = data.split_first_chunk() else { return false };
    let Ok(text) = std::str::from_utf8(token) else { return false };
    let now = u64::from_be_bytes(*time);
    let key = |seed: u8| SecretKey::from_seed([seed; 32]);
    let proves = |root: &Value, shown_by: u8, facts: Value, now_ms| {
        let rule = TokenRule::read("token", json!({"root": root, "facts": facts}));
        let rule = rule.expect("a rule of ours");
        let caller = Caller::of_node(CallerKind::Member, key(shown_by).node_key(), None);
        Credential::prove(text, &rule, &caller, key(9).agent_id(), now_ms).is_ok()
    };
    let (mesh, other) = (json!(key(1).mesh_id()), json!(key(3).mesh_id()));
    let roots = [
        (mesh, json!({"role": "member", "group": "a"}), true),
        (json!(BADGES), json!({"team": "finance", "level": 3}), false),
    ];
    let mut roots = roots.into_iter();
    let found = roots.find(|(root, ..)| proves(root, 2, json!({}), now));
    let Some((root, stated, names_a_node)) = found else { return false };
    assert!(proves(&root, 2, stated, now));
    for unstated in [json!({"role": "owner"}), json!({"group": "b"}), json!({"level": 4})] {
        assert!(!proves(&root, 2, unstated, now));
    }
    assert!(!proves(&other, 2, json!({}), now), "another root");
    assert_eq!(proves(&root, 3, json!({}), now), !names_a_node, "another node");
    assert!(!proves(&root, 2, json!({}), 5_000_000_000_000), "after its end");
    true
}

/// A line on the standard output of a program that is an agent.
pub fn stdio_line(data: &[u8]) -> bool {
    std::str::from_utf8(data).is_ok_and(hubless_edge::stdio::is_message)
}

/// The id of a trace, alone or in a whole `traceparent`.
pub fn trace_id(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(id) = text.parse::<TraceId>() else { return false };
    let printed = id.to_string();
    assert!(text.contains(&printed), "it is what stands there");
    assert_eq!(printed.parse::<TraceId>(), Ok(id));
    true
}

/// What comes over a connection of HTTP/1.1: the first byte says in which pieces, and whichever it
/// is, the same requests are taken or refused.
pub fn http_connection(data: &[u8]) -> bool {
    let Some((piece, bytes)) = data.split_first() else { return false };
    let whole = http::requests(bytes, bytes.len());
    assert_eq!(http::requests(bytes, usize::from(*piece)), whole);
    whole.is_some_and(|(requests, _)| requests > 0)
}

/// The body of a request over HTTP.
pub fn http_body(data: &[u8]) -> bool {
    http::is_request(data)
}
