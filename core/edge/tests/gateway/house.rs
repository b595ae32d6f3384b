//! A gateway with a provider, a root, and who asks.

use super::provider::{KEY, Mode, Provider};
use data_encoding::BASE64URL_NOPAD;
use hubless::audit::LogFile;
use hubless::home::Home;
use hubless::till::{add_root, fresh_root, issue};
use hubless_edge::gateway::{GatewayEdge, GatewayOptions, ProviderOptions};
use hubless_proto::audit::{Entry, Event};
use hubless_proto::identity::{Domain, SecretKey};
use hubless_proto::killswitch::{Allowance, Amount, Component};
use hubless_proto::metering::Micros;
use hubless_proto::metering::chain::SpendKey;
use hubless_proto::metering::prices::Prices;
use hubless_proto::metering::till::Root;
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Longest wait for what comes within moments.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
const COST: Component = Component::CostMicros;
/// The cap of the model's output, in tokens and in millionths.
pub(crate) const CAP: u64 = 50;

/// A gateway before a provider.
pub(crate) struct House {
    pub(crate) gateway: GatewayEdge,
    pub(crate) provider: Arc<Provider>,
    pub(crate) root: SpendKey,
    pub(crate) home: TempDir,
    /// One for each of a few addresses of this machine, since each has so many connections.
    clients: [Client; 4],
    turn: AtomicUsize,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    /// Status and code of an error in OpenAI's form.
    pub(crate) fn error(&self) -> (u16, String) {
        let error = &self.json()["error"];
        assert!(error["message"].is_string() && error["type"].is_string(), "{self:?}");
        (self.status, error["code"].as_str().unwrap().to_owned())
    }
}

pub(crate) fn micros(value: u64) -> Micros {
    Micros::new(value).unwrap()
}

/// A model whose tokens cost a millionth each, counted by bytes.
pub(crate) fn prices() -> Prices {
    let model = json!({ "input_micros": 1_000_000, "output_micros": 1_000_000,
        "max_output_tokens": CAP, "message_tokens": 0, "request_tokens": 0 });
    Prices::read(&json!({ "models": { "m": model, "n-*": model } })).unwrap()
}

/// A request of this content.
pub(crate) fn chat(more: &Value) -> Value {
    let mut all = json!({ "model": "m", "messages": [{ "role": "user", "content": "hello" }] });
    for (field, value) in more.as_object().unwrap() {
        all[field.as_str()] = value.clone();
    }
    all
}

impl House {
    /// One with a root of this ceiling.
    pub(crate) async fn new(ceiling: u64, mode: Mode) -> Self {
        Self::before(Provider::start(mode).await, ceiling).await
    }

    /// One before a provider that there is.
    pub(crate) async fn before(provider: Arc<Provider>, ceiling: u64) -> Self {
        Self::believing(provider, ceiling, None).await
    }

    /// One before a provider, with a root of these limits.
    pub(crate) async fn limited(provider: Arc<Provider>, ceiling: Allowance) -> Self {
        Self::made(provider, ceiling, |_| ()).await
    }

    /// One before a provider whose certificate must come from those of this file, if one is given.
    pub(crate) async fn believing(
        provider: Arc<Provider>,
        ceiling: u64,
        ca: Option<PathBuf>,
    ) -> Self {
        Self::with(provider, ceiling, |options| options.provider.ca = ca).await
    }

    /// One whose options are changed before it starts.
    pub(crate) async fn with(
        provider: Arc<Provider>,
        ceiling: u64,
        change: impl FnOnce(&mut GatewayOptions),
    ) -> Self {
        Self::made(provider, micros(ceiling).into(), change).await
    }

    async fn made(
        provider: Arc<Provider>,
        ceiling: Allowance,
        change: impl FnOnce(&mut GatewayOptions),
    ) -> Self {
        let (home, root) = (tempfile::tempdir().unwrap(), fresh_root());
        let opened = Home::open(Some(home.path())).unwrap();
        let name = "front".parse().unwrap();
        let key = root.chain().root;
        let registered = Root { key, label: "team".to_owned(), ceiling };
        add_root(&opened, &name, registered).await.unwrap();
        let asked = ProviderOptions::new(&provider.url(), KEY.to_owned().into()).unwrap();
        let mut options = GatewayOptions::new(asked, prices());
        options.http.listen = "127.0.0.1:0".parse().unwrap();
        change(&mut options);
        let gateway = GatewayEdge::start(&opened, &name, options).await.unwrap();
        let clients = [1, 2, 3, 4].map(|last| client([127, 0, 0, last].into()));
        Self { gateway, provider, root, home, clients, turn: AtomicUsize::new(0) }
    }

