//! One simulated node: the replica, a clock of its own, the agents that it hosts.

use crate::fault::Fault;
use crate::word::{Term, Word};
use hubless_proto::directory::replica::{Input, Message, Now, Output, Replica, RowKey, Statement};
use hubless_proto::identity::{AgentId, NodeKey};
use hubless_proto::limits::{self, ms};
use std::collections::BTreeMap;

/// Unix time at which every history begins, in milliseconds.
const EPOCH_MS: i64 = 1_800_000_000_000;

/// How a clock is wrong.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Ahead of the true time.
    pub ahead_ms: i64,
    /// Faster than the true time, in parts of a million.
    pub fast_ppm: i64,
}

impl Clock {
    /// What it reads at a true time.
    #[must_use]
    pub fn read(self, true_ms: u64) -> Now {
        let true_ms = i64::try_from(true_ms).unwrap_or(i64::MAX);
        let steady = true_ms.saturating_mul(1_000_000 + self.fast_ppm) / 1_000_000;
        let unix_ms = u64::try_from(EPOCH_MS + steady + self.ahead_ms).unwrap_or_default();
        Now { unix_ms, steady_ms: u64::try_from(steady).unwrap_or_default() }
    }

    /// The true time at which its steady reading is reached.
    #[must_use]
    pub fn when(self, steady_ms: u64) -> u64 {
        let steady = i128::from(steady_ms) * 1_000_000;
        let rate = i128::from(1_000_000 + self.fast_ppm);
        u64::try_from((steady + rate - 1) / rate).unwrap_or(u64::MAX)
    }
}

/// A node.
#[derive(Debug)]
pub struct Node {
    /// Its key.
    pub key: NodeKey,
    /// False once it left or crashed; its key never comes back.
    pub live: bool,
    /// Its clock.
    pub clock: Clock,
    /// What it holds.
    pub replica: Replica<Word>,
    /// The number of its own record.
    pub seq: u64,
    /// Its agents, with their latest record.
    pub agents: BTreeMap<AgentId, Word>,
    /// What it has taken of those that are no more: the highest number.
    pub dead: BTreeMap<RowKey, u64>,
    /// The time for which it is to be woken.
    pub woken_ms: Option<u64>,
    /// A minute, and the bytes that it sent within it.
    pub minute: (u64, u64),
    fault: Fault,
    kept: Vec<Message<Word>>,
    inputs: u64,
}

impl Node {
    /// A node that begins at a true time.
    #[must_use]
    pub fn new(key: NodeKey, clock: Clock, seed: u64, true_ms: u64, fault: Fault) -> Self {
        let replica = Replica::new(key, seed, clock.read(true_ms));
        Self {
            key,
            live: true,
            clock,
            replica,
            seq: 0,
            agents: BTreeMap::new(),
            dead: BTreeMap::new(),
            woken_ms: None,
            minute: (0, 0),
            fault,
            kept: Vec::new(),
            inputs: 0,
        }
    }

    /// Gives the replica an input, and what comes of it.
    pub fn handle(&mut self, input: Input<Word>, true_ms: u64) -> Vec<Output<Word>> {
        let mut now = self.clock.read(true_ms);
        let Some(input) = self.spoiled(input) else { return Vec::new() };
        if self.fault == Fault::NeverExpires {
            // The replica never sees the end of anything, and goes on with all else.
            now.unix_ms = now.unix_ms.min(u64::try_from(EPOCH_MS).unwrap_or_default() + 60_000);
        }
        self.replica.handle(input, now, &mut |_| Ok(()));
        let mut outputs = Vec::new();
        while let Some(output) = self.replica.poll_output() {
            outputs.push(output);
        }
        outputs
    }

    /// What waits in the node, each with its bound.
    #[must_use]
    pub fn waiting(&self) -> [(usize, usize); 6] {
        let [spread, members, past, asked, rumours] = self.replica.waiting();
        [
            (spread, limits::GOSSIP_QUEUE),
            (members, limits::REPAIR_WAITING),
            (past, limits::LAST_NUMBERS),
            (asked, limits::REPLICA_ASKED),
            (rumours, limits::DIRECTORY_NODES),
            (self.kept.len(), 0),
        ]
    }

