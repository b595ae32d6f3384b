//! `hubless expose gateway` and `hubless gateway`: a provider's key that is held, and one that is
//! killed in the middle of a call.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use support::provider::Provider;
use support::{Home, Serve, eventually};

/// The provider's key.
const KEY: &str = "sk-canary-of-the-provider";
const PRICES: &str = "[models.m]\ninput_micros = 1_000_000\noutput_micros = 1_000_000\n\
                      max_output_tokens = 50\nmessage_tokens = 0\nrequest_tokens = 0\n";

/// The command, at any port, before this provider.
fn expose(home: &Home, provider: &Provider) -> Serve {
    let file = home.path().join("prices.toml");
    std::fs::write(&file, PRICES).unwrap();
    let mut command = home.command(&[
        "expose",
        "gateway",
        "--json",
        "--name",
        "front",
        "--listen",
        "127.0.0.1:0",
        "--provider",
        &provider.url,
        "--provider-key-env",
        "THE_KEY",
        "--prices",
        file.to_str().unwrap(),
    ]);
    command.env("THE_KEY", KEY).env("HUBLESS_LOG", "trace");
    Serve::start(command, home)
}

/// Registers a root, and gives its public key and its key.
fn root(home: &Home, ceiling: &str) -> (String, String) {
    let add = ["gateway", "root", "add", "--name", "front", "--json", "--ceiling", ceiling];
    let added = home.run(&[&add[..], &["--label", "team"]].concat()).ok().json();
    let text = |field: &str| added[field].as_str().unwrap().to_owned();
    (text("root"), text("key"))
}

/// A key below another one.
fn key(home: &Home, from: &str, limit: &str) -> String {
    let flags = ["gateway", "key", "--from", "-", "--limit", limit, "--ttl", "10m"];
    home.feed(&flags, format!("{from}\n").as_bytes()).ok().out.trim().to_owned()
}

/// Writes a request for a chat completion.
fn send(exposed: &Value, key: &str) -> TcpStream {
    let address = exposed["address"].as_str().unwrap();
    let body = r#"{"model":"m","messages":[{"role":"user","content":"hello"}]}"#;
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
         Authorization: Bearer {key}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    stream
}

/// Status and body of an answer.
fn answer(mut stream: TcpStream) -> (u16, Value) {
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap())
}

/// Each account: its link, what was paid, what is set aside.
fn accounts(home: &Home) -> Vec<(Value, u64, u64)> {
    let rows = home.run(&["gateway", "show", "--name", "front", "--json"]).ok().lines();
    let number = |row: &Value, field: &str| row[field].as_u64().unwrap();
    let read = |row: &Value| {
        (row["link"].clone(), number(row, "spentMicros"), number(row, "reservedMicros"))
    };
    rows.iter().map(read).collect()
}

#[test]
fn a_key_is_issued_offline_spent_and_shown_and_no_secret_is_logged() {
    let home = Home::new();
    let provider = Provider::start(true);
    let (root, secret) = root(&home, "1000");
    let narrow = key(&home, &secret, "200");
    let mut exposed = expose(&home, &provider);
    let said = exposed.serving.clone();
    assert_eq!(said["schema"], "hubless.gateway/1");
    assert!(said["url"].as_str().unwrap().ends_with("/v1"), "{said}");
    assert_eq!(answer(send(&said, &narrow)).0, 200);
    let seen = provider.asked.recv().unwrap().to_lowercase();
    assert!(seen.contains(&format!("authorization: bearer {KEY}")), "{seen}");
    // Beside the process that has it open.
    let rows = accounts(&home);
    assert_eq!(rows.len(), 2);
    assert_eq!(((rows[0].1, rows[0].2), rows[1].1), ((12, 0), 12));
    let prose = home.run(&["gateway", "show", "--name", "front"]).ok().out;
    assert!(prose.contains(&format!("root {root} team  spent 12 + 0 of 1000")), "{prose}");
    assert!(prose.contains("  link ") && prose.contains("spent 12 + 0 of 200"), "{prose}");
    // It allows no more than a part of 200.
    let poor = key(&home, &narrow, "100");
    let (status, refused) = answer(send(&said, &poor));
    assert_eq!((status, &refused["error"]["type"]), (429, &json!("insufficient_quota")));
    let wider =
        home.run(&["gateway", "key", "--from", &narrow, "--limit", "201", "--ttl", "1s", "--json"]);
    assert_eq!((wider.code, &wider.error()["code"]), (Some(4), &json!("bad_chain")));
    let busy = home.run(&["gateway", "root", "add", "--name", "front", "--ceiling", "1", "--json"]);
    assert_eq!(busy.error()["code"], "locked");
    exposed.signal(Signal::TERM);
    assert_eq!(exposed.ended().code(), Some(0), "{}", exposed.log());
    let log = exposed.log();
    assert!(log.contains("HTTP listener open"), "it logs at all");
    for secret in [KEY, &secret[60..], &narrow[60..]] {
        assert!(!log.contains(secret));
    }
    let shown = home.run(&["audit", "show", "--log", "gateway:front", "--json"]).ok();
    let kinds: Vec<_> = shown.lines().iter().map(|row| row["kind"].clone()).collect();
    for kind in ["gateway_root_added", "node_started", "key_exhausted", "node_ended"] {
        assert!(kinds.contains(&json!(kind)), "{kind} {kinds:?}");
    }
    assert!(!shown.out.contains(&secret[60..]));
    home.run(&["audit", "verify"]).ok();
    home.run(&["budget"]).ok();
    home.run(&["usage"]).ok();
}

