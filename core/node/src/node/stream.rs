//! What comes piece by piece: answers, finds, changes.

use super::found::{Change, Found};
use super::request::StreamItem;
use hubless_proto::error::Result;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// The answer of a streamed request; dropping it cancels the call.
#[derive(Debug)]
pub struct CallStream {
    pub(super) items: mpsc::Receiver<Result<StreamItem>>,
    pub(super) _task: AbortOnDropHandle<()>,
}

impl CallStream {
    /// The next item; none after the Final or an error.
    ///
    /// # Cancellation
    /// Safe: no item is lost.
    pub async fn next(&mut self) -> Option<Result<StreamItem>> {
        self.items.recv().await
    }

    /// An item that is there already.
    pub fn try_next(&mut self) -> Option<Result<StreamItem>> {
        self.items.try_recv().ok()
    }
}

/// Agents as they are found; ends only when dropped or with the node.
#[derive(Debug)]
pub struct Discovery {
    pub(super) items: mpsc::Receiver<Found>,
    pub(super) _task: AbortOnDropHandle<()>,
}

impl Discovery {
    /// The next agent; none once the node is closed.
    ///
    /// # Cancellation
    /// Safe: no item is lost.
    pub async fn next(&mut self) -> Option<Found> {
        self.items.recv().await
    }

    /// One that is there already.
    pub fn try_next(&mut self) -> Option<Found> {
        self.items.try_recv().ok()
    }
}

/// Changes of what matches a query; ends only when dropped or with the node.
#[derive(Debug)]
pub struct Watch {
    pub(super) items: mpsc::Receiver<Change>,
    pub(super) _task: AbortOnDropHandle<()>,
}

impl Watch {
    /// The next change; none once the node is closed.
    ///
    /// # Cancellation
    /// Safe: no item is lost.
    pub async fn next(&mut self) -> Option<Change> {
        self.items.recv().await
    }

    /// One that is there already.
    pub fn try_next(&mut self) -> Option<Change> {
        self.items.try_recv().ok()
    }
}
