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
    /// Its blobs.
    pub binary: u64,
}

impl Sizes {
    /// Counts what came inside the message.
    fn inline(request: &v1::Request) -> Self {
        let blobs = request.content.iter().flat_map(|content| &content.parts).map(inline_blob);
        Self { total: request.encoded_len() as u64, binary: blobs.sum() }
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
        within(self.total, rules.max_request_bytes, "request")?;
        within(self.binary, rules.max_binary_bytes, "content")
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
        within(self.counted.total, self.request_max, "request")?;
        within(self.counted.binary, self.binary_max, "content")
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

fn inline_blob(part: &v1::Part) -> u64 {
    match &part.kind {
        Some(part::Kind::Blob(blob)) => blob.bytes.len() as u64,
        Some(
            part::Kind::Text(_)
            | part::Kind::DataJson(_)
            | part::Kind::Uri(_)
            | part::Kind::Stream(_),
        )
        | None => 0,
    }
}

fn is_binary(kind: &str) -> bool {
    !matches!(kind, "text" | "data")
}
