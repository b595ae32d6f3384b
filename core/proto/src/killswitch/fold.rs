//! Digests folded into one, so that one signature covers them all.

use crate::wire::record::Digest;
use sha2::{Digest as _, Sha256};

const LEAF: &[u8] = b"hubless/fold/leaf/v1\0";
const JOIN: &[u8] = b"hubless/fold/join/v1\0";

/// A tree of SHA-256 over digests (Merkle). Two neighbours are joined in the order of their bytes,
/// so that a path is a list of digests without sides; who has no neighbour goes up as it is. A
/// leaf is hashed under a tag of its own, so that nothing that was joined passes for one.
///
/// ```
/// use hubless_proto::killswitch::Fold;
///
/// let leaves: Vec<_> = (0..5).map(|n| Fold::leaf(&[n; 32])).collect();
/// let fold = Fold::of(leaves.clone()).unwrap();
/// assert_eq!(Fold::climb(leaves[3], &fold.path(3)), fold.root());
/// assert_ne!(Fold::climb(leaves[3], &fold.path(2)), fold.root());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Fold {
    root: Digest,
    // Lowest first; those of one digest are left out.
    layers: Vec<Vec<Digest>>,
}

impl Fold {
    /// Folds leaves and the roots of other folds; none for nothing.
    pub fn of(leaves: Vec<Digest>) -> Option<Self> {
        let (mut layers, mut layer) = (Vec::new(), leaves);
        while layer.len() > 1 {
            let join_all = |pair: &[Digest]| pair.iter().copied().reduce(join);
            let above = layer.chunks(2).filter_map(join_all).collect();
            layers.push(std::mem::replace(&mut layer, above));
        }
        Some(Self { root: *layer.first()?, layers })
    }

    /// The leaf of a nonce.
    pub fn leaf(nonce: &[u8; 32]) -> Digest {
        Sha256::new().chain_update(LEAF).chain_update(nonce).finalize().into()
    }

    /// What all of it is folded into.
    pub const fn root(&self) -> Digest {
        self.root
    }

    /// What stands beside the way from a leaf to the root, lowest first.
    pub fn path(&self, leaf: usize) -> Vec<Digest> {
        let mut at = leaf;
        let mut path = Vec::with_capacity(self.layers.len());
        for layer in &self.layers {
            path.extend(layer.get(at ^ 1));
            at /= 2;
        }
        path
    }

    /// Where a way that begins at `from` ends.
    pub fn climb(from: Digest, path: &[Digest]) -> Digest {
        path.iter().fold(from, |at, beside| join(at, *beside))
    }
}

fn join(one: Digest, other: Digest) -> Digest {
    let (low, high) = if one <= other { (one, other) } else { (other, one) };
    Sha256::new().chain_update(JOIN).chain_update(low).chain_update(high).finalize().into()
}
