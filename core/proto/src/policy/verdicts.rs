//! Verdicts of a user's auth function, kept for a while.

use super::{Caller, CallerKey};
use crate::limits;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// What a verdict holds for: digest of scheme and credential, and the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerdictKey {
    digest: [u8; 32],
    caller: CallerKey,
}

impl VerdictKey {
    /// The key of one credential shown by one caller.
    pub fn new(caller: &Caller, scheme: &str, credential: &str) -> Self {
        let digest = Sha256::new()
            .chain_update((scheme.len() as u64).to_be_bytes())
            .chain_update(scheme)
            .chain_update(credential)
            .finalize();
        Self { digest: digest.into(), caller: caller.key() }
    }
}

/// The verdicts of one agent; at most `AUTH_CACHE_ENTRIES`, none older than `AUTH_CACHE`.
#[derive(Debug, Default)]
pub struct AuthVerdicts {
    verdicts: BTreeMap<VerdictKey, Verdict>,
    // Same entries as `verdicts`, by their end.
    ends: BTreeSet<(u64, VerdictKey)>,
}

#[derive(Debug, Clone, Copy)]
struct Verdict {
    allow: bool,
    until_ms: u64,
}

impl AuthVerdicts {
    /// Nothing is known.
    pub const fn new() -> Self {
        Self { verdicts: BTreeMap::new(), ends: BTreeSet::new() }
    }

    /// What the function said about this, if that still holds.
    pub fn known(&self, key: &VerdictKey, now_ms: u64) -> Option<bool> {
        self.verdicts.get(key).filter(|verdict| now_ms < verdict.until_ms).map(|v| v.allow)
    }

    /// Keeps a verdict for `keep_ms`, at most `AUTH_CACHE`.
    pub fn keep(&mut self, key: VerdictKey, allow: bool, keep_ms: u64, now_ms: u64) {
        let most = u64::try_from(limits::AUTH_CACHE.as_millis()).unwrap_or(u64::MAX);
        let until_ms = now_ms.saturating_add(keep_ms.min(most));
        if let Some(old) = self.verdicts.remove(&key) {
            self.ends.remove(&(old.until_ms, key));
        }
        if until_ms <= now_ms {
            return;
        }
        while self.verdicts.len() >= limits::AUTH_CACHE_ENTRIES {
            let Some((_, first)) = self.ends.pop_first() else { break };
            self.verdicts.remove(&first);
        }
        self.verdicts.insert(key, Verdict { allow, until_ms });
        self.ends.insert((until_ms, key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeKey;

    fn key(node: u8, scheme: &str, credential: &str) -> VerdictKey {
        let caller = Caller::local(NodeKey::from_bytes([node; 32]), None);
        VerdictKey::new(&caller, scheme, credential)
    }

    #[test]
    fn holds_for_one_credential_of_one_caller_and_ends() {
        let mut verdicts = AuthVerdicts::new();
        verdicts.keep(key(1, "custom", "a"), true, 1_000, 5);
        assert_eq!(verdicts.known(&key(1, "custom", "a"), 1_004), Some(true));
        assert_eq!(verdicts.known(&key(1, "custom", "a"), 1_005), None);
        assert_eq!(verdicts.known(&key(2, "custom", "a"), 6), None);
        assert_eq!(verdicts.known(&key(1, "customa", ""), 6), None);
        verdicts.keep(key(1, "custom", "a"), false, 0, 6);
        assert_eq!(verdicts.known(&key(1, "custom", "a"), 6), None);
    }

    #[test]
    fn is_bounded_in_time_and_number() {
        let mut verdicts = AuthVerdicts::new();
        for n in 0..limits::AUTH_CACHE_ENTRIES + 10 {
            verdicts.keep(key(1, "custom", &n.to_string()), true, u64::MAX, n as u64);
        }
        assert_eq!(verdicts.verdicts.len(), limits::AUTH_CACHE_ENTRIES);
        assert_eq!(verdicts.ends.len(), limits::AUTH_CACHE_ENTRIES);
        assert_eq!(verdicts.known(&key(1, "custom", "20"), 20 + 60_000), None);
    }
}
