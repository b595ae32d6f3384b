//! Answers that come piece by piece.

use super::support::{House, soon};
use serde_json::{Value, json};

/// Name and data of each event.
fn events(body: &str) -> Vec<(String, Value)> {
    let event = |text: &str| {
        let (name, data) = text.split_once('\n').unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        let name = name.strip_prefix("event: ").unwrap().to_owned();
        (name, serde_json::from_str(data).unwrap())
    };
    body.split("\n\n").filter(|text| text.starts_with("event: ")).map(event).collect()
}

/// The body of a chunked answer, without its framing.
fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        body.push_str(after.get(..size).unwrap());
        rest = after.get(size + 2..).unwrap_or_default();
    }
    body
}

#[tokio::test]
async fn pieces_come_as_events() {
    let house = House::new().await;
    let mut wire = house.wire().await;
    wire.write(&house.post("pieces", "{}", "Accept: text/event-stream\r\n")).await;
    let head = wire.answer().await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), Some("text/event-stream"));
    let mut events = events(&unchunked(&wire.rest().await));
    events.retain(|(name, _)| name != "accepted");
    let names: Vec<_> = events.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["progress", "chunk", "chunk", "final"]);
    assert_eq!(events[0].1, json!({ "progress": { "note": "half", "fraction": 0.5 } }));
    let part = json!({ "text": "b", "value": "b" });
    assert_eq!(events[2].1, json!({ "chunk": { "part": part, "append": true } }));
    assert_eq!(events[3].1["final"]["value"], "ab");
}

#[tokio::test]
async fn what_is_refused_at_once_has_its_status_and_later_failures_are_events() {
    let house = House::new().await;
    let accept = "Accept: text/event-stream\r\n";
    let unknown = house.send(&house.post("nobody", "{}", accept)).await;
    assert_eq!(unknown.error(), (404, "not_found/".to_owned()));
    let paid = house.send(&house.post("paid", "{}", accept)).await;
    assert_eq!(paid.status, 402);
    let mut time_ms = 200;
    let mut wire = loop {
        let mut wire = house.wire().await;
        let headers = format!("{accept}X-Timeout-Ms: {time_ms}\r\n");
        wire.write(&house.post("wait", "{}", &headers)).await;
        let answer = wire.answer().await;
        if answer.status == 200 {
            break wire;
        }
        // A busy machine had not come to the handler when the time was over.
        assert_eq!(answer.status, 504, "{answer:?}");
        time_ms *= 2;
        assert!(time_ms < 20_000, "it was not accepted");
    };
    soon("the handler to run", &house.agents.began).await;
    let events = events(&unchunked(&wire.rest().await));
    let (name, error) = events.last().unwrap();
    assert_eq!((name.as_str(), &error["kind"]), ("error", &"deadline".into()));
}
