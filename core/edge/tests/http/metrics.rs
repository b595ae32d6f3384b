//! What a node counts, as Prometheus reads it, beside what was counted outside.

use super::scrape::{Scrape, scrape};
use super::support::{GUARD, House, PATIENCE, options, soon};
use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms, TripReason};
use hubless::{
    AgentOptions, Call, Content, Error, Kind, Node, NodeOptions, RequestOptions, handler,
};
use hubless_edge::http::{HttpEdge, HttpOptions, MetricsEdge, Tokens};
use hubless_proto::limits::METRIC_NAMES;
use hubless_proto::wire::v1::Usage;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::Notify;

const CANARY: &str = "canary-of-the-tests-4711";

fn on() -> HttpOptions {
    HttpOptions { metrics: true, ..options() }
}

/// Reads until what is read is as it should be.
async fn until(house: &House, what: &str, good: impl Fn(&Scrape) -> bool) -> Scrape {
    let until = Instant::now() + PATIENCE;
    loop {
        let read = scrape(house).await;
        if good(&read) {
            return read;
        }
        assert!(Instant::now() < until, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// An agent with one skill that counts its own calls and what they use.
async fn counting(node: &Node) -> Arc<AtomicU32> {
    let ran = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&ran);
    let count = handler(move |call: Call, content: Content| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            let usage =
                Usage { input_tokens: 5, output_tokens: 2, cost_micros: 7, ..Usage::default() };
            call.add_usage(&usage)?;
            if content.joined_text() == "fail" {
                return Err(Error::refusal(Kind::Conflict, "planted", CANARY));
            }
            Ok(content)
        }
    });
    let agent = json!({ "name": "counting", "skills": [{ "id": "count", "description": "counts" }],
        "requirements": { "allowExternalConnections": true } });
    node.register(AgentOptions::read(agent).unwrap(), count).await.unwrap();
    ran
}

#[tokio::test]
async fn counts_rise_by_what_was_called_and_by_nothing_else() {
    let house = House::with(on()).await;
    let ran = counting(&house.node).await;
    assert_eq!(scrape(&house).await.sum("hubless_calls_total", &[]), 0.0, "nothing was called");
    let ask = |value: &str, skill: &str| json!({ "content": { "value": value }, "skill": skill });
    for (value, status, times) in [("x", 200, 3), ("fail", 409, 2)] {
        for _ in 0..times {
            assert_eq!(house.ask("counting", &ask(value, "count")).await.status, status);
        }
    }
    assert_eq!(house.ask("counting", &ask("x", CANARY)).await.status, 404);
    let read = scrape(&house).await;
    let ran = f64::from(ran.load(Ordering::Relaxed));
    assert_eq!(ran, 5.0);
    for side in ["made", "handled"] {
        let of = |skill, outcome| {
            let labels = [("side", side), ("agent", "counting"), ("skill", skill)];
            read.one("hubless_calls_total", &[&labels[..], &[("outcome", outcome)]].concat())
        };
        let found = [of("count", "ok"), of("count", "conflict"), of("other", "not_found")];
        assert_eq!(found, [3.0, 2.0, 1.0], "{side}");
        let took = [("side", side), ("agent", "counting"), ("skill", "count")];
        assert_eq!(read.one("hubless_call_duration_seconds_count", &took), ran);
        assert!(read.one("hubless_call_bytes_total", &[("side", side), ("part", "request")]) > 0.0);
    }
    assert_eq!(read.sum("hubless_calls_total", &[]), 12.0, "and nothing else");
    let used = |name: &str, direction: &[(&str, &str)]| {
        read.one(name, &[&[("agent", "counting")][..], direction].concat())
    };
    assert_eq!(used("hubless_tokens_total", &[("direction", "input")]), 5.0 * ran);
    assert_eq!(used("hubless_tokens_total", &[("direction", "output")]), 2.0 * ran);
    assert_eq!(used("hubless_cost_micros_total", &[]), 7.0 * ran);
    let refused = [("by", "node"), ("kind", "not_found")];
    assert_eq!(read.one("hubless_refusals_total", &refused), 1.0);
    assert_eq!(read.sum("hubless_refusals_total", &[]), 1.0);
}

