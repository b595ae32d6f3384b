//! What all holders of one running call share: where its events go, what it waits for, its end.

use super::body::Bodies;
use super::content::Content;
use super::info::CallInfo;
use super::kept::Kept;
use super::pipe::{CancelCode, CancelSignal, Down};
use super::sinks::{Sinks, Whose};
use super::state::State;
use crate::budget::Held;
use crate::spans::Span;
use crate::usage::Used;
use hubless_proto::error::Result;
use hubless_proto::killswitch::Ending;
use hubless_proto::wire::v1::{self, event};
use hubless_proto::wire::words::TripReason;
use hubless_proto::{Error, Kind, limits};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Queue, Semaphore, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Does something at the end of a call, which is told unless the call ended before it was asked.
pub(crate) type AtEnd = Box<dyn FnOnce(Option<&event::Kind>) + Send>;

/// Checks an answer before it leaves.
pub(crate) type OutputCheck = Box<dyn Fn(&v1::Content) -> Result<()> + Send + Sync>;

pub(crate) struct CallCore {
    pub(crate) info: CallInfo,
    /// None: any answer will do.
    output_check: Option<OutputCheck>,
    /// Where events go: the caller's stream first, then those that joined it. Held while one is
    /// handed over, so that events keep their order.
    sinks: Queue<Sinks>,
    /// One for each stream of this call; it is given up when all of them are.
    signals: Mutex<Vec<CancelSignal>>,
    /// What is to be done before the last event is handed over.
    at_end: Mutex<Vec<AtEnd>>,
    state: Mutex<State>,
    pub(super) tools_at_once: Semaphore,
    held: OnceLock<Arc<Held>>,
    /// Fires when the caller, time, or its budget gave the call up.
    pub(crate) cancelled: CancellationToken,
    /// Fires when the call has its last event, or was dropped without one.
    pub(crate) done: CancellationToken,
}

