//! What comes piece by piece: streamed answers, finds, changes.

use super::request::options;
use super::{Job, Outcome, unknown};
use crate::json::reply::ItemOut;
use crate::json::shown::Outlet;
use crate::session::Session;
use hubless::node::{CallStream, Change, Discovery, Found, StreamItem, Watch};
use hubless_proto::error::Result;
use hubless_proto::{Error, Kind};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore};

/// Most items of one `stream.next`.
const ITEMS: usize = 64;

/// What a stream gives.
pub(crate) enum Source {
    Call(CallStream),
    Discovery(Discovery),
    Watch(Watch),
}

/// A stream that the host reads.
pub(crate) struct OpenStream {
    reader: Mutex<Reader>,
    // Closed when the host lets go, which ends a `stream.next` that waits.
    gone: Semaphore,
}

struct Reader {
    source: Source,
    /// Came after items that were given out; the next read gives it.
    failure: Option<Error>,
}

enum Item {
    Call(Box<StreamItem>),
    Found(Box<Found>),
    Change(Change),
}

#[derive(Serialize)]
#[serde(untagged)]
enum AnyOut {
    Call(Box<ItemOut>),
    Found(Box<Found>),
    Change(Change),
}

#[derive(Serialize)]
struct ItemsOut {
    items: Vec<AnyOut>,
    end: bool,
}

pub(super) async fn run(job: Job<'_>, name: &str) -> Result<Outcome> {
    match name {
        "stream" => {
            job.leave_host().await;
            let source = Source::Call(job.session.node()?.stream(options(&job)?)?);
            Ok(open(job.session, source))
        }
        "stream.next" => next(job).await,
        "stream.drop" => {
            let StreamIn { stream, .. } = job.read()?;
            drop_handle(job.session, stream);
            Ok(Outcome::empty())
        }
        _ => unknown(name),
    }
}

/// Keeps a stream for the host.
pub(super) fn open(session: &Session, source: Source) -> Outcome {
    let reader = Mutex::new(Reader { source, failure: None });
    let stream = OpenStream { reader, gone: Semaphore::new(0) };
    let handle = session.streams.insert(Arc::new(stream));
    Outcome::of(&json!({"stream": handle})).opening(vec![handle])
}

/// Lets a stream go; an unknown one is no error, its end may have come first.
pub(crate) fn drop_handle(session: &Session, stream: u64) {
    if let Some(stream) = session.streams.take(stream) {
        stream.gone.close();
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StreamIn {
    stream: u64,
    max: Option<usize>,
}

async fn next(job: Job<'_>) -> Result<Outcome> {
    let StreamIn { stream: id, max } = job.read()?;
    let stream = job.session.streams.get(id)?;
    let mut reader = stream.reader.lock().await;
    let items = tokio::select! {
        biased;
        _ = stream.gone.acquire() => {
            Err(Error::new(Kind::Cancelled, "the stream was let go"))
        }
        items = reader.read(max.unwrap_or(ITEMS).clamp(1, ITEMS)) => items,
    };
    let shown = items.and_then(|items| show(&job, items));
    if !matches!(&shown, Ok((_, false))) {
        drop(job.session.streams.take(id));
    }
    shown.map(|(outcome, _)| outcome)
}

impl Reader {
    /// Waits for an item and takes what has come with it; fewer than were there after the last.
    async fn read(&mut self, max: usize) -> Result<Vec<Item>> {
        if let Some(error) = self.failure.take() {
            return Err(error);
        }
        let mut items = Vec::new();
        let mut next = self.source.next().await;
        while let Some(item) = next {
            match item {
                Ok(item) => items.push(item),
                Err(error) if items.is_empty() => return Err(error),
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
            next = if items.len() < max { self.source.try_next() } else { None };
        }
        Ok(items)
    }
}

/// What was read, and whether it is the end of the stream.
fn show(job: &Job<'_>, items: Vec<Item>) -> Result<(Outcome, bool)> {
    let end = match items.last() {
        None => true,
        Some(Item::Call(item)) => matches!(**item, StreamItem::Final(_)),
        Some(Item::Found(_) | Item::Change(_)) => false,
    };
    let mut outlet = Outlet::new(job.session);
    let items = items
        .into_iter()
        .map(|item| {
            Ok(match item {
                Item::Call(item) => AnyOut::Call(Box::new(ItemOut::new(*item, &mut outlet)?)),
                Item::Found(found) => AnyOut::Found(found),
                Item::Change(change) => AnyOut::Change(change),
            })
        })
        .collect::<Result<_>>()?;
    Ok((Outcome::shown(&ItemsOut { items, end }, outlet), end))
}

impl Source {
    async fn next(&mut self) -> Option<Result<Item>> {
        match self {
            Self::Call(stream) => stream.next().await.map(|item| item.map(of_call)),
            Self::Discovery(stream) => stream.next().await.map(of_found),
            Self::Watch(stream) => stream.next().await.map(of_change),
        }
    }

    fn try_next(&mut self) -> Option<Result<Item>> {
        match self {
            Self::Call(stream) => stream.try_next().map(|item| item.map(of_call)),
            Self::Discovery(stream) => stream.try_next().map(of_found),
            Self::Watch(stream) => stream.try_next().map(of_change),
        }
    }
}

fn of_call(item: StreamItem) -> Item {
    Item::Call(Box::new(item))
}

fn of_found(found: Found) -> Result<Item> {
    Ok(Item::Found(Box::new(found)))
}

const fn of_change(change: Change) -> Result<Item> {
    Ok(Item::Change(change))
}
