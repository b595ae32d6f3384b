//! Streamed answers: events until the last one.

use crate::content::{ContentIn, Received, hubless_content, hubless_part};
use crate::dispatch::forget_lent;
use crate::entry::{entry, function, in_callback};
use crate::fault::{Fault, Result, hubless_error};
use crate::handles::lock;
use crate::pending::{Done, Ended, Told};
use crate::reply::{self, Reply, ReplyIn};
use crate::request::{Prepared, hubless_request_options, prepare};
use crate::state::{NODES, Node, User};
use crate::types::{hubless_node, hubless_reply, hubless_status, hubless_str};
use bytes::Bytes;
use hubless_proto::{Error, Kind};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use std::os::raw::c_void;
use std::sync::Arc;

/// `kind` of an event: the callee has the request.
pub const HUBLESS_EVENT_ACCEPTED: i32 = 1;
/// `kind` of an event: how far it is.
pub const HUBLESS_EVENT_PROGRESS: i32 = 2;
/// `kind` of an event: a part of the answer, sent ahead.
pub const HUBLESS_EVENT_CHUNK: i32 = 3;
/// `kind` of an event: the end, with the answer.
pub const HUBLESS_EVENT_FINAL: i32 = 4;
/// `kind` of an event: the end, with an error.
pub const HUBLESS_EVENT_FAILED: i32 = 5;

/// One event of a streamed answer; everything in it lives until the callback returns, but `reply`,
/// which belongs to the program.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct hubless_event {
    /// `sizeof(hubless_event)`.
    pub size: usize,
    /// One of `HUBLESS_EVENT_*`.
    pub kind: i32,
    /// Note of a progress event.
    pub note: hubless_str,
    /// Fraction of a progress event, 0 to 1; below 0: not known.
    pub fraction: f64,
    /// The part of a chunk.
    pub part: *const hubless_part,
    /// Text of a chunk.
    pub text: hubless_str,
    /// 1: the chunk continues the part before it.
    pub append: i32,
    /// The answer of a final event; freed by the program.
    pub reply: *mut hubless_reply,
    /// The status of a failed event.
    pub status: hubless_status,
    /// The error of a failed event.
    pub error: *const hubless_error,
}

/// Takes one event; the last one is `HUBLESS_EVENT_FINAL` or `HUBLESS_EVENT_FAILED`, exactly once.
pub type hubless_on_event =
    Option<unsafe extern "C" fn(event: *const hubless_event, user: *mut c_void)>;
type OnEvent = unsafe extern "C" fn(*const hubless_event, *mut c_void);

/// How far a streamed request is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum State {
    /// It is not known here whether it was opened.
    Opening,
    /// It was given up before that was known.
    GivenUp,
    /// It is read by this handle.
    Open(u64),
}

/// Notes that a streamed request is given up; gives its stream, if that is known.
pub(crate) fn give_up(node: &Node, ticket: u64) -> Option<u64> {
    let mut streams = lock(&node.streams);
    let state = streams.get_mut(&ticket)?;
    let State::Open(stream) = *state else {
        *state = State::GivenUp;
        return None;
    };
    Some(stream)
}

/// A stream that is being read.
struct Reading {
    node: Arc<Node>,
    ticket: u64,
    on_event: OnEvent,
    user: User,
}

#[derive(Deserialize)]
struct Opened {
    stream: u64,
}

#[derive(Deserialize)]
struct ProgressIn {
    note: String,
    fraction: Option<f64>,
}

#[derive(Deserialize)]
struct ChunkIn {
    part: Box<RawValue>,
    append: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum ItemIn {
    Accepted(serde::de::IgnoredAny),
    Progress(ProgressIn),
    Chunk(ChunkIn),
    Final(Box<ReplyIn>),
}

#[derive(Deserialize)]
struct ItemsIn {
    items: Vec<ItemIn>,
    end: bool,
}

/// Asks an agent and gives its answer as it comes, by callbacks; does not block. The callee is
/// held back while a callback runs. `hubless_cancel` with the ticket of the options ends it.
///
/// # Safety
/// As `hubless_request`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn hubless_stream(
    node: *const hubless_node,
    to: hubless_str,
    content: *const hubless_content,
    given: *const hubless_request_options,
    on_event: hubless_on_event,
    user: *mut c_void,
    err: *mut hubless_error,
) -> hubless_status {
    // SAFETY: the caller vouches for the pointers in this function.
    unsafe {
        entry(err, || {
            let node = NODES.get(node)?;
            let on_event = function("on_event", on_event)?;
            let (work, lent, place) = prepare(to, content, given)?.into_parts();
            let cell = Arc::new(std::sync::OnceLock::new());
            let (opened, reads, user) = (Arc::clone(&cell), Arc::clone(&node), User(user));
            let told = Told::new(move |ended: Ended| {
                let user = user;
                let ticket = opened.get().copied().unwrap_or_default();
                let reading = Reading { node: reads, ticket, on_event, user };
                match ended.and_then(|done| done.read::<Opened>()) {
                    Ok(Opened { stream }) => reading.opened(stream),
                    Err(fault) => reading.failed(fault),
                }
            });
            let begun = node.begin_as("stream", work, told, |ticket| {
                let _ = cell.set(ticket);
                lock(&node.streams).insert(ticket, State::Opening);
                Prepared::lend(lent, place, &node, ticket)
            });
            if let (Err(_), Some(ticket)) = (&begun, cell.get()) {
                lock(&node.streams).remove(ticket);
            }
            begun.map(drop)
        })
    }
}