#[test]
fn roots_and_keys_limit_tokens_where_it_is_said_and_no_key_is_paid_more_of_them() {
    let home = Home::new();
    let provider = Provider::start(true);
    let add = ["gateway", "root", "add", "--name", "front", "--json", "--ceiling", "1000000"];
    let added = home.run(&[&add[..], &["--ceiling-output", "500"]].concat()).ok().json();
    let secret = added["key"].as_str().unwrap();
    let issue = |from: &str, more: &[&str]| {
        let flags = ["gateway", "key", "--from", from, "--limit", "5000", "--ttl", "10m"];
        home.run(&[&flags[..], &["--json"], more].concat())
    };
    let narrow = issue(secret, &["--limit-input", "900", "--limit-output", "56"]).ok().json();
    let limits = ["limitMicros", "limitInputTokens", "limitOutputTokens"];
    assert_eq!(limits.map(|name| narrow[name].as_u64()), [Some(5000), Some(900), Some(56)]);
    let narrow = narrow["key"].as_str().unwrap();
    // What is not said is as it is above.
    let below = issue(narrow, &["--limit-output", "5"]).ok().json();
    assert_eq!(limits.map(|name| below[name].as_u64()), [Some(5000), Some(900), Some(5)]);
    let wide = issue(secret, &[]).ok().json();
    assert_eq!((&wide["limitInputTokens"], &wide["limitMicros"]), (&Value::Null, &json!(5000)));
    let wider = issue(narrow, &["--limit-output", "57"]);
    assert_eq!((wider.code, &wider.error()["code"]), (Some(4), &json!("bad_chain")));
    for (flag, field) in [("--limit-input", "limit_input"), ("--limit-output", "limit_output")] {
        let refused = issue(secret, &[flag, "1.5"]).error();
        assert_eq!((&refused["code"], &refused["field"]), (&json!("amount"), &json!(field)));
    }
    let exposed = expose(&home, &provider);
    // Room for one call of 50 tokens beside the seven of the first.
    assert_eq!(answer(send(&exposed.serving, narrow)).0, 200);
    let (status, refused) = answer(send(&exposed.serving, narrow));
    assert_eq!((status, &refused["error"]["code"]), (429, &json!("budget_exhausted")));
    let message = refused["error"]["message"].as_str().unwrap();
    assert!(message.contains("outputTokens"), "{message}");
    let rows = home.run(&["gateway", "show", "--name", "front", "--json"]).ok().lines();
    for (row, limit) in rows.iter().zip([500, 56]) {
        assert_eq!(row["limitOutputTokens"], limit);
        assert_eq!((&row["spentInputTokens"], &row["spentOutputTokens"]), (&json!(5), &json!(7)));
    }
    let prose = home.run(&["gateway", "show", "--name", "front"]).ok().out;
    assert!(prose.contains("spent 12 + 0 of 1000000  input 5 + 0  output 7 + 0 of 500"), "{prose}");
    assert!(prose.contains("input 5 + 0 of 900  output 7 + 0 of 56"), "{prose}");
}

#[test]
fn a_gateway_that_is_killed_in_the_middle_of_a_call_charges_all_of_it() {
    let home = Home::new();
    let mute = Provider::start(false);
    let (_, secret) = root(&home, "1000");
    let narrow = key(&home, &secret, "400");
    let mut exposed = expose(&home, &mute);
    let waiting = send(&exposed.serving, &narrow);
    mute.asked.recv().unwrap();
    let open = accounts(&home);
    let max = open[0].2;
    assert!(max > 50 && open.iter().all(|row| row.1 == 0 && row.2 == max), "{open:?}");
    exposed.signal(Signal::KILL);
    assert!(!exposed.ended().success());
    drop(waiting);
    let provider = Provider::start(true);
    let exposed = expose(&home, &provider);
    let charged = accounts(&home);
    assert!(charged.iter().all(|row| row.1 == max && row.2 == 0), "{charged:?}");
    assert_eq!(answer(send(&exposed.serving, &narrow)).0, 200);
    assert_eq!(accounts(&home)[0].1, max + 12);
}

