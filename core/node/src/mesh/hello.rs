//! The first words on a connection: who is there, and the proof of it.

use super::frames::{End, FrameReader, FrameWriter, unexpected};
use super::local::Local;
use crate::chance::{clock_ms, now_ms};
use crate::link::Tunnel;
use crate::membership::Standing;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{Domain, MeshId, NodeKey, verify};
use hubless_proto::limits;
use hubless_proto::policy::{Caller, CallerKind};
use hubless_proto::wire::decode::decode;
use hubless_proto::wire::frame::{Frame, FrameType};
use hubless_proto::wire::record;
use hubless_proto::wire::v1;
use sha2::{Digest, Sha256};

/// The lowest and the highest version that this node speaks.
const VERSIONS: (u32, u32) = (1, 1);
/// Who names this takes and gives the records of the mesh (RECORD_DIGESTS, RECORD_DELTA).
const RECORDS: &str = "records";

/// What is known of a peer once its HELLO holds.
#[derive(Debug, Clone)]
pub(super) struct Greeting {
    pub(super) caller: Caller,
    pub(super) instance: u64,
    /// What its clock of leases said.
    pub(super) clock_ms: u64,
    pub(super) node: v1::SignedRecord,
    /// The version that both speak on this connection.
    pub(super) version: u32,
    /// When its token ends, Unix time in milliseconds; never for an external node.
    pub(super) until_ms: u64,
    /// Keys that it rests on: its own, and those of its token.
    pub(super) keys: Vec<[u8; 32]>,
    /// The number of its list of revoked keys; 0: none.
    pub(super) revoked_seq: u64,
    /// It speaks of the records of the mesh.
    pub(super) spreads: bool,
}

impl Greeting {
    /// True for a node of the same mesh.
    pub(super) const fn is_member(&self) -> bool {
        matches!(self.caller.kind, CallerKind::Member)
    }
}

/// Says who we are, and gives the time at which our token ends.
pub(super) async fn greet(writer: &mut FrameWriter, tunnel: &Tunnel, local: &Local) -> Result<u64> {
    let now_ms = now_ms();
    let node = local.record(now_ms)?;
    let token = local.token(now_ms)?;
    let until_ms = local.token_end(&token, now_ms)?;
    let clock_ms = clock_ms();
    let signature = local.key().sign(Domain::Hello, &statement(tunnel, &token, clock_ms)?);
    let hello = v1::Hello {
        version_low: VERSIONS.0,
        version_high: VERSIONS.1,
        instance: local.instance(),
        node: Some(node),
        token: token.into(),
        signature: signature.to_vec().into(),
        clock_ms,
        features: vec![RECORDS.to_owned()],
        revoked_seq: local.membership().revoked_seq(),
    };
    writer.message(FrameType::Hello, &hello).await.map_err(ended)?;
    Ok(until_ms)
}

/// Reads the HELLO of the peer and checks it; `mesh` is the one that it may be a member of.
pub(super) async fn read(
    reader: &mut FrameReader,
    tunnel: &Tunnel,
    mesh: MeshId,
    check: impl Fn(&[u8], NodeKey) -> Result<Standing>,
) -> Result<Greeting> {
    let Frame { kind, body } = reader.next().await.map_err(ended)?;
    if kind == FrameType::Refused {
        let refused: v1::Refused = decode(kind, body)?;
        let refused = refused.rejection.map(Error::from);
        return Err(refused.unwrap_or_else(|| unexpected(kind)));
    }
    if kind != FrameType::Hello {
        return Err(unexpected(kind));
    }
    let hello: v1::Hello = decode(kind, body)?;
    let version = negotiate(VERSIONS, (hello.version_low, hello.version_high))?;
    let peer = tunnel.peer();
    verify(
        &peer,
        Domain::Hello,
        &statement(tunnel, &hello.token, hello.clock_ms)?,
        &hello.signature,
    )?;
    let node = hello.node.ok_or_else(|| {
        Error::refusal(Kind::Auth, "no_record", "a HELLO without the record of its node")
    })?;
    record::open::<v1::NodeRecord>(&node, Some(&peer), now_ms())?;
    let (caller, until_ms, keys) = if hello.token.is_empty() {
        let keys = vec![*peer.as_bytes()];
        (Caller::of_node(CallerKind::External, peer, None), u64::MAX, keys)
    } else {
        let Standing { role, groups, until_ms, keys, .. } = check(&hello.token, peer)?;
        let member = Caller::of_node(CallerKind::Member, peer, None);
        (Caller { mesh: Some(mesh), role, groups, ..member }, until_ms, keys)
    };
    let spreads = hello.features.iter().any(|feature| feature == RECORDS);
    let v1::Hello { instance, clock_ms, revoked_seq, .. } = hello;
    let greeting = Greeting {
        caller,
        instance,
        clock_ms,
        node,
        version,
        until_ms,
        keys,
        revoked_seq,
        spreads,
    };
    Ok(greeting)
}

