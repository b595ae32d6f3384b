//! Options of a node and of an agent, in the JSON form of the language contract.

use crate::budget::Orphans;
use crate::call::handle::Parent;
use crate::foreign::{Authenticator, TokenCounter};
use crate::mesh::RelayUrl;
use crate::relay::RelayOptions;
use hubless_proto::error::{Error, Result};
use hubless_proto::policy::{Requirements, Secret};
use hubless_proto::wire::v1;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

/// Options of [`crate::Node::start`]; every field has a default.
///
/// ```
/// use hubless::NodeOptions;
/// use hubless::node::Listen;
///
/// let read = NodeOptions::read(serde_json::json!({"name": "worker", "listen": "all"}))?;
/// assert_eq!(read.listen, Some(Listen::All));
/// assert_eq!(Listen::parse("10.0.0.1")?, Listen::Addresses(vec!["10.0.0.1".parse().unwrap()]));
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NodeOptions {
    /// Name of a stored node key; none: a fresh key in memory.
    pub name: Option<String>,
    /// Id of a joined mesh, or `own`; none: `HUBLESS_MESH`, else the mesh joined last, else the
    /// user's own.
    pub mesh: Option<String>,
    /// Folder that holds data and runtime folders; none: `HUBLESS_HOME`, else the platform's.
    pub home: Option<PathBuf>,
    /// Addresses to bind; none: `HUBLESS_LISTEN`, else loopback.
    pub listen: Option<Listen>,
    /// UDP port; none: any.
    pub port: Option<u16>,
    /// True: nodes of its mesh are met on the local networks that it listens to (loopback counts as
    /// all then), by multicast DNS (RFC 6762); none: `HUBLESS_LAN` (`1`), else they are not.
    pub lan: Option<bool>,
    /// Zones that its agents say they are in, such as `eu` or `on-prem`: any in the user's own
    /// mesh, in a joined one those that its token names; none: `HUBLESS_ZONES` (separated by
    /// commas), else all that its token names.
    pub zones: Vec<String>,
    /// Relays by which it can be reached and reaches others, such as `https://relay.example`, at
    /// most 4; none: `HUBLESS_RELAYS` (separated by commas), else those of the ticket by which its
    /// mesh was joined, if that names any.
    pub relays: Vec<RelayUrl>,
    /// File of the certificates, in PEM, that relays are believed by, and by no others; none:
    /// `HUBLESS_RELAY_CA`, else those that this machine trusts.
    pub relay_ca: Option<PathBuf>,
    /// Serves a relay to the members of its mesh, where one was built in; none: it does not.
    pub relay: Option<RelayOptions>,
    /// True: nothing is read from or written to a disk; such a node meets no other process.
    pub memory_only: bool,
    /// Concurrent calls of all agents together; none: no bound besides each agent's own.
    pub max_concurrency: Option<usize>,
    /// File that the spans of this node's calls are appended to, as JSON Lines of OTLP, or the URL
    /// of a collector that they are posted to (such as `http://127.0.0.1:4318/v1/traces`);
    /// none: `HUBLESS_TRACE`, else nowhere.
    pub trace: Option<PathBuf>,
    /// Base URL of the metering gateway that [`crate::Call::provider`] makes keys for, such as
    /// `http://127.0.0.1:8430/v1`; none: `HUBLESS_GATEWAY`, else none.
    pub gateway: Option<String>,
    /// Spending key of this node at its gateway, which those of calls are made from; none:
    /// `HUBLESS_GATEWAY_KEY`, else none.
    pub gateway_key: Option<Secret>,
    /// Key under which the receipts of its gateway are believed, as the gateway prints it; none:
    /// `HUBLESS_GATEWAY_SIGNER`, else no receipt is.
    pub gateway_signer: Option<String>,
    /// What comes back of the grants of calls that other nodes answer: `signed`, what they say
    /// that they did not use; `provider`, only what receipts of the gateway show that nobody can
    /// pay any more; `never`, nothing. One word for all of them, or one for each class: `member`,
    /// nodes that showed a token of this node's mesh, and `external`, all others. None:
    /// `HUBLESS_REFUND`, else `member=signed,external=never`.
    pub refund: Option<String>,
    /// Language of the program that the node is in, for traces; none: `rust`.
    #[serde(skip)]
    pub language: Option<&'static str>,
    /// What happens to a request that seems to have lost the budget of its call.
    #[serde(skip)]
    pub orphans: Orphans,
    /// True: no `HUBLESS_*` variable is read, so that what is left out here is not there; for
    /// tests ([`crate::testing::House::options`]).
    #[serde(skip)]
    pub hermetic: bool,
}

