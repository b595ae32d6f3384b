//! `id`: stored identities of agents.

use super::run::Context;
use crate::args::Id;
use crate::output;
use hubless::home::Home;
use hubless::{Error, Kind, Result, keys};
use hubless_proto::identity::{AgentId, Name};
use serde_json::json;

/// Makes or shows stored identities.
///
/// # Errors
/// `conflict` for a name that has one; `configuration` for the folder.
pub(super) fn run(context: &Context, action: Id) -> Result<()> {
    let home = Home::open(context.settings.home())?;
    let folders = home.folders().ok_or_else(|| {
        Error::new(Kind::Configuration, "there is no data folder to keep an identity in")
    })?;
    let folder = folders.data().join("agents");
    match action {
        Id::New { name } => {
            let name: Name = name.parse()?;
            if folder.join(format!("{name}.key")).exists() {
                return Err(Error::new(Kind::Conflict, format!("{name} has an identity already"))
                    .with_code("name_taken"));
            }
            print(context, name.as_str(), &keys::stored_agent(&home, &name)?.key.agent_id())
        }
        Id::Show { name } => {
            let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
            let stored = entries.filter_map(|entry| {
                let file = entry.file_name().into_string().ok()?;
                file.strip_suffix(".key")?.parse::<Name>().ok()
            });
            let mut names: Vec<_> = stored.collect();
            names.sort();
            if let Some(name) = name {
                let name: Name = name.parse()?;
                names.retain(|one| *one == name);
                if names.is_empty() {
                    let message = format!("there is no stored identity {name}");
                    return Err(Error::new(Kind::NotFound, message));
                }
            }
            if names.is_empty() && !context.json {
                output::say("no identity is stored; make one with hubless id new");
            }
            names.iter().try_for_each(|name| {
                let key = keys::stored_agent_shared(&home, name)?;
                print(context, name.as_str(), &key.agent_id())
            })
        }
    }
}

fn print(context: &Context, name: &str, id: &AgentId) -> Result<()> {
    if context.json {
        output::object("identity", &json!({ "name": name, "agentId": id }))
    } else {
        output::line(&format!("{name:<24} {id}"))
    }
}
