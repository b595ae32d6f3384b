//! `errors.json` and `codes.json`: the tables of kinds and of codes; and both in the docs of
//! `error`.

use super::{compare, compare_text};
use hubless_proto::error::{CODES, Kind, Retry};
use hubless_proto::vectors::read;

#[test]
fn errors() {
    compare("errors.json", &read("kinds", 0, &[]).unwrap());
}

#[test]
fn codes() {
    compare("codes.json", &read("codes", 0, &[]).unwrap());
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
