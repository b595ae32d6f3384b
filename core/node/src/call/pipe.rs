//! One call as a pair of ends, the same in process and over a connection.
//!
//! In process the two ends are joined directly. Over a connection each side's pump holds the
//! opposite end and moves frames, so that neither caller nor engine knows the transport.

use super::body::Bodies;
use super::handle::Parent;
use hubless_proto::limits;
use hubless_proto::wire::v1::{self, event};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// From callee to caller.
#[derive(Debug)]
pub struct Down {
    /// The event.
    pub event: v1::Event,
    /// Its streamed parts.
    pub bodies: Bodies,
}

/// True for the event that ends a call.
pub(crate) const fn is_last(event: &v1::Event) -> bool {
    matches!(event.kind, Some(event::Kind::Final(_) | event::Kind::Rejection(_)))
}

/// From caller to callee, after the request.
#[derive(Debug)]
pub enum Up {
    /// Answer of a tool that the callee called back.
    ToolResult(v1::ToolResult, Bodies),
    /// Answer to `InputRequired`.
    Input(v1::Input, Bodies),
}

/// Why a call was given up; the code of the stream's reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum CancelCode {
    /// The caller gave it up.
    Cancelled = 1,
    /// Its time was over.
    Deadline = 2,
    /// The connection was drained.
    Drained = 3,
    /// A bound was reached.
    Limit = 4,
    /// The budget that pays for it was stopped.
    Killed = 5,
}

impl CancelCode {
    /// Reads the code of a reset; an unknown one is `Cancelled`.
    pub const fn from_code(code: u64) -> Self {
        match code {
            2 => Self::Deadline,
            3 => Self::Drained,
            4 => Self::Limit,
            5 => Self::Killed,
            _ => Self::Cancelled,
        }
    }
}

/// Shared by both ends: whether, and why, the call was given up.
#[derive(Debug, Clone)]
pub struct CancelSignal {
    token: CancellationToken,
    code: Arc<AtomicU8>,
}

impl CancelSignal {
    fn new() -> Self {
        Self { token: CancellationToken::new(), code: Arc::new(AtomicU8::new(0)) }
    }

    /// Gives the call up; the first code stands.
    pub fn cancel(&self, code: CancelCode) {
        let first = self.code.compare_exchange(0, code as u8, Ordering::AcqRel, Ordering::Acquire);
        if first.is_ok() {
            self.token.cancel();
        }
    }

    /// Waits until the call is given up.
    pub async fn cancelled(&self) -> CancelCode {
        self.token.cancelled().await;
        self.code()
    }

    /// True once the call is given up.
    pub fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Why it was given up.
    pub fn code(&self) -> CancelCode {
        CancelCode::from_code(u64::from(self.code.load(Ordering::Acquire)))
    }
}

/// The caller's end; dropping it gives the call up.
#[derive(Debug)]
pub struct CallerEnd {
    /// Events in order; ends after the Final or Rejection.
    pub events: mpsc::Receiver<Down>,
    /// Answers to what the callee asked back.
    pub control: mpsc::Sender<Up>,
    /// To give the call up with a code.
    pub cancel: CancelSignal,
    /// The call on whose behalf it is made: what stopped that one stops this one.
    pub(crate) parent: Option<Parent>,
}

impl Drop for CallerEnd {
    fn drop(&mut self) {
        let killed = self.parent.as_ref().is_some_and(Parent::is_killed);
        self.cancel.cancel(if killed { CancelCode::Killed } else { CancelCode::Cancelled });
    }
}

/// The callee's end; dropping it before a Final or Rejection fails the caller.
#[derive(Debug)]
pub struct CalleeEnd {
    /// Events in order.
    pub events: mpsc::Sender<Down>,
    /// Answers to what was asked back.
    pub control: mpsc::Receiver<Up>,
    /// Fires when the caller gives the call up or ceases to exist.
    pub cancel: CancelSignal,
}

/// Makes the two ends of one call.
///
/// ```
/// use hubless::Bodies;
/// use hubless::call::pipe::{CalleeEnd, CallerEnd, CancelCode, CancelSignal, Down, Up, pipe};
/// use hubless_proto::wire::v1::{Event, Input, event};
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let (mut caller, mut callee): (CallerEnd, CalleeEnd) = pipe();
/// let accepted = Event { kind: Some(event::Kind::Accepted(Default::default())) };
/// callee.events.send(Down { event: accepted, bodies: Bodies::none() }).await.expect("a caller");
/// assert!(caller.events.recv().await.is_some());
/// let answer = Up::Input(Input { id: 1, ..Input::default() }, Bodies::none());
/// caller.control.send(answer).await.expect("a callee");
/// assert!(matches!(callee.control.recv().await, Some(Up::Input(input, _)) if input.id == 1));
/// let signal: CancelSignal = callee.cancel.clone();
/// caller.cancel.cancel(CancelCode::Deadline);
/// assert_eq!(signal.cancelled().await, CancelCode::Deadline);
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
pub fn pipe() -> (CallerEnd, CalleeEnd) {
    let (events_in, events_out) = mpsc::channel(limits::CALL_EVENTS);
    let (control_in, control_out) = mpsc::channel(limits::CALL_EVENTS);
    let cancel = CancelSignal::new();
    let caller =
        CallerEnd { events: events_out, control: control_in, cancel: cancel.clone(), parent: None };
    (caller, CalleeEnd { events: events_in, control: control_out, cancel })
}
