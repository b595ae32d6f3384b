//! What connections are encrypted with: X25519, then AES-256-GCM or ChaCha20-Poly1305 of TLS 1.3.

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::{cipher_suite, default_provider, kx_group};
use std::sync::Arc;

/// The algorithms that a handshake may choose from, best first.
///
/// AES-128-GCM is there for QUIC's Initial packets alone, whose keys are public (RFC 9001 section
/// 5.2): two nodes never choose it, since both prefer the others.
pub(super) fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_256_GCM_SHA384,
            cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            cipher_suite::TLS13_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![kx_group::X25519],
        ..default_provider()
    })
}
