//! Keys and signatures.

use super::read::{exactly, pieces};
use crate::error::{Error, Result};
use crate::identity::{Address, Domain, MeshId, SecretKey, hex, verify};
use bytes::Bytes;
use serde_json::{Value, json};

/// What follows from a seed, within a mesh.
pub(super) fn key(bytes: &[Bytes]) -> Result<Value> {
    let [seed, mesh] = pieces(bytes)?;
    let secret = SecretKey::from_seed(exactly(seed)?);
    let mesh = MeshId::from_slice(mesh)?;
    Ok(json!({
        "publicKey": hex::encode(&secret.public()),
        "agentId": secret.agent_id(),
        "nodeKey": secret.node_key(),
        "mesh": mesh,
        "address": Address::new(&mesh, &secret.agent_id()),
    }))
}

/// Nothing, where the signature holds.
///
/// # Errors
/// As [`verify`]; `invalid_argument` for a tag that no statement has.
pub(super) fn signature(bytes: &[Bytes]) -> Result<Value> {
    let [key, tag, message, signature] = pieces(bytes)?;
    let domain = Domain::ALL.into_iter().find(|domain| domain.tag() == tag.as_ref());
    let domain = domain.ok_or_else(|| Error::invalid("bytes", "expected the tag of a domain"))?;
    verify(&exactly(key)?, domain, message, signature)?;
    Ok(json!({}))
}
