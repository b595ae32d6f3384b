//! `id`: stored identities of agents, tokens that this user signs for others, and keys that move
//! from one machine to another.

use super::run::Context;
use crate::args::Id;
use crate::{input, output};
use hubless::home::{self, Home};
use hubless::keys::Which;
use hubless::membership::Credential;
use hubless::{Error, Kind, Result, keys};
use hubless_proto::identity::{AgentId, MeshId, Name};
use hubless_proto::policy::StatedFact;
use serde_json::json;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime};
use zeroize::Zeroizing;

/// Makes, shows or moves stored identities; signs a token.
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
        Id::Export { name, out, .. } => export(context, &home, &which(name)?, out.as_deref()),
        Id::Import { name, file, .. } => import(context, &home, &which(name)?, &file),
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

/// Writes a key into a file that only a passphrase opens.
fn export(context: &Context, home: &Home, which: &Which, out: Option<&Path>) -> Result<()> {
    let taken = |file: &Path| {
        let message = format!("{} is there already: name a new file", file.display());
        Error::new(Kind::Conflict, message).with_code("name_taken")
    };
    if let Some(file) = out.filter(|file| file.exists()) {
        return Err(taken(file));
    }
    let passphrase = input::new_passphrase(&format!("a passphrase for {}", words(which)))?;
    let (text, public) = keys::export(home, which, &passphrase)?;
    if let Some(file) = out
        && !home::write_new(file, text.as_bytes())?
    {
        return Err(taken(file));
    }
    if context.json {
        let mut said = shown(which, public);
        said["text"] = json!(out.is_none().then_some(&**text));
        said["file"] = json!(out);
        return output::object("exported", &said);
    }
    if out.is_none() {
        output::line(text.trim_end())?;
    }
    output::say("keep the passphrase: without it nobody reads the file");
    Ok(())
}

/// Takes a key out of such a file.
fn import(context: &Context, home: &Home, which: &Which, file: &Path) -> Result<()> {
    let wrong = |why: String| {
        let message = format!("cannot read {}: {why}", file.display());
        Error::new(Kind::Configuration, message).with_code("bad_file")
    };
    let mut text = Zeroizing::new(String::new());
    let opened = File::open(file).map_err(|error| wrong(error.to_string()))?;
    let read = opened.take(keys::SEALED_BYTES as u64 + 1).read_to_string(&mut text);
    read.map_err(|error| wrong(error.to_string()))?;
    let passphrase = input::secret("passphrase", &format!("the passphrase of {}", file.display()))?;
    let public = keys::import(home, which, &text, &passphrase)?;
    if context.json {
        return output::object("imported", &shown(which, public));
    }
    match which {
        Which::Agent(name) => print(context, name.as_str(), &AgentId::from_bytes(public)),
        Which::Root => output::line(&MeshId::from_bytes(public).to_string()),
    }
}

/// Which key is meant: a name, or else the root.
fn which(name: Option<String>) -> Result<Which> {
    name.map_or(Ok(Which::Root), |name| Ok(Which::Agent(name.parse()?)))
}

fn words(which: &Which) -> String {
    match which {
        Which::Agent(name) => format!("the identity {name}"),
        Which::Root => "the root key of this mesh".to_owned(),
    }
}

fn shown(which: &Which, public: [u8; 32]) -> serde_json::Value {
    match which {
        Which::Agent(name) => json!({ "name": name, "agentId": AgentId::from_bytes(public) }),
        Which::Root => json!({ "meshId": MeshId::from_bytes(public) }),
    }
}

fn print(context: &Context, name: &str, id: &AgentId) -> Result<()> {
    if context.json {
        output::object("identity", &json!({ "name": name, "agentId": id }))
    } else {
        output::line(&format!("{name:<24} {id}"))
    }
}
