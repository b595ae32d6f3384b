//! One inbound call from its arrival to its last event.

use super::Engine;
use super::admit::Admission;
use super::hosted::Hosted;
use super::memory;
use super::returns::{self, Return};
use crate::audit;
use crate::budget::{Delivery, Held};
use crate::call::body::Bodies;
use crate::call::content::{Content, part_value};
use crate::call::core::{CallCore, OutputCheck};
use crate::call::handle::{Call, Inbound};
use crate::call::info::CallInfo;
use crate::call::pipe::{CalleeEnd, CancelCode, Down, Up, pipe};
use crate::call::{split, trace};
use crate::schemas;
use crate::spans::{Refuser, content_bytes};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::policy::{Caller, CallerKind};
use hubless_proto::wire::v1::{self, event};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// How long the word of a stop may be behind the end of a stream that it caused.
const STOP_TOLD: Duration = Duration::from_secs(1);

/// A request as it came.
pub(crate) struct Arrival {
    pub(crate) caller: Caller,
    pub(crate) request: v1::Request,
    pub(crate) bodies: Bodies,
    pub(crate) arrived: Instant,
    /// The way of its answer, where that does not go to the caller.
    pub(crate) delivery: Option<Arc<Delivery>>,
}

/// Runs one call; every outcome leaves through `end`, and an answer that goes to someone else goes
/// there first.
pub(crate) async fn run(engine: Arc<Engine>, arrival: Arrival, end: CalleeEnd) {
    match Return::of(&arrival) {
        None => here(engine, arrival, end).await,
        Some(to) => {
            let (caller, callee) = pipe();
            let delivery = Arc::<Delivery>::default();
            let arrival = Arrival { delivery: Some(Arc::clone(&delivery)), ..arrival };
            let elsewhere = returns::carry(&engine, (to, delivery), caller, end);
            tokio::join!(here(Arc::clone(&engine), arrival, callee), elsewhere);
        }
    }
}

async fn here(engine: Arc<Engine>, mut arrival: Arrival, end: CalleeEnd) {
    let hosted = match engine.called(&arrival.caller, &arrival.request) {
        Ok(hosted) => hosted,
        Err(error) => {
            note_refused(&engine, &arrival.caller, None, &error);
            return refuse(&engine, &end, arrival.request.trace.as_ref(), &error).await;
        }
    };
    hosted.name_skill(&mut arrival.request);
    let first = memory::first(&engine, &hosted, arrival, end).await;
    let Some((arrival, end, memo)) = first else { return };
    let CalleeEnd { events, control, cancel } = end;
    let Arrival { caller, mut request, bodies, arrived, delivery } = arrival;
    let content = request.content.take();
    let provider = request.provider.take();
    let info = info(&engine, &hosted, &caller, request.clone(), arrived);
    let request_bytes = content_bytes(content.as_ref());
    let info = CallInfo { request_bytes, delivery, provider, ..info };
    request.content = content;
    let core = CallCore::new(info, output_check(&hosted, &request), events, cancel);
    memo.running(&engine, &hosted, &core);
    let span = tracing::debug_span!("call", agent = %hosted.name, trace = %core.info.place.trace);
    let admission = admit(&engine, &hosted, &core, (request, bodies));
    let supervised = supervise(&engine, (&core, &hosted), control, admission);
    let running = tracing::Instrument::instrument(supervised, span);
    running.await;
    memo.ended(&engine, &hosted, &core);
}

