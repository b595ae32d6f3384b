//! Credentials and pins of a node.

use super::file::Table;
use crate::audit::record_in;
use crate::engine::lock;
use crate::foreign::CredentialProvider;
use crate::home::Home;
use hubless_proto::audit::{Entry, Event};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::{AgentId, MeshId, Name};
use hubless_proto::limits;
use hubless_proto::wire::text::check_secret;
use hubless_proto::wire::v1;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// What a credential is.
#[derive(Clone)]
pub enum Secret {
    /// Given once.
    Plain(v1::Auth),
    /// Asked for each time.
    Provider(Arc<dyn CredentialProvider>),
}

/// Credentials by target: an agent id, a mesh id or a URL origin; the longest match counts.
///
/// Those that a program sets live in memory; those of `secrets.json` in the data folder, which
/// the command writes, stand behind them.
///
/// ```
/// use hubless::home::Home;
/// use hubless::node::{Credentials, Secret};
/// use hubless_proto::wire::v1::Auth;
///
/// let credentials = Credentials::open(Home::memory());
/// let auth = Auth { scheme: "bearer".into(), secret: "…".into() };
/// credentials.set("https://example.org", Secret::Plain(auth))?;
/// assert_eq!(credentials.list()?, ["https://example.org"]);
/// # Ok::<(), hubless::Error>(())
/// ```
pub struct Credentials {
    memory: Mutex<BTreeMap<String, Secret>>,
    file: Table<v1::Auth>,
}

impl Credentials {
    /// Those of a home.
    pub const fn open(home: Home) -> Self {
        Self { memory: Mutex::new(BTreeMap::new()), file: Table::new(home, "secrets.json") }
    }

    /// Keeps a credential for a target, in memory.
    ///
    /// # Errors
    /// `invalid_argument` for a target that is no id and a secret with a NUL; `too_large` beyond
    /// 1,000.
    pub fn set(&self, target: &str, secret: Secret) -> Result<()> {
        let target = checked(target)?;
        if let Secret::Plain(auth) = &secret {
            check_secret("secret", &auth.secret)?;
        }
        let mut memory = lock(&self.memory);
        if memory.len() >= limits::CREDENTIALS && !memory.contains_key(&target) {
            return Err(full("credentials", "CREDENTIALS", limits::CREDENTIALS));
        }
        memory.insert(target, secret);
        Ok(())
    }

    /// Keeps a credential for a target in the data folder, for every node of this user.
    ///
    /// # Errors
    /// As [`Credentials::set`]; `configuration` for a file that cannot be written.
    pub fn store(&self, target: &str, auth: v1::Auth) -> Result<()> {
        let target = checked(target)?;
        check_secret("secret", &auth.secret)?;
        self.file.change(|entries| {
            if entries.len() >= limits::CREDENTIALS && !entries.contains_key(&target) {
                return Err(full("credentials", "CREDENTIALS", limits::CREDENTIALS));
            }
            entries.insert(target.clone(), auth);
            Ok(())
        })?;
        record_in(self.file.home(), Entry::of(Event::CredentialSet).named(&target));
        Ok(())
    }

    /// Forgets a credential, wherever it is kept; true: there was one.
    ///
    /// # Errors
    /// `configuration` for a file that cannot be written.
    pub fn remove(&self, target: &str) -> Result<bool> {
        let in_memory = lock(&self.memory).remove(target).is_some();
        if !self.file.entries()?.contains_key(target) {
            return Ok(in_memory);
        }
        let was = self.file.change(|entries| Ok(entries.remove(target).is_some()))?;
        if was {
            record_in(self.file.home(), Entry::of(Event::CredentialRemoved).named(target));
        }
        Ok(was || in_memory)
    }

    /// Their targets, in order.
    ///
    /// # Errors
    /// `configuration` for a file that cannot be read.
    pub fn list(&self) -> Result<Vec<String>> {
        let mut targets: std::collections::BTreeSet<String> =
            self.file.entries()?.into_keys().collect();
        targets.extend(lock(&self.memory).keys().cloned());
        Ok(targets.into_iter().collect())
    }

