//! The service of a guide: its unit is taken by systemd, and its command serves in an empty home
//! with nothing on standard input, and ends well when it is told to.

use super::all::{ended, place};
use super::samples::{built, command};
use super::unit::{faults, values};
use crate::count::Outcome;
use crate::guide::{docs, source};
use crate::house::{Result, built as binary, root, text};
use crate::language::{Language, Origin, class_path};
use crate::toolchain::answers;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a service may take until it can be called: a JVM on a busy machine takes seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// With this status a JVM says that it was told to stop (128 + SIGTERM).
const TOLD: i32 = 143;

/// Unit and Containerfile of a language.
pub(super) fn run(language: Language) -> Result<Outcome> {
    let folder = root().join(docs(language)).join("deploy");
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", text(&path)))
    };
    let (unit, container) = (read("greet.service")?, read("Containerfile")?);
    let place = place(&format!("service-{}", language.name()))?;
    let mut outcome = taken(language, &unit, &place)?;
    let found = faults(&container, &unit);
    outcome += Outcome::one(found.is_empty(), || {
        format!("Containerfile of {}: {}", language.name(), found.join(", "))
    });
    outcome += serves(language, &unit, &place)?;
    Ok(outcome)
}

/// An agent whose processes and mounts are others, and whose folder and network are the same, as
/// those of two containers of one pod, is found.
pub(super) fn apart() -> Result<Outcome> {
    let apart = ["--mount", "--pid", "--fork", "--kill-child"];
    if !answers("unshare", &[&apart[..], &["true"]].concat()) {
        return Ok(Outcome::skip("an agent in other namespaces: unshare is not allowed here"));
    }
    let place = place("apart")?;
    let started = command(Language::Python, &source(Language::Python, "service"))?;
    let mut unshared = Command::new("unshare");
    unshared.args(apart).arg(started.get_program()).args(started.get_args());
    let mut serving = Serving::start(&mut unshared, &place)?;
    Ok(Outcome::one(serving.answers(&place)?, || "not found from other namespaces".to_owned()))
}

/// Systemd takes the unit without a word about it, and says what is wrong with one that is. What it
/// says of other units is a matter of the machine, and so is its status then.
fn taken(language: Language, unit: &str, place: &Path) -> Result<Outcome> {
    if !answers("systemd-analyze", &["--version"]) {
        return Ok(Outcome::skip("unit files: systemd-analyze is not here"));
    }
    let mut here = unit.to_owned();
    for start in values(unit, "ExecStart") {
        let program = start.split(' ').next().unwrap_or_default();
        here = here.replace(start, &start.replace(program, &text(&program_here(language)?)));
    }
    let said_of = |name: &str, text_of: &str| -> Result<String> {
        let file = place.join(name);
        std::fs::write(&file, text_of).map_err(|error| format!("{}: {error}", text(&file)))?;
        let mut command = Command::new("systemd-analyze");
        let done = ended(command.args(["verify", "--man=no"]).arg(&file))?;
        let said = [done.stdout, done.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        Ok(said.lines().filter(|line| line.contains(name)).collect::<Vec<_>>().join("\n"))
    };
    let said = said_of("greet.service", &here)?;
    let quiet = said.is_empty();
    let mut outcome = Outcome::one(quiet, || format!("unit of {}: {said}", language.name()));
    // The control: one mistake is told with the path of the file, the other with the unit's name.
    let start = values(&here, "ExecStart").first().copied().unwrap_or_default();
    for (right, wrong) in [("Restart=", "Restrat="), (start, "/nowhere/greet")] {
        let said = said_of("wrong.service", &here.replace(right, wrong))?;
        outcome += Outcome::one(!said.is_empty(), || format!("systemd took a unit with {wrong}"));
    }
    Ok(outcome)
}

/// The command of the unit answers calls, and ends when it is told to.
fn serves(language: Language, unit: &str, place: &Path) -> Result<Outcome> {
    let start = values(unit, "ExecStart").first().copied().unwrap_or_default();
    let words = start.split(' ').map(|word| here(language, word)).collect::<Result<Vec<_>>>()?;
    let Some((program, arguments)) = words.split_first() else {
        return Ok(Outcome::failure(format!("the unit of {} starts nothing", language.name())));
    };
    let mut serving = Serving::start(Command::new(program).args(arguments), place)?;
    let name = language.name();
    let mut outcome = Outcome::one(serving.answers(place)?, || {
        format!("{start} of {name} does not answer: {}", serving.log())
    });
    let stop = values(unit, "TimeoutStopSec").first().and_then(|value| value.parse().ok());
    let status = serving.stopped(Duration::from_secs(stop.unwrap_or_default()))?;
    let well = status.is_some_and(|status| status.success() || status.code() == Some(TOLD));
    outcome += Outcome::one(well, || {
        format!("{start} of {name} ended with {status:?}: {}", serving.log())
    });
    Ok(outcome)
}

/// What a word of the unit's command is in the checkout.
fn here(language: Language, word: &str) -> Result<String> {
    Ok(match word {
        "/opt/greet/*" => class_path(Origin::Checkout)?,
        "/opt/greet/service.py" | "/opt/greet/service.mjs" => {
            text(&root().join(source(language, "service")))
        }
        word if word.starts_with('/') => text(&program_here(language)?),
        word => word.to_owned(),
    })
}

/// The program that the unit starts, in the checkout or on this machine.
fn program_here(language: Language) -> Result<PathBuf> {
    match language {
        Language::C => Ok(built(&source(language, "service"))),
        Language::Python => Ok(crate::house::venv_program("python")),
        Language::Node => found("node"),
        Language::Kotlin => found("java"),
    }
}

/// The file of a program that `PATH` names.
fn found(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path).map(|folder| folder.join(program));
    files.find(|file| file.is_file()).ok_or_else(|| format!("{program} is not in PATH"))
}

/// A service that runs; killed when dropped.
struct Serving {
    child: Child,
    log: PathBuf,
}

impl Serving {
    /// Starts it as systemd and containers do: an environment of its own, nothing on stdin.
    fn start(command: &mut Command, place: &Path) -> Result<Self> {
        let log = place.join("service.log");
        let fault = |error: std::io::Error| format!("{}: {error}", text(&log));
        let file = std::fs::File::create(&log).map_err(fault)?;
        let second = file.try_clone().map_err(fault)?;
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", place.join("home")).env("HUBLESS_HOME", place.join("hubless"));
        command.current_dir(place).stdin(Stdio::null()).stdout(file).stderr(second);
        let child = command.spawn().map_err(fault)?;
        Ok(Self { child, log })
    }

    /// Whether it greets who calls it.
    fn answers(&mut self, place: &Path) -> Result<bool> {
        let until = Instant::now() + PATIENCE;
        loop {
            let mut call = Command::new(binary("hubless"));
            call.args(["call", "greet", r#"{"name": "Ada"}"#]);
            let done = ended(call.env("HUBLESS_HOME", place.join("hubless")))?;
            let greets = String::from_utf8_lossy(&done.stdout).trim() == "hello Ada";
            if greets || Instant::now() > until || matches!(self.child.try_wait(), Ok(Some(_))) {
                return Ok(greets);
            }
        }
    }

    /// Tells it to stop; its status, if it ends in time.
    fn stopped(&mut self, wait: Duration) -> Result<Option<ExitStatus>> {
        let mut kill = Command::new("kill");
        ended(kill.args(["-TERM", &self.child.id().to_string()]))?;
        let until = Instant::now() + wait;
        loop {
            let status = self.child.try_wait().map_err(|error| error.to_string())?;
            if status.is_some() || Instant::now() > until {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // One that has ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
