//! The kinds of public key, each a type of its own.

use super::{PublicKey, did, hex};
use crate::error::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;

macro_rules! public_key {
    ($(#[$doc:meta])* $name:ident, $field:literal, $write:path, $read:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes the 32 bytes of an Ed25519 public key; whether anyone can sign for it shows
            /// at the first verification.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// Takes a key that came as a field of a message.
            ///
            /// # Errors
            /// `invalid_argument`, code `bad_key`, unless there are exactly 32 bytes.
            pub fn from_slice(bytes: &[u8]) -> Result<Self> {
                bytes.try_into().map(Self).map_err(|_| {
                    let message = format!("expected a key of 32 bytes, got {}", bytes.len());
                    Error::invalid($field, message).with_code("bad_key")
                })
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }

            /// The 32 bytes as a field of a message.
            pub fn to_wire(&self) -> bytes::Bytes {
                bytes::Bytes::copy_from_slice(&self.0)
            }
        }

        impl PublicKey for $name {
            fn key_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl AsRef<[u8]> for $name {
            fn as_ref(&self) -> &[u8] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&$write(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                $read($field, text).map(Self)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(D::Error::custom)
            }
        }
    };
}

public_key!(
    /// The public key of an agent; its text is a `did:key`.
    ///
    /// ```
    /// use hubless_proto::identity::SecretKey;
    ///
    /// let id = SecretKey::from_seed([7; 32]).agent_id();
    /// assert!(id.to_string().starts_with("did:key:z6Mk"));
    /// assert_eq!(id.to_string().parse(), Ok(id));
    /// ```
    AgentId,
    "agent",
    did::encode,
    did::decode
);

public_key!(
    /// The public key of a node; its text is 64 lower-case hex digits.
    ///
    /// ```
    /// use hubless_proto::identity::NodeKey;
    ///
    /// let key = NodeKey::from_bytes([0xab; 32]);
    /// assert_eq!(key.to_string(), "ab".repeat(32));
    /// assert_eq!(key.to_string().parse(), Ok(key));
    /// ```
    NodeKey,
    "node",
    hex::encode,
    hex::decode
);

public_key!(
    /// The root key of a mesh; its text is 64 lower-case hex digits.
    ///
    /// ```
    /// use hubless_proto::identity::MeshId;
    ///
    /// assert_eq!(MeshId::from_slice(&[1; 31]).unwrap_err().code, "bad_key");
    /// ```
    MeshId,
    "mesh",
    hex::encode,
    hex::decode
);

public_key!(
    /// The root key of spending keys at a metering gateway; its text is 64 lower-case hex digits.
    ///
    /// ```
    /// use hubless_proto::identity::RootKey;
    ///
    /// let key = RootKey::from_bytes([2; 32]);
    /// assert_eq!(key.to_string().parse(), Ok(key));
    /// ```
    RootKey,
    "root",
    hex::encode,
    hex::decode
);
