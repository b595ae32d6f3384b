//! Options of a relay.

use crate::mesh::RelayUrl;
use hubless_proto::error::{Error, Result};
use hubless_proto::limits;
use serde::Deserialize;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where a relay listens when nothing says so.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 3_340);

/// A relay that a node serves ([`crate::NodeOptions::relay`]); every field has a default.
///
/// Whoever is relayed is authenticated, and every quota is enforced, with one exception: what tells
/// nodes their addresses over UDP answers whoever asks, and as many as ask.
///
/// ```
/// use hubless::relay::RelayOptions;
///
/// let options = RelayOptions::default();
/// assert_eq!((options.connections, options.bytes_per_s), (1_024, 4_194_304));
/// assert!(options.check().is_ok());
/// ```
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RelayOptions {
    /// Address and port; default `127.0.0.1:3340`. With TLS the UDP port of the same number tells
    /// nodes their addresses.
    pub listen: SocketAddr,
    /// Name of its host in the URL that it says; none: the address that it listens at, which then
    /// is one that members reach, not `0.0.0.0`.
    pub host: Option<String>,
    /// The URL by which members use it, in place of `host`, where a proxy before it has another
    /// one. All connections then come from one address, and how many of one address introduce
    /// themselves at once is for the proxy to bound.
    pub url: Option<RelayUrl>,
    /// File of the certificate, in PEM; none, as the key: plain HTTP, for a proxy before it.
    pub tls_cert: Option<PathBuf>,
    /// File of its private key, in PEM, which nobody else may read.
    pub tls_key: Option<PathBuf>,
    /// Bytes a second that are taken of one connection; the rest waits.
    pub bytes_per_s: u32,
    /// Connections at once, of which one member has at most 64.
    pub connections: usize,
}

impl Default for RelayOptions {
    fn default() -> Self {
        Self {
            listen: LISTEN,
            host: None,
            url: None,
            tls_cert: None,
            tls_key: None,
            bytes_per_s: limits::RELAY_BYTES_PER_S,
            connections: limits::RELAY_CONNECTIONS,
        }
    }
}

impl RelayOptions {
    /// Checks what can be checked without a file or a socket.
    ///
    /// # Errors
    /// `invalid_argument` naming the option.
    pub fn check(&self) -> Result<()> {
        if self.tls_cert.is_some() != self.tls_key.is_some() {
            let field = if self.tls_cert.is_some() { "tlsKey" } else { "tlsCert" };
            return Err(Error::invalid(field, "expected a certificate and its key, or neither"));
        }
        if self.bytes_per_s < LEAST_BYTES {
            let message = format!("expected at least {LEAST_BYTES} bytes a second");
            return Err(Error::invalid("bytesPerS", message));
        }
        if self.connections == 0 {
            return Err(Error::invalid("connections", "expected at least one"));
        }
        self.url(self.listen).map(|_| ())
    }

    /// The URL of a relay that is bound there.
    ///
    /// # Errors
    /// `invalid_argument`, field `host`, for what is no host, or for none where every address of
    /// the machine is listened at; field `url`, for one beside a host.
    pub(crate) fn url(&self, bound: SocketAddr) -> Result<RelayUrl> {
        let scheme = if self.tls_cert.is_some() { "https" } else { "http" };
        // Any port is as good as another until it is bound.
        let port = bound.port().max(1);
        let text = match (&self.url, &self.host) {
            (Some(url), None) => return Ok(url.clone()),
            (Some(_), Some(_)) => {
                return Err(Error::invalid("url", "expected a host or the whole URL, not both"));
            }
            (None, Some(host)) => format!("{scheme}://{host}:{port}"),
            (None, None) if bound.ip().to_canonical().is_unspecified() => {
                let message = format!(
                    "the relay listens at every address, and {} leads members to their own \
                     machine: say the host by which they reach it, or the url of a proxy before it",
                    bound.ip()
                );
                return Err(Error::invalid("host", message));
            }
            (None, None) => format!("{scheme}://{}:{port}", bracketed(bound)),
        };
        text.parse().map_err(|error: Error| error.with_field("host"))
    }
}

/// Least rate: a packet of the greatest size each second.
const LEAST_BYTES: u32 = 64 * 1024;

fn bracketed(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(four) => four.ip().to_string(),
        SocketAddr::V6(six) => format!("[{}]", six.ip()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_which_option_is_wrong() {
        let right = RelayOptions::default;
        let named = |options: RelayOptions| options.check().unwrap_err().field.unwrap();
        let file = || Some(PathBuf::from("/x.pem"));
        assert_eq!(named(RelayOptions { tls_cert: file(), ..right() }), "tlsKey");
        assert_eq!(named(RelayOptions { tls_key: file(), ..right() }), "tlsCert");
        assert_eq!(named(RelayOptions { bytes_per_s: LEAST_BYTES - 1, ..right() }), "bytesPerS");
        assert_eq!(named(RelayOptions { connections: 0, ..right() }), "connections");
        assert_eq!(named(RelayOptions { host: Some("a b".into()), ..right() }), "host");
        let url = || Some("https://relay.example".parse().unwrap());
        let both = RelayOptions { host: Some("relay.example".into()), url: url(), ..right() };
        assert_eq!(named(both), "url");
    }

    #[test]
    fn its_url_names_the_host_that_was_given_and_the_port_that_is_bound() {
        let bound = "[::1]:8443".parse().unwrap();
        let url = |options: RelayOptions| options.url(bound).unwrap().to_string();
        assert_eq!(url(RelayOptions::default()), "http://[::1]:8443");
        let host = Some("relay.example".to_owned());
        let (tls_cert, tls_key) = (Some(PathBuf::new()), Some(PathBuf::new()));
        let options = RelayOptions { host, tls_cert, tls_key, ..RelayOptions::default() };
        assert_eq!(url(options), "https://relay.example:8443");
    }

    #[test]
    fn listening_at_every_address_it_is_told_by_which_one_members_reach_it() {
        for every in ["0.0.0.0:443", "[::]:443", "[::ffff:0.0.0.0]:443"] {
            let options = RelayOptions { listen: every.parse().unwrap(), ..Default::default() };
            let error = options.check().unwrap_err();
            assert_eq!(error.field.as_deref(), Some("host"), "{every}");
            assert!(error.message.contains("url"), "{error}");
            for (host, url, said) in [
                (Some("relay.example"), None, "http://relay.example:443"),
                (None, Some("https://relay.example"), "https://relay.example"),
            ] {
                let host = host.map(str::to_owned);
                let url = url.map(|url| url.parse().unwrap());
                let told = RelayOptions { host, url, ..options.clone() };
                told.check().unwrap();
                assert_eq!(told.url(options.listen).unwrap().to_string(), said);
            }
        }
    }
}
