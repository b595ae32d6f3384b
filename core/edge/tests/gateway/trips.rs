//! A stop of a budget reaches the keys that are paid from it.

use super::house::{House, PATIENCE, answer, chat, micros};
use super::keys::{agent, ask, node, switch};
use super::provider::Mode;
use hubless::budget::TripReason;
use hubless::till::fresh_root;
use hubless::{Content, Node, NodeOptions};
use hubless_proto::audit::{Entry, Event, Outcome};
use hubless_proto::identity::SecretKey;
use hubless_proto::killswitch::{Amount, BudgetId, Component, Origin, Statement, Trip};
use hubless_proto::metering::chain::SpendKey;
use hubless_proto::metering::word;
use serde_json::json;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

/// Registers an agent that tells its key, and works until it is stopped.
async fn lasting(node: &Node, told: mpsc::Sender<SpendKey>) {
    agent(node, "lasts", move |call| {
        let told = told.clone();
        async move {
            let provider = call.provider(None).await?;
            told.send(SpendKey::read(provider.api_key.reveal())?).await.unwrap();
            Err::<Content, _>(call.cancelled().await)
        }
    })
    .await;
}

/// Another key of the same budget, which nobody ends.
fn twin(parent: &SpendKey, key: &SpendKey, limit: u64) -> SpendKey {
    let link = key.chain().links.last().unwrap();
    let times = (link.issued_ms, link.until_ms);
    parent.issue_for(link.budget.unwrap(), [9; 32], micros(limit), times).unwrap()
}

