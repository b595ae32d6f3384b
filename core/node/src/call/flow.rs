//! Room for the streamed parts of one direction of a call: what their receiver allows, and what
//! their sender has of it.
//!
//! Each part has room of its own, so that one that nobody reads holds back nothing else of its
//! call. A reader that goes away says so, and its sender ends the part.

use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, room};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// What the peer is told at the latest: a quarter of the window has become free.
const STEP: u64 = limits::PART_WINDOW_BYTES as u64 / 4;

/// Chunks that may wait for a reader when every one is as small as it counts.
pub(crate) const CHUNKS: usize = limits::PART_WINDOW_BYTES.div_ceil(limits::PART_FRAME_BYTES);

/// What a chunk takes of the room of its part.
fn cost(bytes: usize) -> u64 {
    bytes.max(limits::PART_FRAME_BYTES) as u64
}

/// The receiver's side: what it allows for each part that is not complete.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    state: Mutex<Accounts>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Accounts {
    parts: BTreeMap<u32, Account>,
    /// Parts of which the sender is to be told something.
    due: BTreeSet<u32>,
}

#[derive(Debug)]
struct Account {
    arrived: u64,
    taken: u64,
    allowed: u64,
    wanted: bool,
}

impl Ledger {
    fn state(&self) -> MutexGuard<'_, Accounts> {
        // A holder that panicked left plain values behind: they stay usable.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the account of a part.
    pub(crate) fn open(self: &Arc<Self>, part: u32) -> Reading {
        let allowed = limits::PART_FIRST_BYTES as u64;
        let account = Account { arrived: 0, taken: 0, allowed, wanted: true };
        self.state().parts.insert(part, account);
        Reading { part, ledger: Arc::clone(self) }
    }

    /// Notes what came.
    ///
    /// # Errors
    /// `transport` (`no_room`) for more than was allowed.
    pub(crate) fn arrived(&self, part: u32, bytes: usize) -> Result<()> {
        let mut state = self.state();
        let Some(account) = state.parts.get_mut(&part) else { return Ok(()) };
        account.arrived = account.arrived.saturating_add(cost(bytes));
        if account.arrived <= account.allowed {
            return Ok(());
        }
        let message = "more bytes of a part came than there was room for";
        Err(Error::new(Kind::Transport, message)
            .with_code("no_room")
            .with_limit("PART_WINDOW_BYTES", limits::PART_WINDOW_BYTES as u64))
    }

    /// The part is complete: its sender needs to be told nothing.
    pub(crate) fn close(&self, part: u32) {
        let mut state = self.state();
        state.parts.remove(&part);
        state.due.remove(&part);
    }

    /// Waits for something that a sender is to be told.
    ///
    /// # Cancellation
    /// Safe.
    pub(crate) async fn next(&self) -> v1::Room {
        loop {
            let changed = self.changed.notified();
            if let Some(room) = self.take_due() {
                return room;
            }
            changed.await;
        }
    }

    fn take_due(&self) -> Option<v1::Room> {
        let mut state = self.state();
        loop {
            let part = state.due.pop_first()?;
            let Some(account) = state.parts.get_mut(&part) else { continue };
            let said = if account.wanted {
                account.allowed = account.taken + limits::PART_WINDOW_BYTES as u64;
                room::Room::Bytes(account.allowed)
            } else {
                room::Room::Unwanted(true)
            };
            return Some(v1::Room { part, room: Some(said) });
        }
    }

    fn change(&self, part: u32, change: impl FnOnce(&mut Account) -> bool) {
        let due = {
            let mut state = self.state();
            let Some(account) = state.parts.get_mut(&part) else { return };
            let due = change(account);
            due && state.due.insert(part)
        };
        if due {
            self.changed.notify_one();
        }
    }
}

/// A reader's hold on the account of its part; its drop says that nobody reads the part.
pub(crate) struct Reading {
    part: u32,
    ledger: Arc<Ledger>,
}

impl Reading {
    /// Notes that the reader took a chunk.
    pub(crate) fn taken(&self, bytes: usize) {
        self.ledger.change(self.part, |account| {
            account.taken = account.taken.saturating_add(cost(bytes));
            account.taken + limits::PART_WINDOW_BYTES as u64 >= account.allowed + STEP
        });
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.ledger.change(self.part, |account| std::mem::replace(&mut account.wanted, false));
    }
}

impl fmt::Debug for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Reading").field(&self.part).finish()
    }
}

/// What the peer has said of one part that this side sends.
#[derive(Debug, Clone, Copy)]
struct Said {
    bytes: u64,
    wanted: bool,
}

/// The sender's side: what its peer said of the parts that are not sent yet; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rooms {
    parts: Arc<Mutex<Sending>>,
}

#[derive(Debug, Default)]
struct Sending {
    /// The index of the next part.
    next: u32,
    open: BTreeMap<u32, watch::Sender<Said>>,
}

