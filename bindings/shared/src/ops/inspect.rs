//! What can be said without a node: of ids, keys, addresses and names, and the table of bounds.

use crate::json::parse::{body, required};
use hubless_proto::Error;
use hubless_proto::error::Result;
use hubless_proto::identity::{Address, AgentId, MeshId, Name, NodeKey, Target};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InspectIn {
    text: Option<String>,
    kind: Option<String>,
    mesh: Option<String>,
}

/// Reads a text and gives its canonical form.
///
/// # Errors
/// `invalid_argument` when it is none of its kind.
pub(crate) fn run(text: &[u8]) -> Result<Value> {
    let InspectIn { text, kind, mesh } = body(text)?;
    let text = required("text", text)?;
    let mesh: Option<MeshId> = mesh.map(|mesh| mesh.parse()).transpose()?;
    Ok(match kind.as_deref().unwrap_or("target") {
        "agentId" => agent(text.parse()?, mesh),
        "nodeKey" => plain(text.parse::<NodeKey>()?),
        "meshId" => plain(text.parse::<MeshId>()?),
        "address" => plain(text.parse::<Address>()?),
        "name" => plain(text.parse::<Name>()?),
        "target" => match text.parse()? {
            Target::Id(id) => agent(id, mesh),
            target @ (Target::At { .. } | Target::Address(_) | Target::Name { .. }) => {
                plain(target)
            }
        },
        _ => {
            let message = "expected agentId, nodeKey, meshId, address, name or target";
            return Err(Error::invalid("kind", message));
        }
    })
}

/// Gives every bound with its value; times in milliseconds.
///
/// # Errors
/// `invalid_argument` for a body that is not empty.
pub(crate) fn limits(text: &[u8]) -> Result<Value> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}
    let Nothing {} = body(text)?;
    let all: serde_json::Map<String, Value> = hubless_proto::limits::all()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    Ok(json!({ "limits": all }))
}

fn plain(text: impl ToString) -> Value {
    json!({"text": text.to_string()})
}

fn agent(id: AgentId, mesh: Option<MeshId>) -> Value {
    json!({
        "text": id.to_string(),
        "key": data_encoding::HEXLOWER.encode(id.as_bytes()),
        "address": mesh.map(|mesh| Address::new(&mesh, &id).to_string()),
    })
}