#[tokio::test]
async fn who_is_refused_at_the_door_is_counted_by_kind_and_reads_nothing() {
    let page = "https://page.example".to_owned();
    let house = House::with(HttpOptions { origins: vec![page], ..on() }).await;
    let good = house.get("/metrics", "Origin: https://page.example\r\n");
    assert_eq!(house.send(&good).await.status, 200);
    assert_eq!(scrape(&house).await.sum("hubless_refusals_total", &[]), 0.0);
    let port = house.address().port();
    let rebound = house.get("/metrics", "").replace("Host: 127.0.0.1", "Host: attacker.example");
    assert!(rebound.contains(&format!("attacker.example:{port}")));
    let foreign = house.get("/metrics", "Origin: https://attacker.example\r\n");
    for request in [rebound, foreign] {
        let refused = house.send(&request).await;
        assert_eq!((refused.status, refused.body.contains("hubless_")), (403, false));
    }
    assert_eq!(house.ask("nobody", &json!({})).await.status, 404);
    let read = scrape(&house).await;
    let by = |kind| read.one("hubless_refusals_total", &[("by", "gateway"), ("kind", kind)]);
    assert_eq!((by("denied"), by("not_found")), (2.0, 1.0));
    assert_eq!(read.sum("hubless_refusals_total", &[]), 3.0);
}

#[tokio::test]
async fn nothing_is_there_unless_it_was_asked_for() {
    let house = House::new().await;
    let absent = house.send(&house.get("/metrics", "")).await;
    assert_eq!(absent.error(), (404, "not_found/path".to_owned()));
    let house = House::with(on()).await;
    let there = house.send(&house.get("/metrics", "")).await;
    assert_eq!(there.status, 200);
    let kind = there.header("content-type");
    assert_eq!(kind, Some("text/plain; version=0.0.4; charset=utf-8"));
    let post = house.get("/metrics", "Content-Length: 0\r\n").replace("GET", "POST");
    let method = house.send(&post).await;
    assert_eq!(method.error(), (405, "unsupported/method".to_owned()));
    assert_eq!(method.header("allow"), Some("get, head"));
}

#[tokio::test]
async fn of_clients_with_tokens_the_one_that_is_named_for_it_reads() {
    let (alice, reader) = ("0123456789abcdefghijkl", "abcdefghijkl0123456789");
    let tokens = Tokens::read(&format!("alice {alice}\nmetrics {reader}")).unwrap();
    let house = House::with(HttpOptions { tokens: tokens.clone(), ..on() }).await;
    let with = |token: &str| format!("Authorization: Bearer {token}\r\n");
    for (headers, metrics, agents) in
        [(with(reader), 200, 200), (with(alice), 403, 200), (String::new(), 401, 401)]
    {
        for (path, status) in [("/metrics", metrics), ("/v1/agents", agents)] {
            let answer = house.send(&house.get(path, &headers)).await;
            assert_eq!(answer.status, status, "{path} {headers}");
            let shown = answer.body.contains("hubless_calls_running");
            assert_eq!(shown, path == "/metrics" && status == 200);
        }
    }
    // What a token may not read is counted, and in the audit log.
    let read = house.send(&house.get("/metrics", &with(reader))).await;
    let line = "hubless_refusals_total{by=\"gateway\",kind=\"denied\"} 1";
    assert!(read.body.contains(line), "{}", read.body);
    let mut rows = house.node.audit().rows.into_iter().map(|kept| kept.row.entry);
    assert!(rows.any(|row| row.by == "http:token:alice" && row.reason == "denied"));
    // A listener for nothing else lets every token read.
    let alone = MetricsEdge::start(&house.node, HttpOptions { tokens, ..options() }).await.unwrap();
    assert!(alone.url().ends_with("/metrics"));
    for (headers, path, status) in [
        (with(alice), "/metrics", 200),
        (String::new(), "/metrics", 401),
        (with(alice), "/v1/agents", 404),
    ] {
        let request = house.get(path, &headers);
        let own = request.replace(&house.address().to_string(), &alone.address().to_string());
        let mut wire = super::support::Wire::to(alone.address()).await;
        wire.write(&own).await;
        assert_eq!(wire.answer().await.status, status, "{path} {headers}");
    }
}

#[tokio::test]
async fn so_many_names_are_named_and_the_others_are_one() {
    let house = House::with(on()).await;
    let echo = handler(|call: Call, content: Content| async move {
        call.add_usage(&Usage { input_tokens: 1, ..Usage::default() })?;
        Ok(content)
    });
    let many = METRIC_NAMES + 3;
    for number in 0..many {
        let name = format!("agent-{number}");
        let asked = RequestOptions::new(name.as_str(), Content::text("x"));
        let options = AgentOptions { name, ..AgentOptions::default() };
        house.node.register(options, Arc::clone(&echo)).await.unwrap();
        house.node.request(asked).await.unwrap();
    }
    let read = scrape(&house).await;
    for (name, labels) in [
        ("hubless_calls_total", &[("side", "made")][..]),
        ("hubless_calls_total", &[("side", "handled")]),
        ("hubless_tokens_total", &[("direction", "input")]),
    ] {
        let named: BTreeSet<_> = read.values_of(name, labels, "agent");
        assert_eq!(named.len(), METRIC_NAMES + 1, "{name} {labels:?}");
        assert_eq!(read.sum(name, &[labels, &[("agent", "other")]].concat()), 3.0);
        assert_eq!(read.sum(name, labels), many as f64, "none is lost");
    }
    let again = scrape(&house).await;
    let tokens = "hubless_tokens_total";
    assert_eq!(again.values_of(tokens, &[], "agent"), read.values_of(tokens, &[], "agent"));
}

