//! Content as programs see it: the parts, and the bytes of those that are streamed.

use super::body::{Bodies, Body};
use hubless_proto::wire::decode::Checked;
use hubless_proto::wire::json_text::check_json;
use hubless_proto::wire::v1::{self, part};
use hubless_proto::{Error, Kind, error::Result, limits};
use serde_json::Value;

/// What a prompt or a result is made of.
///
/// A `StreamPart` in `message` names by its index the body that holds its bytes.
///
/// ```
/// use hubless::Content;
/// use serde_json::json;
///
/// assert_eq!(Content::value(json!("hi")).joined_text(), "hi");
/// let data = Content::value(json!({"a": 1}));
/// assert_eq!(data.decoded(), Some(json!({"a": 1})));
/// assert_eq!(data.message.parts.len(), 1);
/// ```
#[derive(Debug, Default)]
pub struct Content {
    /// Parts and metadata.
    pub message: v1::Content,
    /// Bytes of the streamed parts.
    pub bodies: Bodies,
}

impl Content {
    /// One text part.
    pub fn text(text: impl Into<String>) -> Self {
        Self::from(v1::Content { parts: vec![text_part(text)], ..v1::Content::default() })
    }

    /// One data part.
    pub fn data(value: &Value) -> Self {
        Self::from(v1::Content { parts: vec![data_part(value)], ..v1::Content::default() })
    }

    /// A string as one text part, anything else as one data part.
    pub fn value(value: Value) -> Self {
        match value {
            Value::String(text) => Self::text(text),
            value @ (Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_)) => Self::data(&value),
        }
    }

    /// One streamed blob.
    pub fn stream(media_type: &str, size: Option<u64>, body: Body) -> Self {
        let mut content = Self::default();
        content.push_stream(
            v1::StreamPart {
                kind: "blob".to_owned(),
                media_type: media_type.to_owned(),
                size,
                ..v1::StreamPart::default()
            },
            body,
        );
        content
    }

    /// Adds a streamed part; its index is chosen here.
    pub fn push_stream(&mut self, mut stream: v1::StreamPart, body: Body) {
        stream.index = self.bodies.next_index();
        self.bodies.insert(stream.index, body);
        self.message
            .parts
            .push(v1::Part { kind: Some(part::Kind::Stream(stream)), ..v1::Part::default() });
    }

    /// The decoded value: of one text part its string, of one data part its JSON value, else none.
    pub fn decoded(&self) -> Option<Value> {
        let [only] = self.message.parts.as_slice() else { return None };
        part_value(only)
    }

    /// All text parts, joined.
    pub fn joined_text(&self) -> String {
        self.message.parts.iter().filter_map(part_text).collect()
    }

    /// The message with the bytes of its streamed parts inside, as blobs of at most `max` bytes
    /// together.
    ///
    /// # Errors
    /// As [`Body::gather`].
    ///
    /// # Cancellation
    /// What was read is lost.
    pub async fn inline(mut self, max: u64) -> Result<v1::Content> {
        let mut room = max;
        for part in &mut self.message.parts {
            let Some(part::Kind::Stream(stream)) = &part.kind else { continue };
            let Some(body) = self.bodies.take(stream.index) else { continue };
            let bytes = body.gather(room).await?;
            room = room.saturating_sub(bytes.len() as u64);
            let (media_type, filename) = (stream.media_type.clone(), stream.filename.clone());
            part.kind = Some(part::Kind::Blob(v1::Blob { media_type, filename, bytes }));
        }
        Ok(self.message)
    }

    /// The bytes of the first blob or streamed part, taken out.
    ///
    /// # Errors
    /// `not_found` when there is none; as [`Body::gather`].
    pub async fn bytes(&mut self, max: u64) -> Result<bytes::Bytes> {
        let found = self.message.parts.iter().find_map(|part| match &part.kind {
            Some(part::Kind::Blob(blob)) => Some(Ok(blob.bytes.clone())),
            Some(part::Kind::Stream(stream)) => Some(Err(stream.index)),
            Some(part::Kind::Text(_) | part::Kind::DataJson(_) | part::Kind::Uri(_)) | None => None,
        });
        match found {
            Some(Ok(bytes)) => Ok(bytes),
            Some(Err(index)) => match self.bodies.take(index) {
                Some(body) => body.gather(max).await,
                None => Err(Error::new(Kind::NotFound, "the streamed part was taken already")),
            },
            None => Err(Error::new(Kind::NotFound, "expected a part of bytes, found none")),
        }
    }
}

impl From<v1::Content> for Content {
    fn from(message: v1::Content) -> Self {
        Self { message, bodies: Bodies::none() }
    }
}

/// Checks the bounds of a content that is still whole: parts that are too large for a message are
/// streamed when they travel.
pub(crate) fn check(message: &v1::Content) -> Result<()> {
    let mut rest = v1::Content {
        metadata_json: message.metadata_json.clone(),
        parts: vec![text_part(""); message.parts.len()],
    };
    for (part, rest) in message.parts.iter().zip(&mut rest.parts) {
        match &part.kind {
            Some(part::Kind::Text(text)) if text.len() > limits::INLINE_PART_BYTES => {}
            Some(part::Kind::DataJson(text)) if text.len() > limits::INLINE_PART_BYTES => {
                check_json("content.data", text)?;
            }
            Some(part::Kind::Blob(blob)) if blob.bytes.len() > limits::INLINE_PART_BYTES => {}
            Some(part::Kind::Stream(_)) => rest.clone_from(part),
            Some(
                part::Kind::Text(_)
                | part::Kind::DataJson(_)
                | part::Kind::Blob(_)
                | part::Kind::Uri(_),
            )
            | None => part.check()?,
        }
    }
    rest.check()
}

/// A text part.
pub fn text_part(text: impl Into<String>) -> v1::Part {
    v1::Part { kind: Some(part::Kind::Text(text.into())), ..v1::Part::default() }
}

/// A data part.
pub fn data_part(value: &Value) -> v1::Part {
    v1::Part { kind: Some(part::Kind::DataJson(value.to_string())), ..v1::Part::default() }
}

/// The string of a text part, the JSON value of a data part, else none.
pub fn part_value(part: &v1::Part) -> Option<Value> {
    match part.kind.as_ref()? {
        part::Kind::Text(text) => Some(Value::String(text.clone())),
        part::Kind::DataJson(text) => serde_json::from_str(text).ok(),
        part::Kind::Blob(_) | part::Kind::Uri(_) | part::Kind::Stream(_) => None,
    }
}

/// The string of a text part, else none.
pub fn part_text(part: &v1::Part) -> Option<&str> {
    match part.kind.as_ref()? {
        part::Kind::Text(text) => Some(text),
        part::Kind::DataJson(_)
        | part::Kind::Blob(_)
        | part::Kind::Uri(_)
        | part::Kind::Stream(_) => None,
    }
}
