//! Input schemas of skills, for queries that ask what an agent accepts.

use crate::limits;
use crate::wire::record::Digest;
use crate::wire::v1;
use serde_json::Value;
use std::collections::BTreeMap;

/// Input schemas by the digest of their skill document; the oldest goes first.
#[derive(Debug, Default)]
pub(super) struct Documents {
    // None: the document has no input schema.
    schemas: BTreeMap<Digest, Row>,
    order: BTreeMap<u64, Digest>,
    added: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Row {
    schema: Option<Value>,
    bytes: usize,
}

impl Documents {
    /// Keeps the input schema of a document whose digest was checked.
    pub(super) fn add(&mut self, digest: Digest, document: &v1::SkillDocument) {
        if self.schemas.contains_key(&digest) {
            return;
        }
        let text = &document.input_schema_json;
        let schema = serde_json::from_str(text).ok();
        self.added += 1;
        self.bytes += text.len();
        self.schemas.insert(digest, Row { schema, bytes: text.len() });
        self.order.insert(self.added, digest);
        while self.schemas.len() > limits::DIRECTORY_SCHEMAS
            || self.bytes > limits::DIRECTORY_SCHEMA_BYTES
        {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            self.bytes -= self.schemas.remove(&oldest).map_or(0, |row| row.bytes);
        }
    }

    pub(super) fn knows(&self, digest: &[u8]) -> bool {
        self.row(digest).is_some()
    }

    /// Documents of the skills of an agent that are not known.
    pub(super) fn missing(&self, of: &v1::Descriptor) -> impl Iterator<Item = Digest> {
        let digests = of.skills.iter().map(|skill| Digest::try_from(&*skill.document_digest));
        digests.filter_map(Result::ok).filter(|digest| !self.schemas.contains_key(digest))
    }

    pub(super) fn schema(&self, digest: &[u8]) -> Option<&Value> {
        self.row(digest)?.schema.as_ref()
    }

    fn row(&self, digest: &[u8]) -> Option<&Row> {
        let digest: Digest = digest.try_into().ok()?;
        self.schemas.get(&digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(schema: &str) -> v1::SkillDocument {
        let input_schema_json = schema.to_owned();
        v1::SkillDocument { input_schema_json, ..v1::SkillDocument::default() }
    }

    fn digest(n: usize) -> Digest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&(n as u64).to_be_bytes());
        digest
    }

    #[test]
    fn keeps_the_latest_within_number_and_bytes() {
        let mut all = Documents::default();
        for n in 0..limits::DIRECTORY_SCHEMAS + 3 {
            all.add(digest(n), &document("{}"));
        }
        assert_eq!(all.schemas.len(), limits::DIRECTORY_SCHEMAS);
        assert!(!all.knows(&digest(2)) && all.schema(&digest(3)).is_some());
        let large = format!("{{\"title\": \"{}\"}}", "x".repeat(limits::SCHEMA_BYTES));
        for n in 0..limits::DIRECTORY_SCHEMA_BYTES / limits::SCHEMA_BYTES + 3 {
            all.add(digest(1_000_000 + n), &document(&large));
            assert!(all.bytes <= limits::DIRECTORY_SCHEMA_BYTES);
        }
        assert_eq!(all.schemas.len(), all.order.len());
        all.add(digest(5_000_000), &document(""));
        assert!(all.knows(&digest(5_000_000)) && all.schema(&digest(5_000_000)).is_none());
        assert!(!all.knows(b"short"));
    }
}
