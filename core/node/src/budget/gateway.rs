//! The metering gateway of a node: keys for its calls, the end of each, and the word of a stop.

use super::Treasury;
use super::state::State;
use crate::back_off::BackOff;
use crate::node::NodeOptions;
use crate::web::{self, Client, Patience, Roots, Url, cause};
use crate::{chance, executor};
use bytes::Bytes;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::killswitch::{Allowance, BudgetId, Message, Receipt, Trip};
use hubless_proto::limits;
use hubless_proto::metering::chain::SpendKey;
use hubless_proto::metering::till::Paid;
use hubless_proto::metering::word::{self, Purpose};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// A gateway and the key that this node has of it.
pub(crate) struct Gateway {
    base: Url,
    key: SpendKey,
    /// Whose receipts are believed.
    signer: Option<NodeKey>,
    client: Client,
    /// How long a word of a cost is waited for.
    word: Duration,
    /// How long a stop is told.
    told: Duration,
}

/// What came of a post.
enum Posted {
    Answer(Vec<u8>),
    /// It will not be taken.
    Refused,
    /// Another try may help.
    Lost,
}

impl Gateway {
    /// The gateway that the options or the environment name; none: they name none, or no key of
    /// it.
    ///
    /// # Errors
    /// `invalid_argument`, field `gateway` or `gatewaySigner`; `auth`, code `bad_chain`, field
    /// `gatewayKey`; `configuration`, code `tls`.
    pub(crate) fn named(options: &NodeOptions) -> Result<Option<Arc<Self>>> {
        let url = options.gateway.clone().or_else(|| options.surrounding("HUBLESS_GATEWAY"));
        let key = options.gateway_key.clone();
        let key = key.or_else(|| options.surrounding("HUBLESS_GATEWAY_KEY").map(Into::into));
        let Some((url, key)) = url.zip(key) else { return Ok(None) };
        let base = web::url("gateway", &url)?;
        let key = SpendKey::read(key.reveal().trim());
        let key = key.map_err(|error| error.with_field("gatewayKey"))?;
        let (word, told) = (limits::PROVIDER_WORD, limits::PROVIDER_TOLD);
        let client = web::client(&Roots::of(&base), Patience { connect: word, silence: word })?;
        let signer = options
            .gateway_signer
            .clone()
            .or_else(|| options.surrounding("HUBLESS_GATEWAY_SIGNER"));
        let signer = signer.map(|signer| read_signer(&signer)).transpose()?;
        Ok(Some(Arc::new(Self { base, key, signer, client, word, told })))
    }

    /// One that waits for less, so that nobody waits for a test.
    #[cfg(test)]
    pub(super) fn hasty(self) -> Self {
        Self { word: Duration::from_millis(50), told: Duration::from_millis(50), ..self }
    }

    /// The same gateway with another key, which came with a grant.
    pub(super) fn under(&self, key: SpendKey) -> Self {
        let Self { base, signer, client, word, told, .. } = self;
        let (base, client) = (base.clone(), client.clone());
        Self { base, key, signer: *signer, client, word: *word, told: *told }
    }

    pub(super) const fn key(&self) -> &SpendKey {
        &self.key
    }

    /// Whose receipts are believed.
    pub(super) const fn signer(&self) -> Option<NodeKey> {
        self.signer
    }

    /// The base URL for clients.
    pub(super) fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// The most that a key of it can be for, of each component.
    pub(super) fn most(&self) -> Allowance {
        self.key.chain().links.last().map_or(Allowance::UNLIMITED, |link| link.limit)
    }

    /// A key that ends with the stop of a budget, and no later than that of this node.
    ///
    /// # Errors
    /// `auth`: code `expired` when the time of the node's own key is over, `bad_chain` for more
    /// than it allows, and for a limit of tokens below one of version 2.
    pub(super) fn issue(
        &self,
        budget: BudgetId,
        limit: Allowance,
        (now_ms, until_ms): (u64, u64),
    ) -> Result<SpendKey> {
        let chain = self.key.chain();
        chain.check_time(now_ms).map_err(|error| error.with_field("gatewayKey"))?;
        let above_ms = chain.links.last().map_or(u64::MAX, |link| link.until_ms);
        self.key.issue_for(budget, chance::bytes(), limit, (now_ms, until_ms.min(above_ms)))
    }

    /// Ends a key; none: the gateway did not say in time what it cost. For a purpose it gives a
    /// receipt as well, if that is one of this gateway for this purpose.
    pub(super) async fn end(
        &self,
        key: &SpendKey,
        purpose: Option<Purpose>,
    ) -> Option<(Paid, Option<Bytes>)> {
        let asking = async {
            // A connection that was kept may have ended: the second try has a fresh one.
            for _ in 0..2 {
                match self.post(word::END, key, word::end(purpose)).await {
                    Posted::Answer(body) => return self.read_end(key, purpose, &body),
                    Posted::Refused => return None,
                    Posted::Lost => {}
                }
            }
            None
        };
        timeout(self.word, asking).await.ok().flatten()
    }

