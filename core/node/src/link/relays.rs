//! The relays of an endpoint, as the engine below is told of them.
//!
//! The engine holds one connection for each URL, and shows there the token that it was given when
//! it began with that URL; it pauses up to 16 s between two tries. So to try a relay at once, or to
//! show it another token, another spelling of the same URL is given in place of the first: with a
//! path, which no request ever has. The time of the spelling goes with the token, and of two
//! connections of one node the relay keeps the one whose time is later.

use super::names::{self, MayReach};
use super::relay_url::RelayUrl;
use crate::chance::now_ms;
use crate::mesh::Listen;
use crate::web::Roots;
use data_encoding::BASE64URL_NOPAD;
use hubless_proto::error::Result;
use hubless_proto::limits::ms;
use iroh::endpoint::{Builder, RelayStatus};
use iroh::tls::CaTlsConfig;
use iroh::{NetReportConfig, RelayConfig, RelayMap, RelayMode, TransportAddr};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// Relays of others whose spelling is remembered; of further ones the oldest is spelled anew.
const LEARNED: usize = 64;
/// A relay of others that leads nowhere is spelled anew after this time, and not before: what began
/// with it may still come to something.
const STANDS: Duration = Duration::from_secs(30);

/// Makes the token that this node shows to relays.
pub(crate) type Pass = Arc<dyn Fn() -> Result<Vec<u8>> + Send + Sync>;

/// Which relays an endpoint uses.
#[derive(Clone)]
pub(crate) struct Relaying {
    /// At least one.
    pub(crate) urls: Vec<RelayUrl>,
    /// Whose certificates are believed; none: those that this machine trusts.
    pub(crate) roots: Option<Roots>,
    pub(crate) pass: Pass,
    /// Where names of relays may lead that somebody else said.
    pub(crate) may_reach: MayReach,
}

impl fmt::Debug for Relaying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relaying").field("urls", &self.urls).finish_non_exhaustive()
    }
}

/// By which relay this node can be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) relay: RelayUrl,
    pub(crate) state: HomeState,
}

/// How far the connection to it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HomeState {
    Connected,
    /// A try is under way.
    Connecting,
    /// The last try failed, or the connection broke.
    Lost,
    /// It refuses this node, and says so.
    Refused(String),
}

/// What the engine was told, and what it said.
pub(super) struct Relays {
    pub(super) named: Vec<RelayUrl>,
    /// Shared with the engine.
    map: RelayMap,
    spelled: Mutex<BTreeMap<RelayUrl, Spelling>>,
    pass: Pass,
    /// True where others may reach this node at an address that a relay sees.
    has_address: bool,
    /// Rises when a relay is tried anew: who dials by it begins again.
    pub(super) anew: watch::Sender<u64>,
    pub(super) home: watch::Sender<Option<Home>>,
}

impl fmt::Debug for Relays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relays").field("named", &self.named).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spelling {
    /// When it was chosen, Unix time in milliseconds.
    time_ms: u64,
    /// False: the URL as it is.
    has_path: bool,
}

impl Spelling {
    /// One that is later than `before`.
    fn after(before: Option<Self>) -> Self {
        let later = before.map_or(0, |before| before.time_ms.saturating_add(1));
        Self { time_ms: now_ms().max(later), has_path: true }
    }

    fn of(self, relay: &RelayUrl) -> iroh::RelayUrl {
        let mut url = relay.url().clone();
        if self.has_path {
            url.set_path(&self.time_ms.to_string());
        }
        url.into()
    }
}

/// Relays of others, told to the engine until it has begun with them: what it knows for longer it
/// may choose to be reached by.
#[derive(Debug)]
pub(super) struct Lent<'a> {
    relays: &'a Relays,
    urls: Vec<iroh::RelayUrl>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        for url in &self.urls {
            self.relays.map.remove(url);
        }
    }
}

impl Relays {
    pub(super) fn new(relaying: &Relaying, listen: &Listen) -> Self {
        let spelling = Spelling { time_ms: now_ms(), has_path: false };
        let spelled = relaying.urls.iter().map(|url| (url.clone(), spelling)).collect();
        let relays = Self {
            named: relaying.urls.clone(),
            map: RelayMap::empty(),
            spelled: Mutex::new(spelled),
            pass: Arc::clone(&relaying.pass),
            has_address: *listen != Listen::Loopback,
            anew: watch::Sender::new(0),
            home: watch::Sender::new(None),
        };
        for relay in &relays.named {
            let (url, config) = relays.told(relay, spelling);
            relays.map.insert(url, config);
        }
        relays
    }

