//! A call goes out to a foreign program and comes back in by HTTP: the command `serve` with a
//! program that knows nothing of the mesh, the command `expose http`, and an agent that spends at
//! a provider, which counts by itself.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms, TripReason};
use hubless::{AgentOptions, Call, Content, Kind, Node, RequestOptions, handler};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use support::{Home, Serve, ask, decoded, eventually, exchange, python};
use tokio::sync::Notify;

const TOKENS: Component = Component::OutputTokens;

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support").join(name)
}

/// A provider in a process of its own; killed at the end of its test.
struct Provider {
    child: Child,
    port: u16,
}

impl Provider {
    fn start() -> Self {
        let mut command = Command::new(python());
        command.args(["-I", "-S"]).arg(script("provider.py")).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, port: line.trim().parse().unwrap() }
    }

    fn total(&self) -> u64 {
        bill(self.port, 0)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Spends so many tokens; the sum so far.
fn bill(port: u16, tokens: u64) -> u64 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    writeln!(stream, "{tokens}").unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim().parse().unwrap()
}

/// Everything there is, in one home.
struct Scene {
    provider: Provider,
    node: Node,
    /// Fires when the spender was told to wait, and does.
    waits: Arc<Notify>,
    exposed: Serve,
    _relay: Serve,
    _home: Home,
}

impl Scene {
    async fn new(flags: &[&str]) -> Self {
        let (home, provider) = (Home::new(), Provider::start());
        let (node, waits) = (home.node().await, Arc::<Notify>::default());
        let rules =
            json!({ "name": "spender", "requirements": { "allowExternalConnections": true } });
        let (port, waiting) = (provider.port, Arc::clone(&waits));
        let spend = handler(move |call: Call, content: Content| {
            let waits = Arc::clone(&waiting);
            async move { spend(&call, &content, port, &waits).await }
        });
        node.register(AgentOptions::read(rules).unwrap(), spend).await.unwrap();
        let expose = [&["expose", "http", "--json", "--listen", "127.0.0.1:0"], flags].concat();
        let exposed = Serve::start(home.command(&expose), &home);
        eventually("the agent behind the listener", || {
            let (_, listed) = get(exposed.serving["address"].as_str().unwrap(), "/v1/agents");
            (!listed["agents"].as_array().unwrap().is_empty()).then_some(())
        });
        let reenter = script("reenter.py");
        let address = exposed.serving["address"].as_str().unwrap();
        let program = [python(), "-I", "-S", reenter.to_str().unwrap(), address];
        let serve = ["serve", "--json", "--name", "relay", "--concurrency", "4", "--"];
        let relay = Serve::start(home.command(&[&serve[..], &program].concat()), &home);
        Self { provider, node, waits, exposed, _relay: relay, _home: home }
    }

    /// What the program got, of a call that this switch pays for.
    async fn relayed(&self, switch: &KillSwitch, text: &str) -> hubless::Result<Value> {
        let asked = RequestOptions { kill_switch: Some(switch.clone()), ..ask("relay", text) };
        Ok(decoded(Ok(self.node.request(asked).await?)))
    }
}

/// Spends what it is told, if that fits; zero: waits for its stop.
async fn spend(
    call: &Call,
    content: &Content,
    port: u16,
    waits: &Notify,
) -> hubless::Result<Content> {
    let tokens = content.decoded().and_then(|value| value.as_u64()).unwrap();
    if tokens == 0 {
        waits.notify_one();
        return Err(call.cancelled().await);
    }
    let most = Amount::ZERO.with(TOKENS, tokens)?;
    let reserved = call.spend(most).await?;
    bill(port, tokens);
    reserved.used(most);
    Ok(Content::text("spent"))
}

fn get(address: &str, path: &str) -> (u16, Value) {
    asked(address, &format!("GET {path}"), "", "")
}

/// Status and body, which is JSON.
fn asked(address: &str, request: &str, body: &str, headers: &str) -> (u16, Value) {
    let (status, body) = exchange(address, request, body, headers);
    (status, serde_json::from_str(&body).unwrap())
}

fn switch(tokens: u64, calls: u64) -> KillSwitch {
    let limits = Allowance::UNLIMITED.with(TOKENS, Some(tokens));
    KillSwitch::new(Terms::of(limits.with(Component::Calls, Some(calls))))
}

/// What was spent once so many tokens are settled: the last word may come after the answer.
fn settled(switch: &KillSwitch, tokens: u64) -> Amount {
    eventually("the last word", || Some(switch.spent()).filter(|spent| spent.of(TOKENS) == tokens))
}

const SPENT: [&str; 3] = ["200", "", ""];
const NO_CODE: [&str; 3] = ["403", "denied", "redeem"];

