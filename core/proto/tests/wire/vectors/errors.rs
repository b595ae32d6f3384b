//! `errors.json`: the table of kinds.

use super::compare;
use hubless_proto::error::{Kind, Retry};
use serde_json::json;

#[test]
fn errors() {
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
            "c": row.c,
            "exit": row.exit,
        })
    };
    compare("errors.json", &json!({ "kinds": Kind::ALL.map(row) }));
}
