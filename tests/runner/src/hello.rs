//! The ten-line programs of the README: each language's agent, called from each language.

use crate::count::Outcome;
use crate::house::{self, Result};
use crate::language::{Language, Origin, Program};
use crate::process::Process;
use std::process::{Command, Stdio};
use std::time::Duration;

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
    let home = house::target().join(format!("hello-{name}"));
    // Left over from a run that was interrupted; a new one begins with an empty home.
    let _ = std::fs::remove_dir_all(&home);
    let log = house::logs().join(format!("hello-agent-{name}.log"));
    let mut command = callee.command(origin, Program::HelloAgent)?;
    command.env("HUBLESS_HOME", &home);
    let agent = Process::start(callee.name(), &mut command, &log)?;
    let mut outcome = Outcome::default();
    for caller in callers {
        let name = format!("{}-to-{}", caller.name(), callee.name());
        outcome += call(caller.command(origin, Program::HelloCaller)?, &name, &home)?;
    }
    outcome += ended(agent);
    let _ = std::fs::remove_dir_all(&home);
    Ok(outcome)
}

/// One agent and one caller, whatever started them.
///
/// # Errors
/// A program could not be started.
pub(crate) fn pair(name: &str, mut agent: Command, caller: Command) -> Result<Outcome> {
    let home = house::target().join(format!("hello-{name}"));
    // Left over from a run that was interrupted; a new one begins with an empty home.
    let _ = std::fs::remove_dir_all(&home);
    let log = house::logs().join(format!("hello-agent-{name}.log"));
    let agent = Process::start(name, agent.env("HUBLESS_HOME", &home), &log)?;
    let mut outcome = call(caller, name, &home)?;
    outcome += ended(agent);
    let _ = std::fs::remove_dir_all(&home);
    Ok(outcome)
}

fn ended(agent: Process) -> Outcome {
    match agent.finish(Duration::from_secs(15)) {
        Ok(()) => Outcome { passed: 1, ..Outcome::default() },
        Err(message) => Outcome::failure(message),
    }
}

fn call(mut command: Command, name: &str, home: &std::path::Path) -> Result<Outcome> {
    // The agent may take seconds to start (a JVM on a busy machine), and the program only waits
    // as long as `find` does: it is started again until the agent is there.
    command.arg(name).env("HUBLESS_HOME", home).stdin(Stdio::null());
    let end = std::time::Instant::now() + Duration::from_secs(30);
    loop {
        let output = command.output().map_err(|error| format!("{name}: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let ok = output.status.success() && text.contains(&format!("hello {name}"));
        if ok || std::time::Instant::now() > end {
            return Ok(Outcome::one(ok, || {
                let fault = String::from_utf8_lossy(&output.stderr).into_owned();
                format!("hello {name}: printed {text:?} {fault}")
            }));
        }
    }
}
