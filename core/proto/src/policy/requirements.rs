//! What an agent enforces: private to its node. Read in, never written out.

use super::{AllowedCallers, MediaRule, Rate, Secret, TokenRule};
use crate::error::Result;
use crate::fields::Fields;
use crate::identity::AgentId;
use crate::limits;
use crate::wire::text::check_secret;
use crate::wire::v1;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// The private rules of one agent.
///
/// There is no encoder: configuration and bindings are read into it, and `Debug` prints the names
/// of the rules only.
///
/// ```
/// use hubless_proto::policy::Requirements;
///
/// let rules = Requirements::read(serde_json::json!({"maxTokens": 4711})).unwrap();
/// assert!(!format!("{rules:?}").contains("4711"));
/// ```
#[derive(Clone)]
pub struct Requirements {
    /// The content must be a dialogue: every text and data part a turn. Default false.
    pub require_converse: bool,
    /// Whether the agent may stand twice in a registry and be reshaped for one call (custom
    /// schemas, context explanation). Unset: no duplicates, reshaping is decided by
    /// `allow_custom_json` alone. Other nodes know one agent of a key: the first by name.
    pub allow_agent_duplication: Option<bool>,
    /// Context of the caller's own is taken. Default true.
    pub allow_custom_context: bool,
    /// Schemas of the caller's own are taken. Default true.
    pub allow_custom_json: bool,
    /// Nodes outside the mesh may ask. Default false.
    pub allow_external_connections: bool,
    /// Content types that are taken; none: all.
    pub accepted_content: Option<Vec<MediaRule>>,
    /// Tokens of all text that reaches the model; none: not limited, 0: refuse everything.
    pub max_tokens: Option<u64>,
    /// Who counts tokens.
    pub token_counter: TokenCounter,
    /// Bytes of the whole request, streamed parts included. Default 64 MiB.
    pub max_request_bytes: Option<u64>,
    /// Bytes of all blobs. Default 64 MiB.
    pub max_binary_bytes: Option<u64>,
    /// Context with pages is taken. Default true.
    pub allow_multi_page_context: bool,
    /// How callers prove themselves; none: by the node's own mechanism.
    pub auth: Option<AuthRule>,
    /// Calls that run at once. Default 256.
    pub max_concurrency: usize,
    /// Calls that wait. Default 1,024; 0: none.
    pub queue: usize,
    /// How often one caller may ask; none: not limited.
    pub rate: Option<Rate>,
    /// Who may ask; none: whoever the other rules admit.
    pub allowed_callers: Option<AllowedCallers>,
    /// The agent may be called from within its own call. Default true.
    pub reentrant: bool,
    /// Agents whose answers to calls of others may be returned here.
    pub accept_returns_from: BTreeSet<AgentId>,
}

/// Who counts tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenCounter {
    /// The built-in counter (o200k).
    #[default]
    Builtin,
    /// The host's own function.
    Host,
}

/// How callers prove themselves.
#[derive(Debug, Clone)]
pub enum AuthRule {
    /// They need not.
    None,
    /// By a secret that both know.
    SharedSecret(Secret),
    /// By a token of a root that the agent names.
    Token(TokenRule),
    /// By the host's own async function.
    Host,
}

impl Default for Requirements {
    fn default() -> Self {
        Self {
            require_converse: false,
            allow_agent_duplication: None,
            allow_custom_context: true,
            allow_custom_json: true,
            allow_external_connections: false,
            accepted_content: None,
            max_tokens: None,
            token_counter: TokenCounter::Builtin,
            max_request_bytes: None,
            max_binary_bytes: None,
            allow_multi_page_context: true,
            auth: None,
            max_concurrency: limits::AGENT_CONCURRENCY,
            queue: limits::AGENT_QUEUE,
            rate: None,
            allowed_callers: None,
            reentrant: true,
            accept_returns_from: BTreeSet::new(),
        }
    }
}

impl Requirements {
    /// Reads the JSON form that configuration and languages write; missing fields are defaults.
    ///
    /// # Errors
    /// `invalid_argument` naming the field, as `requirements.<field>`, never its value.
    pub fn read(value: Value) -> Result<Self> {
        let mut fields = Fields::of("requirements", value)?;
        let mut rules = Self::default();
        read_flags(&mut rules, &mut fields)?;
        read_content(&mut rules, &mut fields)?;
        read_bounds(&mut rules, &mut fields)?;
        rules.auth = fields.value("auth").map(AuthRule::read).transpose()?;
        if let Some(value) = fields.value("allowedCallers") {
            let callers = Fields::of(&fields.name("allowedCallers"), value)?;
            rules.allowed_callers = Some(AllowedCallers::read(callers)?);
        }
        let returns: Vec<AgentId> = fields.take("acceptReturnsFrom")?.unwrap_or_default();
        bounded(&fields, "acceptReturnsFrom", returns.len())?;
        rules.accept_returns_from = returns.into_iter().collect();
        fields.end()?;
        Ok(rules)
    }