    /// The most that a request can cost.
    pub(crate) fn bound(more: &Value) -> u64 {
        let body = chat(more).to_string();
        let bounded = hubless_proto::metering::bound::chat(&prices(), body.as_bytes()).unwrap();
        bounded.max.value()
    }

    /// The same of each component.
    pub(crate) fn most(more: &Value) -> Amount {
        let body = chat(more).to_string();
        let bounded = hubless_proto::metering::bound::chat(&prices(), body.as_bytes()).unwrap();
        bounded.most().unwrap()
    }

    /// A key below another one.
    pub(crate) fn key(parent: &SpendKey, limit: u64) -> SpendKey {
        Self::key_of(parent, micros(limit).into())
    }

    /// A key below another one, of these limits.
    pub(crate) fn key_of(parent: &SpendKey, limits: Allowance) -> SpendKey {
        issue(parent, limits, Duration::from_secs(600)).unwrap()
    }

    /// A key below that of a root as version 2 made it: it limits cost alone.
    pub(crate) fn key_of_before(root: &SpendKey, limit: u64) -> SpendKey {
        let text = root.text();
        let bytes = BASE64URL_NOPAD.decode(&text.as_bytes()[4..]).unwrap();
        let (head, seed) = bytes.split_at(bytes.len() - 32);
        let parent = SecretKey::from_seed(seed.try_into().unwrap());
        let child = SecretKey::from_seed([7; 32]);
        let (from_ms, until_ms) = (1, u64::MAX);
        let numbers = [limit, from_ms, until_ms].map(u64::to_be_bytes).concat();
        let mut signed = [&[2][..], &head[1..], &numbers, &[0; 32], &child.public()].concat();
        signed.extend(parent.sign(Domain::Link, &signed));
        signed.extend(&child.seed()[..]);
        SpendKey::read(&format!("hbl_{}", BASE64URL_NOPAD.encode(&signed))).unwrap()
    }

    pub(crate) fn post(&self, path: &str, key: &str, body: &Value) -> RequestBuilder {
        let request = self.client().post(format!("{}/{path}", self.gateway.url()));
        let request = request.header("content-type", "application/json").bearer_auth(key);
        request.body(body.to_string())
    }

    pub(crate) fn client(&self) -> &Client {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        &self.clients[turn % self.clients.len()]
    }

    /// Asks for a chat completion.
    pub(crate) async fn chat(&self, key: &SpendKey, more: &Value) -> Answer {
        let request = self.post("chat/completions", &key.text(), &chat(more));
        answer(request.send().await.unwrap()).await
    }

    /// What was paid below the root, each component.
    pub(crate) fn spent(&self) -> Amount {
        self.gateway.till().accounts()[0].spent
    }

    /// The root's account: paid, set aside, in millionths.
    pub(crate) fn account(&self) -> (u64, u64) {
        let root = &self.gateway.till().accounts()[0];
        (root.spent.of(COST), root.reserved.of(COST))
    }

    /// Waits until nothing is set aside, and gives what was paid.
    pub(crate) async fn settled(&self) -> u64 {
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let (spent, reserved) = self.account();
            if reserved == 0 {
                return spent;
            }
            assert!(tokio::time::Instant::now() < until, "a call is open");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Closes it, and counts the rows of its audit log of this kind.
    pub(crate) async fn rows(self, kind: Event) -> usize {
        self.entries().await.into_iter().filter(|entry| entry.kind == kind).count()
    }

    /// Closes it, and gives the rows of its audit log.
    pub(crate) async fn entries(self) -> Vec<Entry> {
        self.gateway.close(Duration::from_secs(2)).await.unwrap();
        let home = Home::open(Some(self.home.path())).unwrap();
        let log = LogFile::named(&home, "gateway:front").unwrap();
        assert_eq!(log.check(None).unwrap().fault, None);
        let (mut entries, mut text) = (Vec::new(), String::new());
        log.read(|row| {
            entries.push(row.entry.clone());
            text += &serde_json::to_string(&row).unwrap();
        })
        .unwrap();
        assert!(!text.contains(KEY) && !text.contains(&self.root.text()[60..]));
        entries
    }
}

/// A client of plain HTTP; that of TLS is not used, but asked for.
fn client(from: IpAddr) -> Client {
    let crypto = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let client = Client::builder().tls_backend_preconfigured(tls).no_proxy().timeout(PATIENCE);
    client.local_address(from).build().unwrap()
}

/// Reads an answer to its end.
pub(crate) async fn answer(response: Response) -> Answer {
    let (status, head) = (response.status().as_u16(), response.headers().clone());
    Answer { status, head, text: response.text().await.unwrap() }
}
