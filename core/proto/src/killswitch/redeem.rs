//! A redeem code: what goes through foreign hands and becomes a grant of whoever redeems it first.
//!
//! A grant cannot go there: it names its audience, and nobody knows whom a foreign program will
//! ask. A code names nobody: whoever has its text may redeem it, once, at its issuer, until its
//! end.

use super::grant::digest_of_wire;
use super::{Allowance, GrantId};
use crate::error::{Error, Result};
use crate::identity::NodeKey;
use crate::limits::REDEEM_TEXT_BYTES;
use crate::wire::decode::{Checked as _, decode_within};
use crate::wire::record::{Digest, digest};
use crate::wire::v1;
use data_encoding::BASE64URL_NOPAD;
use prost::Message as _;
use std::fmt;
use zeroize::{Zeroize as _, Zeroizing};

/// What the text of every code begins with.
const PREFIX: &str = "hbr_";

/// What a ledger knows of a code: all of it but the secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Claim {
    /// Grant that pays for it, held by the issuer.
    pub grant: GrantId,
    /// SHA-256 of the secret.
    pub digest: Digest,
    /// How much it is.
    pub amount: Allowance,
    /// Its end, in Unix milliseconds.
    pub until_ms: u64,
}

/// A code, as whoever may redeem it has it. Never printed but by [`RedeemCode::text`].
///
/// ```
/// use hubless_proto::identity::NodeKey;
/// use hubless_proto::killswitch::{Allowance, Claim, GrantId, RedeemCode};
///
/// let issuer = NodeKey::from_bytes([1; 32]);
/// let (grant, amount) = (GrantId::from_bytes([2; 16]), Allowance::UNLIMITED);
/// let secret = [3; 32];
/// let digest = RedeemCode::digest(&secret);
/// let claim = Claim { grant, digest, amount, until_ms: 1_700_000_000_000 };
/// let code = RedeemCode::new(issuer, secret, &claim);
/// assert_eq!((code.issuer(), code.claim()), (issuer, claim));
/// assert_eq!(RedeemCode::read(&code.text()), Ok(code.clone()));
/// assert_eq!(format!("{code:?}"), "RedeemCode(..)");
/// assert_eq!(RedeemCode::read("hbr_").unwrap_err().code, "bad_redeem_code");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RedeemCode {
    issuer: NodeKey,
    grant: GrantId,
    secret: [u8; 32],
    amount: Allowance,
    until_ms: u64,
}

impl RedeemCode {
    /// The code of this claim; `secret` are 32 random bytes, of which the claim has the digest.
    pub const fn new(issuer: NodeKey, secret: [u8; 32], claim: &Claim) -> Self {
        let Claim { grant, amount, until_ms, .. } = *claim;
        Self { issuer, grant, secret, amount, until_ms }
    }

    /// What stands for a secret where it is kept.
    pub fn digest(secret: &[u8; 32]) -> Digest {
        digest(secret)
    }

    /// Node that redeems it.
    pub const fn issuer(&self) -> NodeKey {
        self.issuer
    }

    /// What its issuer knows of it.
    pub fn claim(&self) -> Claim {
        let Self { grant, amount, until_ms, .. } = *self;
        Claim { grant, digest: Self::digest(&self.secret), amount, until_ms }
    }

