//! Budgets, and what holders say to each other.

use super::read::{exactly, pieces};
use crate::error::{Error, Result};
use crate::identity::{NodeKey, hex};
use crate::killswitch::{Message, Origin, RedeemCode, Terms, Trip};
use crate::wire::v1;
use bytes::Bytes;
use serde_json::{Value, json};

/// The ids of the budget of a root key and a nonce.
pub(super) fn budget(bytes: &[Bytes]) -> Result<Value> {
    let [root, nonce] = pieces(bytes)?;
    let origin = Origin { root: NodeKey::from_slice(root)?, nonce: exactly(nonce)? };
    Ok(json!({
        "budget": origin.budget_id().to_string(),
        "account": origin.account().to_string(),
    }))
}

/// Nothing, where the text says limits of a budget.
///
/// # Errors
/// As [`Terms::read`].
pub(super) fn terms(bytes: &[Bytes]) -> Result<Value> {
    let [text] = pieces(bytes)?;
    let value = serde_json::from_slice(text);
    let value = value.map_err(|_| Error::invalid("bytes", "expected a JSON text"))?;
    Terms::read("", &value).map(|_| json!({}))
}

/// A message between issuer and holder of a grant.
///
/// # Errors
/// As [`Message::decode`].
pub(super) fn message(bytes: &[Bytes]) -> Result<Value> {
    let [message] = pieces(bytes)?;
    Ok(json!({ "message": Message::decode(message.clone())?.to_wire() }))
}

/// The budget that a stop is of.
///
/// # Errors
/// As [`Trip::open`].
pub(super) fn trip(bytes: &[Bytes]) -> Result<Value> {
    let [signed, signature] = pieces(bytes)?;
    let signed = v1::SignedRecord { signed: signed.clone(), signature: signature.clone() };
    Ok(json!({ "budget": Trip::open(&signed)?.budget_id().to_string() }))
}

/// What a redeem code says; of its secret the digest alone.
///
/// # Errors
/// As [`RedeemCode::read`].
pub(super) fn redeem_code(bytes: &[Bytes]) -> Result<Value> {
    let [text] = pieces(bytes)?;
    let text = std::str::from_utf8(text);
    let text = text.map_err(|_| Error::invalid("bytes", "expected a text in UTF-8"))?;
    let code = RedeemCode::read(text)?;
    let claim = code.claim();
    Ok(json!({
        "issuer": code.issuer(),
        "grant": claim.grant.to_string(),
        "digest": hex::encode(&claim.digest),
        "amount": claim.amount.to_json(),
        "untilMs": claim.until_ms,
    }))
}
