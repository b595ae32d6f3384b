//! The one task that owns the replica of a node.

use super::carry::Lost;
use super::jobs::{self, Job, Step};
use super::links::{Again, Dials};
use super::news::{Change, Heard};
use super::own::{Own, Pace};
use crate::chance;
use crate::mesh::RecordsHeld;
use crate::mesh::dialling::{self, Network};
use crate::mesh::shared::Shared;
use crate::runtime::records;
use hubless_proto::directory::replica::{
    Input, Loss, Message, Nearness, Replica, RowKey, Sealed, Statement,
};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;
use hubless_proto::wire::v1;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

/// Messages that are read together.
const TOGETHER: usize = 8;
/// How often the networks of this machine are read anew, while they are asked for.
const NETWORKS: Duration = Duration::from_secs(10);

/// The replica, and what is kept beside it.
pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
    /// None while it is worked on beside the event loop.
    replica: Option<Replica<Sealed>>,
    pub(super) own: Own,
    /// Members that this node is connected to.
    pub(super) links: BTreeMap<NodeKey, Nearness>,
    /// Nodes that were lost and of which agents are found yet, or were found until now.
    pub(super) lost: BTreeMap<NodeKey, Lost>,
    /// Nodes that cannot be dialled from here, which says nothing of them.
    pub(super) no_way: BTreeSet<NodeKey>,
    /// Nodes that do not speak of records.
    pub(super) mute: BTreeSet<NodeKey>,
    /// When it is looked whether there are links enough.
    pub(super) look: Instant,
    /// There are nodes beyond the runtime folder.
    pub(super) beyond: bool,
    pub(super) dials: Dials,
    /// When one of those that were lost is dialled again.
    pub(super) again: Option<Again>,
    networks: Option<(Instant, Arc<Vec<Network>>)>,
    /// Jobs that came of others.
    pub(super) more: Vec<Job>,
    unread: mpsc::Receiver<Heard>,
    announced: watch::Receiver<u64>,
}

/// What there is to do.
enum Wake {
    Leaving,
    Look,
    Heard(Heard),
}

/// Keeps the records of the mesh until the mesh is left. A node that is no member has none.
pub(in crate::mesh) async fn run(shared: &Arc<Shared>) {
    let Some((unread, _reads)) = shared.directory.read() else { return };
    if !shared.local.membership().is_member() {
        return;
    }
    let now = Instant::now();
    let mut driver = Driver {
        replica: Some(new_replica(shared)),
        own: Own::default(),
        links: BTreeMap::new(),
        lost: BTreeMap::new(),
        no_way: BTreeSet::new(),
        mute: BTreeSet::new(),
        look: now,
        beyond: false,
        dials: Dials::default(),
        again: None,
        networks: None,
        more: Vec::new(),
        unread,
        announced: shared.announced.subscribe(),
        shared: Arc::clone(shared),
    };
    let Some(first) = driver.sleep().await else { return };
    driver.begin(first).await;
    loop {
        match driver.wait().await {
            Wake::Leaving => return driver.leave().await,
            Wake::Look => driver.turn(None).await,
            Wake::Heard(heard) => {
                driver.shared.directory.taken_up(heard.from);
                driver.turn(Some(heard)).await;
            }
        }
    }
}

fn new_replica(shared: &Shared) -> Replica<Sealed> {
    let seed = u64::from_be_bytes(chance::bytes());
    Replica::new(shared.local.node(), seed, jobs::now())
}

impl Driver {
    /// Waits until there is a node beyond the runtime folder; gives what it said first, if it said
    /// something. None: this node leaves before.
    async fn sleep(&mut self) -> Option<Option<Heard>> {
        loop {
            let shared = Arc::clone(&self.shared);
            tokio::select! {
                biased;
                () = shared.directory.ends() => return None,
                heard = self.unread.recv() => {
                    return heard.inspect(|heard| shared.directory.taken_up(heard.from)).map(Some);
                }
                () = shared.directory.news() => {}
            }
            for node in shared.directory.take_changes().into_keys() {
                self.links.remove(&node);
                self.linked(node);
            }
            let is_far = |nearness: &Nearness| *nearness == Nearness::Far;
            if self.links.values().any(is_far) || !shared.directory.gateways().is_empty() {
                return Some(None);
            }
        }
    }

