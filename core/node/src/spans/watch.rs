//! Who is told of calls as they end.

use super::span::Span;
use crate::engine::lock;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits::CALL_WATCHERS;
use hubless_proto::wire::words::CallSide;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

/// Counts calls, or does something else with each as it ends; [`crate::Node::watch_calls`].
///
/// Methods must return at once and not panic: a call ends while they run.
///
/// ```
/// use hubless::spans::{CallWatcher, EndedCall, Refuser};
/// use hubless::{AgentOptions, Content, Kind, Node, NodeOptions, RequestOptions, handler};
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::sync::Arc;
///
/// #[derive(Default)]
/// struct Count(AtomicU64);
///
/// impl CallWatcher for Count {
///     fn ended(&self, call: &EndedCall<'_>) {
///         assert_eq!((call.agent, call.kind), ("echo", ""));
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
///
///     fn refused(&self, _: Refuser, _: Kind) {}
/// }
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let count = Arc::new(Count::default());
/// node.watch_calls(&count)?;
/// let echo = handler(|_, content| async move { Ok(content) });
/// node.register(AgentOptions { name: "echo".into(), ..AgentOptions::default() }, echo).await?;
/// node.request(RequestOptions::new("echo", Content::text("hello"))).await?;
/// // Once as the one who asked, once as the one who answered.
/// assert_eq!(count.0.load(Ordering::Relaxed), 2);
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
pub trait CallWatcher: Send + Sync + 'static {
    /// One attempt of a call ended at this node, which made it or handled it; one that it did both
    /// of is told twice.
    fn ended(&self, call: &EndedCall<'_>);

    /// A request was refused before a handler ran.
    fn refused(&self, by: Refuser, kind: Kind);
}

/// An attempt of a call that ended. No text in it was chosen by the caller.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct EndedCall<'a> {
    /// Whether this node made or handled it.
    pub side: CallSide,
    /// Name of the agent that was called.
    pub agent: &'a str,
    /// Id of the agent's skill that was meant, empty where none was named; none: one that it does
    /// not have.
    pub skill: Option<&'a str>,
    /// Kind of the error that it ended with, as its node told it; empty: it was answered.
    pub kind: &'a str,
    /// From its arrival, or from when it was made, to its last event.
    pub took: Duration,
    /// Bytes of the parts that were asked with, where they are known.
    pub request_bytes: Option<u64>,
    /// Bytes of the parts that were answered with, where they are known.
    pub answer_bytes: Option<u64>,
}

/// Who refused a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refuser {
    /// The node that has the agent, or would have.
    Node,
    /// A gateway in front of a node.
    Gateway,
}

impl Refuser {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Gateway => "gateway",
        }
    }
}

/// The watchers of a node; those that were dropped are told nothing.
#[derive(Default)]
pub(crate) struct Watchers(Mutex<Vec<Weak<dyn CallWatcher>>>);

impl Watchers {
    /// Tells one more from now on.
    ///
    /// # Errors
    /// `too_large`: limit `CALL_WATCHERS`.
    pub(crate) fn add(&self, watcher: Weak<dyn CallWatcher>) -> Result<()> {
        let mut all = lock(&self.0);
        all.retain(|one| one.strong_count() > 0);
        if all.len() >= CALL_WATCHERS {
            let message = format!("expected at most {CALL_WATCHERS} watchers of calls of a node");
            return Err(Error::new(Kind::TooLarge, message)
                .with_limit("CALL_WATCHERS", CALL_WATCHERS as u64));
        }
        all.push(watcher);
        Ok(())
    }

    pub(super) fn ended(&self, skill: Option<&str>, span: &Span) {
        self.tell(|watcher| {
            watcher.ended(&EndedCall {
                side: span.side,
                agent: &span.name,
                skill,
                kind: &span.kind,
                took: Duration::from_micros(span.duration_us),
                request_bytes: span.request_bytes,
                answer_bytes: span.answer_bytes,
            });
        });
    }

    pub(crate) fn refused(&self, by: Refuser, kind: Kind) {
        self.tell(|watcher| watcher.refused(by, kind));
    }

    /// They are asked once nothing of ours is borrowed.
    fn tell(&self, tell: impl Fn(&dyn CallWatcher)) {
        let there: Vec<Arc<dyn CallWatcher>> = {
            let all = lock(&self.0);
            all.iter().filter_map(Weak::upgrade).collect()
        };
        there.iter().for_each(|watcher| tell(watcher.as_ref()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Default)]
    struct Count(AtomicU64);

    impl CallWatcher for Count {
        fn ended(&self, _: &EndedCall<'_>) {}

        fn refused(&self, _: Refuser, _: Kind) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn weak(count: &Arc<Count>) -> Weak<dyn CallWatcher> {
        let count: Arc<dyn CallWatcher> = Arc::<Count>::clone(count);
        Arc::downgrade(&count)
    }

    #[test]
    fn so_many_watch_and_one_that_is_dropped_makes_room() {
        let watchers = Watchers::default();
        let mut all: Vec<_> = (0..CALL_WATCHERS).map(|_| Arc::new(Count::default())).collect();
        all.iter().for_each(|one| watchers.add(weak(one)).unwrap());
        let late = Arc::new(Count::default());
        let error = watchers.add(weak(&late)).unwrap_err();
        assert_eq!(error.limit.unwrap().name, "CALL_WATCHERS");
        drop(all.pop());
        watchers.add(weak(&late)).unwrap();
        watchers.refused(Refuser::Node, Kind::Denied);
        let told = |one: &Arc<Count>| one.0.load(Ordering::Relaxed);
        assert_eq!((told(&late), told(&all[0])), (1, 1));
    }
}
