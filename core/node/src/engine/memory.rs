//! What a callee remembers: repeated requests join the running one or get its end; turns of a
//! conversation are kept.

use super::Engine;
use super::hosted::Hosted;
use super::lock;
use super::run::{Arrival, note_refused, refuse, take_answer};
use crate::call::core::CallCore;
use crate::call::kept::{self, Kept};
use crate::call::pipe::CalleeEnd;
use crate::call::sinks::Whose;
use crate::chance::now_ms;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::memo::{Begin, CallKey, ConversationKey, IdempotencyKey, request_digest};
use hubless_proto::policy::{CallerKind, Effect};
use hubless_proto::wire::v1::{self, event, part};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a call may take from where it is remembered as running to where it can be joined, and
/// from its end there to where that is remembered: nothing is waited for between them, but another
/// thread may see it on its way.
const BETWEEN: Duration = Duration::from_secs(1);
/// Pause between two looks at such a call.
const LOOK: Duration = Duration::from_millis(1);

/// Keys under which a call is remembered.
#[derive(Default)]
pub(crate) struct Memo {
    call: Option<CallKey>,
    idempotency: Option<IdempotencyKey>,
}

/// Calls that run and may be joined.
#[derive(Default)]
pub(crate) struct Running {
    calls: std::collections::BTreeMap<CallKey, Weak<CallCore>>,
    keys: std::collections::BTreeMap<(u64, IdempotencyKey), Weak<CallCore>>,
}

/// Decides whether a request is the first of its kind; a repeated one is answered here.
pub(crate) async fn first(
    engine: &Engine,
    hosted: &Hosted,
    arrival: Arrival,
    mut end: CalleeEnd,
) -> Option<(Arrival, CalleeEnd, Memo)> {
    let until = Instant::now() + BETWEEN;
    loop {
        let (memo, met) = match met(engine, hosted, &arrival).await {
            Ok(met) => met,
            Err(error) => {
                note_refused(engine, &arrival.caller, Some(hosted), &error);
                refuse(engine, &end, arrival.request.trace.as_ref(), &error).await;
                return None;
            }
        };
        let (whose, core) = match met {
            Met::New => return Some((arrival, end, memo)),
            Met::Ended(whose, kept) => {
                give_back(engine, whose, &arrival);
                let again = kept.and_then(|kept| kept.again());
                for down in again.unwrap_or_else(|| vec![kept::untold()]) {
                    // A caller that went away needs no answer.
                    let _ = end.events.send(down).await;
                }
                return None;
            }
            Met::Running(whose, core) => (whose, core),
        };
        let joined = join(core.clone(), whose, end).await;
        if let Err(failed) = joined {
            let (error, back) = *failed;
            if core.is_some_and(|core| core.has_ended()) && Instant::now() < until {
                // What is remembered of it is being written down: it tells more in a moment.
                end = back;
                sleep(LOOK).await;
                continue;
            }
            if whose == Whose::Another {
                note_refused(engine, &arrival.caller, Some(hosted), &error);
            }
            refuse(engine, &back, arrival.request.trace.as_ref(), &error).await;
        }
        give_back(engine, whose, &arrival);
        return None;
    }
}

enum Met {
    New,
    Running(Whose, Option<Arc<CallCore>>),
    Ended(Whose, Option<Arc<Kept>>),
}

/// Gives back the grant of a request that another one answers. What is sent again on another stream
/// has the grant of the one sending that it belongs to: that is the call's, taken or not yet.
fn give_back(engine: &Engine, whose: Whose, arrival: &Arrival) {
    if whose == Whose::Another {
        engine.treasury().decline(arrival.caller.node, &arrival.request);
    }
}

/// Meets what is remembered of a request. Two streams of one request often arrive in one packet.
async fn met(engine: &Engine, hosted: &Hosted, arrival: &Arrival) -> Result<(Memo, Met)> {
    let mut until = None;
    loop {
        let met = meet(engine, hosted, arrival)?;
        let between = matches!(met.1, Met::Running(_, None));
        if !between || Instant::now() >= *until.get_or_insert_with(|| Instant::now() + BETWEEN) {
            return Ok(met);
        }
        sleep(LOOK).await;
    }
}

