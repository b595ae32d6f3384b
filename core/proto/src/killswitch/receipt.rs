//! What a metering gateway charged to keys that have ended, as it says it to third parties: the
//! receipts of a grant, which its holder chains, and what they show to its issuer.

use super::io::Breach;
use super::{Allowance, Amount, Component, Grant, GrantId, ReservationId, Settlement};
use crate::error::{Error, Kind, Result};
use crate::identity::{Domain, NodeKey, SecretKey, verify};
use crate::limits::{AMOUNT_MAX, RECEIPT_BYTES, RECEIPT_TEXT_BYTES, RECEIPTS};
use crate::wire::decode::decode_within;
use crate::wire::record::{Digest, digest};
use crate::wire::v1;
use bytes::Bytes;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// One receipt: so much, and no more, is ever paid by a key and by those below it.
///
/// ```
/// use hubless_proto::identity::SecretKey;
/// use hubless_proto::killswitch::{GrantId, PaidTokens, Receipt, ReservationId};
///
/// let gateway = SecretKey::from_seed([1; 32]);
/// let receipt = Receipt {
///     gateway: gateway.node_key(),
///     provider: "front".into(),
///     reservation: ReservationId::from_bytes([2; 16]),
///     grant: GrantId::from_bytes([3; 16]),
///     link: [4; 32],
///     limit_micros: 500,
///     used_micros: 20,
///     tokens: Some(PaidTokens { used_input: 9, ..PaidTokens::default() }),
///     calls: 1,
///     model: "m".into(),
///     provider_request_id: "req-1".into(),
/// };
/// let signed = receipt.sign(&gateway)?;
/// assert_eq!(Receipt::open(&signed)?, receipt);
/// assert_eq!(receipt.sign(&SecretKey::from_seed([9; 32])).unwrap_err().code, "bad_signature");
/// # Ok::<(), hubless_proto::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt {
    /// Key of the gateway that signs it.
    pub gateway: NodeKey,
    /// Name of the gateway.
    pub provider: String,
    /// Reservation of the holder that the key was made for; [`Receipt::WHOLE`]: the key that came
    /// with the grant.
    pub reservation: ReservationId,
    /// Grant that it is paid from, as the holder of the key says.
    pub grant: GrantId,
    /// Id of the last link of the key.
    pub link: Digest,
    /// Most that the key could pay, in millionths of the currency.
    pub limit_micros: u64,
    /// What is paid by it, and set aside for calls that were cut.
    pub used_micros: u64,
    /// The same of tokens; none: the gateway counts cost alone.
    pub tokens: Option<PaidTokens>,
    /// Calls that were paid by it or below it.
    pub calls: u64,
    /// Model of the last of them; empty: not known.
    pub model: String,
    /// Id of the last of them, as the provider names it; empty: it names none.
    pub provider_request_id: String,
}

/// Tokens of which a receipt speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct PaidTokens {
    /// What models read, and what is set aside for calls that were cut.
    pub used_input: u64,
    /// The same of what they wrote.
    pub used_output: u64,
    /// Most that the key could pay of input; none: it was not limited.
    pub limit_input: Option<u64>,
    /// The same of output.
    pub limit_output: Option<u64>,
}

/// The key of a gateway that was issued with a grant, as its issuer remembers it: whatever is paid
/// under the grant is paid by it or below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Frame {
    /// Id of its last link.
    pub link: Digest,
    /// Most that it may pay, in millionths; at most what the grant allows.
    pub limit_micros: u64,
    /// The same of tokens that models read; none: not limited.
    pub limit_input: Option<u64>,
    /// The same of those that they write.
    pub limit_output: Option<u64>,
    /// Key under which the receipts of the gateway are believed.
    pub signer: NodeKey,
}

/// What the receipts of a grant show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Evidence {
    /// What was paid, as far as it was counted.
    pub(super) used: Amount,
    /// What can never be paid any more: nothing of what the key did not limit, or nobody counted.
    pub(super) free: Amount,
}

