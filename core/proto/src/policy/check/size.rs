//! Sizes of a request, whole or while its streamed parts arrive.

use crate::error::{Error, Kind, Result};
use crate::limits;
use crate::policy::Policy;
use crate::wire::v1::{self, part};
use prost::Message as _;

/// Bytes of a request, streamed parts counted as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sizes {
    /// All of it, as it is encoded.
    pub total: u64,
    /// What its parts hold; the rest is bounded by the frame.
    pub content: u64,
    /// Its blobs.
    pub binary: u64,
}

impl Sizes {
    /// Counts what came inside the message.
    fn inline(request: &v1::Request) -> Self {
        let mut sizes = Self { total: request.encoded_len() as u64, ..Self::default() };
        for part in request.content.iter().flat_map(|content| &content.parts) {
            let (binary, bytes) = inline_part(part);
            sizes.content = sizes.content.saturating_add(bytes as u64);
            if binary {
                sizes.binary = sizes.binary.saturating_add(bytes as u64);
            }
        }
        sizes
    }

    /// Counts a request; a streamed part without a declared size counts as nothing.
    pub fn of(request: &v1::Request) -> Self {
        let mut sizes = Self::inline(request);
        for part in request.content.iter().flat_map(|content| &content.parts) {
            let Some(part::Kind::Stream(stream)) = &part.kind else { continue };
            let declared = stream.size.unwrap_or_default();
            sizes.add(is_binary(&stream.kind), declared);
        }
        sizes
    }

    const fn add(&mut self, binary: bool, bytes: u64) {
        self.total = self.total.saturating_add(bytes);
        self.content = self.content.saturating_add(bytes);
        if binary {
            self.binary = self.binary.saturating_add(bytes);
        }
    }

    /// Refuses more than the agent takes.
    ///
    /// # Errors
    /// `too_large`; the bound is named only where it is the default.
    pub fn check(&self, policy: &Policy) -> Result<()> {
        let rules = policy.requirements();
        self.within(rules.max_request_bytes, rules.max_binary_bytes)
    }

    /// The bound of an agent's own is on all of the request, the default on what it holds: 64 MiB
    /// are taken whatever is said about them.
    fn within(&self, request: Option<u64>, binary: Option<u64>) -> Result<()> {
        let counted = if request.is_some() { self.total } else { self.content };
        within(counted, request, "request")?;
        within(self.binary, binary, "content")
    }
}

/// Counts the bytes of streamed parts as they arrive.
#[derive(Debug)]
pub struct Meter {
    counted: Sizes,
    request_max: Option<u64>,
    binary_max: Option<u64>,
}

impl Meter {
    /// Begins with what came inside the request.
    pub fn new(policy: &Policy, request: &v1::Request) -> Self {
        let rules = policy.requirements();
        Self {
            counted: Sizes::inline(request),
            request_max: rules.max_request_bytes,
            binary_max: rules.max_binary_bytes,
        }
    }

    /// Counts `bytes` more of a streamed part whose `kind` is text, data or blob.
    ///
    /// # Errors
    /// `too_large`, once a bound is passed.
    pub fn count(&mut self, kind: &str, bytes: u64) -> Result<()> {
        self.counted.add(is_binary(kind), bytes);
        self.counted.within(self.request_max, self.binary_max)
    }
}

fn within(bytes: u64, own: Option<u64>, field: &str) -> Result<()> {
    if bytes <= own.unwrap_or(limits::REQUEST_BYTES) {
        return Ok(());
    }
    let error =
        Error::refusal(Kind::TooLarge, "size", "larger than the agent takes").with_field(field);
    // An own bound is private; the default is not.
    Err(match own {
        Some(_) => error,
        None => error.with_limit("REQUEST_BYTES", limits::REQUEST_BYTES),
    })
}

/// Whether a part is a blob, and the bytes that it holds inside the message.
const fn inline_part(part: &v1::Part) -> (bool, usize) {
    match &part.kind {
        Some(part::Kind::Blob(blob)) => (true, blob.bytes.len()),
        Some(part::Kind::Text(text) | part::Kind::DataJson(text)) => (false, text.len()),
        Some(part::Kind::Uri(_) | part::Kind::Stream(_)) | None => (false, 0),
    }
}

fn is_binary(kind: &str) -> bool {
    !matches!(kind, "text" | "data")
}