    /// Takes up all that is there.
    async fn begin(&mut self, first: Option<Heard>) {
        self.shared.directory.wakes();
        tracing::debug!("there are nodes beyond the runtime folder: their records are kept");
        self.anew().await;
        self.turn(first).await;
    }

    /// Fills an empty replica.
    async fn anew(&mut self) {
        self.own = Own::default();
        let shared = Arc::clone(&self.shared);
        let near = tokio::task::spawn_blocking(move || records(&shared.home)).await;
        let local = &self.shared.local;
        let is_fellow = |announcement: &v1::NodeAnnouncement| {
            let node = announcement.node.as_ref().and_then(|node| local.fellow(node));
            node.is_some_and(|(node, _)| node != local.node())
        };
        let near = near.unwrap_or_default().into_iter().filter(is_fellow).collect();
        let own = self.own.changes(&self.shared.local, Pace::Whole, chance::now_ms());
        let links: Vec<NodeKey> = std::mem::take(&mut self.links).into_keys().collect();
        self.more.extend([Job::Own(own), Job::Folder(near)]);
        for node in links {
            let job = self.linked(node);
            self.more.extend(job);
        }
    }

    async fn wait(&mut self) -> Wake {
        let (due, shared) = (self.due(), Arc::clone(&self.shared));
        tokio::select! {
            biased;
            () = shared.directory.ends() => Wake::Leaving,
            () = shared.directory.news() => Wake::Look,
            changed = self.announced.changed() => match changed {
                Ok(()) => Wake::Look,
                // The mesh is no more.
                Err(_) => Wake::Leaving,
            },
            heard = self.unread.recv() => heard.map_or(Wake::Leaving, Wake::Heard),
            () = sleep_until(due) => Wake::Look,
        }
    }

    fn due(&self) -> Instant {
        let replica = self.replica.as_ref().and_then(Replica::poll_timeout);
        let replica = replica.map(|due_ms| {
            let left_ms = due_ms.saturating_sub(chance::clock_ms());
            Instant::now() + Duration::from_millis(left_ms)
        });
        let now = (!self.more.is_empty()).then(Instant::now);
        let lost = self.lost.values().map(Lost::due);
        lost.chain(replica).chain(now).chain(self.own.due()).fold(self.look, Instant::min)
    }

    async fn turn(&mut self, heard: Option<Heard>) {
        let mut jobs = std::mem::take(&mut self.more);
        let changes = self.shared.directory.take_changes();
        for (node, change) in changes {
            self.change(node, change, &mut jobs);
        }
        let near: Vec<_> = self.shared.directory.take_near().into_values().collect();
        if !near.is_empty() {
            jobs.push(Job::Folder(near));
        }
        let fresh = self.own.changes(&self.shared.local, Pace::Passed, chance::now_ms());
        if fresh.len() > 0 {
            jobs.push(Job::Own(fresh));
        }
        jobs.extend(heard.map(Job::Heard));
        for _ in 1..TOGETHER {
            let Ok(heard) = self.unread.try_recv() else { break };
            self.shared.directory.taken_up(heard.from);
            jobs.push(Job::Heard(heard));
        }
        jobs.push(Job::Input(Input::Tick));
        self.work(jobs).await;
        self.fade();
        self.rise();
        self.keep_links();
        self.note();
    }

    async fn leave(&mut self) {
        let last = self.own.ended(&self.shared.local, chance::now_ms());
        self.work(vec![Job::End(last)]).await;
    }

    async fn work(&mut self, jobs: Vec<Job>) {
        let Some(replica) = self.replica.take() else { return };
        match jobs::work(&self.shared, replica, jobs).await {
            Some((replica, steps)) => self.carry_all(replica, steps),
            None => {
                self.replica = Some(new_replica(&self.shared));
                self.anew().await;
            }
        }
    }

