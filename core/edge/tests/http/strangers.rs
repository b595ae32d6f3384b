//! Who may not ask: other names, other pages, other types, no token.

use super::support::{House, options};
use hubless_edge::http::{HttpOptions, Tokens};
use hubless_proto::audit::Event;
use hubless_proto::policy::Rate;

const TOKEN: &str = "0123456789abcdefghijkl";
const BODY: &str = r#"{"content":{"value":"x"}}"#;

#[tokio::test]
async fn a_name_that_was_bound_to_this_address_by_somebody_else_is_refused() {
    let house = House::new().await;
    let port = house.address().port();
    for (host, status) in [
        (format!("localhost:{port}"), 200),
        (format!("rebound.attacker.example:{port}"), 403),
        ("127.0.0.1".to_owned(), 403),
        (format!("127.0.0.1:{}", port ^ 1), 403),
    ] {
        for path in ["/v1/agents", "/openapi.json"] {
            let request =
                format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            assert_eq!(house.send(&request).await.status, status, "{host}{path}");
        }
    }
}

/// Rows of the audit log about what was refused: who, what they asked for, why.
fn refused(house: &House) -> Vec<(String, String, String)> {
    let rows = house.node.audit().rows.into_iter().map(|kept| kept.row.entry);
    let rows = rows.filter(|entry| entry.kind == Event::CallRefused);
    rows.map(|entry| (entry.by, entry.name, entry.reason)).collect()
}

#[tokio::test]
async fn who_is_refused_is_in_the_audit_log_and_its_token_is_not() {
    let tokens = Tokens::read(&format!("alice {TOKEN}")).unwrap();
    let house = House::with(HttpOptions { tokens, ..options() }).await;
    let with = |token: &str| format!("Authorization: Bearer {token}\r\n");
    assert_eq!(house.send(&house.post("echo", BODY, &with(TOKEN))).await.status, 200);
    assert_eq!(refused(&house), []);
    let wrong = "canary-of-the-tests-4711";
    assert_eq!(house.send(&house.post("echo", BODY, &with(wrong))).await.status, 401);
    for agent in ["nobody", "guarded"] {
        house.send(&house.post(agent, BODY, &with(TOKEN))).await;
    }
    let row =
        |by: &str, name: &str, reason: &str| (by.to_owned(), name.to_owned(), reason.to_owned());
    let rows = refused(&house);
    assert_eq!(rows[0], row("edge:http:anonymous:127.0.0.1", "", "auth/token"));
    assert_eq!(rows[1], row("http:token:alice", "nobody", "not_found"));
    assert_eq!((&*rows[2].0, &*rows[2].1), ("http:token:alice", "guarded"));
    assert_eq!(rows.len(), 3, "{rows:?}");
    let told = format!("{:?}", house.node.audit());
    assert!(!told.contains(wrong) && !told.contains(TOKEN) && told.contains("alice"));
}

#[tokio::test]
async fn pages_ask_only_from_origins_that_were_named() {
    let page = "https://page.example".to_owned();
    let house = House::with(HttpOptions { origins: vec![page], ..options() }).await;
    for (origin, status) in
        [("https://page.example", 200), ("https://attacker.example", 403), ("null", 403)]
    {
        let header = format!("Origin: {origin}\r\n");
        for request in [
            house.get("/v1/agents", &header),
            house.post("echo", BODY, &header),
            house.post("echo", BODY, &format!("{header}Accept: text/event-stream\r\n")),
        ] {
            let mut wire = house.wire().await;
            wire.write(&request).await;
            let answer = wire.answer().await;
            assert_eq!(answer.status, status, "{origin}");
            let allowed = answer.header("access-control-allow-origin");
            assert_eq!(allowed, (status == 200).then_some(origin), "never a star");
        }
        let ask = house.get("/v1/agents", &header).replace("GET", "OPTIONS");
        let preflight = house.send(&ask).await;
        assert_eq!(preflight.status, if status == 200 { 204 } else { 403 });
    }
}

#[tokio::test]
async fn what_a_page_can_send_unasked_is_refused() {
    let house = House::new().await;
    let json = house.post("echo", BODY, "");
    assert_eq!(house.send(&json).await.status, 200);
    for other in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
        let request = json.replace("application/json", other);
        assert_eq!(house.send(&request).await.error(), (415, "content/content_type".to_owned()));
    }
    let without = json.replace("Content-Type: application/json\r\n", "");
    assert_eq!(house.send(&without).await.status, 415);
}

#[tokio::test]
async fn a_token_is_asked_for_before_the_body_is_read() {
    let tokens = Tokens::read(&format!("alice {TOKEN}")).unwrap();
    let house = House::with(HttpOptions { tokens, ..options() }).await;
    let head = |token: &str| {
        format!(
            "POST /v1/agents/mirror/requests HTTP/1.1\r\nHost: {}\r\nContent-Length: 2\r\n\
             Content-Type: application/json\r\nConnection: close\r\n\
             Authorization: Bearer {token}\r\n\r\n",
            house.address()
        )
    };
    let mut wire = house.wire().await;
    // No byte of the body ever comes.
    wire.write(&head("0123456789abcdefghijkm")).await;
    let refused = wire.answer().await;
    assert_eq!(refused.error(), (401, "auth/token".to_owned()));
    assert_eq!(refused.header("www-authenticate"), Some("bearer"));
    let good = house.send(&format!("{}{{}}", head(TOKEN))).await.json();
    assert_eq!(good["value"]["principal"], "http:token:alice");
    for path in ["/v1/agents", "/openapi.json", "/nowhere"] {
        assert_eq!(house.send(&house.get(path, "")).await.status, 401, "{path}");
    }
}

#[tokio::test]
async fn one_that_asks_too_often_is_told_when_to_come_again() {
    let rate = Rate { per_s: 0.01, burst: 2 };
    let house = House::with(HttpOptions { rate, ..options() }).await;
    for _ in 0..2 {
        assert_eq!(house.send(&house.get("/v1/agents", "")).await.status, 200);
    }
    let refused = house.send(&house.get("/v1/agents", "")).await;
    assert_eq!(refused.error(), (429, "busy/rate".to_owned()));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=100).contains(&wait), "{wait}");
    let mut other = house.wire_from("127.0.0.2").await;
    other.write(&house.get("/v1/agents", "")).await;
    assert_eq!(other.answer().await.status, 200, "another address has its own share");
}