/// Asks with a key until it is refused, as it is moments after the stop.
async fn refused(house: &House, key: &SpendKey) -> (u16, String) {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let said = house.chat(key, &json!({})).await;
        if said.status != 200 {
            return said.error();
        }
        assert!(tokio::time::Instant::now() < until, "the key goes on");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_cuts_a_stream_and_ends_every_key_of_its_budget() {
    let most = House::bound(&json!({"stream": true}));
    let house = House::new(10_000_000 * most, Mode::Answer(0)).await;
    let own = House::key(&house.root, 5_000_000 * most);
    let node = node(&house.gateway.url(), &own).await;
    let (told, mut keys) = mpsc::channel(1);
    lasting(&node, told).await;
    let budget = switch(64 * most);
    let (asks, under) = (node.clone(), budget.clone());
    let call = tokio::spawn(async move { ask(&asks, "lasts", Some(&under)).await });
    let key = keys.recv().await.unwrap();
    let twin = twin(&own, &key, 1_000_000 * most);
    // Both pay before the stop.
    for working in [&key, &twin] {
        assert_eq!(house.chat(working, &json!({})).await.status, 200);
    }
    house.provider.set(Mode::Wait);
    let post = house.post("chat/completions", &key.text(), &chat(&json!({"stream": true})));
    let mut stream = post.send().await.unwrap();
    assert!(stream.chunk().await.unwrap().unwrap().starts_with(b"data: {"));
    house.provider.set(Mode::Answer(0));
    budget.trip(TripReason::Operator);
    let rest = answer(stream).await;
    let last = rest.text.lines().rfind(|line| line.starts_with("data: ")).unwrap();
    let last: serde_json::Value = serde_json::from_str(&last["data: ".len()..]).unwrap();
    assert_eq!(last["error"]["code"], "killed", "{rest:?}");
    let gone = tokio::time::timeout(PATIENCE, house.provider.gone.notified()).await;
    assert!(gone.is_ok(), "the provider goes on");
    assert_eq!(call.await.unwrap().unwrap_err().kind, hubless::Kind::Killed);
    // The one that is ended with its call, and one that only the stop ends.
    for ended in [&key, &twin] {
        assert_eq!(refused(&house, ended).await, (429, "killed".to_owned()));
    }
    let calls = house.provider.bill().calls;
    let below = House::key(&twin, most);
    assert_eq!(house.chat(&below, &json!({})).await.error(), (429, "killed".to_owned()));
    assert_eq!(house.provider.bill().calls, calls);
    assert_eq!(house.chat(&own, &json!({})).await.status, 200, "other keys go on");
    assert!(house.provider.bill().micros <= house.settled().await);
    node.close(Duration::from_secs(1)).await;
    assert_eq!(house.rows(Event::BudgetTripped).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_that_the_root_cannot_tell_is_told_by_who_hears_it() {
    let most = House::bound(&json!({}));
    let house = House::new(10_000_000 * most, Mode::Answer(0)).await;
    let own = House::key(&house.root, 5_000_000 * most);
    let home = tempfile::tempdir().unwrap();
    let at_home = NodeOptions { home: Some(home.path().into()), ..NodeOptions::default() };
    let worker = NodeOptions {
        gateway: Some(house.gateway.url()),
        gateway_key: Some(own.text().to_string().into()),
        ..at_home.clone()
    };
    let worker = Node::start(worker).await.unwrap();
    // It knows no gateway.
    let root = Node::start(at_home).await.unwrap();
    let (told, mut keys) = mpsc::channel(1);
    lasting(&worker, told).await;
    let budget = switch(64 * most);
    let (asks, under) = (root.clone(), budget.clone());
    let call = tokio::spawn(async move { ask(&asks, "lasts", Some(&under)).await });
    let key = tokio::time::timeout(PATIENCE, keys.recv()).await.unwrap().unwrap();
    let twin = twin(&own, &key, 1_000_000 * most);
    assert_eq!(house.chat(&twin, &json!({})).await.status, 200);
    budget.trip(TripReason::Operator);
    assert_eq!(call.await.unwrap().unwrap_err().kind, hubless::Kind::Killed);
    for ended in [&key, &twin] {
        assert_eq!(refused(&house, ended).await, (429, "killed".to_owned()));
    }
    root.close(Duration::from_secs(1)).await;
    worker.close(Duration::from_secs(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_is_told_by_who_has_a_key_and_believes_roots_alone() {
    let house = House::new(1_000_000, Mode::Answer(0)).await;
    let root = SecretKey::from_seed([3; 32]);
    let origin = Origin { root: root.node_key(), nonce: [2; 16] };
    let by = root.node_key();
    let reason = TripReason::Operator;
    let trip = Trip::sign(&root, Statement { origin, epoch: 0, reason, by, at_ms: 1 }).unwrap();
    let now_ms = 1_000 * std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let times = (now_ms, now_ms + 60_000);
    let key = house.root.issue_for(origin.budget_id(), [7; 32], micros(1_000), times).unwrap();
    let post = async |path: &str, key: &str, body: &str| {
        let request = house.client().post(format!("{}/{path}", house.gateway.url()));
        let request = request.header("content-type", "application/json").bearer_auth(key);
        answer(request.body(body.to_owned()).send().await.unwrap()).await
    };
    let teller = house.root.text();
    let said = word::trip(&trip);
    assert_eq!(post(word::TRIP, "sk-other", &said).await.error().0, 401);
    let broken = post(word::TRIP, &teller, "{}").await;
    assert_eq!((broken.status, broken.json()["error"]["param"].as_str()), (400, Some("trip")));
    // The key of a call tells of the stop of its own budget alone.
    let stray = BudgetId::from_bytes([8; 32]);
    let stray = house.root.issue_for(stray, [8; 32], micros(1_000), times).unwrap();
    assert_eq!(post(word::TRIP, &stray.text(), &said).await.error().0, 403);
    // Signed for another budget.
    let mut bytes = said.into_bytes();
    bytes[40] = if bytes[40] == b'A' { b'B' } else { b'A' };
    let forged = post(word::TRIP, &teller, std::str::from_utf8(&bytes).unwrap()).await;
    assert!(forged.status >= 400, "{forged:?}");
    // Signed by nobody: the signature comes last.
    let forged = word::trip(&trip);
    let (last, end) = (&forged[..forged.len() - 12], &forged[forged.len() - 11..]);
    let swapped = if forged.as_bytes()[last.len()] == b'A' { "B" } else { "A" };
    let forged = post(word::TRIP, &teller, &format!("{last}{swapped}{end}")).await;
    assert_eq!(forged.error(), (403, "not_root".to_owned()));
    assert_eq!(house.chat(&key, &json!({})).await.status, 200, "nobody stopped it yet");
    assert_eq!(post(word::TRIP, &teller, &word::trip(&trip)).await.status, 200);
    assert_eq!(house.chat(&key, &json!({})).await.error(), (429, "killed".to_owned()));
    // A key is ended by itself alone, and that of a root not at all.
    assert_eq!(post(word::END, &teller, "{}").await.error(), (401, "bad_chain".to_owned()));
    let said = post(word::END, &key.text(), "{}").await;
    let paid = word::read_paid(said.text.as_bytes()).unwrap();
    assert_eq!((paid.spent, paid.reserved), (house.provider.bill().amount(), Amount::ZERO));
    assert_eq!(paid.spent.of(Component::CostMicros), 5);
    // One that was ended tells of nothing.
    assert_eq!(post(word::TRIP, &key.text(), &word::trip(&trip)).await.error().1, "killed");
    assert_eq!(post(word::END, "sk-other", "{}").await.error(), (401, "bad_chain".to_owned()));
    let bare = house.client().post(format!("{}/{}", house.gateway.url(), word::END));
    let bare = bare.header("content-type", "application/json").body("{}").send().await.unwrap();
    assert_eq!(answer(bare).await.error(), (401, "token".to_owned()));
    let (own, root) = (name(&key), format!("root:{}", house.root.chain().root));
    let stray = name(&stray);
    let rows = house.entries().await;
    let has = |kind: Event, by: &str, why: &str| {
        let is_one = |row: &&Entry| row.kind == kind && row.by.starts_with(by);
        rows.iter().filter(is_one).any(|row| row.reason == why)
    };
    for (by, why) in [
        ("edge:http:anonymous", "auth/bad_chain"),
        ("edge:http:anonymous", "auth/token"),
        (stray.as_str(), "denied"),
        (root.as_str(), "denied/not_root"),
        (root.as_str(), "auth/bad_chain"),
        (own.as_str(), "killed"),
    ] {
        assert!(has(Event::KeyRefused, by, why), "{by} {why}: {rows:?}");
    }
    let refused = rows.iter().filter(|row| row.kind == Event::KeyRefused);
    assert!(refused.clone().all(|row| row.outcome == Outcome::Refused));
    assert!(!refused.clone().any(|row| row.reason.starts_with("invalid_argument")));
    assert!(has(Event::BudgetTripped, &root, "operator"));
}

/// What a key is called in the audit log.
fn name(key: &SpendKey) -> String {
    format!("link:{}", key.chain().links.last().unwrap().id)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_shows_no_key_of_a_root_is_refused_by_the_head_alone() {
    let house = House::new(1_000, Mode::Answer(0)).await;
    let times = (1, 2);
    let over = house.root.issue([7; 32], micros(1), times).unwrap();
    let ask = async |path: &str, key: &str| {
        let mut stream = TcpStream::connect(house.gateway.address()).await.unwrap();
        let head = format!(
            "POST /v1/{path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {key}\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n",
            house.gateway.address()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut status = [0; 12];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut status)).await.unwrap().unwrap();
        std::str::from_utf8(&status[9..]).unwrap().to_owned()
    };
    let stranger = fresh_root().text();
    let good = house.root.text();
    for path in ["chat/completions", "embeddings", word::END, word::TRIP] {
        for key in ["sk-other", &stranger, &good[..90]] {
            assert_eq!(ask(path, key).await, "401", "{path} {key}");
        }
        // The body of whoever shows a good one is asked for.
        assert_eq!(ask(path, &good).await, "100", "{path}");
    }
    // A key whose time is over is ended all the same.
    assert_eq!(ask(word::END, &over.text()).await, "100");
    assert_eq!(ask(word::TRIP, &over.text()).await, "401");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_closes_ends_the_keys_of_the_calls_that_it_cuts_off() {
    let most = House::bound(&json!({}));
    let house = House::new(10_000_000 * most, Mode::Answer(0)).await;
    let own = House::key(&house.root, 5_000_000 * most);
    let node = node(&house.gateway.url(), &own).await;
    let (told, mut keys) = mpsc::channel(1);
    lasting(&node, told).await;
    let (asks, under) = (node.clone(), switch(64 * most));
    let call = tokio::spawn(async move { ask(&asks, "lasts", Some(&under)).await });
    let key = tokio::time::timeout(PATIENCE, keys.recv()).await.unwrap().unwrap();
    assert_eq!(house.chat(&key, &json!({})).await.status, 200);
    node.close(Duration::ZERO).await;
    assert_eq!(house.chat(&key, &json!({})).await.error(), (429, "killed".to_owned()));
    assert!(call.await.unwrap().is_err());
}
