//! `id`: stored identities of agents.

use super::run::Context;
use crate::args::Id;
use crate::output;
use hubless::home::Home;
use hubless::{Error, Kind, Result, keys};
use serde_json::json;

/// Makes or shows stored identities.
///
/// # Errors
/// `conflict` for a name that has one; `configuration` for the folder.
pub(super) fn run(context: &Context, action: Id) -> Result<()> {
    let home = Home::open(context.settings.home().as_deref())?;
    let folders = home.folders().ok_or_else(|| {
        Error::new(Kind::Configuration, "there is no data folder to keep an identity in")
    })?;
    let folder = folders.data().join("agents");
    match action {
        Id::New { name } => {
            let name: hubless_proto::identity::Name = name.parse()?;
            if folder.join(format!("{name}.key")).exists() {
                return Err(Error::new(Kind::Conflict, format!("{name} has an identity already"))
                    .with_code("name_taken"));
            }
            print(context, name.as_str(), &keys::stored_agent(&home, &name)?.key.agent_id())
        }
        Id::Show => {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let mut names: Vec<_> = entries
                .filter_map(|entry| {
                    let name = entry.file_name().into_string().ok()?;
                    name.strip_suffix(".key").map(str::to_owned)
                })
                .collect();
            names.sort();
            names.iter().try_for_each(|name| {
                let key = keys::stored_agent_shared(&home, &name.parse()?)?;
                print(context, name, &key.agent_id())
            })
        }
    }
}

fn print(context: &Context, name: &str, id: &hubless_proto::identity::AgentId) -> Result<()> {
    if context.json {
        output::object("identity", &json!({ "name": name, "agentId": id }))
    } else {
        output::line(&format!("{name:<24} {id}"))
    }
}
