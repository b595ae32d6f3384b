//! Clients that ask and do not take the answer, and such as stop within a frame.

use super::crowds::hurried;
use super::support::{House, PATIENCE, Wire, options};
use super::tls::Files;
use axum::http::Request;
use bytes::Bytes;
use h2::client::{Builder, SendRequest};
use hubless_edge::http::HttpOptions;
use hubless_proto::limits;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

/// More than the system keeps of an answer that nobody reads.
const MUCH: u64 = 8_000_000;

/// A connection of which the system keeps little.
async fn narrow(house: &House) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.connect(house.address()).await.unwrap()
}

/// Asks for much, reads nothing, and gives the time after which the listener had hung up: from then
/// on bytes come back as refused.
async fn untaken(house: &House, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Duration {
    let body = json!({ "content": { "value": MUCH } }).to_string();
    stream.write_all(house.post("large", &body, "").as_bytes()).await.unwrap();
    let began = Instant::now();
    while stream.write_all(b"G").await.is_ok() && stream.flush().await.is_ok() {
        assert!(began.elapsed() < PATIENCE, "it waits without end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    began.elapsed()
}

#[tokio::test]
async fn an_answer_that_nobody_reads_ends_its_connection() {
    let files = Files::new();
    for certificate in [None, files.pair()] {
        let options = HttpOptions { certificate, ..hurried() };
        let (has_tls, idle) = (options.certificate.is_some(), options.idle_time);
        let house = House::with(options).await;
        let stream = narrow(&house).await;
        let waited = if has_tls {
            untaken(&house, files.connect(stream).await).await
        } else {
            untaken(&house, stream).await
        };
        assert!(waited >= idle, "{waited:?}, TLS: {has_tls}");
    }
    let house = House::with(hurried()).await;
    let taken = house.ask("large", &json!({ "content": { "value": MUCH } })).await;
    assert_eq!((taken.status, taken.body.len() as u64 > MUCH), (200, true));
}

/// A client of HTTP/2 that lets so many bytes of an answer come before it takes any.
async fn http2(
    house: &House,
    window: u32,
) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let stream = TcpStream::connect(house.address()).await.unwrap();
    let made = Builder::new().initial_window_size(window).handshake(stream).await;
    let (client, connection) = made.unwrap();
    (client.ready().await.unwrap(), tokio::spawn(connection))
}

/// Somebody whom the listener does not know, and refuses in a few words.
fn strange() -> Request<()> {
    Request::get("http://attacker.example/v1/agents").body(()).unwrap()
}

#[tokio::test]
async fn an_answer_of_which_no_stream_takes_anything_ends_its_connection() {
    let options = hurried();
    let idle = options.idle_time;
    let house = House::with(options).await;
    let (mut client, connection) = http2(&house, 0).await;
    let began = Instant::now();
    let (answer, _) = client.send_request(strange(), true).unwrap();
    // To let go of it would be to give the stream up.
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 403);
    let ended = tokio::time::timeout(PATIENCE, connection).await;
    assert!(ended.is_ok(), "it waits without end");
    assert!(began.elapsed() >= idle);
    drop(answer);
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_is_given_whole() {
    let options = HttpOptions { idle_time: Duration::from_secs(2), ..options() };
    let idle = options.idle_time;
    let house = House::with(options).await;
    let (client, _connection) = http2(&house, 16_384).await;
    let body = json!({ "content": { "value": 700_000 } }).to_string();
    let post = || {
        let post = Request::post(format!("http://{}/v1/agents/large/requests", house.address()));
        post.header("content-type", "application/json").body(()).unwrap()
    };
    let mut client = client.ready().await.unwrap();
    let (answer, mut sender) = client.send_request(post(), false).unwrap();
    sender.send_data(body.into(), true).unwrap();
    let answer = answer.await.unwrap();
    assert_eq!(answer.status(), 200);
    let (mut answer, mut came) = (answer.into_body(), 0);
    let (began, mut pace) = (Instant::now(), tokio::time::interval(Duration::from_millis(100)));
    while let Some(piece) = answer.data().await {
        let length = piece.unwrap().len();
        came += length;
        answer.flow_control().release_capacity(length).unwrap();
        pace.tick().await;
    }
    assert!(came > 700_000 && began.elapsed() >= idle * 2, "{came} in {:?}", began.elapsed());
    // The connection was at work all the time, and is not on its way out.
    let mut client = client.ready().await.unwrap();
    let (again, _) = client.send_request(strange(), true).unwrap();
    assert_eq!(again.await.unwrap().status(), 403);
}

#[tokio::test]
async fn those_who_take_no_answers_keep_nobody_out() {
    let house = House::new().await;
    let (mut held, began) = (Vec::new(), Instant::now());
    for _ in 0..limits::HTTP_CONNECTIONS_PER_IP {
        let (mut client, connection) = http2(&house, 0).await;
        let (answer, _) = client.send_request(strange(), true).unwrap();
        let answer = answer.await.unwrap();
        assert_eq!(answer.status(), 403);
        held.push((client, answer, connection));
    }
    loop {
        let mut wire = house.wire().await;
        wire.write(&house.get("/v1/agents", "")).await;
        match wire.try_answer().await.map(|answer| answer.status) {
            Some(200) => break,
            status => assert!(matches!(status, None | Some(503)), "{status:?}"),
        }
        assert!(began.elapsed() < PATIENCE, "the listener is locked");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(began.elapsed() >= Duration::from_secs(5), "they may take them for a moment");
    let gone = held.iter().filter(|(_, _, connection)| connection.is_finished()).count();
    assert!(gone <= 1, "{gone} had to go for one");
}

/// What every client of HTTP/2 begins with: the preface, and settings that say nothing.
const BEGUN: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn whoever_stops_within_a_head_of_http2_is_late() {
    let options = HttpOptions { idle_time: limits::HTTP_IDLE, ..hurried() };
    let header = options.header_time;
    let house = House::with(options).await;
    let (mut client, _connection) = http2(&house, 65_535).await;
    let headers = b"\0\0\x08\x01\x01\0\0\0\x01";
    let block = [&b"\0\0\x01\x01\x01\0\0\0\x01"[..], b"\x82"].concat();
    for (said, what) in [
        (&BEGUN[..BEGUN.len() - 1], "within its settings"),
        (&[BEGUN, &headers[..5]].concat(), "within the head of a frame"),
        (&[BEGUN, headers, b"\x82\x84"].concat(), "within a frame"),
        (&[BEGUN, &block].concat(), "within a block of headers"),
    ] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(house.address()).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut rest = Vec::new();
        let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut rest)).await;
        assert!(read.is_ok(), "one that stops {what} is waited for without end");
        assert!(began.elapsed() >= header, "{what}");
    }
    // One that owes nothing is not.
    let (answer, _) = client.send_request(strange(), true).unwrap();
    assert_eq!(answer.await.unwrap().status(), 403);
    let mut wire = Wire::to(house.address()).await;
    wire.write(&house.get("/v1/agents", "")).await;
    assert_eq!(wire.answer().await.status, 200);
}
