//! Two hosts, each behind a translator of its own, and two hosts outside for relays.

use super::spaces::Namespaces;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::process::Command;
use std::time::Duration;

/// The hosts: two inside, their translators, that of a provider, what joins all outside, two
/// relays.
const HOSTS: [&str; 8] = ["left", "lgate", "right", "rgate", "isp", "hub", "one", "two"];
/// A host inside, its translator, the network between them, and the translator as the outside
/// sees it.
const SIDES: [(&str, &str, &str, &str); 2] =
    [("left", "lgate", "10.198.1", "192.0.2.1"), ("right", "rgate", "10.198.2", "192.0.2.2")];
/// The hosts outside.
pub(crate) const ONE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
pub(crate) const TWO: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 11);
/// The one port that a wall lets through.
pub(crate) const PORT: u16 = 443;
/// Time for a datagram that does not come.
const SILENCE: Duration = Duration::from_millis(300);

/// What a translator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A socket has one port outside, whomever it writes to.
    Cone,
    /// The same, with another one of the provider's before it on the left.
    Double,
    /// It has another one for each.
    Symmetric,
    /// Nothing passes but TCP to one port.
    Wall,
}

/// The namespaces.
#[derive(Debug)]
pub(crate) struct TwoNats {
    pub(crate) spaces: Namespaces,
}

impl TwoNats {
    /// Makes them; none, with the reason printed, where that cannot be done.
    pub(crate) fn new(test: &'static str, kind: Kind) -> Option<Self> {
        if Command::new("nft").arg("-V").output().is_err() {
            eprintln!("skipped: translating addresses needs nft");
            return None;
        }
        let spaces = Namespaces::new(test, &HOSTS)?;
        spaces.ip("hub", "link add lan type bridge");
        spaces.ip("hub", "link set lan up");
        let plug = |host: &str, device: &str, address: &str| {
            spaces.cable((host, device), ("hub", host));
            spaces.ip("hub", &format!("link set {host} master lan"));
            spaces.ip(host, &format!("addr add {address}/24 dev {device}"));
        };
        plug("one", "cable", &ONE.to_string());
        plug("two", "cable", &TWO.to_string());
        for (host, gate, network, outside) in SIDES {
            if kind == Kind::Double && host == "left" {
                plug("isp", "outside", outside);
                spaces.cable((gate, "outside"), ("isp", "inside"));
                spaces.ip(gate, "addr add 100.64.0.2/24 dev outside");
                spaces.ip("isp", "addr add 100.64.0.1/24 dev inside");
                spaces.ip(gate, "route add default via 100.64.0.1");
                spaces.run("isp", "sysctl -qw net.ipv4.ip_forward=1");
            } else {
                plug(gate, "outside", outside);
            }
            spaces.cable((host, "cable"), (gate, "inside"));
            spaces.ip(host, &format!("addr add {network}.2/24 dev cable"));
            spaces.ip(gate, &format!("addr add {network}.1/24 dev inside"));
            spaces.ip(host, &format!("route add default via {network}.1"));
            spaces.run(gate, "sysctl -qw net.ipv4.ip_forward=1");
        }
        let nats = Self { spaces };
        nats.translate(kind);
        Some(nats)
    }

    fn translate(&self, kind: Kind) {
        let how = if kind == Kind::Symmetric { "masquerade fully-random" } else { "masquerade" };
        let mut orders = vec![
            "add table ip hubless".to_owned(),
            "add chain ip hubless leaving { type nat hook postrouting priority 100 ; }".to_owned(),
            format!("add rule ip hubless leaving oifname outside {how}"),
            // What nobody inside asked for is let fall without a word.
            "add chain ip hubless coming { type filter hook input priority 0 ; }".to_owned(),
            "add rule ip hubless coming iifname outside meta l4proto udp drop".to_owned(),
        ];
        if kind == Kind::Wall {
            let chain = "add chain ip hubless passing { type filter hook forward priority 0 ; }";
            orders.push(chain.to_owned());
            for passing in [
                "ct state established accept".to_owned(),
                format!("iifname inside tcp dport {PORT} accept"),
                "drop".to_owned(),
            ] {
                orders.push(format!("add rule ip hubless passing {passing}"));
            }
        }
        let isp = (kind == Kind::Double).then_some("isp");
        for gate in SIDES.map(|(_, gate, ..)| gate).into_iter().chain(isp) {
            for order in &orders {
                self.spaces.run(gate, &format!("nft {order}"));
            }
        }
    }

    /// Where datagrams of one socket on the left come from, as the two hosts outside see them;
    /// none: they do not come.
    pub(crate) fn seen_outside(&self) -> [Option<SocketAddrV4>; 2] {
        let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let sent = self.spaces.udp("left", any).unwrap();
        [("one", ONE), ("two", TWO)].map(|(host, ip)| {
            let heard = self.spaces.udp(host, SocketAddrV4::new(ip, 0)).unwrap();
            heard.set_read_timeout(Some(SILENCE)).unwrap();
            sent.send_to(b"x", heard.local_addr().unwrap()).unwrap();
            match heard.recv_from(&mut [0]) {
                Ok((_, std::net::SocketAddr::V4(from))) => Some(from),
                _ => None,
            }
        })
    }

    /// Packets that a host sent over its cable, to whomever.
    pub(crate) fn sent(&self, host: &str) -> u64 {
        let counter = self.spaces.run(host, "cat /sys/class/net/cable/statistics/tx_packets");
        counter.trim().parse().expect("a number of packets")
    }

    /// Counts from now on what leaves the network of a host, but what goes to one of these.
    pub(crate) fn count_others(&self, gate: &str, but: &[Ipv4Addr]) {
        let known: Vec<_> = but.iter().map(ToString::to_string).collect();
        for order in [
            "add chain ip hubless counting { type filter hook forward priority 10 ; }".to_owned(),
            format!(
                "add rule ip hubless counting oifname outside ip daddr != {{ {} }} counter",
                known.join(", ")
            ),
        ] {
            self.spaces.run(gate, &format!("nft {order}"));
        }
    }

    /// Packets that were counted there.
    pub(crate) fn others(&self, gate: &str) -> u64 {
        let listed = self.spaces.run(gate, "nft list chain ip hubless counting");
        let mut words = listed.split_whitespace().skip_while(|word| *word != "packets");
        words.nth(1).expect("a counter").parse().expect("a number of packets")
    }
}
