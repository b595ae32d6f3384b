//! Bytes that are no request that is taken; after them the next good request is served.

use super::support::{House, Wire};
use hubless_proto::limits;

const BODY: &str = r#"{"content":{"value":"x"}}"#;

/// A request that another reader of the same bytes could see in the body of the one before it.
fn smuggled(house: &House) -> String {
    house.get("/v1/agents", "")
}

/// Sends bytes; the status of the one answer, after which the connection ends.
async fn only_answer(house: &House, bytes: &str) -> u16 {
    let mut wire = house.wire().await;
    wire.write(bytes).await;
    let answer = wire.answer().await;
    assert_eq!(answer.header("connection"), Some("close"), "{answer:?}");
    assert_eq!(wire.rest().await, "", "what was smuggled was answered");
    answer.status
}

async fn good(wire: &mut Wire, house: &House) {
    let text = house.post("echo", BODY, "").replace("Connection: close\r\n", "");
    wire.write(&text).await;
    let answer = wire.answer().await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn what_two_readers_could_read_differently_is_refused_and_nothing_after_it_is_read() {
    let house = House::new().await;
    let post = |framing: &str, rest: &str| {
        format!(
            "POST /v1/agents/echo/requests HTTP/1.1\r\nHost: {}\r\n\
             Content-Type: application/json\r\n{framing}\r\n{rest}",
            house.address()
        )
    };
    let next = smuggled(&house);
    let length = BODY.len();
    for (framing, rest) in [
        (format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), BODY.to_owned()),
        (format!("Transfer-Encoding: chunked\r\nContent-Length: {length}\r\n"), "0\r\n\r\n".into()),
        (format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"), BODY.to_owned()),
        (format!("Content-Length: {length}\r\nContent-Length: 0\r\n"), BODY.to_owned()),
        (format!("Content-Length: {length}, {length}\r\n"), BODY.to_owned()),
        (format!("Content-Length: +{length}\r\n"), BODY.to_owned()),
        (format!("Content-Length : {length}\r\n"), BODY.to_owned()),
        (format!("Content-Length: 0\nContent-Length: {length}\r\n"), BODY.to_owned()),
        (format!("X: y\rContent-Length: {length}\r\n"), BODY.to_owned()),
        ("Transfer-Encoding: xchunked\r\n".to_owned(), "0\r\n\r\n".to_owned()),
        ("Transfer-Encoding: chunked, identity\r\n".to_owned(), "0\r\n\r\n".to_owned()),
        (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("{length:x};a=b\r\n{BODY}\r\n0\r\n\r\n"),
        ),
        ("Transfer-Encoding: chunked\r\n".to_owned(), format!("{length:x}\n{BODY}\n0\n\n")),
        (
            "Transfer-Encoding: chunked\r\n".to_owned(),
            format!("{length:x}\r\n{BODY}x\r\n0\r\n\r\n"),
        ),
    ] {
        let bytes = format!("{}{next}", post(&framing, &rest));
        assert_eq!(only_answer(&house, &bytes).await, 400, "{framing:?}");
    }
    let chunks = format!("{length:x}\r\n{BODY}\r\n0\r\n\r\n");
    let mut wire = house.wire().await;
    wire.write(&format!("{}{next}", post("Transfer-Encoding: chunked\r\n", &chunks))).await;
    assert_eq!(wire.answer().await.status, 200, "plain chunks are taken");
    assert_eq!(wire.answer().await.status, 200, "and what follows is the next request");
}

#[tokio::test]
async fn bounds_are_reached_and_said() {
    let house = House::new().await;
    let url = format!("/{}", "x".repeat(limits::HTTP_URL_BYTES));
    assert_eq!(only_answer(&house, &house.get(&url, "")).await, 414);
    let many = "X: y\r\n".repeat(limits::HTTP_HEADERS);
    assert_eq!(only_answer(&house, &house.get("/v1/agents", &many)).await, 431);
    let long = format!("X: {}\r\n", "y".repeat(limits::HTTP_HEADERS_BYTES));
    assert_eq!(only_answer(&house, &house.get("/v1/agents", &long)).await, 431);
    let wrap = |bytes: usize| {
        let rest = r#"{"content":{"value":""}}"#.len();
        format!(r#"{{"content":{{"value":"{}"}}}}"#, "x".repeat(bytes - rest))
    };
    let whole = house.post("echo", &wrap(limits::HTTP_BODY_BYTES), "");
    assert_eq!(house.send(&whole).await.status, 200, "a body of the bound is taken");
    let over = wrap(limits::HTTP_BODY_BYTES + 1);
    let refused = house.send(&house.post("echo", &over, "")).await;
    assert_eq!(refused.error(), (413, "too_large/body".to_owned()));
    let length = format!("Content-Length: {}\r\n", over.len());
    let chunked = house.post("echo", "", "Transfer-Encoding: chunked\r\n");
    let chunked = chunked.replace("Content-Length: 0\r\n", "");
    assert!(!chunked.contains(&length));
    let chunked = format!("{chunked}{:x}\r\n{over}\r\n0\r\n\r\n", over.len());
    assert_eq!(house.send(&chunked).await.error(), (413, "too_large/body".to_owned()));
}

#[tokio::test]
async fn other_versions_and_nonsense_are_refused() {
    let house = House::new().await;
    let host = house.address();
    for (bytes, status) in [
        (format!("GET /v1/agents HTTP/1.0\r\nHost: {host}\r\n\r\n"), 505),
        (format!("GET /v1/agents HTTP/3.0\r\nHost: {host}\r\n\r\n"), 505),
        ("GET /v1/agents\r\n\r\n".to_owned(), 400),
        (format!("CONNECT {host} HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400),
        ("\u{16}\u{3}\u{1}\r\n\r\n".to_owned(), 400),
        ("GET /v1/agents HTTP/1.1\r\n\r\n".to_owned(), 400),
        (format!("GET /v1/agents HTTP/1.1\nHost: {host}\n\n"), 400),
    ] {
        assert_eq!(only_answer(&house, &bytes).await, status, "{bytes:?}");
    }
}

#[tokio::test]
async fn bodies_that_are_no_request_are_refused_with_the_field() {
    let house = House::new().await;
    for (body, error) in [
        ("", "invalid_argument/not_json"),
        ("[1]", "invalid_argument/not_json"),
        ("{\"returnTo\": \"x\"}", "invalid_argument/"),
        ("{\"content\": {\"parts\": [{\"stream\": {\"index\": 0}}]}}", "invalid_argument/"),
        ("{\"timeoutMs\": 0}", "invalid_argument/"),
    ] {
        let answer = house.send(&house.post("echo", body, "")).await;
        assert_eq!(answer.error(), (400, error.to_owned()), "{body}");
    }
    let deep = format!("{{\"metadata\": {{\"a\": {}}}}}", "[".repeat(100_000));
    let answer = house.send(&house.post("echo", &deep, "")).await;
    assert!((400..500).contains(&answer.status), "{answer:?}");
    assert!(answer.body.contains("too_deep"), "{answer:?}");
}

#[tokio::test]
async fn a_thousand_good_requests_follow_a_thousand_bad_ones() {
    let house = House::new().await;
    let bad = [
        "\0\0\0\0\r\n\r\n".to_owned(),
        format!("GET / HTTP/1.1\r\nHost: {}\nX: y\r\n\r\n", house.address()),
        house.post("echo", "{", ""),
        house.post("nobody", "{}", ""),
        house.get("/v1/agents", "Host: twice\r\n"),
        "GET / HTTP/1.1\r\nHost: attacker.example\r\nConnection: close\r\n\r\n".to_owned(),
        house.post("fail", r#"{"content":{"value":"internal"}}"#, ""),
        house.post("echo", "{}", "Transfer-Encoding: chunked\r\n"),
    ];
    for round in 0..125 {
        for bytes in &bad {
            let mut wire = house.wire().await;
            wire.write(bytes).await;
            let answer = wire.answer().await;
            assert!(answer.status >= 400, "round {round}: {bytes:?}");
        }
        // Heads and bodies that break off.
        let mut wire = house.wire().await;
        let whole = house.post("echo", BODY, "");
        wire.write(whole.get(..whole.len() - round % whole.len() - 1).unwrap()).await;
    }
    let mut wire = house.wire().await;
    for _ in 0..1_000 {
        good(&mut wire, &house).await;
    }
}
