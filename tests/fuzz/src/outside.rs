//! Targets for what others hand over apart from frames: tickets, tokens, lines of programs.

use super::targets::NOW;
use hubless::membership::{Membership, Ticket};
use hubless_proto::identity::SecretKey;

/// The word that one user hands to another.
pub fn ticket(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let Ok(ticket) = text.parse::<Ticket>() else { return false };
    assert!(!ticket.minters.is_empty());
    assert_eq!(ticket.text().parse::<Ticket>(), Ok(ticket));
    true
}

/// A token of membership. Nothing is taken but what the root said of this node.
pub fn token(data: &[u8]) -> bool {
    let (mesh, node) = (SecretKey::from_seed([1; 32]).mesh_id(), SecretKey::from_seed([2; 32]));
    let members = Membership::outsider(mesh);
    let Ok(standing) = members.verify(data, node.node_key(), NOW) else { return false };
    assert_eq!((standing.role.as_str(), standing.groups), ("member", vec!["a".to_owned()]));
    assert!(standing.until_ms > NOW);
    let other = SecretKey::from_seed([3; 32]);
    assert!(members.verify(data, other.node_key(), NOW).is_err());
    assert!(Membership::outsider(other.mesh_id()).verify(data, node.node_key(), NOW).is_err());
    true
}

/// A line on the standard output of a program that is an agent.
pub fn stdio_line(data: &[u8]) -> bool {
    std::str::from_utf8(data).is_ok_and(hubless_edge::stdio::is_message)
}
