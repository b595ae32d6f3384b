//! TLS by certificate files.

use super::support::{House, PATIENCE, options};
use hubless::{Kind, Node, NodeOptions};
use hubless_edge::http::{HttpEdge, HttpOptions};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A certificate, its key, and who trusts it.
pub(super) struct Files {
    folder: tempfile::TempDir,
    trusted: RootCertStore,
}

impl Files {
    pub(super) fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("certificate", made.cert.pem());
        write("key", made.signing_key.serialize_pem());
        let mut trusted = RootCertStore::empty();
        trusted.add(made.cert.der().clone()).unwrap();
        Self { folder, trusted }
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    fn options(&self) -> HttpOptions {
        HttpOptions { certificate: self.pair(), ..options() }
    }

    pub(super) fn pair(&self) -> Option<(PathBuf, PathBuf)> {
        Some((self.path("certificate"), self.path("key")))
    }

    /// TLS over a connection, for HTTP/1.1.
    pub(super) async fn connect(&self, stream: TcpStream) -> TlsStream<TcpStream> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(self.trusted.clone())
            .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(client)).connect(name, stream).await.unwrap()
    }
}

#[tokio::test]
async fn what_is_asked_over_tls_is_answered_and_plain_bytes_are_not() {
    let files = Files::new();
    let house = House::with(files.options()).await;
    assert!(house.edge.url().starts_with("https://"));
    let stream = TcpStream::connect(house.address()).await.unwrap();
    let mut tls = files.connect(stream).await;
    tls.write_all(house.post("echo", "{}", "").as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = tls.read_to_string(&mut answer);
    let _ = tokio::time::timeout(PATIENCE, read).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut plain = house.wire().await;
    plain.write(&house.post("echo", "{}", "")).await;
    assert!(!plain.rest().await.contains("HTTP/1.1"), "plain bytes get no answer");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_refused() {
    let files = Files::new();
    let node = NodeOptions { memory_only: true, ..NodeOptions::default() };
    let node = Node::start(node).await.unwrap();
    let code = |options: HttpOptions| {
        let node = &node;
        async move {
            let error = HttpEdge::start(node, options).await.unwrap_err();
            assert_eq!(error.kind, Kind::Configuration);
            error.code
        }
    };
    let pair = |certificate: &str, key: &str| HttpOptions {
        certificate: Some((files.path(certificate), files.path(key))),
        ..options()
    };
    assert_eq!(code(pair("nothing", "key")).await, "tls");
    assert_eq!(code(pair("key", "key")).await, "tls");
    assert_eq!(code(pair("certificate", "certificate")).await, "tls");
    assert_eq!(code(pair("certificate", "nothing")).await, "file");
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(files.path("key"), open).unwrap();
    assert_eq!(code(pair("certificate", "key")).await, "file");
    let off = HttpOptions { listen: "0.0.0.0:0".parse().unwrap(), ..options() };
    assert_eq!(code(off).await, "insecure");
}
