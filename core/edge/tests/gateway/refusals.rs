//! What is refused, before the provider sees anything of it.

use super::house::{House, answer, chat};
use super::provider::Mode;
use hubless::till::fresh_root;
use hubless_proto::audit::Event;
use hubless_proto::metering::Micros;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_refused_the_provider_does_not_see() {
    let most = House::bound(&json!({}));
    let house = House::new(10 * most, Mode::Answer(1)).await;
    let poor = House::key(&house.root, most - 1);
    let ended = house.root.issue([7; 32], Micros::new(most).unwrap(), (1, 2)).unwrap();
    let good = house.root.text();
    let mut broken = good.to_string();
    broken.replace_range(50..51, if &broken[50..51] == "A" { "B" } else { "A" });
    let stranger = fresh_root();
    let rows: Vec<(&str, &str, Value, (u16, &str))> = vec![
        ("chat/completions", "", chat(&json!({})), (401, "token")),
        ("chat/completions", "sk-some-other-key", chat(&json!({})), (401, "bad_chain")),
        ("chat/completions", &good[..90], chat(&json!({})), (401, "bad_chain")),
        ("chat/completions", &good, chat(&json!({"n": 2})), (400, "unpriced")),
        ("chat/completions", &good, chat(&json!({"audio": {}})), (400, "unpriced")),
        ("chat/completions", &good, chat(&json!({"model": "x"})), (400, "no_price")),
        ("chat/completions", &good, chat(&json!({"messages": 1})), (400, "invalid_argument")),
        ("chat/completions", &good, json!([]), (400, "bad_json")),
        ("completions", &good, chat(&json!({})), (404, "path")),
        ("responses", &good, chat(&json!({})), (404, "path")),
        ("models", &good, chat(&json!({})), (405, "method")),
    ];
    for (path, key, body, (status, code)) in rows {
        let said = answer(house.post(path, key, &body).send().await.unwrap()).await;
        assert_eq!(said.error(), (status, code.to_owned()), "{path} {body}");
    }
    for (key, status, code) in [
        (stranger.text().to_string(), 401, "unknown_root"),
        (ended.text().to_string(), 401, "expired"),
        (poor.text().to_string(), 429, "budget_exhausted"),
    ] {
        let body = chat(&json!({}));
        let sent = house.post("chat/completions", &key, &body).send().await.unwrap();
        assert_eq!(answer(sent).await.error(), (status, code.to_owned()));
    }
    let sent = house.post("chat/completions", &broken, &chat(&json!({}))).send().await.unwrap();
    assert_eq!(answer(sent).await.status, 401);
    let named = house.chat(&house.root, &json!({"best_of": 2})).await.json();
    assert_eq!(named["error"]["param"], "best_of");
    assert_eq!(house.provider.bill().calls, 0);
    assert_eq!(house.account(), (0, 0));
    // The same key and the same body are good without what was wrong.
    assert_eq!(house.chat(&house.root, &json!({})).await.status, 200);
    assert_eq!(house.provider.bill().calls, 1);
    let rows = house.rows(Event::KeyRefused).await;
    assert!(rows >= 3, "{rows}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_listener_is_as_strict_as_that_of_agents() {
    let house = House::new(10_000, Mode::Answer(1)).await;
    let url = format!("{}/chat/completions", house.gateway.url());
    let request = || house.client().post(&url).bearer_auth(house.root.text().as_str());
    let body = chat(&json!({})).to_string();
    let json = "application/json";
    for (name, value, kind, status) in [
        ("host", "attacker.example", json, 403),
        ("origin", "https://attacker.example", json, 403),
        ("x-a", "b", "text/plain", 415),
    ] {
        let sent = request().header("content-type", kind).header(name, value).body(body.clone());
        let said = answer(sent.send().await.unwrap()).await;
        assert_eq!(said.error().0, status, "{name}");
    }
    let large = request().header("content-type", json).body("x".repeat(1_100_000));
    assert_eq!(answer(large.send().await.unwrap()).await.error(), (413, "body".to_owned()));
    let bare = house.client().post(&url).header("content-type", json).body(body.clone());
    assert_eq!(answer(bare.send().await.unwrap()).await.error(), (401, "token".to_owned()));
    assert_eq!(house.provider.bill().calls, 0);
    let good = request().header("content-type", json).body(body);
    assert_eq!(answer(good.send().await.unwrap()).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_written_down_is_not_asked_for() {
    let house = House::new(10_000, Mode::Answer(1)).await;
    assert_eq!(house.chat(&house.root, &json!({})).await.status, 200);
    assert_eq!(house.provider.bill().calls, 1);
    // The store takes nothing more.
    house.gateway.till().close().await.unwrap();
    let said = house.chat(&house.root, &json!({})).await;
    assert_eq!(said.error(), (503, "closed".to_owned()));
    assert_eq!(house.provider.bill().calls, 1);
}
