//! `budget` and `usage`: what the stores of nodes with a name tell, beside them and after them.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

mod support;

use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms, TripReason};
use hubless::{
    AgentOptions, Call, Content, Error, Kind, Node, NodeOptions, RequestOptions, handler,
};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use support::{Home, ask, eventually};
use tokio::sync::Notify;

/// Tokens that a call of `think` writes.
const TOKENS: u64 = 60;

async fn named(home: &Home, name: &str) -> Node {
    let (folder, name) = (Some(home.path().to_owned()), Some(name.to_owned()));
    Node::start(NodeOptions { home: folder, name, ..NodeOptions::default() }).await.unwrap()
}

fn tokens(count: u64) -> Amount {
    Amount::ZERO.with(Component::OutputTokens, count).unwrap()
}

fn switch() -> KillSwitch {
    let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(6_400));
    KillSwitch::new(Terms::of(ceiling))
}

fn paid(switch: &KillSwitch, to: &str, text: &str) -> RequestOptions {
    RequestOptions { kill_switch: Some(switch.clone()), ..ask(to, text) }
}

/// Writes 60 tokens, of 100 that it sets aside; counted outside of what is tested. `wait` holds it
/// until it is let go, `fail` fails after it.
async fn thinker(node: &Node, spent: &Arc<AtomicU64>, go: &Arc<Notify>) {
    let (spent, go) = (Arc::clone(spent), Arc::clone(go));
    let think = handler(move |call: Call, content: Content| {
        let (spent, go) = (Arc::clone(&spent), Arc::clone(&go));
        async move {
            let spend = call.spend(tokens(100)).await?;
            if content.joined_text() == "wait" {
                go.notified().await;
            }
            spent.fetch_add(TOKENS, Ordering::SeqCst);
            spend.used(tokens(TOKENS));
            if content.joined_text() == "fail" {
                return Err(Error::refusal(Kind::Denied, "mood", "not today"));
            }
            Ok(content)
        }
    });
    let options = json!({"name": "think", "skills": [{"id": "muse"}]});
    node.register(AgentOptions::read(options).unwrap(), think).await.unwrap();
}

/// Passes on what it gets to `think`, and spends nothing by itself.
async fn relay(node: &Node) {
    let next = node.clone();
    let pass = handler(move |call: Call, content: Content| {
        let next = next.clone();
        async move {
            call.spend(Amount::ZERO).await?.used(Amount::ZERO);
            let asked = RequestOptions::new("think", content);
            let asked = RequestOptions { parent: Some(call.parent()), ..asked };
            let asked = RequestOptions { wait_ms: Some(10_000), ..asked };
            next.request(asked).await.map(|reply| reply.content)
        }
    });
    node.register(AgentOptions::read(json!({"name": "front"})).unwrap(), pass).await.unwrap();
}

/// The budget of this id, as the command tells it.
fn told(home: &Home, id: &str) -> Value {
    home.run(&["budget", id, "--json"]).ok().json()
}

