//! A network namespace without a route: programs in it reach each other and nobody else.

use crate::count::Outcome;
use crate::house::Result;
use crate::step::Step;
use std::process::Command;

/// Says of a connection what became of it: to an address of this machine, where somebody listens,
/// and to one outside (RFC 5737), where a machine with a route waits or is refused.
const PROBE: &str = "import socket, sys\n\
    here = socket.create_server(('127.0.0.1', 0))\n\
    socket.create_connection(here.getsockname(), 5).close()\nprint('loopback works')\n\
    try:\n    socket.create_connection(('192.0.2.1', 9), 1)\n    print('outside works')\n\
    except OSError as error:\n    print(f'outside: {error.strerror}')\n";

/// The namespace; removed when dropped.
pub(super) struct Alone {
    name: String,
}

impl Alone {
    /// Makes it, with nothing but its loopback device.
    ///
    /// # Errors
    /// Why there can be none here: a reason to skip.
    pub(super) fn new() -> std::result::Result<Self, String> {
        let root = Command::new("id").arg("-u").output();
        if !root.is_ok_and(|output| output.stdout.trim_ascii() == b"0") {
            return Err("network namespaces need root".to_owned());
        }
        // Named as those of tests/network, which removes what a killed run left.
        let alone = Self { name: format!("hbl-{}-install-alone", std::process::id()) };
        ip(&["netns", "add", &alone.name])?;
        ip(&["-n", &alone.name, "link", "set", "lo", "up"])?;
        Ok(alone)
    }

    /// A step whose program runs in it.
    pub(super) fn step(&self, name: &str, program: &str) -> Step {
        Step::new(&format!("install: bundle, {name}"), "ip").args(self.before(program))
    }

    /// A command that runs in it.
    pub(super) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(self.before(program));
        command
    }

    fn before<'a>(&'a self, program: &'a str) -> [&'a str; 4] {
        ["netns", "exec", &self.name, program]
    }

    /// Two tests: it has no route, in the table of the kernel and when a program tries; and a
    /// program there does connect where it can, so that the trial would have shown one.
    pub(super) fn control(&self) -> Result<Outcome> {
        let mut routes = String::new();
        for family in ["-4", "-6"] {
            routes.push_str(&ip(&["-n", &self.name, family, "route", "show", "default"])?);
        }
        let mut outcome = Outcome::one(routes.is_empty(), || format!("a route: {routes}"));
        let done = self.step("a namespace without a route", "python3").args(["-c", PROBE]).run()?;
        let said = ["loopback works", "outside: Network is unreachable"];
        let alone = done.ok && said.iter().all(|line| done.output.lines().any(|out| out == *line));
        outcome += Outcome::one(alone, || done.tail(10));
        Ok(outcome)
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        // What was never made needs no removal.
        let _ = ip(&["netns", "del", &self.name]);
    }
}

/// What `ip` printed, or why it could not do it.
fn ip(arguments: &[&str]) -> Result<String> {
    let output = Command::new("ip").args(arguments).output();
    let output = output.map_err(|error| format!("the program `ip` (iproute2): {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("the program `ip` cannot make a network namespace here: {}", said.trim()))
}
