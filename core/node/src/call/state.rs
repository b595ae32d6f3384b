//! What changes while a call runs.

use super::content::Content;
use super::info::CallInfo;
use super::judged::Judged;
use super::kept::Kept;
use crate::budget::Held;
use crate::node::Path;
use crate::spans::{Heading, Outcome, RequestId, Span, part_bytes};
use hubless_proto::error::Result;
use hubless_proto::policy::CallerKind;
use hubless_proto::wire::v1::{self, event};
use hubless_proto::wire::words::CallSide;
use hubless_proto::{Kind, limits};
use std::collections::BTreeMap;
use tokio::sync::oneshot;
use tokio::time::Instant;

#[derive(Default)]
pub(super) struct State {
    pub(super) ended: bool,
    /// The caller gave it up, or its time was over.
    pub(super) given_up: bool,
    /// What has left, for who joins or asks again; none: nobody can.
    pub(super) kept: Option<Kept>,
    /// Kind, code and message.
    pub(super) cancel_reason: Option<(Kind, String, String)>,
    pub(super) usage: v1::Usage,
    /// True: nothing was reported, and all that was granted is charged.
    pub(super) in_full: bool,
    pub(super) last_event: Option<Instant>,
    pub(super) handler_started: Option<Instant>,
    pub(super) next_id: u64,
    pub(super) tool_calls: usize,
    pub(super) waiting: BTreeMap<u64, oneshot::Sender<Result<Content>>>,
    pub(super) inputs_open: usize,
    pub(super) load: u32,
    /// The value of the pieces, when it is to be checked.
    pub(super) judged: Judged,
    /// Bytes of the pieces of the answer that were sent ahead; none: not all of them are known.
    pub(super) piece_bytes: Option<u64>,
    /// True once `Accepted` was said: who joins hears it as well.
    pub(super) accepted: bool,
}

impl State {
    pub(super) fn new(kept: Option<Kept>) -> Self {
        Self { kept, piece_bytes: Some(0), ..Self::default() }
    }

    pub(super) fn add_usage(&mut self, more: &v1::Usage) {
        let usage = &mut self.usage;
        usage.input_tokens = usage.input_tokens.saturating_add(more.input_tokens);
        usage.output_tokens = usage.output_tokens.saturating_add(more.output_tokens);
        usage.cost_micros = usage.cost_micros.saturating_add(more.cost_micros);
        usage.calls = usage.calls.saturating_add(more.calls);
        for (model, more) in &more.by_model {
            if usage.by_model.len() >= limits::METADATA_ENTRIES
                && !usage.by_model.contains_key(model)
            {
                continue;
            }
            let sum = usage.by_model.entry(model.clone()).or_default();
            sum.input_tokens = sum.input_tokens.saturating_add(more.input_tokens);
            sum.output_tokens = sum.output_tokens.saturating_add(more.output_tokens);
            sum.cost_micros = sum.cost_micros.saturating_add(more.cost_micros);
            sum.calls = sum.calls.saturating_add(more.calls);
        }
    }

    /// Notes an event that leaves and is not the last one.
    pub(super) fn sent(&mut self, event: &event::Kind) {
        self.last_event = Some(Instant::now());
        if let event::Kind::Chunk(chunk) = event {
            let bytes = part_bytes(&chunk.part);
            self.piece_bytes = self.piece_bytes.and_then(|sent| Some(sent + bytes?));
        }
    }

    /// The call as this node remembers it once it has ended.
    pub(super) fn span(&self, info: &CallInfo, held: Option<&Held>, last: &event::Kind) -> Span {
        let took = info.arrived.elapsed();
        let queue = self.handler_started.map(|at| at.saturating_duration_since(info.arrived));
        let heading = Heading {
            place: info.place,
            side: CallSide::Handled,
            request: RequestId::of(&info.request),
            attempt: info.request.attempt,
            agent: info.agent,
            name: info.agent_name.clone(),
            peer: info.caller.node,
            path: (info.caller.kind == CallerKind::Local).then_some(Path::InProcess),
            request_bytes: info.request_bytes,
            depth: held.map(Held::depth),
            budget: held.map(Held::paid),
        };
        let outcome = Outcome::of(last);
        let outcome = Outcome {
            usage: if outcome.kind.is_empty() { outcome.usage } else { self.usage.clone() },
            answer_bytes: self.piece_bytes.and_then(|sent| Some(sent + outcome.answer_bytes?)),
            queue: queue.unwrap_or(took),
            ..outcome
        };
        Span::ended(heading, took, outcome)
    }
}
