//! Where a gateway listens, whom it asks, and what that costs.

use crate::http::{HttpOptions, Proof};
use hubless::web::{self, Url};
use hubless::{Error, Result};
use hubless_proto::limits;
use hubless_proto::metering::prices::Prices;
use hubless_proto::policy::Secret;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Port unless told.
pub const PORT: u16 = 8_430;

/// Options of [`super::GatewayEdge::start`].
#[derive(Debug, Clone)]
pub struct GatewayOptions {
    /// Where it listens; its tokens are not used, since every call shows a spending key.
    pub http: HttpOptions,
    /// Whom it asks.
    pub provider: ProviderOptions,
    /// What that costs.
    pub prices: Prices,
}

/// The provider behind a gateway.
#[derive(Debug, Clone)]
pub struct ProviderOptions {
    /// Base URL, such as `https://api.openai.com/v1`.
    pub(super) url: Url,
    /// Key that the provider knows.
    pub(super) key: Secret,
    /// File of the certificates, in PEM, that its own must come from; no others are believed then.
    /// None: those that this machine trusts.
    pub ca: Option<PathBuf>,
    /// Time for a connection.
    pub connect_time: Duration,
    /// Silence after which an answer is given up.
    pub silence_time: Duration,
}

impl GatewayOptions {
    /// A gateway at `127.0.0.1:8430`.
    pub fn new(provider: ProviderOptions, prices: Prices) -> Self {
        let listen = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT);
        Self { http: HttpOptions { listen, ..HttpOptions::default() }, provider, prices }
    }

    /// Refuses what would let others read the keys of callers.
    ///
    /// # Errors
    /// As [`HttpOptions::check`].
    pub fn check(&self) -> Result<()> {
        self.http.check_with(Proof::Secret)
    }
}

impl ProviderOptions {
    /// A provider by its base URL and key.
    ///
    /// # Errors
    /// `invalid_argument` (`provider`): no URL of `https`, or of `http` on this machine; or one
    /// with a user, a query or a fragment; (`provider_key`): a key that no header takes.
    ///
    /// ```
    /// use hubless_edge::gateway::ProviderOptions;
    ///
    /// let key = || "sk-test".to_owned().into();
    /// assert!(ProviderOptions::new("https://api.openai.com/v1", key()).is_ok());
    /// assert!(ProviderOptions::new("http://127.0.0.1:8080/v1", key()).is_ok());
    /// assert!(ProviderOptions::new("http://api.openai.com/v1", key()).is_err());
    /// ```
    pub fn new(url: &str, key: Secret) -> Result<Self> {
        let url = web::url("provider", url)?;
        let plain = |byte: u8| byte.is_ascii_graphic();
        if key.reveal().is_empty() || !key.reveal().bytes().all(plain) {
            return Err(Error::invalid("provider_key", "expected letters without blanks"));
        }
        Ok(Self {
            url,
            key,
            ca: None,
            connect_time: limits::PROVIDER_CONNECT,
            silence_time: limits::PROVIDER_SILENCE,
        })
    }

    /// The URL of a path below the base.
    pub(super) fn at(&self, path: &str) -> Result<Url> {
        web::below("provider", &self.url, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_into_one_header_and_is_never_shown() {
        for key in ["", "a b", "a\nb", "é"] {
            let error = ProviderOptions::new("https://a.example", key.to_owned().into());
            assert_eq!(error.unwrap_err().field.as_deref(), Some("provider_key"));
        }
        let made = ProviderOptions::new("https://a.example/v1/", "canary".to_owned().into());
        let made = made.unwrap();
        assert_eq!(made.at("models").unwrap().as_str(), "https://a.example/v1/models");
        assert!(!format!("{made:?}").contains("canary"));
        assert_eq!(made.connect_time, limits::PROVIDER_CONNECT);
        assert_eq!(made.silence_time, limits::PROVIDER_SILENCE);
    }
}
