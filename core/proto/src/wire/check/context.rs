//! Content and context: what a prompt, a result and a history are made of.

use super::form::{at_most, bytes32, finite, json_map, long_text, optional_bytes32, present};
use crate::error::{Error, Kind, Result};
use crate::limits as l;
use crate::wire::decode::Checked;
use crate::wire::json_text::check_json;
use crate::wire::text::{check_id, check_text};
use crate::wire::v1;
use std::collections::BTreeSet;

impl Checked for v1::Content {
    fn check(&self) -> Result<()> {
        at_most("content.parts", self.parts.len(), "CONTENT_PARTS", l::CONTENT_PARTS)?;
        self.parts.iter().try_for_each(Checked::check)?;
        check_streams(&self.parts)?;
        json_map("content.metadata", &self.metadata_json)
    }
}

/// Streamed parts of one message: not too many, each under an index of its own.
fn check_streams(parts: &[v1::Part]) -> Result<()> {
    use v1::part::Kind::Stream;
    let mut seen = BTreeSet::new();
    for part in parts {
        let Some(Stream(stream)) = &part.kind else { continue };
        if !seen.insert(stream.index) {
            let message = format!("expected one streamed part of index {}", stream.index);
            return Err(Error::invalid("content.parts", message));
        }
        at_most("content.parts", seen.len(), "STREAMED_PARTS", l::STREAMED_PARTS)?;
    }
    Ok(())
}

impl Checked for v1::Part {
    fn check(&self) -> Result<()> {
        use v1::part::Kind;
        check_text("content.role", &self.role)?;
        json_map("content.metadata", &self.metadata_json)?;
        match present("content.parts", self.kind.as_ref())? {
            Kind::Text(text) => inline(text.len()),
            Kind::DataJson(text) => {
                inline(text.len())?;
                check_json("content.data", text)
            }
            Kind::Blob(blob) => {
                check_text("content.media_type", &blob.media_type)?;
                check_text("content.filename", &blob.filename)?;
                inline(blob.bytes.len())
            }
            Kind::Uri(uri) => {
                long_text("content.uri", &uri.uri)?;
                check_text("content.media_type", &uri.media_type)?;
                check_text("content.digest", &uri.digest)
            }
            Kind::Stream(stream) => stream.check(),
        }
    }
}

/// What stays inside its message is small; larger parts are streamed.
fn inline(bytes: usize) -> Result<()> {
    let bound = l::INLINE_PART_BYTES;
    if bytes <= bound {
        return Ok(());
    }
    let message = format!("expected parts above {bound} bytes to be streamed, got {bytes}");
    Err(Error::new(Kind::TooLarge, message)
        .with_code("part")
        .with_field("content.parts")
        .with_limit("INLINE_PART_BYTES", bound as u64))
}

impl Checked for v1::StreamPart {
    fn check(&self) -> Result<()> {
        let kind = crate::wire::words::StreamKind::ALL;
        if !kind.iter().any(|kind| kind.name() == self.kind) {
            present::<()>("content.kind", None)?;
        }
        check_text("content.media_type", &self.media_type)?;
        check_text("content.filename", &self.filename)?;
        optional_bytes32("content.sha256", &self.sha256)
    }
}

impl Checked for v1::Context {
    fn check(&self) -> Result<()> {
        entries(&self.entries)?;
        at_most("context.pages", self.pages.len(), "CONTEXT_PAGES", l::CONTEXT_PAGES)?;
        for page in &self.pages {
            check_text("context.pages", &page.name)?;
            entries(&page.entries)?;
        }
        let turns = self.history.len();
        at_most("context.history", turns, "CONVERSATION_TURNS", l::CONVERSATION_TURNS)?;
        self.history.iter().try_for_each(Checked::check)?;
        if self.history.iter().any(|part| matches!(part.kind, Some(v1::part::Kind::Stream(_)))) {
            let message = "expected turns that are not streamed";
            return Err(Error::invalid("context.history", message));
        }
        long_text("context.explanation", &self.explanation)?;
        for (key, text) in &self.descriptions {
            check_text("context.descriptions", key)?;
            long_text("context.descriptions", text)?;
        }
        self.reference.as_ref().map_or(Ok(()), Checked::check)
    }
}

fn entries(entries: &[v1::ContextEntry]) -> Result<()> {
    use v1::context_entry::Value;
    at_most("context.entries", entries.len(), "CONTEXT_ENTRIES", l::CONTEXT_ENTRIES)?;
    entries.iter().try_for_each(|entry| {
        check_id("context.key", &entry.key)?;
        finite("context.weight", entry.weight)?;
        super::form::texts("context.links", &entry.links)?;
        match present("context.entries", entry.value.as_ref())? {
            Value::Text(_) => Ok(()),
            Value::DataJson(text) => check_json("context.data", text),
        }
    })
}

impl Checked for v1::ContextReference {
    fn check(&self) -> Result<()> {
        bytes32("context.reference.holder", &self.holder)?;
        check_text("context.reference.page", &self.page)?;
        bytes32("context.reference.digest", &self.digest)?;
        let (limit, bound) = ("TOKEN_BYTES", l::TOKEN_BYTES);
        at_most("context.reference.read_token", self.read_token.len(), limit, bound)
    }
}
