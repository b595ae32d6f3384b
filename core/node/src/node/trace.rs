//! Gathering a trace from the nodes that took part.

use super::lifecycle::{Inner, Node};
use super::options::NodeOptions;
use crate::executor::blocking;
use crate::mesh::{Mesh, another_answer};
use crate::spans::{Gathered, Recorder, Setup, Span, Trace, TraceId};
use crate::turn::{Times, in_turn};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, answer, ask};
use std::collections::{BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

impl Node {
    /// Gathers what this node, every node that it knows and those that they name remember of a
    /// trace, within 10 s. Each node remembers its latest 4,096 calls, as long as it lives.
    ///
    /// # Errors
    /// `not_found` when none of them remembers a call of it; `closed`.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn trace(&self, trace: TraceId) -> Result<Trace> {
        let inner = self.open()?;
        let mut search = Search::begin(inner, trace);
        let ask = |node| question(Arc::clone(inner), node, trace);
        let times = Times { until: Instant::now() + limits::TRACE_WAIT, turn: limits::TRACE_TURN };
        search.run(ask, times).await;
        if search.gathered.is_empty() {
            let message = format!("no node that could be asked remembers a call of trace {trace}");
            return Err(Error::new(Kind::NotFound, message)
                .with_operation("trace")
                .with_field("trace"));
        }
        Ok(search.gathered.tree())
    }
}

impl Inner {
    /// What a member of the mesh is told of a trace.
    pub(super) fn told(&self, id: &[u8]) -> Result<answer::Answer> {
        Ok(answer::Answer::Trace(self.engine.spans().told(TraceId::from_slice(id)?)))
    }
}

/// Opens what the calls of a node are recorded in, and ends the mesh if that fails.
pub(super) async fn recorder(mesh: &Mesh, options: &NodeOptions) -> Result<Arc<Recorder>> {
    let named = || options.surrounding("HUBLESS_TRACE").map(PathBuf::from);
    let outlet = options.trace.clone().or_else(named);
    let language = options.language.unwrap_or("rust");
    let setup = Setup { node: mesh.node_key(), mesh: mesh.mesh_id(), language, outlet };
    let opened = blocking(move || Recorder::open(setup)).await;
    if opened.is_err() {
        mesh.close(Duration::ZERO).await;
    }
    opened.map(Arc::new)
}

/// What a node answered.
type Told = (NodeKey, Result<v1::TraceCalls>);

struct Search {
    gathered: Gathered,
    /// Every node that was, or is to be, asked.
    known: BTreeSet<NodeKey>,
    open: VecDeque<NodeKey>,
    asked: JoinSet<Told>,
}

impl Search {
    fn begin(inner: &Inner, trace: TraceId) -> Self {
        let (spans, own) = (inner.engine.spans(), inner.engine.node());
        let mut gathered = Gathered::new(trace);
        gathered.add(own, spans.language(), spans.of(trace));
        let mut search = Self::from(own, gathered);
        // Those that are known to have taken part come first.
        let named = search.gathered.missing();
        named.into_iter().chain(inner.mesh.known()).for_each(|node| search.add(node));
        search
    }

    fn from(own: NodeKey, gathered: Gathered) -> Self {
        let known = BTreeSet::from([own]);
        Self { gathered, known, open: VecDeque::new(), asked: JoinSet::new() }
    }

    fn add(&mut self, node: NodeKey) {
        // The own node is known and is not asked.
        if self.known.len() <= limits::TRACE_NODES && self.known.insert(node) {
            self.open.push_back(node);
        }
    }

    /// Asks every node, and those that it names, until all have answered or the time is over. So
    /// many have their turn at once; one that is silent for longer than that may still answer, and
    /// keeps nobody waiting.
    async fn run<F>(&mut self, ask: impl Fn(NodeKey) -> F, times: Times)
    where
        F: Future<Output = Told> + Send + 'static,
    {
        let places = Arc::new(Semaphore::new(limits::TRACE_NODES_AT_ONCE));
        while !self.open.is_empty() || !self.asked.is_empty() {
            tokio::select! {
                biased;
                Ok(place) = Arc::clone(&places).acquire_owned(), if !self.open.is_empty() => {
                    if let Some(node) = self.open.pop_front() {
                        self.asked.spawn(in_turn(place, times.turn, ask(node)));
                    }
                }
                Some(answered) = self.asked.join_next() => {
                    // A question that panicked was told where it happened.
                    if let Ok((node, told)) = answered {
                        self.take(node, told);
                    }
                }
                () = sleep_until(times.until) => return,
            }
        }
    }

