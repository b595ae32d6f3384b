//! Where other nodes can be reached, from wherever that is known.

use super::dialling::{self, Network, is_own, may_ask, may_dial};
use super::local::Local;
use crate::chance::now_ms;
use crate::link::RelayUrl;
use crate::membership::Standing;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::{record, v1};
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

/// Nodes that are remembered by what they said on a connection.
const DISTANT: usize = 4_096;

/// Places of members that are remembered as those of one node.
const PLACES: usize = 4;

/// What is known about other nodes; records are opened when they are dialled.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: Mutex<BTreeMap<NodeKey, Entry>>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Its file in the runtime folder.
    near: Option<v1::SignedRecord>,
    /// What it said of itself on a connection.
    said: Option<Said>,
    /// The same, since that connection broke: a call that knows the node dials it there.
    lost: Option<Said>,
    /// What members pass on of it.
    told: Option<Told>,
    /// From a ticket, or the local network.
    contact: Contact,
}

/// Where a node is, as somebody said whom the operator believes.
#[derive(Debug, Clone, Default)]
struct Contact {
    addresses: Vec<SocketAddr>,
    relays: Vec<RelayUrl>,
    /// On a local network, as it says there now.
    met: Vec<SocketAddr>,
}

impl Contact {
    const fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.relays.is_empty() && self.met.is_empty()
    }
}

#[derive(Debug, Clone)]
struct Said {
    record: v1::SignedRecord,
    /// Where the connection came from.
    from: Option<IpAddr>,
    hears: Hears,
}

#[derive(Debug, Clone)]
struct Told {
    record: v1::SignedRecord,
    /// Where members are that said to be on its machine, the latest first.
    from: Vec<IpAddr>,
}

/// By what a node hears of agents that change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hears {
    /// By the records that members pass on.
    Records,
    /// By what it is shown on a connection.
    Shown,
}

/// A node that can be dialled.
#[derive(Debug)]
pub(super) struct Reach {
    pub(super) addresses: Vec<SocketAddr>,
    /// Relays that it can be reached by, as far as it says itself, or a ticket does.
    pub(super) relays: Vec<RelayUrl>,
    /// Its token was checked: requests may be sent before its HELLO has come.
    pub(super) trusted: bool,
}

impl Entry {
    /// True for one that is kept for those who dial it alone.
    const fn is_lost(&self) -> bool {
        self.near.is_none() && self.said.is_none() && self.told.is_none() && self.contact.is_empty()
    }

    /// True for one that nothing is known of.
    const fn is_empty(&self) -> bool {
        self.is_lost() && self.lost.is_none()
    }
}

impl Book {
    pub(super) fn near(&self, node: NodeKey, record: v1::SignedRecord) {
        self.change(|entries| entries.entry(node).or_default().near = Some(record));
    }

    pub(super) fn said(
        &self,
        node: NodeKey,
        record: v1::SignedRecord,
        from: Option<IpAddr>,
        hears: Hears,
    ) {
        self.change(|entries| {
            if entries.len() >= DISTANT {
                // Those that broke off make room.
                entries.retain(|other, entry| *other == node || !entry.is_lost());
            }
            // Those that were only told of take no place of theirs.
            let is_met = |entry: &&Entry| entry.said.is_some() || entry.lost.is_some();
            let has_room =
                entries.len() < DISTANT || entries.values().filter(is_met).count() < DISTANT;
            if has_room || entries.contains_key(&node) {
                let entry = entries.entry(node).or_default();
                (entry.said, entry.lost) = (Some(Said { record, from, hears }), None);
            }
        });
    }

    /// Members pass on what a node says of itself.
    pub(super) fn told(&self, node: NodeKey, record: v1::SignedRecord) {
        self.change(|entries| {
            let has_room = entries.len() < limits::DIRECTORY_NODES + DISTANT;
            if has_room || entries.contains_key(&node) {
                let entry = entries.entry(node).or_default();
                let from = entry.told.take().map(|told| told.from).unwrap_or_default();
                (entry.told, entry.lost) = (Some(Told { record, from }), None);
            }
        });
    }

