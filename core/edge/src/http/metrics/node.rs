//! What a node has open and what it counts itself, asked for when it is read.

use super::names::{Names, OTHER};
use hubless::Node;
use hubless::budget::{Component, StopTimes};
use hubless::node::Path;
use hubless::usage::{By, Used};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Name and text of a metric.
type Named = (&'static str, &'static str);
/// A label with its value.
type Label<'a> = (&'static str, &'a str);

/// The numbers of a node.
#[derive(Debug)]
pub(super) struct Numbers {
    node: Node,
    agents: Names<String>,
}

impl Numbers {
    pub(super) fn of(node: &Node) -> Self {
        Self { node: node.clone(), agents: Names::default() }
    }

    /// What calls used by the name of their agent, the others together.
    fn used(&self) -> BTreeMap<String, Used> {
        let mut sums: BTreeMap<String, Used> = BTreeMap::new();
        for row in self.node.usage(By::Agent) {
            let own = self.agents.takes(&row.key);
            let key = if own { row.key } else { OTHER.to_owned() };
            let sum = sums.entry(key).or_default();
            *sum = sum.plus(&row.used);
        }
        sums
    }

    fn spending(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let used = self.used();
        let tokens = used.iter().flat_map(|(agent, used)| {
            let row = |kind, tokens| ([("agent", agent.as_str()), ("direction", kind)], tokens);
            [row("input", used.input_tokens), row("output", used.output_tokens)]
        });
        let named = ("tokens", "Tokens that handled calls used, as reported or charged.");
        counters(to, named, tokens)?;
        let costs =
            used.iter().map(|(agent, used)| ([("agent", agent.as_str())], used.cost_micros));
        let named = ("cost_micros", "Cost of handled calls, in millionths of the currency unit.");
        counters(to, named, costs)
    }

    fn reached(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let status = self.node.status();
        let connected = status.peers.iter().filter(|peer| peer.connections > 0).count();
        let (elsewhere, known) = status.peers.iter().fold((0, 0), |(agents, nodes), peer| {
            (agents + peer.agents, nodes + usize::from(peer.connections == 0))
        });
        let over = |path: Path| {
            let taken = status.peers.iter().filter(|peer| peer.path == Some(path));
            taken.map(|peer| peer.connections).sum::<usize>()
        };
        let named = ("nodes", "Other nodes, by whether there is a connection.");
        gauges(to, named, [([("state", "connected")], connected), ([("state", "known")], known)])?;
        let named = ("connections", "Open connections to other nodes, by their path.");
        let paths = [Path::Direct, Path::Relay].map(|path| ([("path", path.name())], over(path)));
        gauges(to, named, paths)?;
        let named = ("agents", "Agents that are known, by where they live.");
        let places = [([("place", "here")], status.agents), ([("place", "elsewhere")], elsewhere)];
        gauges(to, named, places)
    }

    fn counts(&self, to: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let counts = self.node.counts();
        gauges(to, ("calls_running", "Calls whose handlers run."), [([], counts.running)])?;
        let named = ("calls_queued", "Calls that wait for a place at their agent.");
        gauges(to, named, [([], counts.queued)])?;
        let budgets = &counts.budgets;
        let states =
            [([("state", "armed")], budgets.armed), ([("state", "stopped")], budgets.stopped)];
        gauges(to, ("budgets", "Budgets that were opened here and are not over."), states)?;
        let trips = budgets.trips.iter().map(|(why, trips)| ([("reason", why.name())], *trips));
        counters(to, ("budget_trips", "Stops of budgets that this node heard of."), trips)?;
        let named = ("budget_overruns", "Spendings that took more than was set aside for them.");
        counters(to, named, [([], budgets.overruns)])?;
        let used = Component::ALL.map(|one| ([("component", one.name())], budgets.used.of(one)));
        let named = ("budget_used", "What budgets that were opened here had used at their end.");
        counters(to, named, used)?;
        stops(to, &budgets.stop_times)?;
        let sent = ([("direction", "sent")], counts.traffic.sent_bytes);
        let received = ([("direction", "received")], counts.traffic.received_bytes);
        let named = ("connection_bytes", "Bytes that connections carried, packets included.");
        counters(to, named, [sent, received])?;
        let named = ("repeats", "Requests that were sent again since nothing was heard of them.");
        counters(to, named, [([], counts.repeats)])?;
        counters(to, ("audit_rows", "Rows of the audit log."), [([], counts.audit_rows)])
    }
}

impl Collector for Numbers {
    fn encode(&self, mut to: DescriptorEncoder<'_>) -> fmt::Result {
        self.counts(&mut to)?;
        self.reached(&mut to)?;
        self.spending(&mut to)
    }
}

/// How long stops took to reach everything: what this node, at which the budget began, can know.
fn stops(to: &mut DescriptorEncoder<'_>, times: &StopTimes) -> fmt::Result {
    let end_s = |end: &Duration| match *end {
        Duration::MAX => f64::INFINITY,
        end => end.as_secs_f64(),
    };
    let buckets: Vec<_> = times.within.iter().map(|(end, count)| (end_s(end), *count)).collect();
    let help = "From the stop of a budget that was opened here until none of its grants was open: \
                each holder said its last word after its handlers had ended, or was written off.";
    let kind = MetricType::Histogram;
    let mut metric = to.encode_descriptor("kill_propagation_seconds", help, None, kind)?;
    let sum = times.sum.as_secs_f64();
    metric.encode_histogram::<[Label<'_>; 0]>(sum, times.count, &buckets, None)
}

fn counters<'a, const N: usize>(
    to: &mut DescriptorEncoder<'_>,
    named: Named,
    rows: impl IntoIterator<Item = ([Label<'a>; N], u64)>,
) -> fmt::Result {
    let rows = rows.into_iter().map(|(labels, value)| (labels, ConstCounter::new(value)));
    write(to, (named, MetricType::Counter), rows)
}

fn gauges<'a, const N: usize>(
    to: &mut DescriptorEncoder<'_>,
    named: Named,
    rows: impl IntoIterator<Item = ([Label<'a>; N], usize)>,
) -> fmt::Result {
    let rows = rows.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value)));
    write(to, (named, MetricType::Gauge), rows)
}

fn write<'a, const N: usize>(
    to: &mut DescriptorEncoder<'_>,
    ((name, help), kind): (Named, MetricType),
    rows: impl IntoIterator<Item = ([Label<'a>; N], impl EncodeMetric)>,
) -> fmt::Result {
    let mut metric = to.encode_descriptor(name, help, None, kind)?;
    for (labels, value) in rows {
        value.encode(metric.encode_family(&labels)?)?;
    }
    Ok(())
}
