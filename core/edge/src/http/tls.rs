//! TLS by certificate files.

use super::tokens::private_text;
use hubless::{Error, Kind, Result};
use hubless_proto::limits;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// HTTP/2 as TLS names it.
pub(super) const HTTP2: &[u8] = b"h2";
/// HTTP/1.1 as TLS names it.
const HTTP1: &[u8] = b"http/1.1";
/// Longest file, in bytes.
const FILE_BYTES: u64 = limits::MIB as u64;

/// Takes connections of TLS 1.3.
///
/// # Errors
/// `configuration` for files that cannot be read, are not PEM, do not belong together, or a key
/// that others can read.
pub(super) fn acceptor(certificate: &Path, key: &Path) -> Result<TlsAcceptor> {
    let wrong = |what: &str| Error::new(Kind::Configuration, what.to_owned()).with_code("tls");
    let key = private_text(key, "the private key", FILE_BYTES)?;
    let chain = std::fs::read(certificate)
        .map_err(|error| wrong(&format!("the certificate {}: {error}", certificate.display())))?;
    let chain: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| wrong("expected a certificate chain in PEM"))?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes());
    let key = key.map_err(|_| wrong("expected a private key in PEM"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| wrong("TLS 1.3 is not to be had"))?
        .with_no_client_auth()
        .with_single_cert(chain, key);
    let mut config = config.map_err(|error| wrong(&format!("the certificate: {error}")))?;
    config.alpn_protocols = vec![HTTP2.to_vec(), HTTP1.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
