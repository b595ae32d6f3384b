//! What program, and what it is as an agent.

use hubless::node::SkillOptions;
use hubless::{AgentOptions, Error, Kind, Result};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Variables that a child gets without being asked for.
const ENVIRONMENT: [&str; 8] =
    ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SYSTEMROOT"];

/// A program that is to be an agent.
#[derive(Debug, Clone)]
pub struct StdioOptions {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments; no shell ever reads them.
    pub arguments: Vec<String>,
    /// Calls at once, at least 1.
    pub concurrency: u32,
    /// Name of the agent; none: the program's own descriptor line says it.
    pub name: Option<String>,
    /// What it can do.
    pub skills: Vec<SkillOptions>,
    /// Words to be found by.
    pub tags: Vec<String>,
    /// Variables that it gets beside the usual few.
    pub environment: Vec<String>,
}

impl StdioOptions {
    /// A program found by its path or, if it is a bare name, in `PATH`.
    ///
    /// # Errors
    /// `invalid_argument` (`command`) when there is no such program.
    pub fn new(command: &[String]) -> Result<Self> {
        let Some((program, arguments)) = command.split_first() else {
            return Err(Error::invalid("command", "expected a program after --, got nothing"));
        };
        Ok(Self {
            program: find(program)?,
            arguments: arguments.to_vec(),
            concurrency: 1,
            name: None,
            skills: Vec::new(),
            tags: Vec::new(),
            environment: Vec::new(),
        })
    }

    /// Names and values of the variables that the child gets.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, std::ffi::OsString)> {
        let named = self.environment.iter().map(String::as_str);
        let all = ENVIRONMENT.into_iter().chain(named);
        all.filter_map(|name| Some((name, std::env::var_os(name)?)))
    }

    /// What is registered: what was given here, else what the program says of itself.
    ///
    /// # Errors
    /// `configuration` (`no_name`) when neither says a name; what the descriptor's fields say.
    pub(super) fn agent(&self, descriptor: Option<Value>) -> Result<AgentOptions> {
        let described = descriptor.is_some();
        let mut agent = AgentOptions::read(descriptor.unwrap_or_default())?;
        if let Some(name) = &self.name {
            name.clone_into(&mut agent.name);
        }
        if agent.name.is_empty() {
            let message = if described {
                "the program's descriptor line has no name; add it, or give one"
            } else {
                "the program sent no descriptor line within 2 s; give a name"
            };
            return Err(Error::new(Kind::Configuration, message).with_code("no_name"));
        }
        if !self.skills.is_empty() {
            self.skills.clone_into(&mut agent.skills);
        }
        agent.tags.extend(self.tags.iter().cloned());
        let bound = usize::try_from(self.concurrency.max(1)).unwrap_or(usize::MAX);
        agent.requirements.max_concurrency = bound;
        Ok(agent)
    }
}

fn find(program: &str) -> Result<PathBuf> {
    let given = Path::new(program);
    let candidates: Vec<PathBuf> = if given.components().count() > 1 {
        std::path::absolute(given).into_iter().collect()
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(program)).collect()
    };
    let found = candidates.into_iter().find(|path| path.is_absolute() && path.is_file());
    found.ok_or_else(|| Error::invalid("command", format!("no program {program:?}")))
}
