//! The two usual ways to keep a limit, each as small as it can be: to look at the sum after
//! spending, and to look whether the next one fits and then to spend. A sum has no depth: what a
//! chain of calls may write in all is one spending here.

use super::{Figures, Load, Provider, need};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Refused once the sum is at the limit.
    AfterSpending,
    /// Refused when the sum and the most of the next one are above the limit.
    BeforeActing,
}

/// Both, as the tables name them.
pub(crate) const WAYS: [(&str, Way); 2] =
    [("check after", Way::AfterSpending), ("check, then act", Way::BeforeActing)];

/// One workload under one of them.
pub(crate) async fn run(load: Load, way: Way) -> Figures {
    let (provider, sum) = (Arc::new(Provider::default()), Arc::new(AtomicU64::new(0)));
    let most = need(load.depth);
    let places = Arc::new(Semaphore::new(usize::try_from(load.concurrency).unwrap()));
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..load.tasks {
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let (provider, sum) = (Arc::clone(&provider), Arc::clone(&sum));
        tasks.spawn(async move {
            let _place = place;
            let before = sum.load(Ordering::SeqCst);
            let fits = match way {
                Way::AfterSpending => before < load.ceiling,
                Way::BeforeActing => before + most <= load.ceiling,
            };
            if !fits {
                return Some(provider.written());
            }
            sum.fetch_add(provider.write(most).await, Ordering::SeqCst);
            None
        });
    }
    let refusals: Vec<u64> = tasks.join_all().await.into_iter().flatten().collect();
    Figures {
        written: provider.written(),
        first_refusal: refusals.iter().min().copied(),
        refused: refusals.len() as u64,
        stranded: 0,
        seconds: started.elapsed().as_secs_f64(),
    }
}
