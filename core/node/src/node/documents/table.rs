//! Which documents are wanted, who is asked for them, and when they may be asked for again.

use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::record::Digest;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

/// A document, and a node that has it.
pub(super) type Wanted = (NodeKey, Digest);

/// The documents that are wanted; each is asked of one node, and of another when that is slow or
/// does not give it.
#[derive(Debug, Clone)]
pub(super) struct Table {
    own: NodeKey,
    rows: BTreeMap<Digest, Row>,
    asked: BTreeMap<NodeKey, Asked>,
    ended: u64,
    again: u64,
}

/// How far a document is.
#[derive(Debug, Clone)]
struct Row {
    /// The nodes that are asked for it, and since when; the last one was asked last.
    asked: Vec<(NodeKey, Instant)>,
    /// Nodes that did not give it, since all that have it were last tried.
    tried: Vec<NodeKey>,
    /// How many of them since it rested.
    failed: usize,
    came: bool,
    /// It came, or was not to be had: until then it is asked for of other nodes at most.
    rests: Instant,
}

/// What a node is asked for, and what is known of it.
#[derive(Debug, Clone, Default)]
struct Asked {
    documents: usize,
    /// True: it gave the last one that ended, and is not taken for one that hangs.
    gives: bool,
}

/// What became of documents that are missing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Begun {
    /// Those that are to be fetched now.
    pub(super) wanted: Vec<Wanted>,
    /// True: there are more, which have to wait for these or others to end.
    pub(super) left: bool,
    /// Those that are on their way, by whomever they were wanted.
    pub(super) flying: BTreeSet<Digest>,
    /// When another one may be fetched, if nothing ends before; none: then none may.
    pub(super) again_at: Option<Instant>,
}

/// Whether one may be fetched.
enum Place {
    Taken,
    /// It is being fetched; of this node it may be asked as well from then on.
    Flies(Option<Instant>),
    /// It came, or was not to be had, and rests until then.
    Rests(Instant),
    /// Its node did not give it before: others are asked first.
    Tried,
    /// As much is asked of its node as may be, which was not tried before and gives others.
    NodeBusy,
    /// Its node was asked for another one first, and did not give that yet.
    NodeNew,
    /// As many are wanted as may be; the first of those that rest does so until then.
    Full(Option<Instant>),
}

impl Table {
    pub(super) const fn new(own: NodeKey) -> Self {
        Self { own, rows: BTreeMap::new(), asked: BTreeMap::new(), ended: 0, again: 0 }
    }

    /// Takes in those of the missing ones that are to be fetched, about `some` at most.
    pub(super) fn begin(
        &mut self,
        missing: impl Iterator<Item = Wanted>,
        some: usize,
        now: Instant,
    ) -> Begun {
        let (mut begun, mut tried) = (Begun::default(), BTreeMap::new());
        let mut waits = BTreeSet::new();
        for wanted in missing {
            // What flies is looked at further: another node may have to be asked for it.
            if begun.wanted.len() >= some && !begun.flying.contains(&wanted.1) {
                begun.left = true;
                break;
            }
            let place = self.take(wanted, now);
            let is_full = matches!(place, Place::Full(_));
            if matches!(place, Place::Tried) {
                tried.entry(wanted.1).or_insert(wanted.0);
            }
            if matches!(place, Place::NodeBusy) {
                waits.insert(wanted.1);
            }
            begun.note(wanted, place);
            if is_full {
                break;
            }
        }
        for (digest, node) in tried {
            let waits = waits.contains(&digest);
            let row = self.rows.get_mut(&digest).filter(|row| row.asked.is_empty() && !waits);
            // Else a node is asked that was not tried, now or as soon as it has given another.
            let Some(row) = row else { continue };
            if begun.wanted.len() >= some {
                begun.left = true;
                break;
            }
            row.tried.clear();
            let place = self.take((node, digest), now);
            begun.note((node, digest), place);
        }
        begun
    }

