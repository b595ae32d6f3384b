//! On what was measured, of what, and when: a figure without that is none.

use super::install::Programs;
use crate::house::root;
use crate::language::Language;
use crate::package::VERSION;
use std::path::Path;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

/// Lines for the head of a report.
pub(super) fn lines(programs: Option<&Programs>) -> Vec<String> {
    let found = programs.copied().and_then(Programs::found).map(shown);
    let mut lines = vec![
        head(&commit(), found.as_deref()),
        format!("{} x {}, {}, {}", cores(), processor(), memory(), kernel()),
        format!("load of the machine when it began: {}", load()),
        "Client, server and broker share the cores of this one machine; all traffic is on \
         127.0.0.1."
            .to_owned(),
    ];
    if let Some(programs) = programs {
        let versions = [
            said("rustc", &["--version"]),
            said("cc", &["--version"]),
            said(&programs.python().to_string_lossy(), &["--version"]),
            format!("Node.js {}", said("node", &["--version"])),
            said("java", &["--version"]),
        ];
        lines.push(versions.join("; "));
        lines.push(format!(
            "packages: {}; languages: {}",
            programs.described(),
            Language::ALL.map(Language::name).join(", ")
        ));
    }
    lines
}

/// What was measured. `found`: of when the packages are, where they were not built for this run.
fn head(commit: &str, found: Option<&str>) -> String {
    match found {
        None => format!("hubless {VERSION}, commit {commit}"),
        Some(time) => format!(
            "hubless {VERSION}, packages as found, of {time}, not of this commit; Rust and raw \
             streams: commit {commit}"
        ),
    }
}

/// A time in UTC, to the minute.
fn shown(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    said("date", &["--utc", &format!("--date=@{seconds}"), "+%F %R UTC"])
}

/// The commit that is checked out, and whether there is more than that.
pub(super) fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).current_dir(root()).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        output.status.success().then_some(text)
    };
    let commit = git(&["rev-parse", "--short=12", "HEAD"]).unwrap_or_else(|| "unknown".to_owned());
    let changed = git(&["status", "--porcelain"]).is_some_and(|changes| !changes.is_empty());
    if changed { format!("{commit} with changes") } else { commit }
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(0, std::num::NonZero::get)
}

fn processor() -> String {
    field("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown processor".to_owned())
}

fn memory() -> String {
    field("/proc/meminfo", "MemTotal").unwrap_or_else(|| "unknown memory".to_owned())
}

fn kernel() -> String {
    said("uname", &["-sr"])
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}

fn field(file: impl AsRef<Path>, name: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The first line that a program says.
fn said(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let first = text.unwrap_or_default().lines().next().unwrap_or_default().trim().to_owned();
    if first.is_empty() { format!("{program}: unknown") } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn packages_that_were_found_are_not_said_to_be_of_the_commit() {
        assert_eq!(head("abc", None), format!("hubless {VERSION}, commit abc"));
        let time = shown(UNIX_EPOCH + Duration::from_secs(86_460));
        assert_eq!(time, "1970-01-02 00:01 UTC");
        let found = head("abc", Some(&time));
        let said = format!("hubless {VERSION}, packages as found, of {time}, not of this commit");
        assert!(found.starts_with(&said), "{found}");
    }
}
