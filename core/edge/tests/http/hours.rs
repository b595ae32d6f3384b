//! What clients may spend: of a call, and in an hour. What is spent is counted by the agent here,
//! and not by any budget.

use super::support::{Answer, House, PATIENCE, options, soon};
use hubless::budget::{Allowance, Amount, Component, RedeemCode, Terms};
use hubless::{AgentOptions, Call, Content, Node, NodeOptions, handler};
use hubless_edge::http::{Budgets, HttpEdge, HttpOptions, Tokens};
use hubless_proto::audit::Event;
use hubless_proto::killswitch::{Claim, GrantId};
use hubless_proto::policy::read_hour;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::Notify;

const TOKENS: Component = Component::OutputTokens;
const ALICE: &str = "Authorization: Bearer 0123456789abcdefghij-a\r\n";
const BOB: &str = "Authorization: Bearer 0123456789abcdefghij-b\r\n";

/// What an agent counts.
#[derive(Clone, Default)]
struct Meter {
    /// Handlers that began.
    ran: Arc<AtomicU64>,
    /// Tokens that were spent.
    spent: Arc<AtomicU64>,
    /// Fires when one waits.
    waits: Arc<Notify>,
    /// Lets one end.
    go: Arc<Notify>,
}

impl Meter {
    fn ran(&self) -> u64 {
        self.ran.load(Ordering::SeqCst)
    }

    fn spent(&self) -> u64 {
        self.spent.load(Ordering::SeqCst)
    }

    /// Has `node` answer as `meter`: of `{"most": n, "use": m}` it sets n aside and spends m, of
    /// `"wait"` it waits.
    async fn serve(&self, node: &Node) {
        let meter = self.clone();
        let work = handler(move |call: Call, content: Content| {
            let meter = meter.clone();
            async move {
                meter.ran.fetch_add(1, Ordering::SeqCst);
                let asked = content.decoded().unwrap_or_default();
                if asked == "wait" {
                    meter.waits.notify_one();
                    meter.go.notified().await;
                }
                let count = |name: &str| asked[name].as_u64().unwrap_or_default();
                let spend = call.spend(Amount::ZERO.with(TOKENS, count("most"))?).await?;
                meter.spent.fetch_add(count("use"), Ordering::SeqCst);
                spend.used(Amount::ZERO.with(TOKENS, count("use"))?);
                Ok(Content::text("done"))
            }
        });
        let rules = json!({ "allowExternalConnections": true });
        let fields = json!({ "name": "meter", "requirements": rules });
        node.register(AgentOptions::read(fields).unwrap(), work).await.unwrap();
    }
}

fn per_hour(limits: &Value) -> Option<Allowance> {
    Some(read_hour("", limits).unwrap())
}

fn per_call(limits: &Value) -> Option<Terms> {
    Some(Terms::read("", limits).unwrap())
}

/// Options of a listener with two clients.
fn of_two() -> HttpOptions {
    let lines = "alice 0123456789abcdefghij-a\nbob 0123456789abcdefghij-b\n";
    HttpOptions { tokens: Tokens::read(lines).unwrap(), ..options() }
}

async fn house(options: HttpOptions) -> (House, Meter) {
    let (house, meter) = (House::with(options).await, Meter::default());
    meter.serve(&house.node).await;
    (house, meter)
}

/// Asks the meter with these headers.
async fn ask(house: &House, value: &Value, headers: &str) -> Answer {
    let body = json!({ "content": { "value": value } }).to_string();
    let mut wire = house.wire().await;
    wire.write(&house.post("meter", &body, headers)).await;
    let answer = wire.answer().await;
    // A streamed answer is over with its connection.
    wire.rest().await;
    answer
}

fn spend(most: u64, used: u64) -> Value {
    json!({ "most": most, "use": used })
}

/// Seconds after which the hour ends for something.
fn waits_for(refused: &Answer) -> Option<u64> {
    assert_eq!(refused.error(), (402, "budget_exhausted/hour".to_owned()), "{refused:?}");
    let after_s = refused.header("retry-after").map(|after_s| after_s.parse().unwrap());
    let after_ms = refused.json()["retry"]["afterMs"].as_u64();
    assert_eq!(after_ms.map(|after_ms| after_ms.div_ceil(1_000)), after_s);
    after_s
}

#[tokio::test]
async fn each_client_has_its_own_hour_and_what_does_not_fit_does_not_run() {
    let budget = (per_call(&json!({ "calls": 1 })), per_hour(&json!({ "calls": 2 })));
    let (house, meter) =
        house(HttpOptions { budget: budget.0, budget_per_hour: budget.1, ..of_two() }).await;
    for _ in 0..2 {
        assert_eq!(ask(&house, &spend(0, 0), ALICE).await.status, 200);
    }
    for _ in 0..3 {
        let refused = ask(&house, &spend(0, 0), ALICE).await;
        let after_s = waits_for(&refused).expect("the hour of the first one ends");
        assert!((3_540..=3_660).contains(&after_s), "{after_s}");
        let error = refused.json();
        assert_eq!(error["field"], "calls");
        assert_eq!(error["limit"], json!({ "name": "calls", "value": 2 }));
    }
    assert_eq!(ask(&house, &spend(0, 0), BOB).await.status, 200, "the other one has an hour");
    assert_eq!(meter.ran(), 3, "what was refused did not run");
    let rows = house.node.audit().rows.into_iter().map(|kept| kept.row.entry);
    let rows: Vec<_> = rows.filter(|entry| entry.kind == Event::CallRefused).collect();
    assert!(rows.len() < 3, "equal ones of a second are folded: {rows:?}");
    assert_eq!((&*rows[0].by, &*rows[0].name), ("http:token:alice", "meter"));
    assert_eq!(rows[0].reason, "budget_exhausted/hour");
}

