//! A provider that speaks TLS under a private root.

use super::house::House;
use super::provider::{KEY, Mode, Provider};
use hubless::Kind;
use hubless::home::Home;
use hubless::web::Roots;
use hubless_edge::gateway::{GatewayEdge, GatewayOptions, ProviderOptions};
use hubless_proto::limits::ROOTS_FILE_BYTES;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::json;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tempfile::TempDir;
use tokio_rustls::TlsAcceptor;

/// Whom the provider of these tests is reached as.
const NAME: &str = "127.0.0.1";

/// A root that no machine trusts.
struct Root {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

impl Root {
    fn new() -> Self {
        let mut about = CertificateParams::new(Vec::new()).unwrap();
        about.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let issuer = CertifiedIssuer::self_signed(about, key).unwrap();
        Self { issuer, folder: tempfile::tempdir().unwrap() }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its certificate in a file.
    fn file(&self) -> PathBuf {
        let file = self.folder.path().join("root.pem");
        std::fs::write(&file, self.pem()).unwrap();
        file
    }

    /// A server of this name, with a certificate that ends with this year.
    fn server(&self, name: &str, until: i32) -> TlsAcceptor {
        let mut about = CertificateParams::new(vec![name.to_owned()]).unwrap();
        about.not_before = date_time_ymd(2_000, 1, 1);
        about.not_after = date_time_ymd(until, 12, 31);
        let key = KeyPair::generate().unwrap();
        let certificate = about.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let chain: Vec<CertificateDer<'static>> = vec![certificate.der().clone()];
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_is_asked_only_when_its_certificate_holds() {
    let (own, other) = (Root::new(), Root::new());
    for (what, server, believed, good) in [
        ("it holds", own.server(NAME, 2_999), Some(own.file()), true),
        ("its root is not known", own.server(NAME, 2_999), None, false),
        ("of another root", own.server(NAME, 2_999), Some(other.file()), false),
        ("of another name", own.server("provider.example", 2_999), Some(own.file()), false),
        ("its time is over", own.server(NAME, 2_001), Some(own.file()), false),
    ] {
        let provider = Provider::start_with(Mode::Answer(1), Some(server)).await;
        let house = House::believing(provider, 10_000, believed).await;
        let said = house.chat(&house.root, &json!({})).await;
        let bill = house.provider.bill();
        assert_eq!(house.provider.dialled.load(Ordering::SeqCst), 1, "{what}: it is dialled");
        if good {
            assert_eq!((said.status, bill.calls), (200, 1), "{what}: {said:?}");
            assert_eq!(house.settled().await, bill.micros, "{what}");
            assert!(bill.heads[0].contains(KEY), "{what}: the key went over TLS");
        } else {
            let error = (502, "provider_unreachable".to_owned());
            assert_eq!((said.error(), bill.calls), (error, 0), "{what}");
            assert_eq!(house.account(), (0, 0), "{what}: nothing is charged or set aside");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_comes_over_tls() {
    let root = Root::new();
    let mode = Mode::Stream { pieces: 3, usage: true };
    let provider = Provider::start_with(mode, Some(root.server(NAME, 2_999))).await;
    let house = House::believing(provider, 10_000, Some(root.file())).await;
    let said = house.chat(&house.root, &json!({ "stream": true })).await;
    assert_eq!(said.status, 200, "{said:?}");
    assert!(said.text.trim_end().ends_with("[DONE]"), "{said:?}");
    assert_eq!(house.settled().await, house.provider.bill().micros);
}

#[test]
fn roots_are_certificates_within_a_bound() {
    let root = Root::new();
    let (good, file) = (root.pem(), root.file());
    let room = usize::try_from(ROOTS_FILE_BYTES).unwrap() - good.len();
    let broken = good.replacen("MII", "MIX", 1);
    assert_ne!(good, broken);
    for (text, is_good) in [
        (good.clone(), true),
        (good.repeat(2), true),
        (format!("{good}{broken}"), false),
        (String::new(), false),
        ("no certificate".to_owned(), false),
        (root.issuer.key().serialize_pem(), false),
        (format!("{good}{}", " ".repeat(room)), true),
        (format!("{good}{}", " ".repeat(room + 1)), false),
    ] {
        std::fs::write(&file, &text).unwrap();
        let read = Roots::read("provider_ca", &file);
        assert_eq!(read.is_ok(), is_good, "{} bytes", text.len());
        let Err(error) = read else { continue };
        assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, "tls"));
    }
    assert!(Roots::read("provider_ca", root.folder.path()).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_does_not_start_with_roots_that_it_cannot_read() {
    let root = Root::new();
    let folder = tempfile::tempdir().unwrap();
    let home = Home::open(Some(folder.path())).unwrap();
    for (file, good) in [(root.folder.path().join("nothing.pem"), false), (root.file(), true)] {
        let mut asked = ProviderOptions::new("https://a.example", KEY.to_owned().into()).unwrap();
        asked.ca = Some(file);
        let mut options = GatewayOptions::new(asked, super::house::prices());
        options.http.listen = "127.0.0.1:0".parse().unwrap();
        let started = GatewayEdge::start(&home, &"front".parse().unwrap(), options).await;
        assert_eq!(started.is_ok(), good);
        let Err(error) = started else { continue };
        let said = (error.kind, error.code.as_str(), error.field.as_deref());
        assert_eq!(said, (Kind::Configuration, "tls", Some("provider_ca")));
    }
}
