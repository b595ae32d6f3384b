//! What comes out of the replica, and where it goes: to members, to the book of addresses, to the
//! index of agents, to the audit log.

use super::driver::Driver;
use super::jobs::{Job, Step};
use super::own::Fresh;
use crate::chance::now_ms;
use crate::mesh::Source;
use crate::mesh::local::began_ms;
use crate::mesh::serve::principal;
use crate::mesh::shared::Shared;
use hubless_proto::audit::{Entry, Event, Outcome};
use hubless_proto::directory::replica::{
    Output, Refusal, Removal, Replica, RowKey, Sealed, Statement, Taken,
};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::v1;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use tokio::time::Instant;

/// Who noticed that a node was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Witness {
    /// This node, of its own connection or try.
    Own,
    /// Others, who say so.
    Others,
}

/// A node that was lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    witness: Witness,
    /// When this node tries once more to reach it.
    again: Option<Instant>,
    /// When its agents are found no more.
    fades: Instant,
}

impl Lost {
    fn new(witness: Witness) -> Self {
        let now = Instant::now();
        // Others need not all try to reach what one of them lost.
        let again = (witness == Witness::Own).then(|| now + limits::FADE / 2);
        Self { witness, again, fades: now + limits::FADE }
    }

    /// When something is to be done about it.
    pub(super) fn due(&self) -> Instant {
        self.again.unwrap_or(self.fades)
    }
}

/// Agents of one node that are announced together.
#[derive(Debug, Default)]
struct Telling {
    node: Option<NodeKey>,
    agents: Vec<v1::AgentAnnouncement>,
}

impl Telling {
    fn add(&mut self, shared: &Shared, node: NodeKey, agent: v1::AgentAnnouncement) {
        if self.node != Some(node) {
            self.tell(shared);
            self.node = Some(node);
        }
        self.agents.push(agent);
    }

    /// Announces what was added, of a node that is a member: its member may have been revoked since
    /// its record was taken.
    fn tell(&mut self, shared: &Shared) {
        let agents = std::mem::take(&mut self.agents);
        let Some(node) = self.node.take().filter(|_| !agents.is_empty()) else { return };
        if shared.book.is_proven(node, &shared.local, now_ms()) {
            let announcement = v1::NodeAnnouncement { agents, ..Default::default() };
            shared.host.announced(Source::Spread(node), announcement);
        }
    }
}

impl Driver {
    /// Carries what came of a job; gives the nodes that were taken for lost and are heard of again.
    pub(super) fn carry(&mut self, replica: &Replica<Sealed>, step: Step) -> BTreeSet<NodeKey> {
        let Step { from, here, unread, outputs } = step;
        let member = from.map(|(member, _)| member);
        for error in &unread {
            tracing::debug!(?member, %error, "what a member passed on is no record");
            self.shared.host.noted(brought(member).refused(error));
        }
        let ip = from.and_then(|(_, ip)| ip);
        let (mut telling, mut returned) = (Telling::default(), BTreeSet::new());
        for output in outputs {
            if !matches!(output, Output::Taken { .. }) {
                telling.tell(&self.shared);
            }
            match output {
                Output::Send { to, message } => self.send(to, &message),
                Output::Taken { statement, how, from } => {
                    self.taken(replica, (&statement, how, from), &mut telling);
                }
                Output::Refused { key, seq, from, why } => self.refused(key, seq, from, &why),
                Output::Removed { statement, why } => self.removed(&statement, why),
                Output::Suspected(node) => self.suspected(node, member),
                Output::Returned(node) => {
                    self.lost.remove(&node);
                    self.no_way.remove(&node);
                    returned.insert(node);
                }
                Output::Refute => {
                    let node = self.own.refute(&self.shared.local, now_ms());
                    self.more.push(Job::Own(Fresh { node, ..Fresh::default() }));
                }
            }
        }
        telling.tell(&self.shared);
        self.place_here(&here, ip);
        returned
    }

