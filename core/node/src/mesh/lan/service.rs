//! What nodes say of themselves on a local network.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hubless_proto::identity::{MeshId, NodeKey};
use mdns_sd::{ResolvedService, ServiceInfo};
use sha2::{Digest, Sha256};
use std::net::{IpAddr, SocketAddr};

/// What all of them offer (RFC 6763 §7).
pub(super) const SERVICE: &str = "_hubless._udp.local.";
/// Field of the text record that says the mesh.
const MESH: &str = "m";
/// What the digest of a mesh begins with.
const DOMAIN: &[u8] = b"hubless lan v1\0";
/// Bytes of the digest of a mesh that are said.
const DIGEST: usize = 8;

/// Field of the text record that says the port for IPv6, where it is another one.
const PORT_SIX: &str = "6";

/// Where a node listens: each family has a socket of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    four: u16,
    six: u16,
}

impl Ports {
    /// Those of the sockets that are bound; the ones beyond this machine first.
    pub(super) fn of(bound: &[SocketAddr]) -> Self {
        let of = |is_six: bool| {
            let mut family: Vec<_> = bound.iter().filter(|at| at.is_ipv6() == is_six).collect();
            family.sort_by_key(|at| at.ip().is_loopback());
            family.first().map(|at| at.port())
        };
        let four = of(false).or_else(|| of(true)).unwrap_or_default();
        Self { four, six: of(true).unwrap_or(four) }
    }
}

/// A node that was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) node: NodeKey,
    pub(super) addresses: Vec<SocketAddr>,
}

/// What a node of `mesh` says: its key as its name, its ports, and a digest by which members know
/// the mesh. `ips`: where it listens; none: at all addresses of the machine.
pub(super) fn said(
    node: NodeKey,
    mesh: MeshId,
    ports: Ports,
    ips: &[IpAddr],
) -> mdns_sd::Result<ServiceInfo> {
    let name = BASE32_NOPAD.encode(node.as_bytes()).to_ascii_lowercase();
    let Ports { four, six } = ports;
    let mut text = vec![(MESH, digest(mesh))];
    if six != four {
        text.push((PORT_SIX, six.to_string()));
    }
    let host = format!("{name}.local.");
    let service = ServiceInfo::new(SERVICE, &name, &host, ips, four, &text[..])?;
    Ok(if ips.is_empty() { service.enable_addr_auto() } else { service })
}

/// The node that a service is of, with addresses that are not of one machine alone; none: it is no
/// node, or one of another mesh.
pub(super) fn read(service: &ResolvedService, mesh: MeshId) -> Option<Met> {
    let node = named(&service.fullname)?;
    let said = service.txt_properties.get_property_val_str(MESH)?;
    if said != digest(mesh) {
        return None;
    }
    let six = service.txt_properties.get_property_val_str(PORT_SIX);
    let six = six.and_then(|port| port.parse().ok()).unwrap_or(service.port);
    let mut addresses: Vec<_> = service
        .addresses
        .iter()
        .map(|ip| ip.to_ip_addr())
        .map(|ip| SocketAddr::new(ip, if ip.is_ipv6() { six } else { service.port }))
        // One of a single link would need the link as well.
        .filter(|at| !matches!(at.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local()))
        .collect();
    addresses.sort_unstable();
    Some(Met { node, addresses })
}

/// The node whose service has this name; none: it is no node's.
pub(super) fn named(fullname: &str) -> Option<NodeKey> {
    let name = fullname.strip_suffix(SERVICE)?.strip_suffix('.')?.to_ascii_uppercase();
    let key = BASE32_NOPAD.decode(name.as_bytes()).ok()?;
    Some(NodeKey::from_bytes(key.try_into().ok()?))
}

/// Not the id itself: who is no member learns nothing that names the mesh elsewhere.
fn digest(mesh: MeshId) -> String {
    let digest = Sha256::new().chain_update(DOMAIN).chain_update(mesh.as_bytes()).finalize();
    HEXLOWER.encode(&digest[..DIGEST])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MINE: MeshId = MeshId::from_bytes([1; 32]);
    const NODE: NodeKey = NodeKey::from_bytes([7; 32]);

    const PORTS: Ports = Ports { four: 4_433, six: 4_434 };

    fn service(ips: &[&str]) -> ResolvedService {
        let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        said(NODE, MINE, PORTS, &ips).unwrap().as_resolved_service()
    }

    #[test]
    fn a_node_is_met_where_it_says_by_members_of_its_mesh() {
        let said = service(&["192.168.1.7", "fe80::1", "2001:db8::7"]);
        let met = read(&said, MINE).unwrap();
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(met.addresses, [at("192.168.1.7:4433"), at("[2001:db8::7]:4434")]);
        assert_eq!((met.node, named(&said.fullname)), (NODE, Some(NODE)));
        assert_eq!(read(&said, MeshId::from_bytes([2; 32])), None);
        let text = format!("{:?}", said.txt_properties);
        assert!(!text.contains(&MINE.to_string()), "the id is not said: {text}");
    }

    #[test]
    fn each_family_has_the_port_of_its_socket() {
        let of = |bound: &[&str]| {
            let bound: Vec<_> = bound.iter().map(|at| at.parse().unwrap()).collect();
            let Ports { four, six } = Ports::of(&bound);
            (four, six)
        };
        assert_eq!(of(&["127.0.0.1:1", "10.0.0.1:2", "[2001:db8::1]:3"]), (2, 3));
        // Before there is a network.
        assert_eq!(of(&["127.0.0.1:1"]), (1, 1));
        assert_eq!(of(&["[2001:db8::1]:3"]), (3, 3));
    }

    proptest! {
        #[test]
        fn no_name_is_read_as_another_nodes(key: [u8; 32], junk in ".{0,80}") {
            let node = NodeKey::from_bytes(key);
            let said = said(node, MINE, PORTS, &[]).unwrap();
            prop_assert_eq!(named(said.get_fullname()), Some(node));
            prop_assert_eq!(named(&junk), None);
            let long = format!("{junk}{}", said.get_fullname());
            prop_assert!(junk.is_empty() || named(&long) != Some(node));
        }
    }
}
