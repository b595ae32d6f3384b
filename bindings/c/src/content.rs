//! Content in both directions: parts of the program, parts of the library.

use crate::arena::Arena;
use crate::body::Body;
use crate::entry::{self, Options};
use crate::fault::{Fault, Result};
use crate::handles::{handle, lock};
use crate::state::{BODIES, Node};
use crate::types::{hubless_body, hubless_bytes, hubless_str};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};

/// `kind` of a part: text.
pub const HUBLESS_PART_TEXT: i32 = 1;
/// `kind` of a part: a JSON value.
pub const HUBLESS_PART_JSON: i32 = 2;
/// `kind` of a part: bytes with a media type.
pub const HUBLESS_PART_BLOB: i32 = 3;
/// `kind` of a part: the address of something elsewhere.
pub const HUBLESS_PART_URI: i32 = 4;
/// `kind` of a part: bytes that are streamed, see `hubless_body`.
pub const HUBLESS_PART_STREAM: i32 = 5;

const BYTES: &str = "application/octet-stream";

/// What errors call the text and the JSON of content, as in every language.
const CONTENT: &str = "content";

/// One part of content. Zero what a kind does not use.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_part {
    /// `sizeof(hubless_part)`, in every element.
    pub size: usize,
    /// One of `HUBLESS_PART_*`.
    pub kind: i32,
    /// The text, the JSON text, or the URI.
    pub text: hubless_str,
    /// Bytes of a blob.
    pub bytes: hubless_bytes,
    /// Media type of a blob, stream or URI, such as `image/png`.
    pub media_type: hubless_str,
    /// File name of a blob or stream.
    pub filename: hubless_str,
    /// Conversation role: `user`, `assistant`, `system`, `developer` or `tool`.
    pub role: hubless_str,
    /// A JSON object.
    pub metadata_json: hubless_str,
    /// The streamed bytes. Given: one of `hubless_body_open`, or one that was received.
    pub body: *mut hubless_body,
    /// Announced size of a streamed part, or of what a URI names, in bytes; 0: not known.
    pub stream_size: u64,
    /// Announced SHA-256 of a streamed part in hex.
    pub sha256: hubless_str,
    /// Digest of what a URI names, such as `sha256:` and hex digits.
    pub digest: hubless_str,
}

/// Content that is given: `text`, or `json`, or `parts`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_content {
    /// `sizeof(hubless_content)`.
    pub size: usize,
    /// One text part.
    pub text: hubless_str,
    /// One data part: a JSON text.
    pub json: hubless_str,
    /// Any parts.
    pub parts: *const hubless_part,
    /// Number of them.
    pub part_count: usize,
    /// A JSON object.
    pub metadata_json: hubless_str,
}

/// Content that was received; everything in it belongs to what it came with.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_received {
    /// All text parts, joined.
    pub text: hubless_str,
    /// With exactly one text or data part: its value as JSON; else none.
    pub value_json: hubless_str,
    /// The parts.
    pub parts: *const hubless_part,
    /// Number of them.
    pub part_count: usize,
    /// A JSON object; none when empty.
    pub metadata_json: hubless_str,
}

// SAFETY: `repr(C)`, begins with its size, all zero is a value.
unsafe impl Options for hubless_part {}
// SAFETY: as above.
unsafe impl Options for hubless_content {}

/// Reads content into the contract's form and its attachments.
///
/// # Safety
/// `content` is NULL or a valid `hubless_content`.
pub(crate) unsafe fn read(content: *const hubless_content) -> Result<(Value, Vec<Bytes>)> {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        let given = entry::options(content)?;
        let metadata = entry::json("metadata_json", given.metadata_json)?;
        let mut attachments = Vec::new();
        let mut out = Map::new();
        if let Some(text) = entry::any_text(CONTENT, given.text)? {
            out.insert("value".to_owned(), Value::String(text));
        } else if let Some(json) = entry::json(CONTENT, given.json)? {
            out.insert("value".to_owned(), json!(json));
        } else {
            let parts = entry::array("parts", given.parts, given.part_count)?;
            let parts = parts
                .iter()
                .map(|part| read_part(part, &mut attachments))
                .collect::<Result<Vec<_>>>()?;
            out.insert("parts".to_owned(), Value::Array(parts));
        }
        if let Some(metadata) = metadata {
            out.insert("metadata".to_owned(), json!(metadata));
        }
        Ok((Value::Object(out), attachments))
    }
}