    fn read_end(
        &self,
        key: &SpendKey,
        purpose: Option<Purpose>,
        body: &[u8],
    ) -> Option<(Paid, Option<Bytes>)> {
        // A gateway that counts cost alone takes no key that limits tokens.
        let cost = || if key.limits_tokens() { None } else { word::read_cost(body) };
        let paid = word::read_paid(body).or_else(cost)?;
        let wanted = purpose.zip(key.chain().links.last());
        let receipt = wanted.and_then(|(purpose, link)| {
            let shown = word::read_receipt(body)?;
            let said = Receipt::open(&shown).ok()?;
            let fits = Some(said.gateway) == self.signer
                && (said.grant, said.reservation) == (purpose.grant, purpose.reservation)
                && (said.link, said.used()) == (*link.id.as_bytes(), paid.total());
            fits.then_some(shown)
        });
        if receipt.is_none() && purpose.is_some() {
            tracing::warn!("a gateway gave no receipt that holds: nothing is freed by its word");
        }
        Some((paid, receipt))
    }

    /// The same, of a gateway that is asked on for a while: until then what the key may have cost
    /// stays set aside.
    pub(super) async fn end_at_last(
        &self,
        key: &SpendKey,
        purpose: Option<Purpose>,
    ) -> Option<(Paid, Option<Bytes>)> {
        let said = self.post_on(word::END, key, &word::end(purpose)).await;
        if said.is_none() {
            tracing::warn!("a gateway never said what a key cost, which is charged in full");
        }
        self.read_end(key, purpose, &said?)
    }

    /// Tells of a stop, for a while; true: it was heard. Else the lives of the keys are the bound.
    async fn tell(&self, trip: &Trip) -> bool {
        let said = self.post_on(word::TRIP, &self.key, &word::trip(trip)).await;
        let heard = said.is_some();
        if !heard {
            let budget = trip.budget_id();
            tracing::warn!(%budget, "the gateway was not told of a stop; its keys end by time");
        }
        heard
    }

    /// Posts until it is taken or refused, for a while; some: it was taken, and this came back.
    async fn post_on(&self, path: &str, key: &SpendKey, body: &str) -> Option<Vec<u8>> {
        let mut pauses = BackOff::new();
        let telling = async {
            loop {
                match self.post(path, key, body.to_owned()).await {
                    Posted::Answer(said) => return Some(said),
                    Posted::Refused => return None,
                    Posted::Lost => pauses.wait().await,
                }
            }
        };
        timeout(self.told, telling).await.ok().flatten()
    }

    async fn post(&self, path: &str, key: &SpendKey, body: String) -> Posted {
        let Ok(url) = web::below("gateway", &self.base, path) else { return Posted::Refused };
        let request = self.client.post(url).bearer_auth(key.text().as_str());
        let request = request.header("content-type", "application/json").body(body);
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => {
                tracing::debug!(error = cause(error), "the gateway did not answer");
                return Posted::Lost;
            }
        };
        let status = response.status();
        if !status.is_success() {
            tracing::warn!(status = status.as_u16(), path, "the gateway refused");
            let passing = status.is_server_error() || status.as_u16() == 429;
            return if passing { Posted::Lost } else { Posted::Refused };
        }
        let body = web::read(response, limits::PROVIDER_WORD_BYTES).await;
        body.map_or(Posted::Lost, |body| Posted::Answer(body.to_vec()))
    }
}

impl Treasury {
    /// Names the gateway that keys are made for; the first one stands.
    pub(crate) fn pay_by(&self, gateway: Arc<Gateway>) {
        // A node has one.
        let _ = self.gateway.set(gateway);
    }

    /// Tells the gateway of the stop of a budget.
    ///
    /// The word is signed, so that it says the same whoever passes it on.
    pub(super) fn tell_gateway(&self, trip: Trip) {
        let Some(gateway) = self.gateway.get().map(Arc::clone) else { return };
        let telling = async move { gateway.tell(&trip).await };
        // In a forked child nobody is told.
        let _ = executor::spawn(self.telling.track_future(telling));
    }

    /// True for a node that may have something to tell a gateway.
    pub(crate) fn has_gateway(&self) -> bool {
        self.gateway.get().is_some()
    }

    /// Waits until the gateway was told what there is to tell.
    pub(crate) async fn told(&self) {
        self.telling.close();
        self.telling.wait().await;
    }
}