fn meet(engine: &Engine, hosted: &Hosted, arrival: &Arrival) -> Result<(Memo, Met)> {
    let request = &arrival.request;
    let mut memo = Memo::default();
    let remote = arrival.caller.kind != CallerKind::Local;
    if !remote && request.idempotency_key.is_empty() {
        return Ok((memo, Met::New));
    }
    let digest = request_digest(request);
    let now = now_ms();
    if remote {
        let id = <[u8; 16]>::try_from(request.id.as_ref()).map_err(|_| {
            Error::refusal(Kind::Transport, "bad_frame", "expected an id of 16 bytes")
        })?;
        let key = CallKey { node: arrival.caller.node, id, attempt: request.attempt };
        match lock(&engine.duplicates).begin(key, digest, now)? {
            Begin::New => memo.call = Some(key),
            Begin::Ended(kept) => return Ok((memo, Met::Ended(Whose::Same, Some(kept)))),
            Begin::Untold => return Ok((memo, Met::Ended(Whose::Same, None))),
            Begin::Running => {
                let core = lock(&engine.running).calls.get(&key).and_then(Weak::upgrade);
                return Ok((memo, Met::Running(Whose::Same, core)));
            }
        }
    }
    if !request.idempotency_key.is_empty() {
        let key =
            IdempotencyKey { caller: arrival.caller.key(), key: request.idempotency_key.clone() };
        let begun = lock(&hosted.idempotency).begin(&key, digest, now);
        match begun {
            Ok(Begin::New) => memo.idempotency = Some(key),
            other => {
                forget_call(engine, &memo);
                let met = other?;
                // The handler reads bytes, if it does: nobody here knows what they were.
                if let Some(unnamed) = without_digest(request) {
                    return Err(unnamed);
                }
                return match met {
                    Begin::Ended(kept) => Ok((memo, Met::Ended(Whose::Another, Some(kept)))),
                    Begin::Untold => Ok((memo, Met::Ended(Whose::Another, None))),
                    Begin::New | Begin::Running => {
                        let running = lock(&engine.running);
                        let core = running.keys.get(&(hosted.serial, key)).and_then(Weak::upgrade);
                        Ok((memo, Met::Running(Whose::Another, core)))
                    }
                };
            }
        }
    }
    Ok((memo, Met::New))
}

/// The error of a repeat that cannot be told from another request, since a streamed part of it
/// names no digest of its bytes.
fn without_digest(request: &v1::Request) -> Option<Error> {
    let parts = request.content.iter().flat_map(|content| &content.parts);
    let mut streams = parts.filter_map(|part| match &part.kind {
        Some(part::Kind::Stream(stream)) => Some(stream),
        Some(
            part::Kind::Text(_)
            | part::Kind::DataJson(_)
            | part::Kind::Blob(_)
            | part::Kind::Uri(_),
        )
        | None => None,
    });
    let is_unnamed = streams.any(|stream| stream.sha256.is_empty());
    let message = "the same key was used before, and a streamed part names no sha256 by which the \
                   two could be compared: expected one, or another key";
    is_unnamed
        .then(|| Error::refusal(Kind::Conflict, "other_body", message).with_field("idempotencyKey"))
}

/// True where a run that nobody waits for may be made again.
fn is_repeatable(hosted: &Hosted, request: &v1::Request) -> bool {
    if !request.effect.is_empty() {
        return Effect::of(&request.effect).repeatable();
    }
    let descriptor = hosted.descriptor();
    descriptor.skill(&request.skill).is_some_and(|skill| Effect::of(&skill.effect).repeatable())
}

fn forget_call(engine: &Engine, memo: &Memo) {
    if let Some(key) = &memo.call {
        lock(&engine.duplicates).abandon(key);
    }
}

