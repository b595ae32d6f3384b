//! Budgets that the operator of a mesh stops: stated here, and shown to every node that is known.

use super::lifecycle::{Inner, Node};
use crate::budget::{BudgetId, OperatorStop, StopReport};
use crate::chance::now_ms;
use crate::mesh::another_answer;
use crate::turn::{Times, in_turn};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::v1::{answer, ask};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout_at};

impl Node {
    /// States that budgets are stopped, wherever in this mesh they began: with the root key of the
    /// mesh, which the data folder of its operator has. The statement does not end and cannot be
    /// taken back; [`Node::stop_budgets`] of any node of the mesh shows it to the others.
    ///
    /// ```
    /// use hubless::budget::{BudgetId, OperatorStop, StopReport};
    /// use hubless::{Node, NodeOptions};
    ///
    /// # tokio::runtime::Runtime::new().unwrap().block_on(async {
    /// # let options = NodeOptions { memory_only: true, ..NodeOptions::default() };
    /// # let node = Node::start(options).await?;
    /// let budget: BudgetId = "00".repeat(32).parse()?;
    /// let stop: OperatorStop = node.state_stop(&[budget])?;
    /// let report: StopReport = node.stop_budgets(&stop).await?;
    /// assert!(report.stopped.is_empty(), "no node knows of that one");
    /// # Ok::<(), hubless::Error>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    /// `denied`, code `not_operator`, in a mesh that was joined; as [`OperatorStop::sign`];
    /// `closed`.
    pub fn state_stop(&self, budgets: &[BudgetId]) -> Result<OperatorStop> {
        let inner = self.open()?;
        let Some(root) = inner.mesh.root() else {
            let message = "this data folder joined the mesh and cannot stop budgets of others: \
                           ask whoever has its root key";
            let error = Error::new(Kind::Denied, message).with_code("not_operator");
            inner.engine.treasury().refuse_stop(&error);
            return Err(error);
        };
        OperatorStop::sign(root, budgets, self.key(), now_ms())
    }

    /// Shows a statement of the operator to this node and all that it knows, within `STOP_WAIT`.
    /// Each checks it by itself, stops what it has of the budgets, and passes it on to those that
    /// hold grants of them: handlers are cancelled, and nothing more is granted or spent, for good.
    ///
    /// # Errors
    /// `denied`, code `not_operator`, when a node refused it and none took it; as
    /// [`OperatorStop::open`]; `closed`.
    ///
    /// # Cancellation
    /// Nodes that were asked stop.
    pub async fn stop_budgets(&self, stop: &OperatorStop) -> Result<StopReport> {
        let inner = self.open()?;
        let mut report = StopReport::default();
        let own = inner.engine.treasury().show_stop(self.key(), stop.signed());
        let ask = |node| question(Arc::clone(inner), node, stop.clone());
        let times = Times { until: Instant::now() + limits::STOP_WAIT, turn: limits::STOP_TURN };
        let connected = inner.mesh.peers().iter().map(|peer| peer.node).collect();
        let nodes = in_order(inner.mesh.known(), &connected);
        show((nodes, times), ask, &mut report).await;
        match timeout_at(times.until, own).await {
            Ok(own) => report.take(self.key(), own),
            Err(_) => report.silent += 1,
        }
        report.judged()
    }
}

/// What a node answered.
type Told = (NodeKey, Result<Vec<BudgetId>>);

/// Those first that need not be reached before they can be told.
fn in_order(mut known: Vec<NodeKey>, connected: &BTreeSet<NodeKey>) -> Vec<NodeKey> {
    known.sort_by_key(|node| !connected.contains(node));
    known
}

