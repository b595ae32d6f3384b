//! A secret that is never printed and is compared without a hint.

use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::Zeroizing;

/// A credential: wiped on drop, without an encoder, printed as its type only.
///
/// ```
/// use hubless_proto::policy::Secret;
///
/// let secret = Secret::from("open-sesame".to_owned());
/// assert!(secret.matches("open-sesame") && !secret.matches("open-sesam"));
/// assert_eq!(format!("{secret:?}"), "Secret");
/// ```
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// The text, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// True for nothing but the same text; the time taken tells neither content nor length of the
    /// secret, since digests of equal length are compared to their end.
    pub fn matches(&self, given: &str) -> bool {
        let own = Sha256::digest(self.0.as_bytes());
        let other = Sha256::digest(given.as_bytes());
        own.iter().zip(other.iter()).fold(0, |all, (a, b)| all | (a ^ b)) == 0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}
