//! What nodes say of themselves on a local network.

use data_encoding::{BASE32_NOPAD, HEXLOWER};
use hubless_proto::identity::{MeshId, NodeKey};
use hubless_proto::limits;
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

/// A node that was met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Met {
    pub(super) node: NodeKey,
    pub(super) addresses: Vec<SocketAddr>,
}

/// What a node of `mesh` says: its key as its name, its port, and a digest by which members know
/// the mesh. `ips`: where it listens; none: at all addresses of the machine.
pub(super) fn said(
    node: NodeKey,
    mesh: MeshId,
    port: u16,
    ips: &[IpAddr],
) -> mdns_sd::Result<ServiceInfo> {
    let name = BASE32_NOPAD.encode(node.as_bytes()).to_ascii_lowercase();
    let mesh = digest(mesh);
    let text = [(MESH, mesh.as_str())];
    let service =
        ServiceInfo::new(SERVICE, &name, &format!("{name}.local."), ips, port, &text[..])?;
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
    let mut addresses: Vec<_> = service
        .addresses
        .iter()
        .map(|ip| SocketAddr::new(ip.to_ip_addr(), service.port))
        // One of a single link would need the link as well.
        .filter(|at| !matches!(at.ip(), IpAddr::V6(ip) if ip.is_unicast_link_local()))
        .collect();
    addresses.sort_unstable();
    addresses.truncate(limits::NODE_ADDRESSES);
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

    fn service(ips: &[&str]) -> ResolvedService {
        let ips: Vec<IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        said(NODE, MINE, 4_433, &ips).unwrap().as_resolved_service()
    }

    #[test]
    fn a_node_is_met_where_it_says_by_members_of_its_mesh() {
        let said = service(&["192.168.1.7", "fe80::1", "2001:db8::7"]);
        let met = read(&said, MINE).unwrap();
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(met.addresses, [at("192.168.1.7:4433"), at("[2001:db8::7]:4433")]);
        assert_eq!((met.node, named(&said.fullname)), (NODE, Some(NODE)));
        assert_eq!(read(&said, MeshId::from_bytes([2; 32])), None);
        let text = format!("{:?}", said.txt_properties);
        assert!(!text.contains(&MINE.to_string()), "the id is not said: {text}");
    }

    #[test]
    fn so_many_addresses_of_one_node_are_taken() {
        let many: Vec<_> = (0..100).map(|last| format!("10.0.0.{last}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(read(&service(&many), MINE).unwrap().addresses.len(), limits::NODE_ADDRESSES);
    }

    proptest! {
        #[test]
        fn no_name_is_read_as_another_nodes(key: [u8; 32], junk in ".{0,80}") {
            let node = NodeKey::from_bytes(key);
            let said = said(node, MINE, 1, &[]).unwrap();
            prop_assert_eq!(named(said.get_fullname()), Some(node));
            prop_assert_eq!(named(&junk), None);
            let long = format!("{junk}{}", said.get_fullname());
            prop_assert!(junk.is_empty() || named(&long) != Some(node));
        }
    }
}
