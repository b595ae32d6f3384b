//! Who is at a relay, and how many: a value, told who comes and goes.

use super::door::Guest;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use std::collections::BTreeMap;
use std::time::Instant;

/// A connection that was let in, as the relay names it.
pub(super) trait Id: Copy + PartialEq {}
impl<T: Copy + PartialEq> Id for T {}

/// Those that are in.
#[derive(Debug)]
pub(super) struct Gate<I> {
    most: usize,
    inside: BTreeMap<NodeKey, Vec<Inside<I>>>,
    members: BTreeMap<[u8; 32], usize>,
    count: usize,
}

#[derive(Debug)]
struct Inside<I> {
    id: I,
    /// When the node chose to come by this connection, by its own clock.
    time_ms: u64,
    guest: Guest,
    since: Instant,
}

/// A connection that wants to come in.
#[derive(Debug)]
pub(super) struct Coming<I> {
    pub(super) node: NodeKey,
    pub(super) id: I,
    pub(super) time_ms: u64,
    pub(super) guest: Guest,
}

impl<I: Id> Gate<I> {
    /// For at most so many connections.
    pub(super) const fn new(most: usize) -> Self {
        Self { most, inside: BTreeMap::new(), members: BTreeMap::new(), count: 0 }
    }

    /// Lets a connection in, in place of those that the same node made before; these are given.
    ///
    /// # Errors
    /// `conflict`, code `relay_older`, where a later one of the same node is in; `busy` where there
    /// are too many.
    pub(super) fn enter(&mut self, coming: Coming<I>, now: Instant) -> Result<Vec<I>> {
        let Coming { node, id, time_ms, guest } = coming;
        let own = self.inside.get(&node).map(Vec::as_slice).unwrap_or_default();
        if own.iter().any(|inside| inside.time_ms > time_ms) {
            let message = "a later connection of the same node is at the relay";
            return Err(Error::refusal(Kind::Conflict, "relay_older", message));
        }
        if self.count - own.len() >= self.most {
            let message = format!("the relay has {} connections, and takes no more", self.most);
            return Err(Error::refusal(Kind::Busy, "relay_full", message)
                .with_limit("RELAY_CONNECTIONS", self.most as u64));
        }
        let is_counted = |inside: &&Inside<I>| inside.guest.member == guest.member;
        let replaced = own.iter().filter(is_counted).count();
        let of_member = guest.member.and_then(|member| self.members.get(&member));
        let most = limits::RELAY_MEMBER_CONNECTIONS;
        if of_member.is_some_and(|count| count - replaced >= most) {
            let message = format!("one member has at most {most} connections to a relay");
            return Err(Error::refusal(Kind::Busy, "relay_member", message)
                .with_limit("RELAY_MEMBER_CONNECTIONS", most as u64));
        }
        let before: Vec<_> = self.inside.remove(&node).unwrap_or_default();
        before.iter().for_each(|inside| self.uncount(&inside.guest));
        self.count += 1;
        if let Some(member) = guest.member {
            *self.members.entry(member).or_default() += 1;
        }
        self.inside.entry(node).or_default().push(Inside { id, time_ms, guest, since: now });
        Ok(before.into_iter().map(|inside| inside.id).collect())
    }

    /// A connection ended.
    pub(super) fn left(&mut self, node: NodeKey, id: I) {
        let Some(own) = self.inside.get_mut(&node) else { return };
        let gone: Vec<_> = own.extract_if(.., |inside| inside.id == id).collect();
        if own.is_empty() {
            self.inside.remove(&node);
        }
        gone.iter().for_each(|inside| self.uncount(&inside.guest));
    }

    /// Connections that must end: their time is over, or a key is revoked that they rest on.
    pub(super) fn over(
        &self,
        now: Instant,
        is_revoked: impl Fn(&[[u8; 32]]) -> bool,
    ) -> Vec<(NodeKey, I)> {
        let is_over = |inside: &Inside<I>| {
            now.saturating_duration_since(inside.since) >= limits::RELAY_SESSION
                || is_revoked(&inside.guest.keys)
        };
        let all = self.inside.iter().flat_map(|(node, own)| own.iter().map(|one| (*node, one)));
        all.filter(|(_, one)| is_over(one)).map(|(node, one)| (node, one.id)).collect()
    }

