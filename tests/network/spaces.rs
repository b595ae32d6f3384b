//! Network namespaces of one test: made, joined by cables, removed.

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use std::fs::File;
use std::net::{SocketAddrV4, UdpSocket};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Once;
use std::time::{Duration, Instant};

/// What the names of all namespaces of these tests begin with; the process id follows.
const PREFIX: &str = "hbl";
/// Longest wait for what the kernel does.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// The namespaces of one test, one for each host. Removed when dropped; those of a run that was
/// killed, at the start of the next one.
#[derive(Debug)]
pub(crate) struct Namespaces {
    test: &'static str,
    hosts: &'static [&'static str],
}

impl Namespaces {
    /// Makes them, without IPv6; none, with the reason printed, where that cannot be done.
    pub(crate) fn new(test: &'static str, hosts: &'static [&'static str]) -> Option<Self> {
        static SWEPT: Once = Once::new();
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: network namespaces need root");
            return None;
        }
        if !ip("netns list").is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: the program `ip` cannot make network namespaces here");
            return None;
        }
        SWEPT.call_once(remove_left_over);
        let spaces = Self { test, hosts };
        for host in hosts {
            must(&format!("netns add {}", spaces.name(host)));
            spaces.run(host, "sysctl -qw net.ipv6.conf.all.disable_ipv6=1");
            spaces.ip(host, "link set lo up");
        }
        Some(spaces)
    }

    /// Name of a host's namespace.
    pub(crate) fn name(&self, host: &str) -> String {
        format!("{PREFIX}-{}-{}-{host}", std::process::id(), self.test)
    }

    /// Runs `ip` in the namespace of a host.
    pub(crate) fn ip(&self, host: &str, arguments: &str) {
        must(&format!("-n {} {arguments}", self.name(host)));
    }

    /// Runs a program in the namespace of a host and gives what it printed.
    pub(crate) fn run(&self, host: &str, program: &str) -> String {
        must(&format!("netns exec {} {program}", self.name(host)))
    }

    /// A cable between two devices, each named by its host and its name there, once both are up.
    pub(crate) fn cable(&self, one: (&str, &str), other: (&str, &str)) {
        let ends = format!("{} type veth peer name {}", one.1, other.1);
        self.ip(one.0, &format!("link add {ends} netns {}", self.name(other.0)));
        for (host, device) in [one, other] {
            self.ip(host, &format!("link set {device} up"));
        }
        for (host, device) in [one, other] {
            // The kernel tells an end of the other one in its own time.
            let state = format!("cat /sys/class/net/{device}/operstate");
            until("a cable that is up", || self.run(host, &state).trim() == "up");
        }
    }

    /// A UDP socket in the namespace of a host.
    ///
    /// # Errors
    /// The address is not to be had there.
    pub(crate) fn udp(&self, host: &str, at: SocketAddrV4) -> std::io::Result<UdpSocket> {
        let space = File::open(Path::new("/var/run/netns").join(self.name(host)))?;
        // Only this thread moves, and ends there; the socket stays where it was made.
        let making = std::thread::spawn(move || {
            move_into_link_name_space(space.as_fd(), Some(LinkNameSpaceType::Network))?;
            UdpSocket::bind(at)
        });
        making.join().unwrap_or_else(|_| Err(std::io::Error::other("the thread panicked")))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for host in self.hosts {
            // What was never made needs no removal.
            let _ = ip(&format!("netns del {}", self.name(host)));
        }
    }
}

/// Waits until this holds.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < end, "expected {what} within {PATIENCE:?}");
        std::thread::sleep(LOOK);
    }
}

/// Removes the namespaces of processes that are no more.
fn remove_left_over() {
    let all = must("netns list");
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
}

fn ip(arguments: &str) -> std::io::Result<Output> {
    Command::new("ip").args(arguments.split_whitespace()).output()
}

/// What `ip` printed.
fn must(arguments: &str) -> String {
    let output = ip(arguments).expect("`ip` runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ip {arguments}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
