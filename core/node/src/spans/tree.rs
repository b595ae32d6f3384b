//! The tree of a trace, from what its nodes remember.
//!
//! What nodes say is taken as said: spans that name each other in a circle, or are nested too deep,
//! are shown as roots of their own.

use super::ids::{RequestId, SpanId, TraceId};
use super::paid::CallBudget;
use super::span::Span;
use crate::node::Path;
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::limits::{TRACE_DEPTH, TRACE_SPANS};
use hubless_proto::wire::v1;
use hubless_proto::wire::words::CallSide;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A trace as the nodes remember it that could be asked.
///
/// ```
/// use hubless::spans::{Trace, TraceCall, TraceNode};
/// use hubless::{AgentOptions, Content, Node, NodeOptions, RequestOptions, handler};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// # let node = Node::start(NodeOptions { memory_only: true, ..NodeOptions::default() }).await?;
/// let echo = handler(|_, content: Content| async move { Ok(content) });
/// node.register(AgentOptions { name: "echo".into(), ..AgentOptions::default() }, echo).await?;
/// let reply = node.request(RequestOptions::new("echo", Content::text("hello"))).await?;
/// let Trace { calls, nodes, .. } = node.trace(reply.trace_id).await?;
/// let [TraceCall { name, kind, .. }] = calls.as_slice() else { panic!("one call") };
/// assert_eq!((name.as_str(), kind.as_str()), ("echo", ""));
/// let [TraceNode { node_key, .. }] = nodes.as_slice() else { panic!("one node") };
/// assert_eq!(*node_key, node.key());
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trace {
    /// Its id.
    pub trace_id: TraceId,
    /// The calls that no other known call made, by their start.
    pub calls: Vec<TraceCall>,
    /// The nodes that told something.
    pub nodes: Vec<TraceNode>,
    /// Nodes that took part and told nothing: they ended, cannot be reached, or have forgotten.
    pub missing: Vec<NodeKey>,
    /// True: more calls were remembered than were taken.
    pub more: bool,
}

/// A node that took part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceNode {
    /// Its key.
    pub node_key: NodeKey,
    /// Language of its program: `rust`, `python`, `nodejs`, `kotlin`, `c`; empty: not told.
    pub language: String,
}

/// One attempt of a call, from what both of its sides remember.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TraceCall {
    /// Name of the agent that was called.
    pub name: String,
    /// Its id.
    pub agent_id: AgentId,
    /// Node that handled it.
    pub node_key: NodeKey,
    /// Language of that node's program; empty: not known.
    pub language: String,
    /// The way to it; none: not known.
    pub path: Option<Path>,
    /// Id of the request.
    pub request_id: RequestId,
    /// From 1.
    pub attempt: u32,
    /// Span of who made it; none: that node told nothing.
    pub made: Option<SpanId>,
    /// Span of who handled it; none: that node told nothing.
    pub handled: Option<SpanId>,
    /// The span above it.
    pub parent_id: Option<SpanId>,
    /// Unix time in microseconds.
    pub started_us: u64,
    /// As its caller saw it, else as its callee did, in microseconds.
    pub duration_us: u64,
    /// Until its handler began, in microseconds; none: its callee told nothing.
    pub queue_us: Option<u64>,
    /// Kind of the error that it ended with; empty: it was answered.
    pub kind: String,
    /// Code of that error.
    pub code: String,
    /// What it used, calls below included as far as it says so.
    pub usage: v1::Usage,
    /// Bytes of the parts that were asked with.
    pub request_bytes: Option<u64>,
    /// Bytes of the parts that were answered with.
    pub answer_bytes: Option<u64>,
    /// Depth in its tree of calls, from 1; none: not known. That of its grant, where it has a
    /// budget.
    pub hop: Option<u32>,
    /// What paid for it; none: nothing, or nobody knows.
    pub budget: Option<CallBudget>,
    /// The calls that its handler made, by their start.
    pub calls: Vec<Self>,
}

/// Spans of one trace while they are gathered.
pub(crate) struct Gathered {
    trace: TraceId,
    spans: BTreeMap<SpanId, (NodeKey, Span)>,
    languages: BTreeMap<NodeKey, String>,
    more: bool,
}

impl Gathered {
    pub(crate) const fn new(trace: TraceId) -> Self {
        Self { trace, spans: BTreeMap::new(), languages: BTreeMap::new(), more: false }
    }

    /// Takes what a node says; the first word about a span stands.
    pub(crate) fn add(&mut self, node: NodeKey, language: &str, (spans, more): (Vec<Span>, bool)) {
        self.more |= more;
        if !spans.is_empty() {
            self.languages.insert(node, language.to_owned());
        }
        for span in spans {
            if self.spans.len() >= TRACE_SPANS {
                self.more = true;
                return;
            }
            self.spans.entry(span.span_id).or_insert((node, span));
        }
    }

