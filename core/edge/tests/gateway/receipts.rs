//! Grants of which only receipts of the gateway free something, over real nodes and sockets.

use super::house::{House, PATIENCE, answer, chat};
use super::keys::{agent, ask, switch};
use super::provider::Mode;
use hubless::budget::{Allowance, Amount, Component, KillSwitch};
use hubless::home::Home;
use hubless::till::GatewayTill;
use hubless::{Call, Content, Kind, Node, NodeOptions, RequestOptions, Result};
use hubless_proto::killswitch::{GrantId, PaidTokens, Receipt, ReservationId};
use hubless_proto::metering::word::{self, Purpose};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

const COST: Component = Component::CostMicros;

/// A node of this home that has a key of the gateway and believes its receipts.
fn paying(house: &House, home: &TempDir) -> NodeOptions {
    NodeOptions {
        home: Some(home.path().into()),
        gateway: Some(house.gateway.url()),
        gateway_key: Some(House::key(&house.root, 1_000_000).text().to_string().into()),
        gateway_signer: Some(house.gateway.signer().to_string()),
        ..NodeOptions::default()
    }
}

/// One that frees by receipts alone.
fn careful(house: &House, home: &TempDir) -> NodeOptions {
    NodeOptions { refund: Some("provider".into()), ..paying(house, home) }
}

/// An agent that has one call of the gateway paid by a key of its call, and then does `more`.
async fn thinks<F>(
    node: &Node,
    house: &Arc<House>,
    more: impl Fn(Call) -> F + Send + Sync + 'static,
) where
    F: Future<Output = Result<Content>> + Send + 'static,
{
    let (house, more) = (Arc::clone(house), Arc::new(more));
    agent(node, "think", move |call| {
        let (house, more) = (Arc::clone(&house), Arc::clone(&more));
        async move {
            let provider = call.provider(None).await?;
            let key = provider.api_key.reveal();
            let said = answer(
                house.post("chat/completions", key, &chat(&json!({}))).send().await.unwrap(),
            );
            assert_eq!(said.await.status, 200);
            more(call).await
        }
    })
    .await;
}