impl CallCore {
    pub(crate) fn new(
        info: CallInfo,
        output_check: Option<OutputCheck>,
        events: mpsc::Sender<Down>,
        signal: CancelSignal,
    ) -> Arc<Self> {
        let joinable = info.remote || !info.request.idempotency_key.is_empty();
        let state = State::new(joinable.then(Kept::default));
        Arc::new(Self {
            info,
            output_check,
            sinks: Queue::new(Sinks::new(events)),
            signals: Mutex::new(vec![signal]),
            at_end: Mutex::default(),
            state: Mutex::new(state),
            held: OnceLock::new(),
            tools_at_once: Semaphore::new(limits::TOOL_CALLS_AT_ONCE),
            cancelled: CancellationToken::new(),
            done: CancellationToken::new(),
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        // A holder that panicked left plain values behind: they stay usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that the handler starts, and the agent's load at that time.
    pub(crate) fn started(&self, load: u32) {
        let now = Instant::now();
        let mut state = self.state();
        state.handler_started = Some(now);
        state.load = load;
    }

    /// True once the handler was started.
    pub(crate) fn has_started(&self) -> bool {
        self.state().handler_started.is_some()
    }

    /// When silence becomes `deadline`; none while the caller is asked back.
    pub(crate) fn silence_deadline(&self) -> Option<Instant> {
        let state = self.state();
        if state.inputs_open > 0 {
            return None;
        }
        Some(state.last_event.unwrap_or(self.info.arrived) + self.info.timeout)
    }

    /// The nearer of silence and total deadline.
    pub(crate) fn deadline(&self) -> Instant {
        let silence = self.silence_deadline();
        let total = self.info.total_deadline;
        let far = Instant::now() + limits::DEADLINE_MAX;
        silence.into_iter().chain(total).min().unwrap_or(far)
    }

    /// Gives the call up for its handler; the first reason stands.
    pub(crate) fn cancel(&self, kind: Kind, message: &str) {
        self.cancel_with(kind, "", message);
    }

    /// The budget of the call was stopped.
    pub(crate) fn kill(&self, reason: TripReason) {
        self.cancel_with(Kind::Killed, reason.name(), "the call tree was stopped");
    }

    fn cancel_with(&self, kind: Kind, code: &str, message: &str) {
        {
            let mut state = self.state();
            if self.done.is_cancelled() || state.cancel_reason.is_some() {
                return;
            }
            state.cancel_reason = Some((kind, code.to_owned(), message.to_owned()));
        }
        self.cancelled.cancel();
    }

    pub(crate) fn cancel_error(&self) -> Error {
        let (kind, code, message) = self.cancel_reason();
        Error::new(kind, message).with_code(&code)
    }

    /// The same, as the caller gets it.
    pub(crate) fn cancel_refusal(&self) -> Error {
        let (kind, code, message) = self.cancel_reason();
        Error::refusal(kind, &code, message)
    }

    fn cancel_reason(&self) -> (Kind, String, String) {
        let given_up =
            || (Kind::Cancelled, String::new(), "the caller gave the call up".to_owned());
        self.state().cancel_reason.clone().unwrap_or_else(given_up)
    }

    /// Takes the grant that pays for it; the first one stands.
    pub(crate) fn hold(&self, held: Held) {
        let held = Arc::new(held);
        // Before anything can end it.
        if let Some(delivery) = &self.info.delivery {
            delivery.pay_from(&held);
        }
        // A call has one grant.
        let _ = self.held.set(held);
    }

    /// The grant that pays for it; none: it has no budget.
    pub(crate) fn held(&self) -> Option<&Held> {
        self.held.get().map(Arc::as_ref)
    }

    /// Ends the grant with the call; true: nothing was reported, so all of it is charged.
    fn settle(&self) -> bool {
        let ending = if self.has_started() { Ending::Ran } else { Ending::Free };
        let in_full = self.held().is_some_and(|held| held.finish(ending));
        self.state().in_full = in_full;
        in_full
    }

    /// Notes that the call ended since its caller gave it up, or its time was over.
    pub(crate) fn note_given_up(&self) {
        self.state().given_up = true;
    }

    /// True when the call ended so.
    pub(crate) fn is_given_up(&self) -> bool {
        self.state().given_up
    }

    /// Waits until every stream of this call was given up.
    pub(crate) async fn given_up(&self) -> CancelCode {
        loop {
            let (open, code) = {
                let signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
                let open = signals.iter().find(|signal| !signal.is_cancelled()).cloned();
                let code = signals.first().map_or(CancelCode::Cancelled, CancelSignal::code);
                (open, code)
            };
            match open {
                Some(signal) => signal.cancelled().await,
                None => return code,
            };
        }
    }

    /// Has something done at the end, before the caller learns of the end; at once when the call
    /// is over.
    pub(crate) fn at_end(&self, work: AtEnd) {
        {
            let state = self.state();
            if !state.ended && !self.done.is_cancelled() {
                self.at_end.lock().unwrap_or_else(PoisonError::into_inner).push(work);
                return;
            }
        }
        work(None);
    }

    /// Marks the end; false: it had ended before.
    fn end(&self, last: &event::Kind) -> bool {
        let (all, span, used) = {
            let mut state = self.state();
            if std::mem::replace(&mut state.ended, true) {
                return false;
            }
            state.waiting.clear();
            let mut at_end = self.at_end.lock().unwrap_or_else(PoisonError::into_inner);
            let span = state.span(&self.info, self.held(), last);
            let used = state.handler_started.map(|_| self.used(&state, &span));
            (std::mem::take(&mut *at_end), span, used)
        };
        let known = self.info.known_skill.then_some(self.info.request.skill.as_str());
        self.info.spans.record(known, span);
        if let Some(used) = used {
            let (request, caller) = (&self.info.request, &self.info.caller);
            let skill = request.skill.as_str();
            self.info.tally.add([&caller.principal, &self.info.agent_name, skill], &used);
        }
        for work in all {
            work(Some(last));
        }
        true
    }

    /// What a call that ran is charged with.
    fn used(&self, state: &State, span: &Span) -> Used {
        let used = Used::once(&span.usage, span.kind.is_empty());
        match self.held().filter(|_| state.in_full) {
            // Nothing was said: all that it was granted.
            Some(held) => used.in_full(&held.amount().held()),
            None => used,
        }
    }

    /// Takes a piece of an answer that is to be checked.
    pub(crate) fn judge(&self, piece: &v1::Content, append: bool) -> Result<()> {
        let (Some(_), [part]) = (&self.output_check, piece.parts.as_slice()) else { return Ok(()) };
        self.state().judged.take(part, append)
    }

    /// Whether the answer, its pieces included, is what the skill and the caller expect.
    pub(crate) fn check_output(&self, last: &v1::Content) -> Result<()> {
        let Some(check) = &self.output_check else { return Ok(()) };
        if !last.parts.is_empty() {
            return check(last);
        }
        let pieces = self.state().judged.end();
        check(&pieces)
    }

    pub(crate) fn is_ended(&self) -> bool {
        self.state().ended
    }

    /// What has left of the call, once it has its last event and if it can be asked for again.
    pub(crate) fn take_kept(&self) -> Option<Kept> {
        let mut state = self.state();
        if state.ended { state.kept.take() } else { None }
    }

    pub(crate) fn add_usage(&self, more: &v1::Usage) {
        self.state().add_usage(more);
    }

    /// Hands an event that is not the last one over, in order.
    pub(crate) async fn emit(&self, event: event::Kind, bodies: Bodies) -> Result<()> {
        let mut sinks = self.sinks.lock().await;
        {
            let mut state = self.state();
            if state.ended {
                return Err(self.over());
            }
            state.sent(&event);
        }
        let event = v1::Event { kind: Some(event) };
        self.keep(&event, &bodies);
        sinks.hand_over(event, bodies).await;
        Ok(())
    }

    /// Says `Accepted` when nothing else has left; it does not count as an event for deadlines.
    /// False while something else is leaving or joins: that may not be an event.
    pub(crate) async fn accept(&self) -> bool {
        let Ok(mut sinks) = self.sinks.try_lock() else { return false };
        let silent = {
            let state = self.state();
            !state.ended && state.last_event.is_none()
        };
        if silent {
            self.state().accepted = true;
            sinks.hand_over(accepted(), Bodies::none()).await;
        }
        true
    }

    /// Hands the Final over; what follows is refused.
    pub(crate) async fn finish(&self, content: Content) -> Result<()> {
        let Content { message, bodies } = content;
        self.end_keys().await;
        let charged_in_full = self.settle();
        let last = {
            let state = self.state();
            let handler = state.handler_started.map_or(Duration::ZERO, |at| at.elapsed());
            let queue = state
                .handler_started
                .map_or(Duration::ZERO, |at| at.saturating_duration_since(self.info.arrived));
            v1::Final {
                content: Some(message),
                usage: Some(v1::Usage { charged_in_full, ..state.usage.clone() }),
                timing: Some(v1::Timing {
                    queue_us: micros(queue),
                    handler_us: micros(handler),
                    network_us: 0,
                }),
                load: state.load,
            }
        };
        self.last(event::Kind::Final(last), bodies).await
    }

    /// Hands a Rejection over; what follows is refused.
    pub(crate) async fn reject(&self, error: &Error) -> Result<()> {
        self.end_keys().await;
        self.settle();
        let mut rejection = v1::Rejection::from(error);
        if rejection.origin.is_empty() {
            rejection.origin = bytes::Bytes::copy_from_slice(self.info.node.as_bytes());
        }
        if rejection.trace_id.is_empty() {
            rejection.trace_id = self.info.place.trace.to_string();
        }
        self.last(event::Kind::Rejection(rejection), Bodies::none()).await
    }

    async fn last(&self, event: event::Kind, bodies: Bodies) -> Result<()> {
        if !self.end(&event) {
            return Err(Error::new(Kind::Closed, "the call has ended"));
        }
        let event = v1::Event { kind: Some(event) };
        self.keep(&event, &bodies);
        // A caller that does not read must not keep the end of the call back for ever.
        let hand_over = async {
            let mut sinks = self.sinks.lock().await;
            sinks.hand_over(event, bodies).await;
        };
        tokio::select! {
            biased;
            () = hand_over => {}
            () = self.cancelled.cancelled() => self.cut_off(),
        }
        self.done.cancel();
        Ok(())
    }

    /// Gives its streams up, where the last event has no room: their end is all that is left to
    /// tell.
    fn cut_off(&self) {
        let kind = self.cancel_refusal().kind;
        let code = if kind == Kind::Deadline {
            CancelCode::Deadline
        } else if kind == Kind::Killed {
            CancelCode::Killed
        } else {
            CancelCode::Cancelled
        };
        for signal in self.signals.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            signal.cancel(code);
        }
    }

    fn keep(&self, event: &v1::Event, bodies: &Bodies) {
        if let Some(kept) = &mut self.state().kept {
            kept.add(event, bodies);
        }
    }

    /// True once its last event has left.
    pub(crate) fn has_ended(&self) -> bool {
        self.state().ended
    }

    /// The last holder dropped it.
    pub(crate) fn abandoned(&self) {
        self.done.cancel();
    }

    /// Adds a second stream of the same call; it gets what has left so far.
    pub(crate) async fn join(
        &self,
        whose: Whose,
        (events, cancel): (mpsc::Sender<Down>, CancelSignal),
    ) -> Result<()> {
        let mut sinks = self.sinks.lock().await;
        let (so_far, asked) = {
            let state = self.state();
            (state.kept.as_ref().and_then(Kept::again), !state.waiting.is_empty())
        };
        // What was asked on one stream is not asked again on another.
        let room = sinks.count() < limits::JOINED_STREAMS && !(asked && whose == Whose::Same);
        let Some(mut so_far) = so_far.filter(|_| room) else {
            return Err(Error::refusal(Kind::Conflict, "running", "the call cannot be joined"));
        };
        if self.state().accepted {
            so_far.insert(0, Down { event: accepted(), bodies: Bodies::none() });
        }
        sinks.join((whose, events), so_far).await;
        self.signals.lock().unwrap_or_else(PoisonError::into_inner).push(cancel);
        Ok(())
    }

    pub(super) fn over(&self) -> Error {
        Error::new(Kind::Closed, "the call has ended")
    }
}

pub(super) fn accepted() -> v1::Event {
    v1::Event { kind: Some(event::Kind::Accepted(v1::Accepted {})) }
}

/// Whole microseconds of a span of time.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
