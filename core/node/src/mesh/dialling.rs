//! Which of the addresses that a peer says of itself are dialled (SPEC 10, outbound addresses).
//!
//! A peer could otherwise send this node to any port of this machine or of its networks. What is
//! configured, of a ticket, or of the runtime folder is dialled as it is. Of relays that a peer
//! names the same holds: of those with an address in their URL here, of those with a name when it
//! is looked up.

use crate::link::RelayUrl;
use if_addrs::IfAddr;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A network that an interface of this machine is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    ip: IpAddr,
    mask: IpAddr,
}

impl Network {
    fn holds(&self, ip: IpAddr) -> bool {
        match (self.ip, self.mask, ip) {
            (IpAddr::V4(own), IpAddr::V4(mask), IpAddr::V4(ip)) => own & mask == ip & mask,
            (IpAddr::V6(own), IpAddr::V6(mask), IpAddr::V6(ip)) => own & mask == ip & mask,
            _ => false,
        }
    }
}

/// The networks of this machine's interfaces, but for loopback; none when they cannot be read.
pub(super) fn networks() -> Vec<Network> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        tracing::warn!(%error, "cannot read the interfaces of this machine");
        Vec::new()
    });
    let beyond = interfaces.into_iter().filter(|interface| !interface.is_loopback());
    beyond.map(|interface| network(&interface.addr)).collect()
}

fn network(address: &IfAddr) -> Network {
    match address {
        IfAddr::V4(of) => Network { ip: of.ip.into(), mask: of.netmask.into() },
        IfAddr::V6(of) => Network { ip: of.ip.into(), mask: of.netmask.into() },
    }
}

/// True for an address that may be dialled because its node said so over a connection from `from`.
///
/// One of this machine only when the connection was of this machine; a private one when this
/// machine is on its network, or when the connection came from it; any other that can be one of a
/// node.
pub(super) fn may_dial(address: SocketAddr, from: Option<IpAddr>, networks: &[Network]) -> bool {
    let ip = address.ip().to_canonical();
    let from = from.map(|from| from.to_canonical());
    if address.port() == 0 || ip.is_unspecified() || ip.is_multicast() || is_broadcast(ip) {
        return false;
    }
    if is_own(ip, networks) {
        return from.is_some_and(|from| is_own(from, networks));
    }
    !is_private(ip) || from == Some(ip) || networks.iter().any(|network| network.holds(ip))
}

/// True for an address of this machine.
pub(super) fn is_own(ip: IpAddr, networks: &[Network]) -> bool {
    let ip = ip.to_canonical();
    ip.is_loopback() || networks.iter().any(|one| one.ip == ip)
}

/// True for a relay that may be asked because a peer named it.
pub(super) fn may_ask(relay: &RelayUrl, networks: &[Network]) -> bool {
    let at = |ip| may_dial(SocketAddr::new(ip, relay.port()), None, networks);
    relay.ip().is_none_or(at)
}

/// True for an address that the name of a relay may lead to which a peer named.
pub(super) fn may_reach(ip: IpAddr) -> bool {
    may_dial(SocketAddr::new(ip, 443), None, &networks())
}

fn is_broadcast(ip: IpAddr) -> bool {
    ip == IpAddr::V4(Ipv4Addr::BROADCAST)
}

/// Private (RFC 1918), shared (RFC 6598), of one link (RFC 3927, RFC 4291), or unique local
/// (RFC 4193).
fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let is_shared = first == 100 && (64..128).contains(&second);
            ip.is_private() || ip.is_link_local() || is_shared || first == 0
        }
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(address: &str, from: Option<&str>) -> bool {
        let network =
            |ip: &str, mask: &str| Network { ip: ip.parse().unwrap(), mask: mask.parse().unwrap() };
        let own =
            [network("10.0.7.3", "255.255.255.0"), network("fd00:7::3", "ffff:ffff:ffff:ffff::")];
        may_dial(address.parse().unwrap(), from.map(|from| from.parse().unwrap()), &own)
    }

    #[test]
    fn loopback_is_dialled_only_for_who_came_over_it() {
        for loopback in ["127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80"] {
            assert!(may(loopback, Some("127.0.0.1")), "{loopback}");
            assert!(!may(loopback, Some("10.0.7.9")), "{loopback}");
            assert!(!may(loopback, None), "{loopback}");
        }
    }

    #[test]
    fn this_machine_is_dialled_by_its_other_names_only_for_who_is_on_it() {
        for own in ["10.0.7.3:80", "[fd00:7::3]:80", "[::ffff:10.0.7.3]:80"] {
            for (from, dialled) in [("10.0.7.9", false), ("10.0.7.3", true), ("127.0.0.1", true)] {
                assert_eq!(may(own, Some(from)), dialled, "{own} from {from}");
            }
        }
    }

    #[test]
    fn a_private_address_is_dialled_where_this_machine_is_on_its_network() {
        for near in ["10.0.7.9:80", "[fd00:7::9]:80", "[::ffff:10.0.7.9]:80"] {
            assert!(may(near, Some("192.0.2.1")), "{near}");
        }
        let elsewhere = [
            "10.0.8.9:80",
            "172.16.0.1:80",
            "192.168.0.1:80",
            "169.254.169.254:80",
            "100.64.0.1:80",
            "[fd00:8::9]:80",
            "[fe80::1]:80",
            "[::ffff:192.168.0.1]:80",
            "0.1.2.3:80",
        ];
        for elsewhere in elsewhere {
            assert!(!may(elsewhere, Some("10.0.7.9")), "{elsewhere}");
        }
        // It is spoken with already.
        assert!(may("192.168.0.1:80", Some("192.168.0.1")));
        assert!(may("192.168.0.1:80", Some("::ffff:192.168.0.1")));
    }

    #[test]
    fn an_address_of_the_internet_is_dialled_and_what_no_node_can_have_is_not() {
        assert!(may("192.0.2.1:80", None) && may("[2001:db8::1]:80", None));
        let nobody =
            ["0.0.0.0:80", "[::]:80", "224.0.0.1:80", "[ff02::1]:80", "255.255.255.255:80"];
        for nobody in nobody.into_iter().chain(["192.0.2.1:0"]) {
            assert!(!may(nobody, Some("127.0.0.1")), "{nobody}");
        }
    }

    #[test]
    fn a_peer_names_relays_of_the_internet_and_of_our_own_networks_alone() {
        let network =
            |ip: &str, mask: &str| Network { ip: ip.parse().unwrap(), mask: mask.parse().unwrap() };
        let own = [network("10.0.7.3", "255.255.255.0")];
        for (relay, is_asked) in [
            ("https://192.0.2.1", true),
            ("https://relay.example", true),
            ("http://10.0.7.9:3340", true),
            ("http://127.0.0.1:8080", false),
            ("http://[::1]:8080", false),
            ("http://10.0.7.3:8080", false),
            ("http://10.0.8.9", false),
            ("http://169.254.169.254", false),
            ("http://[fd00:8::9]", false),
        ] {
            assert_eq!(may_ask(&relay.parse().unwrap(), &own), is_asked, "{relay}");
        }
        assert!(!may_reach(IpAddr::from(Ipv4Addr::LOCALHOST)));
        assert!(may_reach("192.0.2.1".parse().unwrap()), "the control");
    }

    #[test]
    fn reads_the_networks_of_this_machine() {
        let networks = networks();
        assert!(!networks.iter().any(|network| network.ip.is_loopback()), "{networks:?}");
        assert!(networks.iter().all(|network| network.holds(network.ip)), "{networks:?}");
    }
}
