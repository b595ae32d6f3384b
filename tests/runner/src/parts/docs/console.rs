//! The commands of the guide, typed in one session: each says what the guide says.

use super::all::{ended, place};
use crate::count::Outcome;
use crate::house::{Result, root, target};
use crate::settings;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a command may be typed again until it says what it should: an agent that was just
/// started is seen a moment later.
const PATIENCE: Duration = Duration::from_secs(20);
/// In a line: any text. As a whole line: any lines.
const ANY: &str = "…";

/// A command and the lines that it prints.
#[derive(Debug, PartialEq, Eq)]
struct Typed {
    command: String,
    prints: Vec<String>,
}

/// One test for each command.
pub(super) fn run(guide: &str) -> Result<Outcome> {
    let typed = typed(guide);
    let mut session = Session::begin()?;
    let mut outcome =
        Outcome::one(typed.len() >= 10, || format!("the guide has {} commands only", typed.len()));
    for one in &typed {
        outcome += session.run(one)?;
    }
    Ok(outcome)
}

/// The commands of the blocks marked `console`; what a command prints stands below it.
fn typed(guide: &str) -> Vec<Typed> {
    let blocks = guide.split("```console\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let mut typed: Vec<Typed> = Vec::new();
    for line in blocks.flat_map(|(block, _)| block.lines()) {
        if let Some(command) = line.strip_prefix("$ ") {
            typed.push(Typed { command: command.to_owned(), prints: Vec::new() });
        } else if let Some(last) = typed.last_mut() {
            last.prints.push(line.to_owned());
        }
    }
    typed
}

/// A folder with a home, and what was started there and goes on.
struct Session {
    folder: PathBuf,
    running: Vec<Child>,
}

impl Session {
    fn begin() -> Result<Self> {
        let folder = place("console")?;
        let program = "core/cli/examples/shout.py";
        let copied = std::fs::copy(root().join(program), folder.join("shout.py"));
        copied.map_err(|error| format!("{program}: {error}"))?;
        Ok(Self { folder, running: Vec::new() })
    }

    fn run(&mut self, typed: &Typed) -> Result<Outcome> {
        if let Some(command) = typed.command.strip_suffix(" &") {
            let mut shell = shell(&self.folder, &format!("exec {command}"));
            // It ends with its standard input or is killed, whichever comes first.
            shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
            let child = settings::own_only(&mut shell)
                .spawn()
                .map_err(|error| format!("{command}: {error}"))?;
            self.running.push(child);
            return Ok(Outcome::default());
        }
        let until = Instant::now() + PATIENCE;
        loop {
            let done = ended(&shell(&self.folder, &format!("exec 2>&1\n{}", typed.command)))?;
            let said = String::from_utf8_lossy(&done.stdout).into_owned();
            let lines: Vec<_> = said.lines().collect();
            let as_told = fits(&typed.prints, &lines);
            if as_told || Instant::now() > until {
                let wanted = typed.prints.join("\n");
                return Ok(Outcome::one(as_told, || {
                    format!("{} said\n{said}and not\n{wanted}", typed.command)
                }));
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for child in &mut self.running {
            // One that has ended already is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn shell(folder: &Path, script: &str) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("bash");
    command.args(["-c", script]).current_dir(folder);
    command.env("PATH", format!("{}:{path}", target().join("debug").display()));
    command.env("HUBLESS_HOME", folder.join("home"));
    command
}

/// Whether lines are those that were told.
fn fits(told: &[String], lines: &[&str]) -> bool {
    match (told.split_first(), lines.split_first()) {
        (None, None) => true,
        (Some((first, rest)), _) if first == ANY => {
            (0..=lines.len()).any(|skipped| fits(rest, lines.get(skipped..).unwrap_or_default()))
        }
        (Some((first, rest)), Some((line, others))) => is_like(first, line) && fits(rest, others),
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn is_like(told: &str, line: &str) -> bool {
    let Some((start, rest)) = told.split_once(ANY) else { return told == line };
    let Some(mut left) = line.strip_prefix(start) else { return false };
    let pieces: Vec<_> = rest.split(ANY).collect();
    let Some((end, between)) = pieces.split_last() else { return true };
    for piece in between {
        let Some((_, after)) = left.split_once(piece) else { return false };
        left = after;
    }
    left.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits_text(told: &str, said: &str) -> bool {
        let told: Vec<_> = told.lines().map(str::to_owned).collect();
        fits(&told, &said.lines().collect::<Vec<_>>())
    }

    #[test]
    fn reads_commands_and_what_they_print() {
        let guide =
            "```sh\n$ no\n```\n```console\n$ a &\n$ b\n1\n…\n```\ntext\n```console\n$ c\n```";
        let typed = typed(guide);
        let commands: Vec<_> = typed.iter().map(|one| one.command.as_str()).collect();
        assert_eq!(commands, ["a &", "b", "c"]);
        assert_eq!(typed[1].prints, ["1", "…"]);
    }

    #[test]
    fn marks_stand_for_any_text_and_any_lines() {
        assert!(fits_text("a … [b] …", "a xyz [b] 1") && fits_text("…\nb\n…", "a\na\nb"));
        assert!(fits_text("", "") && fits_text("…", "a\nb") && fits_text("a…", "a"));
        for (told, said) in [("a", "b"), ("a", "a\nb"), ("a\nb", "a"), ("…\nb", "a"), ("", "a")] {
            assert!(!fits_text(told, said), "{told:?} {said:?}");
        }
        assert!(!fits_text("a … [b] …", "a [c]") && !fits_text("a … c", "a b"));
    }
}
