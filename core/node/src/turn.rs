//! A place among those who are asked at once, which is kept for a turn only.

use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// How long nodes have that are asked one after the other, many at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    /// When those that gave no answer count as silent.
    pub(crate) until: Instant,
    /// How long one of them keeps others waiting.
    pub(crate) turn: Duration,
}

/// Does some work, and keeps the place for a turn at most: a node that is down is dialled for much
/// longer, and others wait for the place.
pub(crate) async fn in_turn<P, T>(place: P, turn: Duration, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    if let Ok(done) = timeout(turn, &mut work).await {
        return done;
    }
    drop(place);
    work.await
}