impl NodeOptions {
    /// The value of a `HUBLESS_*` variable that is read for what the options leave out.
    pub(crate) fn surrounding(&self, name: &str) -> Option<String> {
        let read = (!self.hermetic).then(|| std::env::var(name).ok()).flatten();
        read.filter(|value| !value.is_empty())
    }
}

/// Which addresses a node binds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Listen {
    /// This machine only.
    #[default]
    Loopback,
    /// Every interface.
    All,
    /// These addresses.
    Addresses(Vec<IpAddr>),
}

impl Listen {
    /// Reads `loopback`, `all` or addresses separated by commas.
    ///
    /// # Errors
    /// `invalid_argument` for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "loopback" => Ok(Self::Loopback),
            "all" => Ok(Self::All),
            list => list
                .split(',')
                .map(|one| {
                    one.trim().parse().map_err(|_| {
                        Error::invalid("listen", "expected loopback, all or IP addresses")
                    })
                })
                .collect::<Result<_>>()
                .map(Self::Addresses),
        }
    }
}

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Word(String),
            List(Vec<String>),
        }
        let text = match Form::deserialize(deserializer)? {
            Form::Word(word) => word,
            Form::List(list) => list.join(","),
        };
        Self::parse(&text).map_err(|error| serde::de::Error::custom(error.message))
    }
}

/// What an agent is, as given to [`crate::Node::register`].
///
/// ```
/// use hubless::AgentOptions;
/// use hubless::node::{AgentFlags, Concurrency, Identity, SkillOptions};
/// use serde_json::json;
///
/// let read = AgentOptions::read(json!({
///     "name": "sum", "skills": [{"id": "sum", "effect": "PURE"}], "concurrency": "isolated",
///     "identity": {"stored": "sum"}, "flags": {"usesConverse": true}}))?;
/// let skill: &SkillOptions = &read.skills[0];
/// assert_eq!((skill.id.as_str(), skill.effect.as_deref()), ("sum", Some("PURE")));
/// assert_eq!(read.concurrency, Concurrency::Isolated);
/// assert_eq!(read.identity, Identity::Stored("sum".into()));
/// assert_eq!(read.flags, AgentFlags { uses_converse: true, ..AgentFlags::default() });
/// let wrong = AgentOptions::read(json!({"name": 7})).unwrap_err();
/// assert_eq!(wrong.field.as_deref(), Some("name"));
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentOptions {
    /// 1 to 64 of `a-z 0-9 - _ .`, case-folded; unique in its node.
    pub name: String,
    /// For people.
    pub title: String,
    /// What it is good for.
    pub description: String,
    /// Its version, best a semantic one.
    pub version: String,
    /// What it can do, at most 64.
    pub skills: Vec<SkillOptions>,
    /// Words to be found by.
    pub tags: Vec<String>,
    /// Groups it says it belongs to.
    pub groups: Vec<String>,
    /// `pcp`, `mcp`, `provider` or `none`.
    pub context_protocol: String,
    /// `plainText`, `json`, `xml`, `html`, `csv`, `tsv`, `yaml`, `markdown`, `bytes`, `other`,
    /// `none`.
    pub input_schema_kind: String,
    /// Tokens of its context window; none: 32,000.
    pub context_window_tokens: Option<u64>,
    /// Content types it takes.
    pub content_types_in: Vec<String>,
    /// Content types it gives.
    pub content_types_out: Vec<String>,
    /// Models by use case.
    pub allowed_models: BTreeMap<String, Vec<String>>,
    /// True: its answers come in pieces.
    pub streaming: bool,
    /// What a call costs, in its own words.
    pub cost_hint: Option<Value>,
    /// Names of tools it offers.
    pub tools: Vec<String>,
    /// Content, context and schemas that its callers may leave out.
    pub request_template: Option<Value>,
    /// What its callers must bring, beyond what its requirements say by themselves.
    pub needs: Option<v1::Needs>,
    /// What it does with what it gets.
    pub flags: AgentFlags,
    /// What it enforces; never published.
    #[serde(skip)]
    pub requirements: Requirements,
    /// One instance or one a call.
    pub concurrency: Concurrency,
    /// Which key it has.
    pub identity: Identity,
    /// True: it lives only moments. Others can call it at once by [`Agent::reach`](super::Agent),
    /// and find it once it is a second old, until a minute after its registration.
    pub transient: bool,
    /// True: it may join other processes that host the same stored identity and publish the same.
    pub replica: bool,
    /// Answers `auth: host` of the requirements.
    #[serde(skip)]
    pub authenticator: Option<Arc<dyn Authenticator>>,
    /// Answers `tokenCounter: host` of the requirements.
    #[serde(skip)]
    pub counter: Option<Arc<dyn TokenCounter>>,
    /// The isolated call that this agent belongs to; it is removed when that call ends.
    #[serde(skip)]
    pub parent: Option<Parent>,
}

