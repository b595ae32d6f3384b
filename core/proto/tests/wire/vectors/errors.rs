//! `errors.json` and `codes.json`: the tables of kinds and of codes; and both in the docs of
//! `error`.

use super::{compare, compare_text};
use hubless_proto::error::{CODES, Code, Kind, Retry};
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
            "a2a": row.a2a,
            "mcp": row.mcp,
            "c": row.c,
            "exit": row.exit,
        })
    };
    compare("errors.json", &json!({ "kinds": Kind::ALL.map(row) }));
}

#[test]
fn codes() {
    let row = |code: &Code| {
        let kinds: Vec<_> = code.kinds.iter().map(|kind| kind.name()).collect();
        json!({ "code": code.name, "kinds": kinds, "meaning": code.meaning })
    };
    let rows: Vec<_> = CODES.iter().map(row).collect();
    compare("codes.json", &json!({ "codes": rows }));
}

#[test]
fn the_tables_stand_in_the_docs() {
    let mut text = String::from(
        "| kind | retry | HTTP | JSON-RPC | A2A | MCP | C | exit |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    for row in Kind::ALL.map(Kind::row) {
        let retry = if row.retry == Retry::Never { "never" } else { "later" };
        text += &format!(
            "| `{}` | {retry} | {} | {} | {} | {} | {} | {} |\n",
            row.name, row.http, row.json_rpc, row.a2a, row.mcp, row.c, row.exit
        );
    }
    text += "\n| code | kinds | meaning |\n|---|---|---|\n";
    for code in CODES {
        let kinds: Vec<_> = code.kinds.iter().map(|kind| format!("`{kind}`")).collect();
        let kinds = if kinds.is_empty() { "any".to_owned() } else { kinds.join(", ") };
        text += &format!("| `{}` | {kinds} | {} |\n", code.name, code.meaning);
    }
    compare_text("core/proto/src/error/table.md", &text);
}
