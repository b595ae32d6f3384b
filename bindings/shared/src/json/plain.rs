//! Small forms that several bodies share.

use hubless_proto::policy::Caller;
use serde::Serialize;
use serde_json::{Value, json};

/// The JSON text of a result.
pub(crate) fn encode(body: &impl Serialize) -> Vec<u8> {
    // Every type here has string keys and no failing part; a result without a body is still one.
    serde_json::to_vec(body).unwrap_or_else(|_| b"{}".to_vec())
}

/// The JSON text of a part of a result.
pub(crate) fn text(body: &impl Serialize) -> String {
    serde_json::to_string(body).unwrap_or_else(|_| "{}".to_owned())
}

/// Who asks.
pub(crate) fn caller(caller: &Caller) -> Value {
    json!({
        "kind": caller.kind.name(),
        "node": caller.node.to_string(),
        "agent": caller.agent.map(|agent| agent.to_string()),
        "principal": caller.principal,
        "mesh": caller.mesh.map(|mesh| mesh.to_string()),
        "role": caller.role,
        "groups": caller.groups,
    })
}