    /// A member says that a node, of which others told as well, runs on its machine, which is
    /// there; true: it was not known to be.
    pub(super) fn told_here(&self, node: NodeKey, from: IpAddr) -> bool {
        self.change(|entries| {
            let told = entries.get_mut(&node).and_then(|entry| entry.told.as_mut());
            let Some(told) = told.filter(|told| !told.from.contains(&from)) else { return false };
            told.from.truncate(PLACES - 1);
            told.from.insert(0, from);
            true
        })
    }

    /// What members passed on of a node is over, or was taken back.
    pub(super) fn untold(&self, node: NodeKey) {
        self.change(|entries| {
            let Some(entry) = entries.get_mut(&node) else { return };
            entry.told = None;
            if entry.is_empty() {
                entries.remove(&node);
            }
        });
    }

    /// The last connection to a node broke. It is known no more, except to who dials it.
    pub(super) fn lost(&self, node: NodeKey) {
        self.change(|entries| {
            if let Some(entry) = entries.get_mut(&node) {
                let said = entry.said.take();
                entry.lost = said.or_else(|| entry.lost.take());
            }
        });
    }

    pub(super) fn contact(&self, node: NodeKey, addresses: &[SocketAddr], relays: &[RelayUrl]) {
        self.change(|entries| {
            let contact = &mut entries.entry(node).or_default().contact;
            contact.addresses = addresses.to_vec();
            contact.relays = relays.to_vec();
        });
    }

    /// Where a node is on a local network, as it says there; nowhere: it said good-bye.
    pub(super) fn met(&self, node: NodeKey, addresses: Vec<SocketAddr>) {
        self.change(|entries| {
            let entry = entries.entry(node).or_default();
            entry.contact.met = addresses;
            if entry.is_lost() && entry.lost.is_none() {
                entries.remove(&node);
            }
        });
    }

    /// The process that the file of a node in the runtime folder is of.
    pub(super) fn near_instance(&self, node: NodeKey) -> Option<u64> {
        let near = self.change(|entries| entries.get(&node)?.near.clone())?;
        let record = v1::NodeRecord::decode(record::peek(&near).ok()?.body).ok()?;
        Some(record.instance)
    }

    /// True for a node whose file is in the runtime folder.
    pub(super) fn is_near(&self, node: NodeKey) -> bool {
        self.change(|entries| entries.get(&node).is_some_and(|entry| entry.near.is_some()))
    }

    /// Nodes whose files are in the runtime folder.
    pub(super) fn all_near(&self) -> BTreeSet<NodeKey> {
        self.change(|entries| {
            let near = entries.iter().filter(|(_, entry)| entry.near.is_some());
            near.map(|(node, _)| *node).collect()
        })
    }

    /// True for a node that runs on this machine, as far as is known.
    pub(super) fn is_here(&self, node: NodeKey, networks: &[Network]) -> bool {
        self.change(|entries| {
            let Some(entry) = entries.get(&node) else { return false };
            let said = entry.said.as_ref().and_then(|said| said.from);
            let is_own = |from: &IpAddr| is_own(*from, networks);
            let is_told = || entry.told.iter().flat_map(|told| &told.from).any(is_own);
            entry.near.is_some() || said.as_ref().map_or_else(is_told, is_own)
        })
    }

    /// Nodes that were met on a connection, have no file in the runtime folder, and hear of changes
    /// on a connection alone.
    pub(super) fn distant(&self) -> Vec<NodeKey> {
        let is_shown = |entry: &Entry| {
            entry.near.is_none()
                && entry.said.as_ref().is_some_and(|said| said.hears == Hears::Shown)
        };
        self.change(|entries| {
            entries.iter().filter(|(_, entry)| is_shown(entry)).map(|(node, _)| *node).collect()
        })
    }

    /// Nodes that have a record here, wherever it came from.
    pub(super) fn known(&self) -> Vec<NodeKey> {
        self.change(|entries| {
            let told = |entry: &Entry| entry.told.is_some() && entry.lost.is_none();
            let known = |entry: &Entry| entry.near.is_some() || entry.said.is_some() || told(entry);
            entries.iter().filter(|(_, entry)| known(entry)).map(|(node, _)| *node).collect()
        })
    }

