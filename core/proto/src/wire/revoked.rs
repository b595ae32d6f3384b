//! Keys that a mesh lets in no more: one list, signed by the root key of the mesh, which grows and
//! never ends.
//!
//! Owns: how it is signed and read, and which of two stands. Must not know: where it is kept, and
//! whose a key is. Tested here, and between nodes in `core/node/src/mesh/tests/revocation.rs`.

use super::decode::decode_within;
use super::v1;
use crate::error::{Error, Kind, Result};
use crate::identity::{Domain, MeshId, SecretKey, verify};
use crate::limits;
use bytes::Bytes;
use prost::Message as _;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A list of revoked keys whose signature holds under the root key of its mesh.
///
/// ```
/// use hubless_proto::identity::SecretKey;
/// use hubless_proto::wire::revoked::RevokedKeys;
///
/// let root = SecretKey::from_seed([1; 32]);
/// let first = RevokedKeys::after(None, &root, [[2; 32]], 1_700_000_000_000).unwrap();
/// let next = RevokedKeys::after(Some(&first), &root, [[3; 32]], 1_700_000_000_000).unwrap();
/// assert!(next.holds(&[2; 32]) && next.holds(&[3; 32]) && next.beats(&first));
/// assert_eq!(RevokedKeys::open(next.signed(), root.mesh_id()), Ok(next));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RevokedKeys {
    seq: u64,
    keys: Arc<BTreeSet<[u8; 32]>>,
    signed: v1::SignedRecord,
}

impl Eq for RevokedKeys {}

impl RevokedKeys {
    /// The list that follows on `last` with more keys: of nodes, of members, of bearer tickets.
    ///
    /// # Errors
    /// `too_large`, limit `REVOKED_KEYS`, when they do not all fit.
    pub fn after(
        last: Option<&Self>,
        root: &SecretKey,
        more: impl IntoIterator<Item = [u8; 32]>,
        now_ms: u64,
    ) -> Result<Self> {
        let mut keys = last.map(|last| last.keys.as_ref().clone()).unwrap_or_default();
        keys.extend(more);
        if keys.len() > limits::REVOKED_KEYS {
            let message = format!("expected at most {} revoked keys", limits::REVOKED_KEYS);
            return Err(Error::new(Kind::TooLarge, message)
                .with_limit("REVOKED_KEYS", limits::REVOKED_KEYS as u64));
        }
        // Where two folders have the root key, the later list is the one that was made later.
        let seq = last.map_or(now_ms, |last| now_ms.max(last.seq.saturating_add(1)));
        let wire = v1::RevokedKeys {
            mesh: root.mesh_id().to_wire(),
            seq,
            keys: keys.iter().map(|key| Bytes::copy_from_slice(key)).collect(),
        };
        let signed = Bytes::from(wire.encode_to_vec());
        let signature = Bytes::copy_from_slice(&root.sign(Domain::Revoked, &signed));
        Ok(Self { seq, keys: Arc::new(keys), signed: v1::SignedRecord { signed, signature } })
    }

    /// Checks a list that somebody shows or that was kept, as one of this mesh.
    ///
    /// # Errors
    /// `denied`, code `not_operator`, unless the root key of the mesh signed it for this mesh; as
    /// [`decode_within`] for what is none.
    pub fn open(signed: &v1::SignedRecord, mesh: MeshId) -> Result<Self> {
        let not_operator = || {
            let message = "expected a list of revoked keys that the root key of this mesh signed";
            Error::refusal(Kind::Denied, "not_operator", message)
        };
        verify(&mesh, Domain::Revoked, &signed.signed, &signed.signature)
            .map_err(|_| not_operator())?;
        let wire: v1::RevokedKeys =
            decode_within(signed.signed.clone(), limits::CONTROL_FRAME_BYTES)?;
        if MeshId::from_slice(&wire.mesh)? != mesh {
            return Err(not_operator());
        }
        let keys = wire.keys.iter().filter_map(|key| <[u8; 32]>::try_from(key.as_ref()).ok());
        let (seq, keys) = (wire.seq, Arc::new(keys.collect()));
        Ok(Self { seq, keys, signed: signed.clone() })
    }

    /// True when this list stands and `other` does not: it is later or, of two of one number, has
    /// the lower bytes.
    pub fn beats(&self, other: &Self) -> bool {
        let order = |list: &Self| (list.seq, std::cmp::Reverse(list.signed.signed.clone()));
        order(self) > order(other)
    }

    /// Its number.
    pub const fn seq(&self) -> u64 {
        self.seq
    }

