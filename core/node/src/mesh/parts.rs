//! Streamed parts of the messages of one call: their numbers on the wire and their bytes.
//!
//! Within a message parts are numbered as its maker likes; on the wire a number is used once per
//! direction of a call, so the sender renumbers.

use super::frames::End;
use crate::call::body::{Bodies, Body, BodyWriter, arriving};
use crate::call::flow::{Ledger, Room, Rooms};
use bytes::Bytes;
use hubless_proto::error::{Error, Kind};
use hubless_proto::limits::{OPEN_PARTS, STREAMED_PARTS};
use hubless_proto::wire::v1::{self, event, part};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// A message with streamed parts in it.
pub(super) trait Streamed {
    /// Calls `each` with every streamed part.
    fn streams(&mut self, each: &mut dyn FnMut(&mut v1::StreamPart));
}

fn of_part(part: &mut v1::Part, each: &mut dyn FnMut(&mut v1::StreamPart)) {
    if let Some(part::Kind::Stream(stream)) = &mut part.kind {
        each(stream);
    }
}

fn of_content(content: Option<&mut v1::Content>, each: &mut dyn FnMut(&mut v1::StreamPart)) {
    for part in content.into_iter().flat_map(|content| &mut content.parts) {
        of_part(part, each);
    }
}

impl Streamed for v1::Request {
    fn streams(&mut self, each: &mut dyn FnMut(&mut v1::StreamPart)) {
        of_content(self.content.as_mut(), each);
        for part in self.context.iter_mut().flat_map(|context| &mut context.history) {
            of_part(part, each);
        }
    }
}

impl Streamed for v1::Event {
    fn streams(&mut self, each: &mut dyn FnMut(&mut v1::StreamPart)) {
        match &mut self.kind {
            Some(event::Kind::Chunk(chunk)) => {
                for part in chunk.part.iter_mut() {
                    of_part(part, each);
                }
            }
            Some(event::Kind::InputRequired(input)) => of_content(input.prompt.as_mut(), each),
            Some(event::Kind::Final(last)) => of_content(last.content.as_mut(), each),
            Some(
                event::Kind::Accepted(_)
                | event::Kind::Progress(_)
                | event::Kind::ToolCall(_)
                | event::Kind::Rejection(_),
            )
            | None => {}
        }
    }
}

impl Streamed for v1::ToolResult {
    fn streams(&mut self, each: &mut dyn FnMut(&mut v1::StreamPart)) {
        of_content(self.content.as_mut(), each);
    }
}

impl Streamed for v1::Input {
    fn streams(&mut self, each: &mut dyn FnMut(&mut v1::StreamPart)) {
        of_content(self.content.as_mut(), each);
    }
}

/// Bytes of the parts that this side sends, in fair turns.
#[derive(Debug)]
pub(super) struct Outgoing {
    rooms: Rooms,
    tasks: JoinSet<()>,
    sender: mpsc::Sender<(u32, Result<Bytes, Error>)>,
    chunks: mpsc::Receiver<(u32, Result<Bytes, Error>)>,
}

impl Outgoing {
    pub(super) fn new() -> Self {
        let (sender, chunks) = mpsc::channel(1);
        Self { rooms: Rooms::default(), tasks: JoinSet::new(), sender, chunks }
    }

    /// Renumbers the parts of a message, which must be written before their bytes.
    pub(super) fn add(&mut self, message: &mut impl Streamed, mut bodies: Bodies) {
        message.streams(&mut |stream| {
            let (index, room) = self.rooms.open();
            let body = bodies.take(stream.index);
            stream.index = index;
            self.tasks.spawn(feed(index, body, room, self.sender.clone()));
        });
    }

    /// Where the receiver's words about room go.
    pub(super) fn rooms(&self) -> Rooms {
        self.rooms.clone()
    }

    /// False while one more message could have more parts open than its receiver takes: it waits
    /// until some are complete.
    pub(super) fn has_room(&self) -> bool {
        self.rooms.count() + STREAMED_PARTS <= OPEN_PARTS
    }

    /// True while bytes are to come.
    pub(super) fn is_open(&self) -> bool {
        !self.tasks.is_empty()
    }

