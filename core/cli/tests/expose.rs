//! `hubless expose http`, and the metrics of it and of `hubless serve`: asked by hand.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use hubless::{AgentOptions, Content, handler};
use rustix::process::Signal;
use serde_json::{Value, json};
use support::{Home, Serve, eventually, exchange};

/// The command, at any port.
fn expose(home: &Home, flags: &[&str]) -> Serve {
    let all = [&["expose", "http", "--json", "--listen", "127.0.0.1:0"], flags].concat();
    Serve::start(home.command(&all), home)
}

/// Status and body of one request.
fn ask(exposed: &Value, request: &str, body: &str, headers: &str) -> (u16, Value) {
    let (status, body) = exchange(exposed["address"].as_str().unwrap(), request, body, headers);
    (status, serde_json::from_str(&body).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_of_another_process_is_asked_until_a_signal_ends_it() {
    let home = Home::new();
    let node = home.node().await;
    let shout = handler(|call: hubless::Call, content: Content| async move {
        Ok(Content::text(format!(
            "{} {}",
            call.caller().kind,
            content.joined_text().to_uppercase()
        )))
    });
    for (name, open) in [("shout", true), ("inside", false)] {
        let rules = json!({ "name": name, "requirements": { "allowExternalConnections": open } });
        node.register(AgentOptions::read(rules).unwrap(), shout.clone()).await.unwrap();
    }
    let mut exposed = expose(&home, &[]);
    let said = exposed.serving.clone();
    assert_eq!(said["schema"], "hubless.exposing/1");
    let listed = eventually("the agents", || {
        let (status, listed) = ask(&said, "GET /v1/agents", "", "");
        assert_eq!(status, 200);
        (!listed["agents"].as_array().unwrap().is_empty()).then_some(listed)
    });
    assert_eq!(listed["agents"].as_array().unwrap().len(), 1);
    assert_eq!(listed["agents"][0]["name"], "shout");
    let body = r#"{"content": {"value": "hello"}}"#;
    let (status, reply) = ask(&said, "POST /v1/agents/shout/requests", body, "");
    assert_eq!((status, &reply["value"]), (200, &json!("edge HELLO")));
    let (status, _) = ask(&said, "POST /v1/agents/inside/requests", body, "");
    assert_eq!(status, 404);
    exposed.signal(Signal::TERM);
    assert_eq!(exposed.ended().code(), Some(0), "{}", exposed.log());
}

#[test]
fn tokens_come_from_a_file_that_nobody_else_can_read() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let file = home.path().join("tokens");
    std::fs::write(&file, "alice 0123456789abcdefghijkl\n").unwrap();
    let mode =
        |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
    let flags = ["--token-file", file.to_str().unwrap()];
    mode(0o644);
    let open = home.run(&[&["expose", "http", "--json"][..], &flags].concat());
    assert_eq!((open.code, open.error()["kind"].as_str()), (Some(1), Some("configuration")));
    mode(0o600);
    let exposed = expose(&home, &flags);
    assert_eq!(ask(&exposed.serving, "GET /v1/agents", "", "").0, 401);
    let token = "Authorization: Bearer 0123456789abcdefghijkl\r\n";
    assert_eq!(ask(&exposed.serving, "GET /v1/agents", "", token).0, 200);
    assert!(!exposed.log().contains("0123456789abcdefghijkl"));
}

#[test]
fn what_others_could_reach_unprotected_is_refused_with_what_is_missing() {
    let home = Home::new();
    let refused = home.run(&["expose", "http", "--json", "--listen", "0.0.0.0:0"]);
    assert_eq!((refused.code, refused.error()["code"].as_str()), (Some(1), Some("insecure")));
    let loopback = home.run(&["expose", "http", "--json", "--listen", "loopback"]);
    assert_eq!((loopback.code, loopback.error()["field"].as_str()), (Some(2), Some("listen")));
    let half = home.run(&["expose", "http", "--json", "--tls-cert", "x"]);
    assert_eq!(half.code, Some(2));
}

#[cfg(feature = "metrics")]
#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_is_said_where_it_was_asked_for() {
    let home = Home::new();
    let served = home.serve(&["--name", "child", "--metrics", "127.0.0.1:0"], &[]);
    let url = served.serving["metrics"].as_str().unwrap();
    let address = url.strip_prefix("http://").unwrap().strip_suffix("/metrics").unwrap();
    let handled = "hubless_calls_total{side=\"handled\",agent=\"child\",skill=\"\",outcome=\"ok\"}";
    let node = home.node().await;
    let (_, before) = exchange(address, "GET /metrics", "", "");
    assert!(before.contains("# TYPE hubless_calls_running gauge") && !before.contains(handled));
    for _ in 0..2 {
        assert_eq!(support::value(&node, "child", "echo hello").await, "echo hello");
    }
    let (status, after) = exchange(address, "GET /metrics", "", "");
    assert!(status == 200 && after.contains(&format!("{handled} 2\n")), "{after}");
    assert!(!after.contains("hello"));
    assert_eq!(exchange(address, "GET /v1/agents", "", "").0, 404, "nothing else is there");
    for (flags, status) in [(&["--metrics"][..], 200), (&[], 404)] {
        let exposed = expose(&home, flags);
        let address = exposed.serving["address"].as_str().unwrap();
        assert_eq!(exchange(address, "GET /metrics", "", "").0, status, "{flags:?}");
    }
}

#[cfg(feature = "metrics")]
#[test]
fn metrics_are_not_for_other_machines() {
    let home = Home::new();
    let serve = |listen| home.run(&["serve", "--json", "--metrics", listen, "--", "true"]);
    let open = serve("0.0.0.0:0");
    assert_eq!((open.code, open.error()["code"].as_str()), (Some(1), Some("insecure")));
    let wrong = serve("loopback");
    assert_eq!((wrong.code, wrong.error()["field"].as_str()), (Some(2), Some("metrics")));
}