    /// Its text, at most `REDEEM_TEXT_BYTES` letters, digits, `-` and `_`; a secret, wiped when
    /// dropped.
    pub fn text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(self.to_wire().encode_to_vec());
        let coded = Zeroizing::new(BASE64URL_NOPAD.encode(&bytes));
        Zeroizing::new([PREFIX, &coded].concat())
    }

    /// Reads the text of a code; of one code there is one text.
    ///
    /// # Errors
    /// `invalid_argument`, code `bad_redeem_code`, field `redeem`; nothing of the text is in it.
    pub fn read(text: &str) -> Result<Self> {
        if text.len() > REDEEM_TEXT_BYTES {
            return Err(bad().with_limit("REDEEM_TEXT_BYTES", REDEEM_TEXT_BYTES as u64));
        }
        let coded = text.strip_prefix(PREFIX).ok_or_else(bad)?;
        let bytes = BASE64URL_NOPAD.decode(coded.as_bytes()).map_err(|_| bad())?;
        let wire = decode_within(bytes.into(), REDEEM_TEXT_BYTES).map_err(|_| bad())?;
        let code = Self::of_wire(&wire).map_err(|_| bad())?;
        if *code.text() == text { Ok(code) } else { Err(bad()) }
    }

    /// The message.
    pub fn to_wire(&self) -> v1::RedeemCode {
        v1::RedeemCode {
            issuer: self.issuer.to_wire(),
            grant: self.grant.to_wire(),
            secret: bytes::Bytes::copy_from_slice(&self.secret),
            amount: Some(self.amount.to_wire()),
            until_ms: self.until_ms,
        }
    }

    /// From a message.
    ///
    /// # Errors
    /// `invalid_argument` for a field in a wrong form.
    pub fn of_wire(wire: &v1::RedeemCode) -> Result<Self> {
        wire.check()?;
        Ok(Self {
            issuer: NodeKey::from_slice(&wire.issuer)?,
            grant: GrantId::from_slice(&wire.grant)?,
            secret: digest_of_wire(&wire.secret)?,
            amount: wire.amount.as_ref().map_or(Allowance::NOTHING, Allowance::of_wire),
            until_ms: wire.until_ms,
        })
    }
}

impl Drop for RedeemCode {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

impl fmt::Debug for RedeemCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RedeemCode(..)")
    }
}

fn bad() -> Error {
    let message = "expected a redeem code, whole and unchanged";
    Error::invalid("redeem", message).with_code("bad_redeem_code")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::killswitch::Component;

    fn code() -> RedeemCode {
        let secret = [7; 32];
        let amount = Allowance::UNLIMITED.with(Component::OutputTokens, Some(5));
        let claim = Claim {
            grant: GrantId::from_bytes([2; 16]),
            digest: RedeemCode::digest(&secret),
            amount,
            until_ms: 9,
        };
        RedeemCode::new(NodeKey::from_bytes([1; 32]), secret, &claim)
    }

    #[test]
    fn of_one_code_there_is_one_text() {
        let text = code().text();
        assert!(text.len() <= REDEEM_TEXT_BYTES, "{}", text.len());
        assert_eq!(RedeemCode::read(&text), Ok(code()));
        // An unknown field at the end of the same message.
        let more = [&code().to_wire().encode_to_vec()[..], &[0x78, 1]].concat();
        let more = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&more));
        let (short, _) = text.split_at(text.len() - 4);
        let long = format!("{}{}", *text, "A".repeat(REDEEM_TEXT_BYTES));
        for wrong in ["", "hbr_", "hbl_AAAA", "hbr_!", &text[4..], short, &more, &long] {
            let error = RedeemCode::read(wrong).unwrap_err();
            assert_eq!(error.code, "bad_redeem_code", "{wrong}");
            assert_eq!(error.limit.is_some(), wrong.len() > REDEEM_TEXT_BYTES);
        }
    }

    #[test]
    fn the_longest_code_fits_and_nothing_of_it_is_printed() {
        let all = Component::ALL.into_iter();
        let amount = all
            .fold(Allowance::UNLIMITED, |sum, one| sum.with(one, Some(crate::limits::AMOUNT_MAX)));
        for amount in [amount, Allowance::UNLIMITED] {
            let claim = Claim { amount, until_ms: u64::MAX, ..code().claim() };
            let long = RedeemCode::new(code().issuer(), [7; 32], &claim);
            assert_eq!(RedeemCode::read(&long.text()), Ok(long.clone()));
            let shown = format!("{long:?} {:?}", long.to_wire());
            assert_eq!(shown, "RedeemCode(..) RedeemCode { .. }");
        }
    }
}