    /// The next chunk; an empty one ends its part. None when every part has ended.
    pub(super) async fn next(&mut self) -> Option<(u32, Result<Bytes, Error>)> {
        let next = self.chunk().await?;
        if !matches!(&next.1, Ok(chunk) if !chunk.is_empty()) {
            self.rooms.close(next.0);
        }
        Some(next)
    }

    async fn chunk(&mut self) -> Option<(u32, Result<Bytes, Error>)> {
        loop {
            // Take what is there before looking at ended tasks: a task ends after its last chunk
            // is in the channel.
            if let Ok(chunk) = self.chunks.try_recv() {
                return Some(chunk);
            }
            if self.tasks.is_empty() {
                return None;
            }
            tokio::select! {
                chunk = self.chunks.recv() => return chunk,
                _ = self.tasks.join_next() => {}
            }
        }
    }
}

async fn feed(
    index: u32,
    body: Option<Body>,
    mut room: Room,
    sender: mpsc::Sender<(u32, Result<Bytes, Error>)>,
) {
    let Some(mut body) = body else {
        let error = Error::new(Kind::Internal, "a streamed part came without its bytes");
        let _ = sender.send((index, Err(error))).await;
        return;
    };
    loop {
        let chunk = tokio::select! {
            chunk = body.next() => chunk,
            () = room.unwanted() => None,
        };
        let Some(chunk) = chunk else { break };
        let failed = chunk.is_err();
        if let Ok(bytes) = &chunk {
            // An empty chunk on the wire would end the part.
            if bytes.is_empty() {
                continue;
            }
            if !room.take(bytes.len()).await {
                break;
            }
        }
        if sender.send((index, chunk)).await.is_err() || failed {
            return;
        }
    }
    // Its writer learns at once that nobody reads it.
    drop(body);
    // The pump that would take it may be gone with its call.
    let _ = sender.send((index, Ok(Bytes::new()))).await;
}

/// Bytes of the parts that this side receives.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    writers: BTreeMap<u32, BodyWriter>,
    ledger: Arc<Ledger>,
}

impl Incoming {
    /// Makes the reading ends of the parts of a message.
    pub(super) fn expect(&mut self, message: &mut impl Streamed) -> Result<Bodies, End> {
        let mut bodies = Bodies::none();
        let mut twice = false;
        message.streams(&mut |stream| {
            let (writer, reader) = arriving(self.ledger.open(stream.index));
            twice |= self.writers.insert(stream.index, writer).is_some();
            bodies.insert(stream.index, reader);
        });
        if twice {
            return Err(broken("a number of a streamed part came twice"));
        }
        if self.writers.len() > OPEN_PARTS {
            let message = format!("expected at most {OPEN_PARTS} streamed parts open at once");
            let error = Error::refusal(Kind::TooLarge, "", message).with_field("content.parts");
            return Err(End::Broken(error.with_limit("OPEN_PARTS", OPEN_PARTS as u64)));
        }
        Ok(bodies)
    }

    /// What the sender of the parts is to be told.
    pub(super) fn ledger(&self) -> Arc<Ledger> {
        Arc::clone(&self.ledger)
    }

    /// Hands a chunk on. It never waits for a reader, so that what follows on the stream is not
    /// held back; bytes for a reader that went away are dropped.
    pub(super) fn data(&mut self, index: u32, chunk: Bytes) -> Result<(), End> {
        if chunk.is_empty() {
            let ended = self.writers.remove(&index);
            let ended = ended.ok_or_else(|| broken("bytes came for a part nobody named"))?;
            self.ledger.close(index);
            ended.end();
            return Ok(());
        }
        let Some(writer) = self.writers.get(&index) else {
            return Err(broken("bytes came for a part nobody named"));
        };
        self.ledger.arrived(index, chunk.len()).map_err(End::Broken)?;
        writer.arrived(chunk).map_err(End::Broken)
    }

    /// Waits until nobody reads a part that is not complete.
    ///
    /// # Cancellation
    /// Safe.
    pub(super) async fn unwanted(&self) {
        for writer in self.writers.values() {
            writer.closed().await;
        }
    }
}

fn broken(what: &str) -> End {
    End::Broken(Error::new(Kind::Transport, what).with_code("bad_frame"))
}
