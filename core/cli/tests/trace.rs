//! The verb `trace`: what it draws, its JSON, and its errors.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use serde_json::{Value, json};
use support::{Home, run};

#[test]
fn trace_draws_what_the_nodes_that_are_left_remember() {
    let home = Home::new();
    let _served = home.serve(&["--name", "child"], &[]);
    let file = home.path().join("calls.jsonl");
    let mut call = home.command(&["call", "child", "echo hi", "--explain"]);
    let said = run(call.env("HUBLESS_TRACE", &file), b"").ok();
    let id = said.err.lines().find_map(|line| line.strip_prefix("trace ")).unwrap().to_owned();

    let trace = home.run(&["trace", &id, "--json"]).ok().json();
    assert_eq!((&trace["schema"], &trace["traceId"]), (&json!("hubless.trace/1"), &json!(id)));
    let [call] = trace["calls"].as_array().unwrap().as_slice() else { panic!("{trace}") };
    assert_eq!((&call["name"], &call["language"]), (&json!("child"), &json!("rust")));
    // The command that called has ended.
    assert_eq!((&call["made"], trace["missing"].as_array().unwrap().len()), (&Value::Null, 1));
    let prose = home.run(&["trace", &id]).ok().out;
    let mut lines = prose.lines();
    assert_eq!(lines.next(), Some(format!("trace {id}  1 call, 1 node").as_str()));
    let drawn = lines.next().unwrap();
    assert!(drawn.starts_with("child  ") && drawn.contains(" ms  ok  rust"), "{drawn}");
    assert!(lines.next().unwrap().contains("took part and tells nothing"));

    let text = std::fs::read_to_string(file).unwrap();
    let written: Value = serde_json::from_str(text.trim()).unwrap();
    let span = &written["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!((&span["traceId"], &span["name"]), (&json!(id), &json!("invoke_agent child")));
    let whole = format!("00-{id}-{}-01", span["spanId"].as_str().unwrap());
    assert_eq!(home.run(&["trace", &whole, "--json"]).ok().json()["traceId"], json!(id));
}

#[test]
fn trace_says_what_is_no_id_and_what_nobody_remembers() {
    let home = Home::new();
    let ran = home.run(&["trace", "0af7", "--json"]);
    assert_eq!((ran.code, &ran.error()["field"]), (Some(2), &json!("trace")));
    let ran = home.run(&["trace", &"0af7".repeat(8), "--json"]);
    assert_eq!((ran.code, &ran.error()["kind"]), (Some(3), &json!("not_found")));
    let unwritable = home.path().display().to_string();
    let ran = run(home.command(&["status", "--json"]).env("HUBLESS_TRACE", unwritable), b"");
    assert_eq!(ran.error()["field"], "trace");
}
