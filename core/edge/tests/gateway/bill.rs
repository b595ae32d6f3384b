//! What a provider can bill at most, whoever asks and however often.

use super::house::{CAP, House};
use super::provider::{Mode, Provider};
use hubless_proto::audit::Event;
use hubless_proto::killswitch::{Allowance, Component};
use hubless_proto::metering::chain::SpendKey;
use serde_json::json;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Asks with each key so often at once, and counts what was answered.
async fn crowd(house: &Arc<House>, keys: &[Arc<SpendKey>], times: usize) -> usize {
    let mut calls = JoinSet::new();
    for key in keys {
        for _ in 0..times {
            let (house, key) = (Arc::clone(house), Arc::clone(key));
            calls.spawn(async move {
                let said = house.chat(&key, &json!({})).await;
                if said.status != 200 {
                    assert_eq!(said.error(), (429, "budget_exhausted".to_owned()));
                    assert_eq!(said.json()["error"]["type"], "insufficient_quota");
                    assert_eq!(said.head["x-should-retry"], "false");
                }
                said.status == 200
            });
        }
    }
    calls.join_all().await.into_iter().filter(|answered| *answered).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_issued_on_tenfold_is_paid_once() {
    let most = House::bound(&json!({}));
    let limit = 3 * most;
    let house = Arc::new(House::new(100 * most, Mode::Answer(u64::MAX)).await);
    let parent = House::key(&house.root, limit);
    let children: Vec<_> = (0..10).map(|_| Arc::new(House::key(&parent, limit))).collect();
    let answered = crowd(&house, &children, 3).await;
    let bill = house.provider.bill();
    assert!(answered >= 3 && bill.calls == answered, "{answered} {}", bill.calls);
    assert!(bill.micros <= limit, "{} of {limit}", bill.micros);
    assert!(house.account().0 <= limit);
    // The root's money is there for another one.
    let other = House::key(&house.root, most);
    assert_eq!(house.chat(&other, &json!({})).await.status, 200);
}

/// What is limited, and how much of it so many calls may take.
fn limit(component: Component, calls: u64) -> Allowance {
    let each = House::most(&json!({})).of(component);
    Allowance::UNLIMITED.with(component, Some(calls * each))
}

/// What a gateway counts.
const COUNTED: [Component; 3] =
    [Component::InputTokens, Component::OutputTokens, Component::CostMicros];

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_issued_on_tenfold_is_paid_once_in_each_component() {
    for component in COUNTED {
        let provider = Provider::start(Mode::Answer(u64::MAX)).await;
        let house = House::limited(provider, Allowance::UNLIMITED).await;
        let house = Arc::new(house);
        let limit = limit(component, 3);
        let parent = House::key_of(&house.root, limit);
        let children: Vec<_> = (0..10).map(|_| Arc::new(House::key_of(&parent, limit))).collect();
        let answered = crowd(&house, &children, 3).await;
        let bill = house.provider.bill();
        assert!(answered >= 3 && bill.calls == answered, "{answered} {}", bill.calls);
        let (billed, most) = (bill.amount(), limit.of(component).unwrap());
        assert!(billed.of(component) <= most, "{} of {most}", billed.of(component));
        assert_eq!(house.spent(), billed, "{component:?}");
        // The root goes on, as it does for another key.
        let other = House::key_of(&house.root, limit);
        assert_eq!(house.chat(&other, &json!({})).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_limits_tokens_pays_no_more_of_them_whatever_its_keys_allow() {
    for component in COUNTED {
        let provider = Provider::start(Mode::Answer(u64::MAX)).await;
        let house = House::limited(provider, limit(component, 2)).await;
        let house = Arc::new(house);
        // One that limits nothing, and one of before, which cannot limit tokens.
        let all = House::key_of(&house.root, Allowance::UNLIMITED);
        let keys = [all, House::key_of_before(&house.root, 1_000_000)].map(Arc::new);
        assert_eq!(keys[1].chain().links[0].limit.of(Component::OutputTokens), None);
        let answered = crowd(&house, &keys, 10).await;
        let billed = house.provider.bill().amount();
        assert!(answered >= 2, "{answered}");
        let most = limit(component, 2).of(component).unwrap();
        assert!(billed.of(component) <= most, "{} of {most}", billed.of(component));
        assert_eq!(house.spent(), billed, "{component:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_of_before_pays_what_it_allows_of_cost() {
    let most = House::bound(&json!({}));
    let house = House::new(1_000 * most, Mode::Answer(u64::MAX)).await;
    let key = Arc::new(House::key_of_before(&house.root, 2 * most));
    let house = Arc::new(house);
    let answered = crowd(&house, &[Arc::clone(&key)], 20).await;
    let bill = house.provider.bill();
    assert!(answered >= 2 && bill.micros <= 2 * most, "{answered} {}", bill.micros);
    assert_eq!(house.spent(), bill.amount());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_reads_more_than_the_bound_is_noticed_though_it_costs_less() {
    let most = House::most(&json!({}));
    let read = most.of(Component::InputTokens) + 1;
    let house = House::new(1_000_000, Mode::Hungry(read)).await;
    let key = House::key(&house.root, 100_000);
    assert_eq!(house.chat(&key, &json!({})).await.status, 200);
    let bill = house.provider.bill();
    assert!(bill.micros < most.of(Component::CostMicros), "it wrote less than it might");
    assert_eq!(house.spent(), bill.amount(), "what was taken is charged");
    assert_eq!(house.chat(&key, &json!({})).await.error(), (429, "stopped".to_owned()));
    // The control: as much as the bound.
    house.provider.set(Mode::Hungry(read - 1));
    let other = House::key(&house.root, 100_000);
    for _ in 0..2 {
        assert_eq!(house.chat(&other, &json!({})).await.status, 200);
    }
    assert_eq!(house.provider.bill().calls, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_at_once_one_gets_the_room_for_one() {
    let most = House::bound(&json!({}));
    let house = Arc::new(House::new(100 * most, Mode::Silent(1)).await);
    let key = Arc::new(House::key(&house.root, most));
    assert_eq!(crowd(&house, &[key], 64).await, 1);
    assert_eq!(house.provider.bill().calls, 1);
    assert_eq!(house.account(), (most, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_takes_more_than_the_cap_is_noticed_and_the_key_stopped() {
    let most = House::bound(&json!({}));
    let house = House::new(1_000_000, Mode::Greedy(10 * most)).await;
    let (key, other) = (House::key(&house.root, 5 * most), House::key(&house.root, most));
    let child = House::key(&key, most);
    assert_eq!(house.chat(&key, &json!({})).await.status, 200);
    let bill = house.provider.bill();
    assert_eq!(house.account(), (bill.micros, 0), "what was taken is charged");
    for stopped in [&key, &child] {
        let said = house.chat(stopped, &json!({})).await;
        assert_eq!(said.error(), (429, "stopped".to_owned()));
    }
    assert_eq!(house.provider.bill().calls, 1);
    house.provider.set(Mode::Answer(1));
    assert_eq!(house.chat(&other, &json!({})).await.status, 200);
    assert_eq!(house.rows(Event::ProviderOverrun).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_pay_their_slices_and_no_more() {
    let most = House::bound(&json!({}));
    let provider = Provider::start(Mode::Answer(CAP)).await;
    let slice = 2 * most;
    // What binds is the slice of the child, not what the roots have.
    let one = Arc::new(House::before(Arc::clone(&provider), 100 * most).await);
    let two = Arc::new(House::before(Arc::clone(&provider), 100 * most).await);
    // A child that issues all of its slice ten times over, at both at once.
    let tenfold = |house: &Arc<House>| {
        let child = House::key(&house.root, slice);
        let keys: Vec<_> = (0..10).map(|_| Arc::new(House::key(&child, slice))).collect();
        let house = Arc::clone(house);
        async move { crowd(&house, &keys, 3).await }
    };
    let (at_one, at_two) = tokio::join!(tenfold(&one), tenfold(&two));
    assert!(at_one >= 2 && at_two >= 2, "{at_one} {at_two}");
    assert_eq!(provider.bill().calls, at_one + at_two);
    // A key of one is worth nothing at the other.
    let calls = provider.bill().calls;
    let strange = two.chat(&one.root, &json!({})).await;
    assert_eq!(strange.error(), (401, "unknown_root".to_owned()));
    assert_eq!(provider.bill().calls, calls);
    let bill = provider.bill().micros;
    assert!(bill <= 2 * slice && one.account().0 + two.account().0 == bill, "{bill}");
    assert!(one.account().0 <= slice && two.account().0 <= slice);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_pay_their_slices_of_each_component_and_no_more() {
    for component in COUNTED {
        let provider = Provider::start(Mode::Answer(u64::MAX)).await;
        let slice = limit(component, 2);
        let tenfold = |house: &Arc<House>| {
            let child = House::key_of(&house.root, slice);
            let keys: Vec<_> = (0..10).map(|_| Arc::new(House::key_of(&child, slice))).collect();
            let house = Arc::clone(house);
            async move { crowd(&house, &keys, 3).await }
        };
        let open = || House::limited(Arc::clone(&provider), Allowance::UNLIMITED);
        let (one, two) = (Arc::new(open().await), Arc::new(open().await));
        let (at_one, at_two) = tokio::join!(tenfold(&one), tenfold(&two));
        assert!(at_one >= 2 && at_two >= 2, "{at_one} {at_two}");
        let (billed, most) = (provider.bill().amount(), slice.of(component).unwrap());
        assert!(billed.of(component) <= 2 * most, "{} of {most}", billed.of(component));
        for house in [&one, &two] {
            assert!(house.spent().of(component) <= most);
        }
        assert_eq!(one.spent().plus(&two.spent()), Some(billed), "{component:?}");
    }
}
