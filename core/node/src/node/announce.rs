//! Signing what hosted agents publish, and renewing it.

use crate::engine::{Hosted, lock};
use hubless_proto::error::Result;
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::record::{self, Term};
use hubless_proto::wire::v1;
use std::sync::Arc;

/// Signs an agent's descriptor and its hosting by this node, for one more term.
pub(super) fn sign(hosted: &Hosted, node: NodeKey, now_ms: u64) -> Result<()> {
    let descriptor = hosted.descriptor();
    let life = if descriptor.transient { limits::TRANSIENT_LIFE } else { limits::RECORD_LIFE };
    let mut announced = lock(&hosted.announced);
    // Two terms within one millisecond must not have one number.
    let seq = announced.seq.saturating_add(1).max(now_ms);
    let term = Term { seq, ..Term::starting(now_ms, life) };
    let descriptor = record::sign(&hosted.key, term, descriptor.as_ref())?;
    let hosting = v1::Hosting {
        node_key: node.to_wire(),
        descriptor_digest: bytes::Bytes::copy_from_slice(&record::digest(&descriptor.signed)),
        priority: 0,
    };
    let hosting = record::sign(&hosted.key, term, &hosting)?;
    announced.seq = seq;
    announced.renew_at_ms = now_ms.saturating_add(third(life));
    announced.records =
        v1::AgentAnnouncement { descriptor: Some(descriptor), hosting: Some(hosting) };
    Ok(())
}

/// Renews what is due; gives what was renewed.
pub(super) fn renew(agents: &[Arc<Hosted>], node: NodeKey, now_ms: u64) -> Vec<Arc<Hosted>> {
    let mut renewed = Vec::new();
    for hosted in agents {
        if lock(&hosted.announced).renew_at_ms > now_ms {
            continue;
        }
        match sign(hosted, node, now_ms) {
            Ok(()) => renewed.push(Arc::clone(hosted)),
            Err(error) => tracing::error!(%error, agent = %hosted.name, "cannot renew a record"),
        }
    }
    renewed
}

fn third(life: std::time::Duration) -> u64 {
    u64::try_from(life.as_millis() / 3).unwrap_or(u64::MAX)
}
