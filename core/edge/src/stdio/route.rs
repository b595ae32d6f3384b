//! Which open call each line of the child belongs to.

use hubless::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::wire::v1;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc};

/// Bytes that one unit of room stands for.
const UNIT_BYTES: usize = limits::KIB;
/// Room of one call, in units; an event takes at least one.
const ROOM: usize = limits::STDIO_CALL_BYTES / UNIT_BYTES;

/// One thing that a call gets from its child: an event, or why there are no more.
pub(super) struct Told {
    /// What it is.
    pub(super) event: Result<v1::Event>,
    /// Held until the caller has taken it.
    _room: Option<OwnedSemaphorePermit>,
}

/// What a call gets from its child.
pub(super) type Events = mpsc::Receiver<Told>;

/// The open calls, by the id that the child sees.
///
/// A call that is alone holds its child back when its caller is behind. Beside others it may not:
/// it has a bounded buffer, and fails when that is full.
#[derive(Default)]
pub(super) struct Routes {
    open: Mutex<BTreeMap<String, Route>>,
    /// Rung when a call is no longer alone.
    opened: Notify,
}

#[derive(Clone)]
struct Route {
    events: mpsc::Sender<Told>,
    room: Arc<Semaphore>,
}

impl Routes {
    /// Opens the route of a call; none when a call with this id is open.
    pub(super) fn open(&self, id: &str) -> Option<Events> {
        // One place more than there is room: the reason of the end needs none.
        let (events, receiver) = mpsc::channel(ROOM + 1);
        let mut open = self.lock();
        if open.contains_key(id) {
            return None;
        }
        open.insert(id.to_owned(), Route { events, room: Arc::new(Semaphore::new(ROOM)) });
        drop(open);
        self.opened.notify_waiters();
        Some(receiver)
    }

    /// Closes the route of a call.
    pub(super) fn close(&self, id: &str) {
        self.lock().remove(id);
    }

    /// Hands a line's event, or its error, to the call that it belongs to; `bytes` is the length
    /// of the line. A call that is over takes no more.
    pub(super) async fn hand_on(&self, id: &str, event: Result<v1::Event>, bytes: usize) {
        let Some(route) = self.lock().get(id).cloned() else { return };
        let units = u32::try_from(bytes.div_ceil(UNIT_BYTES).clamp(1, ROOM)).unwrap_or(u32::MAX);
        let room = loop {
            let opened = self.opened.notified();
            if let Ok(room) = Arc::clone(&route.room).try_acquire_many_owned(units) {
                break room;
            }
            if self.lock().len() > 1 {
                self.close(id);
                let _ = route.events.try_send(Told { event: Err(behind()), _room: None });
                return;
            }
            tokio::select! {
                room = Arc::clone(&route.room).acquire_many_owned(units) => match room {
                    Ok(room) => break room,
                    Err(_) => return,
                },
                () = opened => {}
                () = route.events.closed() => return,
            }
        };
        let _ = route.events.try_send(Told { event, _room: Some(room) });
    }

    /// Ends every open call: the child is gone.
    pub(super) fn clear(&self, why: &Error) {
        for route in std::mem::take(&mut *self.lock()).into_values() {
            let _ = route.events.try_send(Told { event: Err(why.clone()), _room: None });
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Route>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn behind() -> Error {
    let message = "the caller reads too slowly beside other calls of the same program";
    let bound = limits::STDIO_CALL_BYTES as u64;
    Error::new(Kind::HandlerFailed, message)
        .with_code("behind")
        .with_limit("STDIO_CALL_BYTES", bound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event() -> Result<v1::Event> {
        Ok(v1::Event::default())
    }

    #[tokio::test]
    async fn a_slow_call_holds_its_child_back_alone_and_fails_beside_another() {
        let routes = Arc::new(Routes::default());
        let mut slow = routes.open("slow").unwrap();
        assert!(routes.open("slow").is_none());
        for _ in 0..ROOM {
            routes.hand_on("slow", event(), 1).await;
        }
        let more = tokio::spawn({
            let routes = Arc::clone(&routes);
            async move { routes.hand_on("slow", event(), 1).await }
        });
        // It waits: room that is made lets it go on.
        assert!(slow.recv().await.unwrap().event.is_ok());
        more.await.unwrap();
        let waiting = tokio::spawn({
            let routes = Arc::clone(&routes);
            async move { routes.hand_on("slow", event(), 1).await }
        });
        tokio::task::yield_now().await;
        let mut other = routes.open("other").unwrap();
        waiting.await.unwrap();
        routes.hand_on("other", event(), 1).await;
        assert!(other.recv().await.unwrap().event.is_ok());
        let mut last = None;
        while let Some(told) = slow.recv().await {
            last = Some(told.event);
        }
        let error = last.unwrap().unwrap_err();
        assert_eq!(error.code, "behind");
        let bound = limits::STDIO_CALL_BYTES as u64;
        assert_eq!(error.limit.map(|limit| limit.value), Some(bound));
    }

    #[tokio::test]
    async fn the_end_of_a_child_reaches_every_call() {
        let routes = Routes::default();
        let mut calls: Vec<_> = ["a", "b"].map(|id| routes.open(id).unwrap()).into();
        routes.clear(&Error::new(Kind::HandlerFailed, "gone"));
        for call in &mut calls {
            assert!(call.recv().await.unwrap().event.is_err());
            assert!(call.recv().await.is_none());
        }
    }
}
