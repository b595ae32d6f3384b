//! Content on its way out of the core.
//!
//! Owns: parts as the host sees them, `value` and `text` beside them, attachments, and the handles
//! of streamed parts. Must not know where content came from. Tested beside the code.

use crate::session::Session;
use bytes::Bytes;
use hubless::call::body::Bodies;
use hubless_proto::wire::json_text::check_doubles;
use hubless_proto::wire::v1::{self, part::Kind as PartKind};
use hubless_proto::{Error, Kind, error::Result};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

type Metadata = BTreeMap<String, Box<RawValue>>;

/// The shorthand of content with one text or data part.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Value {
    Text(String),
    Data(Box<RawValue>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BlobOut {
    media_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    filename: String,
    attachment: usize,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct StreamOut {
    kind: String,
    media_type: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    filename: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "String::is_empty")]
    sha256: String,
    body: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
enum KindOut {
    Text(String),
    Data(Box<RawValue>),
    Blob(BlobOut),
    Uri(v1::Uri),
    Stream(StreamOut),
}

/// A part as a host sees it.
#[derive(Debug, Serialize)]
pub(crate) struct PartOut {
    #[serde(flatten)]
    kind: KindOut,
    #[serde(skip_serializing_if = "String::is_empty")]
    role: String,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
}

/// A part with `value` and `text`, as a chunk shows it.
#[derive(Debug, Serialize)]
pub(crate) struct ValuedPart {
    #[serde(flatten)]
    part: PartOut,
    value: Option<Value>,
    // A text part has its text already.
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'static str>,
}

/// Content as a host sees it.
#[derive(Debug, Serialize)]
pub(crate) struct ContentOut {
    parts: Vec<PartOut>,
    #[serde(skip_serializing_if = "Metadata::is_empty")]
    metadata: Metadata,
    pub(crate) value: Option<Value>,
    pub(crate) text: String,
}

/// Turns messages into what a host sees, collecting attachments and opening handles.
pub(crate) struct Outlet<'a> {
    session: &'a Session,
    attachments: Vec<Bytes>,
    // Let go unless they are taken.
    opened: Vec<u64>,
}

impl<'a> Outlet<'a> {
    /// Opens handles in `session`.
    pub(crate) const fn new(session: &'a Session) -> Self {
        Self { session, attachments: Vec::new(), opened: Vec::new() }
    }

    /// The byte strings that were named, and the handles that were opened.
    pub(crate) fn into_parts(mut self) -> (Vec<Bytes>, Vec<u64>) {
        (std::mem::take(&mut self.attachments), std::mem::take(&mut self.opened))
    }

    /// Shows content.
    ///
    /// # Errors
    /// `json` for data that is none; `transport` for a streamed part without bytes.
    pub(crate) fn content(
        &mut self,
        content: v1::Content,
        bodies: &mut Bodies,
    ) -> Result<ContentOut> {
        let parts: Vec<PartOut> =
            content.parts.into_iter().map(|part| self.part(part, bodies)).collect::<Result<_>>()?;
        let text = parts.iter().filter_map(PartOut::text).collect();
        let value = match parts.as_slice() {
            [only] => only.value(),
            _ => None,
        };
        let metadata = self.values("content", content.metadata_json)?;
        Ok(ContentOut { parts, metadata, value, text })
    }

    /// Shows one part with its `value` and `text`.
    ///
    /// # Errors
    /// As `content`.
    pub(crate) fn valued(&mut self, part: v1::Part, bodies: &mut Bodies) -> Result<ValuedPart> {
        let part = self.part(part, bodies)?;
        let text = if part.text().is_some() { None } else { Some("") };
        Ok(ValuedPart { value: part.value(), part, text })
    }

    /// Shows one part.
    ///
    /// # Errors
    /// As `content`.
    pub(crate) fn part(&mut self, part: v1::Part, bodies: &mut Bodies) -> Result<PartOut> {
        let kind = match part.kind {
            Some(PartKind::Text(text)) => KindOut::Text(text),
            Some(PartKind::DataJson(text)) => KindOut::Data(self.data("content", text)?),
            Some(PartKind::Blob(blob)) => {
                self.attachments.push(blob.bytes);
                KindOut::Blob(BlobOut {
                    media_type: blob.media_type,
                    filename: blob.filename,
                    attachment: self.attachments.len() - 1,
                })
            }
            Some(PartKind::Uri(uri)) => KindOut::Uri(uri),
            Some(PartKind::Stream(stream)) => KindOut::Stream(self.stream(stream, bodies)?),
            // A kind of part that this version does not know.
            None => {
                return Err(Error::refusal(Kind::Unsupported, "part", "a part of unknown kind"));
            }
        };
        let metadata = self.values("content", part.metadata_json)?;
        Ok(PartOut { kind, role: part.role, metadata })
    }

    /// Shows JSON text that a peer wrote.
    ///
    /// # Errors
    /// As `raw`; `number_precision` naming `field` where the host would change a number.
    pub(crate) fn data(&self, field: &str, text: String) -> Result<Box<RawValue>> {
        checked(self.session, field, || text.as_str())?;
        raw(text)
    }

    /// Shows named JSON texts that a peer wrote.
    ///
    /// # Errors
    /// As `data`.
    pub(crate) fn values(&self, field: &str, texts: BTreeMap<String, String>) -> Result<Metadata> {
        texts.into_iter().map(|(name, text)| Ok((name, self.data(field, text)?))).collect()
    }

    fn stream(&mut self, part: v1::StreamPart, bodies: &mut Bodies) -> Result<StreamOut> {
        let body = bodies.take(part.index).ok_or_else(|| {
            Error::refusal(Kind::Transport, "incomplete", "a streamed part came without its bytes")
        })?;
        let body = self.session.bodies.show(body);
        self.opened.push(body);
        Ok(StreamOut {
            kind: part.kind,
            media_type: part.media_type,
            filename: part.filename,
            size: part.size,
            sha256: data_encoding::HEXLOWER.encode(&part.sha256),
            body,
        })
    }
}

impl Drop for Outlet<'_> {
    fn drop(&mut self) {
        for body in self.opened.drain(..) {
            self.session.bodies.drop_handle(body);
        }
    }
}

impl PartOut {
    fn text(&self) -> Option<&str> {
        match &self.kind {
            KindOut::Text(text) => Some(text),
            KindOut::Data(_) | KindOut::Blob(_) | KindOut::Uri(_) | KindOut::Stream(_) => None,
        }
    }

    fn value(&self) -> Option<Value> {
        match &self.kind {
            KindOut::Text(text) => Some(Value::Text(text.clone())),
            KindOut::Data(data) => Some(Value::Data(data.clone())),
            KindOut::Blob(_) | KindOut::Uri(_) | KindOut::Stream(_) => None,
        }
    }
}

/// Refuses JSON text with a number that the host of `session` would change; the text is asked for
/// only where it has to be looked at.
///
/// # Errors
/// `json`, code `number_precision`, naming `field`.
pub(crate) fn checked<T: AsRef<str>>(
    session: &Session,
    field: &str,
    text: impl FnOnce() -> T,
) -> Result<()> {
    if !session.doubles.load(Ordering::Acquire) {
        return Ok(());
    }
    check_doubles(field, text().as_ref())
}

/// JSON text as a value.
///
/// # Errors
/// `json` when it is none.
pub(crate) fn raw(text: String) -> Result<Box<RawValue>> {
    let text = if text.is_empty() { "null".to_owned() } else { text };
    RawValue::from_string(text)
        .map_err(|_| Error::refusal(Kind::Json, "not_json", "expected JSON text from the peer"))
}
