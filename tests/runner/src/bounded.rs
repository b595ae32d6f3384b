//! Commands that end in time, or are ended with everything that they started.
//!
//! Owns: the bound of a command. Must not know: what it runs. What a command starts carries a mark
//! in its environment, and is found by it in whatever group of processes it is: in a group of
//! their own commands would not hear of a person's Ctrl-C.

use crate::settings;
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// The variable that holds the mark. A runner that was started by a step adds its own behind it.
const MARK: &str = "RUNNER_STEP";
/// How often what is late is looked for, since it may be starting more just then.
const ROUNDS: usize = 500;
/// How long what was killed has until it is looked for again.
const PAUSE: Duration = Duration::from_millis(10);

/// Watches over one command.
pub(crate) struct Watch {
    ended: SyncSender<()>,
    watcher: JoinHandle<bool>,
}

impl Watch {
    /// To be asked when the command ended: whether it had to be killed.
    pub(crate) fn was_late(self) -> bool {
        drop(self.ended);
        self.watcher.join().unwrap_or(false)
    }
}

/// Starts a command, without the settings of the user, that is killed, with all that it started,
/// when `bound` is over.
pub(crate) fn start(command: &mut Command, bound: Duration) -> io::Result<(Child, Watch)> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let outer = std::env::var(MARK).unwrap_or_default();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let mark = format!("{outer}{}.{number}/", std::process::id());
    let child = settings::own_only(command).env(MARK, &mark).spawn()?;
    let (ended, over) = sync_channel(1);
    let watcher = std::thread::spawn(move || {
        let late = over.recv_timeout(bound) == Err(RecvTimeoutError::Timeout);
        if late {
            end(&mark);
        }
        late
    });
    Ok((child, Watch { ended, watcher }))
}

/// Runs a command to its end; what it printed, and whether it had to be killed.
pub(crate) fn output(command: &mut Command, bound: Duration) -> io::Result<(Output, bool)> {
    let piped = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (child, watch) = start(piped, bound)?;
    let output = child.wait_with_output()?;
    Ok((output, watch.was_late()))
}

/// Kills everything that carries a mark, and what that started under another environment.
fn end(mark: &str) {
    for _ in 0..ROUNDS {
        let found = marked(mark);
        if found.is_empty() {
            return;
        }
        for process in found {
            // One that has ended meanwhile is what is wanted.
            let _ = pidfd_send_signal(&process.handle, Signal::KILL);
        }
        std::thread::sleep(PAUSE);
    }
}

/// A process as the kernel shows it; the handle stays with it when its number is another's.
struct Seen {
    id: i32,
    parent: i32,
    marked: bool,
    handle: OwnedFd,
}

/// The processes with a mark, and those below them.
fn marked(mark: &str) -> Vec<Seen> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let (mut found, mut others): (Vec<_>, Vec<_>) =
        ids.filter_map(|id| seen(id, mark)).partition(|process| process.marked);
    loop {
        let (below, rest): (Vec<_>, Vec<_>) = others
            .into_iter()
            .partition(|one| found.iter().any(|above: &Seen| above.id == one.parent));
        if below.is_empty() {
            return found;
        }
        found.extend(below);
        others = rest;
    }
}

/// None of one that has ended, or that is another user's.
fn seen(id: i32, mark: &str) -> Option<Seen> {
    let handle = pidfd_open(Pid::from_raw(id)?, PidfdFlags::empty()).ok()?;
    let environment = std::fs::read(format!("/proc/{id}/environ")).ok()?;
    let wanted = format!("{MARK}={mark}");
    let marked = environment.split(|byte| *byte == 0).any(|one| one.starts_with(wanted.as_bytes()));
    // Behind the name, which may hold anything: the state, then the parent (proc(5)).
    let status = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let (_, behind) = status.rsplit_once(") ")?;
    let mut words = behind.split(' ');
    let is_dead = matches!(words.next(), Some("Z" | "X"));
    let parent = words.next()?.parse().ok()?;
    (!is_dead).then_some(Seen { id, parent, marked, handle })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Its output ends only when the last process that holds it has ended.
    #[test]
    fn what_is_late_is_ended_with_all_that_it_started() {
        let below = "sleep 600 & setsid sleep 600 & env -i sleep 600 &";
        let script = format!("echo begun; {below} sleep 600");
        let started = Instant::now();
        let (output, late) = output(&mut shell(&script), Duration::from_millis(500)).unwrap();
        assert!(late && !output.status.success());
        assert_eq!(output.stdout, b"begun\n");
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
    }

    #[test]
    fn what_ends_in_time_is_left_alone() {
        let bound = Duration::from_secs(60);
        let (output, late) = output(&mut shell("echo done; exit 3"), bound).unwrap();
        assert_eq!(
            (output.status.code(), output.stdout, late),
            (Some(3), b"done\n".to_vec(), false)
        );
    }
}
