//! Agents, as strangers may see them.

use hubless::Found;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// An agent that takes requests from outside.
#[derive(ToSchema)]
#[schema(as = Agent, rename_all = "camelCase")]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
pub(in crate::http) struct AgentForm {
    agent_id: String,
    address: String,
    name: String,
    title: String,
    description: String,
    version: String,
    tags: Vec<String>,
    /// What it can do, in short form.
    #[schema(value_type = Vec<Object>)]
    skills: Vec<Value>,
    /// True: it wants a credential, in `auth`.
    requires_auth: bool,
    /// What its callers must bring, or null.
    #[schema(value_type = Option<Object>, required)]
    needs: Option<Value>,
}

/// The agents that take requests from outside.
#[derive(ToSchema)]
#[schema(as = Agents)]
#[allow(dead_code, reason = "only the OpenAPI document is made from it")]
pub(in crate::http) struct ListForm {
    agents: Vec<AgentForm>,
}

/// Fields that are shown: what an agent says of itself, nothing of where it is.
const SHOWN: [&str; 10] = [
    "agentId",
    "address",
    "name",
    "title",
    "description",
    "version",
    "tags",
    "skills",
    "requiresAuth",
    "needs",
];

impl ListForm {
    /// Shows them.
    pub(in crate::http) fn show(agents: &[Found]) -> Value {
        let shown = agents.iter().filter_map(|found| serde_json::to_value(found).ok()).map(agent);
        Value::Object(Map::from_iter([("agents".to_owned(), shown.collect())]))
    }
}

fn agent(mut found: Value) -> Value {
    if let Some(fields) = found.as_object_mut() {
        fields.retain(|name, _| SHOWN.contains(&name.as_str()));
    }
    found
}
