//! Events that nobody takes while a reader reads the bytes that come beside them.

use super::support::{Pair, ask, pair, register, soon};
use super::{bytes, read_all};
use hubless::node::CallStream;
use hubless::{Body, Content, Kind, Node, StreamItem, body};
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, StreamPart, part};
use serde_json::{Value, json};

/// More than there is room for on the way of an event.
const PIECES: usize = 300;

/// More streamed parts than may be open at once.
const PARTS: usize = limits::OPEN_PARTS + 50;

/// An agent `told` that says after each piece of a streamed part how far it is, and one `mute` that
/// says more than there is room for before the first piece.
async fn agents(node: &Node) {
    register(node, json!({"name": "told", "streaming": true}), |call, content| async move {
        let kind = content.joined_text();
        let (writer, reader) = body();
        let mut answer = Content::default();
        answer.push_stream(StreamPart { kind, ..StreamPart::default() }, reader);
        call.chunk(answer, false).await?;
        for number in 0..PIECES {
            writer.write(bytes::Bytes::from_static(&[b'x'; 1_000])).await?;
            call.progress(&number.to_string(), None).await?;
        }
        writer.end();
        Ok(Content::value(json!("last")))
    })
    .await;
    register(node, json!({"name": "mute", "streaming": true}), |call, _| async move {
        let (writer, reader) = body();
        call.chunk(Content::stream("application/octet-stream", None, reader), false).await?;
        for _ in 0..2 * limits::WAITING_EVENTS {
            call.chunk(Content::text("x"), false).await?;
        }
        // The part has no end before the call has.
        let over = call.cancelled().await;
        drop(writer);
        Err(over)
    })
    .await;
}

/// Reads on until a streamed part comes.
async fn first_part(stream: &mut CallStream) -> Body {
    loop {
        let item = soon("the part", stream.next()).await.expect("an item").unwrap();
        if let StreamItem::Chunk { mut content, .. } = item {
            return content.bodies.take(0).expect("a streamed part");
        }
    }
}

#[tokio::test]
async fn bytes_are_read_before_the_events_that_come_beside_them() {
    let Pair { one, two, _home } = pair().await;
    agents(&one).await;
    // From another node, and from the agent's own.
    for node in [&two, &one] {
        let mut stream = node.stream(ask("told", json!("blob"))).unwrap();
        let part = first_part(&mut stream).await;
        let read = soon("the bytes", read_all(part)).await;
        assert_eq!(read.len(), PIECES * 1_000);
        let (mut notes, mut last) = (Vec::new(), None);
        while let Some(item) = soon("the next item", stream.next()).await {
            match item.unwrap() {
                StreamItem::Progress { note, .. } => notes.push(note),
                StreamItem::Final(reply) => last = reply.content.decoded(),
                StreamItem::Accepted | StreamItem::Chunk { .. } => {}
            }
        }
        // Of those that waited too long the last one stands for all.
        assert_eq!(notes.first().map(String::as_str), Some("0"));
        assert_eq!(notes.last(), Some(&(PIECES - 1).to_string()));
        assert_eq!(last, Some(json!("last")));
    }
}

#[tokio::test]
async fn a_text_is_gathered_while_events_come_beside_its_bytes() {
    let Pair { one, two, _home } = pair().await;
    agents(&one).await;
    for node in [&two, &one] {
        let mut stream = node.stream(ask("told", json!("text"))).unwrap();
        let mut text = String::new();
        while let Some(item) = soon("the next item", stream.next()).await {
            if let StreamItem::Chunk { content, .. } = item.unwrap() {
                text.push_str(&content.joined_text());
            }
        }
        assert_eq!(text.len(), PIECES * 1_000);
    }
}

/// More waits than there is room for, and what the reader waits for comes after it: nobody can go
/// on. The reader is told, and so is who reads the stream.
#[tokio::test]
async fn a_reader_of_bytes_that_cannot_come_is_told_when_the_call_is_given_up() {
    let Pair { one, two, _home } = pair().await;
    agents(&one).await;
    for node in [&two, &one] {
        let mut request = ask("mute", Value::Null);
        request.timeout_ms = Some(500);
        let mut stream = node.stream(request).unwrap();
        let part = first_part(&mut stream).await;
        let read = soon("the end of the part", part.gather(1_000)).await;
        assert_eq!(read.unwrap_err().code, "incomplete");
        let mut last = None;
        while let Some(item) = soon("the next item", stream.next()).await {
            last = Some(item);
        }
        assert_eq!(last.unwrap().unwrap_err().kind, Kind::Deadline);
    }
}

#[tokio::test]
async fn more_streamed_parts_than_may_be_open_hold_their_handler_back() {
    let Pair { one, two, _home } = pair().await;
    register(&one, json!({"name": "parts", "streaming": true}), |call, _| async move {
        for _ in 0..PARTS {
            let bytes = bytes(limits::STREAMED_PART_BYTES + 1).into();
            let blob = v1::Blob { bytes, ..v1::Blob::default() };
            let part = v1::Part { kind: Some(part::Kind::Blob(blob)), ..v1::Part::default() };
            call.chunk(v1::Content { parts: vec![part], ..Default::default() }.into(), false)
                .await?;
        }
        Ok(Content::default())
    })
    .await;
    let reply = soon("the answer", two.request(ask("parts", Value::Null))).await.unwrap();
    let mut content = reply.content;
    assert_eq!(content.message.parts.len(), PARTS);
    for (_, part) in content.bodies.drain() {
        assert_eq!(read_all(part).await.len(), limits::STREAMED_PART_BYTES + 1);
    }
}