    pub(crate) const fn trace_id(&self) -> TraceId {
        self.trace
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// Nodes that a span names and that said nothing.
    pub(crate) fn missing(&self) -> Vec<NodeKey> {
        let peers: BTreeSet<NodeKey> = self.spans.values().map(|(_, span)| span.peer).collect();
        peers.into_iter().filter(|peer| !self.languages.contains_key(peer)).collect()
    }

    pub(crate) fn tree(self) -> Trace {
        let missing = self.missing();
        let language = |node: &NodeKey| self.languages.get(node).cloned().unwrap_or_default();
        let mut calls: BTreeMap<SpanId, TraceCall> = BTreeMap::new();
        // Of a call that both sides remember, the callee's span is part of the caller's.
        let mut within: BTreeMap<SpanId, SpanId> = BTreeMap::new();
        let (made, handled): (Vec<_>, Vec<_>) =
            self.spans.values().partition(|(_, span)| span.side == CallSide::Made);
        for (_, span) in made {
            calls.insert(span.span_id, call(span, span.peer, language(&span.peer)));
        }
        for (node, span) in handled {
            let caller = span.parent_id.and_then(|parent| calls.get_mut(&parent));
            match caller.filter(|caller| caller.request_id == span.request_id) {
                Some(caller) if caller.handled.is_none() => {
                    caller.join(span, *node, language(node));
                    within.extend(span.parent_id.map(|caller| (span.span_id, caller)));
                }
                Some(_) | None => {
                    calls.insert(span.span_id, call(span, *node, language(node)));
                }
            }
        }
        let nodes = self.languages.iter();
        let nodes = nodes.map(|(node_key, language)| TraceNode {
            node_key: *node_key,
            language: language.clone(),
        });
        Trace {
            trace_id: self.trace,
            nodes: nodes.collect(),
            calls: Forest::of(calls, &within).grow(),
            missing,
            more: self.more,
        }
    }
}

fn call(span: &Span, node_key: NodeKey, language: String) -> TraceCall {
    let (own, made) = (Some(span.span_id), span.side == CallSide::Made);
    TraceCall {
        name: span.name.clone(),
        agent_id: span.agent_id,
        node_key,
        language,
        path: span.path,
        request_id: span.request_id,
        attempt: span.attempt,
        made: own.filter(|_| made),
        handled: own.filter(|_| !made),
        parent_id: span.parent_id,
        started_us: span.started_us,
        duration_us: span.duration_us,
        queue_us: (!made).then_some(span.queue_us),
        kind: span.kind.clone().into_owned(),
        code: span.code.clone(),
        usage: span.usage.clone(),
        request_bytes: span.request_bytes,
        answer_bytes: span.answer_bytes,
        hop: span.hop,
        budget: span.budget.clone(),
        calls: Vec::new(),
    }
}

impl TraceCall {
    /// Adds what the callee remembers.
    fn join(&mut self, handled: &Span, node: NodeKey, language: String) {
        self.handled = Some(handled.span_id);
        (self.node_key, self.language) = (node, language);
        self.queue_us = Some(handled.queue_us);
        self.request_bytes = self.request_bytes.or(handled.request_bytes);
        // The callee counts the pieces that it sent ahead as well.
        self.answer_bytes = handled.answer_bytes.or(self.answer_bytes);
        self.hop = self.hop.or(handled.hop);
        // The callee knows what was spent of what it was granted; both name the same budget.
        let same = |one: &&CallBudget| self.budget.as_ref().is_none_or(|own| own.id == one.id);
        if let Some(budget) = handled.budget.as_ref().filter(same) {
            self.budget = Some(budget.clone());
        }
        if !self.kind.is_empty() {
            // A refusal carries no usage: what was used before it is known here.
            self.usage = handled.usage.clone();
        }
    }
}

/// Calls on their way into their tree.
struct Forest {
    calls: BTreeMap<SpanId, TraceCall>,
    below: BTreeMap<SpanId, Vec<SpanId>>,
    roots: Vec<SpanId>,
}

impl Forest {
    fn of(calls: BTreeMap<SpanId, TraceCall>, within: &BTreeMap<SpanId, SpanId>) -> Self {
        let (mut below, mut roots) = (BTreeMap::<SpanId, Vec<SpanId>>::new(), Vec::new());
        let mut by_start: Vec<_> = calls.iter().map(|(id, call)| (call.started_us, *id)).collect();
        by_start.sort_unstable();
        for (_, id) in by_start {
            let parent = calls.get(&id).and_then(|call| call.parent_id);
            let parent = parent.map(|parent| within.get(&parent).copied().unwrap_or(parent));
            match parent.filter(|parent| calls.contains_key(parent)) {
                Some(parent) => below.entry(parent).or_default().push(id),
                None => roots.push(id),
            }
        }
        Self { calls, below, roots }
    }

    fn grow(mut self) -> Vec<TraceCall> {
        let mut trees: Vec<TraceCall> = Vec::new();
        for root in std::mem::take(&mut self.roots) {
            trees.extend(self.take(root, 1));
        }
        // Circles, and what is nested too deep.
        while let Some(first) = self.calls.values().min_by_key(|call| call.started_us) {
            let Some(id) = first.made.or(first.handled) else { break };
            trees.extend(self.take(id, 1));
        }
        trees
    }