    /// It came.
    pub(super) fn came(&mut self, wanted: &Wanted, now: Instant) {
        if let Some(asked) = self.asked.get_mut(&wanted.0) {
            asked.gives = true;
        }
        self.end(wanted);
        if let Some(row) = self.rows.get_mut(&wanted.1) {
            row.tried.clear();
            (row.failed, row.came) = (0, true);
            row.rests = now + limits::DOCUMENT_REST;
        }
    }

    /// The node that was asked did not give it.
    pub(super) fn failed(&mut self, wanted: &Wanted, now: Instant) {
        if let Some(asked) = self.asked.get_mut(&wanted.0) {
            asked.gives = false;
        }
        self.end(wanted);
        let row = self.rows.get_mut(&wanted.1).filter(|row| !row.came);
        // Else another node gave it.
        let Some(row) = row else { return };
        if row.tried.len() >= limits::DOCUMENT_TRIED {
            row.tried.clear();
        }
        row.tried.push(wanted.0);
        row.failed += 1;
        row.rests = now + limits::DOCUMENT_AGAIN;
        // Another node may have it.
        self.again += 1;
    }

    /// Nobody could be asked.
    pub(super) fn forget(&mut self, wanted: &Wanted) {
        self.end(wanted);
    }

    /// True while one that did not come is being fetched from a node that may still give it soon.
    pub(super) fn flies(&self, digest: &Digest, now: Instant) -> bool {
        let soon = |(_, since): &(NodeKey, Instant)| *since + limits::DOCUMENT_SLOW > now;
        self.rows.get(digest).is_some_and(|row| !row.came && row.asked.iter().any(soon))
    }

    /// True when it came, until it is fetched anew.
    pub(super) fn has_come(&self, digest: &Digest) -> bool {
        self.rows.get(digest).is_some_and(|row| row.came)
    }

    /// Grows when one came, or was not to be had: then there is room for another.
    pub(super) const fn ended(&self) -> u64 {
        self.ended
    }

    /// Grows when one was not to be had, which may be asked for of another node.
    pub(super) const fn again(&self) -> u64 {
        self.again
    }

    fn take(&mut self, (node, digest): Wanted, now: Instant) -> Place {
        let blocked = self.rows.get(&digest).and_then(|row| row.blocks(&node, now));
        if let Some(place) = blocked {
            return place;
        }
        // The own node is not waited for.
        let busy = self.asked.get(&node).filter(|asked| node != self.own && asked.is_busy());
        if let Some(busy) = busy {
            return if busy.gives { Place::NodeBusy } else { Place::NodeNew };
        }
        let most = limits::DIRECTORY_SCHEMAS;
        if self.rows.len() >= most && !self.rows.contains_key(&digest) {
            self.rows.retain(|_, row| !row.is_over(now));
            if self.rows.len() >= most {
                let resting = self.rows.values().filter(|row| row.asked.is_empty());
                return Place::Full(resting.map(|row| row.rests).min());
            }
        }
        let row = self.rows.entry(digest).or_insert_with(|| Row::new(now));
        if row.asked.is_empty() && row.rests <= now {
            (row.failed, row.came) = (0, false);
        }
        row.asked.push((node, now));
        if self.asked.len() >= limits::DIRECTORY_NODES {
            self.asked.retain(|_, asked| asked.documents > 0);
        }
        self.asked.entry(node).or_default().documents += 1;
        Place::Taken
    }

    /// This node is asked for it no more.
    fn end(&mut self, (node, digest): &Wanted) {
        self.ended += 1;
        let Some(row) = self.rows.get_mut(digest) else { return };
        let Some(at) = row.asked.iter().position(|(asked, _)| asked == node) else { return };
        row.asked.remove(at);
        if let Some(asked) = self.asked.get_mut(node) {
            asked.documents -= 1;
            if asked.documents == 0 && !asked.gives {
                self.asked.remove(node);
            }
        }
    }
}

