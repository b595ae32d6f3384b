//! The last steps before a program runs, taken in the child's own process.
//!
//! What a child must not inherit and what ends it with its parent can only be set from inside
//! it. Without unsafe code that needs a program in between: the launcher, which calls [`launch`]
//! and becomes the program.

use super::options::StdioOptions;
use close_fds::CloseFdsBuilder;
use hubless_proto::limits;
use rustix::process::{Pid, Resource, Rlimit, Signal};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};
use std::time::Duration;
use tokio::process::Child;

/// First argument of a program that is run as a launcher.
pub const LAUNCH: &str = "__launch";
/// Exit code when a program cannot be run (POSIX shells say the same).
const NOT_RUN: u8 = 126;
/// First pause between two looks at a child that starts; doubled up to the longest.
const LOOK: (Duration, Duration) = (Duration::from_micros(500), Duration::from_millis(20));

/// Becomes the program that the arguments after [`LAUNCH`] name; returns only when that fails.
///
/// It dies with its parent (`PR_SET_PDEATHSIG`), holds no files but stdin, stdout and stderr,
/// writes no core files and may open 1,024 files.
pub fn launch(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.into_iter();
    let parent = arguments.next().and_then(|text| text.to_str()?.parse::<i32>().ok());
    let Some(program) = arguments.next() else { return refuse("no program is named") };
    // A platform that refuses leaves the end of stdin, which every child sees.
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
    if rustix::process::getppid().map(Pid::as_raw_pid) != parent {
        return refuse("its parent has ended");
    }
    for (resource, most) in [(Resource::Core, 0), (Resource::Nofile, limits::STDIO_OPEN_FILES)] {
        restrict(resource, most);
    }
    CloseFdsBuilder::new().cloexecfrom(3);
    let error = Command::new(program).args(arguments).exec();
    refuse(&error.to_string())
}

/// Lowers a bound; one that is lower already stays.
fn restrict(resource: Resource, most: u64) {
    let now = rustix::process::getrlimit(resource);
    let low = |bound: Option<u64>| Some(bound.map_or(most, |bound| bound.min(most)));
    let bound = Rlimit { current: low(now.current), maximum: low(now.maximum) };
    // Lowering is always allowed.
    let _ = rustix::process::setrlimit(resource, bound);
}

fn refuse(why: &str) -> ExitCode {
    // Nobody may be there to read it.
    let _ = writeln!(std::io::stdout(), "{}", json!({ "notStarted": why }));
    ExitCode::from(NOT_RUN)
}

/// The arguments that make a launcher become the program.
pub(super) fn arguments(options: &StdioOptions) -> Vec<OsString> {
    let parent = std::process::id().to_string();
    let own = [LAUNCH.into(), parent.into(), options.program.clone().into_os_string()];
    own.into_iter().chain(options.arguments.iter().map(OsString::from)).collect()
}

/// What a launcher said when it could not become the program.
pub(super) fn reason(line: &str) -> Option<String> {
    let said: Value = serde_json::from_str(line).ok()?;
    Some(said.get("notStarted")?.as_str()?.to_owned())
}

/// Waits until the launcher has become the program; false: it ended before.
///
/// The kernel replaces the arguments of a process in the moment it becomes another program.
pub(super) async fn started(child: &mut Child) -> bool {
    let Some(path) = child.id().map(|id| format!("/proc/{id}/cmdline")) else { return false };
    let mut pause = LOOK.0;
    loop {
        let shown = tokio::fs::read(&path).await;
        if matches!(child.try_wait(), Ok(Some(_))) {
            return false;
        }
        match shown {
            // A process that is about to end shows nothing before its end can be seen.
            Ok(shown) if shown.is_empty() => {}
            Ok(shown) if shown.split(|byte| *byte == 0).nth(1) == Some(LAUNCH.as_bytes()) => {}
            Ok(_) | Err(_) => return true,
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LOOK.1);
    }
}
