//! Slow clients, many of them, and clients that open streams without end.

use super::support::{House, PATIENCE, options, soon};
use hubless_edge::http::HttpOptions;
use hubless_proto::limits;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Short times, so that a test waits for them.
pub(super) fn hurried() -> HttpOptions {
    HttpOptions {
        header_time: Duration::from_millis(300),
        body_time: Duration::from_millis(300),
        idle_time: Duration::from_millis(600),
        ..options()
    }
}

#[tokio::test]
async fn a_slow_head_and_a_slow_body_end_with_408_and_silence_with_the_end() {
    let house = House::with(hurried()).await;
    let whole = house.post("echo", "{}", "");
    let head_end = whole.len() - 2;
    for (cut, code) in [(20, "header"), (head_end - 1, "header"), (head_end + 1, "body")] {
        let mut wire = house.wire().await;
        wire.write(whole.get(..cut).unwrap()).await;
        let answer = wire.answer().await;
        assert_eq!(answer.error(), (408, format!("deadline/{code}")), "cut at {cut}");
        assert_eq!(wire.rest().await, "");
    }
    let mut silent = house.wire().await;
    assert_eq!(silent.rest().await, "", "one that says nothing is closed");
    let mut idle = house.wire().await;
    idle.write(&house.get("/v1/agents", "").replace("Connection: close\r\n", "")).await;
    assert_eq!(idle.answer().await.status, 200);
    assert_eq!(idle.rest().await, "", "one that says nothing more is closed");
    assert_eq!(house.send(&whole).await.status, 200);
}

#[tokio::test]
async fn the_times_of_the_table_are_kept() {
    let house = House::new().await;
    let began = Instant::now();
    let slow_head = async {
        let mut wire = house.wire().await;
        wire.write("GET /v1/agents HTTP/1.1\r\n").await;
        let answer = wire.answer().await;
        (answer.status, began.elapsed())
    };
    let silent_call = async {
        let mut wire = house.wire().await;
        wire.write(&house.post("wait", "{}", "Accept: text/event-stream\r\n")).await;
        while !wire.line().await.starts_with(": still") {}
        began.elapsed()
    };
    let ((status, header), silence) = tokio::join!(slow_head, silent_call);
    assert_eq!(status, 408);
    let moment = Duration::from_secs(5);
    assert!(header >= limits::HTTP_HEADER_TIME && header < limits::HTTP_HEADER_TIME + moment);
    assert!(silence >= limits::HTTP_STILL_THERE && silence < limits::HTTP_STILL_THERE + moment);
}

#[tokio::test]
async fn many_slow_ones_keep_nobody_out() {
    let house = House::new().await;
    let mut slow = Vec::new();
    for _ in 0..300 {
        let mut wire = house.wire().await;
        wire.write("POST /v1/agents/echo/requests HTTP/1.1\r\nHost").await;
        slow.push(wire);
    }
    for _ in 0..3 {
        assert_eq!(house.send(&house.post("echo", "{}", "")).await.status, 200);
    }
    let mut other = house.wire_from("127.0.0.2").await;
    other.write(&house.post("echo", "{}", "")).await;
    assert_eq!(other.answer().await.status, 200);
}

#[tokio::test]
async fn one_address_has_its_share_of_connections_that_are_at_work() {
    let house = House::new().await;
    let mut held = Vec::new();
    for _ in 0..limits::HTTP_CONNECTIONS_PER_IP {
        let mut wire = house.wire().await;
        wire.write(&house.post("wait", "{}", "")).await;
        soon("the handler to run", &house.agents.began).await;
        held.push(wire);
    }
    let mut over = house.wire().await;
    let refused = over.try_answer().await.expect("it is told why");
    assert_eq!(refused.error(), (503, "busy/connections".to_owned()));
    assert_eq!(refused.header("retry-after"), Some("1"));
    let mut other = house.wire_from("127.0.0.2").await;
    other.write(&house.post("echo", "{}", "")).await;
    assert_eq!(other.answer().await.status, 200, "another address has its own share");
    drop(held.pop());
    soon("the handler to be cancelled", &house.agents.stopped).await;
    let mut again = house.wire().await;
    again.write(&house.post("echo", "{}", "")).await;
    assert_eq!(again.answer().await.status, 200, "there is room again");
}