    /// Writes into a descriptor what the world may know of the rules: kinds, never values.
    pub fn publish(&self, node_auth: &AuthRule, descriptor: &mut v1::Descriptor) {
        descriptor.allows_agent_duplication = self.allow_agent_duplication == Some(true);
        descriptor.allows_custom_context = self.allow_custom_context;
        descriptor.allows_custom_agent_json = self.allow_custom_json;
        descriptor.allows_external_connections = self.allow_external_connections;
        let needs = descriptor.needs.get_or_insert_default();
        let scheme = match self.auth.as_ref().unwrap_or(node_auth) {
            AuthRule::None => None,
            AuthRule::SharedSecret(_) => Some("shared_secret".to_owned()),
            AuthRule::Token(rule) => Some(rule.scheme()),
            AuthRule::Host => Some("custom".to_owned()),
        };
        if let Some(scheme) = scheme {
            descriptor.requires_auth = true;
            if needs.auth_schemes.is_empty() {
                needs.auth_schemes.push(scheme);
            }
        }
    }
}

fn read_flags(rules: &mut Requirements, fields: &mut Fields) -> Result<()> {
    let read = |fields: &mut Fields, name: &str, flag: &mut bool| -> Result<()> {
        if let Some(value) = fields.take(name)? {
            *flag = value;
        }
        Ok(())
    };
    read(fields, "requireConverse", &mut rules.require_converse)?;
    read(fields, "allowCustomContext", &mut rules.allow_custom_context)?;
    read(fields, "allowCustomJson", &mut rules.allow_custom_json)?;
    read(fields, "allowExternalConnections", &mut rules.allow_external_connections)?;
    read(fields, "allowMultiPageContext", &mut rules.allow_multi_page_context)?;
    read(fields, "reentrant", &mut rules.reentrant)?;
    rules.allow_agent_duplication = fields.take("allowAgentDuplication")?;
    Ok(())
}

fn read_content(rules: &mut Requirements, fields: &mut Fields) -> Result<()> {
    if let Some(types) = fields.take::<Vec<String>>("acceptedContent")? {
        bounded(fields, "acceptedContent", types.len())?;
        let read = types.iter().map(|text| text.parse()).collect::<Result<Vec<MediaRule>>>();
        let wrong = |error: crate::Error| fields.wrong("acceptedContent", error.message);
        rules.accepted_content = Some(read.map_err(wrong)?);
    }
    rules.max_tokens = fields.take("maxTokens")?;
    rules.token_counter = match fields.take::<String>("tokenCounter")?.as_deref() {
        None | Some("builtin") => TokenCounter::Builtin,
        Some("host") => TokenCounter::Host,
        Some(_) => return Err(fields.wrong("tokenCounter", "expected builtin or host")),
    };
    rules.max_request_bytes = fields.take("maxRequestBytes")?;
    rules.max_binary_bytes = fields.take("maxBinaryBytes")?;
    Ok(())
}

fn read_bounds(rules: &mut Requirements, fields: &mut Fields) -> Result<()> {
    if let Some(most) = fields.take::<usize>("maxConcurrency")? {
        in_range(fields, "maxConcurrency", most, 1, limits::AGENT_CONCURRENCY_MAX)?;
        rules.max_concurrency = most;
    }
    if let Some(queue) = fields.take::<usize>("queue")? {
        in_range(fields, "queue", queue, 0, limits::AGENT_QUEUE_MAX)?;
        rules.queue = queue;
    }
    let per_s: Option<f64> = fields.take("ratePerS")?;
    let burst: Option<u32> = fields.take("rateBurst")?;
    rules.rate = match (per_s, burst) {
        (None, None) => None,
        (None, Some(_)) => {
            return Err(fields.wrong("rateBurst", "expected only together with ratePerS"));
        }
        (Some(per_s), _) if !(per_s > 0.0 && per_s <= 1e6) => {
            return Err(fields.wrong("ratePerS", "expected a number above 0, at most 1000000"));
        }
        (Some(_), Some(0)) => return Err(fields.wrong("rateBurst", "expected at least 1")),
        (Some(per_s), burst) => {
            let burst = burst.unwrap_or_else(|| per_s.ceil() as u32);
            Some(Rate { per_s, burst })
        }
    };
    Ok(())
}

