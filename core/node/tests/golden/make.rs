//! Makes a data folder of which every kind of file is in use, by what a program calls.

use super::folder::Folder;
use super::support::{agent, ask, soon};
use super::{END, NOW, home, key};
use hubless::audit::LogFile;
use hubless::budget::{Amount, Component, KillSwitch};
use hubless::call::handle::Call;
use hubless::home::Home;
use hubless::keys;
use hubless::membership::{Credential, Membership};
use hubless::mesh::MeshChoice;
use hubless::node::{InviteOptions, join};
use hubless::store::Store;
use hubless::till::{GatewayTill, add_root};
use hubless::{Kind, Node, NodeOptions, RequestOptions, handler};
use hubless_proto::audit::Event;
use hubless_proto::identity::{Name, NodeKey};
use hubless_proto::killswitch::{
    Allowance, Budget, CallId, GrantId, Input, Keeping, Ledger, Now, Order, Output, Owner,
    ReservationId, Share, Terms,
};
use hubless_proto::metering::{Micros, chain::SpendKey, till::Root};
use hubless_proto::policy::StatedFact;
use hubless_proto::wire::v1::{Auth, Usage};
use hubless_proto::wire::words::{RefundPolicy, Spends};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Makes `home`, `guest`, `trace.jsonl`, and `home.json` with what they say.
pub(super) async fn home(folder: &Folder) {
    let (root, guest) = (folder.path().join("home"), folder.path().join("guest"));
    let opened = Home::open(Some(&root)).unwrap();
    fix_keys(&opened);
    let node = start(&root, &folder.path().join("trace.jsonl")).await;
    let credential = credential();
    work(&node, &credential).await;
    soon("the budget is closed", async {
        while !is_closed(&opened) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
    let options = InviteOptions { local: true, ..InviteOptions::default() };
    join(Some(&guest), &node.invite(options).await.unwrap()).await.unwrap();
    node.close(Duration::from_secs(2)).await;
    leave_open(&root.join("data/nodes/keeper.db"), node.key());
    gateway(&opened).await;
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let made_ms = u64::try_from(clock.as_millis()).unwrap();
    // Read from a copy: a reader of a store leaves files beside it.
    let seen = home::seen(&Folder::copy_of(folder.path()), made_ms).await.unwrap();
    is_in_use(&seen);
    let kept = json!({"madeMs": made_ms, "credential": credential, "seen": seen});
    folder.write_json("home.json", &kept);
}

/// What is empty could say nothing else later.
fn is_in_use(seen: &Value) {
    let of = |what: &str| seen[what].as_array().unwrap();
    let states: Vec<_> = of("budgets").iter().map(|one| &one["state"]).collect();
    assert!(states.len() == 2 && states.contains(&&json!("open")), "{states:?}");
    assert_eq!((of("accounts").len(), of("pins").len(), of("credentials").len()), (2, 1, 1));
    assert_eq!(of("accounts")[1]["spentMicros"], json!(100));
    let filled = |one: &Value| one.as_object().unwrap().values().all(|rows| rows != &json!([]));
    assert!(of("usage").iter().all(filled), "{seen}");
    let logs = of("logs").iter().chain(seen["guest"]["logs"].as_array().unwrap());
    assert!(logs.into_iter().all(|log| log["holds"] == json!(true)));
}

/// The node of that home.
pub(super) async fn start(home: &Path, trace: &Path) -> Node {
    let options = NodeOptions {
        name: Some("keeper".to_owned()),
        home: Some(home.to_owned()),
        trace: Some(trace.to_owned()),
        ..NodeOptions::default()
    };
    Node::start(options).await.unwrap()
}

/// An agent of that node, which takes the credential and pays for what it does.
pub(super) async fn register(node: &Node) -> hubless::Agent {
    let token = json!({"root": key(6).mesh_id(), "facts": {"team": "finance"}});
    let options = agent(json!({
        "name": "weather",
        "identity": {"stored": "weather"},
        "skills": [{"id": "forecast", "effect": "PURE", "inputSchema": {"type": "string"}}],
        "requirements": {"auth": {"token": token}},
    }));
    let answer = handler(|call: Call, content| async move {
        let some = Amount::ZERO.with(Component::OutputTokens, 3).unwrap();
        call.spend(some).await?.used(some);
        call.add_usage(&Usage { input_tokens: 7, ..Usage::default() })?;
        Ok(content)
    });
    node.register(options, answer).await.unwrap()
}

/// A request to that agent.
pub(super) fn request(credential: Option<&str>) -> RequestOptions {
    let auth = |secret: &str| Auth { scheme: "token".to_owned(), secret: secret.to_owned() };
    let skill = "forecast".to_owned();
    RequestOptions { auth: credential.map(auth), skill, ..ask("weather", json!("Bern")) }
}

/// The product makes each key file; its seed, the last 32 bytes, is chosen here.
fn fix_keys(home: &Home) {
    let [node, agent]: [Name; 2] = ["keeper", "weather"].map(|name| name.parse().unwrap());
    drop(keys::stored_node(home, &node).unwrap());
    drop(keys::stored_agent(home, &agent).unwrap());
    Membership::open(home, MeshChoice::Own).unwrap();
    let data = home.folders().unwrap().data();
    for (file, seed) in [("own/root.key", 11), ("nodes/keeper.key", 12), ("agents/weather.key", 13)]
    {
        let mut bytes = std::fs::read(data.join(file)).unwrap();
        let header = bytes.len() - 32;
        bytes[header..].fill(seed);
        std::fs::write(data.join(file), bytes).unwrap();
    }
}

fn credential() -> String {
    let facts = vec![StatedFact::parse("team=finance").unwrap()];
    let until = UNIX_EPOCH + Duration::from_millis(END);
    Credential { facts, bearer: None, until }.sign(&key(6)).unwrap()
}

/// Calls that are answered, paid by a budget and refused, and what a user sets.
async fn work(node: &Node, credential: &str) {
    let weather = register(node).await;
    node.request(request(Some(credential))).await.unwrap();
    assert_eq!(node.request(request(None)).await.unwrap_err().kind, Kind::Auth);
    let ceiling = Allowance::UNLIMITED.with(Component::OutputTokens, Some(1_000));
    let switch = KillSwitch::new(Terms::of(ceiling));
    let paid = RequestOptions { kill_switch: Some(switch.clone()), ..request(Some(credential)) };
    node.request(paid).await.unwrap();
    drop(switch);
    node.pins().set("weather", weather.id()).unwrap();
    let auth = Auth { scheme: "bearer".to_owned(), secret: "kept".to_owned() };
    node.credentials().store("https://example.org", auth).unwrap();
}

fn is_closed(home: &Home) -> bool {
    let mut closed = false;
    let log = LogFile::named(home, "node:keeper").unwrap();
    log.read(|row| closed |= row.entry.kind == Event::BudgetClosed).unwrap();
    closed
}

/// Puts into the store what a process leaves there that dies: an open budget with a reservation,
/// and a grant that was cut from it.
fn leave_open(path: &Path, node: NodeKey) {
    let (store, _) = Store::open(path).unwrap();
    let owner = Owner { node, instance: 1, keeping: Keeping::Durable };
    let (mut ledger, now) = (Ledger::new(owner), Now { clock_ms: 1, unix_ms: NOW });
    let terms: Value = json!({"outputTokens": 100, "calls": 5, "wallTimeMs": 600_000, "depth": 4});
    let budget = Budget::new(node, [1; 16], Terms::read("", &terms).unwrap(), NOW);
    let from = budget.origin.account();
    let order = Order {
        id: GrantId::from_bytes([2; 16]),
        audience: key(14).node_key(),
        agent: key(15).agent_id(),
        call_id: CallId::from_bytes([3; 16]),
        attempt: 1,
        max: Allowance::UNLIMITED.with(Component::OutputTokens, Some(40)),
        hint: Allowance::UNLIMITED,
        spends: Spends::Tokens,
        share: Share::Quarter,
        refund: RefundPolicy::Signed,
        detached_until_ms: None,
    };
    let most = Amount::ZERO.with(Component::OutputTokens, 5).unwrap();
    let reserve = Input::Reserve { grant: from, id: ReservationId::from_bytes([4; 16]), most };
    for input in [Input::Open(budget), Input::Cut { from, order }, reserve] {
        ledger.handle(input, now);
        while let Some(output) = ledger.poll_output() {
            if let Output::Persist { seq, writes } = output {
                let (answer, answered) = mpsc::channel();
                store.write(writes, move |result| answer.send(result).unwrap());
                answered.recv().unwrap().unwrap();
                ledger.handle(Input::Persisted { seq }, now);
            }
        }
    }
}

/// A gateway that paid for two calls, of one of which nobody said what it used.
async fn gateway(home: &Home) {
    let (name, root): (Name, _) = ("front".parse().unwrap(), SpendKey::root(&key(16)));
    let micros = |value| Micros::new(value).unwrap();
    let (known, ceiling) = (root.chain().root, micros(1_000));
    add_root(home, &name, Root { key: known, label: "team".to_owned(), ceiling: ceiling.into() })
        .await
        .unwrap();
    let child = root.issue([17; 32], micros(500), (NOW, END)).unwrap();
    let till = GatewayTill::open(home, &name).await.unwrap();
    let chain = till.admit(&child.text(), "http").unwrap();
    till.reserve(&chain, micros(100)).await.unwrap().settle(micros(60)).await.unwrap();
    drop(till.reserve(&chain, micros(40)).await.unwrap());
    till.close().await.unwrap();
}
