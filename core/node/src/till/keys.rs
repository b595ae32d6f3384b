//! Spending keys, made here: the machine of `hubless_proto` with a clock and chance.

use crate::chance;
use hubless_proto::error::Result;
use hubless_proto::identity::SecretKey;
use hubless_proto::killswitch::Allowance;
use hubless_proto::metering::chain::SpendKey;
use std::time::Duration;

/// A root key that nobody has had before.
///
/// ```
/// use hubless::till::{fresh_root, issue};
/// use hubless_proto::metering::Micros;
/// use std::time::Duration;
///
/// let root = fresh_root();
/// let child = issue(&root, Micros::new(50).unwrap(), Duration::from_secs(60))?;
/// assert_eq!(child.chain().root, root.chain().root);
/// # Ok::<(), hubless::Error>(())
/// ```
#[must_use]
pub fn fresh_root() -> SpendKey {
    SpendKey::root(&SecretKey::from_seed(chance::bytes()))
}

/// A key below another one, from now on for so long, or as long as that one; asks nobody. What
/// `limit` does not limit, as a bare cost does not limit tokens, is limited as that one limits it.
///
/// # Errors
/// As [`SpendKey::issue`], and so for a key whose time is over.
pub fn issue(key: &SpendKey, limit: impl Into<Allowance>, life: Duration) -> Result<SpendKey> {
    let now_ms = chance::now_ms();
    let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX);
    let above = key.chain().links.last();
    let above_ms = above.map_or(u64::MAX, |link| link.until_ms);
    let until_ms = now_ms.saturating_add(life_ms).min(above_ms);
    let limit = limit.into();
    let limit = above.map_or(limit, |above| limit.or(&above.limit));
    key.issue(chance::bytes(), limit, (now_ms, until_ms))
}