/// Reads on until the end.
fn read(reading: Arc<Reading>, stream: u64) {
    let reads = Arc::clone(&reading);
    let told = Told::new(move |ended: Ended| match ended {
        Err(fault) => reads.failed(fault),
        Ok(done) => match deliver(&reads, &done) {
            Err(fault) => reads.failed(fault),
            Ok(true) => reads.over(),
            Ok(false) => read(reads, stream),
        },
    });
    let work = (json!({ "stream": stream }), Vec::new());
    // A node that is closed reads nothing more: that is the end as well.
    if let Err(fault) = reading.node.begin("stream.next", work, told) {
        reading.failed(fault);
    }
}

fn deliver(reading: &Reading, done: &Done) -> Result<bool> {
    let ItemsIn { items, end } = done.read()?;
    let mut ended = false;
    for item in items {
        ended = matches!(item, ItemIn::Final(_));
        reading.item(item, &done.attachments)?;
    }
    if end && !ended {
        return Err(Fault::closed("the stream ended without an answer"));
    }
    Ok(end)
}

impl Reading {
    /// Reads it, unless the program gave it up before it was told that there is a stream.
    fn opened(self, stream: u64) {
        let is_wanted = {
            let mut streams = lock(&self.node.streams);
            let state = streams.insert(self.ticket, State::Open(stream));
            !matches!(state, Some(State::GivenUp))
        };
        if is_wanted {
            return read(Arc::new(self), stream);
        }
        // Where the core heard of it in time, the stream is gone already, which is no error. A node
        // that is closed lets go of it as well.
        let _ = self.node.tell("stream.drop", (json!({ "stream": stream }), Vec::new()));
        self.failed(Fault::from(Error::new(Kind::Cancelled, "given up by the program")));
    }

    fn item(&self, item: ItemIn, attachments: &[Bytes]) -> Result<()> {
        let mut event = hubless_event {
            size: size_of::<hubless_event>(),
            kind: HUBLESS_EVENT_ACCEPTED,
            note: hubless_str::NONE,
            fraction: -1.0,
            part: std::ptr::null(),
            text: hubless_str::NONE,
            append: 0,
            reply: std::ptr::null_mut(),
            status: hubless_status::HUBLESS_OK,
            error: std::ptr::null(),
        };
        match item {
            ItemIn::Accepted(_) => self.call(&event),
            ItemIn::Progress(ProgressIn { note, fraction }) => {
                event.kind = HUBLESS_EVENT_PROGRESS;
                event.note = hubless_str::of(&note);
                event.fraction = fraction.unwrap_or(-1.0);
                self.call(&event);
            }
            ItemIn::Chunk(ChunkIn { part, append }) => {
                let content = format!(r#"{{"parts":[{}]}}"#, part.get());
                let content: ContentIn = serde_json::from_str(&content)
                    .map_err(|_| Fault::invalid("chunk", "a chunk could not be read"))?;
                let received = Received::new(content, attachments, &self.node);
                let view = received.view();
                event.kind = HUBLESS_EVENT_CHUNK;
                event.part = view.parts;
                // SAFETY: a chunk has one part, which lives as long as `received`.
                event.text = unsafe { view.parts.as_ref() }
                    .filter(|part| part.kind == crate::content::HUBLESS_PART_TEXT)
                    .map_or(hubless_str::NONE, |part| part.text);
                event.append = i32::from(append);
                self.call(&event);
                // Streamed parts outlive the event: the program frees their handles.
            }
            ItemIn::Final(reply) => {
                let reply = Reply::new(*reply, attachments, &self.node);
                event.kind = HUBLESS_EVENT_FINAL;
                event.reply = reply::kept(reply).shown();
                self.call(&event);
            }
        }
        Ok(())
    }

    fn failed(&self, fault: Fault) {
        let status = fault.status();
        let error = hubless_error::of(fault);
        let event = hubless_event {
            size: size_of::<hubless_event>(),
            kind: HUBLESS_EVENT_FAILED,
            note: hubless_str::NONE,
            fraction: -1.0,
            part: std::ptr::null(),
            text: hubless_str::NONE,
            append: 0,
            reply: std::ptr::null_mut(),
            status,
            error: &raw const error,
        };
        self.call(&event);
        error.release();
        self.over();
    }

    fn call(&self, event: &hubless_event) {
        // SAFETY: the program gave the function for this; the event lives until it returns.
        in_callback(|| unsafe { (self.on_event)(&raw const *event, self.user.0) });
    }

    fn over(&self) {
        lock(&self.node.streams).remove(&self.ticket);
        forget_lent(&self.node, self.ticket);
    }
}
