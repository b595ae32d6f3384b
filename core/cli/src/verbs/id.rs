//! `id`: stored identities of agents, and tokens that this user signs for others.

use super::run::Context;
use crate::args::Id;
use crate::output;
use hubless::home::Home;
use hubless::membership::Credential;
use hubless::{Error, Kind, Result, keys};
use hubless_proto::identity::{AgentId, Name};
use hubless_proto::policy::StatedFact;
use serde_json::json;
use std::time::{Duration, SystemTime};

/// Makes or shows stored identities; signs a token.
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
        Id::Token { facts, bearer, ttl } => token(context, &home, &facts, bearer, ttl),
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
                // One that was removed meanwhile is no more to be shown.
                let Some(key) = keys::read_agent(&home, name)? else { return Ok(()) };
                print(context, name.as_str(), &key.agent_id())
            })
        }
    }
}

/// Prints a token that states `facts`, and the root that an agent has to name.
fn token(
    context: &Context,
    home: &Home,
    facts: &[String],
    bearer: Option<String>,
    ttl: u64,
) -> Result<()> {
    let facts = facts.iter().map(|fact| StatedFact::parse(fact)).collect::<Result<_>>()?;
    let end = SystemTime::now().checked_add(Duration::from_secs(ttl));
    let until = end.ok_or_else(|| Error::invalid("ttl", "expected fewer seconds"))?;
    let (token, root) = Credential { facts, bearer, until }.sign_in(home)?;
    if context.json {
        return output::object("token", &json!({ "token": token, "root": root }));
    }
    output::line(&token)?;
    output::say(&format!(
        "a secret: whoever may show it is let in by agents that ask for a token of root {root}"
    ));
    Ok(())
}

fn print(context: &Context, name: &str, id: &AgentId) -> Result<()> {
    if context.json {
        output::object("identity", &json!({ "name": name, "agentId": id }))
    } else {
        output::line(&format!("{name:<24} {id}"))
    }
}
