//! Where a listener listens, and to whom.

use super::budgets::Budgets;
use super::gate::Times;
use super::tokens::Tokens;
use hubless::budget::{Allowance, Terms};
use hubless::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::policy::Rate;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Port unless told.
pub const PORT: u16 = 8_420;

/// Options of [`super::HttpEdge::start`]; as they are by default, programs of this machine may ask,
/// and nobody else.
///
/// ```
/// use hubless_edge::http::HttpOptions;
///
/// let options = HttpOptions { listen: "0.0.0.0:80".parse().unwrap(), ..HttpOptions::default() };
/// assert!(options.check().is_err(), "anybody could ask, and read what others ask");
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Address to bind; port 0: any.
    pub listen: SocketAddr,
    /// Names by which clients reach it, with a port unless it is the one that is bound. A bound
    /// address stands for itself, and loopback for `localhost` as well.
    pub hosts: Vec<String>,
    /// Origins whose pages may ask, such as `https://example.org`; none: no page may.
    pub origins: Vec<String>,
    /// Certificate chain and private key, in PEM; none: plain HTTP.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Bearer tokens of those who may ask; none: everybody who reaches it.
    pub tokens: Tokens,
    /// True: off loopback without TLS or without tokens all the same.
    pub insecure: bool,
    /// What one request of a client may spend, with all calls below it: its callee is granted all
    /// of it. Nothing for an agent that requires a grant: who asks for it brings one. None: it has
    /// no budget. A request with a redeem code has that of the code. A client asks for less with
    /// the header `Hubless-Budget`, and never for more.
    pub budget: Option<Terms>,
    /// What all requests of one principal may spend in an hour, of one address without tokens, as
    /// [`hubless::Node::hourly_switch`] counts it; requests with a redeem code do not count. None:
    /// it has no limit.
    pub budget_per_hour: Option<Allowance>,
    /// Clients whose budgets are not these two.
    pub budgets: Budgets,
    /// True: a `traceparent` of a client is continued; else it is noted beside a new one.
    pub trust_traces: bool,
    /// True: what the node counts is at `/metrics`, the names of all of its agents among it, for
    /// whoever may ask; where there are tokens, for the one of the name `metrics` alone.
    #[cfg(feature = "metrics")]
    pub metrics: bool,
    /// How often one principal may ask; one address, without tokens.
    pub rate: Rate,
    /// Time for the head of a request.
    pub header_time: Duration,
    /// Time for the body of a request.
    pub body_time: Duration,
    /// Time between two requests of a connection, and to take what was answered.
    pub idle_time: Duration,
}

/// What those who ask have to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// Nothing.
    Nothing,
    /// A token, or a key.
    Secret,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), PORT),
            hosts: Vec::new(),
            origins: Vec::new(),
            certificate: None,
            tokens: Tokens::default(),
            insecure: false,
            budget: None,
            budget_per_hour: None,
            budgets: Budgets::default(),
            trust_traces: false,
            #[cfg(feature = "metrics")]
            metrics: false,
            rate: Rate { per_s: limits::HTTP_RATE_PER_S.into(), burst: limits::HTTP_RATE_BURST },
            header_time: limits::HTTP_HEADER_TIME,
            body_time: limits::HTTP_BODY_TIME,
            idle_time: limits::HTTP_IDLE,
        }
    }
}

impl HttpOptions {
    /// Refuses what would let anybody ask, or read what others ask.
    ///
    /// # Errors
    /// `configuration`: code `insecure`; `budget_file` for a budget of a name that has no token.
    /// `invalid_argument` for too many names.
    pub fn check(&self) -> Result<()> {
        let proven = if self.tokens.is_empty() { Proof::Nothing } else { Proof::Secret };
        self.check_with(proven)
    }

    /// The same, where those who ask show something else than a token.
    ///
    /// # Errors
    /// As [`HttpOptions::check`].
    pub(crate) fn check_with(&self, proof: Proof) -> Result<()> {
        for (field, length) in [("host", self.hosts.len()), ("origin", self.origins.len())] {
            if length > limits::HTTP_ENTRIES {
                let bound = limits::HTTP_ENTRIES;
                return Err(Error::invalid(field, format!("expected at most {bound}"))
                    .with_limit("HTTP_ENTRIES", bound as u64));
            }
        }
        self.budgets.check(&self.tokens)?;
        if self.listen.ip().to_canonical().is_loopback() || self.insecure {
            return Ok(());
        }
        let missing = match (self.certificate.is_some(), proof) {
            (true, Proof::Secret) => return Ok(()),
            (false, Proof::Nothing) => "a certificate and tokens",
            (false, Proof::Secret) => "a certificate",
            (true, Proof::Nothing) => "tokens",
        };
        let message = format!(
            "{} is reached from other machines: expected {missing}, or that it be said to be \
             insecure",
            self.listen
        );
        Err(Error::new(Kind::Configuration, message).with_code("insecure"))
    }

    pub(super) fn times(&self) -> Times {
        Times { header: self.header_time, idle: self.idle_time }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_loopback_it_takes_tls_and_tokens_or_a_word() {
        let tokens = Tokens::read("a 0123456789abcdefghijkl").unwrap();
        let files = Some((PathBuf::from("c"), PathBuf::from("k")));
        for (listen, tls, token, insecure, good) in [
            ("127.0.0.1:1", false, false, false, true),
            ("[::1]:1", false, false, false, true),
            ("127.9.9.9:1", false, false, false, true),
            ("0.0.0.0:1", false, false, false, false),
            ("[::]:1", true, false, false, false),
            ("10.0.0.1:1", false, true, false, false),
            ("10.0.0.1:1", true, true, false, true),
            ("10.0.0.1:1", false, true, true, true),
            ("[::ffff:10.0.0.1]:1", false, false, false, false),
        ] {
            let options = HttpOptions {
                listen: listen.parse().unwrap(),
                certificate: files.clone().filter(|_| tls),
                tokens: if token { tokens.clone() } else { Tokens::default() },
                insecure,
                ..HttpOptions::default()
            };
            let checked = options.check();
            assert_eq!(checked.is_ok(), good, "{listen} {tls} {token} {insecure}");
        }
    }

    #[test]
    fn times_are_those_of_the_table_unless_told() {
        let options = HttpOptions::default();
        assert_eq!(options.times().header, limits::HTTP_HEADER_TIME);
        assert_eq!(options.times().idle, limits::HTTP_IDLE);
        assert_eq!(options.body_time, limits::HTTP_BODY_TIME);
    }

    #[test]
    fn names_have_a_bound() {
        let hosts = vec!["a".to_owned(); limits::HTTP_ENTRIES + 1];
        let options = HttpOptions { hosts, ..HttpOptions::default() };
        assert_eq!(options.check().unwrap_err().limit.unwrap().name, "HTTP_ENTRIES");
    }
}
