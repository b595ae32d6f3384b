//! By which names a listener is reached, and from which pages.

use axum::http::Uri;
use axum::http::uri::{Authority, Scheme};
use hubless::{Error, Result};
use std::collections::BTreeSet;
use std::net::SocketAddr;

/// Port that a URL leaves out.
fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// The names of a listener, exact and with port: a name of somebody else that leads to this
/// address (DNS rebinding) is none of them.
#[derive(Debug)]
pub(super) struct Hosts {
    names: BTreeSet<String>,
    default_port: u16,
}

impl Hosts {
    /// The names of a listener that is bound to `bound`.
    ///
    /// # Errors
    /// `invalid_argument` for what is no name.
    pub(super) fn new(bound: SocketAddr, given: &[String], tls: bool) -> Result<Self> {
        let (address, port) = (bound.ip().to_canonical(), bound.port());
        let mut names = BTreeSet::new();
        if address.is_loopback() || address.is_unspecified() {
            for name in ["127.0.0.1", "[::1]", "localhost"] {
                names.insert(format!("{name}:{port}"));
            }
        }
        if !address.is_unspecified() {
            names.insert(SocketAddr::new(address, port).to_string());
        }
        for name in given {
            let wrong =
                || Error::invalid("host", format!("expected a name and port, got {name:?}"));
            let authority: Authority = name.parse().map_err(|_| wrong())?;
            if name.contains('@') || authority.host().is_empty() {
                return Err(wrong());
            }
            let port = authority.port_u16().unwrap_or(port);
            names.insert(format!("{}:{port}", authority.host().to_ascii_lowercase()));
        }
        Ok(Self { names, default_port: default_port(tls) })
    }

    /// True for what a client may call this listener.
    pub(super) fn takes(&self, given: &str) -> bool {
        let Ok(authority) = given.parse::<Authority>() else { return false };
        let port = match (authority.port(), authority.port_u16()) {
            (None, _) => self.default_port,
            (Some(_), Some(port)) => port,
            (Some(_), None) => return false,
        };
        let name = format!("{}:{port}", authority.host().to_ascii_lowercase());
        !given.contains('@') && self.names.contains(&name)
    }

    /// The names, for people.
    pub(super) fn list(&self) -> Vec<String> {
        self.names.iter().cloned().collect()
    }
}

/// Origins of pages that may ask; as a browser writes them.
#[derive(Debug)]
pub(super) struct Origins(BTreeSet<String>);

impl Origins {
    /// # Errors
    /// `invalid_argument` for what is no origin.
    pub(super) fn new(given: &[String]) -> Result<Self> {
        let origin = |text: &String| {
            let wrong = || {
                let message =
                    format!("expected an origin such as https://example.org, got {text:?}");
                Error::invalid("origin", message)
            };
            let uri: Uri = text.parse().map_err(|_| wrong())?;
            let scheme = uri.scheme().filter(|s| **s == Scheme::HTTP || **s == Scheme::HTTPS);
            let plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
            match (scheme, uri.authority()) {
                (Some(scheme), Some(host)) if plain && !text.contains('@') => {
                    Ok(format!("{scheme}://{}", host.as_str().to_ascii_lowercase()))
                }
                _ => Err(wrong()),
            }
        };
        given.iter().map(origin).collect::<Result<_>>().map(Self)
    }

    /// True for a page that may ask.
    pub(super) fn takes(&self, given: &str) -> bool {
        self.0.contains(given)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(bound: &str, given: &[&str], tls: bool) -> Hosts {
        let given: Vec<String> = given.iter().map(|name| (*name).to_owned()).collect();
        Hosts::new(bound.parse().unwrap(), &given, tls).unwrap()
    }

    #[test]
    fn a_listener_answers_to_its_names_with_its_port() {
        let local = hosts("127.0.0.1:8420", &["Agents.example"], false);
        for (name, takes) in [
            ("127.0.0.1:8420", true),
            ("localhost:8420", true),
            ("LOCALHOST:8420", true),
            ("[::1]:8420", true),
            ("agents.example:8420", true),
            ("127.0.0.1", false),
            ("127.0.0.1:8421", false),
            ("localhost.:8420", false),
            ("rebound.attacker.example:8420", false),
            ("agents.example.attacker.example:8420", false),
            ("user@127.0.0.1:8420", false),
            ("127.0.0.1:", false),
            ("127.0.0.1:99999", false),
            ("", false),
        ] {
            assert_eq!(local.takes(name), takes, "{name}");
        }
    }

    #[test]
    fn the_usual_port_may_be_left_out() {
        let open = hosts("0.0.0.0:8443", &["a.example:443", "b.example"], true);
        for (name, takes) in [
            ("a.example", true),
            ("a.example:443", true),
            ("b.example", false),
            ("b.example:8443", true),
        ] {
            assert_eq!(open.takes(name), takes, "{name}");
        }
        assert!(!hosts("0.0.0.0:8443", &["a.example:443"], false).takes("a.example"));
    }

    #[test]
    fn origins_are_exact() {
        let origins = Origins::new(&["https://Page.example".to_owned()]).unwrap();
        assert!(origins.takes("https://page.example"));
        for other in ["null", "http://page.example", "https://page.example:8443", "*", ""] {
            assert!(!origins.takes(other), "{other}");
        }
        for wrong in ["*", "page.example", "https://a/path", "ftp://a", "https://u@a"] {
            assert!(Origins::new(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