impl Begun {
    fn note(&mut self, wanted: Wanted, place: Place) {
        let at = match place {
            Place::Taken => {
                self.wanted.push(wanted);
                self.flying.insert(wanted.1);
                None
            }
            Place::Flies(at) => {
                self.flying.insert(wanted.1);
                at
            }
            Place::Rests(at) => Some(at),
            Place::Tried => None,
            Place::NodeBusy | Place::NodeNew => {
                self.left = true;
                None
            }
            Place::Full(at) => {
                self.left = true;
                at
            }
        };
        self.again_at = self.again_at.into_iter().chain(at).min();
    }
}

impl Asked {
    const fn is_busy(&self) -> bool {
        // One that hangs from the start takes no more than one place of all.
        let most = if self.gives { limits::DOCUMENTS_PER_NODE } else { 1 };
        self.documents >= most
    }
}

impl Row {
    const fn new(now: Instant) -> Self {
        Self { asked: Vec::new(), tried: Vec::new(), failed: 0, came: false, rests: now }
    }

    /// Why the node may not be asked; none: it may.
    fn blocks(&self, node: &NodeKey, now: Instant) -> Option<Place> {
        if self.came && now < self.rests {
            return Some(Place::Rests(self.rests));
        }
        let is_asked = self.asked.iter().any(|(asked, _)| asked == node);
        let is_new = !is_asked && !self.tried.contains(node);
        let another = is_new && self.failed + self.asked.len() < limits::DOCUMENT_HOSTS;
        if let Some((_, last)) = self.asked.last() {
            let slow = *last + limits::DOCUMENT_SLOW;
            let may = another && slow <= now;
            return (!may).then(|| Place::Flies(another.then_some(slow)));
        }
        if self.rests <= now {
            return (!is_new).then_some(Place::Tried);
        }
        (!another).then_some(Place::Rests(self.rests))
    }

    fn is_over(&self, now: Instant) -> bool {
        self.asked.is_empty() && self.rests <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const OWN: NodeKey = NodeKey::from_bytes([0; 32]);
    const INSTANT: Duration = Duration::from_millis(1);

    fn node(n: u8) -> NodeKey {
        NodeKey::from_bytes([n; 32])
    }

    fn digest(n: usize) -> Digest {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&(n as u64).to_be_bytes());
        digest
    }

    /// True when the document is to be fetched from the node now.
    fn begins(table: &mut Table, wanted: Wanted, now: Instant) -> bool {
        !table.begin([wanted].into_iter(), 1, now).wanted.is_empty()
    }

    /// Which nodes of those before `end` are asked for one document.
    fn asks(table: &mut Table, end: u8, now: Instant) -> Vec<NodeKey> {
        let begun = table.begin((1..end).map(|n| (node(n), digest(0))), 9, now);
        begun.wanted.into_iter().map(|(node, _)| node).collect()
    }

    #[test]
    fn so_many_are_wanted_and_the_next_when_one_has_rested() {
        let (mut table, now) = (Table::new(OWN), Instant::now());
        let many = limits::DIRECTORY_SCHEMAS;
        let all = (0..many).map(|n| (OWN, digest(n)));
        let begun = table.begin(all.chain([(OWN, digest(many))]), many + 1, now);
        assert_eq!((begun.wanted.len(), begun.left, begun.again_at), (many, true, None));
        table.failed(&(OWN, digest(0)), now);
        let again = now + limits::DOCUMENT_AGAIN;
        for wanted in [digest(0), digest(many)] {
            let early = table.begin([(OWN, wanted)].into_iter(), 1, again - INSTANT);
            assert!(early.wanted.is_empty());
            assert_eq!(early.again_at, Some(again), "it is looked for when there is room");
        }
        assert!(begins(&mut table, (OWN, digest(many)), again));
        assert!(!begins(&mut table, (OWN, digest(0)), again), "another one has its place");
        table.forget(&(OWN, digest(2)));
        assert!(begins(&mut table, (OWN, digest(2)), now), "nobody was asked");
        assert!(!begins(&mut table, (OWN, digest(2)), again), "it is being fetched");
    }