/// Waits until nothing is set aside any more, and gives what is charged.
async fn charged(budget: &KillSwitch, ceiling: u64) -> u64 {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let (spent, left) = (budget.spent().of(COST), budget.remaining().of(COST));
        if left == Some(ceiling - spent) {
            return spent;
        }
        assert!(tokio::time::Instant::now() < until, "{spent} are spent, and {left:?} are left");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_gateway_signs_is_charged_at_any_depth_and_the_rest_comes_back() {
    let most = House::bound(&json!({}));
    let house = Arc::new(House::new(1_000_000_000, Mode::Answer(7)).await);
    let home = tempfile::tempdir().unwrap();
    let root = Node::start(careful(&house, &home)).await.unwrap();
    let (middle, worker) = (
        Node::start(paying(&house, &home)).await.unwrap(),
        Node::start(paying(&house, &home)).await.unwrap(),
    );
    thinks(&worker, &house, |_| async { Ok(Content::default()) }).await;
    let asks = middle.clone();
    agent(&middle, "manage", move |call| {
        let asks = asks.clone();
        async move {
            // It spends nothing by itself.
            call.spend(Amount::ZERO).await?.used(Amount::ZERO);
            let asked = RequestOptions::new("think", Content::default());
            let parent = Some(call.parent());
            asks.request(RequestOptions { parent, wait_ms: Some(20_000), ..asked }).await?;
            Ok(Content::default())
        }
    })
    .await;
    for (to, times) in [("think", 1), ("manage", 2)] {
        let ceiling = 256 * most;
        let budget = switch(ceiling);
        ask(&root, to, Some(&budget)).await.unwrap();
        // Counted by the provider: each call is of 5 letters and 7 tokens.
        assert_eq!(charged(&budget, ceiling).await, 12, "{to}");
        assert_eq!(house.provider.bill().micros, 12 * times);
    }
    for node in [root, middle, worker] {
        node.close(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holder_without_receipts_gets_back_what_the_gateway_itself_says() {
    let house = Arc::new(House::new(1_000_000_000, Mode::Answer(7)).await);
    let home = tempfile::tempdir().unwrap();
    let root = Node::start(careful(&house, &home)).await.unwrap();
    // It knows no gateway, and says what it spent elsewhere.
    let plain = NodeOptions { home: Some(home.path().into()), ..NodeOptions::default() };
    let worker = Node::start(plain).await.unwrap();
    agent(&worker, "spend", |call| async move {
        call.spend(cost(50)).await?.used(cost(20));
        Ok(Content::default())
    })
    .await;
    agent(&worker, "idle", |call| async move {
        call.spend(cost(50)).await?.used(cost(0));
        Ok(Content::default())
    })
    .await;
    let budget = switch(400);
    ask(&root, "spend", Some(&budget)).await.unwrap();
    assert_eq!(charged(&budget, 400).await, 20);
    // Nothing was paid by its key, and it says that nothing was paid elsewhere.
    let budget = switch(400);
    ask(&root, "idle", Some(&budget)).await.unwrap();
    assert_eq!(charged(&budget, 400).await, 0);
    // As long as it is silent nothing comes back, also once the holder has said its last word.
    let House { gateway, .. } = Arc::into_inner(house).unwrap();
    gateway.close(Duration::ZERO).await.unwrap();
    let budget = switch(400);
    ask(&root, "spend", Some(&budget)).await.unwrap();
    worker.close(Duration::from_secs(1)).await;
    assert_eq!(budget.remaining().of(COST), Some(300), "a quarter was granted");
    root.close(Duration::from_secs(1)).await;
}

fn cost(micros: u64) -> Amount {
    Amount::ZERO.with(COST, micros).unwrap()
}

/// A switch that limits cost and tokens, to so many times what a request may take.
fn ordinary(times: u64) -> (KillSwitch, Allowance) {
    let most = House::most(&json!({}));
    let counted = Component::ALL.into_iter().filter(|one| one.is_reported());
    let limits = counted.fold(Allowance::UNLIMITED, |limits, component| {
        limits.with(component, Some(times * most.of(component)))
    });
    (KillSwitch::new(hubless::budget::Terms::of(limits)), limits)
}

/// What is charged of tokens and cost, once nothing is set aside any more.
async fn charged_of(budget: &KillSwitch, ceiling: Allowance) -> Amount {
    charged(budget, ceiling.of(COST).unwrap()).await;
    let spent = budget.spent();
    assert_eq!(budget.remaining(), ceiling.without(&spent), "nothing is stranded");
    spent.with(Component::Calls, 0).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_the_gateway_signs_are_charged_at_any_depth_and_the_rest_comes_back() {
    let house = Arc::new(House::new(1_000_000_000, Mode::Answer(7)).await);
    let home = tempfile::tempdir().unwrap();
    let root = Node::start(careful(&house, &home)).await.unwrap();
    let (middle, worker) = (
        Node::start(paying(&house, &home)).await.unwrap(),
        Node::start(paying(&house, &home)).await.unwrap(),
    );
    thinks(&worker, &house, |_| async { Ok(Content::default()) }).await;
    let asks = middle.clone();
    agent(&middle, "manage", move |call| {
        let asks = asks.clone();
        async move {
            call.spend(Amount::ZERO).await?.used(Amount::ZERO);
            let asked = RequestOptions::new("think", Content::default());
            let parent = Some(call.parent());
            asks.request(RequestOptions { parent, wait_ms: Some(20_000), ..asked }).await?;
            Ok(Content::default())
        }
    })
    .await;
    for to in ["think", "manage"] {
        let before = house.provider.bill().amount();
        let (budget, ceiling) = ordinary(256);
        ask(&root, to, Some(&budget)).await.unwrap();
        // Counted by the provider.
        let billed = house.provider.bill().amount().without(&before);
        assert!(billed.of(Component::InputTokens) > 0 && billed.of(Component::OutputTokens) > 0);
        assert_eq!(charged_of(&budget, ceiling).await, billed, "{to}");
    }
    for node in [root, middle, worker] {
        node.close(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_which_no_receipt_speaks_are_charged_in_full() {
    let house = Arc::new(House::new(1_000_000_000, Mode::Answer(7)).await);
    let home = tempfile::tempdir().unwrap();
    let limits = Allowance::UNLIMITED.with(COST, Some(400));
    let limits = limits.with(Component::OutputTokens, Some(80));
    // An issuer whose key is of before has none that limits tokens for a grant that does: the
    // control is one whose key is of today.
    let of_before = House::key_of_before(&house.root, 1_000_000);
    let of_today = House::key(&house.root, 1_000_000);
    for (key, cost, tokens) in [(of_before, 100, 20), (of_today, 20, 0)] {
        let options = careful(&house, &home);
        let key = Some(key.text().to_string().into());
        let root = Node::start(NodeOptions { gateway_key: key, ..options }).await.unwrap();
        let worker = Node::start(paying(&house, &home)).await.unwrap();
        agent(&worker, "spend", |call| async move {
            call.spend(self::cost(50)).await?.used(self::cost(20));
            Ok(Content::default())
        })
        .await;
        let budget = KillSwitch::new(hubless::budget::Terms::of(limits));
        ask(&root, "spend", Some(&budget)).await.unwrap();
        let spent = charged(&budget, 400).await;
        // A quarter was granted.
        assert_eq!((spent, budget.spent().of(Component::OutputTokens)), (cost, tokens));
        root.close(Duration::from_secs(1)).await;
        worker.close(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_key_gives_a_receipt_that_holds_under_the_key_of_the_gateway() {
    let house = House::new(1_000_000, Mode::Answer(7)).await;
    let key = House::key(&house.root, 5_000);
    for _ in 0..2 {
        assert_eq!(house.chat(&key, &json!({})).await.status, 200);
    }
    let end = async |body: String| {
        let request = house.client().post(format!("{}/{}", house.gateway.url(), word::END));
        let request = request.header("content-type", "application/json");
        answer(request.bearer_auth(&*key.text()).body(body).send().await.unwrap()).await
    };
    let (grant, reservation) = (GrantId::from_bytes([1; 16]), ReservationId::from_bytes([2; 16]));
    for wrong in [json!({ "grant": "x" }), json!({ "grant": grant.to_string() }), json!([])] {
        let said = end(wrong.to_string()).await;
        assert_eq!((said.status, said.json()["error"]["param"].as_str()), (400, Some("grant")));
    }
    assert_eq!(house.chat(&key, &json!({})).await.status, 200, "it was not ended by those");
    let said = end(word::end(Some(Purpose { grant, reservation }))).await;
    let shown = word::read_receipt(said.text.as_bytes()).unwrap();
    let receipt = Receipt::open(&shown).unwrap();
    let link = key.chain().links.last().unwrap();
    let wanted = Receipt {
        gateway: house.gateway.signer(),
        provider: "front".into(),
        reservation,
        grant,
        link: *link.id.as_bytes(),
        limit_micros: 5_000,
        used_micros: 36,
        tokens: Some(PaidTokens { used_input: 15, used_output: 21, ..PaidTokens::default() }),
        calls: 3,
        model: "m".into(),
        provider_request_id: "req-7".into(),
    };
    assert_eq!(receipt, wanted);
    assert_eq!(house.provider.bill().micros, 36);
    let paid = word::read_paid(said.text.as_bytes()).unwrap();
    let billed = house.provider.bill().amount();
    assert_eq!((paid.spent, paid.reserved), (billed, Amount::ZERO));
    // Without a purpose there is none.
    let said = end(word::end(None)).await;
    assert_eq!((said.status, word::read_receipt(said.text.as_bytes())), (200, None));
    // Another process of the gateway signs with the same key, and remembers what was paid.
    let House { gateway, home, .. } = house;
    gateway.close(Duration::ZERO).await.unwrap();
    let home = Home::open(Some(home.path())).unwrap();
    let till = GatewayTill::open(&home, &"front".parse().unwrap()).await.unwrap();
    let (_, again) = till.end_for(key.chain(), Purpose { grant, reservation }).await.unwrap();
    assert_eq!(again, shown);
    till.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_kept_is_refused_at_the_start() {
    let house = House::new(1_000, Mode::Answer(1)).await;
    let home = tempfile::tempdir().unwrap();
    let good = careful(&house, &home);
    for (options, kind, said) in [
        (NodeOptions { gateway_signer: None, ..good.clone() }, Kind::Configuration, "no_gateway"),
        (NodeOptions { gateway: None, ..good.clone() }, Kind::Configuration, "no_gateway"),
        (
            NodeOptions { refund: Some("always".into()), ..good.clone() },
            Kind::InvalidArgument,
            "refund",
        ),
        (
            NodeOptions { gateway_signer: Some("x".into()), ..good.clone() },
            Kind::InvalidArgument,
            "gatewaySigner",
        ),
    ] {
        let refused = Node::start(options).await.err().unwrap();
        let named = refused.field.clone().unwrap_or_else(|| refused.code.clone());
        assert_eq!((refused.kind, named.as_str()), (kind, said), "{refused}");
    }
    Node::start(good).await.unwrap().close(Duration::ZERO).await;
}
