//! `audit`: rows of processes that run, ended, or were killed; what was changed is found.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use hubless::{Node, NodeOptions};
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::Duration;
use support::{Home, Serve, ask, eventually};

const TOKEN: &str = "0123456789abcdefghijkl-of-the-tests";

/// A second home with a copy of a store, for what must not happen to the first.
fn copied(home: &Home, store: &str) -> (Home, PathBuf) {
    let copy = Home::new();
    // Makes its folders.
    copy.run(&["status"]).ok();
    let (from, to) = (home.path().join("data").join(store), copy.path().join("data").join(store));
    for ending in ["", "-wal"] {
        let file = |path: &Path| PathBuf::from(format!("{}{ending}", path.display()));
        if file(&from).exists() {
            std::fs::copy(file(&from), file(&to)).unwrap();
        }
    }
    (copy, to)
}

fn changed(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

fn kinds(rows: &[Value]) -> Vec<&str> {
    rows.iter().map(|row| row["kind"].as_str().unwrap()).collect()
}

#[test]
fn the_data_folder_says_what_changed_it() {
    let home = Home::new();
    let empty = home.run(&["audit", "verify", "--json"]);
    assert_eq!((empty.code, &empty.error()["kind"]), (Some(3), &json!("not_found")));
    assert!(home.run(&["audit", "show"]).ok().err.contains("no audit log"));
    let id = home.run(&["id", "new", "weather", "--json"]).ok().json()["agentId"].clone();
    home.run(&["pin", "set", "weather", id.as_str().unwrap()]).ok();
    home.feed(&["secret", "set", "https://example.org"], TOKEN.as_bytes()).ok();
    home.run(&["pin", "remove", "weather"]).ok();

    let rows = home.run(&["audit", "show", "--json"]).ok().lines();
    assert_eq!(kinds(&rows), ["pin_set", "credential_set", "pin_removed"]);
    assert_eq!(
        (&rows[0]["schema"], &rows[0]["log"]),
        (&json!("hubless.audit/1"), &json!("folder"))
    );
    assert_eq!((&rows[0]["agent"], &rows[0]["seq"]), (&id, &json!(1)));
    let prose = home.run(&["audit", "show"]).ok().out;
    assert!(prose.lines().next().unwrap().contains("folder#1"), "{prose}");
    assert!(prose.contains("name=weather") && !prose.contains(TOKEN), "{prose}");

    for (flags, wanted) in [
        (&["--kind", "pin_removed"][..], &["pin_removed"][..]),
        (&["--limit", "2"], &["credential_set", "pin_removed"]),
        (&["--since", "1h"], &["pin_set", "credential_set", "pin_removed"]),
        (&["--since", "2999-01-01T00:00:00Z"], &[]),
        (
            &["--log", "folder", "--kind", "pin_set", "--kind", "credential_set"],
            &["pin_set", "credential_set"],
        ),
    ] {
        let shown = home.run(&[&["audit", "show", "--json"], flags].concat()).ok();
        assert_eq!(kinds(&shown.lines()), wanted, "{flags:?}");
    }
    for (flags, field) in
        [(["--kind", "login"], "kind"), (["--since", "soon"], "since"), (["--log", "x"], "log")]
    {
        let wrong = home.run(&[&["audit", "show", "--json"][..], &flags].concat());
        assert_eq!((wrong.code, &wrong.error()["field"]), (Some(2), &json!(field)));
    }
    let missing = home.run(&["audit", "show", "--log", "node:nobody"]);
    assert_eq!(missing.code, Some(3));
}

#[test]
fn what_was_changed_is_found_with_its_row() {
    let home = Home::new();
    let id = home.run(&["id", "new", "weather", "--json"]).ok().json()["agentId"].clone();
    for name in ["a", "b", "c", "d"] {
        home.run(&["pin", "set", name, id.as_str().unwrap()]).ok();
    }
    let good = home.run(&["audit", "verify", "--json"]).ok().json();
    let head = good["head"].as_str().unwrap().to_owned();
    assert_eq!((&good["rows"], &good["fault"]), (&json!(4), &Value::Null));
    assert!(home.run(&["audit", "verify"]).ok().out.contains(&head));
    let with_head = ["audit", "verify", "--log", "folder", "--head", &head];
    home.run(&with_head).ok();
    let anew = "UPDATE audit_end SET seq = 0, hash = zeroblob(32) WHERE side = 'head'";
    let cut = format!("DELETE FROM audit WHERE seq = 4; {anew}");
    for (change, seq, flaw, needs_head) in [
        (
            "UPDATE audit SET row = replace(row, 'pin_set', 'pin_sat') WHERE seq = 2",
            2,
            "changed",
            false,
        ),
        (
            "UPDATE audit SET row = replace(row, '\"b\"', '\"x\"') WHERE seq = 2",
            2,
            "changed",
            false,
        ),
        ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 3", 3, "changed", false),
        ("DELETE FROM audit WHERE seq = 1", 1, "missing", false),
        ("DELETE FROM audit WHERE seq = 3", 3, "missing", false),
        ("DELETE FROM audit WHERE seq = 4", 4, "cut_off", false),
        ("DELETE FROM audit", 1, "cut_off", false),
        (&cut, 4, "cut_off", true),
        ("INSERT INTO audit SELECT 5, row, hash FROM audit WHERE seq = 4", 5, "changed", false),
    ] {
        let (copy, path) = copied(&home, "audit.db");
        changed(&path, change);
        if needs_head {
            // Without the head nobody can know; its control.
            copy.run(&["audit", "verify"]).ok();
        }
        let verify = if needs_head { &with_head[..] } else { &["audit", "verify"] };
        let told = copy.run(&[verify, &["--json"]].concat());
        assert_eq!(told.code, Some(1), "{change}: {} {}", told.out, told.err);
        let fault = &told.lines()[0]["fault"];
        assert_eq!(fault, &json!({"seq": seq, "flaw": flaw}), "{change}");
        let error: Value = serde_json::from_str(told.err.lines().last().unwrap()).unwrap();
        assert_eq!(error["code"], "broken_audit");
        let prose = copy.run(verify).err;
        assert!(prose.contains(&format!("row {seq} ")), "{prose}");
    }
    home.run(&with_head).ok();
}

/// Recomputes the chain of an export by other means, and gives what its rows say.
fn recomputed(export: &str) -> Value {
    let program = r#"
import hashlib, json, sys
last, rows = {}, []
for line in sys.stdin:
    line = json.loads(line)
    log = line["log"]
    if line["schema"] == "hubless.audit_base/1":
        last[log] = bytes.fromhex(line["base"].split(":")[1])
        continue
    said = hashlib.sha256(b"hubless audit 1\0" + last[log] + line["row"].encode()).digest()
    assert said.hex() == line["hash"], line
    last[log] = said
    rows.append(json.loads(line["row"]))
print(json.dumps(rows))
"#;
    let mut python = std::process::Command::new(support::python());
    let ran = support::run(python.args(["-I", "-S", "-c", program]), export.as_bytes()).ok();
    serde_json::from_str(&ran.out).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_while_it_writes_leaves_a_log_that_holds() {
    let home = Home::new();
    let mut lives = 0;
    for _ in 0..3 {
        let command = home.serve_command(&["--name", "child", "--node", "web"], &[]);
        let mut serve = Serve::start(command, &home);
        lives += 1;
        // Nodes that come and go keep it writing, up to its end and beyond.
        let folder = home.path().to_owned();
        let busy = tokio::spawn(async move {
            loop {
                let home = Some(folder.clone());
                let node = Node::start(NodeOptions { home, ..NodeOptions::default() });
                let node = node.await.unwrap();
                let _ = node.request(ask("child", "echo hi")).await;
                node.close(Duration::from_millis(100)).await;
            }
        });
        let met = || {
            let rows = home.run(&["audit", "show", "--log", "node:web", "--json"]).ok().lines();
            let kinds = kinds(&rows);
            let of_this = kinds.iter().rev().take_while(|kind| **kind != "node_started");
            let met = of_this.filter(|kind| **kind == "peer_accepted").count();
            let started = kinds.iter().filter(|kind| **kind == "node_started").count();
            (started == lives && met > 2).then_some(())
        };
        // What blocks is beside the loop.
        let killing = tokio::task::block_in_place(|| {
            eventually("rows of this life", met);
            // Beside the process that writes.
            let beside = home.run(&["audit", "verify", "--log", "node:web", "--json"]).ok().json();
            serve.signal(Signal::KILL);
            serve.ended();
            beside
        });
        busy.abort();
        let after = home.run(&["audit", "verify", "--log", "node:web", "--json"]).ok().json();
        assert!(after["rows"].as_u64() >= killing["rows"].as_u64(), "{killing} {after}");
        let head = killing["head"].as_str().unwrap();
        home.run(&["audit", "verify", "--log", "node:web", "--head", head]).ok();
    }
    let shown = home.run(&["audit", "show", "--log", "node:web", "--json", "--limit", "9999"]);
    let rows = shown.ok().lines();
    let count = |kind: &str| kinds(&rows).iter().filter(|one| **one == kind).count();
    assert_eq!((count("node_started"), count("node_ended")), (lives, 0), "each was killed");
    assert_eq!(count("agent_registered"), lives);
    let export = home.run(&["audit", "export", "--log", "node:web"]).ok().out;
    let told = recomputed(&export);
    assert_eq!(told.as_array().unwrap().len(), rows.len());
    assert_eq!(told[0]["kind"], "node_started");
    // One byte of one row, in a copy.
    let (copy, path) = copied(&home, "nodes/web.db");
    changed(
        &path,
        "UPDATE audit SET row = replace(row, 'child', 'chile') WHERE row LIKE '%child%'",
    );
    let told = copy.run(&["audit", "verify", "--json"]);
    let registered = rows.iter().find(|row| row["name"] == "child").unwrap();
    assert_eq!((told.code, &told.lines()[0]["fault"]["seq"]), (Some(1), &registered["seq"]));
}

#[test]
fn who_asked_in_vain_over_http_is_in_the_log_of_the_node() {
    let home = Home::new();
    let tokens = home.path().join("tokens");
    std::fs::write(&tokens, format!("alice {TOKEN}\n")).unwrap();
    std::fs::set_permissions(&tokens, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let flags = ["expose", "http", "--listen", "127.0.0.1:0", "--node", "edge", "--token-file"];
    let flags = [&flags[..], &[tokens.to_str().unwrap(), "--json"]].concat();
    let mut edge = Serve::start(home.command(&flags), &home);
    let address = edge.serving["address"].as_str().unwrap().to_owned();
    let times: u64 = 30;
    for _ in 0..times {
        let answer = get(&address, "canary-token-4711-of-the-tests");
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    }
    assert!(get(&address, TOKEN).starts_with("HTTP/1.1 200"));
    let refused = || {
        let show = ["audit", "show", "--kind", "call_refused", "--json"];
        let rows = home.run(&show).ok().lines();
        let count = |row: &Value| row["count"].as_u64().unwrap_or(1);
        (rows.iter().map(count).sum::<u64>() == times).then_some(rows)
    };
    let rows = eventually("all are counted", refused);
    assert!(rows.len() < 20, "{} rows", rows.len());
    assert_eq!(
        (&rows[0]["by"], &rows[0]["reason"]),
        (&json!("edge:http:anonymous:127.0.0.1"), &json!("auth/token"))
    );
    edge.signal(Signal::TERM);
    assert!(edge.ended().success());
    let all = home.run(&["audit", "show", "--log", "node:edge", "--json"]).ok();
    assert_eq!(kinds(&all.lines()).last(), Some(&"node_ended"));
    assert!(!all.out.contains("4711"));
}

/// The answer to a request with this token.
fn get(address: &str, token: &str) -> String {
    use std::io::{Read, Write};
    let mut socket = std::net::TcpStream::connect(address).unwrap();
    let head = format!("GET /v1/agents HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    socket.write_all(format!("{head}Authorization: Bearer {token}\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}