/// Shows a statement to nodes. So many have their turn at once; one that is silent for longer than
/// that may still answer, and keeps nobody waiting.
async fn show<F>(
    (nodes, times): (Vec<NodeKey>, Times),
    ask: impl Fn(NodeKey) -> F,
    report: &mut StopReport,
) where
    F: Future<Output = Told> + Send + 'static,
{
    let mut left = VecDeque::from(nodes);
    let places = Arc::new(Semaphore::new(limits::STOP_NODES_AT_ONCE));
    let mut asked = JoinSet::new();
    while !left.is_empty() || !asked.is_empty() {
        tokio::select! {
            biased;
            Ok(place) = Arc::clone(&places).acquire_owned(), if !left.is_empty() => {
                if let Some(node) = left.pop_front() {
                    asked.spawn(in_turn(place, times.turn, ask(node)));
                }
            }
            // A question that panicked was told where it happened.
            Some(told) = asked.join_next() => {
                told.into_iter().for_each(|(node, told)| report.take(node, told));
            }
            () = sleep_until(times.until) => {
                report.silent += asked.len() + left.len();
                return;
            }
        }
    }
}

async fn question(inner: Arc<Inner>, node: NodeKey, stop: OperatorStop) -> Told {
    let asked = ask::Question::OperatorStop(stop.signed().clone());
    let answer = inner.mesh.ask(node, asked).await;
    let told = answer.and_then(|answer| {
        let answer::Answer::Stopped(stopped) = answer else { return Err(another_answer()) };
        stopped.budgets.iter().map(|budget| BudgetId::from_slice(budget)).collect()
    });
    (node, told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;
    use tokio_util::sync::CancellationToken;

    fn nodes(count: usize) -> Vec<NodeKey> {
        let node = |at: usize| NodeKey::from_bytes([u8::try_from(at).unwrap(); 32]);
        (1..=count).map(node).collect()
    }

    fn usual() -> Times {
        Times { until: Instant::now() + limits::STOP_WAIT, turn: limits::STOP_TURN }
    }

    #[tokio::test]
    async fn so_many_are_told_at_once_and_silence_ends_with_the_time() {
        let asked = AtomicUsize::new(0);
        let silent = |_| {
            asked.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        };
        let mut report = StopReport::default();
        let all = nodes(limits::STOP_NODES_AT_ONCE + 1);
        let times = Times { until: Instant::now(), ..usual() };
        show((all, times), silent, &mut report).await;
        assert_eq!(asked.load(Ordering::Relaxed), limits::STOP_NODES_AT_ONCE);
        assert_eq!(report.silent, limits::STOP_NODES_AT_ONCE + 1);
    }

    #[tokio::test]
    async fn more_silent_nodes_than_are_told_at_once_do_not_keep_a_later_one_from_it() {
        let silent = limits::STOP_NODES_AT_ONCE * 2;
        // They answer once the last one was told, which is after their turn.
        let last_told = CancellationToken::new();
        let answer = |node: NodeKey| {
            let last_told = last_told.clone();
            async move {
                if usize::from(node.as_bytes()[0]) <= silent {
                    last_told.cancelled().await;
                }
                last_told.cancel();
                (node, Ok(Vec::new()))
            }
        };
        let mut report = StopReport::default();
        let times = Times { turn: Duration::ZERO, ..usual() };
        show((nodes(silent + 1), times), answer, &mut report).await;
        assert_eq!((report.unconcerned, report.silent), (silent + 1, 0));
    }

    #[test]
    fn those_that_are_connected_come_first() {
        let [one, two, three] = nodes(3).try_into().unwrap();
        let order = in_order(vec![one, two, three], &BTreeSet::from([three]));
        assert_eq!(order, [three, one, two]);
    }

    #[tokio::test]
    async fn each_is_told_and_one_that_takes_it_is_enough() {
        let denied = || Error::refusal(Kind::Denied, "not_operator", "not of this mesh");
        let budget = BudgetId::from_bytes([7; 32]);
        let answer = move |node: NodeKey, taken: u8| async move {
            let first = node.as_bytes()[0];
            (
                node,
                if first <= taken { Ok(vec![budget; usize::from(first)]) } else { Err(denied()) },
            )
        };
        for taken in [0, 2] {
            let mut report = StopReport::default();
            show((nodes(40), usual()), |node| answer(node, taken), &mut report).await;
            assert_eq!(report.refused.len(), 40 - usize::from(taken));
            assert_eq!(report.stopped.len(), usize::from(taken));
            let judged = report.judged().map_err(|error| error.code);
            assert_eq!(judged.err(), (taken == 0).then(|| "not_operator".to_owned()));
        }
    }
}
