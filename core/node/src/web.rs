//! HTTP towards addresses that somebody named: a provider, a collector.
//!
//! Owns: which URLs are taken, by https where a key leaves this machine with it; how they are
//! reached: no redirect, no proxy, no second try, since each could take a key elsewhere or be paid
//! unseen; whose certificates are believed. Must not know: what is sent. Nothing is dialled that
//! was not named. Tested here, and over TLS by the gateway's tests.

use bytes::{Bytes, BytesMut};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits::ROOTS_FILE_BYTES;
use reqwest::redirect::Policy;
pub use reqwest::{Client, Response, Url};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;
use std::error::Error as _;
use std::fs::File;
use std::io::Read as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long to be patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For the next byte of an answer.
    pub silence: Duration,
}

/// Whose certificates are believed: those that this machine trusts, or those of a file alone.
///
/// ```
/// use hubless::web::Roots;
///
/// let error = Roots::read("provider_ca", "/no/such.pem".as_ref()).unwrap_err();
/// assert_eq!((error.code.as_str(), error.field.as_deref()), ("tls", Some("provider_ca")));
/// ```
#[derive(Debug, Clone)]
pub struct Roots(Option<RootCertStore>);

impl Roots {
    /// What a URL needs: those of this machine for https, none for http.
    pub fn of(url: &Url) -> Self {
        // Plain http asks for no roots: a machine without any can use it all the same.
        Self((url.scheme() != "https").then(RootCertStore::empty))
    }

    /// The certificates that are believed; none: those that this machine trusts.
    pub(crate) const fn store(&self) -> Option<&RootCertStore> {
        self.0.as_ref()
    }

    /// The certificates of a file, in PEM, at most 1 MiB: these are believed, and no others, so
    /// that nothing that the machine trusts besides can stand between. Blocks for milliseconds.
    ///
    /// # Errors
    /// `configuration`, code `tls`, naming `field`, for a file that cannot be read, is too large,
    /// or holds no certificate, or one that is broken.
    pub fn read(field: &str, file: &Path) -> Result<Self> {
        let wrong = |what: &str| {
            let message = format!("{}: {what}", file.display());
            Error::new(Kind::Configuration, message).with_code("tls").with_field(field)
        };
        let mut pem = Vec::new();
        File::open(file)
            .and_then(|file| file.take(ROOTS_FILE_BYTES + 1).read_to_end(&mut pem))
            .map_err(|error| wrong(&error.to_string()))?;
        if pem.len() as u64 > ROOTS_FILE_BYTES {
            return Err(wrong(&format!("expected at most {ROOTS_FILE_BYTES} bytes")));
        }
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&pem) {
            let certificate = certificate.map_err(|_| wrong("expected certificates in PEM"))?;
            roots.add(certificate).map_err(|error| wrong(&error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(wrong("expected a certificate in PEM"));
        }
        Ok(Self(Some(roots)))
    }
}

/// A client that asks what it is told to and nothing else; nothing is sent yet.
///
/// ```
/// use hubless::web::{Patience, Roots, client, url};
/// use std::time::Duration;
///
/// let patience = Patience { connect: Duration::from_secs(3), silence: Duration::from_secs(9) };
/// let here = url("provider", "http://localhost:4318/v1")?;
/// assert!(client(&Roots::of(&here), patience).is_ok());
/// assert!(url("provider", "https://api.example/v1").is_ok());
/// assert_eq!(url("provider", "http://api.example").unwrap_err().field.unwrap(), "provider");
/// # Ok::<(), hubless::Error>(())
/// ```
///
/// # Errors
/// `configuration`, code `tls`, without the roots that this machine trusts.
pub fn client(roots: &Roots, patience: Patience) -> Result<Client> {
    let wrong = |what: &str| Error::new(Kind::Configuration, what).with_code("tls");
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&format!("the versions of TLS: {error}")))?;
    let builder = match &roots.0 {
        Some(roots) => builder.with_root_certificates(roots.clone()),
        None => builder
            .with_platform_verifier()
            .map_err(|error| wrong(&format!("the roots that this machine trusts: {error}")))?,
    };
    let tls = builder.with_no_client_auth();
    Client::builder()
        .user_agent(concat!("hubless/", env!("CARGO_PKG_VERSION")))
        .tls_backend_preconfigured(tls)
        .http1_only()
        .no_proxy()
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(patience.connect)
        .read_timeout(patience.silence)
        .build()
        .map_err(|error| wrong(&format!("the client: {error}")))
}

/// Reads a URL where nobody listens in on a key.
///
/// # Errors
/// As [`open_url`]; `invalid_argument` naming `field` for one of `http` off this machine.
pub fn url(field: &str, text: &str) -> Result<Url> {
    let url = open_url(field, text)?;
    let here = match url.host_str().map(|host| host.trim_matches(['[', ']'])) {
        Some("localhost") => true,
        Some(host) => host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    };
    if url.scheme() != "https" && !here {
        let message = "expected https, or http on this machine: a key goes with each call";
        return Err(Error::invalid(field, message));
    }
    Ok(url)
}

/// Reads a URL for what is no secret.
///
/// # Errors
/// `invalid_argument` naming `field`: no URL of `https` or `http`; or one with a user, a query or
/// a fragment.
pub fn open_url(field: &str, text: &str) -> Result<Url> {
    let wrong = |what: &str| Error::invalid(field, format!("expected {what}"));
    let url: Url = text.parse().map_err(|_| wrong("a URL"))?;
    if !["https", "http"].contains(&url.scheme()) || url.host_str().is_none() {
        return Err(wrong("a URL of https or http"));
    }
    let bare = url.username().is_empty() && url.password().is_none();
    if !bare || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("a URL without user, query and fragment"));
    }
    Ok(url)
}

/// The URL of a path below a base.
///
/// # Errors
/// `invalid_argument` naming `field`, for a base without paths.
pub fn below(field: &str, base: &Url, path: &str) -> Result<Url> {
    let text = format!("{}/{path}", base.as_str().trim_end_matches('/'));
    text.parse().map_err(|_| Error::invalid(field, "expected a URL that has paths"))
}

/// Why there is no answer, down to its cause and without the URL.
pub fn cause(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// Reads the body of an answer of at most so many bytes; none: it is larger, or broke off.
pub async fn read(mut response: Response, most: usize) -> Option<Bytes> {
    let mut body = BytesMut::new();
    while let Some(piece) = response.chunk().await.ok()? {
        if body.len() + piece.len() > most {
            return None;
        }
        body.extend_from_slice(&piece);
    }
    Some(body.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_one_where_nobody_listens_in() {
        for (text, good) in [
            ("https://api.example/v1", true),
            ("https://api.example/v1/", true),
            ("http://localhost:1/v1", true),
            ("http://[::1]:1", true),
            ("http://127.1.2.3", true),
            ("http://10.0.0.1/v1", false),
            ("http://localhost.example/v1", false),
            ("ftp://api.example", false),
            ("file:///etc/passwd", false),
            ("https://user:word@api.example", false),
            ("https://api.example/v1?key=1", false),
            ("https://api.example/v1#a", false),
            ("api.example", false),
            ("", false),
        ] {
            assert_eq!(url("provider", text).is_ok(), good, "{text}");
            let open = good || text.starts_with("http://");
            assert_eq!(open_url("trace", text).is_ok(), open, "{text}");
        }
        let base = url("provider", "https://a.example/v1/").unwrap();
        let models = below("provider", &base, "models").unwrap();
        assert_eq!(models.as_str(), "https://a.example/v1/models");
    }
}
