//! Pauses between attempts: of one call, of one post to a collector, of reaching a node.

use crate::chance;
use hubless_proto::error::Retry;
use std::time::Duration;
use tokio::time::sleep;

/// First pause before another attempt; doubled each time, with jitter.
const FIRST: Duration = Duration::from_millis(20);
/// Longest pause of our own.
const LONGEST: Duration = Duration::from_secs(5);

/// Exponential back-off with jitter, never shorter than what the refusal asked for.
#[derive(Debug)]
pub(crate) struct BackOff {
    pause: Duration,
    longest: Duration,
}

impl BackOff {
    pub(crate) const fn new() -> Self {
        Self::within(FIRST, LONGEST)
    }

    /// From a first to a longest pause.
    pub(crate) const fn within(first: Duration, longest: Duration) -> Self {
        Self { pause: first, longest }
    }

    /// Waits before another attempt.
    pub(crate) async fn wait(&mut self) {
        sleep(self.next(Retry::Later)).await;
    }

    /// How long to wait after a refusal that said this of another attempt.
    pub(crate) fn next(&mut self, said: Retry) -> Duration {
        let [chance] = chance::bytes::<1>();
        let whole = self.pause;
        let pause = jittered(whole, chance);
        self.pause = (whole * 2).min(self.longest);
        match said {
            // Those that were refused together do not come back together.
            Retry::AfterMs(ms) => {
                Duration::from_millis(ms).max(whole * 3 / 4) + pause - whole * 3 / 4
            }
            Retry::Never | Retry::Later => pause,
        }
    }
}

/// A bounded number of tries, with pauses between them.
#[derive(Debug)]
pub(crate) struct Tries {
    left: u32,
    pauses: BackOff,
}

impl Tries {
    /// So many in all, the first of which is made at once.
    pub(crate) const fn of(most: u32, pauses: BackOff) -> Self {
        Self { left: most.saturating_sub(1), pauses }
    }

    /// Waits before the next one; false, at once: that was the last.
    pub(crate) async fn again(&mut self) -> bool {
        let Some(left) = self.left.checked_sub(1) else { return false };
        self.left = left;
        self.pauses.wait().await;
        true
    }
}

/// Three quarters to five quarters of a pause.
fn jittered(pause: Duration, chance: u8) -> Duration {
    pause.mul_f64(0.75 + f64::from(chance) / 510.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pause_is_twice_the_one_before_up_to_the_longest() {
        let mut pauses = BackOff::new();
        let mut whole = FIRST;
        for _ in 0..12 {
            let wait = pauses.next(Retry::Later);
            assert!((jittered(whole, 0)..=jittered(whole, 255)).contains(&wait), "{wait:?}");
            whole = (whole * 2).min(LONGEST);
        }
        assert_eq!(whole, LONGEST);
    }

    #[tokio::test]
    async fn so_many_tries_are_made_with_a_pause_before_each_but_the_first() {
        let (first, longest) = (Duration::from_millis(2), Duration::from_millis(4));
        let began = std::time::Instant::now();
        let mut tries = Tries::of(4, BackOff::within(first, longest));
        let mut made = 1;
        while tries.again().await {
            made += 1;
        }
        assert_eq!(made, 4);
        let least = jittered(first, 0) + jittered(longest, 0) * 2;
        assert!(began.elapsed() >= least, "{:?}", began.elapsed());
        assert!(!Tries::of(1, BackOff::new()).again().await, "one try is no second");
    }

    #[test]
    fn jitter_is_a_quarter_either_way() {
        assert_eq!(jittered(FIRST, 0), Duration::from_millis(15));
        assert_eq!(jittered(FIRST, 255), Duration::from_millis(25));
        let mut waits: Vec<_> = (0..64).map(|_| BackOff::new().next(Retry::Later)).collect();
        waits.dedup();
        assert!(waits.len() > 8, "callers that failed together come back together");
    }

    #[test]
    fn nobody_comes_back_before_the_time_that_a_refusal_named() {
        let said = Duration::from_millis(700);
        let mut waits: Vec<_> = (0..64).map(|_| BackOff::new().next(Retry::AfterMs(700))).collect();
        assert!(waits.iter().all(|wait| (said..=said + FIRST / 2).contains(wait)), "{waits:?}");
        waits.dedup();
        assert!(waits.len() > 8, "nor all at that time");
        let short = BackOff::new().next(Retry::AfterMs(1));
        assert!((jittered(FIRST, 0)..=jittered(FIRST, 255)).contains(&short));
    }
}
