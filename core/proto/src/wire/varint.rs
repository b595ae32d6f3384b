//! Variable-length integers of QUIC (RFC 9000 section 16).

use crate::error::Result;

/// Most that a varint can hold.
pub(super) const MAX: u64 = (1 << 62) - 1;
/// Bytes of the longest varint.
pub(super) const LONGEST: usize = 8;

/// Appends the shortest form of `value`, which must be at most [`MAX`].
pub(super) fn put(value: u64, out: &mut Vec<u8>) -> Result<()> {
    let (prefix, bytes): (u8, usize) = match value {
        0..0x40 => (0, 1),
        0x40..0x4000 => (0x40, 2),
        0x4000..0x4000_0000 => (0x80, 4),
        0x4000_0000..=MAX => (0xc0, 8),
        _ => return Err(super::bad_frame("expected a number below 2^62")),
    };
    let mut all = value.to_be_bytes();
    let (_, shortest) = all.split_at_mut(LONGEST - bytes);
    if let Some(first) = shortest.first_mut() {
        *first |= prefix;
    }
    out.extend_from_slice(shortest);
    Ok(())
}

/// Reads a varint and how many bytes it took; `None`: more bytes are needed.
pub(super) fn take(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let length = 1 << (first >> 6);
    let rest = bytes.get(1..length)?;
    let start = u64::from(first & 0x3f);
    Some((rest.iter().fold(start, |value, byte| value << 8 | u64::from(*byte)), length))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_the_samples_of_the_standard() {
        let samples: [(&[u8], u64); 5] = [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ];
        for (bytes, value) in samples {
            assert_eq!(take(bytes), Some((value, bytes.len())));
            for cut in 0..bytes.len() {
                assert_eq!(take(&bytes[..cut]), None);
            }
        }
    }

    proptest! {
        #[test]
        fn reads_back_what_it_wrote(value in 0..=MAX, shift in 0u32..62) {
            let mut bytes = Vec::new();
            put(value >> shift, &mut bytes).unwrap();
            prop_assert_eq!(take(&bytes), Some((value >> shift, bytes.len())));
            prop_assert!(put(MAX + 1 + value, &mut bytes).is_err());
        }
    }
}