impl State {
    /// The stop that a peer says, if it is news and of a budget of which a grant is held here: its
    /// root may not reach the gateway.
    pub(super) fn stop_of_gateway(&self, message: &Message) -> Option<Trip> {
        let Message::Trip(trip) = message else { return None };
        let budget = trip.budget_id();
        let known = self.ledger.tripped(&budget).is_some();
        let concerns = !known && !self.ledger.accounts(&budget).is_empty();
        concerns.then(|| trip.clone())
    }
}

fn read_signer(text: &str) -> Result<NodeKey> {
    let wrong = || {
        let message = "expected the key that the gateway signs receipts with, as it is printed";
        Error::invalid("gatewaySigner", message)
    };
    text.trim().parse().map_err(|_| wrong())
}

/// The refusal where a node has no gateway.
pub(super) fn none_named() -> Error {
    let message = "this node has no gateway: give it the options gateway and gatewayKey, or set \
                   HUBLESS_GATEWAY and HUBLESS_GATEWAY_KEY";
    Error::new(Kind::Configuration, message).with_code("no_gateway")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubless_proto::identity::SecretKey;
    use hubless_proto::killswitch::{
        Amount, Component, GrantId, Origin, PaidTokens, ReservationId, Statement,
    };
    use hubless_proto::metering::Micros;
    use hubless_proto::wire::words::TripReason;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpSocket};

    const BUDGET: BudgetId = BudgetId::from_bytes([7; 32]);

    fn root() -> SpendKey {
        SpendKey::root(&SecretKey::from_seed([1; 32]))
    }

    /// What was paid: so much cost, and five tokens that were written.
    fn cost_of(micros: u64) -> Paid {
        let spent = Amount::from(Micros::new(micros).unwrap());
        Paid { spent: spent.with(Component::OutputTokens, 5).unwrap(), ..Paid::default() }
    }

    fn gateway(url: &str) -> Result<Option<Arc<Gateway>>> {
        let options = NodeOptions {
            gateway: Some(url.to_owned()),
            gateway_key: Some(root().text().to_string().into()),
            ..NodeOptions::default()
        };
        Gateway::named(&options)
    }

    /// One that waits for less, so that nobody waits for the test.
    fn hasty(url: &str) -> Gateway {
        let made = Arc::into_inner(gateway(url).unwrap().unwrap()).unwrap();
        assert_eq!((made.word, made.told), (limits::PROVIDER_WORD, limits::PROVIDER_TOLD));
        made.hasty()
    }

    fn stop() -> Trip {
        let root = SecretKey::from_seed([3; 32]);
        let origin = Origin { root: root.node_key(), nonce: [2; 16] };
        let by = root.node_key();
        let statement = Statement { origin, epoch: 0, reason: TripReason::Operator, by, at_ms: 1 };
        Trip::sign(&root, statement).unwrap()
    }

    /// A gateway that answers every post with this body, and tells its URL.
    async fn saying(body: String) -> String {
        saying_after(0, body).await
    }

    /// One that hangs up on so many posts before.
    async fn saying_after(lost: usize, body: String) -> String {
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", socket.local_addr().unwrap());
        tokio::spawn(async move {
            for _ in 0..lost {
                drop(socket.accept().await.unwrap());
            }
            loop {
                let (mut stream, _) = socket.accept().await.unwrap();
                let mut asked = Vec::new();
                // Every body that is posted ends with a brace, and no head does.
                while !asked.ends_with(b"}") {
                    if stream.read_buf(&mut asked).await.unwrap_or_default() == 0 {
                        break;
                    }
                }
                let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length";
                let answer = format!("{head}: {}\r\n\r\n{body}", body.len());
                // Who asked may have read enough.
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        url
    }

    #[test]
    fn url_and_key_are_checked_before_anything_is_asked() {
        let far = gateway("http://10.0.0.1/v1").err().unwrap();
        assert_eq!(far.field.as_deref(), Some("gateway"));
        let options = NodeOptions {
            gateway: Some("https://a.example/v1".to_owned()),
            gateway_key: Some("sk-other".to_owned().into()),
            ..NodeOptions::default()
        };
        let wrong = Gateway::named(&options).err().unwrap();
        assert_eq!(
            (wrong.field.as_deref(), wrong.code.as_str()),
            (Some("gatewayKey"), "bad_chain")
        );
        let made = gateway("http://127.0.0.1:1/v1/").unwrap().unwrap();
        assert_eq!((made.url(), made.most()), ("http://127.0.0.1:1/v1", Allowance::UNLIMITED));
        let key = made.issue(BUDGET, Micros::ZERO.into(), (5, 9)).unwrap();
        assert_eq!(key.chain().links[0].budget, Some(BUDGET));
    }

    #[tokio::test]
    async fn what_is_no_word_of_a_cost_is_none() {
        let key = gateway("http://127.0.0.1:1").unwrap().unwrap();
        let key = key.issue(BUDGET, Micros::ZERO.into(), (5, 9)).unwrap();
        let said = cost_of(7);
        let whole = word::paid(said);
        let fitting = format!("{whole:<width$}", width = limits::PROVIDER_WORD_BYTES);
        let ask = async |body: String| {
            let url = saying(body).await;
            let said = gateway(&url).unwrap().unwrap().end(&key, None).await;
            said.map(|(paid, _)| paid)
        };
        assert_eq!(ask(fitting.clone()).await, Some(said));
        assert_eq!(ask(fitting + " ").await, None);
        assert_eq!(ask("{}".to_owned()).await, None);
        // One that counts cost alone cannot say what a key cost that may limit tokens.
        let before = r#"{"spentMicros": 7, "reservedMicros": 0}"#;
        assert_eq!(ask(before.to_owned()).await, None);
        // It takes the post, and never says a word.
        let mute = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1", mute.local_addr().unwrap());
        assert_eq!(hasty(&url).end(&key, None).await, None);
    }

    #[tokio::test]
    async fn a_receipt_counts_that_is_of_this_gateway_key_and_purpose() {
        let (signer, stranger) = (SecretKey::from_seed([4; 32]), SecretKey::from_seed([5; 32]));
        let key = root().issue_for(BUDGET, [9; 32], Micros::MAX, (5, 9)).unwrap();
        let reservation = ReservationId::from_bytes([2; 16]);
        let purpose = Purpose { grant: GrantId::from_bytes([1; 16]), reservation };
        let paid = cost_of(7);
        let good = Receipt {
            gateway: signer.node_key(),
            provider: "front".to_owned(),
            reservation,
            grant: purpose.grant,
            link: *key.chain().links[0].id.as_bytes(),
            limit_micros: Micros::MAX.value(),
            used_micros: 7,
            tokens: Some(PaidTokens { used_output: 5, ..PaidTokens::default() }),
            calls: 1,
            model: String::new(),
            provider_request_id: String::new(),
        };
        let ask = async |receipt: &Bytes| {
            let options = NodeOptions {
                gateway: Some(saying(word::receipted(paid, receipt)).await),
                gateway_key: Some(root().text().to_string().into()),
                gateway_signer: Some(signer.node_key().to_string()),
                ..NodeOptions::default()
            };
            let gateway = Gateway::named(&options).unwrap().unwrap();
            let (said, receipt) = gateway.end(&key, Some(purpose)).await.unwrap();
            assert_eq!(said, paid);
            receipt
        };
        let signed = good.sign(&signer).unwrap();
        assert_eq!(ask(&signed).await, Some(signed.clone()));
        let by_stranger = Receipt { gateway: stranger.node_key(), ..good.clone() };
        let mut altered = signed.to_vec();
        altered[40] ^= 1;
        for wrong in [
            by_stranger.sign(&stranger).unwrap(),
            Receipt { used_micros: 6, ..good.clone() }.sign(&signer).unwrap(),
            Receipt { tokens: None, ..good.clone() }.sign(&signer).unwrap(),
            Receipt { link: [3; 32], ..good.clone() }.sign(&signer).unwrap(),
            Receipt { grant: GrantId::from_bytes([3; 16]), ..good.clone() }.sign(&signer).unwrap(),
            Receipt { reservation: Receipt::WHOLE, ..good }.sign(&signer).unwrap(),
            altered.into(),
        ] {
            assert_eq!(ask(&wrong).await, None);
        }
    }

    #[tokio::test]
    async fn stops_are_told_and_ends_are_asked_for_until_they_are_heard_or_for_a_while() {
        let url = saying("{}".to_owned()).await;
        let heard = gateway(&url).unwrap().unwrap();
        assert!(heard.tell(&stop()).await);
        // Bound and not listened at: nobody else can have it meanwhile.
        let free = TcpSocket::new_v4().unwrap();
        free.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let silent = hasty(&format!("http://{}/v1", free.local_addr().unwrap()));
        assert!(!silent.tell(&stop()).await);
        assert_eq!(silent.end_at_last(&root(), None).await, None);
    }

    #[tokio::test]
    async fn a_gateway_that_was_silent_is_heard_at_last() {
        let paid = cost_of(7);
        // As many posts are lost as a word is asked for in time, and some more.
        let url = saying_after(5, word::paid(paid)).await;
        let late = gateway(&url).unwrap().unwrap();
        assert_eq!(late.end(&root(), None).await, None);
        assert_eq!(late.end_at_last(&root(), None).await, Some((paid, None)));
    }
}
