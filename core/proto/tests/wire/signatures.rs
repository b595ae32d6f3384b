//! Signatures that a careless check would take.

use hubless_proto::error::Kind;
use hubless_proto::identity::{Domain, NodeKey, SecretKey, verify};
use proptest::prelude::*;

/// Encodings of the eight points of small order, and those of them that are not reduced.
pub(crate) const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

/// The order of the group, little-endian (RFC 8032 section 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

/// The same signature with the group order added to its scalar.
pub(crate) fn with_high_scalar(signature: &[u8; 64]) -> [u8; 64] {
    let mut high = *signature;
    let mut carry = 0;
    for (byte, order) in high.iter_mut().skip(32).zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "the sum fits into 32 bytes");
    high
}

fn refused(key: NodeKey, message: &[u8], signature: &[u8]) {
    let error = verify(&key, Domain::Hello, message, signature).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Auth, "bad_signature"), "{key}");
}

#[test]
fn refuses_keys_of_small_order() {
    for point in SMALL_ORDER {
        let key: NodeKey = point.parse().unwrap();
        for commitment in SMALL_ORDER {
            let commitment: NodeKey = commitment.parse().unwrap();
            let signature = [*commitment.as_bytes(), [0; 32]].concat();
            refused(key, b"anything", &signature);
        }
        refused(key, b"", &[0; 64]);
    }
}

#[test]
fn refuses_a_scalar_that_is_not_reduced() {
    let secret = SecretKey::from_seed([3; 32]);
    let signature = secret.sign(Domain::Hello, b"message");
    assert_eq!(verify(&secret.node_key(), Domain::Hello, b"message", &signature), Ok(()));
    refused(secret.node_key(), b"message", &with_high_scalar(&signature));
}

#[test]
fn refuses_another_length() {
    let secret = SecretKey::from_seed([3; 32]);
    let signature = secret.sign(Domain::Hello, b"message");
    for length in [0, 1, 63] {
        refused(secret.node_key(), b"message", &signature[..length]);
    }
    refused(secret.node_key(), b"message", &[&signature[..], &[0]].concat());
}

#[test]
fn no_tag_is_the_beginning_of_another() {
    for domain in Domain::ALL {
        for other in Domain::ALL {
            assert_eq!(other.tag().starts_with(domain.tag()), domain == other);
        }
    }
}

#[test]
fn a_secret_key_does_not_print_itself() {
    let secret = SecretKey::from_seed([0xab; 32]);
    let text = format!("{secret:?} {secret:#?}");
    assert!(!text.contains("ab") && !text.contains("171"), "{text}");
    assert_eq!(*secret.seed(), [0xab; 32]);
}

proptest! {
    #[test]
    fn a_signature_holds_for_one_key_one_domain_and_one_message(
        seeds: [[u8; 32]; 2],
        message: Vec<u8>,
        flip in 0usize..512,
    ) {
        let [one, other] = seeds.map(SecretKey::from_seed);
        let mut signature = one.sign(Domain::Hello, &message);
        prop_assert!(verify(&one.node_key(), Domain::Hello, &message, &signature).is_ok());
        for domain in Domain::ALL {
            let held = verify(&one.node_key(), domain, &message, &signature).is_ok();
            prop_assert_eq!(held, domain == Domain::Hello);
        }
        let held = verify(&other.node_key(), Domain::Hello, &message, &signature).is_ok();
        prop_assert_eq!(held, one.public() == other.public());
        let longer = [&message[..], &[0]].concat();
        prop_assert!(verify(&one.node_key(), Domain::Hello, &longer, &signature).is_err());
        signature[flip / 8] ^= 1 << (flip % 8);
        prop_assert!(verify(&one.node_key(), Domain::Hello, &message, &signature).is_err());
    }
}
