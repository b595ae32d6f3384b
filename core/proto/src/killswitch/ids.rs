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

/// Random bytes in the nonce of a strict budget; what follows them says that it is one.
const STRICT_RANDOM: usize = 10;
const STRICT: &[u8] = b"hubless/strict/v1\0";

impl Origin {
    /// That of a strict budget: the last six bytes of its nonce are a hash of the root and of the
    /// first ten of these random ones, so that nobody can show a part of the budget as one of a
    /// budget that is not strict.
    ///
    /// ```
    /// use hubless_proto::identity::NodeKey;
    /// use hubless_proto::killswitch::Origin;
    ///
    /// let strict = Origin::strict(NodeKey::from_bytes([1; 32]), [2; 16]);
    /// assert!(strict.is_strict());
    /// assert!(!Origin { nonce: [2; 16], ..strict }.is_strict());
    /// ```
    pub fn strict(root: NodeKey, random: [u8; 16]) -> Self {
        let mut nonce = random;
        let (head, mark) = nonce.split_at_mut(STRICT_RANDOM);
        let digest = Sha256::new().chain_update(STRICT).chain_update(root).chain_update(&*head);
        mark.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
        Self { root, nonce }
    }

    /// True when its holders go on only as long as the root itself says so.
    pub fn is_strict(&self) -> bool {
        *self == Self::strict(self.root, self.nonce)
    }

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