    /// A call with those below it; each is taken once.
    fn take(&mut self, id: SpanId, depth: usize) -> Option<TraceCall> {
        let mut call = self.calls.remove(&id)?;
        if depth < TRACE_DEPTH {
            for below in self.below.remove(&id).unwrap_or_default() {
                call.calls.extend(self.take(below, depth + 1));
            }
        }
        Some(call)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::span;
    use super::*;

    fn node(seed: u8) -> NodeKey {
        NodeKey::from_bytes([seed; 32])
    }

    fn made(id: u8, parent: Option<u8>) -> Span {
        Span { started_us: id.into(), peer: node(2), ..span(1, id, parent) }
    }

    fn handled(id: u8, of: &Span) -> Span {
        let side = CallSide::Handled;
        let parent_id = Some(of.span_id);
        Span {
            side,
            parent_id,
            queue_us: 9,
            ..Span { span_id: SpanId::from_bytes([id; 8]), ..of.clone() }
        }
    }

    fn tree(said: Vec<(u8, &str, Vec<Span>)>) -> Trace {
        let mut gathered = Gathered::new(TraceId::from_bytes([1; 16]));
        for (from, language, spans) in said {
            gathered.add(node(from), language, (spans, false));
        }
        gathered.tree()
    }

    #[test]
    fn both_sides_of_a_call_are_one_and_calls_hang_below_those_that_made_them() {
        let first = made(1, None);
        let answered = handled(2, &first);
        let second = Span { peer: node(3), ..made(3, Some(2)) };
        let trace = tree(vec![
            (1, "rust", vec![first.clone()]),
            (2, "python", vec![answered, second.clone()]),
        ]);
        let [root] = trace.calls.as_slice() else { panic!("{trace:?}") };
        assert_eq!(
            (root.node_key, root.language.as_str(), root.queue_us),
            (node(2), "python", Some(9))
        );
        let [below] = root.calls.as_slice() else { panic!("{trace:?}") };
        assert_eq!((below.made, below.handled), (Some(second.span_id), None));
        assert_eq!((trace.missing.as_slice(), trace.nodes.len()), (&[node(3)][..], 2));
        // Without the caller, what the callee remembers begins the tree.
        let trace = tree(vec![(2, "python", vec![handled(2, &first), second])]);
        assert_eq!((trace.calls.len(), trace.calls[0].calls.len()), (1, 1));
        assert_eq!(trace.calls[0].made, None);
    }

    #[test]
    fn what_was_spent_is_the_callees_word_about_the_budget_that_its_caller_names() {
        let budget = |id, spent| CallBudget {
            id: hubless_proto::killswitch::BudgetId::from_bytes([id; 32]),
            spent,
            ..super::super::fixtures::budget()
        };
        let spent = super::super::fixtures::budget().spent;
        for (said, told, wanted) in [
            (Some(budget(1, None)), Some(budget(1, spent)), Some(budget(1, spent))),
            (Some(budget(1, None)), Some(budget(2, spent)), Some(budget(1, None))),
            (Some(budget(1, None)), None, Some(budget(1, None))),
            (None, Some(budget(2, spent)), Some(budget(2, spent))),
            (None, None, None),
        ] {
            let first = Span { budget: said, ..made(1, None) };
            let answered = Span { budget: told, ..handled(2, &first) };
            let trace = tree(vec![(1, "rust", vec![first]), (2, "c", vec![answered])]);
            assert_eq!(trace.calls[0].budget, wanted);
        }
    }

    #[test]
    fn circles_and_doubles_end() {
        let (one, two) = (made(1, Some(2)), made(2, Some(1)));
        let own = made(3, Some(3));
        let double = Span { name: "forged".to_owned(), ..made(3, None) };
        let trace = tree(vec![(1, "rust", vec![one, two, own]), (2, "c", vec![double])]);
        assert_eq!(trace.calls.iter().map(|call| call.calls.len()).collect::<Vec<_>>(), [1, 0]);
        assert!(trace.calls.iter().all(|call| call.name == "echo"), "the first word stands");
    }

    #[test]
    fn calls_nested_deeper_than_the_bound_are_shown_beside() {
        let chain = |length: usize| {
            let deep = (1..=u8::try_from(length).unwrap()).map(|id| made(id, Some(id - 1)));
            tree(vec![(1, "rust", deep.collect())])
        };
        assert_eq!(chain(TRACE_DEPTH).calls.len(), 1);
        assert_eq!(chain(TRACE_DEPTH + 1).calls.len(), 2);
    }

    #[test]
    fn more_spans_than_the_bound_are_left_out() {
        let mut gathered = Gathered::new(TraceId::from_bytes([1; 16]));
        let numbered = |at: usize| {
            let span_id = SpanId::from_bytes((at as u64).to_be_bytes());
            Span { span_id, ..made(1, None) }
        };
        let all = (0..TRACE_SPANS).map(numbered).collect();
        gathered.add(node(1), "rust", (all, false));
        assert!(!gathered.more);
        gathered.add(node(2), "rust", (vec![numbered(TRACE_SPANS)], false));
        assert!(gathered.more && gathered.spans.len() == TRACE_SPANS);
    }
}
