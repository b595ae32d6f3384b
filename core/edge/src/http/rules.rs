//! Who may ask, judged by the head alone: before a path is looked at or a body read.

use super::fault::Fault;
use super::names::{Hosts, Origins};
use super::places::network;
use super::tokens::Tokens;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use hubless::{Error, Kind};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::policy::{Caller, Rates};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// What stands before the name of a token.
const HOLDER: &str = "http:token:";

/// Who asks when nobody has to say.
const ANONYMOUS: &str = "edge:http:anonymous";

/// Who asks before it is known who, by the address: apart from those who may ask without a name, so
/// that a page that is refused uses up nothing of the programs beside it.
const UNPROVEN: &str = "edge:http:unproven";
/// What browsers ask before a page may, by their address.
const PREFLIGHT: &str = "edge:http:preflight";

/// What a listener asks of every request.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) node: NodeKey,
    pub(super) hosts: Hosts,
    pub(super) origins: Origins,
    pub(super) tokens: Tokens,
    pub(super) rates: Mutex<Rates>,
    /// From which moment rates are counted.
    pub(super) began: Instant,
}

/// What a head is, once it is admitted.
#[derive(Debug)]
pub(super) enum Admitted {
    /// A request of this principal.
    Principal(String),
    /// A browser asks whether a page may ask.
    Preflight,
}

impl Rules {
    /// Judges a head, and counts it: for its principal, or, where there is none, for its address.
    ///
    /// # Errors
    /// The fault that answers it.
    pub(super) fn admit(&self, head: &Parts, address: IpAddr) -> Result<Admitted, Fault> {
        let judged = self.judge(head);
        self.rate(&match &judged {
            Ok(Admitted::Principal(principal)) => counted(principal, address),
            // A page that may ask is not held up by those beside it that may not.
            Ok(Admitted::Preflight) => format!("{PREFLIGHT}:{}", network(address)),
            Err(_) => format!("{UNPROVEN}:{}", network(address)),
        })?;
        judged
    }

    fn judge(&self, head: &Parts) -> Result<Admitted, Fault> {
        bounds(head)?;
        self.host(head)?;
        if self.origin(head)?.is_some() && head.method == Method::OPTIONS {
            return Ok(Admitted::Preflight);
        }
        self.principal(head).map(Admitted::Principal)
    }

    /// The origin of the page that asks; none: no page does.
    ///
    /// # Errors
    /// 403 for a page that may not ask.
    pub(super) fn origin<'a>(&self, head: &'a Parts) -> Result<Option<&'a HeaderValue>, Fault> {
        let origin = single(head, &ORIGIN, || forbidden("origin", "expected one Origin"))?;
        let Some(value) = origin else { return Ok(None) };
        if value.to_str().is_ok_and(|origin| self.origins.takes(origin)) {
            return Ok(Some(value));
        }
        Err(forbidden("origin", "pages of this origin may not ask"))
    }

    /// The name that the client used is one of ours, and said once, whichever way.
    fn host(&self, head: &Parts) -> Result<(), Fault> {
        let missing = || Fault::from(super::gate::Refusal::Host);
        let header = single(head, &HOST, missing)?;
        let header = header.map(|host| host.to_str().map_err(|_| missing())).transpose()?;
        let named = head.uri.authority().map(axum::http::uri::Authority::as_str);
        let name = match (named, header) {
            (Some(named), Some(header)) if !named.eq_ignore_ascii_case(header) => {
                return Err(missing());
            }
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => return Err(missing()),
        };
        if self.hosts.takes(name) {
            return Ok(());
        }
        Err(forbidden("host", "this listener does not go by that name"))
    }

    fn principal(&self, head: &Parts) -> Result<String, Fault> {
        if self.tokens.is_empty() {
            return Ok(ANONYMOUS.to_owned());
        }
        let given = bearer(head)?;
        let holder = given.and_then(|given| self.tokens.holder(given)).ok_or_else(Fault::token)?;
        Ok(format!("{HOLDER}{holder}"))
    }

    /// Counts the request of this principal.
    fn rate(&self, principal: &str) -> Result<(), Fault> {
        let caller = Caller::edge(self.node, principal)?;
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(rates.take(caller.key(), now_ms)?)
    }
}

