//! Which callers an agent takes.

use super::Caller;
use crate::error::Result;
use crate::fields::Fields;
use crate::identity::AgentId;
use crate::limits;
use std::collections::BTreeSet;

/// The callers an agent takes: who matches any entry may ask. No entry at all takes nobody.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct AllowedCallers {
    principals: Vec<String>,
    agents: BTreeSet<AgentId>,
    groups: BTreeSet<String>,
}

impl AllowedCallers {
    /// Reads `{principals?, agentIds?, groups?}`; a principal that ends in `*` is a prefix.
    ///
    /// # Errors
    /// `invalid_argument` naming the field; at most `RULE_ENTRIES` a list.
    pub fn read(mut fields: Fields) -> Result<Self> {
        let principals: Vec<String> = fields.take("principals")?.unwrap_or_default();
        let agents: Vec<AgentId> = fields.take("agentIds")?.unwrap_or_default();
        let groups: Vec<String> = fields.take("groups")?.unwrap_or_default();
        for (name, length) in
            [("principals", principals.len()), ("agentIds", agents.len()), ("groups", groups.len())]
        {
            if length > limits::RULE_ENTRIES {
                let message = format!("expected at most {} entries", limits::RULE_ENTRIES);
                return Err(fields
                    .wrong(name, message)
                    .with_limit("RULE_ENTRIES", limits::RULE_ENTRIES as u64));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeKey;
    use serde_json::json;

    fn rule(value: serde_json::Value) -> AllowedCallers {
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
}
