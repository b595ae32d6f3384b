//! Content on its way into the core.
//!
//! Owns: parts, the shorthand `value`, attachments and handles of streamed parts. Must not know
//! what is done with content. Tested beside the code.

use crate::json::parse;
use crate::session::Session;
use bytes::Bytes;
use hubless::call::body::Bodies;
use hubless_proto::wire::json_text::check_json;
use hubless_proto::wire::v1::{self, part::Kind as PartKind};
use hubless_proto::{Error, error::Result, limits};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// Content as a host gives it: `parts`, or the shorthand `value`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ContentIn {
    #[serde(default, deserialize_with = "parse::present")]
    value: Option<Box<RawValue>>,
    #[serde(default)]
    parts: Vec<PartIn>,
    #[serde(default)]
    metadata: BTreeMap<String, Box<RawValue>>,
    // What content that came out of the core has besides; a host may hand it on as it is.
    #[serde(default, rename = "text")]
    _text: Option<String>,
}

/// A part as a host gives it.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PartIn {
    text: Option<String>,
    #[serde(default, deserialize_with = "parse::present")]
    data: Option<Box<RawValue>>,
    blob: Option<BlobIn>,
    uri: Option<v1::Uri>,
    stream: Option<StreamIn>,
    role: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, Box<RawValue>>,
    #[serde(default, deserialize_with = "parse::present")]
    value: Option<Box<RawValue>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlobIn {
    media_type: String,
    filename: Option<String>,
    attachment: usize,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StreamIn {
    media_type: Option<String>,
    filename: Option<String>,
    size: Option<u64>,
    sha256: Option<String>,
    body: u64,
}

/// Turns what a host gave into messages, with the attachments and handles that it names.
pub(crate) struct Intake<'a> {
    session: &'a Session,
    attachments: &'a [Bytes],
    bodies: Bodies,
    next: u32,
    /// Handles of the streamed parts that were named.
    pub(crate) named: Vec<u64>,
}

impl<'a> Intake<'a> {
    /// Reads what `attachments` and the open bodies of `session` hold.
    pub(crate) const fn new(session: &'a Session, attachments: &'a [Bytes]) -> Self {
        Self { session, attachments, bodies: Bodies::none(), next: 0, named: Vec::new() }
    }

    /// The streamed parts that were named, by the index in their part.
    pub(crate) fn into_bodies(self) -> Bodies {
        self.bodies
    }

    /// Reads content.
    ///
    /// # Errors
    /// `invalid_argument` with the field; `json`, `too_deep`.
    pub(crate) fn content(&mut self, content: ContentIn) -> Result<v1::Content> {
        if content.parts.len() > limits::CONTENT_PARTS {
            let message = "expected fewer parts";
            return Err(Error::new(hubless_proto::Kind::TooLarge, message)
                .with_code("too_many")
                .with_field("content.parts")
                .with_limit("CONTENT_PARTS", limits::CONTENT_PARTS as u64));
        }
        let mut parts = Vec::with_capacity(content.parts.len().max(1));
        if content.parts.is_empty() {
            parts.extend(content.value.map(|value| self.value(&value)).transpose()?);
        }
        for part in content.parts {
            parts.push(self.part(part)?);
        }
        Ok(v1::Content { parts, metadata_json: texts(content.metadata)? })
    }

    /// Reads one part.
    ///
    /// # Errors
    /// As `content`.
    pub(crate) fn part(&mut self, part: PartIn) -> Result<v1::Part> {
        let role = part.role.unwrap_or_default();
        let metadata_json = texts(part.metadata)?;
        let kind = match (part.text, part.data, part.blob, part.uri, part.stream) {
            (Some(text), None, None, None, None) => PartKind::Text(text),
            (None, Some(data), None, None, None) => data_part(&data)?,
            (None, None, Some(blob), None, None) => self.blob(blob)?,
            (None, None, None, Some(uri), None) => PartKind::Uri(uri),
            (None, None, None, None, Some(stream)) => self.stream(stream)?,
            (None, None, None, None, None) => match part.value {
                Some(value) => return self.value(&value).map(|p| v1::Part { role, ..p }),
                None => return Err(one_kind()),
            },
            _ => return Err(one_kind()),
        };
        Ok(v1::Part { kind: Some(kind), metadata_json, role })
    }

    /// The shorthand: a string is a text part, anything else a data part.
    fn value(&self, value: &RawValue) -> Result<v1::Part> {
        let kind = if value.get().starts_with('"') {
            PartKind::Text(parse::field("value", value)?)
        } else {
            data_part(value)?
        };
        Ok(v1::Part { kind: Some(kind), ..v1::Part::default() })
    }

    fn blob(&self, blob: BlobIn) -> Result<PartKind> {
        let bytes = self.attachment(blob.attachment)?;
        let filename = blob.filename.unwrap_or_default();
        Ok(PartKind::Blob(v1::Blob { media_type: blob.media_type, filename, bytes }))
    }

    /// The attachment of an index.
    ///
    /// # Errors
    /// `invalid_argument` when there is none.
    pub(crate) fn attachment(&self, index: usize) -> Result<Bytes> {
        self.attachments.get(index).cloned().ok_or_else(|| {
            let count = self.attachments.len();
            Error::invalid("attachment", format!("expected an index below {count}, got {index}"))
        })
    }

    fn stream(&mut self, stream: StreamIn) -> Result<PartKind> {
        if self.next as usize >= limits::STREAMED_PARTS {
            return Err(Error::new(hubless_proto::Kind::TooLarge, "expected fewer streamed parts")
                .with_field("content.parts")
                .with_limit("STREAMED_PARTS", limits::STREAMED_PARTS as u64));
        }
        let sha256 = stream.sha256.unwrap_or_default();
        let sha256 = data_encoding::HEXLOWER_PERMISSIVE
            .decode(sha256.as_bytes())
            .map_err(|_| Error::invalid("sha256", "expected hex digits"))?;
        let index = self.next;
        self.next += 1;
        self.bodies.insert(index, self.session.bodies.reading_end(stream.body)?);
        self.named.push(stream.body);
        Ok(PartKind::Stream(v1::StreamPart {
            kind: "blob".to_owned(),
            media_type: stream.media_type.unwrap_or_default(),
            filename: stream.filename.unwrap_or_default(),
            size: stream.size,
            sha256: sha256.into(),
            index,
        }))
    }
}

fn one_kind() -> Error {
    Error::invalid("parts", "expected one of text, data, blob, uri or stream in each part")
}

fn data_part(value: &RawValue) -> Result<PartKind> {
    checked(value).map(PartKind::DataJson)
}

/// The text of a value whose depth and strings are in order.
pub(crate) fn checked(value: &RawValue) -> Result<String> {
    check_json("content", value.get())?;
    Ok(value.get().to_owned())
}

/// The texts of named values.
pub(crate) fn texts(values: BTreeMap<String, Box<RawValue>>) -> Result<BTreeMap<String, String>> {
    values.into_iter().map(|(name, value)| Ok((name, checked(&value)?))).collect()
}