#[tokio::test]
async fn no_content_and_no_secret_is_in_it() {
    let house = House::with(on()).await;
    let auth = json!({ "scheme": "shared_secret", "secret": GUARD });
    let body = json!({ "content": { "value": CANARY, "metadata": { "k": CANARY } }, "auth": auth,
        "conversationId": CANARY });
    let answer = house.ask("guarded", &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.body.contains(CANARY), "it was there");
    let wrong = json!({ "auth": { "scheme": "shared_secret", "secret": CANARY } });
    assert_eq!(house.ask("guarded", &wrong).await.status, 401);
    house.ask(CANARY, &json!({ "skill": CANARY })).await;
    let text = house.send(&house.get("/metrics", "")).await.body;
    assert!(text.contains("agent=\"guarded\""), "the call is there");
    assert!(!text.contains(CANARY) && !text.contains(GUARD), "{text}");
    assert!(!text.contains("did:key") && !text.contains(&house.node.key().to_string()));
}

#[tokio::test]
async fn what_runs_and_what_waits_is_seen() {
    let house = House::with(on()).await;
    let one = json!({ "name": "single", "requirements": { "maxConcurrency": 1 } });
    let (told, release) = (house.agents.began.clone(), house.agents.release.clone());
    let wait = handler(move |_: Call, content: Content| {
        let (told, release) = (Arc::clone(&told), Arc::clone(&release));
        async move {
            told.notify_one();
            release.notified().await;
            Ok(content)
        }
    });
    house.node.register(AgentOptions::read(one).unwrap(), wait).await.unwrap();
    let ask = || {
        let node = house.node.clone();
        tokio::spawn(async move {
            node.request(RequestOptions::new("single", Content::text("x"))).await
        })
    };
    let first = ask();
    soon("the first handler", &house.agents.began).await;
    let second = ask();
    let open = |read: &Scrape| {
        (read.one("hubless_calls_running", &[]), read.one("hubless_calls_queued", &[]))
    };
    until(&house, "one that runs and one that waits", |read| open(read) == (1.0, 1.0)).await;
    house.agents.release.notify_one();
    soon("the second handler", &house.agents.began).await;
    house.agents.release.notify_one();
    assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
    until(&house, "the end of both", |read| open(read) == (0.0, 0.0)).await;
}

#[tokio::test]
async fn budgets_rows_and_the_process_are_in_it() {
    let house = House::with(on()).await;
    let calls = Allowance::UNLIMITED.with(Component::Calls, Some(2));
    let switch = KillSwitch::new(Terms::of(calls));
    let asked = RequestOptions {
        kill_switch: Some(switch.clone()),
        ..RequestOptions::new("echo", Content::text("x"))
    };
    house.node.request(asked).await.unwrap();
    let state = |read: &Scrape| {
        ["armed", "stopped"].map(|state| read.one("hubless_budgets", &[("state", state)]))
    };
    let before = scrape(&house).await;
    assert_eq!(state(&before), [1.0, 0.0]);
    assert_eq!(before.sum("hubless_budget_trips_total", &[]), 0.0);
    switch.trip(TripReason::Operator);
    assert!(switch.stopped().await.is_some());
    let read = scrape(&house).await;
    assert_eq!(state(&read), [0.0, 1.0]);
    assert_eq!(read.one("hubless_budget_trips_total", &[("reason", "operator")]), 1.0);
    drop(switch);
    until(&house, "the end of the budget", |read| state(read) == [0.0, 0.0]).await;
    assert_eq!(read.one("hubless_repeats_total", &[]), house.node.counts().repeats as f64);
    let rows = scrape(&house).await.one("hubless_audit_rows_total", &[]);
    assert_eq!(rows, house.node.audit().head.seq as f64);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let began_s = read.one("process_start_time_seconds", &[]);
    assert!(began_s <= now_s + 0.1 && now_s - began_s < 86_400.0, "{began_s} {now_s}");
    assert_eq!(read.sum("hubless_build_info", &[("version", env!("CARGO_PKG_VERSION"))]), 1.0);
}

/// Tells that it is dropped.
struct Tells(Arc<Notify>);