unsafe fn read_part(part: &hubless_part, attachments: &mut Vec<Bytes>) -> Result<Value> {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        let media_type = entry::text("media_type", part.media_type)?;
        let filename = entry::text("filename", part.filename)?;
        let mut out = match part.kind {
            HUBLESS_PART_TEXT => {
                json!({"text": entry::any_text(CONTENT, part.text)?.unwrap_or_default()})
            }
            HUBLESS_PART_JSON => {
                let value = entry::json(CONTENT, part.text)?;
                json!({"data": value.ok_or_else(|| Fault::invalid(CONTENT, "expected JSON"))?})
            }
            HUBLESS_PART_BLOB => {
                attachments.push(entry::bytes("bytes", part.bytes)?.unwrap_or_default());
                let blob = json!({
                    "mediaType": media_type.unwrap_or_else(|| BYTES.to_owned()),
                    "filename": filename,
                    "attachment": attachments.len() - 1,
                });
                json!({ "blob": blob })
            }
            HUBLESS_PART_URI => {
                let uri = entry::need("text", part.text)?;
                let mut link = json!({"uri": uri, "mediaType": media_type.unwrap_or_default()});
                if let Some(digest) = entry::text("digest", part.digest)? {
                    set(&mut link, "digest", Value::String(digest));
                }
                if part.stream_size > 0 {
                    set(&mut link, "size", json!(part.stream_size));
                }
                json!({ "uri": link })
            }
            HUBLESS_PART_STREAM => {
                let body = BODIES.get(part.body)?;
                let mut stream = json!({
                    "kind": "blob",
                    "mediaType": media_type.unwrap_or_else(|| BYTES.to_owned()),
                    "filename": filename,
                    "sha256": entry::text("sha256", part.sha256)?,
                    "body": body.id,
                });
                if part.stream_size > 0 {
                    set(&mut stream, "size", json!(part.stream_size));
                }
                json!({ "stream": stream })
            }
            _ => return Err(Fault::invalid("kind", "expected one of HUBLESS_PART_*")),
        };
        if let Some(role) = entry::text("role", part.role)? {
            set(&mut out, "role", Value::String(role));
        }
        if let Some(metadata) = entry::json("metadata_json", part.metadata_json)? {
            set(&mut out, "metadata", json!(metadata));
        }
        Ok(out)
    }
}

/// Sets a field of an object.
pub(crate) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// Content as the contract shows it.
#[derive(Default, Deserialize)]
pub(crate) struct ContentIn {
    #[serde(default)]
    parts: Vec<PartIn>,
    metadata: Option<Box<RawValue>>,
    #[serde(default, deserialize_with = "present")]
    value: Option<Box<RawValue>>,
    #[serde(default)]
    text: String,
}

fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}