    /// Lets an endpoint use these relays and no others.
    ///
    /// Nothing is asked besides: names are looked up by the system, and of the engine's probes only
    /// those of the relays themselves are made.
    pub(super) fn bind(&self, builder: Builder, relaying: &Relaying) -> Builder {
        let mut probes = NetReportConfig::minimal();
        // Without it no relay is chosen where UDP is blocked, or the relay has no TLS.
        probes.https_probes = true;
        let hosts = self.named.iter().map(|relay| relay.host().to_owned()).collect();
        let builder = builder
            .relay_mode(RelayMode::Custom(self.map.clone()))
            .net_report_config(probes)
            .dns_resolver(names::resolver(hosts, relaying.may_reach));
        builder.ca_tls_config(believed(relaying.roots.clone()))
    }

    /// How the engine is to reach these relays, each of which this node or a member named.
    pub(super) fn ways(&self, learned: &[RelayUrl]) -> (Vec<TransportAddr>, Lent<'_>) {
        let mut spelled = self.lock();
        let mut ways = Vec::new();
        let mut lent = Lent { relays: self, urls: Vec::new() };
        for relay in &self.named {
            let Some(spelling) = spelled.get(relay) else { continue };
            let (url, config) = self.told(relay, *spelling);
            // One that was left would be begun with without a token.
            let Some(known) = self.map.get(&url) else { continue };
            // What begins with it from now on shows the token of now.
            let mut config = (*config).clone();
            config.quic.clone_from(&known.quic);
            self.map.insert(url.clone(), Arc::new(config));
            ways.push(TransportAddr::Relay(url));
        }
        for relay in learned.iter().filter(|relay| !self.named.contains(relay)) {
            if spelled.len() >= LEARNED + self.named.len() && !spelled.contains_key(relay) {
                let learned = spelled.iter().filter(|(known, _)| !self.named.contains(known));
                let oldest = learned.min_by_key(|(_, spelling)| spelling.time_ms);
                if let Some(oldest) = oldest.map(|(known, _)| known.clone()) {
                    spelled.remove(&oldest);
                }
            }
            let spelling = *spelled.entry(relay.clone()).or_insert_with(|| Spelling::after(None));
            let (url, config) = self.told(relay, spelling);
            self.map.insert(url.clone(), config);
            lent.urls.push(url.clone());
            ways.push(TransportAddr::Relay(url));
        }
        (ways, lent)
    }

    /// A dial by this relay of others was in vain, and nothing else goes by it: it is spelled anew
    /// the next time, since the engine may hold a connection to it that the relay refuses.
    pub(super) fn failed(&self, relay: &RelayUrl, now_ms: u64) {
        if self.named.contains(relay) {
            return;
        }
        if let Some(spelling) = self.lock().get_mut(relay)
            && now_ms.saturating_sub(spelling.time_ms) >= ms(STANDS)
        {
            *spelling = Spelling::after(Some(*spelling));
        }
    }

    /// Spells a relay anew, in place of what the engine knew of it; the engine is to be told.
    pub(super) fn spell_anew(&self, relay: &RelayUrl) -> (iroh::RelayUrl, Arc<RelayConfig>) {
        let mut spelled = self.lock();
        let before = spelled.get(relay).copied();
        if let Some(before) = before {
            self.map.remove(&before.of(relay));
        }
        let spelling = Spelling::after(before);
        spelled.insert(relay.clone(), spelling);
        self.told(relay, spelling)
    }

    /// How a relay is spelled.
    pub(super) fn spelling(&self, relay: &RelayUrl) -> Option<iroh::RelayUrl> {
        self.lock().get(relay).map(|spelling| spelling.of(relay))
    }

