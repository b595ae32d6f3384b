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
    while inner.stop.run_until_cancelled(round.tick()).await.is_some() {
        if inner.engine.calls() == 0 && busy.is_empty() {
            continue;
        }
        let loads = loads(&inner, &busy);
        busy = loads.iter().filter(|(_, calls)| *calls > 0).map(|(id, _)| *id).collect();
        inner.mesh.tell_loads(&loads);
    }
}

fn loads(inner: &Inner, before: &BTreeSet<AgentId>) -> Vec<(AgentId, u32)> {
    let hosted = inner.hosted();
    let told = hosted.iter().filter(|hosted| inner.announcer.tells_of(hosted));
    let all = told.map(|hosted| (hosted.id(), hosted.room.load()));
    all.filter(|(id, calls)| *calls > 0 || before.contains(id)).collect()
}
