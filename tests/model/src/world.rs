//! All nodes, what they said to each other, and the provider, who counts what is really spent.

use crate::killswitch::{Message, Reading};
use crate::local::{Local, print_of};
use crate::model::Model;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What was said: it stays in the network, so it may come late, again, or never.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Letter {
    pub(crate) from: usize,
    pub(crate) to: usize,
    pub(crate) said: Said,
}

#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) enum Said {
    Message(Message),
    Clock(Reading),
}

/// What may happen next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A grant is ordered.
    Cut(usize),
    /// A handler is about to spend.
    Reserve(usize),
    /// It was spent; none: nobody knows what it cost.
    Commit(usize, Option<u64>),
    /// The call of an account ends at a node.
    Finish(usize, usize),
    /// A grant is asked back.
    Recall(usize),
    /// The root stops the budget.
    Trip,
    /// A message comes.
    Deliver(Arc<Letter>),
    /// A dishonest node says something, and it comes.
    Lie(Arc<Letter>),
    /// A write of a node is durable.
    Persist(usize),
    /// A node dies after so many more writes were durable, and comes back.
    Crash(usize, usize),
    /// Timers of a node go off.
    Timeout(usize),
    /// A node says what its clock reads to the one that calls it.
    Clock(usize),
    /// Time passes; some: the clock of that node misses it.
    Tick(Option<usize>),
}

/// What became of a spending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Spent {
    Not,
    Asked,
    Refused,
    Running,
    Done(u64),
    /// The node died meanwhile: it cost whatever it cost.
    Lost,
}

/// What was seen to be broken, as it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Seen {
    /// I4: a settled charge changed.
    pub resettled: bool,
    /// I5: one reservation began twice.
    pub twice: bool,
    /// I6: spending began too late after the stop.
    pub late: bool,
    /// Not a fault: it began as late as it may.
    pub latest: bool,
    /// Not a fault: a grant was charged with more than was spent, since nothing was reported.
    pub in_full: bool,
    /// I9: a restart lost a charge.
    pub forgot: bool,
}

/// One state.
#[derive(Clone)]
pub struct World {
    /// The nodes.
    pub nodes: Vec<Arc<Local>>,
    pub(crate) network: BTreeMap<u64, Arc<Letter>>,
    pub(crate) cut: Vec<bool>,
    pub(crate) spends: Vec<Spent>,
    pub(crate) settled: Vec<Option<u64>>,
    pub(crate) granted: Vec<u64>,
    /// Accounts whose call ended, each with the node.
    pub(crate) finished: BTreeSet<(usize, usize)>,
    pub(crate) told: Vec<bool>,
    /// What the budget was charged with when it was over.
    pub(crate) ended: Option<u64>,
    pub(crate) crashes: u8,
    /// Questions that a dishonest node asked the root.
    pub(crate) asks: u8,
    pub(crate) now: u64,
    pub(crate) slow: Vec<u64>,
    pub(crate) stopped_at: Option<u64>,
    /// What was seen on the way.
    pub seen: Seen,
}

impl Model {
    /// What each account and all below it really cost at most.
    pub fn real(&self, world: &World) -> Vec<u64> {
        let mut real = vec![0; self.plan.cuts.len() + 1];
        for (wanted, spent) in self.plan.spends.iter().zip(&world.spends) {
            real[wanted.of] += match spent {
                Spent::Not | Spent::Asked | Spent::Refused => 0,
                Spent::Running | Spent::Lost => wanted.most,
                Spent::Done(used) => *used,
            };
        }
        for (account, from) in self.plan.inwards() {
            real[from] += real[account];
        }
        real
    }

    /// What the budget is charged with; none: it is forgotten, or its end is being written.
    pub fn charge(&self, world: &World) -> Option<u64> {
        world.nodes[0].charges.get(&self.account(0)).copied().or(world.ended)
    }

    /// I2: nobody is charged with less than what was spent.
    pub fn covers(&self, world: &World) -> bool {
        let real = self.real(world);
        let writes = world.nodes[0].pending() > 0;
        let own = self.charge(world).map_or(writes, |charge| real[0] <= charge);
        own && (0..self.plan.cuts.len()).all(|cut| {
            let issuer = &world.nodes[self.plan.issuer(cut)];
            let charged = issuer.cuts.get(&self.account(cut + 1));
            charged.is_none_or(|(charged, _)| real[cut + 1] <= *charged)
        })
    }

    /// I4: a settled charge stays what it was.
    pub fn keeps(&self, world: &World) -> bool {
        !world.seen.resettled
            && (0..self.plan.cuts.len()).all(|cut| {
                let issuer = &world.nodes[self.plan.issuer(cut)];
                let now = issuer.cuts.get(&self.account(cut + 1));
                let first = world.settled[cut];
                first.zip(now).is_none_or(|(first, (charged, _))| first == *charged)
            })
    }

    /// True when nothing is open, nobody died and everybody reported: the budget knows exactly what
    /// was spent.
    pub fn is_at_rest(&self, world: &World) -> bool {
        let root = &world.nodes[0];
        let under_way = |spent: &Spent| matches!(spent, Spent::Asked | Spent::Running);
        world.crashes == 0
            && !world.seen.in_full
            && !world.spends.iter().any(under_way)
            && root.pending() == 0
            && !root.cuts.is_empty()
            && root.cuts.values().all(|(_, open)| !open)
    }

    /// I8: whoever said that the budget is stopped still knows it.
    pub fn remembers(world: &World) -> bool {
        world.told.iter().zip(&world.nodes).all(|(told, node)| !told || node.stopped)
    }

    /// True when everything was spent.
    pub fn is_used_up(&self, world: &World) -> bool {
        let over = |spent: &Spent| !matches!(spent, Spent::Asked | Spent::Running);
        self.real(world)[0] == self.plan.ceiling && world.spends.iter().all(over)
    }

    /// True when more was granted, one after the other, than the budget is.
    pub fn has_granted_again(&self, world: &World) -> bool {
        let direct = self.plan.cuts.iter().zip(&world.granted).filter(|(cut, _)| cut.from == 0);
        direct.map(|(_, granted)| granted).sum::<u64>() > self.plan.ceiling
    }

    /// True when a grant that came back in part was settled.
    pub fn has_refunded(world: &World) -> bool {
        world.settled.iter().zip(&world.granted).any(|(s, g)| s.is_some_and(|s| s < *g))
    }

    /// True when a node died and something was spent afterwards.
    pub fn went_on(world: &World) -> bool {
        world.crashes > 0 && world.spends.iter().any(|spent| matches!(spent, Spent::Done(_)))
    }
}

impl World {
    pub(crate) fn post(&mut self, letter: Letter) {
        self.network.entry(print_of(&letter)).or_insert_with(|| Arc::new(letter));
    }
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.nodes.iter().for_each(|node| node.print.hash(state));
        self.network.keys().for_each(|print| print.hash(state));
        (&self.cut, &self.spends, &self.settled, &self.granted).hash(state);
        (&self.told, self.crashes, self.asks, self.now, &self.slow).hash(state);
        (self.stopped_at, self.seen, self.ended, &self.finished).hash(state);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        print_of(self) == print_of(other)
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match &self.said {
            Said::Clock(reading) => format!("Clock {}", reading.clock_ms),
            Said::Message(message) => {
                format!("{message:?}").split(['(', ' ']).next().unwrap_or_default().to_owned()
            }
        };
        write!(f, "{} to {}: {what}", self.from, self.to)
    }
}
