//! A running gateway.

use super::desk::{self, Desk};
use super::fault::show;
use super::options::GatewayOptions;
use super::provider::Provider;
use crate::http::{Behind, HttpOptions, Listener, Tokens, stranger};
use hubless::home::Home;
use hubless::till::GatewayTill;
use hubless::{Error, Result, executor};
use hubless_proto::identity::{Name, NodeKey};
use hubless_proto::limits;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::{CancellationToken, DropGuard};

/// Whose callers the rates of a gateway are counted for: it is no node of a mesh.
const NOBODY: NodeKey = NodeKey::from_bytes([0; 32]);

/// A metering gateway. Dropping it closes it at once, [`GatewayEdge::close`] in good order.
///
/// ```
/// use hubless::home::Home;
/// use hubless_edge::gateway::{GatewayEdge, GatewayOptions, ProviderOptions};
/// use hubless_proto::metering::prices::Prices;
/// use serde_json::json;
/// use std::time::Duration;
///
/// # let folder = tempfile::tempdir().unwrap();
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let home = Home::open(Some(folder.path()))?;
/// let provider = ProviderOptions::new("http://127.0.0.1:9/v1", "sk-test".to_owned().into())?;
/// let prices = Prices::read(&json!({"models": {"gpt-4o-mini": {"input_micros": 150_000,
///     "output_micros": 600_000, "max_output_tokens": 16_384, "tokens": "o200k"}}}))?;
/// let mut options = GatewayOptions::new(provider, prices);
/// options.http.listen = "127.0.0.1:0".parse().unwrap();
/// let gateway = GatewayEdge::start(&home, &"front".parse()?, options).await?;
/// assert!(gateway.url().starts_with("http://127.0.0.1:"));
/// gateway.close(Duration::from_secs(1)).await?;
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Debug)]
pub struct GatewayEdge {
    listener: Listener,
    till: Arc<GatewayTill>,
    /// Ends the counting of the audit log.
    _counting: DropGuard,
}

impl GatewayEdge {
    /// Opens the till of the gateway of this name, binds and serves.
    ///
    /// # Errors
    /// `conflict`, code `locked`, when another process runs it; `configuration`: code `insecure`
    /// for what others could read, `tls`, `file`, an address that cannot be bound, or what is wrong
    /// with the store; `invalid_argument` for names and origins that are none.
    ///
    /// # Cancellation
    /// Nothing is bound.
    pub async fn start(home: &Home, name: &Name, options: GatewayOptions) -> Result<Self> {
        options.check()?;
        let GatewayOptions { http, provider, prices } = options;
        let provider = Provider::new(provider)?;
        let till = GatewayTill::open(home, name).await?;
        let desk = Desk {
            till: Arc::clone(&till),
            prices: Arc::new(prices),
            provider,
            body_time: http.body_time,
        };
        let noted = Arc::clone(&till);
        let note = move |address: IpAddr, error: &Error| noted.note_key(&stranger(address), error);
        let behind = Behind {
            router: desk::router(desk),
            note: Box::new(note),
            show,
            // The programs of one machine are many callers, each with a key of its own.
            per_local_address: limits::HTTP_CONNECTIONS,
        };
        // Every call shows a spending key instead of one of them.
        let http = HttpOptions { tokens: Tokens::default(), ..http };
        let listener = Listener::open(http, NOBODY, behind).await?;
        let stop = CancellationToken::new();
        let (counted, stopped) = (Arc::clone(&till), stop.clone());
        executor::spawn(async move { counted.tell_counts(&stopped).await })?;
        Ok(Self { listener, till, _counting: stop.drop_guard() })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.listener.address()
    }

    /// The names that it answers to, with their ports.
    pub fn hosts(&self) -> &[String] {
        self.listener.hosts()
    }

    /// The base URL for clients: `OPENAI_BASE_URL`.
    pub fn url(&self) -> String {
        format!("{}/v1", self.listener.url())
    }

    /// The key under which its receipts hold, for nodes that are to believe them.
    pub fn signer(&self) -> NodeKey {
        self.till.signer()
    }

    /// Its accounts.
    pub fn till(&self) -> &GatewayTill {
        &self.till
    }

    /// Takes no more calls, lets running ones end within `grace`, cuts off what is left, which is
    /// charged in full, and lets the accounts go.
    ///
    /// # Errors
    /// As [`GatewayTill::close`].
    ///
    /// # Cancellation
    /// What is left is cut off at once.
    pub async fn close(self, grace: Duration) -> Result<()> {
        self.listener.close(grace).await;
        self.till.close().await
    }
}
