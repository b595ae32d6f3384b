//! Telling peers how busy the agents of this node are, between the answers that say it too.

use super::lifecycle::Inner;
use hubless_proto::identity::AgentId;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

/// How often peers are told, while there is something to tell.
const ROUND: Duration = Duration::from_secs(2);

/// Tells how many calls busy agents have, and once more when one has become idle: an idle node says
/// nothing.
pub(super) async fn telling(inner: Arc<Inner>) {
    let mut round = tokio::time::interval(ROUND);
    let mut busy: BTreeSet<AgentId> = BTreeSet::new();
    loop {
        tokio::select! {
            _ = round.tick() => {
                let loads = loads(&inner, &busy);
                busy = loads.iter().filter(|(_, calls)| *calls > 0).map(|(id, _)| *id).collect();
                if !loads.is_empty() {
                    inner.mesh.tell_loads(&loads);
                }
            }
            () = inner.stop.cancelled() => return,
        }
    }
}

fn loads(inner: &Inner, before: &BTreeSet<AgentId>) -> Vec<(AgentId, u32)> {
    let hosted = inner.hosted();
    let all = hosted.iter().map(|hosted| (hosted.id(), hosted.room.load()));
    all.filter(|(id, calls)| *calls > 0 || before.contains(id)).collect()
}
