//! One network namespace for each process, with a cable to the shim in the middle.

use crate::house::Result;
use std::path::Path;
use std::process::{Command, Output};

/// What the names of all namespaces of tests begin with; the process id follows.
const PREFIX: &str = "hbl";
/// Where the cables end.
const MIDDLE: &str = "middle";
/// The first three numbers of every address.
const NETWORK: &str = "10.196.0";

/// The namespaces; removed when dropped, those of a run that was killed at the start of the next.
pub(super) struct Hosts {
    names: Vec<&'static str>,
}

impl Hosts {
    /// Why they cannot be made here; none: they can.
    pub(super) fn missing() -> Option<&'static str> {
        if !rustix::process::geteuid().is_root() {
            return Some("network namespaces need root");
        }
        let listed = ip("netns list").is_ok_and(|output| output.status.success());
        (!listed).then_some("the program `ip` (iproute2) cannot make network namespaces here")
    }

    /// One namespace for each name.
    ///
    /// # Errors
    /// What `ip` says.
    pub(super) fn new(names: &[&'static str]) -> Result<Self> {
        sweep()?;
        let hosts = Self { names: names.to_vec() };
        for name in names.iter().chain([&MIDDLE]) {
            must(&format!("netns add {}", hosts.space(name)))?;
            hosts.inside(name, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1")?;
            hosts.ip(name, "link set lo up")?;
        }
        for name in names {
            let middle = hosts.space(MIDDLE);
            hosts.ip(name, &format!("link add cable type veth peer name {name} netns {middle}"))?;
            // The shim carries frames of the size of the cable, so nothing larger may come.
            hosts.ip(name, "link set dev cable gso_max_segs 1")?;
            hosts.ip(name, &format!("addr add {}/24 dev cable", hosts.address(name)))?;
            hosts.ip(name, "link set cable up")?;
            hosts.ip(MIDDLE, &format!("link set dev {name} up"))?;
        }
        Ok(hosts)
    }

    /// Where a host is.
    pub(super) fn address(&self, name: &str) -> String {
        let at = self.names.iter().position(|host| *host == name).unwrap_or_default();
        format!("{NETWORK}.{}", at + 1)
    }

    /// The command, as it is started in a host.
    pub(super) fn at(&self, name: &str, command: &Command) -> Command {
        let mut inside = Command::new("ip");
        inside.args(["netns", "exec", &self.space(name)]);
        inside.arg(command.get_program()).args(command.get_args());
        if let Some(folder) = command.get_current_dir() {
            inside.current_dir(folder);
        }
        inside
    }

    /// The command, as it is started where the cables end.
    pub(super) fn in_the_middle(&self, command: &Command) -> Command {
        self.at(MIDDLE, command)
    }

    fn space(&self, name: &str) -> String {
        format!("{PREFIX}-{}-chaos-{name}", std::process::id())
    }

    fn ip(&self, name: &str, arguments: &str) -> Result<()> {
        must(&format!("-n {} {arguments}", self.space(name))).map(drop)
    }

    fn inside(&self, name: &str, program: &str) -> Result<()> {
        must(&format!("netns exec {} {program}", self.space(name))).map(drop)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for name in self.names.iter().chain([&MIDDLE]) {
            // What was never made needs no removal.
            let _ = ip(&format!("netns del {}", self.space(name)));
        }
    }
}

/// Removes the namespaces of runs that are no more.
fn sweep() -> Result<()> {
    let all = must("netns list")?;
    let names = all.lines().filter_map(|line| line.split_whitespace().next());
    let is_left_over = |name: &&str| {
        let own = name.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('-'));
        let id = own.and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        id.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists())
    };
    for name in names.filter(is_left_over) {
        // Another run may be doing the same.
        let _ = ip(&format!("netns del {name}"));
    }
    Ok(())
}

fn ip(arguments: &str) -> std::io::Result<Output> {
    Command::new("ip").args(arguments.split_whitespace()).output()
}

/// What `ip` printed.
fn must(arguments: &str) -> Result<String> {
    let output = ip(arguments).map_err(|error| format!("ip: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("ip {arguments}: {said}"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