/// Checks the call, waits for its place and starts its handler.
async fn admit(
    engine: &Engine,
    hosted: &Arc<Hosted>,
    core: &Arc<CallCore>,
    (request, bodies): (v1::Request, Bodies),
) -> Result<()> {
    let caller = &core.info.caller;
    let waited_ms = u64::try_from(core.info.arrived.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (hosted_ref, call) = (hosted.as_ref(), Some(core));
    let admission =
        Admission { engine, hosted: hosted_ref, caller, waited_ms, call, funded: false };
    let (mut request, bodies) = admission.run(request, bodies).await?;
    let place = engine.enter(hosted.room.enter(caller.key()).await?)?;
    if core.cancelled.is_cancelled() {
        // The stop that freed the place was for this call as well.
        return Err(core.cancel_refusal());
    }
    if let Some(Err(over)) = core.held().map(Held::begin) {
        // The word of the stop is on its way to the call.
        let told = timeout(STOP_TOLD, core.cancelled.cancelled()).await.is_ok();
        return Err(if told { core.cancel_refusal() } else { over });
    }
    core.started(hosted.room.load());
    memory::turn(hosted, core, &request);
    let content = Content { message: request.content.take().unwrap_or_default(), bodies };
    let call = Call::new(Arc::clone(core), place);
    let inbound = Inbound { call, content, fresh: hosted.isolated };
    tracing::debug!(caller = %core.info.caller.kind, "handler starts");
    let handled = catch_unwind(AssertUnwindSafe(|| hosted.handler.handle(inbound)));
    if handled.is_err() {
        tracing::error!("a handler panicked");
        return Err(Error::refusal(Kind::HandlerFailed, "panic", "the handler panicked"));
    }
    Ok(())
}

/// Moves what comes for a call, and watches its times, until it has ended.
async fn supervise(
    engine: &Engine,
    (core, hosted): (&Arc<CallCore>, &Hosted),
    mut control: mpsc::Receiver<Up>,
    admission: impl Future<Output = Result<()>>,
) {
    let mut admission = std::pin::pin!(admission);
    let mut admitted = false;
    let mut control_open = true;
    let mut accept_at = Some(core.info.arrived + limits::ACCEPTED_AFTER);
    loop {
        tokio::select! {
            biased;
            () = core.done.cancelled() => break,
            started = &mut admission, if !admitted => match started {
                Ok(()) => admitted = true,
                Err(error) => {
                    tracing::debug!(kind = %error.kind, code = %error.code, "refused");
                    // A stop that met it while it waited is no refusal, whichever is seen first.
                    let stopped = core.cancelled.is_cancelled() && error == core.cancel_refusal();
                    if !stopped {
                        note_refused(engine, &core.info.caller, Some(hosted), &error);
                    }
                    // It may have ended by itself meanwhile.
                    let _ = core.reject(&error).await;
                    break;
                }
            },
            up = control.recv(), if control_open => match up {
                Some(up) => take_answer(core, up),
                None => control_open = false,
            },
            code = core.given_up() => {
                if code == CancelCode::Killed {
                    // The stop itself, which says why, is on its way on another stream.
                    let _ = timeout(STOP_TOLD, core.cancelled.cancelled()).await;
                }
                leave(core, &given_up(code)).await;
                break;
            }
            () = core.cancelled.cancelled() => {
                // Its budget was stopped.
                let _ = core.reject(&core.cancel_refusal()).await;
                break;
            }
            () = hosted.stop.cancelled() => {
                let _ = stop(core, &taken_out()).await;
                break;
            }
            () = tokio::time::sleep_until(accept_at.unwrap_or_else(Instant::now)),
                if accept_at.is_some() =>
            {
                let accepted = core.accept().await;
                accept_at = (!accepted).then(|| Instant::now() + limits::ACCEPTED_AFTER);
            }
            () = tokio::time::sleep_until(core.deadline()) => {
                if core.deadline() <= Instant::now() {
                    let error = Error::refusal(Kind::Deadline, "", "the time of the call is over");
                    leave(core, &error).await;
                    break;
                }
            }
        }
    }
    if !core.is_ended() {
        let message = "the handler went away without an answer";
        // A handler that was told to stop may be gone before this is polled again.
        let error = if core.cancelled.is_cancelled() {
            core.cancel_refusal()
        } else if hosted.stop.is_cancelled() {
            taken_out()
        } else {
            Error::refusal(Kind::HandlerFailed, "no_answer", message)
        };
        // Whoever ended it meanwhile was first.
        let _ = core.reject(&error).await;
    }
}

fn taken_out() -> Error {
    Error::refusal(Kind::Closed, "unregistered", "the agent was taken out")
}

fn given_up(code: CancelCode) -> Error {
    match code {
        CancelCode::Cancelled => Error::refusal(Kind::Cancelled, "", "the caller gave the call up"),
        CancelCode::Deadline => Error::refusal(Kind::Deadline, "", "the caller's time is over"),
        CancelCode::Drained => Error::refusal(Kind::Transport, "drained", "the connection ended"),
        CancelCode::Limit => {
            // It does not say which.
            let message = "the answer is beyond a bound of the caller";
            Error::refusal(Kind::TooLarge, "", message).with_field("answer")
        }
        CancelCode::Killed => Error::refusal(Kind::Killed, "parent", "the call tree was stopped"),
    }
}

/// Stops the handler and ends the call; false: it had ended before.
async fn stop(core: &CallCore, error: &Error) -> bool {
    tracing::debug!(kind = %error.kind, "stopped");
    core.cancel(error.kind, &error.message);
    // Nobody may be there to read it; a stream that joined may.
    core.reject(error).await.is_ok()
}

/// The same, since nobody waits for it any longer.
async fn leave(core: &CallCore, error: &Error) {
    if stop(core, error).await {
        core.note_given_up();
    }
}

/// Takes what the caller answered to a question of the handler.
pub(super) fn take_answer(core: &Arc<CallCore>, up: Up) {
    let (id, content, error, bodies) = match up {
        Up::ToolResult(result, bodies) => (result.id, result.content, result.error, bodies),
        Up::Input(input, bodies) => (input.id, input.content, input.error, bodies),
    };
    let content = Content { message: content.unwrap_or_default(), bodies };
    if let Some(rejection) = error {
        core.answered(id, Err(Error::from(rejection)));
    } else if content.bodies.is_empty() {
        core.answered(id, Ok(content));
    } else {
        // Its bytes are still on their way: the call goes on meanwhile.
        let core = Arc::clone(core);
        tokio::spawn(async move {
            let count = split::up_to(limits::REQUEST_BYTES);
            let answer = tokio::select! {
                answer = split::gather(content, &count) => answer,
                () = core.done.cancelled() => return,
            };
            core.answered(id, answer);
        });
    }
}

fn info(
    engine: &Engine,
    hosted: &Hosted,
    caller: &Caller,
    request: v1::Request,
    arrived: Instant,
) -> CallInfo {
    let millis = |ms: u64| Duration::from_millis(ms).min(limits::DEADLINE_MAX);
    let (trace, place) = trace::child(request.trace.as_ref());
    CallInfo {
        caller: caller.clone(),
        agent: hosted.id(),
        agent_name: hosted.name.to_string(),
        known_skill: hosted.policy.skill(&request.skill).is_ok(),
        node: engine.node(),
        trace,
        place,
        request_bytes: None,
        spans: Arc::clone(engine.spans()),
        tally: Arc::clone(engine.tally()),
        timeout: millis(request.deadline_ms),
        total_deadline: request.total_ms.map(|total| arrived + millis(total)),
        arrived,
        history: OnceLock::new(),
        remote: caller.kind != CallerKind::Local,
        delivery: None,
        provider: None,
        request,
    }
}

/// The answer must hold the skill's output schema and the caller's own.
fn output_check(hosted: &Hosted, request: &v1::Request) -> Option<OutputCheck> {
    let skill = hosted.policy.skill(&request.skill).ok().flatten();
    let of_skill = skill.and_then(|skill| skill.output.clone());
    let own = request.output_schema_json.clone();
    if of_skill.is_none() && own.is_empty() {
        return None;
    }
    Some(Box::new(move |content| {
        let value = content.parts.iter().find_map(part_value).unwrap_or_default();
        let wrong =
            |error: Error| Error { message: format!("the answer: {}", error.message), ..error };
        if let Some(schema) = &of_skill {
            schema.check(&value, "output").map_err(wrong)?;
        }
        schemas::check(&own, &value, "output").map_err(wrong)
    }))
}

/// Writes a refused call down, and tells who counts them.
pub(super) fn note_refused(engine: &Engine, caller: &Caller, called: Option<&Hosted>, why: &Error) {
    if let Some(entry) = audit::call_refused(caller, called, why) {
        engine.spans().watchers().refused(Refuser::Node, why.kind);
        engine.audit().fold(entry);
    }
}

/// Refuses a call that has no handler to run it.
pub(super) async fn refuse(
    engine: &Engine,
    end: &CalleeEnd,
    trace: Option<&v1::Trace>,
    error: &Error,
) {
    // A caller that went away needs no answer.
    let _ = end.events.send(rejected(engine, trace, error)).await;
}

/// A refusal by this node, as a last event.
pub(super) fn rejected(engine: &Engine, trace: Option<&v1::Trace>, error: &Error) -> Down {
    let mut rejection = v1::Rejection::from(error);
    rejection.origin = engine.node().to_wire();
    rejection.trace_id = trace.and_then(trace::trace_id).unwrap_or_default();
    let event = v1::Event { kind: Some(event::Kind::Rejection(rejection)) };
    Down { event, bodies: Bodies::none() }
}
