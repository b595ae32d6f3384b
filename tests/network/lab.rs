//! Two network namespaces and the cable between them.

use std::process::{Command, Output};

/// Two namespaces, `left` (10.197.0.1) and `right` (10.197.0.2); removed when dropped.
#[derive(Debug)]
pub(crate) struct Lab {
    left: String,
    right: String,
}

impl Lab {
    /// Makes the namespaces; none, with the reason printed, where that cannot be done.
    pub(crate) fn new(name: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            eprintln!("skipped: network namespaces need root");
            return None;
        }
        if !ip("netns list").is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: the program `ip` cannot make network namespaces here");
            return None;
        }
        let own = std::process::id();
        let lab = Self { left: format!("hbl-{name}-{own}"), right: format!("hbr-{name}-{own}") };
        let (left, right) = (&lab.left, &lab.right);
        // Names of links are short: 15 letters.
        let (one, two) = (format!("hl{own}"), format!("hr{own}"));
        for step in [
            format!("netns add {left}"),
            format!("netns add {right}"),
            format!("netns exec {left} sysctl -qw net.ipv6.conf.all.disable_ipv6=1"),
            format!("netns exec {right} sysctl -qw net.ipv6.conf.all.disable_ipv6=1"),
            format!("-n {left} link add {one} type veth peer name {two} netns {right}"),
            format!("-n {left} link set {one} name cable"),
            format!("-n {right} link set {two} name cable"),
            format!("-n {left} addr add 10.197.0.1/24 dev cable"),
            format!("-n {right} addr add 10.197.0.2/24 dev cable"),
            format!("-n {left} link set lo up"),
            format!("-n {right} link set lo up"),
            format!("-n {left} link set cable up"),
            format!("-n {right} link set cable up"),
        ] {
            let output = ip(&step).expect("`ip` runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "ip {step}: {said}");
        }
        Some(lab)
    }

    pub(crate) fn left(&self) -> &str {
        &self.left
    }

    pub(crate) fn right(&self) -> &str {
        &self.right
    }

    /// Packets that left the left namespace.
    pub(crate) fn sent(&self) -> u64 {
        let path = "/sys/class/net/cable/statistics/tx_packets";
        let output = ip(&format!("netns exec {} cat {path}", self.left)).expect("`ip` runs");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number of packets")
    }

    /// Sends one packet from left to right.
    pub(crate) fn ping(&self) {
        // A UDP datagram by bash needs no other program.
        let script = "echo x > /dev/udp/10.197.0.2/9";
        let status = Command::new("ip")
            .args(["netns", "exec", &self.left, "bash", "-c", script])
            .status()
            .expect("`ip` runs");
        assert!(status.success(), "a datagram is sent");
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in [&self.left, &self.right] {
            // What was never made needs no removal.
            let _ = ip(&format!("netns del {namespace}"));
        }
    }
}

fn ip(arguments: &str) -> std::io::Result<Output> {
    Command::new("ip").args(arguments.split_whitespace()).output()
}