impl fmt::Debug for AgentOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AgentOptions").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What an agent says it does with what it gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentFlags {
    /// It wants a dialogue: parts with roles.
    pub uses_converse: bool,
    /// It keeps the turns of a conversation.
    pub records_interaction_context: bool,
    /// It keeps prompts.
    pub records_prompt_content: bool,
}

/// How many instances answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Concurrency {
    /// One instance for all calls.
    #[default]
    Shared,
    /// A fresh instance for each call.
    Isolated,
}

/// Which key an agent has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Identity {
    /// A fresh one, forgotten at its end.
    #[default]
    Ephemeral,
    /// The key file of this name in the data folder.
    Stored(String),
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Form {
            stored: Option<String>,
            #[serde(rename = "ephemeral")]
            _ephemeral: Option<bool>,
        }
        Ok(Form::deserialize(deserializer)?.stored.map_or(Self::Ephemeral, Self::Stored))
    }
}

/// One skill in its long form.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SkillOptions {
    /// 1 to 64 of `a-z A-Z 0-9 - _ .`, unique in its agent.
    pub id: String,
    /// For people.
    pub title: String,
    /// What it does; the descriptor carries the first 160 characters.
    pub description: String,
    /// Words to be found by.
    pub tags: Vec<String>,
    /// At most 32 typed facts: string, number, bool, `{date}`, `{interval: {from, to}}` or a list.
    pub attributes: BTreeMap<String, Value>,
    /// `PURE`, `IDEMPOTENT` or `AT_MOST_ONCE` (default).
    pub effect: Option<String>,
    /// `none` or `tokens` (default).
    pub spends: Option<String>,
    /// `no` (default), `mesh` or `public`.
    pub share: Option<String>,
    /// JSON Schema 2020-12 of its input.
    pub input_schema: Option<Value>,
    /// JSON Schema 2020-12 of its output.
    pub output_schema: Option<Value>,
    /// Inputs with their answers.
    pub examples: Vec<v1::SkillExample>,
    /// Media types it takes.
    pub modes_in: Vec<String>,
    /// Media types it gives.
    pub modes_out: Vec<String>,
    /// What a call costs, in its own words.
    pub cost_hint: Option<Value>,
}
