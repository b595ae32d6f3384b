//! The programs of the guides: each prints what its guide says.

use super::all::{ended, guide, place};
use crate::count::Outcome;
use crate::guide::{Sample, class, programs};
use crate::house::{Result, root, venv_program};
use crate::language::{Language, Origin, class_path};
use std::path::Path;
use std::process::Command;

/// Fewest programs of a guide that say what they print.
const TOLD: usize = 5;

/// One test for each program of a language's guide that says what it prints.
///
/// # Errors
/// The guide cannot be read, or a program not be started.
pub(crate) fn run(language: Language) -> Result<Outcome> {
    let shown = programs(&guide(language)?);
    let told: Vec<_> =
        shown.iter().filter_map(|sample| Some((sample, sample.prints.as_ref()?))).collect();
    let mut outcome = Outcome::one(told.len() >= TOLD, || {
        format!("the guide of {} tells of {} programs only", language.name(), told.len())
    });
    for (sample, prints) in told {
        outcome += one(language, sample, prints)?;
    }
    Ok(outcome)
}

fn one(language: Language, sample: &Sample, prints: &str) -> Result<Outcome> {
    let place = place(&sample.path.replace('/', "-"))?;
    let mut command = command(language, &sample.path)?;
    command.env("HUBLESS_HOME", place.join("home")).env("HUBLESS_LOG", "off").current_dir(root());
    let done = ended(&command)?;
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    Ok(Outcome::one(done.status.success() && printed == prints, || {
        let fault = String::from_utf8_lossy(&done.stderr).into_owned();
        let path = &sample.path;
        format!("{path} printed\n{printed}and not\n{prints}{}: {fault}", done.status)
    }))
}

/// A command that starts a sample of the guide.
pub(super) fn command(language: Language, path: &str) -> Result<Command> {
    let started = |program: &Path| Command::new(program);
    Ok(match language {
        Language::Python => {
            let mut command = started(&venv_program("python"));
            command.arg(root().join(path));
            command
        }
        Language::Node => {
            let mut command = Command::new("node");
            command.arg(root().join(path));
            command
        }
        Language::Kotlin => {
            let mut command = Command::new("java");
            command.args(["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp"]);
            command.arg(class_path(Origin::Checkout)?).arg(class(path));
            command
        }
        Language::C => started(&built(path)),
    })
}

/// Where the build leaves a sample in C.
pub(super) fn built(path: &str) -> std::path::PathBuf {
    let name = Path::new(path).file_stem().unwrap_or_default();
    root().join("target/c/guide").join(name)
}
