//! What principals of a listener may spend in an hour, at work.

use super::durable::refused;
use super::treasury::lost;
use super::{Allowance, Amount, KillSwitch, Terms, Treasury};
use crate::chance;
use crate::engine::lock;
use crate::store::{Change, SharedStore};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::killswitch::GrantId;
use hubless_proto::limits::{HOUR_NAME_BYTES, HOUR_SLOT, ms};
use hubless_proto::policy::{HourRow, HourWrite, Hours, Wanted};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout_at};

/// Longest wait for the last charge of a request that is over.
const LAST_CHARGE: Duration = Duration::from_secs(1);

/// The hours of all principals, and where they are kept.
#[derive(Default)]
pub(super) struct Hourly {
    state: Mutex<State>,
    /// Fires when a last charge came.
    charged: Notify,
}

#[derive(Default)]
struct State {
    hours: Hours,
    /// None: they die with the process.
    store: Option<Arc<SharedStore>>,
    /// Requests that are over, and whose last charge is on its way.
    settling: BTreeSet<GrantId>,
    time: Option<Time>,
}

/// Unix time that passes as a clock does which never jumps.
#[derive(Clone, Copy)]
struct Time {
    unix_ms: u64,
    clock_ms: u64,
}

impl Time {
    fn begin() -> Self {
        Self { unix_ms: chance::now_ms(), clock_ms: chance::clock_ms() }
    }

    fn now_ms(self) -> u64 {
        self.unix_ms.saturating_add(chance::clock_ms().saturating_sub(self.clock_ms))
    }
}

/// The most of a request that may begin, once it is durable that it is set aside.
type Begun = (Allowance, oneshot::Receiver<Result<()>>);

/// Why a request may not begin.
struct Full {
    error: Error,
    /// True while a last charge of the same principal is on its way.
    settling: bool,
}

impl State {
    /// The time of the hours. It never jumps; where the clock of the machine was behind and is put
    /// right, what is kept is moved along, so that a later process counts it as long as this one.
    fn now_ms(&mut self) -> u64 {
        let now_ms = self.time.get_or_insert_with(Time::begin).now_ms();
        let ahead_ms = chance::now_ms().saturating_sub(now_ms);
        if ahead_ms < ms(HOUR_SLOT) {
            return now_ms;
        }
        tracing::info!(ahead_ms, "the clock was put forward; hourly budgets go on");
        let writes = self.hours.put_forward(ahead_ms);
        if !writes.is_empty() {
            // If it fails, so does what comes after.
            self.write(writes, |_| ());
        }
        let time = Time::begin();
        self.time = Some(time);
        time.now_ms()
    }

    /// Hands rows over; the answer comes once they are durable, and those before.
    fn write(&self, writes: Vec<HourWrite>, done: impl FnOnce(Result<()>) + Send + 'static) {
        match &self.store {
            Some(store) => store.change(writes.into_iter().map(Change::Hour).collect(), done),
            None => done(Ok(())),
        }
    }
}

impl Hourly {
    /// Goes on as an earlier process left it, and keeps it from here on.
    pub(super) fn keep(&self, store: &Arc<SharedStore>, rows: Vec<HourRow>) {
        let mut state = lock(&self.state);
        let now_ms = state.now_ms();
        let (hours, writes) = Hours::recover(rows, now_ms);
        (state.hours, state.store) = (hours, Some(Arc::clone(store)));
        if !writes.is_empty() {
            // If it fails, so does what comes after.
            state.write(writes, |_| ());
        }
    }

    /// Nothing more is spent of a request, which used so much.
    pub(super) fn end(&self, id: GrantId, used: &Amount) {
        {
            let mut state = lock(&self.state);
            let now_ms = state.now_ms();
            let writes = state.hours.end(id, used, now_ms);
            state.settling.remove(&id);
            if writes.is_empty() {
                return;
            }
            // One that is not written down counts in full after a restart.
            state.write(writes, |_| ());
        }
        self.charged.notify_waiters();
    }

    /// A request is over; what it used is said by the end of its budget.
    fn settle(&self, id: GrantId) {
        let mut state = lock(&self.state);
        if state.hours.whose(&id).is_some() {
            state.settling.insert(id);
        }
    }

    /// Sets the most of a request aside; it may begin once that is durable.
    fn begin(&self, wanted: &Wanted<'_>) -> std::result::Result<Begun, Full> {
        let mut state = lock(&self.state);
        let now_ms = state.now_ms();
        let mut writes = state.hours.forget(now_ms);
        let begun = state.hours.begin(wanted, now_ms).map(|begun| {
            writes.push(begun.write);
            begun.most
        });
        let (answer, durable) = oneshot::channel();
        if !writes.is_empty() {
            // Handed over while nobody else can: the rows have one order.
            state.write(writes, move |result| {
                // Who waited may have gone.
                let _ = answer.send(result);
            });
        }
        begun.map(|most| (most, durable)).map_err(|error| Full {
            // Seen under the same lock: what ends later fires for who waits by then.
            settling: state.settling.iter().any(|id| state.hours.whose(id) == Some(wanted.who)),
            error,
        })
    }
}

/// What was set aside of an hour for one request. Dropped, nothing of it was used.
pub(super) struct Ticket {
    treasury: Arc<Treasury>,
    id: GrantId,
    settles: bool,
}

impl Ticket {
    /// True for the node whose hour it is.
    pub(super) fn is_of(&self, treasury: &Arc<Treasury>) -> bool {
        Arc::ptr_eq(&self.treasury, treasury)
    }

    /// The budget was opened, and is about to end: that says what was used.
    pub(super) fn settle(&mut self) {
        self.settles = true;
        self.treasury.hourly.settle(self.id);
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.settles {
            self.treasury.hourly.end(self.id, &Amount::ZERO);
        }
    }
}

impl Treasury {
    /// A switch for one request of a principal, whose most is set aside of its hour. What does not
    /// fit until the last charge of a request that is over waits for that.
    ///
    /// # Errors
    /// As [`crate::Node::hourly_switch`].
    ///
    /// # Cancellation
    /// Nothing stays set aside.
    pub(crate) async fn hourly_switch(
        self: &Arc<Self>,
        who: &str,
        call: Terms,
        hour: Allowance,
    ) -> Result<KillSwitch> {
        if who.len() > HOUR_NAME_BYTES {
            let message = format!("expected a name of at most {HOUR_NAME_BYTES} bytes");
            let error = Error::invalid("principal", message);
            return Err(error.with_limit("HOUR_NAME_BYTES", HOUR_NAME_BYTES as u64));
        }
        let until = Instant::now() + LAST_CHARGE;
        let made = KillSwitch::planned(self.node(), call);
        let wanted = Wanted { who, id: made.account, call: made.terms.ceiling, hour };
        loop {
            let mut charged = std::pin::pin!(self.hourly.charged.notified());
            charged.as_mut().enable();
            let Full { error, settling } = match self.hourly.begin(&wanted) {
                Ok((most, durable)) => {
                    let (treasury, id) = (Arc::clone(self), made.account);
                    let ticket = Ticket { treasury, id, settles: false };
                    let durable = durable.await.unwrap_or_else(|_| Err(lost()));
                    durable.map_err(|error| refused(&error))?;
                    return Ok(made.within(most, ticket));
                }
                Err(full) => full,
            };
            let waits = error.kind == Kind::BudgetExhausted && settling;
            if !waits || timeout_at(until, charged).await.is_err() {
                return Err(error);
            }
        }
    }
}