    fn carry_all(&mut self, replica: Replica<Sealed>, steps: Vec<Step>) {
        let mut returned = BTreeSet::new();
        for step in steps {
            returned.extend(self.carry(&replica, step));
        }
        if !returned.is_empty() {
            self.announce_again(&replica, &returned);
        }
        self.replica = Some(replica);
    }

    fn change(&mut self, node: NodeKey, change: Change, jobs: &mut Vec<Job>) {
        if change.mute {
            if self.mute.len() >= limits::DIRECTORY_NODES {
                self.mute.clear();
            }
            self.mute.insert(node);
        }
        let was_linked = self.links.remove(&node).is_some();
        let loss = change.loss.or_else(|| was_linked.then_some(Loss::Closed));
        let linked = self.linked(node);
        let is_back = linked.is_some() && change.loss.is_none();
        if let Some(loss) = loss.filter(|_| !is_back) {
            jobs.push(Job::Input(Input::Unlinked(node, loss)));
        }
        jobs.extend(linked);
        if self.links.contains_key(&node) {
            if !was_linked {
                self.ask_where(&[node], &self.no_way.clone());
            }
            return;
        }
        if change.no_way && self.no_way.insert(node) {
            jobs.push(Job::Input(Input::Unlinked(node, Loss::NoWay)));
            let members: Vec<_> = self.links.keys().take(limits::RECORD_DIALS).copied().collect();
            self.ask_where(&members, &BTreeSet::from([node]));
        }
        self.look_soon();
    }

    /// Notes that this node is connected to another one, if it is.
    fn linked(&mut self, node: NodeKey) -> Option<Job> {
        let connections = self.shared.peers.of(node);
        if !connections.iter().any(|one| one.spreads() && one.is_usable()) {
            return None;
        }
        self.mute.remove(&node);
        self.no_way.remove(&node);
        let nearness = if self.is_near(node) { Nearness::Near } else { Nearness::Far };
        self.links.insert(node, nearness);
        Some(Job::Input(Input::Linked(node, nearness)))
    }

    /// True for a node that reads the same runtime folder, even before its file was seen.
    pub(super) fn is_near(&self, node: NodeKey) -> bool {
        self.shared.book.is_near(node) || self.shared.runs_here(node)
    }

    /// Asks members for the records of nodes that cannot be dialled by what is known of them: one
    /// that runs on the machine of a node says so with it.
    fn ask_where(&mut self, members: &[NodeKey], nodes: &BTreeSet<NodeKey>) {
        let Some(replica) = &self.replica else { return };
        let rows = nodes.iter().filter_map(|node| replica.row(&RowKey::Node(*node)));
        let names: Vec<_> = rows.map(|row| row.claim().name()).take(limits::REPAIR_ROWS).collect();
        if names.is_empty() {
            return;
        }
        for member in members {
            self.send(*member, &Message::Ask(names.clone()));
        }
    }

    /// The networks of this machine, as they were a moment ago.
    pub(super) fn networks(&mut self) -> Arc<Vec<Network>> {
        let now = Instant::now();
        if let Some((until, networks)) = &self.networks
            && now < *until
        {
            return Arc::clone(networks);
        }
        let networks = Arc::new(dialling::networks());
        self.networks = Some((now + NETWORKS, Arc::clone(&networks)));
        networks
    }

    /// Members that are known beside this node, and whether each is taken for lost.
    pub(super) fn others(&self) -> Vec<(NodeKey, bool)> {
        let Some(replica) = &self.replica else { return Vec::new() };
        let own = self.shared.local.node();
        let others = replica.members().filter(|node| **node != own);
        others.map(|node| (*node, replica.is_suspected(node))).collect()
    }

    fn note(&self) {
        let Some(replica) = &self.replica else { return };
        let held = RecordsHeld { records: replica.len(), nodes: replica.members().count() };
        self.shared.directory.note_held(held, self.links.len());
    }
}