fn in_range(fields: &Fields, name: &str, value: usize, low: usize, high: usize) -> Result<()> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(fields.wrong(name, format!("expected {low} to {high}")))
}

fn bounded(fields: &Fields, name: &str, length: usize) -> Result<()> {
    if length <= limits::RULE_ENTRIES {
        return Ok(());
    }
    let message = format!("expected at most {} entries", limits::RULE_ENTRIES);
    Err(fields.wrong(name, message).with_limit("RULE_ENTRIES", limits::RULE_ENTRIES as u64))
}

impl AuthRule {
    /// Reads `{"none": true}`, `{"sharedSecret": text}`, `{"host": true}` or `{"token": rule}`
    /// ([`TokenRule::read`]).
    ///
    /// # Errors
    /// `invalid_argument` naming the field; the secret must be 1 to `SECRET_BYTES` long.
    pub fn read(value: Value) -> Result<Self> {
        let mut fields = Fields::of("auth", value)?;
        let none = fields.take::<bool>("none")?.unwrap_or_default();
        let host = fields.take::<bool>("host")?.unwrap_or_default();
        let secret: Option<Secret> = fields.take("sharedSecret")?;
        let token = fields.value("token");
        let rule = match (none, host, secret, token) {
            (true, false, None, None) => Self::None,
            (false, true, None, None) => Self::Host,
            (false, false, None, Some(rule)) => {
                Self::Token(TokenRule::read(&fields.name("token"), rule)?)
            }
            (false, false, Some(secret), None) => {
                let length = secret.reveal().len();
                if length == 0 || length > limits::SECRET_BYTES {
                    let message = format!("expected 1 to {} bytes", limits::SECRET_BYTES);
                    return Err(fields.wrong("sharedSecret", message));
                }
                check_secret(&fields.name("sharedSecret"), secret.reveal())?;
                Self::SharedSecret(secret)
            }
            _ => {
                let message = "expected exactly one of none, sharedSecret, token, host";
                return Err(crate::Error::invalid("auth", message));
            }
        };
        fields.end()?;
        Ok(rule)
    }

    /// True when callers must prove themselves.
    pub const fn is_mechanism(&self) -> bool {
        match self {
            Self::None => false,
            Self::SharedSecret(_) | Self::Token(_) | Self::Host => true,
        }
    }
}

