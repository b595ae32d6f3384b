//! What goes into the replica: signatures are looked at beside the event loop, since they take a
//! while.

use super::news::{Heard, Words};
use super::own::{Fresh, Gone};
use crate::chance::{clock_ms, now_ms};
use crate::mesh::book;
use crate::mesh::shared::Shared;
use hubless_proto::directory::replica::{
    Input, Message, Now, Output, Replica, RowKey, Sealed, Statement,
};
use hubless_proto::error::{Error, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits::{self, ms};
use hubless_proto::wire::v1::spread_record::Record;
use hubless_proto::wire::{record, v1};
use prost::Message as _;
use std::net::IpAddr;
use std::sync::Arc;

/// Own records that are signed or read where events are waited for.
const FEW: usize = 16;

/// Something for the replica.
#[derive(Debug)]
pub(super) enum Job {
    /// As it is; nothing of it has to be looked at.
    Input(Input<Sealed>),
    /// What this node says.
    Own(Fresh),
    /// What nodes of the runtime folder say.
    Folder(Vec<v1::NodeAnnouncement>),
    /// What a member says.
    Heard(Heard),
    /// This node is no more; none: that could not be signed.
    End(Option<v1::SignedRecord>),
}

/// What came of a job.
#[derive(Debug, Default)]
pub(super) struct Step {
    /// The member that it was heard from, and where that is.
    pub(super) from: Option<(NodeKey, Option<IpAddr>)>,
    /// Nodes that run on the machine of that member, as it says.
    pub(super) here: Vec<NodeKey>,
    /// What was no record.
    pub(super) unread: Vec<Error>,
    pub(super) outputs: Vec<Output<Sealed>>,
}

impl Job {
    /// True for one that takes a while.
    fn is_long(&self) -> bool {
        match self {
            Self::Input(_) | Self::End(_) => false,
            Self::Own(fresh) => fresh.len() > FEW,
            Self::Folder(_) => true,
            Self::Heard(heard) => matches!(heard.words, Words::Delta(_)),
        }
    }
}

/// Does jobs, one after the other, and gives the replica back; none: it panicked, and is gone.
pub(super) async fn work(
    shared: &Arc<Shared>,
    mut replica: Replica<Sealed>,
    jobs: Vec<Job>,
) -> Option<(Replica<Sealed>, Vec<Step>)> {
    if !jobs.iter().any(Job::is_long) {
        let steps = jobs.into_iter().map(|job| step(shared, &mut replica, job)).collect();
        return Some((replica, steps));
    }
    let shared = Arc::clone(shared);
    let done = tokio::task::spawn_blocking(move || {
        let steps = jobs.into_iter().map(|job| step(&shared, &mut replica, job)).collect();
        (replica, steps)
    });
    done.await.inspect_err(|error| tracing::error!(%error, "records were not taken up")).ok()
}

fn step(shared: &Shared, replica: &mut Replica<Sealed>, job: Job) -> Step {
    let mut step = Step::default();
    let now = now();
    match job {
        Job::Input(input) => handle(shared, replica, input, now),
        Job::Own(fresh) => {
            let records = published(shared, fresh, now.unix_ms);
            handle(shared, replica, Input::Publish(records), now);
        }
        Job::Folder(nodes) => {
            for node in nodes {
                let records = filed(replica, node, now.unix_ms);
                handle(shared, replica, Input::Folder(records), now);
            }
        }
        Job::Heard(Heard { from, ip, words }) => {
            step.from = Some((from, ip));
            let message = match words {
                Words::Digests(said) => Message::of_digests(&said),
                Words::Delta(said) => {
                    let read = Message::of_delta(said);
                    (step.here, step.unread) = (read.here, read.unread);
                    Ok(read.message)
                }
            };
            match message {
                Ok(message) => handle(shared, replica, Input::Heard(from, message), now),
                Err(error) => step.unread.push(error),
            }
        }
        Job::End(last) => {
            let last = last.map(Record::Tombstone).and_then(read);
            handle(shared, replica, Input::Publish(last.into_iter().collect()), now);
            // It goes at once, with all that waits for others.
            let steady_ms = now.steady_ms.saturating_add(ms(limits::GOSSIP_BATCH));
            handle(shared, replica, Input::Tick, Now { steady_ms, ..now });
        }
    }
    step.outputs.extend(std::iter::from_fn(|| replica.poll_output()));
    step
}

fn handle(shared: &Shared, replica: &mut Replica<Sealed>, input: Input<Sealed>, now: Now) {
    replica.handle(input, now, &mut |statement| prove(shared, statement, now.unix_ms));
}

/// The time, by both clocks.
pub(super) fn now() -> Now {
    Now { unix_ms: now_ms(), steady_ms: clock_ms() }
}

/// Looks at signatures, terms and bodies, and for a node at its token; nothing counts of who rests
/// on a revoked key.
fn prove(shared: &Shared, statement: &Sealed, now_ms: u64) -> Result<()> {
    match (statement.claim().key, statement.node()) {
        (RowKey::Node(node), Some(signed)) => {
            book::proven(signed, node, &shared.local, now_ms).map(drop)
        }
        (RowKey::Agent(_, node) | RowKey::Left(_, node), _) => {
            shared.local.membership().check_keys(&[*node.as_bytes()])?;
            statement.open(now_ms)
        }
        (RowKey::Node(_) | RowKey::Ended(_), _) => statement.open(now_ms),
    }
}

/// The records of what this node says: itself first, then what is no more.
fn published(shared: &Shared, fresh: Fresh, now_ms: u64) -> Vec<Sealed> {
    let sign = |gone: &Gone| gone.sign(shared.local.key(), now_ms);
    let node = fresh.node.map(Record::Node).into_iter();
    let gone = fresh.gone.iter().filter_map(sign).map(Record::Tombstone);
    let agents = fresh.agents.into_iter().map(Record::Agent);
    node.chain(gone).chain(agents).filter_map(read).collect()
}

/// The records of a file. A node writes its own anew with each agent that changes; it is taken
/// where it says something new of the node.
fn filed(
    replica: &Replica<Sealed>,
    announcement: v1::NodeAnnouncement,
    now_ms: u64,
) -> Vec<Sealed> {
    let node = announcement.node.map(Record::Node).and_then(read);
    let node = node.filter(|new| {
        let held = replica.row(&new.claim().key);
        held.is_none_or(|held| !is_same_place(held, new, now_ms))
    });
    let agents = announcement.agents.into_iter().map(Record::Agent).filter_map(read);
    node.into_iter().chain(agents).collect()
}

fn is_same_place(held: &Sealed, new: &Sealed, now_ms: u64) -> bool {
    let place = |of: &Sealed| {
        let body = record::peek(of.node()?).ok()?.body;
        let said = v1::NodeRecord::decode(body).ok()?;
        Some((said.addresses, said.relays, said.instance))
    };
    let renew_ms = held.claim().issued_at_ms.saturating_add(ms(limits::RECORD_LIFE) / 3);
    now_ms < renew_ms && place(held) == place(new)
}

fn read(record: Record) -> Option<Sealed> {
    let read = Sealed::read(record);
    read.inspect_err(|error| tracing::debug!(%error, "no record of the directory")).ok()
}