    fn take(&mut self, node: NodeKey, told: Result<v1::TraceCalls>) {
        let told = match told {
            Ok(told) => told,
            Err(error) => {
                tracing::debug!(%node, %error, "a node tells nothing of a trace");
                return;
            }
        };
        let v1::TraceCalls { calls, more, language } = told;
        let trace = self.gathered.trace_id();
        let spans = calls.into_iter().filter_map(|call| Span::from_wire(trace, call).ok());
        self.gathered.add(node, &language, (spans.collect(), more));
        for named in self.gathered.missing() {
            self.add(named);
        }
    }
}

async fn question(inner: Arc<Inner>, node: NodeKey, trace: TraceId) -> Told {
    let answer = inner.mesh.ask(node, ask::Question::Trace(trace.to_wire())).await;
    let told = answer.and_then(|answer| {
        let answer::Answer::Trace(told) = answer else { return Err(another_answer()) };
        Ok(told)
    });
    (node, told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio_util::sync::CancellationToken;

    fn node(at: usize) -> NodeKey {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&(at as u64).to_be_bytes());
        NodeKey::from_bytes(bytes)
    }

    fn usual() -> Times {
        Times { until: Instant::now() + limits::TRACE_WAIT, turn: limits::TRACE_TURN }
    }

    fn search(nodes: usize) -> Search {
        let mut search = Search::from(node(0), Gathered::new(TraceId::from_bytes([1; 16])));
        (0..=nodes).for_each(|at| search.add(node(at)));
        search
    }

    #[test]
    fn so_many_nodes_are_asked_and_none_twice() {
        assert_eq!(search(limits::TRACE_NODES + 1).open.len(), limits::TRACE_NODES);
        let mut twice = search(3);
        twice.add(node(2));
        assert_eq!(twice.open, [node(1), node(2), node(3)]);
    }

    #[tokio::test]
    async fn so_many_are_asked_at_once_and_silence_ends_with_the_time() {
        let asked = AtomicUsize::new(0);
        let silent = |_| {
            asked.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        };
        let mut search = search(limits::TRACE_NODES_AT_ONCE + 1);
        search.run(silent, Times { until: Instant::now(), ..usual() }).await;
        assert_eq!(asked.load(Ordering::Relaxed), limits::TRACE_NODES_AT_ONCE);
        assert_eq!(search.open.len(), 1);
    }

    #[tokio::test]
    async fn more_silent_nodes_than_are_asked_at_once_do_not_keep_a_later_one_from_it() {
        let silent = limits::TRACE_NODES_AT_ONCE * 2;
        // They answer once the last one was asked, which is after their turn.
        let last_asked = CancellationToken::new();
        let told = |of: NodeKey| {
            let last_asked = last_asked.clone();
            async move {
                if of != node(silent + 1) {
                    last_asked.cancelled().await;
                }
                last_asked.cancel();
                (of, Ok(v1::TraceCalls { language: "c".to_owned(), ..v1::TraceCalls::default() }))
            }
        };
        let mut search = search(silent + 1);
        search.run(told, Times { turn: Duration::ZERO, ..usual() }).await;
        assert!(search.open.is_empty() && search.asked.is_empty());
        assert!(last_asked.is_cancelled());
    }

    #[tokio::test]
    async fn those_that_are_named_are_asked_as_well() {
        let told = |from: NodeKey| async move {
            let call = |peer: NodeKey| v1::TraceCall {
                span: vec![peer.as_bytes()[7]; 8].into(),
                request: vec![1; 16].into(),
                agent: vec![1; 32].into(),
                peer: peer.to_wire(),
                ..v1::TraceCall::default()
            };
            let next = usize::from(from.as_bytes()[7]) + 1;
            let calls = if next < 5 { vec![call(node(next))] } else { Vec::new() };
            (from, Ok(v1::TraceCalls { calls, more: false, language: "c".to_owned() }))
        };
        let mut search = search(1);
        search.run(told, usual()).await;
        let trace = search.gathered.tree();
        assert_eq!(
            trace.nodes.iter().map(|node| node.node_key).collect::<Vec<_>>(),
            [node(1), node(2), node(3)]
        );
        assert_eq!(trace.missing, [node(4)], "it was asked and knows nothing");
    }
}
