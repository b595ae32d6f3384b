//! The part `docs`, in its order.

use super::{console, deploy, reference};
use crate::count::Outcome;
use crate::house::{self, Result, root};
use crate::language::Language;
use crate::settings;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// Commands, deployment, references.
pub(crate) fn run() -> Result<Outcome> {
    let mut outcome = console::run(&guide(Language::Python)?)?;
    for language in Language::ALL {
        outcome += deploy::run(language)?;
    }
    outcome += deploy::apart()?;
    outcome += reference::run()?;
    Ok(outcome)
}

/// The text of a language's guide.
pub(super) fn guide(language: Language) -> Result<String> {
    let path = root().join(crate::guide::docs(language)).join("guide.md");
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

/// An empty folder of this part, with an empty home in it.
pub(super) fn place(name: &str) -> Result<PathBuf> {
    let folder = house::target().join("docs-run").join(name);
    // Left over from an earlier run.
    let _ = std::fs::remove_dir_all(&folder);
    let made = std::fs::create_dir_all(folder.join("home"));
    made.map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// Runs a command to its end, for at most a minute: a sample that hangs fails.
pub(super) fn ended(command: &Command) -> Result<Output> {
    let mut bounded = Command::new("timeout");
    bounded.arg("60").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(name, value),
            None => bounded.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        bounded.current_dir(folder);
    }
    let done = settings::own_only(&mut bounded).stdin(Stdio::null()).output();
    done.map_err(|error| format!("{}: {error}", command.get_program().to_string_lossy()))
}