/// The highest version that both speak.
fn negotiate(ours: (u32, u32), theirs: (u32, u32)) -> Result<u32> {
    let highest = ours.1.min(theirs.1);
    if highest >= ours.0 && highest >= theirs.0 {
        return Ok(highest);
    }
    let message = format!(
        "this node speaks versions {} to {}, the peer {} to {}; update the older one",
        ours.0, ours.1, theirs.0, theirs.1
    );
    Err(Error::refusal(Kind::Unsupported, "version", message))
}

/// Tells the peer that its HELLO was taken.
pub(super) async fn acknowledge(writer: &mut FrameWriter, greeting: &Greeting) -> Result<()> {
    let ack = v1::HelloAck { version: greeting.version, role: greeting.caller.role.clone() };
    writer.message(FrameType::HelloAck, &ack).await.map_err(ended)
}

/// Tells the peer why its HELLO was not, and waits until it has read that.
pub(super) async fn refuse(writer: &mut FrameWriter, why: &Error) {
    let refused = v1::Refused { rejection: Some(why.into()) };
    // The connection is closed next, whether this arrives or not.
    if writer.message(FrameType::Refused, &refused).await.is_ok() {
        writer.finish();
        writer.stopped().await;
    }
}

/// Why a peer is left that did not say who it is, or did not let this node say it.
pub(super) fn late() -> Error {
    Error::new(Kind::Transport, "the peer did not introduce itself in time")
        .with_code("no_hello")
        .with_limit("HELLO", limits::ms(limits::HELLO))
}

/// An end of the control stream, as an error.
pub(super) fn ended(end: End) -> Error {
    match end {
        End::Broken(error) => error,
        End::Finished | End::Reset(_) | End::Lost => {
            Error::new(Kind::Transport, "the connection ended").with_code("lost")
        }
    }
}

/// What the signature of a HELLO covers: this connection, this token, this moment.
pub(super) fn statement(tunnel: &Tunnel, token: &[u8], clock_ms: u64) -> Result<Vec<u8>> {
    let digest: [u8; 32] = Sha256::digest(token).into();
    let mut bytes = tunnel.exporter()?.to_vec();
    bytes.extend_from_slice(&digest);
    bytes.extend_from_slice(&clock_ms.to_be_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_shared_version_is_spoken() {
        for (ours, theirs, spoken) in [
            ((1, 1), (1, 1), Some(1)),
            ((1, 3), (2, 5), Some(3)),
            ((2, 5), (1, 3), Some(3)),
            ((1, 4), (2, 3), Some(3)),
            ((1, 1), (2, 3), None),
            ((3, 4), (1, 2), None),
            // A range that is none.
            ((1, 4), (3, 2), None),
        ] {
            let found = negotiate(ours, theirs);
            assert_eq!(found.as_ref().ok(), spoken.as_ref(), "{ours:?} {theirs:?}");
            if let Err(error) = found {
                assert_eq!((error.kind, error.code.as_str()), (Kind::Unsupported, "version"));
            }
        }
    }
}
