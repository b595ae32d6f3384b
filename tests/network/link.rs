//! Two hosts and the link between them.

use super::spaces::{Namespaces, until};
use std::process::Command;

/// Two namespaces, `left` (10.197.0.1) and `right` (10.197.0.2), with a switch between their
/// cables.
#[derive(Debug)]
pub(crate) struct Link {
    spaces: Namespaces,
}

impl Link {
    /// Makes them; none, with the reason printed, where that cannot be done.
    pub(crate) fn new(test: &'static str) -> Option<Self> {
        Self::with(test, ["10.197.0.1/24", "10.197.0.2/24"])
    }

    /// The same with addresses of IPv6 and no others, `2001:db8::1` and `2001:db8::2`.
    pub(crate) fn six(test: &'static str) -> Option<Self> {
        // At once, without asking whether somebody else has it.
        Self::with(test, ["2001:db8::1/64 nodad", "2001:db8::2/64 nodad"])
    }

    fn with(test: &'static str, addresses: [&str; 2]) -> Option<Self> {
        let spaces = Namespaces::new(test, &["left", "switch", "right"])?;
        spaces.ip("switch", "link add lan type bridge");
        spaces.ip("switch", "link set lan up");
        for (host, address) in ["left", "right"].into_iter().zip(addresses) {
            spaces.cable((host, "cable"), ("switch", host));
            spaces.ip("switch", &format!("link set {host} master lan"));
            if address.contains(':') {
                spaces.run(host, "sysctl -qw net.ipv6.conf.all.disable_ipv6=0");
            }
            let (address, how) = address.split_once(' ').unwrap_or((address, ""));
            spaces.ip(host, &format!("addr add {address} dev cable {how}"));
        }
        Some(Self { spaces })
    }

    pub(crate) fn left(&self) -> String {
        self.spaces.name("left")
    }

    pub(crate) fn right(&self) -> String {
        self.spaces.name("right")
    }

    /// Takes the link down, as if the cable of the right one were pulled out of the switch: what
    /// the left one sends goes on to nowhere.
    pub(crate) fn cut(&self) {
        self.spaces.ip("switch", "link set right down");
    }

    /// Brings it up again.
    pub(crate) fn mend(&self) {
        self.spaces.ip("switch", "link set right up");
    }

    /// Packets that left the left namespace.
    pub(crate) fn sent(&self) -> u64 {
        let counter = self.spaces.run("left", "cat /sys/class/net/cable/statistics/tx_packets");
        counter.trim().parse().expect("a number of packets")
    }

    /// Waits until so many more packets have left the left namespace.
    pub(crate) fn sends(&self, more: u64) {
        let enough = self.sent() + more;
        until("packets that are sent", || self.sent() >= enough);
    }

    /// Sends one packet from left to right.
    pub(crate) fn ping(&self) {
        // A UDP datagram by bash needs no other program.
        let script = "echo x > /dev/udp/10.197.0.2/9";
        let status = Command::new("ip")
            .args(["netns", "exec", &self.left(), "bash", "-c", script])
            .status()
            .expect("`ip` runs");
        assert!(status.success(), "a datagram is sent");
    }
}