impl Receipt {
    /// Stands for the reservation of the key that came with the grant.
    pub const WHOLE: ReservationId = ReservationId::from_bytes([0; 16]);

    /// What was paid, as far as the gateway counts it.
    pub fn used(&self) -> Amount {
        let PaidTokens { used_input, used_output, .. } = self.tokens.unwrap_or_default();
        let all = [
            (Component::InputTokens, used_input),
            (Component::OutputTokens, used_output),
            (Component::CostMicros, self.used_micros),
        ];
        all.into_iter().fold(Amount::ZERO, |sum, (component, used)| {
            sum.with(component, used.min(AMOUNT_MAX)).unwrap_or(sum)
        })
    }

    /// The head of the chain of these receipts; none: there are none.
    pub fn head(shown: &[Bytes]) -> Option<Digest> {
        shown.iter().fold(None, |head, receipt| Some(chained(head, receipt)))
    }

    /// Signs it; the bytes are what is passed on, at most `RECEIPT_BYTES`.
    ///
    /// # Errors
    /// `auth`, code `bad_signature`, for another key than it names; `invalid_argument` for a text
    /// above `RECEIPT_TEXT_BYTES`.
    pub fn sign(&self, key: &SecretKey) -> Result<Bytes> {
        if key.node_key() != self.gateway {
            let error = Error::new(Kind::Auth, "expected the key of the gateway that it names");
            return Err(error.with_code("bad_signature"));
        }
        let texts = [&self.provider, &self.model, &self.provider_request_id];
        if texts.iter().any(|text| text.len() > RECEIPT_TEXT_BYTES) {
            let most = RECEIPT_TEXT_BYTES;
            let error = Error::invalid("receipt", format!("expected texts of {most} bytes"));
            return Err(error.with_limit("RECEIPT_TEXT_BYTES", most as u64));
        }
        let signed = Bytes::from(self.to_wire().encode_to_vec());
        let signature = Bytes::copy_from_slice(&key.sign(Domain::Receipt, &signed));
        Ok(v1::SignedRecord { signed, signature }.encode_to_vec().into())
    }

    /// Reads what somebody shows, and checks that the gateway it names signed it. Whether that is
    /// the right one is for the reader to say.
    ///
    /// # Errors
    /// As [`decode_within`], with `RECEIPT_BYTES`; `auth`, code `bad_signature`.
    pub fn open(bytes: &Bytes) -> Result<Self> {
        let record: v1::SignedRecord = decode_within(bytes.clone(), RECEIPT_BYTES)?;
        let wire: v1::Receipt = decode_within(record.signed.clone(), RECEIPT_BYTES)?;
        let gateway = NodeKey::from_slice(&wire.gateway)?;
        verify(&gateway, Domain::Receipt, &record.signed, &record.signature)?;
        let tokens = PaidTokens::of_wire(&wire);
        Ok(Self {
            gateway,
            provider: wire.provider,
            reservation: ReservationId::from_slice(&wire.reservation)?,
            grant: GrantId::from_slice(&wire.grant)?,
            link: super::grant::digest_of_wire(&wire.link)?,
            limit_micros: wire.limit_micros,
            used_micros: wire.used_micros,
            tokens,
            calls: wire.calls,
            model: wire.model,
            provider_request_id: wire.provider_request_id,
        })
    }

    fn to_wire(&self) -> v1::Receipt {
        let tokens = self.tokens;
        v1::Receipt {
            gateway: self.gateway.to_wire(),
            provider: self.provider.clone(),
            reservation: self.reservation.to_wire(),
            grant: self.grant.to_wire(),
            link: Bytes::copy_from_slice(&self.link),
            limit_micros: self.limit_micros,
            used_micros: self.used_micros,
            calls: self.calls,
            model: self.model.clone(),
            provider_request_id: self.provider_request_id.clone(),
            used_input_tokens: tokens.map(|tokens| tokens.used_input),
            used_output_tokens: tokens.map(|tokens| tokens.used_output),
            limit_input_tokens: tokens.and_then(|tokens| tokens.limit_input),
            limit_output_tokens: tokens.and_then(|tokens| tokens.limit_output),
        }
    }
}

