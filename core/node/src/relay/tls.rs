//! TLS of a relay, by files.

use crate::home;
use hubless_proto::error::{Error, Kind, Result};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;
use std::sync::Arc;

/// Reads certificate and key. Blocks for milliseconds.
///
/// # Errors
/// `configuration` for files that cannot be read, are not PEM, do not belong together, or a key
/// that others can read.
pub(super) fn config(certificate: &Path, key: &Path) -> Result<ServerConfig> {
    let wrong = |what: &str| Error::new(Kind::Configuration, what.to_owned()).with_code("tls");
    let missing = || wrong(&format!("the private key {} is not there", key.display()));
    let key = home::read_private(key)?.ok_or_else(missing)?;
    let chain = std::fs::read(certificate)
        .map_err(|error| wrong(&format!("the certificate {}: {error}", certificate.display())))?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| wrong("expected a certificate chain in PEM"))?;
    let key = PrivateKeyDer::from_pem_slice(&key);
    let key = key.map_err(|_| wrong("expected a private key in PEM"))?;
    ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| wrong("TLS 1.3 is not to be had"))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|error| wrong(&format!("the certificate: {error}")))
}
