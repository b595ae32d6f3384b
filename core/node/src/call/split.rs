//! Large parts on their way between processes: split into streams before, gathered after.

use super::body::Body;
use super::content::Content;
use bytes::Bytes;
use hubless_proto::error::Result;
use hubless_proto::wire::json_text::check_json;
use hubless_proto::wire::v1::{self, part};
use hubless_proto::{Error, Kind, limits};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of a message that its parts may use together; the rest is for everything else in it.
const ROOM: usize = limits::MESSAGE_FRAME_BYTES / 4 * 3;

/// Turns parts that are too large for a message into streamed parts.
///
/// # Errors
/// `too_large` for more than 64 streamed parts.
pub(crate) fn split(mut content: Content) -> Result<Content> {
    let mut used = 0_usize;
    for index in 0..content.message.parts.len() {
        let Some(part) = content.message.parts.get_mut(index) else { break };
        let (size, bound) = match &part.kind {
            Some(part::Kind::Blob(blob)) => (blob.bytes.len(), limits::STREAMED_PART_BYTES),
            Some(part::Kind::Text(text) | part::Kind::DataJson(text)) => {
                (text.len(), limits::INLINE_PART_BYTES)
            }
            Some(part::Kind::Uri(_) | part::Kind::Stream(_)) | None => continue,
        };
        if size <= bound && used.saturating_add(size) <= ROOM {
            used = used.saturating_add(size);
            continue;
        }
        let next = content.bodies.next_index();
        if let Some((stream, bytes)) = streamed(part.kind.take(), next) {
            part.kind = Some(part::Kind::Stream(stream));
            content.bodies.insert(next, Body::ready(bytes));
        }
    }
    check_count(&content)?;
    Ok(content)
}

fn streamed(kind: Option<part::Kind>, index: u32) -> Option<(v1::StreamPart, Bytes)> {
    let (kind, media_type, filename, bytes) = match kind? {
        part::Kind::Blob(blob) => ("blob", blob.media_type, blob.filename, blob.bytes),
        part::Kind::Text(text) => ("text", String::new(), String::new(), Bytes::from(text)),
        part::Kind::DataJson(text) => ("data", String::new(), String::new(), Bytes::from(text)),
        part::Kind::Uri(_) | part::Kind::Stream(_) => return None,
    };
    let stream = v1::StreamPart {
        kind: kind.to_owned(),
        media_type,
        filename,
        size: Some(bytes.len() as u64),
        sha256: Bytes::copy_from_slice(&Sha256::digest(&bytes)),
        index,
    };
    Some((stream, bytes))
}

fn check_count(content: &Content) -> Result<()> {
    let streams = content.message.parts.iter();
    let streams = streams.filter(|part| matches!(part.kind, Some(part::Kind::Stream(_)))).count();
    if streams <= limits::STREAMED_PARTS {
        return Ok(());
    }
    Err(Error::refusal(Kind::TooLarge, "", "too many streamed parts in one message")
        .with_field("content")
        .with_limit("STREAMED_PARTS", limits::STREAMED_PARTS as u64))
}

/// Counts the bytes of a kind of streamed part as they arrive.
pub(crate) type Count = Arc<dyn Fn(&str, u64) -> Result<()> + Send + Sync>;

/// Counts up to `most` bytes in all.
pub(crate) fn up_to(most: u64) -> Count {
    let left = AtomicU64::new(most);
    Arc::new(move |_, bytes| {
        let taken =
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        taken.map(|_| ()).map_err(|_| {
            let message = format!("expected at most {most} bytes in streamed parts together");
            Error::refusal(Kind::TooLarge, "", message)
                .with_field("content.parts")
                .with_limit("REQUEST_BYTES", most)
        })
    })
}

/// Turns streamed text and data back into ordinary parts, and makes streamed blobs check
/// themselves; `count` sees the bytes of all of them.
///
/// # Errors
/// `too_large`; `content` for a digest that differs or a missing body; `transport` (`not_utf8`);
/// `json` (`too_deep`, or not JSON).
pub(crate) async fn gather(mut content: Content, count: &Count) -> Result<Content> {
    for part in &mut content.message.parts {
        let Some(part::Kind::Stream(stream)) = &part.kind else { continue };
        let body = content.bodies.take(stream.index).ok_or_else(|| {
            Error::refusal(Kind::Content, "missing_part", "a streamed part has no bytes")
        })?;
        let (counter, kind) = (Arc::clone(count), stream.kind.clone());
        let body = body
            .expecting(stream.size, digest(&stream.sha256)?)
            .metered(move |bytes| counter(&kind, bytes));
        if stream.kind == "blob" {
            let index = stream.index;
            content.bodies.insert(index, body);
            continue;
        }
        let bytes = body.gather(limits::REQUEST_BYTES).await?;
        part.kind = Some(whole(&stream.kind, &bytes)?);
    }
    Ok(content)
}

fn digest(bytes: &[u8]) -> Result<Option<[u8; 32]>> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let digest = <[u8; 32]>::try_from(bytes);
    digest.map(Some).map_err(|_| {
        Error::refusal(Kind::Content, "digest_mismatch", "expected a SHA-256 of 32 bytes")
    })
}

fn whole(kind: &str, bytes: &[u8]) -> Result<part::Kind> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| Error::refusal(Kind::Transport, "not_utf8", "a streamed text is not UTF-8"))?;
    match kind {
        "text" => Ok(part::Kind::Text(text.to_owned())),
        "data" => {
            check_json("content", text)?;
            Ok(part::Kind::DataJson(text.to_owned()))
        }
        _ => {
            Err(Error::refusal(Kind::Unsupported, "part_kind", "an unknown kind of streamed part"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::content::{data_part, text_part};

    #[tokio::test]
    async fn large_parts_come_back_as_they_were() {
        let text = "ä".repeat(400_000);
        let value = serde_json::json!({"x": "y".repeat(600_000)});
        let blob = v1::Blob { bytes: Bytes::from(vec![7; 100_000]), ..v1::Blob::default() };
        let blob_part = v1::Part { kind: Some(part::Kind::Blob(blob)), ..v1::Part::default() };
        let parts = vec![text_part(text.clone()), data_part(&value), blob_part];
        let content = Content::from(v1::Content { parts, ..v1::Content::default() });
        let sent = split(content).unwrap();
        assert!(prost::Message::encoded_len(&sent.message) < 1_000);
        let mut got = gather(sent, &up_to(limits::REQUEST_BYTES)).await.unwrap();
        assert_eq!(got.joined_text(), text);
        assert_eq!(crate::call::content::part_value(&got.message.parts[1]), Some(value));
        assert_eq!(got.bytes(200_000).await.unwrap().len(), 100_000);
    }

    #[tokio::test]
    async fn small_parts_stay_inside_until_the_message_is_full() {
        let parts = (0..3).map(|_| text_part("x".repeat(400_000))).collect();
        let sent = split(Content::from(v1::Content { parts, ..v1::Content::default() })).unwrap();
        let streams = sent.message.parts.iter();
        let streams = streams.filter(|p| matches!(p.kind, Some(part::Kind::Stream(_)))).count();
        assert_eq!(streams, 2);
    }

    #[tokio::test]
    async fn gathering_is_bounded() {
        let content = split(Content::text("x".repeat(600_000))).unwrap();
        let error = gather(content, &up_to(1_000)).await.unwrap_err();
        assert_eq!((error.kind, error.field.as_deref()), (Kind::TooLarge, Some("content.parts")));
        assert_eq!(error.limit.map(|limit| limit.value), Some(1_000));
    }
}