    fn uncount(&mut self, guest: &Guest) {
        self.count -= 1;
        let Some(member) = guest.member else { return };
        if let Some(count) = self.members.get_mut(&member) {
            *count -= 1;
            if *count == 0 {
                self.members.remove(&member);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn node(number: usize) -> NodeKey {
        let mut key = [1; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        NodeKey::from_bytes(key)
    }

    fn guest(member: Option<u8>) -> Guest {
        let member = member.map(|byte| [byte; 32]);
        Guest { role: "member".into(), member, keys: member.into_iter().collect() }
    }

    fn coming(number: usize, id: u64, member: Option<u8>) -> Coming<u64> {
        Coming { node: node(number), id, time_ms: 7, guest: guest(member) }
    }

    fn code(outcome: Result<Vec<u64>>) -> (String, String) {
        let error = outcome.unwrap_err();
        (error.code, error.limit.map(|limit| limit.name).unwrap_or_default())
    }

    #[test]
    fn so_many_connections_are_in_and_who_leaves_makes_room() {
        let (mut gate, now) = (Gate::new(limits::RELAY_CONNECTIONS), Instant::now());
        for number in 0..limits::RELAY_CONNECTIONS {
            assert_eq!(gate.enter(coming(number, number as u64, None), now), Ok(vec![]));
        }
        let last = limits::RELAY_CONNECTIONS;
        let full = gate.enter(coming(last, 9_999, None), now);
        assert_eq!(code(full), ("relay_full".into(), "RELAY_CONNECTIONS".into()));
        // One that is in may come by another connection.
        assert_eq!(gate.enter(coming(0, 9_999, None), now), Ok(vec![0]));
        gate.left(node(1), 5);
        assert!(gate.enter(coming(last, 10_000, None), now).is_err(), "it was another's number");
        gate.left(node(1), 1);
        assert_eq!(gate.enter(coming(last, 10_000, None), now), Ok(vec![]));
    }

    #[test]
    fn one_member_has_so_many_of_them() {
        let (mut gate, now) = (Gate::new(limits::RELAY_CONNECTIONS), Instant::now());
        let most = limits::RELAY_MEMBER_CONNECTIONS;
        for number in 0..most {
            assert!(gate.enter(coming(number, number as u64, Some(1)), now).is_ok());
        }
        let full = gate.enter(coming(most, 100, Some(1)), now);
        assert_eq!(code(full), ("relay_member".into(), "RELAY_MEMBER_CONNECTIONS".into()));
        assert!(gate.enter(coming(0, 100, Some(1)), now).is_ok(), "in place of another of its own");
        assert!(gate.enter(coming(most, 101, Some(2)), now).is_ok(), "another member");
        gate.left(node(1), 1);
        assert!(gate.enter(coming(most + 1, 102, Some(1)), now).is_ok());
    }

    #[test]
    fn the_later_connection_of_a_node_stays() {
        let (mut gate, now) = (Gate::new(8), Instant::now());
        let at = |id: u64, time_ms: u64| Coming { time_ms, ..coming(1, id, None) };
        assert_eq!(gate.enter(at(1, 10), now), Ok(vec![]));
        assert_eq!(gate.enter(at(2, 20), now), Ok(vec![1]));
        assert_eq!(code(gate.enter(at(3, 10), now)).0, "relay_older");
        // The same again: the engine lost it, and the relay has not seen that yet.
        assert_eq!(gate.enter(at(4, 20), now), Ok(vec![2]));
        gate.left(node(1), 2);
        gate.left(node(1), 4);
        assert_eq!(gate.enter(at(5, 1), now), Ok(vec![]), "nobody is in");
    }

    #[test]
    fn a_connection_ends_with_its_time_or_the_key_that_it_rests_on() {
        let (mut gate, now) = (Gate::new(8), Instant::now());
        gate.enter(coming(1, 1, Some(1)), now).unwrap();
        gate.enter(coming(2, 2, Some(2)), now).unwrap();
        let later = now + limits::RELAY_SESSION - Duration::from_millis(1);
        assert!(gate.over(later, |_| false).is_empty());
        assert_eq!(gate.over(later, |keys| keys.contains(&[2; 32])), [(node(2), 2)]);
        assert_eq!(gate.over(now + limits::RELAY_SESSION, |_| false).len(), 2);
    }
}
