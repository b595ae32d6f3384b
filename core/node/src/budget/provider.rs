//! Keys of a metering gateway for a handler: what each may pay is set aside in the grant of the
//! call before there is the key, and what it cost is said by the gateway at the end.

use super::gateway::{Gateway, none_named};
use super::guards::{Held, Reservation};
use super::receipts::Whole;
use super::spend::usage;
use super::{Allowance, Amount, Component};
use crate::call::core::CallCore;
use crate::call::handle::Call;
use crate::chance::now_ms;
use crate::engine::lock;
use crate::executor;
use bytes::Bytes;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::killswitch::GrantId;
use hubless_proto::limits;
use hubless_proto::metering::chain::SpendKey;
use hubless_proto::metering::till::Paid;
use hubless_proto::metering::word::Purpose;
use hubless_proto::policy::Secret;
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

/// The most that a key may take of each component; none: a quarter of what is free, where the
/// budget of the call limits it.
///
/// ```
/// use hubless::budget::ProviderMost;
/// use hubless::{Call, Result};
///
/// async fn key(call: &Call) -> Result<String> {
///     let most = ProviderMost { output_tokens: Some(2_000), ..ProviderMost::default() };
///     Ok(call.provider_for(most).await?.api_key.reveal().to_owned())
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ProviderMost {
    /// Tokens that models read.
    pub input_tokens: Option<u64>,
    /// Tokens that they write.
    pub output_tokens: Option<u64>,
    /// Cost, in millionths of the currency.
    pub cost_micros: Option<u64>,
}

/// The keys that a call has; none once they were ended.
pub(super) struct Keys(Mutex<Option<Vec<Open>>>);