    /// Notes which nodes run where the member is that says so, whoever told of them first.
    fn place_here(&mut self, here: &[NodeKey], ip: Option<IpAddr>) {
        let Some(ip) = ip else { return };
        for node in here {
            if self.shared.book.told_here(*node, ip) && self.no_way.remove(node) {
                self.look_soon();
            }
        }
    }

    fn taken(
        &mut self,
        replica: &Replica<Sealed>,
        (statement, how, from): (&Sealed, Taken, Option<NodeKey>),
        telling: &mut Telling,
    ) {
        let key = statement.claim().key;
        let seq = statement.claim().seq;
        tracing::trace!(?key, seq, ?how, ?from, "a record is taken");
        // What this node says itself, and what lies in its folder, is known already.
        if from.is_none() {
            return;
        }
        if let Some(gone) = self.own.heard(&self.shared.local, statement.claim()) {
            self.more.push(Job::Own(Fresh { gone: vec![gone], ..Fresh::default() }));
        }
        if self.is_known_otherwise(&key) {
            return;
        }
        match (key, statement.node(), statement.agent()) {
            (RowKey::Node(node), Some(record), _) => {
                self.shared.book.told(node, record.clone());
                // It may be elsewhere.
                self.no_way.remove(&node);
                self.shared.peers.touch(node);
                if how == Taken::New {
                    self.look_soon();
                }
            }
            (RowKey::Agent(_, node), _, Some(agent)) if self.is_found(replica, &node) => {
                telling.add(&self.shared, node, agent.clone());
            }
            (RowKey::Left(agent, node), ..) => {
                telling.tell(&self.shared);
                self.shared.host.hidden(node, vec![(agent, seq)]);
            }
            // Of what a record without its parts would say nothing is known, and what ends with
            // another one is told by its removal.
            (RowKey::Node(_) | RowKey::Agent(..) | RowKey::Ended(_), ..) => {}
        }
    }

    /// True for what is of this node, or of one that is told of by its file or its end.
    fn is_known_otherwise(&self, key: &RowKey) -> bool {
        key.owner().is_some_and(|node| {
            node == self.shared.local.node()
                || self.shared.book.is_near(node)
                || self.shared.dead.contains(node)
        })
    }

    /// True for a node whose agents are found: it is not lost, as far as this node knows, or others
    /// said so a moment ago.
    fn is_found(&self, replica: &Replica<Sealed>, node: &NodeKey) -> bool {
        let lost = self.lost.get(node);
        !replica.is_suspected(node) || lost.is_some_and(|lost| lost.witness == Witness::Others)
    }

    fn refused(&self, key: RowKey, seq: u64, from: Option<NodeKey>, why: &Refusal) {
        let name = why.name();
        tracing::debug!(?key, seq, ?from, why = name, "a record is refused");
        // What this node says itself, or finds in its folder, is nobody's attempt.
        if from.is_none() {
            return;
        }
        let row = match key {
            RowKey::Node(node) => brought(from).node(node),
            RowKey::Agent(agent, node) | RowKey::Left(agent, node) => {
                brought(from).node(node).agent(agent)
            }
            RowKey::Ended(_) => brought(from),
        };
        let row = match why {
            // It comes again, with its node or when there is time; or it came late, after what
            // followed it. Nobody who brings it does wrong.
            Refusal::NotMember | Refusal::Rate | Refusal::Older | Refusal::Dead => return,
            Refusal::Unproven(error) => row.refused(error),
            Refusal::Equivocation
            | Refusal::Expired
            | Refusal::NotYetValid
            | Refusal::SeqAhead
            | Refusal::Quota
            | Refusal::Full => {
                let mut row = row.because(name);
                row.outcome = Outcome::Refused;
                row
            }
        };
        self.shared.host.noted(row);
    }

    fn removed(&mut self, statement: &Sealed, why: Removal) {
        let key = statement.claim().key;
        let seq = statement.claim().seq;
        tracing::trace!(?key, seq, ?why, "a record is no more");
        if self.is_known_otherwise(&key) {
            return;
        }
        match key {
            RowKey::Node(node) => {
                self.lost.remove(&node);
                self.no_way.remove(&node);
                self.shared.book.untold(node);
            }
            RowKey::Agent(agent, node) => self.shared.host.hidden(node, vec![(agent, seq)]),
            RowKey::Left(..) | RowKey::Ended(_) => {}
        }
    }

