//! Skill documents: the long form of a skill, fetched and checked by digest.

use super::decode::{Checked, decode_within};
use super::record::{self, Digest};
use super::v1;
use crate::error::{Error, Kind, Result};
use crate::limits::{AGENT_DOCUMENTS_BYTES, SKILL_DOCUMENT_BYTES};
use bytes::Bytes;
use prost::Message;

/// A skill document as the bytes that its digest is of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sealed {
    /// The encoded document.
    pub bytes: Bytes,
    /// SHA-256 of the bytes.
    pub digest: Digest,
}

/// Encodes a document once and for all.
///
/// # Errors
/// `too_large` above 256 KiB; `json` for a schema or an example that is no JSON.
pub fn seal(document: &v1::SkillDocument) -> Result<Sealed> {
    document.check()?;
    let bytes = Bytes::from(document.encode_to_vec());
    check_size("SKILL_DOCUMENT_BYTES", bytes.len(), SKILL_DOCUMENT_BYTES)?;
    let digest = record::digest(&bytes);
    Ok(Sealed { bytes, digest })
}

/// Encodes all documents of an agent, which together are bounded as well.
///
/// # Errors
/// As [`seal`], and `too_large` when they are above 1 MiB together.
pub fn seal_all(documents: &[v1::SkillDocument]) -> Result<Vec<Sealed>> {
    let sealed = documents.iter().map(seal).collect::<Result<Vec<_>>>()?;
    let bytes = sealed.iter().map(|document| document.bytes.len()).sum();
    check_size("AGENT_DOCUMENTS_BYTES", bytes, AGENT_DOCUMENTS_BYTES)?;
    Ok(sealed)
}

/// Reads a document that was fetched by its digest.
///
/// # Errors
/// `too_large`; `content`, code `digest_mismatch`; `transport`, code `bad_frame`; `json`.
pub fn open(bytes: &Bytes, digest: &[u8]) -> Result<v1::SkillDocument> {
    check_size("SKILL_DOCUMENT_BYTES", bytes.len(), SKILL_DOCUMENT_BYTES)?;
    if record::digest(bytes) != digest {
        let message = "expected the skill document of the digest that was asked for";
        return Err(Error::new(Kind::Content, message).with_code("digest_mismatch"));
    }
    decode_within(bytes.clone(), SKILL_DOCUMENT_BYTES)
}

fn check_size(limit: &str, bytes: usize, bound: usize) -> Result<()> {
    if bytes <= bound {
        return Ok(());
    }
    let message = format!("expected skill documents of at most {bound} bytes, got {bytes}");
    Err(Error::new(Kind::TooLarge, message)
        .with_code("skill_document")
        .with_field("skills")
        .with_limit(limit, bound as u64))
}
