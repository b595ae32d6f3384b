//! What a provider can bill at most, whoever asks and however often.

use super::house::{CAP, House};
use super::provider::{Mode, Provider};
use hubless_proto::audit::Event;
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
