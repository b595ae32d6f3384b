//! A collector of OpenTelemetry: spans wait in a queue of fixed length, and are posted in batches
//! by a task of their own. A call never waits for it.

use super::otlp::{self, Resource};
use super::post::{Lost, Post};
use super::span::Span;
use crate::executor;
use crate::web::Url;
use hubless_proto::error::Result;
use hubless_proto::limits::{
    TRACE_BATCH, TRACE_BATCH_TIME, TRACE_FLUSH, TRACE_GIVE_UP, TRACE_POST, TRACE_QUEUE,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// How long what takes; [`Default`] is what is in the table of bounds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// How long a span waits for others.
    pub(super) batch: Duration,
    /// How long one post may take.
    pub(super) post: Duration,
    /// How long one batch is tried.
    pub(super) give_up: Duration,
    /// How long the last spans may take.
    pub(super) flush: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            batch: TRACE_BATCH_TIME,
            post: TRACE_POST,
            give_up: TRACE_GIVE_UP,
            flush: TRACE_FLUSH,
        }
    }
}

/// Where spans go. Dropped, it posts no more.
pub(super) struct Collector {
    queue: mpsc::Sender<Job>,
    counts: Arc<Counts>,
    flush: Duration,
    stop: CancellationToken,
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

enum Job {
    Take(Box<Span>),
    Flush(oneshot::Sender<()>),
}

/// What became of the spans.
#[derive(Debug, Default)]
struct Counts {
    offered: AtomicU64,
    arrived: AtomicU64,
    /// True once somebody was told that spans are lost, and none has arrived since.
    told: AtomicBool,
}

impl Counts {
    /// Says why spans are lost, once until some arrive again; how many is said at the end.
    fn lose(&self, spans: u64, reason: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            tracing::warn!(spans, reason, "spans are lost on the way to the collector");
        }
    }

    /// Spans that did not arrive, so far.
    fn missing(&self) -> u64 {
        let arrived = self.arrived.load(Ordering::Relaxed);
        self.offered.load(Ordering::Relaxed).saturating_sub(arrived)
    }
}

impl Collector {
    /// Makes ready to post; nothing is sent yet. Blocks for milliseconds.
    ///
    /// # Errors
    /// `configuration`, code `tls`, without the roots that this machine trusts; `closed` in a
    /// forked child.
    pub(super) fn open(url: Url, resource: Resource, times: Times) -> Result<Self> {
        let post = Post::new(url, times)?;
        let (queue, jobs) = mpsc::channel(TRACE_QUEUE);
        let (counts, stop) = (Arc::<Counts>::default(), CancellationToken::new());
        let worker = Worker {
            post,
            resource,
            wait: times.batch,
            counts: Arc::clone(&counts),
            not_before: None,
            most_rest: times.give_up,
        };
        let stopped = stop.clone();
        executor::spawn(async move { stopped.run_until_cancelled(worker.run(jobs)).await })?;
        Ok(Self { queue, counts, flush: times.flush, stop })
    }

    /// Hands a span over; one that finds no room is lost.
    pub(super) fn write(&self, span: &Span) -> bool {
        self.counts.offered.fetch_add(1, Ordering::Relaxed);
        // Looked at first: a copy is made only of what fits.
        let place = self.queue.try_reserve();
        let taken = place.map(|place| place.send(Job::Take(Box::new(span.clone())))).is_ok();
        if !taken {
            self.counts.lose(1, "the collector takes them too slowly");
        }
        taken
    }

    /// Waits until what was handed over has arrived or is lost; false: its time was over before.
    pub(super) async fn flush(&self) -> bool {
        let all = async {
            loop {
                let offered = self.counts.offered.load(Ordering::Relaxed);
                let (done, posted) = oneshot::channel();
                // The task ended: nothing is left to wait for.
                if self.queue.send(Job::Flush(done)).await.is_err() || posted.await.is_err() {
                    return;
                }
                // Calls that were cut off say so while the last of the others are posted.
                if offered == self.counts.offered.load(Ordering::Relaxed) {
                    return;
                }
            }
        };
        timeout(self.flush, all).await.is_ok()
    }

    /// Waits for the last spans, posts no more, and says how many were lost in all.
    pub(super) async fn end(&self) {
        let in_time = self.flush().await;
        self.stop.cancel();
        let spans = self.counts.missing();
        if spans > 0 {
            tracing::warn!(spans, in_time, "so many spans did not reach the collector");
        }
    }
}

struct Worker {
    post: Post,
    resource: Resource,
    wait: Duration,
    counts: Arc<Counts>,
    /// The collector asked for rest until then.
    not_before: Option<Instant>,
    most_rest: Duration,
}

/// Whether more may come.
#[derive(PartialEq, Eq)]
enum Queue {
    Open,
    Ended,
}

impl Worker {
    async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let (mut batch, mut flushed) = (Vec::new(), Vec::new());
        loop {
            let queue = self.fill(&mut jobs, (&mut batch, &mut flushed)).await;
            self.send(&batch).await;
            batch.clear();
            for done in flushed.drain(..) {
                // Who does not wait any more needs no word.
                let _ = done.send(());
            }
            if queue == Queue::Ended {
                return;
            }
        }
    }

    /// Waits for a span, and then for as many as come in time and fit.
    async fn fill(
        &self,
        jobs: &mut mpsc::Receiver<Job>,
        (batch, flushed): (&mut Vec<Span>, &mut Vec<oneshot::Sender<()>>),
    ) -> Queue {
        let mut next = jobs.recv().await;
        let until = Instant::now() + self.wait;
        while let Some(job) = next {
            match job {
                Job::Take(span) => batch.push(*span),
                Job::Flush(done) => {
                    flushed.push(done);
                    return Queue::Open;
                }
            }
            if batch.len() >= TRACE_BATCH {
                return Queue::Open;
            }
            match timeout_at(until, jobs.recv()).await {
                Ok(job) => next = job,
                Err(_) => return Queue::Open,
            }
        }
        Queue::Ended
    }

    async fn send(&mut self, batch: &[Span]) {
        if batch.is_empty() {
            return;
        }
        let spans = batch.len() as u64;
        if self.not_before.is_some_and(|at| Instant::now() < at) {
            return self.counts.lose(spans, "the collector asked for rest");
        }
        match self.post.send(otlp::batch(batch, &self.resource)).await {
            Ok(taken) => {
                let refused = taken.refused.min(spans);
                self.counts.arrived.fetch_add(spans - refused, Ordering::Relaxed);
                if refused > 0 {
                    self.counts.lose(refused, &taken.reason);
                } else {
                    self.counts.told.store(false, Ordering::Relaxed);
                }
            }
            Err(Lost { reason, rest }) => {
                let rest = rest.map(|rest| rest.min(self.most_rest));
                self.not_before = rest.map(|rest| Instant::now() + rest);
                self.counts.lose(spans, &reason);
            }
        }
    }
}

#[cfg(test)]
#[path = "collector_tests.rs"]
mod tests;
