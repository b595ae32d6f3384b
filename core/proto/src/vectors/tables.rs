//! The tables of kinds and codes.

use crate::error::{CODES, Code, Kind, Retry};
use serde_json::{Value, json};

/// Every kind of error with what it is elsewhere.
pub(super) fn kinds() -> Value {
    let row = |kind: Kind| {
        let row = kind.row();
        let retry = match row.retry {
            Retry::Never => json!("never"),
            Retry::Later => json!("later"),
            Retry::AfterMs(ms) => json!({ "afterMs": ms }),
        };
        json!({
            "kind": row.name,
            "retry": retry,
            "http": row.http,
            "jsonRpc": row.json_rpc,
            "a2a": row.a2a,
            "mcp": row.mcp,
            "c": row.c,
            "exit": row.exit,
        })
    };
    json!({ "kinds": Kind::ALL.map(row) })
}

/// Every code of an error.
pub(super) fn codes() -> Value {
    let row = |code: &Code| {
        let kinds: Vec<_> = code.kinds.iter().map(|kind| kind.name()).collect();
        json!({ "code": code.name, "kinds": kinds, "meaning": code.meaning })
    };
    json!({ "codes": CODES.iter().map(row).collect::<Vec<_>>() })
}
