//! One open connection to a peer, as the rest of the mesh uses it.

use super::frames::{End, FrameReader, FrameWriter, LAST_WORD};
use super::hello::Greeting;
use super::hostings::{Hosting, Hostings};
use crate::chance::now_ms;
use crate::link::{CloseReason, Tunnel, close_reason};
use hubless_proto::directory::replica::Frame;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::limits;
use hubless_proto::wire::v1;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, mpsc, oneshot, watch};

/// Control frames of ours that wait to be written.
const CONTROL_QUEUE: usize = 64;
/// Places among them that records of the mesh leave to all else.
const BESIDE_RECORDS: usize = CONTROL_QUEUE / 4;

/// What this side says on the control stream.
#[derive(Debug)]
pub(super) enum Say {
    Show(v1::Show),
    Hide(v1::Hide),
    Load(v1::Load),
    Redeemed(v1::Redeemed),
    Ledger(Box<v1::LedgerMessage>),
    Records(Box<Frame>),
    Drained,
    Goodbye {
        deadline_ms: u64,
    },
    /// The last: answered once the peer has all of it, or is gone.
    Last(oneshot::Sender<()>),
}

/// How far the introduction is.
#[derive(Debug, Clone)]
pub(super) enum Phase {
    Waiting,
    Ready,
    Failed(Error),
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) tunnel: Tunnel,
    pub(super) control: mpsc::Sender<Say>,
    greeting: OnceLock<Greeting>,
    /// When the first of both tokens ends, Unix time in milliseconds.
    ends_ms: AtomicU64,
    /// Why this side closed it.
    reason: OnceLock<CloseReason>,
    /// The peer's token was checked before we dialled: its HELLO only confirms it.
    trusted: bool,
    phase: watch::Sender<Phase>,
    draining: AtomicBool,
    /// A call here found that nothing arrives: another connection is better, once there is one.
    silent: AtomicBool,
    /// The peer opens no more streams here.
    peer_drained: AtomicBool,
    changed: Notify,
    /// Streams that this side opened and that are not over.
    calling: AtomicUsize,
    /// Streams of the peer that are not over.
    serving: AtomicUsize,
    used: AtomicU64,
    /// A stream was opened here: it is not for the records of the mesh alone.
    called: AtomicBool,
    /// Messages about records that the peer missed, since it did not read.
    missed: AtomicU64,
    born: Instant,
    /// Agents of ours of which the peer has certainly seen the announcement on this connection.
    acknowledged: Mutex<Hostings>,
    /// Agents of the peer whose hosting was shown on this connection and holds.
    callers: Mutex<Hostings>,
}

/// A stream of ours; the connection is not closed as drained while one exists.
#[derive(Debug)]
pub(super) struct Calling(Arc<Connection>);

/// A stream of the peer.
#[derive(Debug)]
pub(super) struct Serving(Arc<Connection>);

impl Connection {
    pub(super) fn new(tunnel: Tunnel, trusted: bool) -> (Arc<Self>, mpsc::Receiver<Say>) {
        let (control, said) = mpsc::channel(CONTROL_QUEUE);
        let connection = Self {
            tunnel,
            control,
            greeting: OnceLock::new(),
            ends_ms: AtomicU64::new(u64::MAX),
            reason: OnceLock::new(),
            trusted,
            phase: watch::Sender::new(Phase::Waiting),
            draining: AtomicBool::new(false),
            silent: AtomicBool::new(false),
            peer_drained: AtomicBool::new(false),
            changed: Notify::new(),
            calling: AtomicUsize::new(0),
            serving: AtomicUsize::new(0),
            used: AtomicU64::new(0),
            called: AtomicBool::new(false),
            missed: AtomicU64::new(0),
            born: Instant::now(),
            acknowledged: Mutex::default(),
            callers: Mutex::default(),
        };
        (Arc::new(connection), said)
    }

    pub(super) fn peer(&self) -> NodeKey {
        self.tunnel.peer()
    }

    /// The peer's introduction, once it holds.
    pub(super) fn greeting(&self) -> Option<&Greeting> {
        self.greeting.get()
    }

    /// True once the peer is known as a member that speaks of the records of the mesh.
    pub(super) fn spreads(&self) -> bool {
        self.greeting().is_some_and(|greeting| greeting.is_member() && greeting.spreads)
    }

    /// Says something about the records of the mesh; a peer that does not read misses it.
    pub(super) fn spread(&self, frame: Frame) {
        if self.control.capacity() > BESIDE_RECORDS
            && self.control.try_send(Say::Records(Box::new(frame))).is_ok()
        {
            self.spoke();
        } else if self.missed.fetch_add(1, Ordering::Relaxed) == 0 {
            let node = self.peer();
            tracing::info!(%node, "a member does not take what it is told of records");
        }
    }