fn number(value: &Value, field: &str) -> u64 {
    value[field]["outputTokens"].as_u64().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_is_a_tree_over_the_nodes_of_the_folder_and_its_end_is_remembered() {
    let home = Home::new();
    let (root, leaf) = (named(&home, "root").await, named(&home, "leaf").await);
    let (spent, go) = (Arc::default(), Arc::<Notify>::default());
    thinker(&leaf, &spent, &go).await;
    relay(&root).await;
    let switch = switch();
    let (asking, asked) = (root.clone(), paid(&switch, "front", "wait"));
    let call = tokio::spawn(async move { asking.request(asked).await });
    let (id, open) = tokio::task::block_in_place(|| {
        let opened = ["audit", "show", "--kind", "budget_opened", "--json"];
        let id = eventually("the budget", || {
            let rows = home.run(&opened).ok().lines();
            rows.first().map(|row| row["budget"].as_str().unwrap().to_owned())
        });
        let open = eventually("what the leaf has set aside", || {
            let told = told(&home, &id);
            let held = &told["accounts"][0]["children"][0]["children"][0];
            (held["reservations"] == 1).then_some(told)
        });
        (id, open)
    });
    assert_eq!((&open["schema"], &open["state"]), (&json!("hubless.budget/1"), &json!("open")));
    assert_eq!((&open["root"], &open["stop"]), (&json!(root.key()), &Value::Null));
    let [top] = &open["accounts"].as_array().unwrap()[..] else { panic!("{open}") };
    let (front, think) = (&top["children"][0], &top["children"][0]["children"][0]);
    assert_eq!((number(top, "amount"), number(top, "used")), (6_400, 0));
    assert_eq!((&front["node"], &think["node"]), (&json!(root.key()), &json!(leaf.key())));
    assert_eq!((number(think, "held"), &think["state"]), (100, &json!("open")));
    // Everything below is set aside above.
    assert!(number(top, "held") >= number(front, "amount") && number(front, "amount") >= 100);
    let prose = home.run(&["budget", &id]).ok().out;
    assert!(
        prose.contains("all of it at ") && prose.contains("└─ ") && prose.contains("0+100 of"),
        "{prose}"
    );

    go.notify_one();
    call.await.unwrap().unwrap();
    tokio::task::block_in_place(|| {
        let settled = || (number(&told(&home, &id)["accounts"][0], "used") == TOKENS).then_some(());
        eventually("it is settled", settled);
    });
    assert_eq!(spent.load(Ordering::SeqCst), TOKENS);
    switch.trip(TripReason::Operator);
    let tripped = tokio::task::block_in_place(|| {
        eventually("the stop", || Some(told(&home, &id)).filter(|told| !told["stop"].is_null()))
    });
    assert_eq!(tripped["stop"]["reason"], "operator");
    assert_eq!(tripped["stop"]["by"], json!(root.key()));
    drop(switch);
    root.close(Duration::from_secs(2)).await;
    leaf.close(Duration::from_secs(2)).await;
    let over = told(&home, &id);
    assert_eq!((&over["state"], &over["accounts"]), (&json!("over"), &json!([])));
    assert_eq!(
        (&over["spent"]["outputTokens"], &over["spent"]["calls"]),
        (&json!(TOKENS), &json!(2))
    );
    assert_eq!(over["stop"]["reason"], "operator");
    assert!(over["openedMs"].as_u64() <= over["closedMs"].as_u64());
    assert_eq!(home.run(&["budget", "--json"]).ok().lines().len(), 1);

    let unknown = home.run(&["budget", &"0".repeat(64), "--json"]);
    assert_eq!((unknown.code, &unknown.error()["kind"]), (Some(3), &json!("not_found")));
    assert_eq!(home.run(&["budget", "x"]).code, Some(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operator_stops_a_budget_by_its_id() {
    let home = Home::new();
    let root = named(&home, "root").await;
    let (spent, go) = (Arc::default(), Arc::<Notify>::default());
    thinker(&root, &spent, &go).await;
    let switch = switch();
    let (asking, asked) = (root.clone(), paid(&switch, "think", "wait"));
    let call = tokio::spawn(async move { asking.request(asked).await });
    let id = tokio::task::block_in_place(|| {
        eventually("the budget", || {
            let rows = home.run(&["audit", "show", "--kind", "budget_opened", "--json"]).ok();
            rows.lines().first().map(|row| row["budget"].as_str().unwrap().to_owned())
        })
    });
    let unknown = home.run(&["budget", "trip", &"0".repeat(64), "--json"]);
    assert_eq!((unknown.code, &unknown.error()["kind"]), (Some(3), &json!("not_found")));
    assert_eq!(home.run(&["budget", "trip", "x"]).code, Some(2));
    assert_eq!(home.run(&["budget", "trip"]).code, Some(2));
    assert!(switch.stop().is_none() && !call.is_finished());
    let told = home.run(&["budget", "trip", &id, "--json"]).ok().json();
    assert_eq!((&told["schema"], &told["budget"]), (&json!("hubless.trip/1"), &json!(id)));
    assert_eq!(told["nodes"], json!([root.key()]));
    let error = call.await.unwrap().unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Killed, "operator"));
    tokio::task::block_in_place(|| {
        eventually("the stop", || switch.stop());
        let shown = ["audit", "show", "--kind", "operator_stop", "--json"];
        eventually("the row", || {
            let rows = home.run(&shown).ok().lines();
            rows.into_iter().find(|row| row["budget"] == json!(id) && row["outcome"] == "ok")
        });
    });
    drop(switch);
    root.close(Duration::from_secs(2)).await;
}

/// The rows of `usage`, as key, calls, failed, in full, tokens written.
fn usage(home: &Home, by: &str) -> Vec<(String, [u64; 4])> {
    let rows = home.run(&["usage", "--by", by, "--json"]).ok().lines();
    let row = |row: &Value| {
        assert_eq!((&row["schema"], &row["by"]), (&json!("hubless.usage/1"), &json!(by)));
        let of = |field: &str| row[field].as_u64().unwrap();
        let numbers = [of("calls"), of("failed"), of("inFull"), of("outputTokens")];
        (row["key"].as_str().unwrap().to_owned(), numbers)
    };
    rows.iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn usage_sums_what_was_used_by_who_asked_by_agent_and_by_skill() {
    let home = Home::new();
    assert_eq!(usage(&home, "agent"), []);
    let (spent, go) = (Arc::<AtomicU64>::default(), Arc::default());
    let granted = 500;
    for life in 1..=2 {
        let node = named(&home, "web").await;
        thinker(&node, &spent, &go).await;
        let silent = handler(|_, content: Content| async move { Ok(content) });
        let options = AgentOptions::read(json!({"name": "silent"})).unwrap();
        node.register(options, silent).await.unwrap();
        let skill = || RequestOptions { skill: "muse".to_owned(), ..ask("think", "a") };
        for _ in 0..3 {
            node.request(skill()).await.unwrap();
        }
        assert!(node.request(ask("think", "fail")).await.is_err());
        // Refused before it ran: it counts for nobody.
        let strange = RequestOptions { skill: "fly".to_owned(), ..ask("think", "a") };
        assert!(node.request(strange).await.is_err());
        // It says nothing of what it spends.
        let switch = switch();
        let max = Some(Allowance::UNLIMITED.with(Component::OutputTokens, Some(granted)));
        node.request(RequestOptions { max, ..paid(&switch, "silent", "a") }).await.unwrap();
        if life == 1 {
            tokio::task::block_in_place(|| {
                let seen = || (usage(&home, "agent").len() == 2).then_some(());
                eventually("it is on disk beside the node", seen);
            });
        }
        node.close(Duration::from_secs(2)).await;

        let spent = spent.load(Ordering::SeqCst);
        assert_eq!(spent, life * 4 * TOKENS);
        let silent = [life, 0, life, life * granted];
        let think = [life * 4, life, 0, spent];
        let row = |key: &str, numbers: [u64; 4]| (key.to_owned(), numbers);
        assert_eq!(usage(&home, "agent"), [row("silent", silent), row("think", think)]);
        // Its only skill is meant where none is named.
        assert_eq!(usage(&home, "skill"), [row("", silent), row("muse", think)]);
        let all = [life * 5, life, life, life * (granted + 4 * TOKENS)];
        assert_eq!(usage(&home, "principal"), [row(&format!("mesh:{}", node.key()), all)]);
    }
    let prose = home.run(&["usage", "--by", "skill"]).ok().out;
    assert!(prose.starts_with("(none)") && prose.contains("muse"), "{prose}");
    let wrong = home.run(&["usage", "--by", "day", "--json"]);
    assert_eq!((wrong.code, &wrong.error()["field"]), (Some(2), &json!("by")));
}