/// The bearer token of a request; none: there is none, or another scheme.
///
/// # Errors
/// 401 when it is said twice.
pub(crate) fn bearer(head: &Parts) -> Result<Option<&str>, Fault> {
    let given = single(head, &AUTHORIZATION, Fault::token)?;
    Ok(given.and_then(|given| given.to_str().ok()).and_then(|given| {
        let (scheme, token) = given.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }))
}

/// The name of the token that a principal showed; none: it needed none.
pub(super) fn holder(principal: &str) -> Option<&str> {
    principal.strip_prefix(HOLDER)
}

/// Whom a request counts for: those without a token go by their address.
pub(super) fn counted(principal: &str, address: IpAddr) -> String {
    if principal == ANONYMOUS { stranger(address) } else { principal.to_owned() }
}

/// Who asks without a name, by the address.
pub(crate) fn stranger(address: IpAddr) -> String {
    format!("{ANONYMOUS}:{}", network(address))
}

/// Bounds of a head that HTTP/2 brought; that of HTTP/1.1 was measured as it came.
fn bounds(head: &Parts) -> Result<(), Fault> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits::HTTP_URL_BYTES {
        let limit = ("HTTP_URL_BYTES", limits::HTTP_URL_BYTES);
        return Err(Fault::too_large(StatusCode::URI_TOO_LONG, "url", limit));
    }
    let bytes = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    if head.headers.len() > limits::HTTP_HEADERS {
        return Err(Fault::too_large(status, "headers", ("HTTP_HEADERS", limits::HTTP_HEADERS)));
    }
    if bytes.sum::<usize>() > limits::HTTP_HEADERS_BYTES {
        let limit = ("HTTP_HEADERS_BYTES", limits::HTTP_HEADERS_BYTES);
        return Err(Fault::too_large(status, "headers", limit));
    }
    Ok(())
}

/// A header that may be said once; saying it twice is a fault.
pub(crate) fn single<'a>(
    head: &'a Parts,
    name: &HeaderName,
    fault: impl FnOnce() -> Fault,
) -> Result<Option<&'a HeaderValue>, Fault> {
    let mut all = head.headers.get_all(name).iter();
    match (all.next(), all.next()) {
        (first, None) => Ok(first),
        (_, Some(_)) => Err(fault()),
    }
}

