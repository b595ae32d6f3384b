//! Keys in files that leave this machine, encrypted by a passphrase.
//!
//! Owns: that what is written is a form which other tools read (PKCS #8, RFC 5958, in PEM, RFC
//! 7468; PBES2 with scrypt and AES-256-CBC, RFC 8018 and RFC 7914), that a file which was changed
//! gives no key, and that none makes this machine compute for long. Must not know: whose key it is,
//! or where it is kept.

use super::store::random;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePrivateKey};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::SecretKey;
use pkcs8::der::asn1::OctetStringRef;
use pkcs8::der::pem::PemLabel;
use pkcs8::pkcs5::pbes2::{Kdf, Parameters, ScryptParams};
use pkcs8::pkcs5::scrypt::Params;
use pkcs8::{EncryptedPrivateKeyInfoRef, LineEnding, SecretDocument};
use zeroize::Zeroizing;

/// Largest file of a key, in bytes.
pub const SEALED_BYTES: usize = 4_096;
/// Fewest characters of a passphrase that a key is sealed by.
pub const PASSPHRASE_CHARS: usize = 8;
/// Cost of scrypt: 2^17 rounds over blocks of 1 KiB, which takes 128 MiB.
const LOG_N: u8 = 17;
const R: u32 = 8;
const P: u32 = 1;
/// The most that a file may ask for, which takes 1 GiB.
const MOST_N: u64 = 1 << 20;

/// Writes a key as the text of a file, which nobody reads without the passphrase.
///
/// Takes about half a second and 128 MiB.
///
/// # Errors
/// `invalid_argument` (`passphrase`) below [`PASSPHRASE_CHARS`] characters; `internal` when the
/// system gives no random bytes.
pub(super) fn seal(key: &SecretKey, passphrase: &str) -> Result<Zeroizing<String>> {
    if passphrase.chars().count() < PASSPHRASE_CHARS {
        let message = format!("expected at least {PASSPHRASE_CHARS} characters");
        return Err(Error::invalid("passphrase", message));
    }
    let failed = |what: String| Error::new(Kind::Internal, format!("cannot seal a key: {what}"));
    let cost = Params::new(LOG_N, R, P).map_err(|error| failed(error.to_string()))?;
    let (salt, iv) = (random::<16>()?, random::<16>()?);
    let how = Parameters::generate_scrypt_aes256cbc(cost, &salt, iv);
    let how = how.map_err(|error| failed(error.to_string()))?;
    // With the public half: what was changed below the passphrase does not match it.
    let plain = SigningKey::from_bytes(&key.seed()).to_pkcs8_der();
    let plain = plain.map_err(|error| failed(error.to_string()))?;
    let sealed = how.encrypt(passphrase, plain.as_bytes());
    let sealed = sealed.map_err(|error| failed(error.to_string()))?;
    let data = OctetStringRef::new(&sealed).map_err(|error| failed(error.to_string()))?;
    let info =
        EncryptedPrivateKeyInfoRef { encryption_algorithm: how.into(), encrypted_data: data };
    let document = SecretDocument::try_from(info).map_err(|error| failed(error.to_string()))?;
    let text = document.to_pem(EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF);
    text.map_err(|error| failed(error.to_string()))
}

/// Reads a key from the text of a file that [`seal`] wrote, or another tool in the same form.
///
/// # Errors
/// `configuration`, code `bad_file`, for what is no such file, or asks for more than 1 GiB; `auth`,
/// code `bad_passphrase`, where the passphrase does not open it, or it was changed.
pub(super) fn unseal(text: &str, passphrase: &str) -> Result<SecretKey> {
    let bad = |what: &str| Error::new(Kind::Configuration, what).with_code("bad_file");
    if text.len() > SEALED_BYTES {
        return Err(bad(&format!("expected a key in at most {SEALED_BYTES} bytes")));
    }
    let expected = "expected an encrypted private key in PEM, as hubless id export writes it";
    let (label, document) = SecretDocument::from_pem(text.trim()).map_err(|_| bad(expected))?;
    if label != EncryptedPrivateKeyInfoRef::PEM_LABEL {
        return Err(bad(expected));
    }
    let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes());
    let info = info.map_err(|_| bad(expected))?;
    match info.encryption_algorithm.pbes2().map(|how| &how.kdf) {
        Some(Kdf::Scrypt(cost)) if is_bearable(cost) => {}
        Some(Kdf::Scrypt(_)) => return Err(bad("the file asks for more than 1 GiB of memory")),
        _ => return Err(bad("expected a key that is encrypted with PBES2 and scrypt")),
    }
    let closed = || {
        let message = "the passphrase does not open the file, or the file was changed";
        Error::new(Kind::Auth, message).with_code("bad_passphrase")
    };
    let plain = info.decrypt(passphrase).map_err(|_| closed())?;
    let key = SigningKey::from_pkcs8_der(plain.as_bytes()).map_err(|_| closed())?;
    Ok(SecretKey::from_seed(key.to_bytes()))
}