    #[test]
    fn what_came_and_was_pushed_out_is_fetched_once_it_has_rested() {
        let (mut table, now) = (Table::new(OWN), Instant::now());
        let one = (node(1), digest(0));
        assert!(begins(&mut table, one, now) && table.flies(&one.1, now));
        table.came(&one, now);
        assert!(!table.flies(&one.1, now));
        let rested = now + limits::DOCUMENT_REST;
        let early = table.begin([one].into_iter(), 1, rested - INSTANT);
        let expected = Begun { again_at: Some(rested), ..Begun::default() };
        assert_eq!(early, expected, "it is looked for then");
        assert!(begins(&mut table, one, rested) && table.flies(&one.1, rested));
    }

    #[test]
    fn a_document_is_asked_of_the_next_node_once_the_one_before_did_not_give_it() {
        let (mut table, now) = (Table::new(OWN), Instant::now());
        let of = |n| (node(n), digest(0));
        assert!(begins(&mut table, of(1), now));
        assert!(!begins(&mut table, of(2), now), "the first may still give it");
        for n in 1..limits::DOCUMENT_HOSTS as u8 {
            let before = table.again();
            table.failed(&of(n), now);
            assert!(table.again() > before);
            assert!(!begins(&mut table, of(n), now), "it was just asked");
            assert!(begins(&mut table, of(n + 1), now));
        }
        let last = limits::DOCUMENT_HOSTS as u8;
        table.failed(&of(last), now);
        let again = now + limits::DOCUMENT_AGAIN;
        assert!(asks(&mut table, last + 2, again - INSTANT).is_empty());
        assert_eq!(asks(&mut table, last + 2, again), [node(last + 1)], "it was not asked yet");
        table.failed(&of(last + 1), again);
        assert!(asks(&mut table, last + 2, again).is_empty(), "all were asked");
        let again = again + limits::DOCUMENT_AGAIN;
        assert_eq!(asks(&mut table, last + 2, again), [node(1)], "all may be asked again");
        table.failed(&of(1), again);
        assert_eq!(asks(&mut table, last + 2, again), [node(2)]);
        table.came(&of(2), again);
        assert!(!begins(&mut table, of(9), again), "nobody is asked for what came");
    }

    #[test]
    fn so_many_nodes_are_remembered_not_to_have_given_a_document() {
        let (mut table, mut now) = (Table::new(OWN), Instant::now());
        let most = limits::DOCUMENT_TRIED as u8;
        for n in 1..=most + 1 {
            assert_eq!(asks(&mut table, most + 2, now), [node(n)]);
            table.failed(&(node(n), digest(0)), now);
            now += limits::DOCUMENT_AGAIN;
        }
        assert_eq!(asks(&mut table, most + 2, now), [node(1)], "it is forgotten");
    }

    #[test]
    fn another_node_is_asked_for_a_document_that_one_is_slow_to_give() {
        let (mut table, now) = (Table::new(OWN), Instant::now());
        let all = || (1..4).map(|n| (node(n), digest(0)));
        let slow = now + limits::DOCUMENT_SLOW;
        let begun = table.begin(all(), 1, now);
        assert_eq!(begun.wanted, [(node(1), digest(0))]);
        assert_eq!((begun.left, begun.again_at), (false, Some(slow)));
        let early = table.begin(all(), 1, slow - INSTANT);
        assert_eq!((early.wanted.len(), early.again_at), (0, Some(slow)));
        let begun = table.begin(all(), 1, slow);
        assert_eq!(begun.wanted, [(node(2), digest(0))], "one more");
        assert_eq!(begun.again_at, Some(slow + limits::DOCUMENT_SLOW));
        table.came(&(node(2), digest(0)), slow);
        assert!(!table.flies(&digest(0), now));
        let again = table.again();
        table.failed(&(node(1), digest(0)), slow);
        assert_eq!(table.again(), again, "it came from another");
        let rested = slow + limits::DOCUMENT_REST;
        assert!(asks(&mut table, 4, rested - INSTANT).is_empty());
    }

