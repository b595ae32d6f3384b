//! Programs that are measured: one, or an agent and a caller, talked to by lines.

use super::contestant::Contestant;
use super::counted::Counter;
use super::install::{Programs, Role};
use crate::house::{self, Result};
use crate::package::empty;
use crate::process::Process;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// How long a program may take for one answer; only proves that nothing hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);
/// Between the agent's start and that of its caller, as the peers are given it.
pub(super) const SETTLE: Duration = Duration::from_millis(200);
/// How long a program may take to end.
const END: Duration = Duration::from_secs(20);

/// One measuring program.
pub(super) struct Side {
    process: Process,
    log: PathBuf,
}

impl Side {
    /// Starts one; gives what it said when it was ready.
    pub(super) fn start(
        programs: &Programs,
        contestant: Contestant,
        role: &Role,
    ) -> Result<(Self, Value)> {
        Self::started(programs, (contestant, role), None)
    }

    /// The same, with its copies and allocations counted.
    fn started(
        programs: &Programs,
        (contestant, role): (Contestant, &Role),
        counter: Option<&Counter>,
    ) -> Result<(Self, Value)> {
        let mut command = programs.command(contestant, role)?;
        command.env("HUBLESS_HOME", home()).env("HUBLESS_LOG", "off");
        command.envs(counter.into_iter().flat_map(Counter::environment));
        let name = format!("bench-{}-{}", contestant.name(), role.name());
        let log = house::logs().join(format!("{name}.log"));
        let process = Process::start(&name, &mut command, &log)?;
        let ready = process.expect("ready", PATIENCE).map_err(|fault| end_of(&log, &fault))?;
        Ok((Self { process, log }, ready))
    }

    /// Gives a command and waits for its line.
    pub(super) fn ask(&mut self, command: &str) -> Result<Value> {
        self.say(command)?;
        self.hear()
    }

    /// Gives a command.
    pub(super) fn say(&mut self, command: &str) -> Result<()> {
        self.process.say(command)
    }

    /// Waits for a line.
    pub(super) fn hear(&self) -> Result<Value> {
        let name = self.process.name();
        let said = self
            .process
            .event(PATIENCE)
            .ok_or_else(|| end_of(&self.log, &format!("{name} said nothing more")))?;
        match said.get("error") {
            Some(fault) => Err(format!("{name}: {fault}")),
            None => Ok(said),
        }
    }

    /// Its process id.
    pub(super) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Its resident memory, in KiB.
    pub(super) fn memory_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).ok()?;
        of_status(&status, "VmRSS:")
    }

    /// How often its threads have gone to sleep and been woken.
    pub(super) fn wake_ups(&self) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.id()));
        let tasks = tasks.into_iter().flatten().flatten();
        let status =
            tasks.filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok());
        status.filter_map(|status| of_status(&status, "voluntary_ctxt_switches:")).sum()
    }

    /// Ends it; one that does not is killed, which says nothing about what was measured.
    pub(super) fn end(self) {
        if let Err(fault) = self.process.finish(END) {
            eprintln!("  {fault}");
        }
    }
}

/// An agent and its caller.
pub(super) struct Pair {
    pub(super) agent: Side,
    pub(super) caller: Side,
    /// From the caller's new node to its first answer.
    pub(super) cold_ms: Option<f64>,
}

impl Pair {
    /// Starts both, in a home of their own.
    pub(super) fn start(programs: &Programs, contestant: Contestant) -> Result<Self> {
        Self::started(programs, contestant, None)
    }

    /// The same, with the copies and allocations of both counted.
    pub(super) fn counted(
        programs: &Programs,
        contestant: Contestant,
        counter: &Counter,
    ) -> Result<Self> {
        Self::started(programs, contestant, Some(counter))
    }

    fn started(
        programs: &Programs,
        contestant: Contestant,
        counter: Option<&Counter>,
    ) -> Result<Self> {
        empty(&home())?;
        let (agent, ready) = Side::started(programs, (contestant, &Role::Agent), counter)?;
        std::thread::sleep(SETTLE);
        let at =
            |name: &str| ready.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
        let role = Role::Caller { key: at("key"), address: at("address") };
        let (caller, ready) = Side::started(programs, (contestant, &role), counter)?;
        let cold_ms = ready.get("cold_ms").and_then(Value::as_f64);
        Ok(Self { agent, caller, cold_ms })
    }

    /// Ends both, the caller first.
    pub(super) fn end(self) {
        self.caller.end();
        self.agent.end();
    }
}

/// The data folder of the programs.
pub(super) fn home() -> PathBuf {
    house::target().join("bench/home")
}

/// A number of a line of `/proc/…/status`.
fn of_status(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// A fault with the last line of what the program said of it.
fn end_of(log: &std::path::Path, fault: &str) -> String {
    let said = std::fs::read_to_string(log).unwrap_or_default();
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    format!("{fault}: {last} ({})", log.display())
}

#[cfg(test)]
mod tests {
    use super::of_status;

    #[test]
    fn reads_lines_of_a_status() {
        let status = "Name:\tx\nVmRSS:\t   26012 kB\nvoluntary_ctxt_switches:\t150\n\
                      nonvoluntary_ctxt_switches:\t545\n";
        assert_eq!(of_status(status, "VmRSS:"), Some(26_012));
        assert_eq!(of_status(status, "voluntary_ctxt_switches:"), Some(150));
        assert_eq!(of_status(status, "VmPeak:"), None);
    }
}