/// True for a cost that is one (RFC 7914 §2), and that this machine can bear.
fn is_bearable(cost: &ScryptParams) -> bool {
    let n = cost.cost_parameter;
    let blocks = u64::from(cost.block_size) * u64::from(cost.parallelization);
    n.is_power_of_two() && n > 1 && blocks > 0 && n.saturating_mul(blocks) <= MOST_N * u64::from(R)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pkcs8::pkcs5::pbes2::Salt;

    const PASSPHRASE: &str = "correct horse";

    fn code(outcome: Result<SecretKey>) -> String {
        outcome.unwrap_err().code
    }

    #[test]
    fn a_key_comes_back_by_its_passphrase_alone() {
        let key = SecretKey::from_seed([7; 32]);
        let text = seal(&key, PASSPHRASE).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----\n"), "{}", *text);
        assert_eq!(unseal(&text, PASSPHRASE).unwrap().public(), key.public());
        assert_eq!(code(unseal(&text, "correct hors")), "bad_passphrase");
        let again = seal(&key, PASSPHRASE).unwrap();
        assert_ne!(text, again, "each has a salt of its own");
        assert_eq!(seal(&key, "seven .").unwrap_err().field.as_deref(), Some("passphrase"));
    }

    #[test]
    fn a_file_that_was_changed_gives_no_key() {
        let key = SecretKey::from_seed([7; 32]);
        let sealed = seal(&key, PASSPHRASE).unwrap();
        let (_, document) = SecretDocument::from_pem(&sealed).unwrap();
        let bytes = document.as_bytes();
        // Of the last 96 bytes, which are the encrypted key, some of each block.
        for place in (bytes.len() - 96..bytes.len()).step_by(15) {
            let mut changed = bytes.to_vec();
            changed[place] ^= 1;
            let document = SecretDocument::try_from(changed).unwrap();
            let text =
                document.to_pem(EncryptedPrivateKeyInfoRef::PEM_LABEL, LineEnding::LF).unwrap();
            assert_eq!(code(unseal(&text, PASSPHRASE)), "bad_passphrase", "{place}");
        }
    }

    #[test]
    fn what_is_no_such_file_is_said_before_anything_is_computed() {
        let plain = SigningKey::from_bytes(&[7; 32]).to_pkcs8_der().unwrap();
        let open = plain.to_pem("PRIVATE KEY", LineEnding::LF).unwrap();
        for text in ["", "x", &*open, &"x".repeat(SEALED_BYTES + 1)] {
            assert_eq!(code(unseal(text, PASSPHRASE)), "bad_file");
        }
        let salt = Salt::new([1; 16]).unwrap();
        let cost = |cost_parameter, block_size, parallelization| ScryptParams {
            salt,
            cost_parameter,
            block_size,
            parallelization,
            key_length: None,
        };
        for (n, r, p) in [(1 << 21, 8, 1), (1 << 20, 16, 1), (1 << 20, 8, 2), (u64::MAX, 8, 1)] {
            assert!(!is_bearable(&cost(n, r, p)), "{n} {r} {p}");
        }
        for (n, r, p) in [(0, 8, 1), (1, 8, 1), (3, 8, 1), (2, 0, 1), (2, 1, 0)] {
            assert!(!is_bearable(&cost(n, r, p)), "{n} {r} {p} is no cost");
        }
        assert!(is_bearable(&cost(1 << LOG_N, 8, 1)) && is_bearable(&cost(1 << 20, 8, 1)));
    }
}