    /// Its keys, in order.
    pub fn keys(&self) -> impl Iterator<Item = &[u8; 32]> {
        self.keys.iter()
    }

    /// True for a key that is revoked.
    pub fn holds(&self, key: &[u8; 32]) -> bool {
        self.keys.contains(key)
    }

    /// The bytes that were signed, to be kept and passed on.
    pub const fn signed(&self) -> &v1::SignedRecord {
        &self.signed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::REVOKED_KEYS;

    const NOW: u64 = 1_700_000_000_000;

    fn root() -> SecretKey {
        SecretKey::from_seed([1; 32])
    }

    fn keys(many: usize) -> impl Iterator<Item = [u8; 32]> {
        (0..many as u64).map(|number| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&number.to_be_bytes());
            key
        })
    }

    #[test]
    fn only_the_root_of_the_mesh_writes_it() {
        let (root, stranger) = (root(), SecretKey::from_seed([2; 32]));
        let list = RevokedKeys::after(None, &root, [[7; 32]], NOW).unwrap();
        let opened = RevokedKeys::open(list.signed(), root.mesh_id());
        assert_eq!(opened.as_ref(), Ok(&list));
        assert!(list.holds(&[7; 32]) && !list.holds(&[8; 32]));
        let code =
            |signed: &v1::SignedRecord, mesh| RevokedKeys::open(signed, mesh).unwrap_err().code;
        for bit in 0..list.signed().signed.len() * 8 {
            let mut bytes = list.signed().signed.to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let altered = v1::SignedRecord { signed: bytes.into(), ..list.signed().clone() };
            assert_eq!(code(&altered, root.mesh_id()), "not_operator", "bit {bit}");
        }
        assert_eq!(code(list.signed(), stranger.mesh_id()), "not_operator");
        // Signed as another statement, or for another mesh.
        for (domain, mesh) in
            [(Domain::OperatorStop, root.mesh_id()), (Domain::Revoked, stranger.mesh_id())]
        {
            let wire = v1::RevokedKeys { mesh: mesh.to_wire(), seq: 1, keys: Vec::new() };
            let signed = Bytes::from(wire.encode_to_vec());
            let signature = Bytes::copy_from_slice(&root.sign(domain, &signed));
            let forged = v1::SignedRecord { signed, signature };
            assert_eq!(code(&forged, root.mesh_id()), "not_operator", "{domain:?}");
        }
    }

    #[test]
    fn a_later_list_stands_and_of_two_of_one_number_the_same_everywhere() {
        let root = root();
        let of = |last: Option<&RevokedKeys>, key: u8, now_ms| {
            RevokedKeys::after(last, &root, [[key; 32]], now_ms).unwrap()
        };
        let (first, other) = (of(None, 1, NOW), of(None, 2, NOW));
        let next = of(Some(&first), 3, NOW - 5_000);
        assert_eq!((first.seq(), next.seq()), (NOW, NOW + 1), "a clock that went back");
        assert!(next.beats(&first) && !first.beats(&next) && !first.beats(&first));
        assert_ne!(first.beats(&other), other.beats(&first));
        assert_eq!(next.keys().copied().collect::<Vec<_>>(), [[1; 32], [3; 32]], "none is lost");
    }

    #[test]
    fn so_many_keys_fit_into_a_list_and_into_a_frame() {
        let root = root();
        let list = RevokedKeys::after(None, &root, keys(REVOKED_KEYS), NOW).unwrap();
        let read = RevokedKeys::open(list.signed(), root.mesh_id()).unwrap();
        assert_eq!(read.keys().count(), REVOKED_KEYS);
        let ask = v1::Ask { question: Some(v1::ask::Question::Revoked(list.signed().clone())) };
        assert!(ask.encoded_len() < limits::CONTROL_FRAME_BYTES);
        let error = RevokedKeys::after(Some(&list), &root, [[9; 32]], NOW).unwrap_err();
        assert_eq!(
            (error.kind, error.limit.unwrap().name.as_str()),
            (Kind::TooLarge, "REVOKED_KEYS")
        );
        let wire = v1::RevokedKeys {
            mesh: root.mesh_id().to_wire(),
            seq: 1,
            keys: keys(REVOKED_KEYS + 1).map(|key| Bytes::copy_from_slice(&key)).collect(),
        };
        let signed = Bytes::from(wire.encode_to_vec());
        let signature = Bytes::copy_from_slice(&root.sign(Domain::Revoked, &signed));
        let error = RevokedKeys::open(&v1::SignedRecord { signed, signature }, root.mesh_id());
        assert_eq!(error.unwrap_err().limit.unwrap().name, "REVOKED_KEYS");
    }
}
