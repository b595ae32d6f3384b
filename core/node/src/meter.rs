//! The memory of a process, measured from outside: a test that runs again in a process of its own.
//!
//! Owns: the start of such a process, and the reading of `/proc`. Must not know what it does.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// Home of the process that a test starts of itself.
const HOME: &str = "HUBLESS_TEST_SUBJECT";
/// Before each answer, since the test harness writes to the same output.
const MARK: &str = "subject: ";
/// What `hold` keeps, for the meter to see.
pub(crate) const HELD_KIB: u64 = 64 * 1_024;
/// Longest wait for memory to rest.
const LONG: Duration = Duration::from_secs(20);

/// The home to use, when this process is the one that is measured.
pub(crate) fn subject() -> Option<PathBuf> {
    std::env::var_os(HOME).map(PathBuf::from)
}

/// Answers each line of standard input until it ends. `hold` is answered here.
pub(crate) fn obey(mut act: impl FnMut(&str) -> String) {
    let mut held = Vec::new();
    for line in std::io::stdin().lines().map_while(Result::ok) {
        let answer = if line == "hold" {
            held.push(vec![1_u8; usize::try_from(HELD_KIB * 1_024).unwrap()]);
            held.len().to_string()
        } else {
            act(&line)
        };
        println!("{MARK}{answer}");
    }
    std::process::exit(0);
}

/// A process that is measured; killed when dropped.
pub(crate) struct Subject {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Subject {
    /// Runs the test of this name again, in a process of its own with this home.
    pub(crate) fn start(test: &str, home: &Path) -> Self {
        Self::with(test, home, &[])
    }

    /// As [`Subject::start`], with these variables in its environment.
    pub(crate) fn with(test: &str, home: &Path, variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--nocapture", "--test-threads=1"])
            .env(HOME, home)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, input, output }
    }

    /// Tells it something, whose answer is not waited for.
    pub(crate) fn order(&mut self, what: &str) {
        writeln!(self.input, "{what}").unwrap();
    }

    /// Tells it something and gives its answer.
    pub(crate) fn tell(&mut self, what: &str) -> String {
        self.order(what);
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it ended");
            if let Some((_, answer)) = line.trim_end().split_once(MARK) {
                return answer.to_owned();
            }
        }
    }

    /// Its resident memory in KiB, once that rests.
    pub(crate) fn memory_kib(&self) -> u64 {
        let began = Instant::now();
        let mut before = self.resident_kib();
        loop {
            std::thread::sleep(Duration::from_millis(300));
            let now = self.resident_kib();
            if now.abs_diff(before) < 256 || began.elapsed() > LONG {
                return now;
            }
            before = now;
        }
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