/// A key that may be spent by.
struct Open {
    gateway: Arc<Gateway>,
    key: SpendKey,
    /// What is set aside, of each component that the budget or the handler limits.
    most: Allowance,
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
    fn end(&self, held: &Held) -> Vec<(Amount, JoinHandle<Amount>)> {
        let telling = &held.treasury().telling;
        let keys = lock(&self.0).take().unwrap_or_default();
        let end = |open: Open| {
            let (most, ending) =
                (open.most.held(), open.end((held.id(), held.whole.clone()), telling.clone()));
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
    ) -> Amount {
        let Self { gateway, key, most, reservation } = self;
        let wanted = match whole {
            Some(whole) => whole.end().await,
            None => false,
        };
        let purpose = wanted.then(|| Purpose { grant, reservation: reservation.id() });
        let Some((paid, receipt)) = gateway.end(&key, purpose).await else {
            tracing::warn!(?most, "a gateway did not say in time what a key cost");
            // Without receipts the rest of the grant is free at once; with them nothing is before
            // the word of the gateway, which is worth waiting for.
            let reservation = wanted.then_some(reservation);
            let told = async move {
                let said = gateway.end_at_last(&key, purpose).await;
                if let Some((reservation, said)) = reservation.zip(said) {
                    charge(reservation, &most, said);
                }
            };
            // In a forked child nobody is told, and all of it is charged.
            let _ = executor::spawn(telling.track_future(told));
            return most.held();
        };
        charge(reservation, &most, (paid, receipt))
    }
}

/// Charges what a gateway says of a key, of each component of which something is set aside; gives
/// all that it says. What neither the budget nor the handler limits is none of the ledger's.
fn charge(
    reservation: Reservation,
    most: &Allowance,
    (paid, receipt): (Paid, Option<Bytes>),
) -> Amount {
    // What is set aside for a call that is cut is charged by the gateway as well.
    let total = paid.total();
    let free = Component::ALL.into_iter().filter(|one| most.of(*one).is_none());
    let used = free.fold(total, |used, one| used.with(one, 0).unwrap_or(used));
    reservation.receipted(used, receipt);
    total
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
            self.add_usage(&usage(&cost));
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
    /// As [`Call::provider_for`], with a most of the cost alone, in millionths of the currency.
    ///
    /// # Errors
    /// As [`Call::provider_for`].
    ///
    /// # Cancellation
    /// Nothing is charged.
    pub async fn provider(&self, max_cost: Option<u64>) -> Result<Provider> {
        self.provider_for(ProviderMost { cost_micros: max_cost, ..ProviderMost::default() }).await
    }

    /// A base URL and a short-lived key of the metering gateway, for a client of OpenAI's API in
    /// this handler. What it may take is set aside in the grant of the call first, of input tokens,
    /// output tokens and cost each: the most that is given, or a quarter of what is free. What the
    /// budget does not limit, and no most is given of, is limited by the node's own key alone; it
    /// counts in the usage of the answer, and not in the budget. Each time it is
    /// another key, below the one that came with the grant where its issuer frees by receipts
    /// alone. All of them end with the call, and then what the gateway says they took is
    /// charged. An answer waits for its word for `PROVIDER_WORD`; without it all that was set aside
    /// is charged: at once, or under `provider` when nothing is said for `PROVIDER_TOLD`. A key
    /// ends also with the stop of the budget, with the total deadline of the call, and after
    /// `PROVIDER_KEY_LIFE`: so long may one pay of whose stop the gateway heard nothing.
    ///
    /// # Errors
    /// `configuration`: code `no_budget` without a budget, `no_gateway` where the node has none,
    /// `token_limit` where tokens are to be limited and the node's own key is of version 2, which
    /// limits cost alone. `budget_exhausted` for what does not fit; `invalid_argument`, field
    /// `maxInput`, `maxOutput` or `maxCost`: no amount, or none at all where the budget limits none
    /// of them; `auth`: more than the node's own key allows, or one that is over; `killed`; `busy`,
    /// limit `PROVIDER_KEYS`.
    ///
    /// # Cancellation
    /// Nothing is charged.
    pub async fn provider_for(&self, most: ProviderMost) -> Result<Provider> {
        let given = given(&most)?;
        let core = self.shared_core();
        let held = core.held().ok_or_else(no_budget)?;
        let named = held.gateway().or_else(|| held.treasury().gateway.get());
        let gateway = Arc::clone(named.ok_or_else(none_named)?);
        let most = most_of(held, &gateway, given)?;
        let reservation = held.reserve(most.held()).await?;
        let now_ms = now_ms();
        let left = |end: Instant| end.saturating_duration_since(Instant::now());
        let left = core.info.total_deadline.map_or(Duration::MAX, left);
        let life = left.min(limits::PROVIDER_KEY_LIFE);
        let until_ms = now_ms + u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1);
        let limit = most.or(&gateway.most());
        let key = gateway.issue(held.origin().budget_id(), limit, (now_ms, until_ms))?;
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

/// What a gateway counts, each with the field that gives its most.
const COUNTED: [(Component, &str); 3] = [
    (Component::InputTokens, "maxInput"),
    (Component::OutputTokens, "maxOutput"),
    (Component::CostMicros, "maxCost"),
];

/// The most that a handler gives.
fn given(most: &ProviderMost) -> Result<Allowance> {
    let ProviderMost { input_tokens, output_tokens, cost_micros } = *most;
    let mut given = Allowance::UNLIMITED;
    for ((component, field), most) in
        COUNTED.into_iter().zip([input_tokens, output_tokens, cost_micros])
    {
        if most.is_some_and(|most| most > limits::AMOUNT_MAX) {
            let message = format!("expected an integer from 0 to {}", limits::AMOUNT_MAX);
            return Err(wrong(field, &message));
        }
        given = given.with(component, most);
    }
    Ok(given)
}

fn wrong(field: &str, message: &str) -> Error {
    Error::invalid(field, message).with_code("amount")
}

/// What is set aside for a key, of each component that is limited.
fn most_of(held: &Held, gateway: &Gateway, given: Allowance) -> Result<Allowance> {
    let view = held.treasury().view(&held.id());
    let free = view.map_or(Allowance::UNLIMITED, |view| {
        view.amount.without(&view.used.plus_at_most(&view.held))
    });
    // With nothing left, one does not fit.
    let quarter = |one| free.of(one).map(|free: u64| (free / 4).max(1));
    let usual = COUNTED.into_iter().fold(Allowance::UNLIMITED, |all, (one, _)| {
        let most = quarter(one);
        all.with(one, most.map(|most| most.min(gateway.most().of(one).unwrap_or(most))))
    });
    let most = given.or(&usual);
    if most == Allowance::UNLIMITED {
        let message = "expected a most: the budget of the call limits neither cost nor tokens";
        return Err(wrong("maxCost", message));
    }
    let counts = |one: Component| most.of(one).is_some();
    let tokens = counts(Component::InputTokens) || counts(Component::OutputTokens);
    if tokens && !gateway.key().limits_tokens() {
        let message = "the node's key of the gateway is of version 2, which limits cost alone, \
                       and the key is to limit tokens: issue the node another one with `hubless \
                       gateway key`";
        return Err(configuration("token_limit", message));
    }
    Ok(most)
}

fn no_budget() -> Error {
    let message = "the call has no budget that a key could be paid from: its caller gives a kill \
                   switch with a limit of cost or tokens";
    configuration("no_budget", message)
}

fn configuration(code: &str, message: &str) -> Error {
    Error::new(Kind::Configuration, message).with_code(code)
}
