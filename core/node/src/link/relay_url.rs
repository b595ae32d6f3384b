//! Where a relay is.

use crate::web::{self, Url};
use hubless_proto::error::{Error, Result};
use hubless_proto::limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// The URL of a relay: `https` or `http`, a host, and a port where it is not the usual one.
///
/// ```
/// use hubless::mesh::RelayUrl;
///
/// let relay: RelayUrl = "https://relay.example:8443/".parse()?;
/// assert_eq!(relay.to_string(), "https://relay.example:8443");
/// let wrong = "https://relay.example/path".parse::<RelayUrl>().unwrap_err();
/// assert_eq!(wrong.field.as_deref(), Some("relays"));
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RelayUrl(Url);

impl RelayUrl {
    /// What the engine spelled in another way, as it was meant.
    pub(super) fn plain(mut spelled: Url) -> Self {
        spelled.set_path("/");
        Self(spelled)
    }

    /// As HTTP names it.
    pub(crate) const fn url(&self) -> &Url {
        &self.0
    }

    /// The name of its host, in lower case; an address of IPv6 in brackets.
    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Its address, where the URL holds that instead of a name.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.host().trim_matches(['[', ']']).parse().ok()
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }

    /// True where the relay shows a certificate.
    pub(crate) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }
}

impl FromStr for RelayUrl {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        const FIELD: &str = "relays";
        let most = limits::RELAY_URL_BYTES;
        if text.len() > most {
            let message = format!("expected URLs of at most {most} bytes");
            return Err(Error::invalid(FIELD, message).with_limit("RELAY_URL_BYTES", most as u64));
        }
        let url = web::open_url(FIELD, text.trim())?;
        if !matches!(url.path(), "" | "/") || url.port() == Some(0) {
            return Err(Error::invalid(FIELD, "expected a URL of a host, without a path"));
        }
        Ok(Self(url))
    }
}

impl fmt::Display for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for RelayUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for RelayUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RelayUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(|error: Error| D::Error::custom(error.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_is_a_host_and_nothing_else() {
        for (text, shown) in [
            ("https://relay.example", Some("https://relay.example")),
            ("https://relay.example:443/", Some("https://relay.example")),
            ("HTTP://Relay.Example:8080", Some("http://relay.example:8080")),
            ("https://[2001:db8::1]:8443", Some("https://[2001:db8::1]:8443")),
            ("http://127.0.0.1:1", Some("http://127.0.0.1:1")),
            ("https://relay.example/path", None),
            ("https://relay.example?token=1", None),
            ("https://user@relay.example", None),
            ("wss://relay.example", None),
            ("https://relay.example:0", None),
            ("relay.example", None),
            ("", None),
        ] {
            let read = text.parse::<RelayUrl>().ok().map(|relay| relay.to_string());
            assert_eq!(read.as_deref(), shown, "{text:?}");
        }
        let read = |text: &str| text.parse::<RelayUrl>().unwrap();
        let six = read("http://[::1]:3340");
        assert_eq!((six.ip(), six.port()), (Some("::1".parse().unwrap()), 3_340));
        assert_eq!((read("https://a.example").ip(), read("https://a.example").port()), (None, 443));
    }

    #[test]
    fn its_url_has_so_many_letters() {
        let of = |letters: usize| {
            let around = "https://.example".len();
            format!("https://{}.example", "a".repeat(letters - around)).parse::<RelayUrl>()
        };
        let most = limits::RELAY_URL_BYTES;
        assert!(of(most).is_ok());
        assert_eq!(of(most + 1).unwrap_err().limit.unwrap().name, "RELAY_URL_BYTES");
    }

    #[test]
    fn a_spelling_of_the_engine_is_read_as_it_was_meant() {
        let relay: RelayUrl = "https://relay.example:8443".parse().unwrap();
        let mut spelled = relay.url().clone();
        spelled.set_path("1790000000000");
        assert_eq!(RelayUrl::plain(spelled), relay);
    }
}