    #[test]
    fn no_more_than_so_many_slow_nodes_are_asked_for_a_document() {
        let (mut table, mut now) = (Table::new(OWN), Instant::now());
        for n in 1..=limits::DOCUMENT_HOSTS as u8 {
            assert_eq!(asks(&mut table, 9, now), [node(n)]);
            now += limits::DOCUMENT_SLOW;
        }
        let begun = table.begin((1..9).map(|n| (node(n), digest(0))), 9, now);
        let flying = [digest(0)].into();
        assert_eq!(begun, Begun { flying, ..Begun::default() });
    }

    #[test]
    fn a_node_is_asked_for_so_many_at_once_and_others_meanwhile() {
        let (mut table, now) = (Table::new(OWN), Instant::now());
        let many = limits::DOCUMENTS_PER_NODE;
        let all =
            |from| (from..many + 3).map(|n| (node(1), digest(n))).chain([(node(2), digest(99))]);
        let begun = table.begin(all(0), 99, now);
        let expected = [(node(1), digest(0)), (node(2), digest(99))];
        assert_eq!((begun.wanted.as_slice(), begun.left), (&expected[..], true), "it gave none");
        let ended = table.ended();
        table.came(&(node(1), digest(0)), now);
        assert!(table.ended() > ended);
        let begun = table.begin(all(1), 99, now);
        let expected: Vec<Wanted> = (1..=many).map(|n| (node(1), digest(n))).collect();
        assert_eq!((begun.wanted, begun.left), (expected, true));
        table.came(&(node(1), digest(1)), now);
        let begun = table.begin(all(2), 99, now);
        assert_eq!(begun.wanted, [(node(1), digest(many + 1))]);
        table.failed(&(node(1), digest(2)), now);
        let begun = table.begin(all(3), 99, now);
        assert!(begun.wanted.is_empty() && begun.left, "it may hang");
    }

    #[test]
    fn a_node_that_gives_is_waited_for_before_one_is_asked_again_that_did_not_give() {
        let (mut table, now) = (Table::new(OWN), Instant::now());
        let many = limits::DOCUMENTS_PER_NODE;
        assert_eq!(asks(&mut table, 2, now), [node(1)]);
        table.failed(&(node(1), digest(0)), now);
        assert!(begins(&mut table, (node(2), digest(1)), now));
        let again = now + limits::DOCUMENT_AGAIN;
        // One that has given nothing yet may hang: the one before it is asked again.
        let mut hangs = table.clone();
        assert_eq!(asks(&mut hangs, 3, again), [node(1)]);
        table.came(&(node(2), digest(1)), now);
        for n in 2..many + 2 {
            assert!(begins(&mut table, (node(2), digest(n)), again));
        }
        let both = || [1, 2].into_iter().map(|n| (node(n), digest(0)));
        let begun = table.begin(both(), 9, again);
        assert!(begun.wanted.is_empty() && begun.left, "{begun:?}");
        table.came(&(node(2), digest(2)), again);
        assert_eq!(table.begin(both(), 9, again).wanted, [(node(2), digest(0))]);
    }

    #[test]
    fn so_many_nodes_are_remembered_to_give() {
        let (mut table, now) = (Table::new(OWN), Instant::now());
        let of = |n: usize| (NodeKey::from_bytes(digest(n)), digest(n));
        for n in 0..=limits::DIRECTORY_NODES {
            assert!(begins(&mut table, of(n), now));
            table.came(&of(n), now);
            table.rows.clear();
        }
        assert_eq!(table.asked.len(), 1);
    }

    #[test]
    fn some_are_begun_and_the_others_left() {
        let (mut table, now) = (Table::new(OWN), Instant::now());
        let all = || (0..3).map(|n| (node(n as u8 + 1), digest(n)));
        let begun = table.begin(all(), 2, now);
        assert_eq!((begun.wanted, begun.left), (all().take(2).collect(), true));
        let begun = table.begin(all(), 2, now);
        assert_eq!((begun.wanted, begun.left), (all().skip(2).collect(), false));
        assert_eq!(begun.flying, all().map(|(_, digest)| digest).collect());
    }
}