fn forbidden(code: &str, message: &str) -> Fault {
    Fault::from(Error::refusal(Kind::Denied, code, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::options::HttpOptions;
    use axum::http::Request;
    use axum::response::IntoResponse as _;

    fn rules(tokens: &str) -> Rules {
        let options = HttpOptions::default();
        Rules {
            node: NodeKey::from_bytes([1; 32]),
            hosts: Hosts::new(options.listen, &[], false).unwrap(),
            origins: Origins::new(&["https://page.example".to_owned()]).unwrap(),
            tokens: if tokens.is_empty() {
                Tokens::default()
            } else {
                Tokens::read(tokens).unwrap()
            },
            rates: Mutex::new(Rates::new(options.rate)),
            began: Instant::now(),
        }
    }

    fn head(uri: &str, headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri(uri);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn status(rules: &Rules, head: &Parts) -> u16 {
        match rules.admit(head, IpAddr::from([127, 0, 0, 1])) {
            Ok(_) => 200,
            Err(fault) => fault.into_response().status().as_u16(),
        }
    }

    #[test]
    fn the_host_is_said_once_whichever_way() {
        let rules = rules("");
        let local = ("host", "127.0.0.1:8420");
        for (uri, headers, wanted) in [
            ("/", &[local][..], 200),
            ("http://localhost:8420/", &[], 200),
            ("http://127.0.0.1:8420/", &[local], 200),
            ("http://localhost:8420/", &[local], 400),
            ("http://attacker.example/", &[local], 400),
            ("http://attacker.example/", &[], 403),
            ("/", &[("host", "attacker.example:8420")], 403),
            ("/", &[local, local], 400),
            ("/", &[], 400),
        ] {
            assert_eq!(status(&rules, &head(uri, headers)), wanted, "{uri} {headers:?}");
        }
    }

    #[test]
    fn a_token_is_asked_for_before_anything_is_looked_at() {
        let rules = rules("alice 0123456789abcdefghijkl");
        let local = ("host", "127.0.0.1:8420");
        let with = |value| [local, ("authorization", value)];
        for (headers, wanted) in [
            (&with("Bearer 0123456789abcdefghijkl")[..], 200),
            (&with("bearer 0123456789abcdefghijkl"), 200),
            (&with("Bearer 0123456789abcdefghijkm"), 401),
            (&with("Basic 0123456789abcdefghijkl"), 401),
            (&with("0123456789abcdefghijkl"), 401),
            (&[local], 401),
        ] {
            assert_eq!(status(&rules, &head("/nowhere", headers)), wanted, "{headers:?}");
        }
        let good = head("/", &with("Bearer 0123456789abcdefghijkl"));
        let admitted = rules.admit(&good, IpAddr::from([10, 0, 0, 1]));
        assert!(matches!(admitted, Ok(Admitted::Principal(who)) if who == "http:token:alice"));
    }

    #[test]
    fn heads_of_http2_have_the_same_bounds() {
        let rules = rules("");
        let local = ("host", "127.0.0.1:8420");
        let url = |bytes: usize| head(&format!("/{}", "x".repeat(bytes - 1)), &[local]);
        assert_eq!(status(&rules, &url(limits::HTTP_URL_BYTES)), 200);
        assert_eq!(status(&rules, &url(limits::HTTP_URL_BYTES + 1)), 414);
        let many = vec![("x", "y"); limits::HTTP_HEADERS];
        assert_eq!(status(&rules, &head("/", &[&[local][..], &many].concat())), 431);
        let value = "y".repeat(limits::HTTP_HEADERS_BYTES);
        assert_eq!(status(&rules, &head("/", &[local, ("x", &value)])), 431);
    }

    #[test]
    fn one_principal_asks_so_often_and_others_are_not_kept_out() {
        let (rules, good) = (rules(""), head("/", &[("host", "127.0.0.1:8420")]));
        let mut taken = 0;
        while status(&rules, &good) == 200 {
            taken += 1;
        }
        let refilled = rules.began.elapsed().as_secs_f64() * f64::from(limits::HTTP_RATE_PER_S);
        assert!(taken >= limits::HTTP_RATE_BURST, "only {taken}");
        assert!(f64::from(taken - limits::HTTP_RATE_BURST) <= refilled + 1.0, "{taken}");
        let other = rules.admit(&good, IpAddr::from([10, 0, 0, 1]));
        assert!(other.is_ok(), "another address has its own share");
    }

    #[test]
    fn whoever_is_refused_is_counted_as_well_and_takes_nothing_of_who_is_not() {
        let token = ("authorization", "Bearer 0123456789abcdefghijkl");
        let local = ("host", "127.0.0.1:8420");
        let page = ("origin", "https://page.example");
        let asks = || {
            let mut asks = head("/", &[local, page]);
            asks.method = Method::OPTIONS;
            asks
        };
        for (tokens, refused) in [
            ("alice 0123456789abcdefghijkl", head("/", &[local])),
            ("", head("/", &[("host", "attacker.example")])),
            ("", head("/", &[local, ("origin", "https://attacker.example")])),
            ("", head("/", &[])),
            ("", asks()),
        ] {
            let rules = rules(tokens);
            let first = status(&rules, &refused);
            let mut taken = 1;
            let last = loop {
                match status(&rules, &refused) {
                    again if again == first => taken += 1,
                    other => break other,
                }
                assert!(taken < 100 * limits::HTTP_RATE_BURST, "{first} without end");
            };
            assert!(
                last == 429 && taken >= limits::HTTP_RATE_BURST,
                "{last} after {taken} {first}"
            );
            let elsewhere = rules.admit(&refused, IpAddr::from([10, 0, 0, 1]));
            let elsewhere =
                elsewhere.map_or_else(|no| no.into_response().status().as_u16(), |_| 200);
            assert_eq!(elsewhere, first, "another address has its own share");
            let good = head("/", &[local, token]);
            assert_eq!(status(&rules, &good), 200, "{first}");
            if first != 200 {
                assert_eq!(status(&rules, &asks()), 200, "a page that may ask: {first}");
            }
        }
    }
}
