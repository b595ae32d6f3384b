//! What a strict budget rests on: the mark in its nonce, folds, and the signature of its root.

use crate::world::World;
use bytes::Bytes;
use hubless_proto::error::Kind;
use hubless_proto::identity::{Domain, NodeKey, SecretKey};
use hubless_proto::killswitch::{
    Allowance, Beacon, Fold, Grant, GrantId, Message, Origin, Proof, Round, Terms,
};
use hubless_proto::wire::v1;
use proptest::prelude::*;

#[test]
fn only_the_root_of_the_budget_lights_a_beacon() {
    let root = SecretKey::from_seed([1; 32]);
    let origin = Origin::strict(root.node_key(), [2; 16]);
    let good = Beacon::sign(&root, Round { origin, epoch: 3, tree: [4; 32], lease_ms: 5 }).unwrap();
    assert_eq!(Beacon::open(good.signed()).as_ref(), Ok(&good));
    let signed = good.signed();
    for bit in 0..signed.signed.len() * 8 {
        let mut bytes = signed.signed.to_vec();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let altered = v1::SignedRecord { signed: bytes.into(), ..signed.clone() };
        assert!(Beacon::open(&altered).is_err(), "bit {bit}");
    }
    let stranger = SecretKey::from_seed([9; 32]);
    for (key, domain) in [(&stranger, Domain::Beacon), (&root, Domain::Trip)] {
        let signature = Bytes::copy_from_slice(&key.sign(domain, &signed.signed));
        let forged = v1::SignedRecord { signature, ..signed.clone() };
        let error = Beacon::open(&forged).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "not_root"));
    }
    let proof =
        Proof { grant: GrantId::from_bytes([1; 16]), fold: [2; 32], beacon: good, path: vec![] };
    let message = Message::Beacon(Box::new(proof));
    assert_eq!(Message::decode(message.encode()), Ok(message));
}

#[test]
fn who_is_strict_stands_in_the_nonce_and_cannot_be_taken_out() {
    let root = NodeKey::from_bytes([1; 32]);
    let strict = Origin::strict(root, [2; 16]);
    assert!(strict.is_strict() && strict == Origin::strict(root, strict.nonce));
    for bit in 0..128 {
        let mut other = strict;
        other.nonce[bit / 8] ^= 1 << (bit % 8);
        assert!(!other.is_strict(), "bit {bit}");
        assert_ne!(other.budget_id(), strict.budget_id());
    }
    assert!(!Origin { root: NodeKey::from_bytes([3; 32]), ..strict }.is_strict());
    let mut world = World::new(&[0, 0]);
    let root = world.open(0, Terms { strict: true, ..Terms::default() });
    world.work();
    let grant = world.cut(0, root, 1, Allowance::UNLIMITED);
    world.work();
    let grant = &world.grants[&grant];
    assert!(grant.origin.is_strict());
    assert!(Grant::decode(grant.encode()).unwrap().origin.is_strict(), "as it travels");
}

proptest! {
    #[test]
    fn every_leaf_leads_to_what_it_was_folded_into(
        leaves in prop::collection::vec(any::<[u8; 32]>(), 1..200),
        of in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        bit in 0usize..256,
    ) {
        let fold = Fold::of(leaves.clone()).unwrap();
        let of = of.index(leaves.len());
        let path = fold.path(of);
        prop_assert!(path.len() <= 8);
        prop_assert_eq!(Fold::climb(leaves[of], &path), fold.root());
        let flip = |mut digest: [u8; 32]| {
            digest[bit / 8] ^= 1 << (bit % 8);
            digest
        };
        prop_assert_ne!(Fold::climb(flip(leaves[of]), &path), fold.root());
        if !path.is_empty() {
            let at = at.index(path.len());
            let mut altered = path.clone();
            altered[at] = flip(altered[at]);
            prop_assert_ne!(Fold::climb(leaves[of], &altered), fold.root());
            altered.remove(at);
            prop_assert_ne!(Fold::climb(leaves[of], &altered), fold.root());
        }
        let longer = [path.as_slice(), &[[0; 32]]].concat();
        prop_assert_ne!(Fold::climb(leaves[of], &longer), fold.root());
    }

    /// Folds of folds, as they go up a tree of nodes.
    #[test]
    fn a_way_goes_on_through_the_fold_above(
        leaves in prop::collection::vec(any::<[u8; 32]>(), 1..40),
        beside in prop::collection::vec(any::<[u8; 32]>(), 0..40),
    ) {
        let below = Fold::of(leaves.clone()).unwrap();
        let above = Fold::of([&[below.root()], beside.as_slice()].concat()).unwrap();
        for (index, leaf) in leaves.iter().enumerate() {
            let path = [below.path(index), above.path(0)].concat();
            prop_assert_eq!(Fold::climb(*leaf, &path), above.root());
        }
    }
}