impl fmt::Debug for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = [
            ("require_converse", self.require_converse),
            ("allow_agent_duplication", self.allow_agent_duplication.is_some()),
            ("allow_custom_context", !self.allow_custom_context),
            ("allow_custom_json", !self.allow_custom_json),
            ("allow_external_connections", self.allow_external_connections),
            ("accepted_content", self.accepted_content.is_some()),
            ("max_tokens", self.max_tokens.is_some()),
            ("max_request_bytes", self.max_request_bytes.is_some()),
            ("max_binary_bytes", self.max_binary_bytes.is_some()),
            ("allow_multi_page_context", !self.allow_multi_page_context),
            ("auth", self.auth.is_some()),
            ("rate", self.rate.is_some()),
            ("allowed_callers", self.allowed_callers.is_some()),
            ("reentrant", !self.reentrant),
            ("accept_returns_from", !self.accept_returns_from.is_empty()),
        ];
        f.write_str("Requirements")?;
        f.debug_list().entries(names.into_iter().filter(|rule| rule.1).map(|rule| rule.0)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn missing_fields_are_the_defaults_of_the_contract() {
        let rules = Requirements::read(json!({})).unwrap();
        assert!(rules.allow_custom_context && rules.allow_custom_json && rules.reentrant);
        assert!(rules.allow_multi_page_context && !rules.allow_external_connections);
        assert_eq!((rules.max_concurrency, rules.queue), (256, 1_024));
        assert_eq!(rules.max_tokens, None);
    }

    #[test]
    fn every_field_is_read() {
        let rules = Requirements::read(json!({
            "requireConverse": true, "allowAgentDuplication": false, "allowCustomContext": false,
            "allowCustomJson": false, "allowExternalConnections": true,
            "acceptedContent": ["text", "image/png"], "maxTokens": 0, "tokenCounter": "host",
            "maxRequestBytes": 5, "maxBinaryBytes": 6, "allowMultiPageContext": false,
            "auth": {"sharedSecret": "s"}, "maxConcurrency": 7, "queue": 0, "ratePerS": 2.5,
            "rateBurst": 9, "allowedCallers": {"groups": ["g"]}, "reentrant": false,
            "acceptReturnsFrom": [AgentId::from_bytes([9; 32]).to_string()]
        }))
        .unwrap();
        assert!(rules.require_converse && rules.allow_external_connections && !rules.reentrant);
        assert_eq!(rules.allow_agent_duplication, Some(false));
        assert_eq!((rules.max_concurrency, rules.queue, rules.max_tokens), (7, 0, Some(0)));
        assert_eq!((rules.max_request_bytes, rules.max_binary_bytes), (Some(5), Some(6)));
        assert_eq!(rules.rate, Some(Rate { per_s: 2.5, burst: 9 }));
        assert_eq!(rules.token_counter, TokenCounter::Host);
        assert!(matches!(rules.auth, Some(AuthRule::SharedSecret(_))));
        assert!(rules.allowed_callers.is_some() && !rules.allow_custom_json);
        assert!(rules.accept_returns_from.contains(&AgentId::from_bytes([9; 32])));
    }

    #[test]
    fn wrong_fields_are_named_and_never_repeated() {
        let id = AgentId::from_bytes([9; 32]).to_string();
        for (value, field) in [
            (json!({"maxTokens": "canary"}), "requirements.maxTokens"),
            (json!({"maxTokens": -1}), "requirements.maxTokens"),
            (json!({"canary": 1}), "requirements.canary"),
            (json!({"tokenCounter": "canary"}), "requirements.tokenCounter"),
            (json!({"acceptedContent": ["canary"]}), "requirements.acceptedContent"),
            (json!({"maxConcurrency": 0}), "requirements.maxConcurrency"),
            (json!({"queue": limits::AGENT_QUEUE_MAX + 1}), "requirements.queue"),
            (json!({"ratePerS": 0}), "requirements.ratePerS"),
            (json!({"rateBurst": 1}), "requirements.rateBurst"),
            (json!({"ratePerS": 1, "rateBurst": 0}), "requirements.rateBurst"),
            (json!({"auth": {}}), "auth"),
            (json!({"auth": {"none": true, "host": true}}), "auth"),
            (json!({"auth": {"sharedSecret": ""}}), "auth.sharedSecret"),
            (json!({"auth": {"sharedSecret": ["canary"]}}), "auth.sharedSecret"),
            (json!({"auth": {"sharedSecret": "a\0b"}}), "auth.sharedSecret"),
            (
                json!({"auth": {"sharedSecret": "x".repeat(limits::SECRET_BYTES + 1)}}),
                "auth.sharedSecret",
            ),
            (
                json!({"maxConcurrency": limits::AGENT_CONCURRENCY_MAX + 1}),
                "requirements.maxConcurrency",
            ),
            (json!({"auth": {"none": true, "x": 1}}), "auth.x"),
            (json!({"allowedCallers": {"x": 1}}), "requirements.allowedCallers.x"),
            (
                json!({"allowedCallers": {"agentIds": ["x"]}}),
                "requirements.allowedCallers.agentIds",
            ),
            (json!({"acceptReturnsFrom": ["canary"]}), "requirements.acceptReturnsFrom"),
            (
                json!({"acceptReturnsFrom": vec![id; limits::RULE_ENTRIES + 1]}),
                "requirements.acceptReturnsFrom",
            ),
            (json!("canary"), "requirements"),
        ] {
            let error = Requirements::read(value).unwrap_err();
            assert_eq!(error.kind, crate::Kind::InvalidArgument);
            assert_eq!(error.field.as_deref(), Some(field));
            assert!(!error.message.contains("canary"), "{error}");
        }
    }

    #[test]
    fn what_is_published_holds_no_value() {
        let rules = Requirements::read(json!({
            "auth": {"sharedSecret": "open-sesame"}, "maxTokens": 4711, "allowCustomJson": false
        }))
        .unwrap();
        let mut descriptor = v1::Descriptor::default();
        rules.publish(&AuthRule::None, &mut descriptor);
        assert!(descriptor.requires_auth && !descriptor.allows_custom_agent_json);
        assert_eq!(descriptor.needs.clone().unwrap().auth_schemes, ["shared_secret"]);
        let text = format!("{} {rules:?}", serde_json::to_string(&descriptor).unwrap());
        assert!(!text.contains("open-sesame") && !text.contains("4711"), "{text}");
        assert!(text.ends_with(r#"Requirements["allow_custom_json", "max_tokens", "auth"]"#));
    }

    #[test]
    fn an_own_rule_beats_that_of_the_node() {
        let mut descriptor = v1::Descriptor::default();
        let open = Requirements { auth: Some(AuthRule::None), ..Requirements::default() };
        open.publish(&AuthRule::Host, &mut descriptor);
        assert!(!descriptor.requires_auth);
        Requirements::default().publish(&AuthRule::Host, &mut descriptor);
        assert!(descriptor.requires_auth);
    }
}
