//! Places for connections: so many in all, and so many for one address.

use super::activity::Activity;
use hubless_proto::limits;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

/// The connections that are open.
///
/// Where there is no room, one on which nothing runs makes place, those that never asked anything
/// before the others; and after them one whose peer does not take what it asked for. Whoever holds
/// connections open, and says or takes nothing, keeps nobody out.
#[derive(Debug)]
pub(super) struct Places {
    local: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    next: u64,
    open: BTreeMap<u64, (IpAddr, Arc<Activity>)>,
}

/// One place; given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    number: u64,
}

impl Places {
    /// Places of which one address of this machine may have so many, another one
    /// `HTTP_CONNECTIONS_PER_IP`.
    pub(super) fn new(local: usize) -> Self {
        Self { local, held: Mutex::default() }
    }

    /// Takes a place; none: every connection that could make room is at work.
    pub(super) fn enter(
        self: &Arc<Self>,
        address: IpAddr,
        activity: &Arc<Activity>,
    ) -> Option<Place> {
        let is_local = address.to_canonical().is_loopback();
        let share = if is_local { self.local } else { limits::HTTP_CONNECTIONS_PER_IP };
        let address = network(address);
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let near = held.open.values().filter(|(other, _)| *other == address).count();
        if near >= share {
            held.evict(|other| other == address)?;
        }
        if held.open.len() >= limits::HTTP_CONNECTIONS {
            held.evict(|_| true)?;
        }
        let number = held.next;
        held.next += 1;
        held.open.insert(number, (address, Arc::clone(activity)));
        Some(Place { places: Arc::clone(self), number })
    }
}

impl Held {
    fn evict(&mut self, wanted: impl Fn(IpAddr) -> bool) -> Option<()> {
        let still = self.open.iter().filter(|(_, (address, activity))| {
            wanted(*address) && (!activity.is_busy() || activity.is_left())
        });
        let number = still.min_by_key(|(number, (_, activity))| {
            (activity.is_busy(), activity.is_used(), **number)
        });
        let number = *number?.0;
        let (_, activity) = self.open.remove(&number)?;
        activity.cut.cancel();
        Some(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // One that was evicted is out already.
        self.places.held.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&self.number);
    }
}

/// What counts as one address: of IPv6 the network, since a host has all of it.
pub(super) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(whole) => {
            let [a, b, c, d, ..] = whole.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        four @ IpAddr::V4(_) => four,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::activity::tests::untaken;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    fn busy() -> Arc<Activity> {
        let activity = Arc::new(Activity::default());
        activity.begin();
        activity
    }

    #[test]
    fn one_address_has_its_share_and_all_together_theirs() {
        let places = Arc::new(Places::new(limits::HTTP_CONNECTIONS_PER_IP));
        let enter = |n| places.enter(address(n), &busy());
        let mut held = Vec::new();
        for _ in 0..limits::HTTP_CONNECTIONS_PER_IP {
            held.push(enter(1).unwrap());
        }
        assert!(enter(1).is_none(), "its share is used");
        for n in 2.. {
            while held.len() < limits::HTTP_CONNECTIONS {
                match enter(n) {
                    Some(place) => held.push(place),
                    None => break,
                }
            }
            if held.len() == limits::HTTP_CONNECTIONS {
                break;
            }
        }
        assert!(enter(200).is_none(), "all are used");
        held.pop();
        assert!(enter(200).is_some(), "one was given back");
    }

    #[test]
    fn only_the_programs_of_this_machine_have_more_than_a_share() {
        let places = Arc::new(Places::new(limits::HTTP_CONNECTIONS));
        let all = |address: IpAddr| {
            let held = (0..).map_while(|_| places.enter(address, &busy()));
            held.collect::<Vec<_>>().len()
        };
        for local in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(all(local.parse().unwrap()), limits::HTTP_CONNECTIONS, "{local}");
        }
        for other in ["10.0.0.1", "2001:db8::1", "::2"] {
            assert_eq!(all(other.parse().unwrap()), limits::HTTP_CONNECTIONS_PER_IP, "{other}");
        }
    }

    #[test]
    fn silent_ones_make_room_and_those_at_work_do_not() {
        let places = Arc::new(Places::new(limits::HTTP_CONNECTIONS_PER_IP));
        let silent = Arc::new(Activity::default());
        let rested = busy();
        rested.end();
        let mut held = vec![
            places.enter(address(1), &rested).unwrap(),
            places.enter(address(1), &silent).unwrap(),
        ];
        while held.len() < limits::HTTP_CONNECTIONS_PER_IP {
            held.push(places.enter(address(1), &busy()).unwrap());
        }
        held.push(places.enter(address(1), &busy()).unwrap());
        assert!(silent.cut.is_cancelled() && !rested.cut.is_cancelled());
        held.push(places.enter(address(1), &busy()).unwrap());
        assert!(rested.cut.is_cancelled());
        assert!(places.enter(address(1), &busy()).is_none());
        assert!(places.enter(address(2), &busy()).is_some(), "others have their own share");
    }

    #[test]
    fn those_who_do_not_take_their_answers_make_room_after_the_silent_ones() {
        let places = Arc::new(Places::new(2));
        let enter = |activity: &Arc<Activity>| places.enter([127, 0, 0, 1].into(), activity);
        let (left, rested, takes) = (busy(), busy(), busy());
        let answer = left.number();
        left.offer(answer);
        let _held = (enter(&left).unwrap(), enter(&rested).unwrap());
        assert!(enter(&takes).is_none(), "it may take it yet");
        left.taken(answer);
        untaken(&left);
        rested.end();
        let _first = enter(&takes).unwrap();
        assert!(rested.cut.is_cancelled() && !left.cut.is_cancelled());
        let _second = enter(&busy()).unwrap();
        assert!(left.cut.is_cancelled());
        takes.offer(takes.number());
        assert!(enter(&busy()).is_none() && !takes.cut.is_cancelled());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one() {
        let (a, b) = ("2001:db8::1".parse().unwrap(), "2001:db8::ffff:1".parse().unwrap());
        assert_eq!(network(a), network(b));
        assert_ne!(network(a), network("2001:db8:0:1::1".parse().unwrap()));
        assert_eq!(network("::ffff:10.0.0.1".parse().unwrap()), address(1));
    }
}
