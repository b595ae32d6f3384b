//! Keys that handlers ask for: what they may pay is a part of the grant of their call.

use super::house::{House, PATIENCE, answer, chat, micros};
use super::provider::{Mode, nowhere};
use hubless::budget::{Allowance, Amount, Component, KillSwitch, ProviderMost, Terms};
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

/// A switch that limits each component, to so many times what a request may take.
fn ordinary(times: u64) -> KillSwitch {
    let most = House::most(&json!({}));
    let counted = Component::ALL.into_iter().filter(|one| one.is_reported());
    let limits = counted.fold(Allowance::UNLIMITED, |limits, component| {
        limits.with(component, Some(times * most.of(component)))
    });
    KillSwitch::new(Terms::of(limits))
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_budget_of_tokens_and_cost_each_is_paid_and_comes_back_by_itself() {
    let most = House::most(&json!({}));
    let house = Arc::new(House::new(1_000_000_000, Mode::Answer(7)).await);
    let node = node(&house.gateway.url(), &House::key(&house.root, 100_000_000)).await;
    let own = Arc::clone(&house);
    agent(&node, "think", move |call| {
        let house = Arc::clone(&own);
        async move {
            let ask = async |key: &str| {
                let post = house.post("chat/completions", key, &chat(&json!({})));
                answer(post.send().await.unwrap()).await
            };
            // A quarter of the grant of each, which is room for one.
            let provider = call.provider(None).await?;
            let key = provider.api_key.reveal();
            let link = *SpendKey::read(key)?.chain().links.last().unwrap();
            for component in Component::ALL {
                let wanted = component.is_reported().then(|| most.of(component));
                assert_eq!(link.limit.of(component), wanted, "{component:?}");
            }
            assert_eq!(ask(key).await.status, 200);
            assert_eq!(ask(key).await.error(), (429, "budget_exhausted".to_owned()));
            // With room for one more by its cost and input, and none by its output.
            let narrow = ProviderMost {
                input_tokens: Some(most.of(Component::InputTokens)),
                output_tokens: Some(most.of(Component::OutputTokens) - 1),
                cost_micros: Some(most.of(COST)),
            };
            let provider = call.provider_for(narrow).await?;
            let said = ask(provider.api_key.reveal()).await;
            assert!(said.text.contains("outputTokens"), "{said:?}");
            assert_eq!(said.error(), (429, "budget_exhausted".to_owned()));
            Ok(Content::default())
        }
    })
    .await;
    let budget = ordinary(16);
    let reply = ask(&node, "think", Some(&budget)).await.unwrap();
    let billed = house.provider.bill().amount();
    let usage = reply.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.cost_micros), (5, 7, 12));
    assert!(!usage.charged_in_full);
    // Counted by the provider.
    let spent = budget.spent().with(Component::Calls, 0).unwrap();
    assert_eq!((spent, house.spent()), (billed, billed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_never_paid_more_of_any_component_than_its_grant() {
    let most = House::most(&json!({}));
    let house = Arc::new(House::new(1_000_000_000, Mode::Answer(u64::MAX)).await);
    let node = node(&house.gateway.url(), &House::key(&house.root, 100_000_000)).await;
    // Which component runs out first is different each time.
    for narrow in Component::ALL.into_iter().filter(|one| one.is_reported()) {
        let before = house.provider.bill().amount();
        let own = Arc::clone(&house);
        let think = agent(&node, "think", move |call| {
            let house = Arc::clone(&own);
            async move {
                let granted = call.granted().unwrap_or(Allowance::NOTHING);
                let half = |one| granted.of(one).map(|most: u64| most / 2);
                let most = ProviderMost {
                    input_tokens: half(Component::InputTokens),
                    output_tokens: half(Component::OutputTokens),
                    cost_micros: half(COST),
                };
                let refused = loop {
                    let provider = match call.provider_for(most).await {
                        Ok(provider) => provider,
                        Err(error) => break error,
                    };
                    let key = SpendKey::read(provider.api_key.reveal())?;
                    let all = key.chain().links.last().unwrap().limit;
                    // Ten keys of all that this one has, each used until it is refused.
                    for seed in 10..20 {
                        let link = key.chain().links.last().unwrap();
                        let child = key.issue([seed; 32], all, (link.issued_ms, link.until_ms))?;
                        while house.chat(&child, &json!({"max_tokens": 9})).await.status == 200 {}
                    }
                };
                assert_eq!(refused.kind, Kind::BudgetExhausted, "{refused}");
                Ok(Content::text(granted.to_json().to_string()))
            }
        })
        .await;
        let counted = Component::ALL.into_iter().filter(|one| one.is_reported());
        let limits = counted.fold(Allowance::UNLIMITED, |limits, component| {
            let times = if component == narrow { 8 } else { 80 };
            limits.with(component, Some(times * most.of(component)))
        });
        let budget = KillSwitch::new(Terms::of(limits));
        let reply = ask(&node, "think", Some(&budget)).await.unwrap();
        let granted = serde_json::from_str(&reply.content.joined_text()).unwrap();
        let granted = Amount::read("", &granted_of(granted)).unwrap();
        let billed = house.provider.bill().amount().without(&before);
        assert!(billed.of(narrow) > 0, "{narrow:?}");
        assert!(billed.is_within(&granted), "{billed:?} of {granted:?}");
        assert_eq!(budget.spent().with(Component::Calls, 0).unwrap(), billed, "{narrow:?}");
        think.unregister(Duration::ZERO).await.unwrap();
    }
}

/// The components that are granted, without calls, which may not be limited.
fn granted_of(mut granted: serde_json::Value) -> serde_json::Value {
    granted.as_object_mut().unwrap().remove(Component::Calls.name());
    granted
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_limits_is_in_the_usage_of_the_answer_alone() {
    let house = Arc::new(House::new(1_000_000_000, Mode::Answer(7)).await);
    let node = node(&house.gateway.url(), &House::key(&house.root, 100_000_000)).await;
    let own = Arc::clone(&house);
    agent(&node, "think", move |call| {
        let house = Arc::clone(&own);
        async move {
            let provider = call.provider(None).await?;
            let key = provider.api_key.reveal();
            let post = house.post("chat/completions", key, &chat(&json!({})));
            assert_eq!(answer(post.send().await.unwrap()).await.status, 200);
            Ok(Content::default())
        }
    })
    .await;
    for limited in Component::ALL.into_iter().filter(|one| one.is_reported()) {
        let budget = KillSwitch::new(Terms::of(Allowance::UNLIMITED.with(limited, Some(100_000))));
        let usage = ask(&node, "think", Some(&budget)).await.unwrap().usage;
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.cost_micros), (5, 7, 12));
        let wanted = [5, 7, 12][limited as usize];
        let spent = budget.spent().with(Component::Calls, 0).unwrap();
        assert_eq!(spent, Amount::ZERO.with(limited, wanted).unwrap());
    }
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
    // Of each component, if it was set aside.
    let budget = ordinary(16);
    let usage = ask(&node, "think", Some(&budget)).await.unwrap().usage;
    let most = House::most(&json!({}));
    assert_eq!(usage.cost_micros, 40);
    assert_eq!(usage.input_tokens, most.of(Component::InputTokens));
    assert_eq!(usage.output_tokens, most.of(Component::OutputTokens));
    let spent = budget.spent().with(Component::Calls, 0).unwrap();
    assert_eq!(spent, most.with(COST, 40).unwrap());
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
    let tokens = || {
        let limits = Allowance::UNLIMITED.with(COST, Some(400));
        KillSwitch::new(Terms::of(limits.with(Component::OutputTokens, Some(400))))
    };
    let refused_tokens = tokens();
    let before = node("http://127.0.0.1:9/v1", &House::key_of_before(&root, 100)).await;
    let calls = Allowance::UNLIMITED.with(Component::Calls, Some(9));
    let calls = KillSwitch::new(Terms::of(calls));
    let (cost, other) = (switch(4_000), switch(4_000));
    for (node, budget, max_cost, kind, code) in [
        (&with, None, Some(1), Kind::Configuration, "no_budget"),
        (&without, Some(&other), Some(1), Kind::Configuration, "no_gateway"),
        (&before, Some(&refused_tokens), Some(1), Kind::Configuration, "token_limit"),
        (&with, Some(&calls), None, Kind::InvalidArgument, "amount"),
        (&with, Some(&calls), Some(u64::MAX), Kind::InvalidArgument, "amount"),
        (&with, Some(&cost), Some(3_000), Kind::BudgetExhausted, "cost_exceeded"),
        (&with, Some(&cost), Some(101), Kind::Auth, "bad_chain"),
    ] {
        let error = refused(node, budget, max_cost).await;
        assert_eq!((error.kind, error.code.as_str()), (kind, code), "{error}");
    }
    assert_eq!(cost.spent().of(COST), 0, "what was refused costs nothing");
    // The control: a key of today limits tokens, and one of before cost alone.
    for (node, budget) in [(&with, tokens()), (&before, switch(400))] {
        let asks = agent(node, "can", |call| async move {
            call.provider(Some(1)).await.map(|_| Content::default())
        });
        let asks = asks.await;
        ask(node, "can", Some(&budget)).await.unwrap();
        asks.unregister(Duration::ZERO).await.unwrap();
    }
    for (most, field) in [
        (ProviderMost { input_tokens: Some(u64::MAX), ..ProviderMost::default() }, "maxInput"),
        (ProviderMost { output_tokens: Some(1 << 53), ..ProviderMost::default() }, "maxOutput"),
        (ProviderMost { cost_micros: Some(1 << 53), ..ProviderMost::default() }, "maxCost"),
    ] {
        let asks = agent(&with, "asks", move |call| async move {
            call.provider_for(most).await.map(|_| Content::default())
        });
        let asks = asks.await;
        let error = ask(&with, "asks", Some(&cost)).await.unwrap_err();
        assert_eq!((error.code.as_str(), error.field.as_deref()), ("amount", Some(field)));
        asks.unregister(Duration::ZERO).await.unwrap();
    }
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