#[tokio::test]
async fn all_addresses_together_have_so_many_connections() {
    let house = House::new().await;
    // A body that does not come: its connection is at work for as long as bodies may take.
    let begun = house.post("echo", "{}", "Expect: 100-continue\r\n");
    let begun = begun.strip_suffix("{}").unwrap();
    let mut held = Vec::new();
    let addresses = limits::HTTP_CONNECTIONS / limits::HTTP_CONNECTIONS_PER_IP;
    for address in 0..addresses {
        for _ in 0..limits::HTTP_CONNECTIONS_PER_IP {
            let mut wire = house.wire_from(&format!("127.0.1.{address}")).await;
            wire.write(begun).await;
            assert_eq!(wire.line().await, "HTTP/1.1 100 Continue");
            held.push(wire);
        }
    }
    let mut over = house.wire_from("127.0.2.1").await;
    let refused = over.try_answer().await.expect("it is told why");
    assert_eq!(refused.error(), (503, "busy/connections".to_owned()));
    let mut last = held.pop().unwrap();
    assert_eq!(last.line().await, "");
    last.write("{}").await;
    assert_eq!(last.answer().await.status, 200, "it was only waited for");
    assert_eq!(last.rest().await, "");
    let until = Instant::now() + PATIENCE;
    loop {
        let mut again = house.wire_from("127.0.2.1").await;
        again.write(&house.post("echo", "{}", "")).await;
        match again.try_answer().await.map(|answer| answer.status) {
            Some(200) => break,
            status => assert!(matches!(status, None | Some(503)), "{status:?}"),
        }
        assert!(Instant::now() < until, "there is no room again");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A client of HTTP/2, with a task that drives it.
async fn http2(
    house: &House,
) -> (h2::client::SendRequest<bytes::Bytes>, tokio::task::JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(house.address()).await.unwrap();
    let (client, connection) = h2::client::handshake(stream).await.unwrap();
    (client, tokio::spawn(connection))
}

fn post(house: &House, agent: &str) -> axum::http::Request<()> {
    axum::http::Request::post(format!("http://{}/v1/agents/{agent}/requests", house.address()))
        .header("content-type", "application/json")
        .body(())
        .unwrap()
}

#[tokio::test]
async fn http2_has_the_same_rules_and_a_cap_of_streams() {
    let house = House::new().await;
    let (client, _connection) = http2(&house).await;
    let mut client = client.ready().await.unwrap();
    let (answer, mut body) = client.send_request(post(&house, "echo"), false).unwrap();
    body.send_data("{\"content\":{\"value\":\"x\"}}".into(), true).unwrap();
    let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("x-request-id"));
    let streams = usize::try_from(limits::HTTP_STREAMS).unwrap();
    assert_eq!(client.current_max_send_streams(), streams);
    let mut client = client.ready().await.unwrap();
    let strange = axum::http::Request::get("http://attacker.example/v1/agents").body(()).unwrap();
    let (refused, _) = client.send_request(strange, true).unwrap();
    assert_eq!(refused.await.unwrap().status(), 403);
}

#[tokio::test]
async fn streams_opened_and_reset_without_end_cost_the_connection() {
    let house = House::new().await;
    let (client, mut connection) = http2(&house).await;
    let mut client = client.ready().await.unwrap();
    let (mut resets, mut ended) = (0, None);
    let most = limits::HTTP_RESETS * 2;
    for _ in 0..most {
        let Ok(ready) = client.clone().ready().await else { break };
        client = ready;
        let Ok((_answer, mut body)) = client.send_request(post(&house, "wait"), false) else {
            break;
        };
        if body.send_data("{}".into(), true).is_err() {
            break;
        }
        tokio::select! {
            () = house.agents.began.notified() => {}
            end = &mut connection => {
                ended = Some(end);
                break;
            }
            () = tokio::time::sleep(PATIENCE) => panic!("it neither ran nor was cut off"),
        }
        body.send_reset(h2::Reason::CANCEL);
        soon("the handler to be cancelled", &house.agents.stopped).await;
        resets += 1;
    }
    assert!((limits::HTTP_RESETS..most).contains(&resets), "cut off after {resets}");
    let ended = match ended {
        Some(ended) => ended,
        None => tokio::time::timeout(PATIENCE, connection).await.unwrap(),
    };
    assert!(ended.unwrap().is_err() || client.ready().await.is_err(), "the connection is gone");
    assert_eq!(house.send(&house.post("echo", "{}", "")).await.status, 200);
}
