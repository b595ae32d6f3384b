//! One command of a build or a test: progress for the person, its whole output in a log.

use crate::bounded;
use crate::house::{self, Result};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{BufRead, BufReader, IsTerminal, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The spinners of steps that run side by side.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// What a step may take: on two cores all parts together take less, from nothing.
const BOUND: Duration = Duration::from_secs(60 * 60);
/// What a step of a long form may take, which are made to run for hours.
const LONG_BOUND: Duration = Duration::from_secs(24 * 60 * 60);
/// Whether steps are those of a long form.
static IS_LONG: AtomicBool = AtomicBool::new(false);

/// Gives each step that follows the time of a long form.
pub(crate) fn take_long() {
    IS_LONG.store(true, Ordering::Relaxed);
}

/// Prints a result, above the spinners of what still runs.
pub(crate) fn print(text: &str) {
    BARS.suspend(|| println!("{text}"));
}

/// Says on stderr what begins, above the spinners of what runs.
pub(crate) fn line(text: &str) {
    BARS.suspend(|| eprintln!("{text}"));
}

/// A command with its name in the log.
pub(crate) struct Step {
    name: String,
    command: Command,
    bound: Duration,
}

/// What a finished command said.
pub(crate) struct Done {
    /// Whether it ended with status 0.
    pub(crate) ok: bool,
    /// Whether it was killed since it did not end in time; the output says so at its end.
    pub(crate) late: bool,
    /// Everything that it printed, both streams in the order of arrival.
    pub(crate) output: String,
    /// Where that stands.
    pub(crate) log: PathBuf,
}

impl Step {
    /// A command run in the checkout; `name` is shown and names the log.
    pub(crate) fn new(name: &str, program: impl AsRef<std::ffi::OsStr>) -> Self {
        let mut command = Command::new(program);
        command.current_dir(house::root()).stdin(Stdio::null());
        // What cargo told of the runner's own package: build scripts of dependencies read it, and
        // cargo would build anew what one that was started by hand has built.
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for name in names
            .filter(|name| name.starts_with("CARGO_MANIFEST_") || name.starts_with("CARGO_PKG_"))
        {
            command.env_remove(name);
        }
        let bound = if IS_LONG.load(Ordering::Relaxed) { LONG_BOUND } else { BOUND };
        Self { name: name.to_owned(), command, bound }
    }

    /// Adds arguments.
    pub(crate) fn args<A: AsRef<std::ffi::OsStr>>(
        mut self,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        self.command.args(args);
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Sets the folder to run in.
    pub(crate) fn folder(mut self, folder: impl AsRef<std::path::Path>) -> Self {
        self.command.current_dir(folder);
        self
    }

    /// Sets the time after which it is killed, with everything that it started.
    #[cfg(test)]
    const fn within(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// What is run, for a person.
    fn shown(&self) -> String {
        let words = std::iter::once(self.command.get_program()).chain(self.command.get_args());
        words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    /// Runs it to its end, which comes in time.
    ///
    /// # Errors
    /// The command could not be started.
    pub(crate) fn run(mut self) -> Result<Done> {
        std::fs::create_dir_all(house::logs()).map_err(|error| error.to_string())?;
        let file = self.name.replace(|c: char| !c.is_ascii_alphanumeric(), "-");
        let log = house::logs().join(format!("{file}.log"));
        let mut writer = File::create(&log).map_err(|error| error.to_string())?;
        let (reader, end) = std::io::pipe().map_err(|error| error.to_string())?;
        let second = end.try_clone().map_err(|error| error.to_string())?;
        self.command.stdout(end).stderr(second);
        let bar = Bar::new(&self.name);
        let shown = self.shown();
        let (mut child, watch) =
            bounded::start(&mut self.command, self.bound).map_err(|error| {
                format!("{}: {}: {error}", self.name, self.command.get_program().to_string_lossy())
            })?;
        // The command holds the writing ends; while it lives, the reader would never end.
        drop(self.command);
        let mut output = String::new();
        let mut say = |line: &str| {
            bar.say(line);
            output.push_str(line);
            output.push('\n');
            writeln!(writer, "{line}").map_err(|error| error.to_string())
        };
        for line in BufReader::new(reader).split(b'\n') {
            let line = line.map_err(|error| error.to_string())?;
            say(&String::from_utf8_lossy(&line))?;
        }
        let status = child.wait().map_err(|error| error.to_string())?;
        let late = watch.was_late();
        if late {
            let bound = self.bound.as_secs_f64();
            say(&format!("{} did not end within {bound} s and was killed: {shown}", self.name))?;
        }
        bar.end();
        Ok(Done { ok: status.success() && !late, late, output, log })
    }

    /// Runs it; a failure is an error that shows the end of the log.
    ///
    /// # Errors
    /// The command could not be started, or failed.
    pub(crate) fn must(self) -> Result<Done> {
        let name = self.name.clone();
        let done = self.run()?;
        if done.ok { Ok(done) } else { Err(format!("{name} failed\n{}", done.tail(40))) }
    }
}

impl Done {
    /// The last lines, and where the rest stands.
    pub(crate) fn tail(&self, lines: usize) -> String {
        let all: Vec<_> = self.output.lines().collect();
        let from = all.len().saturating_sub(lines);
        let last = all.get(from..).unwrap_or_default().join("\n");
        format!("{last}\n(whole output: {})", self.log.display())
    }
}

/// A spinner on a terminal; elsewhere one line when a step begins, and one when it took long.
struct Bar {
    bar: Option<ProgressBar>,
    name: String,
    started: Instant,
}

impl Bar {
    fn new(name: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = BARS.add(ProgressBar::new_spinner());
            let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed} {wide_msg}");
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.set_prefix(name.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        if bar.is_none() {
            eprintln!("  {name} …");
        }
        Self { bar, name: name.to_owned(), started: Instant::now() }
    }

    fn say(&self, line: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(line.trim().to_owned());
        }
    }

    fn end(&self) {
        match &self.bar {
            Some(bar) => bar.finish_and_clear(),
            None if self.started.elapsed() > Duration::from_secs(20) => {
                eprintln!("  {} took {} s", self.name, self.started.elapsed().as_secs());
            }
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_does_not_end_is_killed_and_says_what_ran() {
        let script = "echo begun; sleep 600 & sleep 600";
        let step = Step::new("step: late", "sh").args(["-c", script]);
        let done = step.within(Duration::from_millis(300)).run().unwrap();
        assert!(done.late && !done.ok, "{}", done.output);
        let told = format!("step: late did not end within 0.3 s and was killed: sh -c {script}");
        assert_eq!(done.output.lines().collect::<Vec<_>>(), ["begun", &told]);
        let must = Step::new("step: late must", "sh").args(["-c", "sleep 600"]);
        let error = must.within(Duration::from_millis(300)).must().err().unwrap();
        assert!(error.contains("did not end within 0.3 s"), "{error}");
    }

    #[test]
    fn a_step_that_ends_says_how() {
        for (script, ok) in [("echo said", true), ("echo said; exit 1", false)] {
            let done = Step::new("step: ended", "sh").args(["-c", script]).run().unwrap();
            assert_eq!((done.ok, done.late, done.output.as_str()), (ok, false, "said\n"));
        }
    }
}