/// Joins a running call, and takes what is answered on the stream that joined; gives the stream
/// back where that cannot be done.
async fn join(
    core: Option<Arc<CallCore>>,
    whose: Whose,
    end: CalleeEnd,
) -> std::result::Result<(), Box<(Error, CalleeEnd)>> {
    let Some(core) = core else {
        let running = Error::refusal(Kind::Conflict, "running", "the same request is running");
        return Err(Box::new((running, end)));
    };
    let stream = (end.events.clone(), end.cancel.clone());
    if let Err(error) = core.join(whose, stream).await {
        return Err(Box::new((error, end)));
    }
    let CalleeEnd { events, mut control, .. } = end;
    // What is handed over alone tells whether the stream is over.
    drop(events);
    if whose == Whose::Same {
        let answers = async {
            while let Some(up) = control.recv().await {
                take_answer(&core, up);
            }
        };
        tokio::select! {
            () = answers => {}
            () = core.done.cancelled() => {}
        }
    }
    Ok(())
}

impl Memo {
    /// Lets repeated requests find the running call.
    pub(crate) fn running(&self, engine: &Engine, hosted: &Hosted, core: &Arc<CallCore>) {
        let mut running = lock(&engine.running);
        if let Some(key) = self.call {
            running.calls.insert(key, Arc::downgrade(core));
        }
        if let Some(key) = &self.idempotency {
            running.keys.insert((hosted.serial, key.clone()), Arc::downgrade(core));
        }
    }

    /// Keeps how the call ended.
    pub(crate) fn ended(self, engine: &Engine, hosted: &Hosted, core: &CallCore) {
        let outcome = core.take_kept().map(Arc::new);
        let bytes = outcome.as_ref().map_or(0, |kept| kept.bytes());
        // A call that its caller gave up has no outcome of its own: where it may be repeated, the
        // key stands for the run that follows.
        let given_up = core.is_given_up() && is_repeatable(hosted, &core.info.request);
        let ran = core.has_started() && !given_up;
        if let Some(key) = self.call {
            lock(&engine.running).calls.remove(&key);
            let mut duplicates = lock(&engine.duplicates);
            match &outcome {
                Some(kept) => duplicates.end(&key, Arc::clone(kept), bytes, now_ms()),
                None => duplicates.abandon(&key),
            }
        }
        if let Some(key) = self.idempotency {
            lock(&engine.running).keys.remove(&(hosted.serial, key.clone()));
            let mut known = lock(&hosted.idempotency);
            match outcome {
                Some(kept) if ran => known.end(&key, kept, bytes, now_ms()),
                Some(_) | None => known.abandon(&key),
            }
        }
    }
}

/// Notes the caller's turn, and gives the handler those before it. The agent's turn is noted before
/// the caller has the answer: its next request finds both.
pub(crate) fn turn(hosted: &Arc<Hosted>, core: &CallCore, request: &v1::Request) {
    let Some(key) = conversation(hosted, core) else { return };
    let mut known = lock(&hosted.conversations);
    // Set once: a call starts once.
    let _ = core.info.history.set(known.history(&key, now_ms()));
    let parts = request.content.iter().flat_map(|content| &content.parts);
    known.add(&key, turns(parts, "user"), now_ms());
    drop(known);
    let hosted = Arc::clone(hosted);
    core.at_end(Box::new(move |last| {
        let turns = last.map(answered).unwrap_or_default();
        lock(&hosted.conversations).add(&key, turns, now_ms());
    }));
}

/// The text and data of a message as turns of a conversation.
pub(crate) fn turns<'a>(parts: impl Iterator<Item = &'a v1::Part>, role: &str) -> Vec<v1::Part> {
    let said = parts
        .filter(|part| matches!(part.kind, Some(part::Kind::Text(_) | part::Kind::DataJson(_))));
    let with_role = |part: &v1::Part| {
        let mut part = part.clone();
        if part.role.is_empty() {
            role.clone_into(&mut part.role);
        }
        part
    };
    said.map(with_role).collect()
}

fn answered(last: &event::Kind) -> Vec<v1::Part> {
    let event::Kind::Final(last) = last else { return Vec::new() };
    turns(last.content.iter().flat_map(|content| &content.parts), "assistant")
}

fn conversation(hosted: &Hosted, core: &CallCore) -> Option<ConversationKey> {
    let id = &core.info.request.conversation_id;
    let kept = hosted.descriptor().records_interaction_context && !id.is_empty();
    kept.then(|| ConversationKey { caller: core.info.caller.key(), id: id.clone() })
}