impl Drop for Tells {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_stop_is_counted_once_nothing_below_it_is_open_and_what_was_used_at_the_end() {
    let house = House::with(on()).await;
    let folder = tempfile::tempdir().unwrap();
    let home = Some(folder.path().to_owned());
    let start = || Node::start(NodeOptions { home: home.clone(), ..NodeOptions::default() });
    let (far, near) = (start().await.unwrap(), start().await.unwrap());
    let (told, go) = (house.agents.began.clone(), house.agents.release.clone());
    let slow = handler(move |call: Call, _| {
        let (told, go) = (Arc::clone(&told), Arc::clone(&go));
        async move {
            let spend = call.spend(Amount::ZERO.with(Component::OutputTokens, 5)?).await?;
            // Its provider goes on for a while when it is told to stop.
            tokio::spawn(async move {
                go.notified().await;
                drop(spend);
            });
            told.notify_one();
            // The function is dropped where it waits.
            let _stops = Tells(told);
            std::future::pending().await
        }
    });
    let name = AgentOptions { name: "slow".into(), ..AgentOptions::default() };
    far.register(name, slow).await.unwrap();
    let edge = HttpEdge::start(&near, on()).await.unwrap();
    let near = House { node: near, edge, agents: Default::default() };
    let limits = Allowance::UNLIMITED.with(Component::OutputTokens, Some(40));
    let switch = KillSwitch::new(Terms::of(limits));
    let asked = RequestOptions {
        kill_switch: Some(switch.clone()),
        wait_ms: Some(20_000),
        ..RequestOptions::new("slow", Content::text("x"))
    };
    let node = near.node.clone();
    let asked = tokio::spawn(async move { node.request(asked).await });
    soon("the handler to run", &house.agents.began).await;
    switch.trip(TripReason::Operator);
    soon("the handler to be told", &house.agents.began).await;
    let count = |read: &Scrape| read.one("hubless_kill_propagation_seconds_count", &[]);
    let read = scrape(&near).await;
    assert_eq!(count(&read), 0.0, "its grant is open");
    assert_eq!(read.one("hubless_budget_trips_total", &[("reason", "operator")]), 1.0);
    house.agents.release.notify_one();
    assert!(asked.await.unwrap().is_err());
    let read = until(&near, "the last word", |read| count(read) == 1.0).await;
    assert!(read.one("hubless_kill_propagation_seconds_sum", &[]) > 0.0);
    let used = |read: &Scrape, component| {
        read.one("hubless_budget_used_total", &[("component", component)])
    };
    assert_eq!(used(&read, "outputTokens"), 0.0, "the switch is there");
    drop(switch);
    let read = until(&near, "the end", |read| used(read, "outputTokens") > 0.0).await;
    assert_eq!((used(&read, "outputTokens"), used(&read, "calls")), (5.0, 1.0));
    // The node that only held a grant has no word about a budget of another one.
    assert_eq!(count(&scrape(&house).await), 0.0);
}

#[tokio::test]
async fn nodes_and_bytes_are_counted_and_bytes_stay_when_a_connection_ends() {
    let folder = tempfile::tempdir().unwrap();
    let home = Some(folder.path().to_owned());
    let start = || Node::start(NodeOptions { home: home.clone(), ..NodeOptions::default() });
    let (far, near) = (start().await.unwrap(), start().await.unwrap());
    let echo = handler(|_: Call, content: Content| async move { Ok(content) });
    let name = AgentOptions { name: "far".into(), ..AgentOptions::default() };
    far.register(name, echo).await.unwrap();
    let edge = HttpEdge::start(&near, on()).await.unwrap();
    let house = House { node: near, edge, agents: Default::default() };
    let mut asked = RequestOptions::new("far", Content::text("x".repeat(10_000)));
    asked.wait_ms = Some(20_000);
    house.node.request(asked).await.unwrap();
    let bytes = |read: &Scrape| {
        let of =
            |direction| read.one("hubless_connection_bytes_total", &[("direction", direction)]);
        [of("sent"), of("received")]
    };
    let open = |read: &Scrape| read.one("hubless_connections", &[("path", "direct")]);
    let read = scrape(&house).await;
    assert!(open(&read) >= 1.0);
    assert_eq!(read.one("hubless_nodes", &[("state", "connected")]), 1.0);
    assert_eq!(read.one("hubless_agents", &[("place", "elsewhere")]), 1.0);
    assert!(bytes(&read).iter().all(|bytes| *bytes > 10_000.0), "{:?}", bytes(&read));
    far.close(Duration::ZERO).await;
    let after = until(&house, "the end of the connection", |read| open(read) == 0.0).await;
    let (before, after) = (bytes(&read), bytes(&after));
    assert!(after[0] >= before[0] && after[1] >= before[1], "{before:?} {after:?}");
}