    /// The credential for an agent of a mesh; that of the agent itself counts before the mesh's.
    pub(super) async fn find(&self, agent: AgentId, mesh: MeshId) -> Result<Option<v1::Auth>> {
        for target in [agent.to_string(), mesh.to_string()] {
            let kept = lock(&self.memory).get(&target).cloned();
            match kept {
                Some(Secret::Plain(auth)) => return Ok(Some(auth)),
                Some(Secret::Provider(provider)) => {
                    let asked = target.clone();
                    let ask = move || provider.credential(asked);
                    let answer = crate::engine::contained(ask);
                    let answer = tokio::time::timeout(limits::AUTH_CHECK, answer).await;
                    let late = |_| Err(Error::new(Kind::Auth, "no credential came in time"));
                    if let Some(auth) = answer.unwrap_or_else(late)? {
                        return Ok(Some(auth));
                    }
                }
                None => {
                    if let Some(auth) = self.file.entries()?.remove(&target) {
                        return Ok(Some(auth));
                    }
                }
            }
        }
        Ok(None)
    }
}

/// Names that stand for one key for ever; kept in the data folder.
///
/// ```
/// use hubless::home::Home;
/// use hubless::node::{Pin, Pins};
/// use hubless_proto::identity::AgentId;
///
/// let (pins, agent_id) = (Pins::of(Home::memory()), AgentId::from_bytes([1; 32]));
/// pins.set("weather", agent_id)?;
/// assert_eq!(pins.list()?, [Pin { name: "weather".into(), agent_id }]);
/// assert!(pins.remove("weather")?);
/// # Ok::<(), hubless::Error>(())
/// ```
pub struct Pins {
    file: Table<AgentId>,
}

/// One pinned name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// The name.
    pub name: String,
    /// The only agent that may answer to it.
    pub agent_id: AgentId,
}

