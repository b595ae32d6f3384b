//! Keys that handlers ask for: what they may pay is a part of the grant of their call.

use super::house::{House, PATIENCE, answer, chat, micros};
use super::provider::{Mode, nowhere};
use hubless::budget::{Allowance, Amount, Component, KillSwitch, Terms};
use hubless::{
    Agent, AgentOptions, Call, Content, Error, Kind, Node, NodeOptions, Reply, RequestOptions,
    Result, handler,
};
use hubless_proto::limits::PROVIDER_KEYS;
use hubless_proto::metering::chain::SpendKey;
use serde_json::json;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const COST: Component = Component::CostMicros;

/// A node that has a key of a gateway, and what it may pay.
pub(crate) async fn node(url: &str, key: &SpendKey) -> Node {
    let options = NodeOptions {
        memory_only: true,
        gateway: Some(url.to_owned()),
        gateway_key: Some(key.text().to_string().into()),
        ..NodeOptions::default()
    };
    Node::start(options).await.unwrap()
}

/// An agent of this name.
pub(crate) async fn agent<F: Future<Output = Result<Content>> + Send + 'static>(
    node: &Node,
    name: &str,
    work: impl Fn(Call) -> F + Send + Sync + 'static,
) -> Agent {
    let options = AgentOptions { name: name.into(), ..AgentOptions::default() };
    node.register(options, handler(move |call, _| work(call))).await.unwrap()
}

/// A switch of so many millionths.
pub(crate) fn switch(cost: u64) -> KillSwitch {
    KillSwitch::new(Terms::of(Allowance::UNLIMITED.with(COST, Some(cost))))
}

