//! Which callers an agent takes.

use super::Caller;
use crate::error::Result;
use crate::fields::Fields;
use crate::identity::AgentId;
use crate::limits;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The callers an agent takes: who matches any entry may ask. No entry at all takes nobody.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct AllowedCallers {
    principals: Vec<String>,
    agents: BTreeSet<AgentId>,
    groups: BTreeSet<String>,
}

impl AllowedCallers {
    /// Reads `{principals?, agentIds?, groups?, domains?, claims?}`; a principal that ends in `*`
    /// is a prefix.
    ///
    /// # Errors
    /// `invalid_argument` naming the field; at most `RULE_ENTRIES` a list. `unsupported`, code
    /// `not_served`, for an entry of `domains` or `claims`: no caller can prove either to this
    /// version, and a rule that never matches would look like one that holds.
    pub fn read(mut fields: Fields) -> Result<Self> {
        let principals: Vec<String> = list(&mut fields, "principals")?;
        let agents: Vec<AgentId> = list(&mut fields, "agentIds")?;
        let groups: Vec<String> = list(&mut fields, "groups")?;
        let domains: Vec<String> = list(&mut fields, "domains")?;
        let claims: Vec<Map<String, Value>> = list(&mut fields, "claims")?;
        for (name, is_empty) in [("domains", domains.is_empty()), ("claims", claims.is_empty())] {
            if !is_empty {
                return Err(fields.not_served(name));
            }
        }
        fields.end()?;
        let (agents, groups) = (agents.into_iter().collect(), groups.into_iter().collect());
        Ok(Self { principals, agents, groups })
    }

    /// True when `caller` matches an entry.
    pub fn takes(&self, caller: &Caller) -> bool {
        let principal = |rule: &String| match rule.strip_suffix('*') {
            Some(prefix) => caller.principal.starts_with(prefix),
            None => caller.principal == *rule,
        };
        self.principals.iter().any(principal)
            || caller.agent.is_some_and(|agent| self.agents.contains(&agent))
            || caller.groups.iter().any(|group| self.groups.contains(group))
    }
}

fn list<T: DeserializeOwned>(fields: &mut Fields, name: &str) -> Result<Vec<T>> {
    let list: Vec<T> = fields.take(name)?.unwrap_or_default();
    if list.len() <= limits::RULE_ENTRIES {
        return Ok(list);
    }
    let message = format!("expected at most {} entries", limits::RULE_ENTRIES);
    Err(fields.wrong(name, message).with_limit("RULE_ENTRIES", limits::RULE_ENTRIES as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::identity::NodeKey;
    use serde_json::json;

    fn rule(value: Value) -> AllowedCallers {
        AllowedCallers::read(Fields::of("allowedCallers", value).unwrap()).unwrap()
    }

    #[test]
    fn any_entry_lets_in_and_none_lets_nobody_in() {
        let agent = AgentId::from_bytes([9; 32]);
        let mut caller = Caller::local(NodeKey::from_bytes([0xab; 32]), Some(agent));
        caller.groups.push("finance".to_owned());
        let whole = caller.principal.clone();
        for (value, takes) in [
            (json!({}), false),
            (json!({"principals": ["mesh:abab*"]}), true),
            (json!({"principals": ["*"]}), true),
            (json!({"principals": ["mesh:cdcd*", "mesh:abab"]}), false),
            (json!({"principals": [whole]}), true),
            (json!({"agentIds": [agent.to_string()]}), true),
            (json!({"agentIds": [AgentId::from_bytes([8; 32]).to_string()]}), false),
            (json!({"groups": ["legal", "finance"]}), true),
            (json!({"groups": ["fin*"]}), false),
        ] {
            assert_eq!(rule(value.clone()).takes(&caller), takes, "{value}");
        }
    }

    #[test]
    fn domains_and_claims_are_bounded_and_refused_by_name() {
        let claim = json!({"issuer": "did:key:z6Mk", "model": "m"});
        let (many, claims) = (vec!["x"; limits::RULE_ENTRIES + 1], "allowedCallers.claims");
        for (value, kind, field) in [
            (json!({"domains": ["example.org"]}), Kind::Unsupported, "allowedCallers.domains"),
            (json!({"groups": ["g"], "claims": [claim]}), Kind::Unsupported, claims),
            (json!({"domains": many}), Kind::InvalidArgument, "allowedCallers.domains"),
            (json!({"claims": ["x"]}), Kind::InvalidArgument, claims),
        ] {
            let fields = Fields::of("allowedCallers", value.clone()).unwrap();
            let error = AllowedCallers::read(fields).err().unwrap();
            assert_eq!((error.kind, error.field.as_deref()), (kind, Some(field)), "{value}");
        }
        assert!(rule(json!({"domains": [], "claims": []})) == AllowedCallers::default());
    }
}