#[test]
fn roots_are_listed_and_taken_out() {
    let home = Home::new();
    let (root, _) = root(&home, "1000");
    let elsewhere = "ab".repeat(32);
    let add = |more: &[&str]| {
        let add = ["gateway", "root", "add", "--name", "front", "--ceiling", "5", "--json"];
        home.run(&[&add[..], more].concat())
    };
    let added = add(&["--key", &elsewhere]).ok().json();
    assert_eq!((&added["root"], &added["key"]), (&json!(elsewhere), &Value::Null));
    assert_eq!(add(&["--key", &elsewhere]).error()["code"], "root_exists");
    let list = || {
        let rows = home.run(&["gateway", "root", "list", "--name", "front", "--json"]).ok().lines();
        let mut keys: Vec<_> = rows.iter().map(|row| row["root"].clone()).collect();
        keys.sort_by_key(ToString::to_string);
        keys
    };
    let mut wanted = vec![json!(root), json!(elsewhere)];
    wanted.sort_by_key(ToString::to_string);
    assert_eq!(list(), wanted);
    let remove = ["gateway", "root", "remove", &elsewhere, "--name", "front", "--json"];
    home.run(&remove).ok();
    assert_eq!(list(), [json!(root)]);
    assert_eq!(home.run(&remove).code, Some(3));
    // A person gets the key alone on stdout.
    let prose = home.run(&["gateway", "root", "add", "--name", "b", "--ceiling", "5"]).ok();
    assert!(prose.out.starts_with("hbl_") && prose.out.lines().count() == 1, "{}", prose.out);
}

#[test]
fn roots_that_are_none_are_refused_by_name() {
    let home = Home::new();
    let file = home.path().join("prices.toml");
    std::fs::write(&file, PRICES).unwrap();
    let prices = file.to_str().unwrap();
    let flags = ["expose", "gateway", "--json", "--name", "front", "--listen", "127.0.0.1:0"];
    let asked = ["--provider", "https://a.example", "--provider-key-env", "THE_KEY"];
    let files = ["--prices", prices, "--provider-ca", prices];
    let flags = [&flags[..], &asked, &files].concat();
    let error = support::run(home.command(&flags).env("THE_KEY", KEY), b"").error();
    assert_eq!((&error["code"], &error["field"]), (&json!("tls"), &json!("provider_ca")));
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let home = Home::new();
    let file = home.path().join("prices.toml");
    std::fs::write(&file, PRICES).unwrap();
    let expose = |provider: &str, prices: &str, listen: &str, key: &str| {
        let flags = [
            "expose",
            "gateway",
            "--json",
            "--name",
            "front",
            "--listen",
            listen,
            "--provider",
            provider,
            "--provider-key-env",
            "THE_KEY",
            "--prices",
            prices,
        ];
        let ran = support::run(home.command(&flags).env("THE_KEY", key), b"");
        let error = ran.error();
        (
            ran.code,
            format!("{}/{}", error["kind"].as_str().unwrap(), error["code"].as_str().unwrap_or("")),
            error,
        )
    };
    let (good, here, any) = (file.to_str().unwrap(), "http://127.0.0.1:1/v1", "127.0.0.1:0");
    let broken = home.path().join("broken.toml");
    std::fs::write(&broken, "[models.m]\ninput_micros = \"free\"\n").unwrap();
    let broken = broken.to_str().unwrap();
    for (provider, prices, listen, key, wanted) in [
        (here, good, any, "", "configuration/no_key"),
        ("http://api.example/v1", good, any, KEY, "invalid_argument/"),
        (here, "/nowhere", any, KEY, "configuration/bad_file"),
        (here, broken, any, KEY, "configuration/bad_file"),
        (here, good, "0.0.0.0:0", KEY, "configuration/insecure"),
        (here, good, "loopback", KEY, "invalid_argument/"),
    ] {
        let (code, said, error) = expose(provider, prices, listen, key);
        assert_eq!(said, wanted, "{error}");
        assert_ne!(code, Some(0));
        assert!(!error.to_string().contains(KEY));
    }
    let (_, _, error) = expose(here, broken, any, KEY);
    assert_eq!(error["field"], "models.m.input_micros");
    for (flags, code, field) in [
        (&["gateway", "show", "--name", "front"][..], 3, json!("name")),
        (&["gateway", "key", "--from", "hbl_x", "--limit", "1", "--ttl", "1s"], 4, Value::Null),
        (&["gateway", "key", "--from", "hbl_x", "--limit", "-1", "--ttl", "1s"], 2, Value::Null),
        (&["gateway", "key", "--from", "x", "--limit", "1.5", "--ttl", "1s"], 2, json!("limit")),
        (&["gateway", "key", "--from", "x", "--limit", "1", "--ttl", "soon"], 2, json!("ttl")),
        (&["gateway", "root", "add", "--name", "A B", "--ceiling", "1"], 2, json!("name")),
        (&["gateway", "root", "add", "--name", "a", "--ceiling", "x"], 2, json!("ceiling")),
    ] {
        let ran = home.run(&[flags, &["--json"]].concat());
        assert_eq!(ran.code, Some(code), "{flags:?} {}", ran.err);
        assert_eq!(ran.error().get("field").cloned().unwrap_or_default(), field, "{flags:?}");
    }
    assert!(home.run(&["completions", "bash"]).ok().out.contains("gateway"));
    assert!(home.run(&["man", "gateway"]).ok().out.contains("ceiling"));
    eventually("nothing is left", || {
        (!home.path().join("data/gateways/front.db").exists()).then_some(())
    });
}