    /// Lets the relays tell this node its address as they see it, which takes UDP; the last of
    /// those that did not yet, if there is one, for the engine to be told.
    pub(super) fn discover(&self) -> Option<(iroh::RelayUrl, Arc<RelayConfig>)> {
        let mut last = None;
        if !self.has_address {
            return last;
        }
        for known in self.map.relays::<Vec<_>>() {
            let plain = RelayUrl::plain((*known.url).clone());
            let is_asked = known.quic.is_some() || !plain.is_https();
            if is_asked || !self.named.contains(&plain) {
                continue;
            }
            let mut told = (*known).clone();
            // What a URL becomes by itself asks by UDP.
            told.quic = RelayConfig::from(known.url.clone()).quic;
            if let Some(quic) = &mut told.quic {
                quic.port = plain.port();
            }
            let told = Arc::new(told);
            self.map.insert(known.url.clone(), Arc::clone(&told));
            last = Some((known.url.clone(), told));
        }
        last
    }

    /// Takes back that relays are asked for an address: while there is no connection to one, the
    /// engine would wait for answers by UDP that a firewall may keep away.
    pub(super) fn hush(&self) {
        for known in self.map.relays::<Vec<_>>() {
            if known.quic.is_some() {
                let mut told = (*known).clone();
                told.quic = None;
                self.map.insert(known.url.clone(), Arc::new(told));
            }
        }
    }

    /// What the engine is told again where it chose a relay of others, that was lent to it for a
    /// dial: it looks at all of them once more.
    pub(super) fn instead(
        &self,
        said: &[RelayStatus],
    ) -> Option<(iroh::RelayUrl, Arc<RelayConfig>)> {
        let chosen = RelayUrl::plain((**said.first()?.url()).clone());
        if self.named.contains(&chosen) {
            return None;
        }
        let spelled = self.named.iter().filter_map(|relay| self.spelling(relay));
        let mut known = spelled.filter_map(|url| Some((url.clone(), self.map.get(&url)?)));
        known.next()
    }

    /// What the engine says of the relay that it chose; none: it chose none of ours.
    pub(super) fn seen(&self, said: &[RelayStatus]) -> Option<Home> {
        let said = said.first()?;
        let relay = RelayUrl::plain((**said.url()).clone());
        if !self.named.contains(&relay) {
            return None;
        }
        // One that is begun anew with is not there before that is.
        let is_current = self.spelling(&relay).as_ref() == Some(said.url());
        let state = if said.is_connected() && is_current {
            HomeState::Connected
        } else if let Some(reason) = said.auth_denied_reason() {
            HomeState::Refused(reason.to_owned())
        } else if said.last_error().is_some() {
            HomeState::Lost
        } else {
            HomeState::Connecting
        };
        Some(Home { relay, state })
    }

    /// How a relay is told to the engine: first without UDP, so that nobody waits for an answer
    /// that a firewall keeps away.
    fn told(&self, relay: &RelayUrl, spelling: Spelling) -> (iroh::RelayUrl, Arc<RelayConfig>) {
        let url = spelling.of(relay);
        let mut config = RelayConfig::from(url.clone());
        config.quic = None;
        match (self.pass)() {
            Ok(token) if !token.is_empty() => {
                let token = BASE64URL_NOPAD.encode(&token);
                config = config.with_auth_token(format!("{token}.{}", spelling.time_ms));
            }
            // It refuses us, and says so.
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "no token for relays"),
        }
        (url, Arc::new(config))
    }

    /// Relays that the engine knows.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.map.len()
    }

    /// As the engine does with one that is left.
    #[cfg(test)]
    pub(super) fn forget_for_tests(&self, url: &iroh::RelayUrl) {
        self.map.remove(url);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RelayUrl, Spelling>> {
        self.spelled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose certificates are believed.
fn believed(roots: Option<Roots>) -> CaTlsConfig {
    CaTlsConfig::custom_server_cert_verifier(Arc::new(move |provider| {
        let store = roots.as_ref().and_then(Roots::store);
        Ok(match store {
            Some(store) => {
                WebPkiServerVerifier::builder_with_provider(Arc::new(store.clone()), provider)
                    .build()
                    .map_err(io::Error::other)?
            }
            None => match rustls_platform_verifier::Verifier::new(Arc::clone(&provider)) {
                Ok(verifier) => Arc::new(verifier),
                // Relays of plain http can be used all the same.
                Err(why) => Arc::new(Nobody { why: why.to_string(), provider }),
            },
        })
    }))
}

/// Believes no certificate, on a machine that says of nobody that it trusts them.
#[derive(Debug)]
struct Nobody {
    why: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Nobody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let what = format!("{}; name the certificates to believe: relay_ca", self.why);
        Err(rustls::Error::General(what))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General(self.why.clone()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General(self.why.clone()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