#[derive(Deserialize)]
struct PartIn {
    text: Option<String>,
    // A JSON null is a value as well.
    #[serde(default, deserialize_with = "present")]
    data: Option<Box<RawValue>>,
    blob: Option<BlobIn>,
    uri: Option<UriIn>,
    stream: Option<StreamIn>,
    role: Option<String>,
    metadata: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlobIn {
    media_type: String,
    filename: Option<String>,
    attachment: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UriIn {
    uri: String,
    #[serde(default)]
    media_type: String,
    #[serde(default)]
    digest: String,
    size: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StreamIn {
    media_type: String,
    filename: Option<String>,
    size: Option<u64>,
    sha256: Option<String>,
    body: u64,
}

/// Received content and the memory behind it.
pub(crate) struct Received {
    parts: Vec<hubless_part>,
    _arena: Arena,
    text: hubless_str,
    value: hubless_str,
    metadata: hubless_str,
    value_text: Option<Box<str>>,
    /// What was read out of the value.
    derived: Mutex<Arena>,
    /// Handles of its streamed parts.
    bodies: Vec<usize>,
}

// SAFETY: its pointers go into its own arena, or are handles that are never followed.
unsafe impl Send for Received {}
// SAFETY: as above; it is not changed once it is made.
unsafe impl Sync for Received {}

impl Received {
    /// Takes content in; streamed parts get handles of `node`.
    pub(crate) fn new(content: ContentIn, attachments: &[Bytes], node: &Arc<Node>) -> Self {
        let mut arena = Arena::default();
        let mut bodies = Vec::new();
        let mut parts = Vec::with_capacity(content.parts.len());
        for part in content.parts {
            parts.push(show(part, attachments, (&mut arena, node, &mut bodies)));
        }
        let one = matches!(
            parts.as_slice(),
            [hubless_part { kind: HUBLESS_PART_TEXT | HUBLESS_PART_JSON, .. }]
        );
        let value = content.value.filter(|_| one);
        Self {
            text: arena.text(content.text),
            value_text: value.as_ref().map(|value| value.get().into()),
            derived: Mutex::default(),
            value: raw(&mut arena, value),
            metadata: raw(&mut arena, content.metadata),
            parts,
            _arena: arena,
            bodies,
        }
    }

    /// What the program sees of it.
    pub(crate) fn view(&self) -> hubless_received {
        hubless_received {
            text: self.text,
            value_json: self.value,
            parts: if self.parts.is_empty() { std::ptr::null() } else { self.parts.as_ptr() },
            part_count: self.parts.len(),
            metadata_json: self.metadata,
        }
    }

    /// The one value as JSON, and memory for what is read out of it.
    pub(crate) fn with_value<T>(&self, read: impl FnOnce(&mut Arena, Option<&str>) -> T) -> T {
        let mut derived = lock(&self.derived);
        read(&mut derived, self.value_text.as_deref())
    }

    /// Lets go of streamed parts that nobody read.
    pub(crate) fn let_go(&self) {
        for body in &self.bodies {
            crate::body::let_go(*body);
        }
    }
}

fn raw(arena: &mut Arena, value: Option<Box<RawValue>>) -> hubless_str {
    value.map_or(hubless_str::NONE, |value| arena.text(Box::<str>::from(value)))
}

fn show(
    part: PartIn,
    attachments: &[Bytes],
    (arena, node, bodies): (&mut Arena, &Arc<Node>, &mut Vec<usize>),
) -> hubless_part {
    let mut out = hubless_part {
        size: size_of::<hubless_part>(),
        kind: 0,
        text: hubless_str::NONE,
        bytes: hubless_bytes::NONE,
        media_type: hubless_str::NONE,
        filename: hubless_str::NONE,
        role: part.role.map_or(hubless_str::NONE, |role| arena.text(role)),
        metadata_json: raw(arena, part.metadata),
        body: std::ptr::null_mut(),
        stream_size: 0,
        sha256: hubless_str::NONE,
        digest: hubless_str::NONE,
    };
    if let Some(blob) = part.blob {
        out.kind = HUBLESS_PART_BLOB;
        out.bytes = arena.bytes(attachments.get(blob.attachment).cloned().unwrap_or_default());
        out.media_type = arena.text(blob.media_type);
        out.filename = arena.text(blob.filename.unwrap_or_default());
    } else if let Some(uri) = part.uri {
        (out.kind, out.text) = (HUBLESS_PART_URI, arena.text(uri.uri));
        out.media_type = arena.text(uri.media_type);
        out.digest = arena.text(uri.digest);
        out.stream_size = uri.size.unwrap_or_default();
    } else if let Some(stream) = part.stream {
        out.kind = HUBLESS_PART_STREAM;
        out.media_type = arena.text(stream.media_type);
        out.filename = arena.text(stream.filename.unwrap_or_default());
        out.sha256 = arena.text(stream.sha256.unwrap_or_default());
        out.stream_size = stream.size.unwrap_or_default();
        // Of a node that was closed meanwhile it has no handle.
        if let Ok(id) = node.hold(&BODIES, Body::new(Arc::clone(node), stream.body)) {
            bodies.push(id);
            out.body = handle(id);
        }
    } else if let Some(data) = part.data {
        (out.kind, out.text) = (HUBLESS_PART_JSON, arena.text(Box::<str>::from(data)));
    } else {
        (out.kind, out.text) = (HUBLESS_PART_TEXT, arena.text(part.text.unwrap_or_default()));
    }
    out
}
