//! Streamed parts that somebody does not read: they hold back nothing but themselves.

use super::support::{Pair, ask, pair, register};
use super::{bytes, digest, read_all, write_all};
use hubless::foreign::{Answer, ToolHost};
use hubless::{Body, BodyWriter, Content, Kind, RequestOptions, StreamItem, body};
use hubless_proto::limits;
use hubless_proto::wire::v1::StreamPart;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;

/// More than every buffer between a writer and a reader that does not read.
const LARGE: usize = 8 << 20;

struct Two;

impl ToolHost for Two {
    fn call_tool(&self, _: String, _: Value) -> Answer<Content> {
        Box::pin(async { Ok(Content::value(json!(2))) })
    }
}

/// A request with this streamed part; it ends after 10 s at the latest.
fn sending(to: &str, reader: Body) -> RequestOptions {
    let mut request =
        RequestOptions::read(json!({"to": to, "totalMs": 10_000, "timeoutMs": 10_000,
        "tools": [{"name": "two", "inputSchema": {"type": "object"}}]}))
        .unwrap();
    request.content = Content::stream("application/octet-stream", None, reader);
    request.tool_host = Some(Arc::new(Two));
    request
}

/// Writes until the reader is gone or everything is written; counts what was taken.
async fn write_counted(writer: BodyWriter, size: usize, taken: Arc<AtomicUsize>) -> Option<Kind> {
    for piece in bytes(size).chunks(limits::DATA_FRAME_BYTES) {
        if let Err(error) = writer.write(bytes::Bytes::copy_from_slice(piece)).await {
            return Some(error.kind);
        }
        taken.fetch_add(piece.len(), Ordering::Release);
    }
    writer.end();
    None
}

#[tokio::test]
async fn a_part_that_is_held_unread_does_not_hold_a_tool_result_back() {
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "later"}), |call, mut content| async move {
        let told = call.call_tool("two", &json!({})).await?.decoded();
        let bytes = content.bytes(64 << 20).await?;
        Ok(Content::value(json!([told, bytes.len()])))
    })
    .await;
    let (writer, reader) = body();
    tokio::spawn(write_all(writer, bytes(LARGE)));
    let reply = two.request(sending("later", reader)).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!([2, LARGE])));
}

#[tokio::test]
async fn a_reader_that_goes_away_frees_its_writer_while_the_call_goes_on() {
    let Pair { one, two, _home } = pair().await;
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    register(&one, json!({"name": "careless"}), move |call, content| {
        let open = Arc::clone(&open);
        async move {
            drop(content);
            open.acquire().await.unwrap().forget();
            call.call_tool("two", &json!({})).await
        }
    })
    .await;
    let (writer, reader) = body();
    let asking = two.clone();
    let call = tokio::spawn(async move { asking.request(sending("careless", reader)).await });
    let writing = write_counted(writer, LARGE, Arc::default());
    let told = tokio::time::timeout(Duration::from_secs(5), writing).await.unwrap();
    assert_eq!(told, Some(Kind::Cancelled));
    assert!(!call.is_finished(), "the call goes on");
    gate.add_permits(1);
    assert_eq!(call.await.unwrap().unwrap().content.decoded(), Some(json!(2)));
}

#[tokio::test]
async fn a_handler_that_reads_nothing_ends_the_call() {
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "blind"}), |_, content| async move {
        let answer = Content::value(json!("seen nothing"));
        drop(content);
        Ok(answer)
    })
    .await;
    let (writer, reader) = body();
    let writing = tokio::spawn(write_counted(writer, LARGE, Arc::default()));
    let reply = two.request(sending("blind", reader)).await.unwrap();
    assert_eq!(reply.content.decoded(), Some(json!("seen nothing")));
    assert_eq!(writing.await.unwrap(), Some(Kind::Cancelled));
}

#[tokio::test]
async fn the_second_of_two_parts_can_be_read_before_the_first() {
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "second"}), |_, mut content| async move {
        let first = content.bodies.take(0).unwrap();
        let second = content.bodies.take(1).unwrap();
        let second = digest(&read_all(second).await);
        let first = digest(&read_all(first).await);
        Ok(Content::value(json!([first, second])))
    })
    .await;
    let (first, reader) = body();
    let mut request = sending("second", reader);
    let (second, reader) = body();
    let part = StreamPart { kind: "blob".to_owned(), ..StreamPart::default() };
    request.content.push_stream(part, reader);
    tokio::spawn(write_all(first, bytes(LARGE)));
    tokio::spawn(write_all(second, bytes(LARGE - 1)));
    let reply = two.request(request).await.unwrap();
    let wanted = json!([digest(&bytes(LARGE)), digest(&bytes(LARGE - 1))]);
    assert_eq!(reply.content.decoded(), Some(wanted));
}