impl Rooms {
    fn sending(&self) -> MutexGuard<'_, Sending> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers the next part and gives the room that it has.
    pub(crate) fn open(&self) -> (u32, Room) {
        let mut sending = self.sending();
        let index = sending.next;
        sending.next = index.wrapping_add(1);
        let first = Said { bytes: limits::PART_FIRST_BYTES as u64, wanted: true };
        let (sender, said) = watch::channel(first);
        sending.open.insert(index, sender);
        (index, Room { said, used: 0 })
    }

    /// Parts that are not sent yet.
    pub(crate) fn count(&self) -> usize {
        self.sending().open.len()
    }

    /// The part was sent.
    pub(crate) fn close(&self, part: u32) {
        self.sending().open.remove(&part);
    }

    /// Takes in what the peer says; of a part that was sent already it means nothing.
    ///
    /// # Errors
    /// `transport` (`bad_frame`) for a part that was never sent.
    pub(crate) fn said(&self, room: &v1::Room) -> Result<()> {
        let sending = self.sending();
        if room.part >= sending.next {
            let message = "room was given for a part nobody named";
            return Err(Error::new(Kind::Transport, message).with_code("bad_frame"));
        }
        let Some(part) = sending.open.get(&room.part) else { return Ok(()) };
        part.send_modify(|said| match room.room {
            Some(room::Room::Bytes(bytes)) => said.bytes = said.bytes.max(bytes),
            Some(room::Room::Unwanted(_)) => said.wanted = false,
            None => {}
        });
        Ok(())
    }
}

/// The room of one part that is sent.
#[derive(Debug)]
pub(crate) struct Room {
    said: watch::Receiver<Said>,
    used: u64,
}

impl Room {
    /// Waits until a chunk has room, and takes it; false: nobody wants the part any more.
    pub(crate) async fn take(&mut self, bytes: usize) -> bool {
        let wanted = self.used.saturating_add(cost(bytes));
        let said = self.said.wait_for(|said| !said.wanted || wanted <= said.bytes).await;
        // Without a pump that could be told, nobody wants it either.
        let taken = said.is_ok_and(|said| said.wanted);
        self.used = wanted;
        taken
    }

    /// Waits until nobody wants the part any more.
    ///
    /// # Cancellation
    /// Safe.
    pub(crate) async fn unwanted(&mut self) {
        // Without a pump that could be told, nobody wants it either.
        let _ = self.said.wait_for(|said| !said.wanted).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::timeout;

    const SOON: std::time::Duration = std::time::Duration::from_millis(20);

    #[tokio::test]
    async fn a_receiver_gives_room_as_its_reader_takes() {
        let ledger = Arc::new(Ledger::default());
        let reading = ledger.open(3);
        assert!(timeout(SOON, ledger.next()).await.is_err(), "nothing was read");
        ledger.arrived(3, limits::PART_FIRST_BYTES).unwrap();
        let error = ledger.arrived(3, 1).unwrap_err();
        assert_eq!(error.code, "no_room");
        reading.taken(limits::DATA_FRAME_BYTES);
        let wanted = (limits::DATA_FRAME_BYTES + limits::PART_WINDOW_BYTES) as u64;
        let said = Some(room::Room::Bytes(wanted));
        assert_eq!(ledger.next().await, v1::Room { part: 3, room: said });
        reading.taken(1);
        assert!(timeout(SOON, ledger.next()).await.is_err(), "too little to be said");
        drop(reading);
        let said = Some(room::Room::Unwanted(true));
        assert_eq!(ledger.next().await, v1::Room { part: 3, room: said });
    }

    #[tokio::test]
    async fn a_sender_waits_for_room_of_this_part_alone() {
        let rooms = Rooms::default();
        let ((first, mut room), (second, mut other)) = (rooms.open(), rooms.open());
        assert!(room.take(limits::PART_FIRST_BYTES).await);
        assert!(timeout(SOON, room.take(1)).await.is_err());
        assert!(other.take(1).await);
        let more = limits::PART_FIRST_BYTES as u64 + 2 * cost(1);
        let said = |part, room| v1::Room { part, room: Some(room) };
        rooms.said(&said(first, room::Room::Bytes(more))).unwrap();
        assert!(room.take(1).await);
        rooms.said(&said(second, room::Room::Unwanted(true))).unwrap();
        other.unwanted().await;
        assert!(!other.take(1).await);
        let unknown = rooms.said(&said(second + 1, room::Room::Bytes(1))).unwrap_err();
        assert_eq!(unknown.code, "bad_frame");
    }

    #[tokio::test]
    async fn small_chunks_count_as_a_kibibyte_each() {
        let rooms = Rooms::default();
        let (_, mut room) = rooms.open();
        for _ in 0..limits::PART_FIRST_BYTES / limits::PART_FRAME_BYTES {
            assert!(room.take(1).await);
        }
        assert!(timeout(SOON, room.take(1)).await.is_err());
    }
}
