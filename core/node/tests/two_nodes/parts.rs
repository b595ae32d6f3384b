//! Streamed parts that somebody does not read: they hold back nothing but themselves.

use super::support::{Pair, WAIT_MS, ask, pair, register, soon};
use super::{bytes, digest, read_all, write_all};
use hubless::foreign::{Answer, ToolHost};
use hubless::{Body, BodyWriter, Content, Kind, RequestOptions, StreamItem, body};
use hubless_proto::limits;
use hubless_proto::wire::v1::StreamPart;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
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

/// A request with this streamed part; it ends after a minute at the latest.
fn sending(to: &str, reader: Body) -> RequestOptions {
    let mut request =
        RequestOptions::read(json!({"to": to, "totalMs": 60_000, "timeoutMs": 60_000,
        "waitMs": WAIT_MS, "tools": [{"name": "two", "inputSchema": {"type": "object"}}]}))
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
    let told = soon("the end of the writing", writing).await;
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
        let mut before = 0;
        while before == 0 || before != taken.load(Ordering::Acquire) {
            before = taken.load(Ordering::Acquire);
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        before
    };
    let unread = soon("the end of the room", settled).await;
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
    request.total_ms = Some(60_000);
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
    let told = soon("the end of the writing", told).await;
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
        let ended = soon("the deadline", two.request(request)).await;
        assert_eq!(ended.unwrap_err().kind, Kind::Deadline);
    }
}

/// A streamed text or blob of these bytes, under a digest that is theirs or not.
fn under_digest(kind: &str, of: &'static [u8], right: bool) -> Content {
    let (writer, reader) = body();
    tokio::spawn(write_all(writer, of.to_vec()));
    let mut sha256 = Sha256::digest(of).to_vec();
    sha256[31] ^= u8::from(!right);
    let mut content = Content::default();
    let kind = kind.to_owned();
    content.push_stream(StreamPart { kind, sha256: sha256.into(), ..Default::default() }, reader);
    content
}

fn mismatch(error: &hubless::Error) -> bool {
    (error.kind, error.code.as_str()) == (Kind::Content, "digest_mismatch")
}

#[tokio::test]
async fn a_text_that_is_not_its_digest_is_refused_before_the_handler_runs() {
    let Pair { one, two, _home } = pair().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    register(&one, json!({"name": "echo"}), move |_, content| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok(content) }
    })
    .await;
    for (kind, of) in [("text", &b"hello"[..]), ("data", b"{\"a\":1}")] {
        runs.store(0, Ordering::SeqCst);
        for right in [false, true] {
            let mut request = ask("echo", Value::Null);
            request.content = under_digest(kind, of, right);
            let error = two.request(request).await.err();
            assert_eq!(error.as_ref().is_some_and(mismatch), !right, "{kind}: {error:?}");
            assert_eq!(runs.load(Ordering::SeqCst), usize::from(right), "{kind}");
        }
    }
}

#[tokio::test]
async fn bytes_that_are_not_their_digest_are_refused_at_their_end_both_ways() {
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "reads"}), |_, mut content| async move {
        let read = content.bytes(100).await?;
        Ok(Content::value(json!(read.len())))
    })
    .await;
    register(&one, json!({"name": "makes"}), |_, content| async move {
        let right = content.decoded() == Some(json!(true));
        Ok(under_digest("blob", b"hello", right))
    })
    .await;
    for right in [false, true] {
        let mut request = ask("reads", Value::Null);
        request.content = under_digest("blob", b"hello", right);
        let error = two.request(request).await.err();
        assert_eq!(error.as_ref().is_some_and(mismatch), !right, "{error:?}");
        let mut made = two.request(ask("makes", json!(right))).await.unwrap();
        let read = made.content.bytes(100).await;
        assert_eq!(read.as_ref().err().is_some_and(mismatch), !right, "{read:?}");
    }
}

#[tokio::test]
async fn a_streamed_text_counts_against_the_size_of_a_request_while_it_arrives() {
    let Pair { one, two, _home } = pair().await;
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&runs);
    let options = json!({"name": "small", "requirements": {"maxRequestBytes": 700_000}});
    register(&one, options, move |_, content| {
        counted.fetch_add(1, Ordering::SeqCst);
        async move { Ok(Content::value(json!(content.joined_text().len()))) }
    })
    .await;
    for (size, ran) in [(LARGE, 0), (800_000, 0), (600_000, 1)] {
        let error = two.request(ask("small", json!("x".repeat(size)))).await.err();
        let told = error.as_ref().map(|error| (error.kind, error.field.as_deref()));
        assert_eq!(told, (ran == 0).then_some((Kind::TooLarge, Some("request"))), "{size}");
        assert_eq!(runs.load(Ordering::SeqCst), ran, "{size}");
    }
}