pub(crate) async fn ask(node: &Node, to: &str, switch: Option<&KillSwitch>) -> Result<Reply> {
    let kill_switch = switch.cloned();
    let wait_ms = Some(20_000);
    let asked = RequestOptions::new(to, Content::default());
    node.request(RequestOptions { kill_switch, wait_ms, ..asked }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_a_call_is_paid_from_its_grant_and_the_rest_comes_back() {
    let most = House::bound(&json!({}));
    let house = Arc::new(House::new(1_000 * most, Mode::Answer(7)).await);
    let node = node(&house.gateway.url(), &House::key(&house.root, 500 * most)).await;
    let own = Arc::clone(&house);
    agent(&node, "think", move |call| {
        let house = Arc::clone(&own);
        async move {
            let provider = call.provider(None).await?;
            assert_eq!(provider.base_url, house.gateway.url());
            assert!(!format!("{provider:?}").contains(provider.api_key.reveal()));
            let post = house.post("chat/completions", provider.api_key.reveal(), &chat(&json!({})));
            let said = answer(post.send().await.unwrap()).await;
            assert_eq!(said.status, 200, "{said:?}");
            // It is for a quarter of the grant, which is room for one.
            let post = house.post("chat/completions", provider.api_key.reveal(), &chat(&json!({})));
            let more = answer(post.send().await.unwrap()).await;
            assert_eq!(more.error(), (429, "budget_exhausted".to_owned()));
            Ok(Content::text(provider.api_key.reveal()))
        }
    })
    .await;
    let budget = switch(16 * most);
    let reply = ask(&node, "think", Some(&budget)).await.unwrap();
    assert_eq!((reply.usage.cost_micros, reply.usage.charged_in_full), (12, false));
    assert_eq!(budget.spent().of(COST), 12);
    assert_eq!((house.account(), house.provider.bill().micros), ((12, 0), 12));
    // The key ends with its call.
    let key = SpendKey::read(&reply.content.joined_text()).unwrap();
    assert_eq!(house.chat(&key, &json!({})).await.error(), (429, "killed".to_owned()));
    assert_eq!(house.provider.bill().calls, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_keys_and_calls_take_together_is_never_more_than_the_grant() {
    let most = House::bound(&json!({}));
    let house = Arc::new(House::new(1_000 * most, Mode::Answer(u64::MAX)).await);
    let node = node(&house.gateway.url(), &House::key(&house.root, 500 * most)).await;
    let elsewhere = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&elsewhere);
    agent(&node, "child", move |call| {
        let counted = Arc::clone(&counted);
        async move {
            let all = call.granted().and_then(|granted| granted.of(COST)).unwrap_or_default();
            let all = Amount::ZERO.with(COST, all)?;
            call.spend(all).await?.used(all);
            counted.fetch_add(all.of(COST), Ordering::SeqCst);
            Ok(Content::default())
        }
    })
    .await;
    let (own, asks) = (Arc::clone(&house), node.clone());
    agent(&node, "think", move |call| {
        let (house, node) = (Arc::clone(&own), asks.clone());
        async move {
            let granted = call.granted().and_then(|granted| granted.of(COST));
            let refused = loop {
                match call.provider(Some(2 * most)).await {
                    // Each is used for all that it has, and once more.
                    Ok(provider) => loop {
                        let key = provider.api_key.reveal();
                        let post = house.post("chat/completions", key, &chat(&json!({})));
                        let said = answer(post.send().await.unwrap()).await;
                        if said.status != 200 {
                            assert_eq!(said.error().1, "budget_exhausted");
                            break;
                        }
                    },
                    Err(error) => break error,
                }
                let parent = Some(call.parent());
                let asked = RequestOptions::new("child", Content::default());
                // Refused where nothing is left.
                let _ = node.request(RequestOptions { parent, ..asked }).await;
            };
            assert_eq!(refused.kind, Kind::BudgetExhausted, "{refused}");
            Ok(Content::text(granted.unwrap_or_default().to_string()))
        }
    })
    .await;
    let budget = switch(80 * most);
    let reply = ask(&node, "think", Some(&budget)).await.unwrap();
    let granted: u64 = reply.content.joined_text().parse().unwrap();
    let (bill, elsewhere) = (house.provider.bill().micros, elsewhere.load(Ordering::SeqCst));
    assert!(bill > 0 && elsewhere > 0, "{bill} {elsewhere}");
    assert_eq!(granted, 20 * most);
    assert!(bill + elsewhere <= granted, "{bill} + {elsewhere} of {granted}");
    assert_eq!(house.account(), (bill, 0));
    assert_eq!(budget.spent().of(COST), bill + elsewhere);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_word_of_the_gateway_all_of_a_key_is_charged() {
    let (_held, free) = nowhere();
    let root = hubless::till::fresh_root();
    let node = node(&format!("http://{free}/v1"), &root).await;
    agent(&node, "think", |call| async move {
        let provider = call.provider(Some(40)).await?;
        drop(provider);
        Ok(Content::default())
    })
    .await;
    let budget = switch(400);
    let reply = ask(&node, "think", Some(&budget)).await.unwrap();
    assert_eq!((reply.usage.cost_micros, budget.spent().of(COST)), (40, 40));
}

/// What asking for a key is refused with.
async fn refused(node: &Node, budget: Option<&KillSwitch>, max_cost: Option<u64>) -> Error {
    let asks = agent(node, "asks", move |call| async move {
        call.provider(max_cost).await.map(|_| Content::default())
    });
    let asks = asks.await;
    let error = ask(node, "asks", budget).await.unwrap_err();
    asks.unregister(Duration::ZERO).await.unwrap();
    error
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_key_can_be_made_of_is_said() {
    let root = hubless::till::fresh_root();
    let small = hubless::till::issue(&root, micros(100), PATIENCE).unwrap();
    let with = node("http://127.0.0.1:9/v1", &small).await;
    let memory_only = NodeOptions { memory_only: true, ..NodeOptions::default() };
    let without = Node::start(memory_only).await.unwrap();
    let tokens = Allowance::UNLIMITED.with(COST, Some(400));
    let tokens = KillSwitch::new(Terms::of(tokens.with(Component::OutputTokens, Some(400))));
    let calls = Allowance::UNLIMITED.with(Component::Calls, Some(9));
    let calls = KillSwitch::new(Terms::of(calls));
    let (cost, other) = (switch(4_000), switch(4_000));
    for (node, budget, max_cost, kind, code) in [
        (&with, None, Some(1), Kind::Configuration, "no_budget"),
        (&without, Some(&other), Some(1), Kind::Configuration, "no_gateway"),
        (&with, Some(&tokens), Some(1), Kind::Configuration, "token_limit"),
        (&with, Some(&calls), None, Kind::InvalidArgument, "amount"),
        (&with, Some(&calls), Some(u64::MAX), Kind::InvalidArgument, "amount"),
        (&with, Some(&cost), Some(3_000), Kind::BudgetExhausted, "cost_exceeded"),
        (&with, Some(&cost), Some(101), Kind::Auth, "bad_chain"),
    ] {
        let error = refused(node, budget, max_cost).await;
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{error}");
    }
    assert_eq!(cost.spent().of(COST), 0, "what was refused costs nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_keys_of_a_call_have_a_bound() {
    let root = hubless::till::fresh_root();
    let node = node("http://127.0.0.1:9/v1", &root).await;
    agent(&node, "think", |call| async move {
        for _ in 0..PROVIDER_KEYS {
            call.provider(Some(1)).await?;
        }
        let error = call.provider(Some(1)).await.err().unwrap();
        assert_eq!(error.limit.unwrap().name, "PROVIDER_KEYS");
        Ok(Content::default())
    })
    .await;
    let budget = switch(400);
    let reply = ask(&node, "think", Some(&budget)).await.unwrap();
    assert_eq!(reply.usage.cost_micros, PROVIDER_KEYS as u64);
}
