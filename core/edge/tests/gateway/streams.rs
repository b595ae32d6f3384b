//! Answers that come piece by piece.

use super::house::{Answer, CAP, House, PATIENCE, chat};
use super::provider::{Mode, Provider};
use axum::body::Bytes;
use axum::http::Request;
use h2::client::Builder;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;

/// The pieces of a stream, and whether it said that it was done.
fn pieces(said: &Answer) -> (Vec<Value>, bool) {
    assert_eq!(
        (said.status, &said.head["content-type"]),
        (200, &"text/event-stream".parse().unwrap())
    );
    let data: Vec<_> = said.text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    let done = data.last() == Some(&"[DONE]");
    let read = data.iter().filter(|data| **data != "[DONE]");
    (read.map(|data| serde_json::from_str(data).unwrap()).collect(), done)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_paid_what_was_used_whether_its_client_asked_for_that_or_not() {
    let house = House::new(10_000, Mode::Stream { pieces: 3, usage: true }).await;
    let plain = house.chat(&house.root, &json!({"stream": true})).await;
    let (all, done) = pieces(&plain);
    assert!(done && all.len() == 3, "{plain:?}");
    assert!(all.iter().all(|piece| piece["choices"][0]["delta"]["content"] == "a"));
    assert_eq!(house.settled().await, 8);
    let options = json!({"stream": true, "stream_options": {"include_usage": true}});
    let (all, done) = pieces(&house.chat(&house.root, &options).await);
    assert!(done && all.len() == 4);
    assert_eq!(all[3]["usage"]["completion_tokens"], 3);
    assert_eq!(house.settled().await, 16);
    let bill = house.provider.bill();
    assert_eq!(bill.micros, 16);
    assert!(bill.bodies.iter().all(|body| body["stream_options"]["include_usage"] == true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_nobody_takes_gives_back_its_place_at_the_provider() {
    let most = House::bound(&json!({"stream": true}));
    let idle = Duration::from_millis(600);
    let provider = Provider::start(Mode::Wait).await;
    let house = House::with(provider, 10_000, |options| options.http.idle_time = idle).await;
    let stream = TcpStream::connect(house.gateway.address()).await.unwrap();
    let made = Builder::new().initial_window_size(0).handshake::<_, Bytes>(stream).await;
    let (client, connection) = made.unwrap();
    let ends = tokio::spawn(connection);
    let post = Request::post(format!("{}/chat/completions", house.gateway.url()));
    let post = post.header("content-type", "application/json");
    let post = post.header("authorization", format!("Bearer {}", house.root.text().as_str()));
    let mut client = client.ready().await.unwrap();
    let (head, mut sender) = client.send_request(post.body(()).unwrap(), false).unwrap();
    let body = chat(&json!({"stream": true})).to_string();
    sender.send_data(body.into(), true).unwrap();
    // The provider waits for its caller, which waits for a client that takes nothing.
    let head = tokio::time::timeout(PATIENCE, head).await.unwrap().unwrap();
    assert_eq!((head.status().as_u16(), house.account().1), (200, most));
    let gone = tokio::time::timeout(PATIENCE, house.provider.gone.notified()).await;
    assert!(gone.is_ok(), "the provider goes on");
    assert_eq!(house.settled().await, most);
    assert!(tokio::time::timeout(PATIENCE, ends).await.is_ok(), "the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_cut_at_its_cap() {
    let most = House::bound(&json!({"stream": true}));
    let house = House::new(10_000, Mode::Stream { pieces: CAP, usage: true }).await;
    let (all, done) = pieces(&house.chat(&house.root, &json!({"stream": true})).await);
    assert!(done && all.len() as u64 == CAP, "as much as the cap allows is not cut");
    let paid = house.settled().await;
    house.provider.set(Mode::Stream { pieces: 100 * CAP, usage: true });
    let (all, done) = pieces(&house.chat(&house.root, &json!({"stream": true})).await);
    assert!(done && all.len() as u64 == CAP + 1, "{}", all.len());
    let last = all.last().unwrap();
    assert_eq!(last["choices"][0]["finish_reason"], "length");
    assert_eq!((&last["id"], &last["object"]), (&json!("c1"), &json!("chat.completion.chunk")));
    assert_eq!(house.settled().await, paid + most);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_which_nobody_said_what_it_used_is_charged_in_full() {
    let most = House::bound(&json!({"stream": true}));
    let house = House::new(10_000, Mode::Stream { pieces: 2, usage: false }).await;
    let (all, done) = pieces(&house.chat(&house.root, &json!({"stream": true})).await);
    assert!(done && all.len() == 2);
    assert_eq!(house.settled().await, most);
    // One that says it in its last piece, and is not said to be done, has said it.
    house.provider.set(Mode::Terse);
    let (all, done) = pieces(&house.chat(&house.root, &json!({"stream": true})).await);
    assert!(!done && all.len() == 1, "{all:?}");
    assert_eq!(house.settled().await, most + 6);
    house.provider.set(Mode::Break);
    let (all, done) = pieces(&house.chat(&house.root, &json!({"stream": true})).await);
    assert!(!done);
    assert_eq!(all.last().unwrap()["error"]["code"], "provider_lost");
    assert_eq!(house.settled().await, 2 * most + 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_more_was_written_is_not_the_last_word() {
    let most = House::bound(&json!({"stream": true}));
    let wrote = |text: &str, usage: Value| {
        let choice = json!({"index": 0, "delta": {"content": text}});
        json!({"id": "c1", "model": "m", "choices": [choice], "usage": usage})
    };
    let used = |tokens: u64| json!({"prompt_tokens": 5, "completion_tokens": tokens});
    let early = vec![wrote("", used(0)), wrote("a", Value::Null)];
    let house = House::new(10_000, Mode::Events(early)).await;
    let (all, done) = pieces(&house.chat(&house.root, &json!({"stream": true})).await);
    assert!(done && all.len() == 2);
    assert_eq!(house.settled().await, most);
    // Said again with the last piece, it counts.
    house.provider.set(Mode::Events(vec![wrote("", used(0)), wrote("a", used(1))]));
    house.chat(&house.root, &json!({"stream": true})).await;
    assert_eq!(house.settled().await, most + 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thought_under_two_names_is_one() {
    let thought = |names: &[&str]| {
        let delta: serde_json::Map<_, _> =
            names.iter().map(|name| ((*name).to_owned(), json!("a"))).collect();
        json!({"id": "c1", "model": "m", "choices": [{"index": 0, "delta": delta}], "usage": null})
    };
    let both = thought(&["reasoning", "reasoning_content"]);
    let last = json!({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": CAP}});
    let cap = usize::try_from(CAP).unwrap();
    let within = [vec![both; cap], vec![last]].concat();
    let house = House::new(10_000, Mode::Events(within)).await;
    let (all, done) = pieces(&house.chat(&house.root, &json!({"stream": true})).await);
    assert!(done && all.len() == cap, "{}", all.len());
    assert_eq!(house.settled().await, 5 + CAP);
    // Thoughts count like any text.
    house.provider.set(Mode::Events(vec![thought(&["reasoning"]); cap + 1]));
    let (all, _) = pieces(&house.chat(&house.root, &json!({"stream": true})).await);
    assert_eq!(all.last().unwrap()["choices"][0]["finish_reason"], "length");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_ends_the_stream_and_pays_all_of_it() {
    let most = House::bound(&json!({"stream": true}));
    let house = House::new(10_000, Mode::Wait).await;
    let body = chat(&json!({"stream": true}));
    let request = house.post("chat/completions", &house.root.text(), &body);
    let mut response = request.send().await.unwrap();
    let first = response.chunk().await.unwrap().unwrap();
    assert!(first.starts_with(b"data: {"));
    assert_eq!(house.account(), (0, most));
    drop(response);
    let gone = tokio::time::timeout(PATIENCE, house.provider.gone.notified()).await;
    assert!(gone.is_ok(), "the provider goes on");
    assert_eq!(house.settled().await, most);
    assert_eq!(house.provider.bill().micros, 5 + CAP, "no more than that was used");
}