    /// The process of a node ceased to exist; true when it was known from the folder.
    pub(super) fn gone(&self, node: NodeKey) -> bool {
        self.change(|entries| {
            let Some(entry) = entries.get_mut(&node) else { return false };
            let near = entry.near.take().is_some();
            (entry.said, entry.lost, entry.told) = (None, None, None);
            if entry.contact.is_empty() {
                entries.remove(&node);
            }
            near
        })
    }

    /// How to reach a node.
    pub(super) fn reach(&self, node: NodeKey, local: &Local, now: u64) -> Result<Reach> {
        let entry = self.change(|entries| {
            let entry = entries.get(&node)?;
            let said = entry.said.clone().or_else(|| entry.lost.clone());
            Some((entry.near.clone(), said, entry.told.clone(), entry.contact.clone()))
        });
        let (near, said, told, contact) = entry.unwrap_or_default();
        let of_folder = near.map(|record| (record, None));
        let of_itself = said.map(|said| (said.record, Some(Vec::from_iter(said.from))));
        let of_others = told.map(|told| (told.record, Some(told.from)));
        let mut why = None;
        for (record, from) in [of_folder, of_itself, of_others].into_iter().flatten() {
            let opened = open(&record, node, local, now);
            let reach = match from {
                None => opened,
                Some(from) => opened.and_then(|reach| outside(reach, &from, node)),
            };
            match reach {
                Ok(reach) if reach.addresses.is_empty() && reach.relays.is_empty() => {}
                Ok(reach) => return Ok(reach),
                Err(error) => why = Some(error),
            }
        }
        if !contact.is_empty() {
            let Contact { mut addresses, relays, met } = contact;
            addresses.extend(met);
            return Ok(Reach { addresses, relays, trusted: false });
        }
        Err(why.unwrap_or_else(|| {
            Error::new(Kind::Transport, format!("node {node} is not known, or is gone"))
                .with_code("unknown_node")
        }))
    }

    /// The zones that the token of a node states; none, where no record of it holds.
    pub(super) fn zones(&self, node: NodeKey, local: &Local, now: u64) -> Vec<String> {
        self.standing(node, local, now).map(|standing| standing.zones).unwrap_or_default()
    }

    /// True where a record of a node with a token of this mesh holds.
    pub(super) fn is_proven(&self, node: NodeKey, local: &Local, now: u64) -> bool {
        self.standing(node, local, now).is_some()
    }

    fn standing(&self, node: NodeKey, local: &Local, now: u64) -> Option<Standing> {
        let proven = |record| proven(&record, node, local, now).ok();
        self.records(node).find_map(proven).map(|(_, standing)| standing)
    }

    /// What a node says of itself: in its file, on a connection, and as members pass it on.
    fn records(&self, node: NodeKey) -> impl Iterator<Item = v1::SignedRecord> + use<> {
        let records = self.change(|entries| {
            let entry = entries.get(&node)?;
            let said = entry.said.as_ref().map(|said| said.record.clone());
            let told = entry.told.as_ref().map(|told| told.record.clone());
            Some([entry.near.clone(), said, told])
        });
        records.into_iter().flatten().flatten()
    }

    /// The key of a node of which a record is here, and that of its member where it has one; none:
    /// it is no node that is known.
    pub(super) fn member_keys(
        &self,
        key: NodeKey,
        local: &Local,
        now: u64,
    ) -> Option<Vec<[u8; 32]>> {
        // Those that are revoked as well: what goes with them may not be yet.
        let stated = self.records(key).find_map(|record| stated(&record, key, local, now).ok());
        // Not that of a bearer ticket: others may have joined by it.
        stated.map(|(_, standing)| standing.keys.into_iter().take(2).collect())
    }

