//! Keys of a metering gateway for a handler: what each may pay is set aside in the grant of the
//! call before there is the key, and what it cost is said by the gateway at the end.

use super::gateway::{Gateway, none_named};
use super::guards::{Held, Reservation};
use super::receipts::Whole;
use super::{Amount, Component};
use crate::call::core::CallCore;
use crate::call::handle::Call;
use crate::chance::now_ms;
use crate::engine::lock;
use crate::executor;
use bytes::Bytes;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::killswitch::GrantId;
use hubless_proto::limits;
use hubless_proto::metering::Micros;
use hubless_proto::metering::chain::SpendKey;
use hubless_proto::metering::till::Paid;
use hubless_proto::metering::word::Purpose;
use hubless_proto::policy::Secret;
use hubless_proto::wire::v1;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

/// What a client of OpenAI's API is to be given.
///
/// ```
/// use hubless::budget::Provider;
/// use hubless::Call;
///
/// async fn settings(call: &Call) -> hubless::Result<[String; 2]> {
///     let provider: Provider = call.provider(Some(20_000)).await?;
///     Ok([provider.base_url, provider.api_key.reveal().to_owned()])
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Provider {
    /// Base URL, as in `OPENAI_BASE_URL`.
    pub base_url: String,
    /// Key, as in `OPENAI_API_KEY`.
    pub api_key: Secret,
    /// Unix time in milliseconds from which on the key begins nothing more.
    pub until_ms: u64,
}

/// The keys that a call has; none once they were ended.
pub(super) struct Keys(Mutex<Option<Vec<Open>>>);

/// A key that may be spent by.
struct Open {
    gateway: Arc<Gateway>,
    key: SpendKey,
    most: Micros,
    reservation: Reservation,
}

impl Keys {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }

    fn push(&self, open: Open) -> Result<()> {
        let mut keys = lock(&self.0);
        let Some(keys) = &mut *keys else {
            return Err(Error::refusal(Kind::Killed, "finished", "the call has ended"));
        };
        if keys.len() >= limits::PROVIDER_KEYS {
            let error = Error::refusal(Kind::Busy, "keys", "the call has too many keys");
            return Err(error.with_limit("PROVIDER_KEYS", limits::PROVIDER_KEYS as u64));
        }
        // From here on it may be spent by.
        keys.push(Open { reservation: open.reservation.begin(), ..open });
        Ok(())
    }

    /// Ends all of them at the gateway, beside everything else, and makes no more. Each with the
    /// most that it may have cost; it gives what it cost, which is charged by then.
    fn end(&self, held: &Held) -> Vec<(Micros, JoinHandle<Micros>)> {
        let telling = &held.treasury().telling;
        let keys = lock(&self.0).take().unwrap_or_default();
        let end = |open: Open| {
            let (most, ending) =
                (open.most, open.end((held.id(), held.whole.clone()), telling.clone()));
            // In a forked child they are dropped, which charges them in full.
            Some((most, executor::spawn(telling.track_future(ending)).ok()?))
        };
        keys.into_iter().filter_map(end).collect()
    }
}

impl Open {
    /// Without a word of the gateway all of it counts as spent for the call, and the gateway is
    /// asked on beside that, so that the key has its end; where receipts are wanted, what it says
    /// by then is charged, else all.
    /// Where receipts are wanted, that of the key of the grant comes first: without it none counts.
    async fn end(
        self,
        (grant, whole): (GrantId, Option<Arc<Whole>>),
        telling: TaskTracker,
    ) -> Micros {
        let Self { gateway, key, most, reservation } = self;
        let wanted = match whole {
            Some(whole) => whole.end().await,
            None => false,
        };
        let purpose = wanted.then(|| Purpose { grant, reservation: reservation.id() });
        let Some((paid, receipt)) = gateway.end(&key, purpose).await else {
            tracing::warn!(%most, "a gateway did not say in time what a key cost");
            // Without receipts the rest of the grant is free at once; with them nothing is before
            // the word of the gateway, which is worth waiting for.
            let reservation = wanted.then_some(reservation);
            let told = async move {
                let said = gateway.end_at_last(&key, purpose).await;
                if let Some((reservation, said)) = reservation.zip(said) {
                    charge(reservation, said);
                }
            };
            // In a forked child nobody is told, and all of it is charged.
            let _ = executor::spawn(telling.track_future(told));
            return most;
        };
        charge(reservation, (paid, receipt))
    }
}

/// Charges what a gateway says of a key; gives it.
fn charge(reservation: Reservation, (paid, receipt): (Paid, Option<Bytes>)) -> Micros {
    // What is set aside for a call that is cut is charged by the gateway as well.
    let cost = paid.spent.plus_at_most(paid.reserved);
    if let Ok(used) = amount(cost) {
        reservation.receipted(used, receipt);
    }
    cost
}