#[tokio::test]
async fn what_was_used_takes_the_place_of_what_was_set_aside() {
    let budget = (per_call(&json!({ "outputTokens": 50 })), json!({ "outputTokens": 100 }));
    let budget_per_hour = per_hour(&budget.1);
    let options = HttpOptions { budget: budget.0, budget_per_hour, ..options() };
    let (house, meter) = house(options).await;
    for headers in ["", "Accept: text/event-stream\r\n"].into_iter().cycle().take(6) {
        let answer = ask(&house, &spend(50, 10), headers).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // Forty are left, and the most of a request is fifty.
    let refused = ask(&house, &spend(50, 10), "").await;
    assert!(waits_for(&refused).is_some());
    assert_eq!(refused.json()["limit"]["value"], 100);
    let less = "Hubless-Budget: {\"outputTokens\": 40}\r\n";
    assert_eq!(ask(&house, &spend(40, 40), less).await.status, 200, "equal to the rest");
    let over = "Hubless-Budget: {\"outputTokens\": 1}\r\n";
    assert!(waits_for(&ask(&house, &spend(1, 1), over).await).is_some(), "one more");
    assert_eq!(meter.spent(), 100);
    // Somebody else, by the address.
    let mut wire = house.wire_from("127.0.0.2").await;
    wire.write(&house.post("meter", r#"{"content":{"value":{"most":50,"use":50}}}"#, "")).await;
    assert_eq!(wire.answer().await.status, 200);
}

#[tokio::test]
async fn of_many_at_once_for_the_room_of_one_one_is_let_in() {
    let budget = (per_call(&json!({ "calls": 3 })), per_hour(&json!({ "calls": 3 })));
    let (house, meter) =
        house(HttpOptions { budget: budget.0, budget_per_hour: budget.1, ..of_two() }).await;
    let request = house.post("meter", r#"{"content":{"value":"wait"}}"#, ALICE);
    let mut wires = Vec::new();
    for number in 0..64 {
        // One address has 32 connections.
        let mut wire = house.wire_from(&format!("127.0.0.{}", 1 + number % 4)).await;
        wire.write(request.get(..request.len() - 1).unwrap()).await;
        wires.push(wire);
    }
    for wire in &mut wires {
        wire.write(request.get(request.len() - 1..).unwrap()).await;
    }
    soon("one that runs", &meter.waits).await;
    let (told, mut answers) = tokio::sync::mpsc::channel(64);
    for mut wire in wires {
        let told = told.clone();
        tokio::spawn(async move { told.send(wire.answer().await).await });
    }
    for _ in 0..63 {
        let refused = answers.recv().await.unwrap();
        assert_eq!(waits_for(&refused), None, "nothing was spent that ends to count");
        assert_eq!(refused.json()["retry"], "later");
    }
    meter.go.notify_one();
    assert_eq!(answers.recv().await.unwrap().status, 200);
    assert_eq!(meter.ran(), 1);
    // What it did not use is there again.
    let less = format!("{ALICE}Hubless-Budget: {{\"calls\": 2}}\r\n");
    assert_eq!(ask(&house, &spend(0, 0), &less).await.status, 200);
}

#[tokio::test]
async fn a_header_lowers_a_limit_or_sets_one_and_raises_none() {
    let budget = per_call(&json!({ "outputTokens": 10 }));
    let (limited, _) = house(HttpOptions { budget, ..options() }).await;
    let (free, meter) = house(options()).await;
    let header = |limits: &str| format!("Hubless-Budget: {limits}\r\n");
    for (house, limits, most, fits) in [
        (&limited, r#"{"outputTokens": 5}"#, 5, true),
        (&limited, r#"{"outputTokens": 5}"#, 6, false),
        (&limited, r#"{"outputTokens": 1000, "calls": 1}"#, 10, true),
        (&limited, r#"{"outputTokens": 1000, "calls": 1}"#, 11, false),
        (&limited, r#"{"unlimited": true}"#, 11, false),
        (&free, r#"{"outputTokens": 5}"#, 5, true),
        (&free, r#"{"outputTokens": 5}"#, 6, false),
    ] {
        let answer = ask(house, &spend(most, 1), &header(limits)).await;
        let wanted = if fits { 200 } else { 402 };
        assert_eq!(answer.status, wanted, "{limits} {most}: {answer:?}");
    }
    let ran = meter.ran();
    for (limits, field) in [
        ("5", "hubless-budget"),
        ("{", "hubless-budget"),
        ("{}", "hubless-budget.unlimited"),
        (r#"{"outputTokens": "5"}"#, "hubless-budget.outputTokens"),
        (r#"{"outputTokens": 1, "leaseMs": 1}"#, "hubless-budget.leaseMs"),
    ] {
        let answer = ask(&free, &spend(0, 0), &header(limits)).await;
        assert_eq!((answer.status, &answer.json()["field"]), (400, &json!(field)), "{limits}");
        assert_eq!(answer.json()["kind"], "invalid_argument");
    }
    let twice = header(r#"{"calls": 1}"#).repeat(2);
    assert_eq!(ask(&free, &spend(0, 0), &twice).await.status, 400);
    let claim = Claim {
        grant: GrantId::from_bytes([1; 16]),
        digest: [1; 32],
        amount: Allowance::UNLIMITED,
        until_ms: u64::MAX,
    };
    let code = RedeemCode::new(free.node.key(), [1; 32], &claim);
    let beside = format!("Hubless-Redeem: {}\r\n{}", &*code.text(), header(r#"{"calls": 1}"#));
    let answer = ask(&free, &spend(0, 0), &beside).await;
    assert_eq!((answer.status, &answer.json()["field"]), (400, &json!("hubless-budget")));
    assert_eq!(meter.ran(), ran, "none of these ran");
}

#[tokio::test]
async fn a_file_gives_clients_budgets_of_their_own() {
    let budgets = "alice hour {\"calls\": 0}\nbob hour {\"unlimited\": true}\n\
                   bob call {\"outputTokens\": 7}\n";
    let options = HttpOptions {
        budget_per_hour: per_hour(&json!({ "calls": 1 })),
        budgets: Budgets::read(budgets).unwrap(),
        ..of_two()
    };
    let (house, meter) = house(options.clone()).await;
    assert_eq!(waits_for(&ask(&house, &spend(0, 0), ALICE).await), None, "it never fits");
    assert_eq!(meter.ran(), 0);
    for _ in 0..3 {
        assert_eq!(ask(&house, &spend(7, 7), BOB).await.status, 200);
    }
    assert_eq!(ask(&house, &spend(8, 8), BOB).await.error().1, "budget_exhausted/output_exceeded");
    let misspelt = Budgets::read("alise hour {\"calls\": 0}").unwrap();
    let error = HttpOptions { budgets: misspelt, ..options }.check().unwrap_err();
    assert_eq!(error.code, "budget_file");
}

/// A named node in a home, and a listener of it.
async fn named(home: &Path, options: HttpOptions) -> (House, Meter) {
    let options_of_node = NodeOptions {
        name: Some("front".to_owned()),
        home: Some(home.to_owned()),
        ..NodeOptions::default()
    };
    let (node, meter) = (Node::start(options_of_node).await.unwrap(), Meter::default());
    meter.serve(&node).await;
    let edge = HttpEdge::start(&node, options).await.unwrap();
    (House { node, edge, agents: Default::default() }, meter)
}

#[tokio::test]
async fn a_node_with_a_name_goes_on_with_the_hour_after_a_restart() {
    let home = tempfile::tempdir().unwrap();
    let options =
        || HttpOptions { budget_per_hour: per_hour(&json!({ "outputTokens": 100 })), ..options() };
    for left in [100, 70, 40] {
        let (house, _) = named(home.path(), options()).await;
        let over = format!("Hubless-Budget: {{\"outputTokens\": {}}}\r\n", left + 1);
        let refused = waits_for(&ask(&house, &spend(0, 0), &over).await);
        assert_eq!(refused.is_some(), left < 100, "what was used, and no more: {refused:?}");
        let answer = ask(&house, &spend(30, 30), "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        house.edge.close(PATIENCE).await;
        house.node.close(PATIENCE).await;
    }
    // Without a name it begins anew.
    let (house, _) = house(options()).await;
    assert_eq!(ask(&house, &spend(100, 100), "").await.status, 200);
}

#[tokio::test]
async fn what_another_node_gives_back_is_waited_for() {
    let home = tempfile::tempdir().unwrap();
    let start = || {
        let home = Some(home.path().to_owned());
        Node::start(NodeOptions { home, ..NodeOptions::default() })
    };
    let (far, near, meter) = (start().await.unwrap(), start().await.unwrap(), Meter::default());
    meter.serve(&far).await;
    let mut known = hubless::RequestOptions::new("meter", Content::value(spend(0, 0)));
    known.wait_ms = Some(20_000);
    known.kill_switch = Some(hubless::budget::KillSwitch::new(Terms::default()));
    near.request(known).await.unwrap();
    let budget_per_hour = per_hour(&json!({ "outputTokens": 100 }));
    let options = HttpOptions { budget_per_hour, ..options() };
    let edge = HttpEdge::start(&near, options).await.unwrap();
    let house = House { node: near, edge, agents: Default::default() };
    // Each of them has all that is left while it runs.
    for _ in 0..4 {
        let answer = ask(&house, &spend(25, 25), "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert!(waits_for(&ask(&house, &spend(1, 1), "").await).is_some());
    assert_eq!(meter.spent(), 100);
}