    /// Nodes that were met on a connection, or that members tell of, and whose token states this
    /// role.
    pub(super) fn of_role(&self, role: &str, local: &Local) -> Vec<NodeKey> {
        let now = now_ms();
        let said: Vec<_> = self.change(|entries| {
            let said = |(node, entry): (&NodeKey, &Entry)| {
                let said = entry.said.as_ref().map(|said| &said.record);
                let record = said.or_else(|| entry.told.as_ref().map(|told| &told.record))?;
                Some((*node, record.clone()))
            };
            entries.iter().filter_map(said).collect()
        });
        let has_role = |(node, record): (NodeKey, v1::SignedRecord)| {
            let (_, standing) = proven(&record, node, local, now).ok()?;
            (standing.role == role).then_some(node)
        };
        said.into_iter().filter_map(has_role).collect()
    }

    fn change<T>(&self, act: impl FnOnce(&mut BTreeMap<NodeKey, Entry>) -> T) -> T {
        act(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a node says of itself, and what its token states, unless it rests on a revoked key.
pub(super) fn proven(
    signed: &v1::SignedRecord,
    node: NodeKey,
    local: &Local,
    now: u64,
) -> Result<(v1::NodeRecord, Standing)> {
    let (record, standing) = stated(signed, node, local, now)?;
    local.membership().check_keys(&standing.keys)?;
    Ok((record, standing))
}

fn stated(
    signed: &v1::SignedRecord,
    node: NodeKey,
    local: &Local,
    now: u64,
) -> Result<(v1::NodeRecord, Standing)> {
    let opened = record::open::<v1::NodeRecord>(signed, Some(&node), now)?;
    if opened.body.mesh != local.mesh().as_bytes().as_slice() {
        let message = format!("node {node} is in another mesh");
        return Err(Error::new(Kind::Denied, message).with_code("other_mesh"));
    }
    let standing = local.membership().judge(&opened.body.token, node, now)?;
    Ok((opened.body, standing))
}

fn open(signed: &v1::SignedRecord, node: NodeKey, local: &Local, now: u64) -> Result<Reach> {
    let (record, _) = proven(signed, node, local, now)?;
    let addresses = record.addresses.iter().filter_map(|text| text.parse().ok());
    let addresses = addresses.take(limits::NODE_ADDRESSES).collect();
    Ok(Reach { addresses, relays: relays_of(&record), trusted: true })
}

/// The relays that a node says of itself, as far as they are any.
pub(super) fn relays_of(record: &v1::NodeRecord) -> Vec<RelayUrl> {
    let relays = record.relays.iter().filter_map(|text| text.parse().ok());
    relays.take(limits::NODE_RELAYS).collect()
}

/// Leaves of what a node said of itself the addresses and relays that it may send others to.
fn outside(reach: Reach, from: &[IpAddr], node: NodeKey) -> Result<Reach> {
    let networks = dialling::networks();
    let said = reach.addresses.len();
    let may = |one: &SocketAddr| {
        may_dial(*one, None, &networks)
            || from.iter().any(|from| may_dial(*one, Some(*from), &networks))
    };
    let addresses: Vec<_> = reach.addresses.into_iter().filter(may).collect();
    let relays: Vec<_> =
        reach.relays.into_iter().filter(|relay| may_ask(relay, &networks)).collect();
    if said > 0 && addresses.is_empty() && relays.is_empty() {
        let message = format!(
            "node {node} says only addresses of networks that this machine is not on; \
             join by a ticket that names one that can be reached"
        );
        return Err(Error::new(Kind::Transport, message).with_code("no_address"));
    }
    Ok(Reach { addresses, relays, trusted: reach.trusted })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: usize) -> NodeKey {
        let mut key = [1; 32];
        key[..8].copy_from_slice(&number.to_le_bytes());
        NodeKey::from_bytes(key)
    }

    fn dials(book: &Book, node: NodeKey) -> bool {
        book.change(|all| all.get(&node).is_some_and(|entry| entry.lost.is_some()))
    }

    #[test]
    fn a_record_names_so_many_relays_and_what_is_none_is_left_out() {
        let many = limits::NODE_RELAYS + 1;
        let relay = |number: usize| format!("https://relay-{number}.example");
        let mut relays = vec!["ftp://relay.example".to_owned(), String::new()];
        relays.extend((0..many).map(relay));
        let record = v1::NodeRecord { relays, ..v1::NodeRecord::default() };
        let read: Vec<_> = relays_of(&record).iter().map(ToString::to_string).collect();
        assert_eq!(read, (0..limits::NODE_RELAYS).map(relay).collect::<Vec<_>>());
    }

    #[test]
    fn a_node_whose_connection_broke_is_known_to_who_dials_it_alone() {
        let book = Book::default();
        for round in 0..2 {
            book.said(node(0), v1::SignedRecord::default(), None, Hears::Shown);
            assert_eq!((book.known(), dials(&book, node(0))), (vec![node(0)], false), "{round}");
            book.lost(node(0));
            book.lost(node(0));
            assert!(book.known().is_empty() && book.distant().is_empty());
            assert!(dials(&book, node(0)));
        }
        book.gone(node(0));
        assert!(!dials(&book, node(0)), "one that is known to be no more");
    }

    #[test]
    fn those_that_broke_off_make_room() {
        let book = Book::default();
        (0..DISTANT)
            .for_each(|one| book.said(node(one), v1::SignedRecord::default(), None, Hears::Shown));
        book.said(node(DISTANT), v1::SignedRecord::default(), None, Hears::Shown);
        assert_eq!(book.known().len(), DISTANT, "there is no room");
        book.lost(node(0));
        book.said(node(DISTANT), v1::SignedRecord::default(), None, Hears::Shown);
        assert!(!dials(&book, node(0)));
        assert!(book.known().contains(&node(DISTANT)));
    }
    #[test]
    fn what_members_tell_of_a_node_is_known_until_it_is_over_or_the_node_is_lost() {
        let book = Book::default();
        let tell = || book.told(node(0), v1::SignedRecord::default());
        tell();
        assert_eq!(book.known(), [node(0)]);
        book.untold(node(0));
        assert!(book.known().is_empty());
        tell();
        book.said(node(0), v1::SignedRecord::default(), None, Hears::Records);
        assert!(book.distant().is_empty(), "it hears of changes by records");
        book.lost(node(0));
        assert!(book.known().is_empty() && dials(&book, node(0)));
        tell();
        assert_eq!(book.known(), [node(0)], "it is heard of again");
        book.gone(node(0));
        assert!(book.known().is_empty());
    }

    #[test]
    fn a_node_is_here_by_its_file_or_where_it_was_met() {
        let book = Book::default();
        let (ours, elsewhere) = ("127.0.0.1".parse().ok(), "192.0.2.99".parse().ok());
        book.near(node(0), v1::SignedRecord::default());
        (1..3).for_each(|one| book.told(node(one), v1::SignedRecord::default()));
        assert!(book.told_here(node(1), ours.unwrap()));
        book.said(node(3), v1::SignedRecord::default(), elsewhere, Hears::Records);
        let here = || (0..5).map(|one| book.is_here(node(one), &[])).collect::<Vec<_>>();
        assert_eq!(here(), [true, true, false, false, false]);
        // Whoever says so, and however late: the first that told of it may be anywhere.
        assert!(!book.told_here(node(1), ours.unwrap()) && !book.told_here(node(4), ours.unwrap()));
        assert!(book.told_here(node(2), elsewhere.unwrap()) && !here()[2]);
        assert!(book.told_here(node(2), ours.unwrap()) && here()[2]);
        book.told(node(2), v1::SignedRecord::default());
        assert!(here()[2], "it is renewed");
        let place = |n: u8| IpAddr::from([192, 0, 2, n]);
        assert!((1..9).all(|n| book.told_here(node(1), place(n))));
        let places = book.change(|all| all[&node(1)].told.as_ref().unwrap().from.clone());
        assert_eq!(places, [8, 7, 6, 5].map(place));
        assert_eq!(book.all_near().into_iter().collect::<Vec<_>>(), [node(0)]);
    }
}