impl PaidTokens {
    fn of_wire(wire: &v1::Receipt) -> Option<Self> {
        let (used_input, used_output) = wire.used_input_tokens.zip(wire.used_output_tokens)?;
        let (limit_input, limit_output) = (wire.limit_input_tokens, wire.limit_output_tokens);
        Some(Self { used_input, used_output, limit_input, limit_output })
    }
}

impl Frame {
    /// Most that it may pay of each component.
    pub fn limit(&self) -> Allowance {
        let limits = Allowance::UNLIMITED.with(Component::CostMicros, Some(self.limit_micros));
        let limits = limits.with(Component::InputTokens, self.limit_input);
        limits.with(Component::OutputTokens, self.limit_output)
    }

    pub(super) fn to_wire(self) -> v1::Frame {
        v1::Frame {
            link: Bytes::copy_from_slice(&self.link),
            limit_micros: self.limit_micros,
            signer: self.signer.to_wire(),
            limit_input_tokens: self.limit_input,
            limit_output_tokens: self.limit_output,
        }
    }

    pub(super) fn of_wire(wire: &v1::Frame) -> Result<Self> {
        Ok(Self {
            link: super::grant::digest_of_wire(&wire.link)?,
            limit_micros: wire.limit_micros,
            limit_input: wire.limit_input_tokens,
            limit_output: wire.limit_output_tokens,
            signer: NodeKey::from_slice(&wire.signer)?,
        })
    }
}

/// The head of a chain that is one receipt longer.
pub(super) fn chained(head: Option<Digest>, receipt: &[u8]) -> Digest {
    let head = head.unwrap_or_default();
    Sha256::new().chain_update(head).chain_update(digest(receipt)).finalize().into()
}

/// Looks at the receipts that come with a last word; none: it comes without.
///
/// What counts is the receipt of the key that was issued with the grant, since everything below it
/// is paid by it as well: whoever leaves out others hides nothing, and whoever leaves out this one
/// gets nothing back.
///
/// # Errors
/// What does not add up: then they show nothing.
pub(super) fn evidence(
    grant: &Grant,
    frame: Option<&Frame>,
    settlement: &Settlement,
) -> std::result::Result<Option<Evidence>, Breach> {
    let shown = &settlement.shown;
    if Receipt::head(shown) != settlement.receipts || shown.len() > RECEIPTS {
        return Err(Breach::ReceiptsMissing);
    }
    if shown.is_empty() {
        return Ok(None);
    }
    let frame = frame.ok_or(Breach::ReceiptForeign)?;
    let (mut links, mut reservations) = (BTreeSet::new(), BTreeSet::new());
    let (mut whole, mut below) = (None, Amount::ZERO);
    for receipt in shown {
        let receipt = Receipt::open(receipt).map_err(|_| Breach::ReceiptAltered)?;
        if receipt.gateway != frame.signer || receipt.grant != grant.id {
            return Err(Breach::ReceiptForeign);
        }
        if !links.insert(receipt.link) || !reservations.insert(receipt.reservation) {
            return Err(Breach::ReceiptRepeated);
        }
        if receipt.link == frame.link {
            whole = Some((receipt.used(), receipt.tokens.is_some()));
        } else {
            below = below.plus_at_most(&receipt.used());
        }
    }
    let (used, counts_tokens) = whole.ok_or(Breach::ReceiptsMissing)?;
    if !below.is_within(&used) {
        // A key that is not below the one of the grant.
        return Err(Breach::ReceiptForeign);
    }
    let free = frame.limit().held().without(&used);
    if counts_tokens {
        return Ok(Some(Evidence { used, free }));
    }
    let cost = free.of(Component::CostMicros);
    let free = Amount::ZERO.with(Component::CostMicros, cost).unwrap_or_default();
    Ok(Some(Evidence { used, free }))
}
