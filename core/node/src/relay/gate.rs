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
    inside: BTreeMap<NodeKey, Inside<I>>,
    /// Replaced, and not ended yet: at most as many as may be in.
    leaving: Vec<Leaving<I>>,
    members: BTreeMap<[u8; 32], usize>,
}

#[derive(Debug)]
struct Inside<I> {
    id: I,
    /// When the node chose to come by this connection, by its own clock.
    time_ms: u64,
    guest: Guest,
    until: Instant,
}

#[derive(Debug)]
struct Leaving<I> {
    node: NodeKey,
    id: I,
    member: Option<[u8; 32]>,
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
        Self { most, inside: BTreeMap::new(), leaving: Vec::new(), members: BTreeMap::new() }
    }

    /// Lets a connection in, in place of the one that the same node made before, which is given.
    ///
    /// # Errors
    /// `conflict`, code `relay_older`, where a later one of the same node is in; `busy` where there
    /// are too many.
    pub(super) fn enter(&mut self, coming: Coming<I>, now: Instant) -> Result<Option<I>> {
        let Coming { node, id, time_ms, guest } = coming;
        let own = self.inside.get(&node);
        if own.is_some_and(|own| own.time_ms > time_ms) {
            let message = "a later connection of the same node is at the relay";
            return Err(Error::refusal(Kind::Conflict, "relay_older", message));
        }
        let beside = if own.is_some() { self.leaving.len() } else { self.inside.len() };
        if beside >= self.most {
            let message = format!("the relay has {} connections, and takes no more", self.most);
            return Err(Error::refusal(Kind::Busy, "relay_full", message)
                .with_limit("RELAY_CONNECTIONS", self.most as u64));
        }
        if guest.member.is_some_and(|member| self.is_crowded(member, own)) {
            let most = limits::RELAY_MEMBER_CONNECTIONS;
            let message = format!("one member has at most {most} connections to a relay");
            return Err(Error::refusal(Kind::Busy, "relay_member", message)
                .with_limit("RELAY_MEMBER_CONNECTIONS", most as u64));
        }
        let replaced = self.leave(node);
        if let Some(Inside { id, guest, .. }) = &replaced {
            self.leaving.push(Leaving { node, id: *id, member: guest.member });
        }
        if let Some(member) = guest.member {
            *self.members.entry(member).or_default() += 1;
        }
        let stays = guest.stays.unwrap_or(limits::RELAY_SESSION).min(limits::RELAY_SESSION);
        self.inside.insert(node, Inside { id, time_ms, guest, until: now + stays });
        Ok(replaced.map(|inside| inside.id))
    }

    /// A connection ended.
    pub(super) fn left(&mut self, node: NodeKey, id: I) {
        if self.inside.get(&node).is_some_and(|inside| inside.id == id) {
            self.leave(node);
        } else {
            self.leaving.retain(|leaving| leaving.node != node || leaving.id != id);
        }
    }

    /// Connections that must end: they were replaced, their time is over, or a key is revoked that
    /// they rest on.
    pub(super) fn over(
        &self,
        now: Instant,
        is_revoked: impl Fn(&[[u8; 32]]) -> bool,
    ) -> Vec<(NodeKey, I)> {
        let is_over = |inside: &Inside<I>| now >= inside.until || is_revoked(&inside.guest.keys);
        let over = self.inside.iter().filter(|(_, inside)| is_over(inside));
        let over = over.map(|(node, inside)| (*node, inside.id));
        over.chain(self.leaving.iter().map(|leaving| (leaving.node, leaving.id))).collect()
    }

    /// True when a member has all the connections that it may have, but for the one of its own that
    /// would be replaced; or as many of it do not end.
    fn is_crowded(&self, member: [u8; 32], own: Option<&Inside<I>>) -> bool {
        let most = limits::RELAY_MEMBER_CONNECTIONS;
        let replaced = own.is_some_and(|own| own.guest.member == Some(member));
        let inside = self.members.get(&member).copied().unwrap_or_default();
        let leaving = self.leaving.iter().filter(|leaving| leaving.member == Some(member));
        inside - usize::from(replaced) >= most || leaving.count() >= most
    }

    fn leave(&mut self, node: NodeKey) -> Option<Inside<I>> {
        let gone = self.inside.remove(&node)?;
        if let Some(member) = gone.guest.member
            && let Some(count) = self.members.get_mut(&member)
        {
            *count -= 1;
            if *count == 0 {
                self.members.remove(&member);
            }
        }
        Some(gone)
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
        let keys = member.into_iter().collect();
        Guest { role: "member".into(), member, keys, stays: None }
    }

    fn coming(number: usize, id: u64, member: Option<u8>) -> Coming<u64> {
        Coming { node: node(number), id, time_ms: 7, guest: guest(member) }
    }

    fn code(outcome: Result<Option<u64>>) -> (String, String) {
        let error = outcome.unwrap_err();
        (error.code, error.limit.map(|limit| limit.name).unwrap_or_default())
    }

    #[test]
    fn so_many_connections_are_in_and_who_leaves_makes_room() {
        let (mut gate, now) = (Gate::new(limits::RELAY_CONNECTIONS), Instant::now());
        for number in 0..limits::RELAY_CONNECTIONS {
            assert_eq!(gate.enter(coming(number, number as u64, None), now), Ok(None));
        }
        let last = limits::RELAY_CONNECTIONS;
        let full = gate.enter(coming(last, 9_999, None), now);
        assert_eq!(code(full), ("relay_full".into(), "RELAY_CONNECTIONS".into()));
        // One that is in may come by another connection.
        assert_eq!(gate.enter(coming(0, 9_999, None), now), Ok(Some(0)));
        gate.left(node(1), 5);
        assert!(gate.enter(coming(last, 10_000, None), now).is_err(), "it was another's number");
        gate.left(node(1), 1);
        assert_eq!(gate.enter(coming(last, 10_000, None), now), Ok(None));
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
        assert_eq!(gate.enter(at(1, 10), now), Ok(None));
        assert_eq!(gate.enter(at(2, 20), now), Ok(Some(1)));
        assert_eq!(code(gate.enter(at(3, 10), now)).0, "relay_older");
        // The same again: the engine lost it, and the relay has not seen that yet.
        assert_eq!(gate.enter(at(4, 20), now), Ok(Some(2)));
        gate.left(node(1), 2);
        gate.left(node(1), 4);
        assert_eq!(gate.enter(at(5, 1), now), Ok(None), "nobody is in");
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

    #[test]
    fn nobody_stays_longer_than_its_token_lets_it() {
        let (mut gate, now) = (Gate::new(8), Instant::now());
        let staying = |number: usize, stays: Duration| {
            let guest = Guest { stays: Some(stays), ..guest(None) };
            Coming { guest, ..coming(number, number as u64, None) }
        };
        let minute = Duration::from_secs(60);
        gate.enter(staying(1, minute), now).unwrap();
        gate.enter(staying(2, 2 * limits::RELAY_SESSION), now).unwrap();
        let over = |after: Duration| gate.over(now + after, |_| false);
        assert!(over(minute - Duration::from_millis(1)).is_empty());
        assert_eq!(over(minute), [(node(1), 1)]);
        assert_eq!(over(limits::RELAY_SESSION), [(node(1), 1), (node(2), 2)]);
    }

    #[test]
    fn a_replaced_connection_is_over_until_it_ended() {
        let (mut gate, now) = (Gate::new(8), Instant::now());
        gate.enter(coming(1, 1, None), now).unwrap();
        assert!(gate.over(now, |_| false).is_empty(), "the control");
        assert_eq!(gate.enter(coming(1, 2, None), now), Ok(Some(1)));
        // As often as it is asked: it may not be among the clients when it is first told to end.
        assert_eq!(gate.over(now, |_| false), [(node(1), 1)]);
        assert_eq!(gate.over(now, |_| false), [(node(1), 1)]);
        gate.left(node(1), 1);
        assert!(gate.over(now, |_| false).is_empty());
        assert_eq!(gate.over(now + limits::RELAY_SESSION, |_| false), [(node(1), 2)]);
    }

    #[test]
    fn those_that_do_not_end_are_bounded_as_well() {
        let now = Instant::now();
        let replaced = |most: usize, member: Option<u8>, times: usize| {
            let mut gate = Gate::new(most);
            gate.enter(coming(1, 0, member), now).unwrap();
            for id in 1..=times {
                gate.enter(coming(1, id as u64, member), now).unwrap();
            }
            gate
        };
        let mut gate = replaced(2, None, 2);
        assert_eq!(code(gate.enter(coming(1, 9, None), now)).0, "relay_full");
        assert_eq!(gate.enter(coming(2, 9, None), now), Ok(None), "nothing is replaced");
        gate.left(node(1), 1);
        assert_eq!(gate.enter(coming(1, 10, None), now), Ok(Some(2)));
        let most = limits::RELAY_MEMBER_CONNECTIONS;
        let mut gate = replaced(limits::RELAY_CONNECTIONS, Some(1), most);
        assert_eq!(code(gate.enter(coming(1, 99, Some(1)), now)).0, "relay_member");
        assert_eq!(gate.enter(coming(2, 99, Some(2)), now), Ok(None), "another member");
        gate.left(node(1), 0);
        assert_eq!(gate.enter(coming(1, 99, Some(1)), now), Ok(Some(most as u64)));
    }
}
