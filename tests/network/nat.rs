//! Two hosts behind one that translates their addresses, and one outside.

use super::spaces::Namespaces;
use hubless_mesh_tests::LONG;
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::Command;

const OUTSIDE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
/// The translator, as the outside sees it.
const GATE: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// A network of its own for each host inside.
const INSIDE: [(&str, &str); 2] = [("left", "10.198.1"), ("right", "10.198.2")];
type Program = (&'static str, &'static [&'static str]);
/// The programs that can be told to translate, each with what it is told.
const PROGRAMS: [Program; 2] = [
    (
        "nft",
        &[
            "add table ip hubless",
            "add chain ip hubless leaving { type nat hook postrouting priority 100 ; }",
            "add rule ip hubless leaving oifname outside masquerade",
        ],
    ),
    ("iptables", &["-t nat -A POSTROUTING -o outside -j MASQUERADE"]),
];

/// The namespaces `left` and `right` behind `gate`, and `outside` (192.0.2.2), which has no way to
/// an address inside.
#[derive(Debug)]
struct Nat {
    spaces: Namespaces,
}

impl Nat {
    /// Makes them; none, with the reason printed, where that cannot be done.
    fn new(test: &'static str) -> Option<Self> {
        let is_there = |program: &&Program| Command::new(program.0).arg("-V").output().is_ok();
        let Some((program, orders)) = PROGRAMS.iter().find(is_there) else {
            eprintln!("skipped: translating addresses needs nft or iptables");
            return None;
        };
        let spaces = Namespaces::new(test, &["left", "right", "gate", "outside"])?;
        spaces.cable(("outside", "cable"), ("gate", "outside"));
        spaces.ip("outside", &format!("addr add {OUTSIDE}/24 dev cable"));
        spaces.ip("gate", &format!("addr add {GATE}/24 dev outside"));
        for (host, network) in INSIDE {
            spaces.cable((host, "cable"), ("gate", host));
            spaces.ip(host, &format!("addr add {network}.2/24 dev cable"));
            spaces.ip("gate", &format!("addr add {network}.1/24 dev {host}"));
            spaces.ip(host, &format!("route add default via {network}.1"));
        }
        spaces.run("gate", "sysctl -qw net.ipv4.ip_forward=1");
        for order in *orders {
            spaces.run("gate", &format!("{program} {order}"));
        }
        Some(Self { spaces })
    }

    /// Where a datagram of a host inside comes from, as the outside sees it.
    fn seen_of(&self, host: &str) -> SocketAddr {
        let port = |ip| SocketAddrV4::new(ip, 0);
        let heard = self.spaces.udp("outside", port(OUTSIDE)).unwrap();
        heard.set_read_timeout(Some(LONG)).unwrap();
        let sent = self.spaces.udp(host, port(Ipv4Addr::UNSPECIFIED)).unwrap();
        sent.send_to(b"x", heard.local_addr().unwrap()).unwrap();
        heard.recv_from(&mut [0]).unwrap().1
    }
}

#[test]
fn nodes_behind_a_translator_call_and_are_called() {
    let Some(nat) = Nat::new("nat") else { return };
    // The control: it translates.
    for (host, _) in INSIDE {
        assert_eq!(nat.seen_of(host).ip(), GATE, "{host}");
    }
    let home = tempfile::tempdir().unwrap();
    let mut anna = super::spawn(&nat.spaces.name("outside"), home.path(), "anna");
    anna.start(&json!({"do": "start", "listen": "all"}));
    let ticket = super::invite(&mut anna, 2);
    let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut inside = Vec::new();
    for ((host, _), home) in INSIDE.into_iter().zip(&homes) {
        let mut one = super::spawn(&nat.spaces.name(host), home.path(), host);
        one.tell(&json!({"do": "join", "ticket": ticket}));
        one.event("joined");
        one.start(&json!({"do": "start"}));
        one.sees("anna");
        inside.push(one);
    }
    for one in &mut inside {
        anna.sees(&one.name);
        // Out, and back over the connection that came from inside.
        one.tell(&json!({"do": "call", "to": "anna", "text": "out"}));
        anna.tell(&json!({"do": "call", "to": one.name, "text": "in"}));
        let (out, back) = (one.event("reply"), anna.event("reply"));
        assert_eq!((&out["text"], &out["path"]), (&json!("out"), &json!("direct")));
        assert_eq!((&back["text"], &back["path"]), (&json!("in"), &json!("direct")));
    }
}