fn outcomes(value: &Value) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let one = |value: &Value| [text(&value[0]), text(&value[1]), text(&value[2])];
    value.as_array().unwrap().iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_program_asks_with_its_code_is_paid_from_the_budget_of_its_call_and_once() {
    let scene = Scene::new(&[]).await;
    let paid = switch(1_600, 1_000);
    // A quarter of 1,600 for the call, and a quarter of that for what comes back: 100.
    let twice = scene.relayed(&paid, "twice 60").await.unwrap();
    assert_eq!(outcomes(&twice), [SPENT, NO_CODE]);
    assert_eq!(scene.provider.total(), 60);
    // The program itself says nothing of what it spends: all that its call was granted.
    let spent = settled(&paid, 400);
    // Counted exactly, at the root: the call, the one by way of the program, the one it asked for.
    assert_eq!(spent.of(Component::Calls), 3);

    // More than the code holds is not spent, and what fits is, just so.
    let other = switch(1_600, 1_000);
    let refused = scene.relayed(&other, "once 101").await.unwrap();
    assert_eq!(outcomes(&refused)[0][..2], ["402", "budget_exhausted"]);
    assert_eq!(scene.provider.total(), 60);
    let last = scene.relayed(&switch(1_600, 1_000), "once 100").await.unwrap();
    assert_eq!(outcomes(&last), [SPENT]);
    assert_eq!(scene.provider.total(), 160);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_that_are_over_or_made_up_run_nothing_and_without_one_the_listener_pays() {
    let scene = Scene::new(&["--budget", r#"{"outputTokens": 80}"#]).await;
    // A call without a budget has no code.
    assert_eq!(decoded(scene.node.request(ask("relay", "code")).await), json!("none"));
    let paid = switch(1_600, 1_000);
    let made_up = scene.relayed(&paid, "made-up 10").await.unwrap();
    let malformed = ["400", "invalid_argument", "bad_redeem_code"];
    assert_eq!(outcomes(&made_up), [NO_CODE, malformed]);
    // The code of a call that has ended.
    let late = scene.relayed(&paid, "code").await.unwrap();
    let header = format!("Hubless-Redeem: {}\r\n", late.as_str().unwrap());
    let address = scene.exposed.serving["address"].as_str().unwrap();
    let path = "POST /v1/agents/spender/requests";
    let body = r#"{"content": {"value": 10}}"#;
    let (status, error) = asked(address, path, body, &header);
    assert_eq!((status, &error["kind"], &error["code"]), (403, &json!("denied"), &json!("redeem")));
    assert_eq!(scene.provider.total(), 0);
    // A quarter of 1,600, and of the 1,200 that are left.
    let before = settled(&paid, 700);
    assert_eq!(before.of(Component::Calls), 2);

    // All of the listener's own 80 for each request, and nothing of the call's budget.
    let own = scene.relayed(&switch(1_600, 1_000), "without 80").await.unwrap();
    assert_eq!(outcomes(&own), [SPENT]);
    let too_much = scene.relayed(&switch(1_600, 1_000), "without 81").await.unwrap();
    assert_eq!(outcomes(&too_much)[0][..2], ["402", "budget_exhausted"]);
    let (status, _) = asked(address, path, body, "");
    assert_eq!((status, scene.provider.total()), (200, 90));
    assert_eq!(paid.spent(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stop_of_the_root_reaches_what_was_asked_with_a_code() {
    let scene = Scene::new(&[]).await;
    let paid = switch(1_600, 1_000);
    let (relayed, ()) = tokio::join!(scene.relayed(&paid, "once 0"), async {
        scene.waits.notified().await;
        paid.trip(TripReason::Operator);
    });
    match relayed {
        Err(error) => assert_eq!(error.kind, Kind::Killed),
        // What the program says of it within the grace of a stop is an answer.
        Ok(told) => assert_eq!(outcomes(&told)[0][..2], ["409", "killed"]),
    }
    // The program and the listener go on.
    let free = scene.relayed(&switch(1_600, 1_000), "once 5").await.unwrap();
    assert_eq!(outcomes(&free), [SPENT]);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_by_way_of_a_program_never_spend_above_the_ceiling() {
    let scene = Scene::new(&[]).await;
    let paid = switch(600, 1_000);
    let (mut worked, mut refused) = (0_u64, 0);
    // Each takes a quarter of what is left; in the end nothing of use is.
    for _ in 0..12 {
        match scene.relayed(&paid, "once 3").await {
            Ok(value) if outcomes(&value) == [SPENT] => worked += 1,
            Ok(_) | Err(_) => refused += 1,
        }
    }
    assert!(worked > 2 && refused > 0, "{worked} worked, {refused} were refused");
    assert_eq!(scene.provider.total(), worked * 3);
    assert!(paid.spent().of(TOKENS) <= 600);
}