    #[cfg(test)]
    pub(super) fn missed_for_tests(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Takes the introduction. `own_end_ms`: when the token ends that this side has shown.
    pub(super) fn ready(&self, greeting: Greeting, own_end_ms: u64) {
        self.ends_ms.store(greeting.until_ms.min(own_end_ms), Ordering::SeqCst);
        let streams =
            if greeting.is_member() { limits::MEMBER_STREAMS } else { limits::EXTERNAL_STREAMS };
        // One more for the control stream of the dialler.
        self.tunnel.allow_streams(streams + 1);
        if self.greeting.set(greeting).is_ok() {
            self.phase.send_replace(Phase::Ready);
        }
    }

    /// Takes the end of the connection.
    pub(super) fn fail(&self, error: Error) {
        self.phase.send_replace(Phase::Failed(error));
        self.changed.notify_waiters();
    }

    /// Notes that it is over, unless it is known already why.
    pub(super) fn lost(&self) {
        self.phase.send_if_modified(|phase| {
            let open = !matches!(phase, Phase::Failed(_));
            if open {
                *phase = Phase::Failed(super::hello::ended(End::Lost));
            }
            open
        });
        self.changed.notify_waiters();
    }

    /// Why what was under way here ended: what one side refused the other with, if it did. The end
    /// of a connection may be seen on a stream before what the peer said last is read.
    pub(super) async fn refusal(&self) -> Option<Error> {
        let mut phase = self.phase.subscribe();
        if self.tunnel.is_closed() {
            let failed = phase.wait_for(|phase| matches!(phase, Phase::Failed(_)));
            let _ = tokio::time::timeout(LAST_WORD, failed).await;
        }
        match &*phase.borrow() {
            Phase::Failed(error) if error.rejection => Some(error.clone()),
            Phase::Failed(_) | Phase::Waiting | Phase::Ready => None,
        }
    }

    /// Why a stream of it ended so.
    pub(super) async fn why(&self, end: End) -> Error {
        match end {
            End::Broken(error) => error,
            End::Finished | End::Reset(_) | End::Lost => {
                self.refusal().await.unwrap_or_else(|| super::hello::ended(end))
            }
        }
    }

    /// True while new streams of ours may be opened.
    pub(super) fn is_usable(&self) -> bool {
        let known = match &*self.phase.borrow() {
            Phase::Waiting => self.trusted,
            Phase::Ready => true,
            Phase::Failed(_) => false,
        };
        known && !self.draining.load(Ordering::SeqCst) && !self.tunnel.is_closed()
    }

    /// Notes that nothing arrives on its path.
    pub(super) fn fell_silent(&self) {
        self.silent.store(true, Ordering::Relaxed);
    }

    /// Notes that the peer was heard here.
    pub(super) fn was_heard(&self) {
        // Rarely true: the line of memory is not written for each call.
        if self.is_silent() {
            self.silent.store(false, Ordering::Relaxed);
        }
    }

    /// True while nothing arrives on its path, as far as is known.
    pub(super) fn is_silent(&self) -> bool {
        self.silent.load(Ordering::Relaxed)
    }

    /// Waits until the peer's introduction holds.
    pub(super) async fn introduced(&self) -> Result<()> {
        let mut phase = self.phase.subscribe();
        let phase = phase.wait_for(|phase| !matches!(phase, Phase::Waiting)).await;
        match phase.as_deref() {
            Ok(Phase::Failed(error)) => Err(error.clone()),
            Ok(Phase::Ready | Phase::Waiting) => Ok(()),
            Err(_) => Err(Error::new(Kind::Transport, "the connection ended").with_code("lost")),
        }
    }

    /// Opens a stream; none when the connection is drained or gone, so that another must be used.
    pub(super) async fn open(self: &Arc<Self>) -> Option<(Calling, FrameWriter, FrameReader)> {
        self.calling.fetch_add(1, Ordering::SeqCst);
        let calling = Calling(Arc::clone(self));
        // After the count: a drain that began before this sees it, or is seen here.
        if !self.is_usable() {
            return None;
        }
        let (send, recv) = self.tunnel.open().await.ok()?;
        self.touch();
        Some((calling, FrameWriter::new(send), FrameReader::new(recv)))
    }

    pub(super) fn serve(self: &Arc<Self>) -> Serving {
        self.serving.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        self.touch();
        Serving(Arc::clone(self))
    }

    /// True when one of the tokens that were shown here is over at `now_ms`.
    pub(super) fn ends_by(&self, now_ms: u64) -> bool {
        self.ends_ms.load(Ordering::SeqCst) <= now_ms
    }

    /// Lets the tokens of this connection end at another time than theirs.
    #[cfg(test)]
    pub(super) fn end_token_for_tests(&self, ends_ms: u64) {
        self.ends_ms.store(ends_ms, Ordering::SeqCst);
    }

    /// Ends it with every stream in it.
    pub(super) fn close(&self, reason: CloseReason) {
        // The first reason stands.
        let _ = self.reason.set(reason);
        self.tunnel.close(reason);
    }

    /// True when this side ended it.
    pub(super) fn is_closed_here(&self) -> bool {
        self.reason.get().is_some()
    }

    /// Waits for its end and gives the reason of whichever side closed it; none: it broke.
    pub(super) async fn ended(&self) -> Option<CloseReason> {
        let told = self.tunnel.closed().await;
        // What the peer said was first: nothing is told of a connection that this side closed.
        told.and_then(close_reason).or_else(|| self.reason.get().copied())
    }

    /// Opens no more streams here from now on; true the first time.
    pub(super) fn start_drain(&self) -> bool {
        !self.draining.swap(true, Ordering::SeqCst)
    }

    /// The peer opens no more streams here.
    pub(super) fn peer_drained(&self) {
        self.peer_drained.store(true, Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Waits for the end of our streams, tells the peer, and ends the connection once both sides
    /// are done; a peer that has nothing open here for `patience` and does not say so is not waited
    /// for.
    pub(super) async fn drain(self: Arc<Self>, patience: Duration) {
        self.until(|connection| connection.calling.load(Ordering::SeqCst) == 0).await;
        if self.control.send(Say::Drained).await.is_ok() {
            tokio::select! {
                () = self.until(|connection| connection.peer_drained.load(Ordering::SeqCst)) => {
                    if !self.tunnel.dialled() {
                        // Its dialler closes it.
                        let _ = tokio::time::timeout(patience, self.tunnel.closed()).await;
                    }
                }
                () = self.unused_for(patience) => {}
            }
        }
        self.close(CloseReason::Drained);
    }

    /// Waits until the peer had no stream open here for so long.
    async fn unused_for(&self, patience: Duration) {
        let serving = |connection: &Self| connection.serving.load(Ordering::SeqCst);
        loop {
            self.until(|connection| serving(connection) == 0).await;
            let again = self.until(|connection| serving(connection) > 0);
            if tokio::time::timeout(patience, again).await.is_err() || self.tunnel.is_closed() {
                return;
            }
        }
    }

    /// Waits until no stream is open in either direction.
    pub(super) async fn quiet(&self) {
        self.until(Self::is_quiet).await;
    }

    async fn until(&self, state: impl Fn(&Self) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if state(self) || self.tunnel.is_closed() {
                return;
            }
            changed.await;
        }
    }

    /// When it was made.
    pub(super) const fn born(&self) -> Instant {
        self.born
    }

    /// How long nothing happened here until `now`; none while a stream is open.
    pub(super) fn idle_for(&self, now: Instant) -> Option<Duration> {
        let used = Duration::from_millis(self.used.load(Ordering::Relaxed));
        self.is_quiet().then(|| now.saturating_duration_since(self.born).saturating_sub(used))
    }

    /// True while no stream is open in either direction.
    fn is_quiet(&self) -> bool {
        self.calling.load(Ordering::SeqCst) + self.serving.load(Ordering::SeqCst) == 0
    }

    /// True while nothing but records of the mesh went over it.
    pub(super) fn is_link(&self) -> bool {
        self.spreads() && !self.called.load(Ordering::Relaxed)
    }

    fn touch(&self) {
        self.called.store(true, Ordering::Relaxed);
        self.spoke();
    }

    /// Notes that it is in use.
    pub(super) fn spoke(&self) {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.used.store(now, Ordering::Relaxed);
    }

    /// True when the peer has certainly seen an announcement of this agent of ours that holds for
    /// it by whichever clock it has.
    pub(super) fn knows(&self, agent: AgentId) -> bool {
        hostings(&self.acknowledged).holds(agent, now_ms().saturating_add(skew_ms()))
    }

    /// As [`Connection::knows`], of the hosting of this number: the peer forgets an earlier one of
    /// an agent that was registered again once it hears that it was taken back.
    pub(super) fn has_seen(&self, agent: AgentId, seq: u64) -> bool {
        hostings(&self.acknowledged).holds_of(agent, seq, now_ms().saturating_add(skew_ms()))
    }

    /// The peer answered on a stream that began with this hosting of the agent.
    pub(super) fn acknowledge(&self, agent: AgentId, shown: Hosting) {
        // One that does not fit is shown each time.
        hostings(&self.acknowledged).keep(agent, shown, now_ms());
    }

    /// The peer is about to be told that this hosting of an agent of ours was taken back.
    pub(super) fn take_back(&self, agent: AgentId, seq: u64) {
        hostings(&self.acknowledged).forget(agent, seq);
    }

    /// Remembers an agent that the peer proved to host; false: no more fit.
    pub(super) fn vouch(&self, agent: AgentId, shown: Hosting) -> bool {
        hostings(&self.callers).keep(agent, shown, now_ms())
    }

    /// True when the peer proved on this connection that it hosts this agent, and the proof lives.
    pub(super) fn vouches(&self, agent: AgentId) -> bool {
        hostings(&self.callers).holds(agent, now_ms())
    }

    /// Forgets a hosting that the peer takes back, and those before it. Streams overtake each
    /// other: a later one may have been shown already.
    pub(super) fn disown(&self, agent: AgentId, seq: u64) {
        hostings(&self.callers).forget(agent, seq);
    }
}

fn hostings(shared: &Mutex<Hostings>) -> MutexGuard<'_, Hostings> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn skew_ms() -> u64 {
    u64::try_from(limits::CLOCK_SKEW.as_millis()).unwrap_or(u64::MAX)
}

impl Drop for Calling {
    fn drop(&mut self) {
        self.0.touch();
        self.0.calling.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.touch();
        self.0.serving.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_waiters();
    }
}
