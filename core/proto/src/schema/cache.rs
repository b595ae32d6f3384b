//! Compiled schemas by their text.

use super::Schema;
use crate::error::Result;
use crate::limits;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The schemas last used; at most `SCHEMA_CACHE_ENTRIES` with `SCHEMA_CACHE_BYTES` of text.
#[derive(Debug, Default)]
pub struct SchemaCache {
    entries: BTreeMap<[u8; 32], Entry>,
    // Same entries as `entries`, by use.
    used: BTreeMap<u64, [u8; 32]>,
    uses: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    schema: Arc<Schema>,
    used: u64,
    bytes: usize,
}

impl SchemaCache {
    /// Nothing is compiled.
    pub const fn new() -> Self {
        Self { entries: BTreeMap::new(), used: BTreeMap::new(), uses: 0, bytes: 0 }
    }

    /// The compiled form of `text`.
    ///
    /// # Errors
    /// As `Schema::compile`; what is refused is not kept.
    pub fn compiled(&mut self, text: &str) -> Result<Arc<Schema>> {
        let key: [u8; 32] = Sha256::digest(text.as_bytes()).into();
        self.uses += 1;
        if let Some(entry) = self.entries.get_mut(&key) {
            self.used.remove(&entry.used);
            self.used.insert(self.uses, key);
            entry.used = self.uses;
            return Ok(Arc::clone(&entry.schema));
        }
        let schema = Arc::new(Schema::compile(text)?);
        self.bytes += text.len();
        let entry = Entry { schema: Arc::clone(&schema), used: self.uses, bytes: text.len() };
        self.entries.insert(key, entry);
        self.used.insert(self.uses, key);
        self.shrink();
        Ok(schema)
    }

    fn shrink(&mut self) {
        while self.entries.len() > limits::SCHEMA_CACHE_ENTRIES
            || self.bytes > limits::SCHEMA_CACHE_BYTES
        {
            let Some((_, oldest)) = self.used.pop_first() else { break };
            self.bytes -= self.entries.remove(&oldest).map_or(0, |entry| entry.bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compiles_once_and_forgets_the_least_used() {
        let mut cache = SchemaCache::new();
        let text = |n: usize| format!(r#"{{"const": {n}}}"#);
        let first = cache.compiled(&text(0)).unwrap();
        for n in 1..limits::SCHEMA_CACHE_ENTRIES + 5 {
            cache.compiled(&text(n)).unwrap();
            assert!(Arc::ptr_eq(&first, &cache.compiled(&text(0)).unwrap()));
        }
        assert_eq!(cache.entries.len(), limits::SCHEMA_CACHE_ENTRIES);
        assert_eq!(cache.used.len(), limits::SCHEMA_CACHE_ENTRIES);
        assert_eq!(cache.bytes, cache.entries.values().map(|entry| entry.bytes).sum::<usize>());
        assert!(cache.compiled("{").is_err());
        assert_eq!(cache.entries.len(), limits::SCHEMA_CACHE_ENTRIES);
    }

    #[test]
    fn is_bounded_in_bytes() {
        let mut cache = SchemaCache::new();
        let filler = "x".repeat(limits::SCHEMA_BYTES - 100);
        for n in 0..limits::SCHEMA_CACHE_BYTES / limits::SCHEMA_BYTES + 3 {
            let text = format!(r#"{{"const": {n}, "title": "{filler}"}}"#);
            cache.compiled(&text).unwrap();
            assert!(cache.bytes <= limits::SCHEMA_CACHE_BYTES);
        }
    }
}
