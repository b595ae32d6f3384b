//! What all holders of one running call share: where its events go, what it waits for, its end.

use super::body::Bodies;
use super::content::Content;
use super::kept::Kept;
use super::pipe::{CancelCode, CancelSignal, Down};
use super::question::Question;
use super::sinks::Sinks;
use crate::budget::Held;
use hubless_proto::error::Result;
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::killswitch::Ending;
use hubless_proto::policy::Caller;
use hubless_proto::wire::v1::{self, event};
use hubless_proto::wire::words::TripReason;
use hubless_proto::{Error, Kind, limits};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::{Mutex as Queue, Semaphore, mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Does something at the end of a call, which is told unless the call ended before it was asked.
pub(crate) type AtEnd = Box<dyn FnOnce(Option<&event::Kind>) + Send>;

/// Checks an answer before it leaves.
pub(crate) type OutputCheck = Box<dyn Fn(&v1::Content) -> Result<()> + Send + Sync>;

/// What is known of a call when its handler starts.
pub(crate) struct CallInfo {
    /// The request; its content was moved out.
    pub(crate) request: v1::Request,
    pub(crate) caller: Caller,
    pub(crate) agent: AgentId,
    pub(crate) agent_name: String,
    /// Node that runs it.
    pub(crate) node: NodeKey,
    /// Span of this call (W3C Trace Context).
    pub(crate) trace: v1::Trace,
    /// Turns before this one, when the agent keeps them; set when the handler starts.
    pub(crate) history: OnceLock<Vec<v1::Part>>,
    /// First event, then between events.
    pub(crate) timeout: Duration,
    pub(crate) total_deadline: Option<Instant>,
    pub(crate) arrived: Instant,
    /// True: the caller is another process, large parts travel as streams.
    pub(crate) remote: bool,
}

pub(crate) struct CallCore {
    pub(crate) info: CallInfo,
    pub(crate) check_output: OutputCheck,
    /// Where events go: the caller's stream first, then those that joined it. Held while one is
    /// handed over, so that events keep their order.
    sinks: Queue<Sinks>,
    /// One for each stream of this call; it is given up when all of them are.
    signals: Mutex<Vec<CancelSignal>>,
    /// What is to be done before the last event is handed over.
    at_end: Mutex<Vec<AtEnd>>,
    state: Mutex<State>,
    tools_at_once: Semaphore,
    held: OnceLock<Held>,
    /// Fires when the caller, time, or its budget gave the call up.
    pub(crate) cancelled: CancellationToken,
    /// Fires when the call has its last event, or was dropped without one.
    pub(crate) done: CancellationToken,
}

#[derive(Default)]
struct State {
    ended: bool,
    /// What has left, for who joins or asks again; none: nobody can.
    kept: Option<Kept>,
    /// Kind, code and message.
    cancel_reason: Option<(Kind, String, String)>,
    usage: v1::Usage,
    last_event: Option<Instant>,
    handler_started: Option<Instant>,
    next_id: u64,
    tool_calls: usize,
    waiting: BTreeMap<u64, oneshot::Sender<Result<Content>>>,
    inputs_open: usize,
    load: u32,
    chunks: bool,
    /// True once `Accepted` was said: who joins hears it as well.
    accepted: bool,
}

impl CallCore {
    pub(crate) fn new(
        info: CallInfo,
        check_output: OutputCheck,
        events: mpsc::Sender<Down>,
        signal: CancelSignal,
    ) -> Arc<Self> {
        let joinable = info.remote || !info.request.idempotency_key.is_empty();
        let state = State { kept: joinable.then(Kept::default), ..State::default() };
        Arc::new(Self {
            info,
            check_output,
            sinks: Queue::new(Sinks { open: vec![events] }),
            signals: Mutex::new(vec![signal]),
            at_end: Mutex::default(),
            state: Mutex::new(state),
            held: OnceLock::new(),
            tools_at_once: Semaphore::new(limits::TOOL_CALLS_AT_ONCE),
            cancelled: CancellationToken::new(),
            done: CancellationToken::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
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
        // A call has one grant.
        let _ = self.held.set(held);
    }

    /// The grant that pays for it; none: it has no budget.
    pub(crate) fn held(&self) -> Option<&Held> {
        self.held.get()
    }

    /// Ends the grant with the call; true: nothing was reported, so all of it is charged.
    fn settle(&self) -> bool {
        let ending = if self.has_started() { Ending::Ran } else { Ending::Free };
        self.held().is_some_and(|held| held.finish(ending))
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
        let all = {
            let mut state = self.state();
            if std::mem::replace(&mut state.ended, true) {
                return false;
            }
            state.waiting.clear();
            std::mem::take(&mut *self.at_end.lock().unwrap_or_else(PoisonError::into_inner))
        };
        for work in all {
            work(Some(last));
        }
        true
    }

    /// True when the answer came in pieces, so that its last event may be empty.
    pub(crate) fn has_chunks(&self) -> bool {
        self.state().chunks
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
        let mut state = self.state();
        let usage = &mut state.usage;
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

    /// Hands an event that is not the last one over, in order.
    pub(crate) async fn emit(&self, event: event::Kind, bodies: Bodies) -> Result<()> {
        let mut sinks = self.sinks.lock().await;
        {
            let mut state = self.state();
            if state.ended {
                return Err(self.over());
            }
            state.last_event = Some(Instant::now());
            state.chunks |= matches!(event, event::Kind::Chunk(_));
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
        self.settle();
        let mut rejection = v1::Rejection::from(error);
        if rejection.origin.is_empty() {
            rejection.origin = bytes::Bytes::copy_from_slice(self.info.node.as_bytes());
        }
        if rejection.trace_id.is_empty() {
            rejection.trace_id = super::trace::trace_id(&self.info.trace).unwrap_or_default();
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
            () = self.cancelled.cancelled() => {}
        }
        self.done.cancel();
        Ok(())
    }

    fn keep(&self, event: &v1::Event, bodies: &Bodies) {
        if let Some(kept) = &mut self.state().kept {
            kept.add(event, bodies);
        }
    }

    /// The last holder dropped it.
    pub(crate) fn abandoned(&self) {
        self.done.cancel();
    }

    /// Adds a second stream of the same call; it gets what has left so far.
    pub(crate) async fn join(
        &self,
        events: mpsc::Sender<Down>,
        cancel: CancelSignal,
    ) -> Result<()> {
        let mut sinks = self.sinks.lock().await;
        let so_far = self.state().kept.as_ref().and_then(Kept::again);
        let room = sinks.open.len() < limits::JOINED_STREAMS;
        let Some(so_far) = so_far.filter(|_| room) else {
            return Err(Error::refusal(Kind::Conflict, "running", "the call cannot be joined"));
        };
        if self.state().accepted {
            let _ = events.send(Down { event: accepted(), bodies: Bodies::none() }).await;
        }
        for down in so_far {
            // A stream that went away is removed at the next event.
            let _ = events.send(down).await;
        }
        sinks.open.push(events);
        self.signals.lock().unwrap_or_else(PoisonError::into_inner).push(cancel);
        Ok(())
    }

    /// Asks the caller for something and waits for its answer.
    pub(crate) async fn ask(&self, question: Question) -> Result<Content> {
        let _room = match question {
            Question::Tool { .. } => Some(self.tool_room().await?),
            Question::Input { .. } => None,
        };
        let (sender, answer) = oneshot::channel();
        let (id, input) = self.open_question(&question, sender)?;
        let (event, bodies) = question.event(id);
        let asked = self.emit(event, bodies).await;
        let answer = match asked {
            Ok(()) => tokio::select! {
                answer = answer => answer.unwrap_or_else(|_| Err(self.over())),
                () = self.cancelled.cancelled() => Err(self.cancel_error()),
            },
            Err(error) => Err(error),
        };
        self.close_question(id, input);
        answer
    }

    async fn tool_room(&self) -> Result<tokio::sync::SemaphorePermit<'_>> {
        tokio::select! {
            room = self.tools_at_once.acquire() => room.map_err(|_| self.over()),
            () = self.cancelled.cancelled() => Err(self.cancel_error()),
        }
    }

    fn open_question(
        &self,
        question: &Question,
        sender: oneshot::Sender<Result<Content>>,
    ) -> Result<(u64, bool)> {
        let mut state = self.state();
        if state.ended {
            return Err(self.over());
        }
        let input = matches!(question, Question::Input { .. });
        if input {
            state.inputs_open += 1;
        } else {
            if state.tool_calls >= limits::TOOL_CALLS {
                return Err(Error::refusal(Kind::TooLarge, "", "too many tool calls in one call")
                    .with_limit("TOOL_CALLS", limits::TOOL_CALLS as u64));
            }
            state.tool_calls += 1;
        }
        state.next_id += 1;
        let id = state.next_id;
        state.waiting.insert(id, sender);
        Ok((id, input))
    }

    fn close_question(&self, id: u64, input: bool) {
        let mut state = self.state();
        state.waiting.remove(&id);
        state.last_event = Some(Instant::now());
        if input {
            state.inputs_open = state.inputs_open.saturating_sub(1);
        }
    }

    /// Takes the caller's answer in; an unknown id is ignored.
    pub(crate) fn answered(&self, id: u64, answer: Result<Content>) {
        let waiting = self.state().waiting.remove(&id);
        if let Some(waiting) = waiting {
            // Whoever asked may have been cancelled meanwhile.
            let _ = waiting.send(answer);
        }
    }

    fn over(&self) -> Error {
        Error::new(Kind::Closed, "the call has ended")
    }
}

fn accepted() -> v1::Event {
    v1::Event { kind: Some(event::Kind::Accepted(v1::Accepted {})) }
}

/// Whole microseconds of a span of time.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
