//! Calls that are answered at once, and what they cost.

use super::house::{CAP, House, answer, chat};
use super::provider::{KEY, Mode, Provider, nowhere};
use hubless_proto::killswitch::{Allowance, Component};
use hubless_proto::limits::{PROVIDER_ANSWER_BYTES, PROVIDER_ERROR_BYTES};
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_paid_what_was_used_and_each_side_sees_only_its_own_key() {
    let house = House::new(1_000, Mode::Answer(7)).await;
    let key = House::key(&house.root, 500);
    let said = house.chat(&key, &json!({})).await;
    assert_eq!(said.status, 200, "{said:?}");
    assert_eq!(said.json()["choices"][0]["message"]["content"], "yes");
    let bill = house.provider.bill();
    // Five letters in, seven tokens out.
    assert_eq!((bill.calls, bill.micros, bill.input, bill.output), (1, 12, 5, 7));
    assert_eq!((house.account(), house.spent()), ((12, 0), bill.amount()));
    let head = bill.heads[0].to_lowercase();
    assert!(head.starts_with("post /v1/chat/completions "), "{head}");
    assert!(head.contains(&format!("authorization: bearer {KEY}")), "{head}");
    let seen = format!("{}{}", bill.heads[0], bill.bodies[0]);
    assert!(!seen.contains(&key.text()[60..]));
    assert!(!said.text.contains(KEY));
    assert_eq!(bill.bodies[0]["max_completion_tokens"], CAP);
    // The static key of a root is a key as well; a second call is a second call.
    assert_eq!(house.chat(&house.root, &json!({"max_tokens": 3})).await.status, 200);
    assert_eq!(house.provider.bill().bodies[1]["max_completion_tokens"], 3);
    assert_eq!(house.account(), (12 + 8, 0));
    assert_eq!(house.provider.bill().micros, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_said_is_charged_in_full() {
    let most = House::bound(&json!({}));
    let house = House::new(10_000, Mode::Silent(7)).await;
    assert_eq!(house.chat(&house.root, &json!({})).await.status, 200);
    assert_eq!(house.account(), (most, 0));
    assert_eq!(house.spent(), House::most(&json!({})), "of each component");
    house.provider.set(Mode::Lose(7));
    let lost = house.chat(&house.root, &json!({})).await;
    assert_eq!(lost.error(), (502, "provider_lost".to_owned()));
    assert_eq!(house.account(), (2 * most, 0));
    // With a word of it, only what was used.
    house.provider.set(Mode::Answer(1));
    assert_eq!(house.chat(&house.root, &json!({})).await.status, 200);
    assert_eq!(house.account(), (2 * most + 6, 0));
    assert_eq!(house.spent().of(Component::OutputTokens), 2 * CAP + 1);
    assert!(house.provider.bill().micros <= house.account().0);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_the_provider_are_passed_on_and_cost_nothing() {
    let house = House::new(10_000, Mode::Status(400)).await;
    for status in [400, 404, 429, 501, 503] {
        house.provider.set(Mode::Status(status));
        let said = house.chat(&house.root, &json!({})).await;
        assert_eq!(said.status, status);
        assert!(said.json()["error"]["message"].as_str().unwrap().starts_with("no"));
        assert_eq!(said.head["retry-after"], "7");
    }
    // What it says of the gateway's own key is not for callers.
    for status in [401, 403] {
        house.provider.set(Mode::Tells(status));
        let said = house.chat(&house.root, &json!({})).await;
        assert_eq!(said.error(), (502, "provider_key".to_owned()));
        assert!(!said.text.contains(KEY));
    }
    for status in [400, 429, 501] {
        house.provider.set(Mode::Tells(status));
        let said = house.chat(&house.root, &json!({})).await;
        assert_eq!(said.error(), (status, "provider_error".to_owned()));
        assert!(!said.text.contains(KEY));
    }
    assert_eq!(house.account(), (0, 0));
    assert_eq!(house.provider.bill().calls, 10);
    // What fails, and who stands before it, may speak of a call that ran.
    for (calls, status) in [408, 500, 502, 504, 524].into_iter().enumerate() {
        house.provider.set(Mode::Status(status));
        assert_eq!(house.chat(&house.root, &json!({})).await.status, status);
        let calls = calls as u64 + 1;
        assert_eq!(house.account(), (calls * House::bound(&json!({})), 0), "{status}");
    }
    // What is no error is an answer that was lost, and nobody is sent elsewhere with the key.
    let other = Provider::start(Mode::Answer(1)).await;
    house.provider.set(Mode::Redirect(other.address));
    let said = house.chat(&house.root, &json!({})).await;
    assert_eq!(said.error(), (502, "provider_answer".to_owned()));
    assert_eq!(house.account(), (6 * House::bound(&json!({})), 0));
    assert_eq!((other.bill().calls, house.provider.bill().calls), (0, 16));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_bills_and_then_fails_bills_no_more_than_there_is() {
    let most = House::bound(&json!({}));
    for (status, code, says_when) in [
        (500, "", true),
        (503, "", false),
        (507, "", true),
        (529, "", false),
        (599, "", false),
        (400, "content_filter", true),
        (400, "context_length_exceeded", false),
    ] {
        let house = House::new(2 * most, Mode::Fails(status, code, says_when)).await;
        for _ in 0..2 {
            assert_eq!(house.chat(&house.root, &json!({})).await.status, status);
        }
        let said = house.chat(&house.root, &json!({})).await;
        assert_eq!(said.error(), (429, "budget_exhausted".to_owned()), "{status} {code}");
        let bill = house.provider.bill();
        assert!(bill.calls == 2 && bill.micros > 0 && bill.micros <= 2 * most, "{status} {code}");
        assert_eq!(house.account(), (2 * most, 0));
    }
    // Those of a call that did not run leave what there was.
    for (status, code, says_when) in [
        (400, "", false),
        (400, "invalid_value", false),
        (422, "content_filter", false),
        (429, "", false),
        (501, "", false),
        (503, "", true),
        (505, "", false),
        (529, "", true),
    ] {
        let house = House::new(most, Mode::Fails(status, code, says_when)).await;
        for _ in 0..3 {
            assert_eq!(house.chat(&house.root, &json!({})).await.status, status);
        }
        assert_eq!(house.account(), (0, 0), "{status} {code}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_says_has_a_bound() {
    let most = House::bound(&json!({}));
    let house = House::new(10_000, Mode::Large(200, PROVIDER_ANSWER_BYTES)).await;
    let said = house.chat(&house.root, &json!({})).await;
    assert_eq!((said.status, said.text.len()), (200, PROVIDER_ANSWER_BYTES));
    assert_eq!(house.account(), (6, 0));
    house.provider.set(Mode::Large(200, PROVIDER_ANSWER_BYTES + 1));
    let said = house.chat(&house.root, &json!({})).await;
    assert_eq!(said.error(), (502, "provider_answer".to_owned()));
    assert_eq!(house.account(), (6 + most, 0));
    house.provider.set(Mode::Large(400, PROVIDER_ERROR_BYTES));
    let said = house.chat(&house.root, &json!({})).await;
    assert_eq!((said.status, said.text.len()), (400, PROVIDER_ERROR_BYTES));
    house.provider.set(Mode::Large(400, PROVIDER_ERROR_BYTES + 1));
    let said = house.chat(&house.root, &json!({})).await;
    assert_eq!(said.error(), (400, "provider_error".to_owned()));
    // What it said may have been that it worked on the prompt.
    assert_eq!(house.account(), (6 + 2 * most, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn embeddings_are_paid_by_what_was_read() {
    let house = House::new(1_000, Mode::Answer(7)).await;
    let body = json!({ "model": "m", "input": ["one", "two"] });
    let sent = house.post("embeddings", &house.root.text(), &body).send().await.unwrap();
    assert_eq!(answer(sent).await.status, 200);
    assert!(house.provider.bill().heads[0].starts_with("POST /v1/embeddings "));
    assert_eq!(house.account().1, 0);
    assert_eq!(house.spent().of(Component::OutputTokens), 0, "nothing is written");
    // A key that may write nothing is enough for it.
    let limits = Allowance::UNLIMITED.with(Component::OutputTokens, Some(0));
    let reads = House::key_of(&house.root, limits);
    let sent = house.post("embeddings", &reads.text(), &body).send().await.unwrap();
    assert_eq!(answer(sent).await.status, 200);
    let refused = house.chat(&reads, &json!({})).await;
    assert_eq!(refused.error(), (429, "budget_exhausted".to_owned()));
    assert_eq!(house.spent(), house.provider.bill().amount());
    let unpriced = json!({ "model": "m", "input": "x", "batch": true });
    let sent = house.post("embeddings", &house.root.text(), &unpriced).send().await.unwrap();
    assert_eq!(answer(sent).await.error(), (400, "unpriced".to_owned()));
    assert_eq!(house.provider.bill().calls, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_models_that_have_a_price_are_listed_without_the_provider() {
    let house = House::new(1_000, Mode::Answer(7)).await;
    let list = |key: String| {
        house.client().get(format!("{}/models", house.gateway.url())).bearer_auth(key)
    };
    let listed = answer(list(house.root.text().to_string()).send().await.unwrap()).await;
    let ids: Vec<Value> =
        listed.json()["data"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
    assert_eq!(ids, ["m"]);
    let refused = answer(list("sk-other".to_owned()).send().await.unwrap()).await;
    assert_eq!(refused.error(), (401, "bad_chain".to_owned()));
    assert_eq!(house.provider.bill().calls, 0);
    assert_eq!(house.chat(&house.root, &json!({"model": "n-1"})).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_cannot_be_reached_costs_nothing_and_one_that_is_silent_all() {
    let most = House::bound(&json!({}));
    let gone = Provider::start(Mode::Answer(1)).await;
    let (_held, free) = nowhere();
    let mut house = House::before(gone, 10_000).await;
    drop(house.gateway);
    let home = hubless::home::Home::open(Some(house.home.path())).unwrap();
    let options = |url: &str| {
        let provider = hubless_edge::gateway::ProviderOptions::new(url, KEY.to_owned().into());
        let mut provider = provider.unwrap();
        provider.silence_time = Duration::from_millis(300);
        let prices = super::house::prices();
        let mut options = hubless_edge::gateway::GatewayOptions::new(provider, prices);
        options.http.listen = "127.0.0.1:0".parse().unwrap();
        options
    };
    let name = "front".parse().unwrap();
    let start = async |url: String| {
        // The process that had it before lets go of it within moments.
        let began = tokio::time::Instant::now();
        loop {
            match hubless_edge::gateway::GatewayEdge::start(&home, &name, options(&url)).await {
                Ok(gateway) => return gateway,
                Err(error) => assert_eq!(error.code, "locked"),
            }
            assert!(began.elapsed() < super::house::PATIENCE);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    house.gateway = start(format!("http://{free}/v1")).await;
    let said = house.chat(&house.root, &json!({})).await;
    assert_eq!(said.error(), (502, "provider_unreachable".to_owned()));
    assert_eq!(house.account(), (0, 0));
    house.gateway.close(Duration::from_secs(1)).await.unwrap();
    // It takes the call, and never says a word.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    house.gateway = start(format!("http://{}/v1", mute.local_addr().unwrap())).await;
    let said = house.chat(&house.root, &json!({})).await;
    assert_eq!(said.error(), (502, "provider_lost".to_owned()));
    assert_eq!(house.account(), (most, 0));
    assert_eq!(chat(&json!({}))["model"], "m");
}