impl CallCore {
    /// Ends the keys of the call, and waits for what they cost unless the call is to be stopped:
    /// they are ended all the same, and each that is not ended by then counts with its most.
    pub(crate) async fn end_keys(&self) {
        let Some(held) = self.held() else { return };
        for (most, ending) in held.keys.end(held) {
            let cost = tokio::select! {
                biased;
                cost = ending => cost.unwrap_or(most),
                () = self.cancelled.cancelled() => most,
            };
            let cost_micros = cost.value();
            self.add_usage(&v1::Usage { cost_micros, ..v1::Usage::default() });
        }
        // Of a call that was refused its issuer asks.
        let whole = held.whole.clone().filter(|_| self.has_started());
        let Some(whole) = whole else { return };
        let ending = async move { whole.end().await };
        // In a forked child nobody is asked, and all of it is charged.
        let Ok(ending) = executor::spawn(held.treasury().telling.track_future(ending)) else {
            return;
        };
        tokio::select! {
            biased;
            _ = ending => {}
            () = self.cancelled.cancelled() => {}
        }
    }
}

impl Call {
    /// A base URL and a short-lived key of the metering gateway, for a client of OpenAI's API in
    /// this handler. What it may pay is set aside in the grant of the call first: `max_cost`, in
    /// millionths of the currency, or a quarter of what is free. Each time it is
    /// another key, below the one that came with the grant where its issuer frees by receipts
    /// alone. All of them end with the call, and then what the gateway says they cost is
    /// charged. An answer waits for its word for `PROVIDER_WORD`; without it all that was set aside
    /// is charged: at once, or under `provider` when nothing is said for `PROVIDER_TOLD`. A key
    /// ends also with the stop of the budget, with the total deadline of the call, and after
    /// `PROVIDER_KEY_LIFE`: so long may one pay of whose stop the gateway heard nothing.
    ///
    /// # Errors
    /// `configuration`: code `no_budget` without a budget, `no_gateway` where the node has none,
    /// `token_limit` under a budget that limits tokens, which a gateway does not count.
    /// `budget_exhausted` for what does not fit; `invalid_argument`, field `maxCost`: no amount,
    /// or none where the budget limits no cost; `auth`: more than the node's own key allows, or
    /// one that is over; `killed`; `busy`, limit `PROVIDER_KEYS`.
    ///
    /// # Cancellation
    /// Nothing is charged.
    pub async fn provider(&self, max_cost: Option<u64>) -> Result<Provider> {
        let max_cost = max_cost.map(limit).transpose()?;
        let core = self.shared_core();
        let held = core.held().ok_or_else(no_budget)?;
        let named = held.gateway().or_else(|| held.treasury().gateway.get());
        let gateway = Arc::clone(named.ok_or_else(none_named)?);
        let most = most(held, &gateway, max_cost)?;
        let reservation = held.reserve(amount(most)?).await?;
        let now_ms = now_ms();
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        let left = core.info.total_deadline.map_or(Duration::MAX, left);
        let life = left.min(limits::PROVIDER_KEY_LIFE);
        let until_ms = now_ms + u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1);
        let key = gateway.issue(held.origin().budget_id(), most, (now_ms, until_ms))?;
        let until_ms = key.chain().links.last().map_or(until_ms, |link| link.until_ms);
        let provider = Provider {
            base_url: gateway.url().to_owned(),
            api_key: Secret::from(key.text().to_string()),
            until_ms,
        };
        held.keys.push(Open { gateway, key, most, reservation })?;
        Ok(provider)
    }
}

fn limit(cost: u64) -> Result<Micros> {
    let message = format!("expected 0 to {}, in millionths", limits::AMOUNT_MAX);
    Micros::new(cost).ok_or_else(|| wrong(&message))
}

fn wrong(message: &str) -> Error {
    Error::invalid("maxCost", message).with_code("amount")
}

/// The most that a key may pay.
fn most(held: &Held, gateway: &Gateway, max_cost: Option<Micros>) -> Result<Micros> {
    let counted = |one: Component| held.amount().of(one).is_some();
    if counted(Component::InputTokens) || counted(Component::OutputTokens) {
        let message = "a gateway counts money only, and the budget of the call limits tokens: \
                       limit its cost instead, and ask agents that spend neither with none";
        return Err(configuration("token_limit", message));
    }
    if let Some(most) = max_cost {
        return Ok(most);
    }
    let free = held.treasury().view(&held.id()).and_then(|view| {
        let taken = view.used.plus_at_most(&view.held);
        view.amount.without(&taken).of(Component::CostMicros)
    });
    match free {
        // With nothing left, one millionth does not fit.
        Some(free) => Ok(Micros::at_most((free / 4).max(1).into()).min(gateway.most())),
        None => Err(wrong("expected a most: the budget of the call limits no cost")),
    }
}

fn amount(cost: Micros) -> Result<Amount> {
    Amount::ZERO.with(Component::CostMicros, cost.value())
}

fn no_budget() -> Error {
    let message = "the call has no budget that a key could be paid from: its caller gives a kill \
                   switch with a limit of cost";
    configuration("no_budget", message)
}

fn configuration(code: &str, message: &str) -> Error {
    Error::new(Kind::Configuration, message).with_code(code)
}