    /// Its own record, anew.
    pub fn renewed(&mut self, true_ms: u64) -> Word {
        let now = self.clock.read(true_ms).unix_ms;
        self.seq = now.max(self.seq + 1);
        let expires_at_ms = now + ms(limits::RECORD_LIFE);
        let term = Term { seq: self.seq, issued_at_ms: now, expires_at_ms };
        Word::new(RowKey::Node(self.key), term, 0)
    }

    /// An agent of it, registered, changed or renewed; `life_ms` below the usual one: it is
    /// transient.
    pub fn shown(&mut self, agent: AgentId, life_ms: u64, true_ms: u64) -> Word {
        let now = self.clock.read(true_ms).unix_ms;
        let last = self.agents.get(&agent).map_or(0, |word| word.claim().seq);
        let brief = life_ms < ms(limits::RECORD_LIFE);
        let seq = if brief { 0 } else { now.max(last + 1) };
        let term = Term { seq, issued_at_ms: now, expires_at_ms: now + life_ms };
        let word = Word::new(RowKey::Agent(agent, self.key), term, 0);
        if !brief {
            self.agents.insert(agent, word.clone());
        }
        word
    }

    /// An agent of it is no more there.
    pub fn withdrawn(&mut self, agent: AgentId, true_ms: u64) -> Option<Word> {
        let last = self.agents.remove(&agent)?;
        let expires_at_ms = last.claim().expires_at_ms + ms(limits::CLOCK_SKEW);
        let issued_at_ms = self.clock.read(true_ms).unix_ms;
        let term = Term { seq: last.claim().seq, issued_at_ms, expires_at_ms };
        Some(Word::new(RowKey::Left(agent, self.key), term, 0))
    }

    /// It is no more itself.
    pub fn ended(&mut self, true_ms: u64) -> Word {
        let now = self.clock.read(true_ms).unix_ms;
        let of_agents = self.agents.values().map(|word| word.claim().seq);
        let seq = of_agents.chain([now, self.seq + 1]).max().unwrap_or(now);
        let expires_at_ms = now + ms(limits::RECORD_LIFE) + ms(limits::CLOCK_SKEW);
        let term = Term { seq, issued_at_ms: now, expires_at_ms };
        Word::new(RowKey::Ended(*self.key.as_bytes()), term, 0)
    }

    /// The input as a faulty node takes it.
    fn spoiled(&mut self, input: Input<Word>) -> Option<Input<Word>> {
        self.inputs += 1;
        match (self.fault, input) {
            (
                Fault::NeverCompares,
                Input::Heard(_, Message::Compare(_) | Message::Buckets(_) | Message::Rows { .. }),
            ) => None,
            (Fault::IgnoresWithdrawals, Input::Heard(from, message)) => {
                Some(Input::Heard(from, without_withdrawals(message)))
            }
            (Fault::KeepsMessages, Input::Heard(from, message)) => {
                self.kept.push(message.clone());
                Some(Input::Heard(from, message))
            }
            (Fault::ForgetsTheDead, input) => {
                if self.inputs.is_multiple_of(97) {
                    self.forget_the_dead();
                }
                Some(input)
            }
            (_, input) => Some(input),
        }
    }

    /// Begins anew with all rows but those of what was taken back.
    fn forget_the_dead(&mut self) {
        let lives = |word: &&Word| match word.claim().key {
            RowKey::Node(_) | RowKey::Agent(..) => true,
            RowKey::Left(..) | RowKey::Ended(_) => false,
        };
        let rows: Vec<Word> = self.replica.rows().filter(lives).cloned().collect();
        let now = self.clock.read(self.woken_ms.unwrap_or_default());
        let mut replica = Replica::new(self.key, self.inputs, now);
        replica.handle(Input::Publish(rows), now, &mut |_| Ok(()));
        while replica.poll_output().is_some() {}
        self.replica = replica;
    }
}

fn without_withdrawals(message: Message<Word>) -> Message<Word> {
    let stays = |word: &Word| match word.claim().key {
        RowKey::Node(_) | RowKey::Agent(..) => true,
        RowKey::Left(..) | RowKey::Ended(_) => false,
    };
    match message {
        Message::Push(mut carried) => {
            carried.retain(|one| stays(&one.statement));
            Message::Push(carried)
        }
        Message::Answer(mut records) => {
            records.retain(stays);
            Message::Answer(records)
        }
        Message::Compare(_)
        | Message::Buckets(_)
        | Message::Rows { .. }
        | Message::Wants { .. }
        | Message::Offer(_)
        | Message::Ask(_)
        | Message::Suspects(_) => message,
    }
}
