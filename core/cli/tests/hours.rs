//! What a client of `hubless expose http` may spend in an hour, over the death of the command.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use hubless::budget::{Amount, Component};
use hubless::{AgentOptions, Call, Content, Node, handler};
use serde_json::{Value, json};
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::{Home, Serve, eventually, exchange};
use tokio::sync::Notify;

const TOKENS: Component = Component::OutputTokens;
const POST: &str = "POST /v1/agents/spender/requests";

/// An agent that sets aside what it is asked for and spends all of it; of zero it sets aside 60,
/// spends them and waits.
async fn spender(node: &Node, waits: &Arc<Notify>) -> Arc<AtomicU64> {
    let (spent, waits) = (Arc::<AtomicU64>::default(), Arc::clone(waits));
    let count = Arc::clone(&spent);
    let work = handler(move |call: Call, content: Content| {
        let (spent, waits) = (Arc::clone(&count), Arc::clone(&waits));
        async move {
            let asked = content.decoded().and_then(|value| value.as_u64()).unwrap_or_default();
            let tokens = if asked == 0 { 60 } else { asked };
            let most = Amount::ZERO.with(TOKENS, tokens)?;
            let spend = call.spend(most).await?;
            spent.fetch_add(tokens, Ordering::SeqCst);
            if asked == 0 {
                waits.notify_one();
                return Err(call.cancelled().await);
            }
            spend.used(most);
            Ok(Content::text("spent"))
        }
    });
    let rules = json!({ "name": "spender", "requirements": { "allowExternalConnections": true } });
    node.register(AgentOptions::read(rules).unwrap(), work).await.unwrap();
    spent
}

/// The command, with 60 tokens a call and 100 an hour.
fn expose(home: &Home, flags: &[&str]) -> Serve {
    let all = ["expose", "http", "--json", "--listen", "127.0.0.1:0"];
    let limits =
        ["--budget", r#"{"outputTokens": 60}"#, "--budget-per-hour", r#"{"outputTokens": 100}"#];
    let exposed = Serve::start(home.command(&[&all[..], &limits, flags].concat()), home);
    eventually("the agent behind the listener", || {
        let (_, listed) = exchange(address(&exposed), "GET /v1/agents", "", "");
        listed.contains("spender").then_some(())
    });
    exposed
}

fn address(exposed: &Serve) -> &str {
    exposed.serving["address"].as_str().unwrap()
}

/// Status and body of the answer to one that spends so much, and may spend as much.
fn ask(exposed: &Serve, tokens: u64) -> (u16, Value) {
    let body = json!({ "content": { "value": tokens } }).to_string();
    let header = format!("Hubless-Budget: {{\"outputTokens\": {tokens}}}\r\n");
    let (status, body) = exchange(address(exposed), POST, &body, &header);
    (status, serde_json::from_str(&body).unwrap())
}

/// Sends one that spends 60 and then waits, and gives back its connection.
fn begin(exposed: &Serve) -> TcpStream {
    let (address, body) = (address(exposed), r#"{"content":{"value":0}}"#);
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    let head = format!(
        "{POST} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

/// A command is killed while a request runs; what the next one lets another request spend.
async fn left_after_a_kill(flags: &[&str]) -> Vec<(u64, u16)> {
    let (home, waits) = (Home::new(), Arc::<Notify>::default());
    let node = home.node().await;
    let spent = spender(&node, &waits).await;
    let mut exposed = expose(&home, flags);
    let stream = begin(&exposed);
    let waited = tokio::time::timeout(Duration::from_secs(20), waits.notified()).await;
    assert!(waited.is_ok(), "{}", exposed.log());
    exposed.child.kill().unwrap();
    exposed.child.wait().unwrap();
    drop(stream);
    let exposed = expose(&home, flags);
    let asked = [60, 41, 40, 1].map(|tokens| (tokens, ask(&exposed, tokens)));
    let let_in = asked.iter().filter(|(_, (status, _))| *status == 200);
    let since: u64 = let_in.map(|(tokens, _)| tokens).sum();
    assert_eq!(spent.load(Ordering::SeqCst), 60 + since, "counted by the agent");
    for (_, (status, body)) in &asked {
        let code = if *status == 200 { Value::Null } else { json!("hour") };
        assert_eq!(body["code"], code, "{body}");
    }
    asked.map(|(tokens, (status, _))| (tokens, status)).into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_does_not_give_the_hour_anew_to_clients_of_a_named_node() {
    let named = left_after_a_kill(&["--node", "front"]).await;
    assert_eq!(named, [(60, 402), (41, 402), (40, 200), (1, 402)]);
    // The control: without a name nothing of the hour is kept.
    let unnamed = left_after_a_kill(&[]).await;
    assert_eq!(unnamed, [(60, 200), (41, 402), (40, 200), (1, 402)]);
}

#[test]
fn limits_that_are_none_are_refused_by_their_flag_or_line() {
    let home = Home::new();
    let file = home.path().join("budgets");
    let run = |flags: &[&str]| home.run(&[&["expose", "http", "--json"][..], flags].concat());
    for (limits, field) in [
        ("5", "budget-per-hour"),
        ("{", "budget-per-hour"),
        (r#"{"calls": -1}"#, "budget-per-hour.calls"),
        (r#"{"calls": 1, "depth": 1}"#, "budget-per-hour.depth"),
    ] {
        let ran = run(&["--budget-per-hour", limits]);
        assert_eq!((ran.code, &ran.error()["field"]), (Some(2), &json!(field)), "{limits}");
    }
    std::fs::write(&file, "# clients\nalice hour {\"calls\": 1.5}\n").unwrap();
    let ran = run(&["--budget-file", file.to_str().unwrap()]);
    let error = ran.error();
    assert_eq!((ran.code, &error["code"]), (Some(1), &json!("budget_file")));
    assert_eq!(error["field"], "hour.calls");
    assert!(error["message"].as_str().unwrap().contains("line 2"), "{error}");
    let help = home.run(&["expose", "http", "--help"]).ok().out;
    for word in ["--budget-per-hour", "--budget-file", "Hubless-Budget", "alice hour {"] {
        assert!(help.contains(word), "{word}: {help}");
    }
}
