//! The ten-line programs of the README: each language's agent, called from each language, as a new
//! user starts them: nothing configured, in an empty home.

use crate::bounded;
use crate::count::Outcome;
use crate::house::{self, Result, root};
use crate::language::{Language, Origin, Program};
use crate::process::Process;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// How long an agent may take until it is found: a JVM starts on a busy machine.
const STARTED_MS: &str = "30000";
/// The bound of a program, which starts, asks once and ends.
const BOUND: Duration = Duration::from_secs(60);

/// Each language's agent called from itself and from every other.
///
/// # Errors
/// A program could not be started.
pub(crate) fn all(origin: Origin) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for callee in Language::ALL {
        outcome += from(origin, callee, &Language::ALL)?;
    }
    Ok(outcome)
}

/// One language's agent, called by its own caller and by those of the others.
///
/// # Errors
/// A program could not be started.
pub(crate) fn from(origin: Origin, callee: Language, callers: &[Language]) -> Result<Outcome> {
    // Of its own: the installed packages may be tried beside those of the checkout.
    let name = format!("{}-{}", origin.name(), callee.name());
    let callers = callers.iter().map(|caller| {
        let name = format!("{}-to-{}", caller.name(), callee.name());
        Ok((name, caller.command(origin, Program::HelloCaller)?))
    });
    let callers = callers.collect::<Result<Vec<_>>>()?;
    let look = Command::new(house::built("hubless"));
    converse(&name, callee.command(origin, Program::HelloAgent)?, callers, look)
}

/// One agent and one caller, whatever started them; `look` is the command `hubless`, where they
/// are.
///
/// # Errors
/// A program could not be started.
pub(crate) fn pair(name: &str, agent: Command, caller: Command, look: Command) -> Result<Outcome> {
    converse(name, agent, vec![(name.to_owned(), caller)], look)
}

/// One language's agent and caller, started by the lines that the README names.
///
/// # Errors
/// The README names none, or a program could not be started.
pub(crate) fn named(language: Language) -> Result<Outcome> {
    let readme = root().join("README.md");
    let readme = std::fs::read_to_string(&readme).map_err(|error| error.to_string())?;
    let lines = lines(&readme, language);
    let [agent, caller] = lines.ok_or("the README does not say how its programs are started")?;
    let shell = |line: &str| {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("exec {line}")]).current_dir(root());
        command
    };
    let name = format!("readme-{}", language.name());
    let greeted = caller.rsplit(' ').next().unwrap_or_default().to_owned();
    let look = Command::new(house::built("hubless"));
    converse(&name, shell(agent), vec![(greeted, shell(caller))], look)
}

/// The lines that start an agent and a caller, in the README's table of them.
fn lines(readme: &str, language: Language) -> Option<[&str; 2]> {
    let row = format!("| {} | `", language.title());
    let row = readme.lines().find_map(|line| line.strip_prefix(&row))?;
    let (agent, rest) = row.split_once("` | `")?;
    Some([agent, rest.strip_suffix("` |")?])
}

/// Starts the agent, and once it is found each caller, which is asked to greet its name: once, so
/// that one that works only now and then fails.
fn converse(
    name: &str,
    mut agent: Command,
    callers: Vec<(String, Command)>,
    mut look: Command,
) -> Result<Outcome> {
    let home = Home::empty(name)?;
    let log = house::logs().join(format!("hello-agent-{name}.log"));
    let agent = Process::start(name, home.of(&mut agent), &log)?;
    let found = found(home.of(&mut look))?;
    let mut outcome = Outcome::one(found.is_none(), || {
        format!("hello {name}: {} ({})", found.unwrap_or_default(), log.display())
    });
    for (name, mut caller) in callers {
        outcome += call(home.of(&mut caller), &name)?;
    }
    outcome += match agent.finish(Duration::from_secs(15)) {
        Ok(()) => Outcome { passed: 1, ..Outcome::default() },
        Err(message) => Outcome::failure(message),
    };
    // Otherwise they met by what somebody had configured.
    outcome += Outcome::one(home.is_used(), || format!("hello {name}: not in its default folders"));
    Ok(outcome)
}

/// Waits until the agent is there; else what the command said.
fn found(look: &mut Command) -> Result<Option<String>> {
    look.args(["find", "greet", "--wait", STARTED_MS]);
    let (output, _) =
        bounded::output(look, BOUND).map_err(|error| format!("hubless find: {error}"))?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    Ok((!output.status.success()).then(|| format!("hubless find: {said}")))
}

fn call(caller: &mut Command, name: &str) -> Result<Outcome> {
    let (output, late) =
        bounded::output(caller.arg(name), BOUND).map_err(|error| format!("{name}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let ok = output.status.success() && text.contains(&format!("hello {name}"));
    Ok(Outcome::one(ok && !late, || {
        let fault = String::from_utf8_lossy(&output.stderr).into_owned();
        let end = if late { format!("killed after {BOUND:?}") } else { output.status.to_string() };
        format!("hello {name}: {end}, printed {text:?} {fault}")
    }))
}

/// The home of a user who has nothing; removed when dropped.
struct Home(PathBuf);

impl Home {
    fn empty(name: &str) -> Result<Self> {
        let home = house::target().join(format!("hello-{name}"));
        // Left over from a run that was interrupted; a new one begins with an empty home.
        let _ = std::fs::remove_dir_all(&home);
        let made = std::fs::create_dir_all(home.join("run"));
        made.map_err(|error| format!("{}: {error}", home.display()))?;
        Ok(Self(home))
    }

    /// Lets a program start there. The folder of the runtime is that of the session, which the
    /// system makes; everything else is where it is by default.
    fn of<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        for folder in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
            command.env_remove(folder);
        }
        command.env("HOME", &self.0).env("XDG_RUNTIME_DIR", self.0.join("run"))
    }

    /// Whether keys and records were kept where they are by default.
    fn is_used(&self) -> bool {
        [".local/share/hubless", "run/hubless"].iter().all(|folder| self.0.join(folder).is_dir())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Nothing that is left does harm: the next run removes it.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_says_how_the_programs_of_each_language_are_started() {
        let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
        for language in Language::ALL {
            let [agent, caller] = lines(&readme, language).unwrap();
            assert_ne!(agent, caller, "{}", language.title());
        }
        assert_eq!(lines("| C | `a b` | `c d` |", Language::C), Some(["a b", "c d"]));
        assert_eq!(lines("| C | `a b` |", Language::C), None);
    }
}