    fn suspected(&mut self, node: NodeKey, by: Option<NodeKey>) {
        // Of one in the folder its lock tells.
        if self.shared.book.is_near(node) {
            return;
        }
        tracing::debug!(%node, ?by, "a node may be no more");
        let witness = if by.is_some() { Witness::Others } else { Witness::Own };
        if witness == Witness::Others {
            self.shared.host.unreached(node);
        }
        self.lost.insert(node, Lost::new(witness));
    }

    /// Does what is due about nodes that were lost.
    pub(super) fn fade(&mut self) {
        let now = Instant::now();
        let due: Vec<_> = self.lost.iter().filter(|(_, lost)| lost.due() <= now).collect();
        let due: Vec<_> = due.into_iter().map(|(node, lost)| (*node, *lost)).collect();
        for (node, lost) in due {
            if lost.again.is_some() {
                self.lost.insert(node, Lost { again: None, ..lost });
                self.dial(node, None);
            } else {
                self.lost.remove(&node);
                tracing::debug!(%node, "the agents of a lost node are found no more");
                self.shared.host.faded(node);
            }
        }
    }

    /// Says what this node says above a number that others hold of an earlier process of it.
    pub(super) fn rise(&mut self) {
        let Some(seq) = self.own.rises() else { return };
        let ahead_ms = seq.saturating_sub(now_ms());
        tracing::warn!(
            ahead_ms,
            "others hold later records under the key of this node: the clock of this machine was \
             set back, or another process uses the key; it is said anew above them"
        );
        let fresh = self.own.raised(seq, &self.shared.local, now_ms());
        self.more.push(Job::Own(fresh));
        self.shared.host.outnumbered(seq);
    }

    /// Announces the agents of nodes that are heard of again: they may have been found no more.
    /// Those of an earlier process under the key of a node do not come back with the next one.
    pub(super) fn announce_again(&self, replica: &Replica<Sealed>, nodes: &BTreeSet<NodeKey>) {
        let mut back: BTreeMap<NodeKey, Vec<v1::AgentAnnouncement>> = BTreeMap::new();
        let began = |node: &NodeKey| {
            let record = replica.row(&RowKey::Node(*node))?.node()?;
            let (_, instance) = self.shared.local.fellow(record)?;
            Some((*node, began_ms(instance)))
        };
        let nodes: BTreeMap<NodeKey, u64> = nodes.iter().filter_map(began).collect();
        for row in replica.rows() {
            let RowKey::Agent(_, node) = row.claim().key else { continue };
            if nodes.get(&node).is_some_and(|began_ms| *began_ms <= row.claim().issued_at_ms)
                && let Some(agent) = row.agent()
            {
                back.entry(node).or_default().push(agent.clone());
            }
        }
        for (node, agents) in back {
            let is_otherwise = self.is_known_otherwise(&RowKey::Node(node));
            if !is_otherwise && !replica.is_suspected(&node) {
                Telling { node: Some(node), agents }.tell(&self.shared);
            }
        }
    }
}

/// The row about a record that is refused, by who brought it.
fn brought(member: Option<NodeKey>) -> Entry {
    let entry = Entry::of(Event::RecordRefused);
    match member {
        Some(member) => entry.by(&principal(member)),
        None => entry,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_lost_a_node_itself_tries_once_more_before_it_fades() {
        let before = Instant::now();
        let (own, others) = (Lost::new(Witness::Own), Lost::new(Witness::Others));
        let after = Instant::now();
        assert!(own.due() >= before + limits::FADE / 2 && own.due() <= after + limits::FADE / 2);
        assert!(others.due() >= before + limits::FADE && others.due() <= after + limits::FADE);
        assert_eq!(Lost { again: None, ..own }.due(), own.fades);
    }
}
