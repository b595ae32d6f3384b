//! Ids of the ledger: random bytes that are made outside and never reused.

use crate::error::{Error, Result};
use crate::identity::{NodeKey, hex};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

macro_rules! id {
    ($($(#[$doc:meta])* $name:ident $bytes:literal $field:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// Takes the bytes.
            pub const fn from_bytes(bytes: [u8; $bytes]) -> Self {
                Self(bytes)
            }

            /// Takes an id that came as a field of a message.
            ///
            /// # Errors
            /// `invalid_argument` for another length.
            pub fn from_slice(bytes: &[u8]) -> Result<Self> {
                bytes.try_into().map(Self).map_err(|_| {
                    let message = format!("expected {} bytes, got {}", $bytes, bytes.len());
                    Error::invalid($field, message)
                })
            }

            /// The bytes.
            pub const fn as_bytes(&self) -> &[u8; $bytes] {
                &self.0
            }

            /// The bytes as a field of a message.
            pub fn to_wire(&self) -> bytes::Bytes {
                bytes::Bytes::copy_from_slice(&self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(&self.0))
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
                hex::decode($field, text).map(Self)
            }
        }
    )*};
}

id! {
    /// A budget: SHA-256 over the node key of its root and 16 random bytes, so that whoever reads
    /// it knows whose signature stops it.
    BudgetId 32 "budget"
    /// A grant, or the account of a budget at its root.
    GrantId 16 "grant"
    /// A reservation; unique among those of its grant.
    ReservationId 16 "reservation"
    /// The call that a grant was cut for.
    CallId 16 "call_id"
}

/// Whose budget it is.
///
/// ```
/// use hubless_proto::identity::NodeKey;
/// use hubless_proto::killswitch::Origin;
///
/// let origin = Origin { root: NodeKey::from_bytes([1; 32]), nonce: [2; 16] };
/// let other = Origin { nonce: [3; 16], ..origin };
/// assert_ne!(origin.budget_id(), other.budget_id());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// Node at which the budget begins.
    pub root: NodeKey,
    /// 16 random bytes.
    pub nonce: [u8; 16],
}

impl Origin {
    /// The id of the budget.
    pub fn budget_id(&self) -> BudgetId {
        let digest = Sha256::new().chain_update(self.root).chain_update(self.nonce).finalize();
        BudgetId(digest.into())
    }

    /// The account of the budget at its root, from which its first grants are cut.
    pub fn account(&self) -> GrantId {
        let mut id = [0; 16];
        id.iter_mut().zip(self.budget_id().0).for_each(|(to, from)| *to = from);
        GrantId(id)
    }
}
