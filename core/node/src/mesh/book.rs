//! Where other nodes can be reached, from wherever that is known.

use super::dialling::{self, may_ask, may_dial};
use super::local::Local;
use crate::chance::now_ms;
use crate::link::RelayUrl;
use crate::membership::Standing;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::{record, v1};
use prost::Message as _;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};

/// Nodes that are remembered without a record in the runtime folder.
const DISTANT: usize = 4_096;

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
        self.near.is_none() && self.said.is_none() && self.contact.is_empty()
    }
}

impl Book {
    pub(super) fn near(&self, node: NodeKey, record: v1::SignedRecord) {
        self.change(|entries| entries.entry(node).or_default().near = Some(record));
    }

    pub(super) fn said(&self, node: NodeKey, record: v1::SignedRecord, from: Option<IpAddr>) {
        self.change(|entries| {
            if entries.len() >= DISTANT {
                // Those that broke off make room.
                entries.retain(|other, entry| *other == node || !entry.is_lost());
            }
            if entries.len() < DISTANT || entries.contains_key(&node) {
                let entry = entries.entry(node).or_default();
                (entry.said, entry.lost) = (Some(Said { record, from }), None);
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

    /// Nodes that were met on a connection and have no file in the runtime folder.
    pub(super) fn distant(&self) -> Vec<NodeKey> {
        self.change(|entries| {
            let distant = entries.iter().filter(|(_, entry)| entry.near.is_none());
            distant.filter(|(_, entry)| entry.said.is_some()).map(|(node, _)| *node).collect()
        })
    }

    /// Nodes that have a record here, wherever it came from.
    pub(super) fn known(&self) -> Vec<NodeKey> {
        self.change(|entries| {
            let known = |entry: &Entry| entry.near.is_some() || entry.said.is_some();
            entries.iter().filter(|(_, entry)| known(entry)).map(|(node, _)| *node).collect()
        })
    }

    /// The process of a node ceased to exist; true when it was known from the folder.
    pub(super) fn gone(&self, node: NodeKey) -> bool {
        self.change(|entries| {
            let Some(entry) = entries.get_mut(&node) else { return false };
            let near = entry.near.take().is_some();
            (entry.said, entry.lost) = (None, None);
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
            Some((entry.near.clone(), said, entry.contact.clone()))
        });
        let (near, said, contact) = entry.unwrap_or_default();
        let of_folder = near.map(|record| (record, None));
        let of_itself = said.map(|said| (said.record, Some(said.from)));
        let mut why = None;
        for (record, said) in [of_folder, of_itself].into_iter().flatten() {
            let opened = open(&record, node, local, now);
            let reach = match said {
                None => opened,
                Some(from) => opened.and_then(|reach| outside(reach, from, node)),
            };
            match reach {
                Ok(reach) if reach.addresses.is_empty() && reach.relays.is_empty() => {}
                Ok(mut reach) => {
                    // It may be at another address by now than it said in its record.
                    let met = contact.met.iter().filter(|at| !reach.addresses.contains(at));
                    reach.addresses.extend(met.copied().collect::<Vec<_>>());
                    return Ok(reach);
                }
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

    /// What a node says of itself: in its file, and on a connection.
    fn records(&self, node: NodeKey) -> impl Iterator<Item = v1::SignedRecord> + use<> {
        let records = self.change(|entries| {
            let entry = entries.get(&node)?;
            let said = entry.said.as_ref().map(|said| said.record.clone());
            Some([entry.near.clone(), said])
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

    /// Nodes that were met on a connection and whose token states this role.
    pub(super) fn of_role(&self, role: &str, local: &Local) -> Vec<NodeKey> {
        let now = now_ms();
        let said: Vec<_> = self.change(|entries| {
            let said = |(node, entry): (&NodeKey, &Entry)| {
                Some((*node, entry.said.as_ref()?.record.clone()))
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
fn proven(
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
fn outside(reach: Reach, from: Option<IpAddr>, node: NodeKey) -> Result<Reach> {
    let networks = dialling::networks();
    let said = reach.addresses.len();
    let addresses: Vec<_> =
        reach.addresses.into_iter().filter(|one| may_dial(*one, from, &networks)).collect();
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
            book.said(node(0), v1::SignedRecord::default(), None);
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
        (0..DISTANT).for_each(|one| book.said(node(one), v1::SignedRecord::default(), None));
        book.said(node(DISTANT), v1::SignedRecord::default(), None);
        assert_eq!(book.known().len(), DISTANT, "there is no room");
        book.lost(node(0));
        book.said(node(DISTANT), v1::SignedRecord::default(), None);
        assert!(!dials(&book, node(0)));
        assert!(book.known().contains(&node(DISTANT)));
    }
}