impl Pins {
    /// The pins of a home.
    pub const fn of(home: Home) -> Self {
        Self { file: Table::new(home, "pins.json") }
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// `configuration` for a file that cannot be read.
    pub fn list(&self) -> Result<Vec<Pin>> {
        let entries = self.file.entries()?.into_iter();
        Ok(entries.map(|(name, agent_id)| Pin { name, agent_id }).collect())
    }

    /// Pins a name, whatever it was pinned to. Blocks for milliseconds.
    ///
    /// # Errors
    /// `invalid_argument` for what is no name; `configuration` for a file that cannot be written;
    /// `too_large` beyond 10,000.
    pub fn set(&self, name: &str, agent: AgentId) -> Result<()> {
        let name: Name = name.parse()?;
        self.file.change(|entries| {
            if entries.len() >= limits::PINS && !entries.contains_key(name.as_str()) {
                return Err(full("pins", "PINS", limits::PINS));
            }
            entries.insert(name.to_string(), agent);
            Ok(())
        })?;
        record_in(self.file.home(), Entry::of(Event::PinSet).named(name.as_str()).agent(agent));
        Ok(())
    }

    /// Forgets a pin; true: there was one. Blocks for milliseconds.
    ///
    /// # Errors
    /// `invalid_argument` for what is no name; `configuration` for a file that cannot be written.
    pub fn remove(&self, name: &str) -> Result<bool> {
        let name: Name = name.parse()?;
        let was = self.file.change(|entries| Ok(entries.remove(name.as_str())))?;
        if let Some(agent) = was {
            let removed = Entry::of(Event::PinRemoved).named(name.as_str()).agent(agent);
            record_in(self.file.home(), removed);
        }
        Ok(was.is_some())
    }

    /// The agent that a name is pinned to.
    pub(super) fn pinned(&self, name: &Name) -> Result<Option<AgentId>> {
        Ok(self.file.entries()?.get(name.as_str()).copied())
    }
}

/// A target in its one form.
fn checked(target: &str) -> Result<String> {
    if let Ok(agent) = target.parse::<AgentId>() {
        return Ok(agent.to_string());
    }
    if let Ok(mesh) = target.parse::<MeshId>() {
        return Ok(mesh.to_string());
    }
    let origin = target.strip_prefix("https://").or_else(|| target.strip_prefix("http://"));
    match origin {
        Some(host) if !host.is_empty() && !host.contains('/') && target.len() <= 1_024 => {
            Ok(target.to_owned())
        }
        _ => Err(Error::invalid("target", "expected the id of an agent or mesh, or a URL origin")),
    }
}

fn full(what: &str, limit: &str, most: usize) -> Error {
    Error::new(Kind::TooLarge, format!("no more {what} can be kept")).with_limit(limit, most as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(secret: &str) -> v1::Auth {
        v1::Auth { scheme: "custom".to_owned(), secret: secret.to_owned() }
    }

    #[tokio::test]
    async fn the_agents_own_credential_counts_before_the_meshs() {
        let credentials = Credentials::open(Home::memory());
        let (agent, mesh) = (AgentId::from_bytes([1; 32]), MeshId::from_bytes([2; 32]));
        assert_eq!(credentials.find(agent, mesh).await.unwrap(), None);
        credentials.set(&mesh.to_string(), Secret::Plain(auth("mesh"))).unwrap();
        assert_eq!(credentials.find(agent, mesh).await.unwrap(), Some(auth("mesh")));
        credentials.store(&agent.to_string(), auth("agent")).unwrap();
        assert_eq!(credentials.find(agent, mesh).await.unwrap(), Some(auth("agent")));
        assert!(credentials.remove(&agent.to_string()).unwrap());
        assert_eq!(credentials.list().unwrap(), [mesh.to_string()]);
    }

    #[test]
    fn so_many_credentials_are_kept_in_memory_and_as_many_in_the_file() {
        let credentials = Credentials::open(Home::memory());
        let target = |n: usize| format!("https://host{n}");
        for n in 0..limits::CREDENTIALS {
            credentials.set(&target(n), Secret::Plain(auth("x"))).unwrap();
            credentials.store(&target(n), auth("x")).unwrap();
        }
        let more = target(limits::CREDENTIALS);
        let refused = [
            credentials.set(&more, Secret::Plain(auth("x"))).unwrap_err(),
            credentials.store(&more, auth("x")).unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind, Kind::TooLarge);
            assert_eq!(error.limit.unwrap().name, "CREDENTIALS");
        }
        // Another value for a target that is kept needs no room.
        credentials.set(&target(0), Secret::Plain(auth("y"))).unwrap();
        credentials.store(&target(0), auth("y")).unwrap();
        assert_eq!(credentials.list().unwrap().len(), limits::CREDENTIALS);
    }

    #[test]
    fn so_many_names_are_pinned() {
        let pins = Pins::of(Home::memory());
        let agent = AgentId::from_bytes([1; 32]);
        let all = (0..limits::PINS).map(|n| (format!("name-{n}"), agent));
        let filled = pins.file.change(|entries| {
            entries.extend(all);
            Ok(())
        });
        filled.unwrap();
        let error = pins.set("one-more", agent).unwrap_err();
        assert_eq!(error.kind, Kind::TooLarge);
        assert_eq!(error.limit.unwrap().name, "PINS");
        pins.set("name-0", AgentId::from_bytes([2; 32])).unwrap();
        assert!(pins.remove("name-1").unwrap());
        pins.set("one-more", agent).unwrap();
    }

    #[test]
    fn targets_are_ids_or_origins() {
        let credentials = Credentials::open(Home::memory());
        for target in ["", "name", "https://", "https://a/b", "did:key:z6Mk"] {
            let error = credentials.set(target, Secret::Plain(auth("x"))).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("target"), "{target}");
        }
        credentials.set("https://example.org:8443", Secret::Plain(auth("x"))).unwrap();
    }

    #[test]
    fn pins_stay_in_the_data_folder() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(Some(folder.path())).unwrap();
        let agent = AgentId::from_bytes([1; 32]);
        Pins::of(home.clone()).set("Weather", agent).unwrap();
        let pins = Pins::of(home);
        assert_eq!(pins.list().unwrap(), [Pin { name: "weather".to_owned(), agent_id: agent }]);
        assert!(pins.remove("weather").unwrap());
        assert!(pins.set("no name", agent).is_err());
    }
}
