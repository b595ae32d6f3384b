//! Connections that have not proven yet whose they are: a value, told who comes and goes.

use hubless_proto::limits;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};

/// Those that introduce themselves, by number: who came first has the lowest.
#[derive(Debug)]
pub(super) struct Places<E> {
    /// Of one source at once.
    most_of_source: usize,
    next: u64,
    taken: BTreeMap<u64, Taken<E>>,
}

#[derive(Debug)]
struct Taken<E> {
    source: IpAddr,
    end: E,
}

impl<E> Places<E> {
    /// For at most so many of one source.
    pub(super) const fn new(most_of_source: usize) -> Self {
        Self { most_of_source, next: 0, taken: BTreeMap::new() }
    }

    /// Gives a place to a connection, and says by which number. Where there is none, whoever has
    /// one for the longest gives way, of the same source where that has all of its own; what ends
    /// it is given. Who is silent thus keeps nobody out who is not.
    pub(super) fn take(&mut self, from: IpAddr, end: E) -> (u64, Option<E>) {
        let source = source(from);
        let own = || self.taken.iter().filter(|(_, taken)| taken.source == source);
        let first = if own().count() >= self.most_of_source {
            own().next()
        } else if self.taken.len() >= limits::RELAY_HANDSHAKES {
            self.taken.first_key_value()
        } else {
            None
        };
        let first = first.map(|(number, _)| *number);
        let displaced = first.and_then(|number| self.taken.remove(&number));
        let number = self.next;
        self.next += 1;
        self.taken.insert(number, Taken { source, end });
        (number, displaced.map(|taken| taken.end))
    }

    /// The connection of this number introduced itself, or ended.
    pub(super) fn left(&mut self, number: u64) {
        self.taken.remove(&number);
    }
}

/// Addresses that one host may choose from: of IPv6 a network of 64 bits.
fn source(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V4(four) => four.into(),
        IpAddr::V6(six) => Ipv6Addr::from_bits(six.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    const OF_SOURCE: usize = limits::RELAY_SOURCE_HANDSHAKES;

    fn four(last: usize) -> IpAddr {
        Ipv4Addr::from_bits(u32::try_from(last).unwrap()).into()
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_of_a_source_gives_way_when_it_has_all_of_its_own() {
        let mut places = Places::new(OF_SOURCE);
        let other = places.take(four(1), 1_000);
        assert_eq!(other, (0, None));
        for end in 0..OF_SOURCE {
            assert_eq!(places.take(four(2), end).1, None);
        }
        assert_eq!(places.take(four(2), 500).1, Some(0), "not the other's, which came before");
        assert_eq!(places.take(four(2), 501).1, Some(1));
        places.left(3);
        assert_eq!(places.take(four(2), 502).1, None, "one had left");
        places.left(1);
        assert_eq!(places.take(four(2), 503).1, Some(3), "what gave way does not leave again");
    }

    #[test]
    fn the_first_of_all_gives_way_when_all_are_taken() {
        let mut places = Places::new(OF_SOURCE);
        for end in 0..limits::RELAY_HANDSHAKES {
            assert_eq!(places.take(four(end), end).1, None);
        }
        assert_eq!(places.take(four(9_999), 9_999).1, Some(0));
        places.left(1);
        assert_eq!(places.take(four(9_998), 9_998).1, None);
        assert_eq!(places.take(four(9_997), 9_997).1, Some(2));
    }

    #[test]
    fn a_network_of_ipv6_is_one_source_and_an_address_of_ipv4_is_one() {
        for (one, other, are_one) in [
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("192.0.2.1", "192.0.2.2", false),
            ("::ffff:192.0.2.1", "::ffff:192.0.2.2", false),
        ] {
            let mut places = Places::new(1);
            places.take(address(one), "first");
            let displaced = places.take(address(other), "second").1;
            assert_eq!(displaced, are_one.then_some("first"), "{one} {other}");
        }
    }
}