#[tokio::test]
async fn an_unread_part_takes_a_bounded_number_of_bytes_until_it_is_read() {
    let Pair { one, two, _home } = pair().await;
    let gate = Arc::new(Semaphore::new(0));
    let open = Arc::clone(&gate);
    register(&one, json!({"name": "held"}), move |call, mut content| {
        let open = Arc::clone(&open);
        async move {
            call.call_tool("two", &json!({})).await?;
            open.acquire().await.unwrap().forget();
            let bytes = content.bytes(64 << 20).await?;
            Ok(Content::value(json!(bytes.len())))
        }
    })
    .await;
    let (writer, reader) = body();
    let taken = Arc::new(AtomicUsize::new(0));
    let writing = tokio::spawn(write_counted(writer, LARGE, Arc::clone(&taken)));
    let asking = two.clone();
    let call = tokio::spawn(async move { asking.request(sending("held", reader)).await });
    let settled = async {
        let mut before = usize::MAX;
        while before != taken.load(Ordering::Acquire) {
            before = taken.load(Ordering::Acquire);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        before
    };
    let unread = settled.await;
    let bound = limits::PART_FIRST_BYTES + 16 * limits::DATA_FRAME_BYTES;
    assert!((1..=bound).contains(&unread), "{unread} of {bound}");
    gate.add_permits(1);
    assert_eq!(call.await.unwrap().unwrap().content.decoded(), Some(json!(LARGE)));
    assert_eq!(writing.await.unwrap(), None);
}

#[tokio::test]
async fn an_unread_part_of_an_answer_holds_no_event_back() {
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "generous"}), |call, _| async move {
        let (writer, reader) = body();
        tokio::spawn(write_all(writer, bytes(LARGE)));
        call.chunk(Content::stream("application/octet-stream", None, reader), false).await?;
        for n in 0..20 {
            call.chunk(Content::text(n.to_string()), false).await?;
        }
        Ok(Content::value(json!("last")))
    })
    .await;
    let mut request = ask("generous", Value::Null);
    request.total_ms = Some(10_000);
    let mut stream = two.stream(request).unwrap();
    let (mut part, mut texts, mut last) = (None, 0, None);
    while let Some(item) = stream.next().await {
        match item.unwrap() {
            StreamItem::Accepted | StreamItem::Progress { .. } => {}
            StreamItem::Chunk { mut content, .. } if part.is_none() => {
                part = content.bodies.take(0);
            }
            StreamItem::Chunk { .. } => texts += 1,
            StreamItem::Final(reply) => last = reply.content.decoded(),
        }
    }
    assert_eq!((texts, last), (20, Some(json!("last"))));
    let part = read_all(part.unwrap()).await;
    assert_eq!(digest(&part), digest(&bytes(LARGE)), "it can still be read");
}

#[tokio::test]
async fn an_ignored_part_of_an_answer_frees_its_writer() {
    let Pair { one, two, _home } = pair().await;
    let (done, told) = tokio::sync::oneshot::channel();
    let done = Arc::new(std::sync::Mutex::new(Some(done)));
    register(&one, json!({"name": "generous"}), move |_, _| {
        let done = done.lock().unwrap().take().unwrap();
        async move {
            let (writer, reader) = body();
            tokio::spawn(async move {
                let _ = done.send(write_counted(writer, LARGE, Arc::default()).await);
            });
            Ok(Content::stream("application/octet-stream", None, reader))
        }
    })
    .await;
    drop(two.request(ask("generous", Value::Null)).await.unwrap());
    let told = tokio::time::timeout(Duration::from_secs(5), told).await.unwrap();
    assert_eq!(told.unwrap(), Some(Kind::Cancelled));
    assert_eq!(one.status().calls, 0);
}

#[tokio::test]
async fn a_text_whose_bytes_never_come_ends_at_the_deadline() {
    let Pair { one, two, _home } = pair().await;
    let held = Arc::new(std::sync::Mutex::new(Vec::new()));
    register(&one, json!({"name": "stuck"}), move |_, _| {
        let (writer, reader) = body();
        held.lock().unwrap().push(writer);
        let mut content = Content::default();
        let part = StreamPart { kind: "text".to_owned(), ..StreamPart::default() };
        content.push_stream(part, reader);
        async move { Ok(content) }
    })
    .await;
    for (timeout_ms, total_ms) in [(300, None), (60_000, Some(300))] {
        let mut request = ask("stuck", Value::Null);
        (request.timeout_ms, request.total_ms) = (Some(timeout_ms), total_ms);
        let ended = tokio::time::timeout(Duration::from_secs(5), two.request(request)).await;
        assert_eq!(ended.unwrap().unwrap_err().kind, Kind::Deadline);
    }
}
