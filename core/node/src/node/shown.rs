//! JSON forms of what an answer cost and took, the same wherever an answer is shown, and a node in
//! numbers.

use crate::budget::Budgets;
use crate::mesh::{RecordsHeld, Traffic};
use hubless_proto::wire::v1;
use serde::Serialize;
use std::collections::BTreeMap;

/// What a call cost; every number is there, also when it is 0.
///
/// ```
/// use hubless::node::{ModelForm, TimingForm, UsageForm};
/// use hubless_proto::wire::v1;
///
/// let usage = v1::Usage { input_tokens: 5, charged_in_full: true, ..v1::Usage::default() };
/// let UsageForm { input_tokens, charged_in_full, by_model, .. } = usage.into();
/// assert_eq!((input_tokens, charged_in_full), (5, true));
/// assert!(by_model.values().all(|ModelForm { calls, .. }| *calls == 0));
/// let TimingForm { queue_us, .. } = v1::Timing::default().into();
/// assert_eq!(queue_us, 0);
/// ```
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageForm {
    /// Tokens that models read.
    pub input_tokens: u64,
    /// Tokens that models wrote.
    pub output_tokens: u64,
    /// Cost, in 1e-6 of the currency unit.
    pub cost_micros: u64,
    /// Calls of models or tools.
    pub calls: u64,
    /// The same by model.
    pub by_model: BTreeMap<String, ModelForm>,
    /// True: nothing was reported, so all that was granted is charged.
    pub charged_in_full: bool,
}

/// What a call cost, of one model.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModelForm {
    /// Tokens that it read.
    pub input_tokens: u64,
    /// Tokens that it wrote.
    pub output_tokens: u64,
    /// Cost, in 1e-6 of the currency unit.
    pub cost_micros: u64,
    /// Calls of it.
    pub calls: u64,
}

/// How long a call took, in microseconds.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TimingForm {
    /// In the agent's queue.
    pub queue_us: u64,
    /// In its handler.
    pub handler_us: u64,
    /// On the way.
    pub network_us: u64,
}

/// What a node has open, and what it counted since its start.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NodeCounts {
    /// Calls whose handlers run.
    pub running: usize,
    /// Calls that wait for a place at their agent.
    pub queued: usize,
    /// The budgets that it opened, and the stops that it heard of.
    pub budgets: Budgets,
    /// What its connections carried.
    pub traffic: Traffic,
    /// Rows of its audit log; of a node with a name since its store was made.
    pub audit_rows: u64,
    /// Requests that were sent again since nothing was heard of them.
    pub repeats: u64,
    /// Connections that were left for another one to the same process, such as one of two that
    /// were made at once.
    pub merged: u64,
    /// Records of the mesh that it holds; none, as long as it knows of no node beyond its runtime
    /// folder.
    pub records: RecordsHeld,
}

impl From<v1::Usage> for UsageForm {
    fn from(usage: v1::Usage) -> Self {
        let by_model = usage.by_model.into_iter().map(|(model, part)| {
            let v1::ModelUsage { input_tokens, output_tokens, cost_micros, calls } = part;
            (model, ModelForm { input_tokens, output_tokens, cost_micros, calls })
        });
        Self {
            input_tokens: usage.input_tokens,
            output_tokens: usage.output_tokens,
            cost_micros: usage.cost_micros,
            calls: usage.calls,
            by_model: by_model.collect(),
            charged_in_full: usage.charged_in_full,
        }
    }
}

impl From<v1::Timing> for TimingForm {
    fn from(timing: v1::Timing) -> Self {
        let v1::Timing { queue_us, handler_us, network_us } = timing;
        Self { queue_us, handler_us, network_us }
    }
}
