//! A replica and claims without signatures.

use crate::directory::replica::{
    Brief, Claim, Input, Message, Nearness, Now, Output, Refusal, Replica, RowKey, Statement, Taken,
};
use crate::error::{Error, Kind};
use crate::identity::{AgentId, NodeKey};
use std::sync::Arc;

pub(super) const HOUR: u64 = 3_600_000;
/// Unix time; the steady clock begins at 0.
pub(super) const UNIX: u64 = 1_800_000_000_000;

/// A claim that holds, or does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) claim: Arc<Claim>,
    pub(super) holds: bool,
}

impl Statement for Word {
    fn claim(&self) -> &Claim {
        &self.claim
    }
}

pub(super) fn at(steady_ms: u64) -> Now {
    Now { unix_ms: UNIX + steady_ms, steady_ms }
}

pub(super) fn node(n: u64) -> NodeKey {
    NodeKey::from_bytes(key(n))
}

pub(super) fn agent(n: u64) -> AgentId {
    AgentId::from_bytes(key(n))
}

pub(super) fn key(n: u64) -> [u8; 32] {
    let mut bytes = [9; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    bytes
}

/// A record of an hour, issued at its number.
pub(super) fn word(key: RowKey, seq: u64) -> Word {
    version(key, seq, 0)
}

/// One of two records of a number; a lower version has the lower digest.
pub(super) fn version(key: RowKey, seq: u64, version: u8) -> Word {
    let mut digest = key.id();
    digest[0] = version;
    digest[1..9].copy_from_slice(&seq.to_be_bytes());
    let claim = Claim {
        key,
        id: key.id(),
        seq,
        issued_at_ms: seq.max(UNIX),
        expires_at_ms: seq.max(UNIX) + HOUR,
        digest,
        print: digest,
        bytes: 1_000,
    };
    Word { claim: Arc::new(claim), holds: true }
}

pub(super) fn changed(word: &Word, change: impl FnOnce(&mut Claim)) -> Word {
    let mut claim = (*word.claim).clone();
    change(&mut claim);
    Word { claim: Arc::new(claim), holds: word.holds }
}

pub(super) fn forged(word: &Word) -> Word {
    Word { holds: false, ..changed(word, |claim| claim.print[31] ^= 1) }
}

/// A replica that counts how often it asks whether a record holds.
pub(super) struct One {
    pub(super) all: Replica<Word>,
    pub(super) proved: usize,
}

impl One {
    /// That of node 1.
    pub(super) fn new() -> Self {
        Self { all: Replica::new(node(1), 7, at(0)), proved: 0 }
    }

    /// One that knows nodes 2 to 9 and is connected to them.
    pub(super) fn linked() -> Self {
        let mut one = Self::new();
        for n in 2..10 {
            one.input(Input::Linked(node(n), Nearness::Far), 0);
            one.pushed(&[word(RowKey::Node(node(n)), UNIX)], 0);
        }
        one.until_quiet(0);
        one
    }

    pub(super) fn input(&mut self, input: Input<Word>, steady_ms: u64) -> Vec<Output<Word>> {
        let proved = &mut self.proved;
        self.all.handle(input, at(steady_ms), &mut |word: &Word| {
            *proved += 1;
            if word.holds { Ok(()) } else { Err(Error::new(Kind::Auth, "it does not hold")) }
        });
        std::iter::from_fn(|| self.all.poll_output()).collect()
    }

    /// What member 2 passes on.
    pub(super) fn pushed(&mut self, words: &[Word], steady_ms: u64) -> Vec<Output<Word>> {
        self.heard(2, push(words, 0), steady_ms)
    }

    pub(super) fn heard(
        &mut self,
        from: u64,
        message: Message<Word>,
        steady_ms: u64,
    ) -> Vec<Output<Word>> {
        self.input(Input::Heard(node(from), message), steady_ms)
    }

    /// Lets pass what it wants to do now, and its comparisons run out.
    pub(super) fn until_quiet(&mut self, from_ms: u64) -> u64 {
        let mut now = from_ms;
        for _ in 0..100 {
            now += 1_000;
            self.input(Input::Tick, now);
        }
        now
    }

    /// What becomes of one record.
    pub(super) fn verdict(&mut self, word: &Word, steady_ms: u64) -> String {
        let outputs = self.pushed(std::slice::from_ref(word), steady_ms);
        let told = outputs.into_iter().find_map(|output| match output {
            Output::Taken { how: Taken::New, .. } => Some("new".to_owned()),
            Output::Taken { how: Taken::Newer, .. } => Some("newer".to_owned()),
            Output::Taken { how: Taken::Lower, .. } => Some("lower".to_owned()),
            Output::Refused { why, .. } => Some(Refusal::name(&why).to_owned()),
            Output::Send { .. }
            | Output::Removed { .. }
            | Output::Suspected(_)
            | Output::Returned(_)
            | Output::Refute => None,
        });
        told.unwrap_or_else(|| "known".to_owned())
    }

    pub(super) fn seq(&self, key: RowKey) -> Option<u64> {
        self.all.row(&key).map(|word| word.claim.seq)
    }
}

pub(super) fn push(words: &[Word], hops: u32) -> Message<Word> {
    let carried = words
        .iter()
        .map(|word| crate::directory::replica::Carried { statement: word.clone(), hops });
    Message::Push(carried.collect())
}

/// The messages among outputs, with their receivers.
pub(super) fn sent(outputs: Vec<Output<Word>>) -> Vec<(NodeKey, Message<Word>)> {
    let sent = outputs.into_iter().filter_map(|output| match output {
        Output::Send { to, message } => Some((to, message)),
        Output::Taken { .. }
        | Output::Refused { .. }
        | Output::Removed { .. }
        | Output::Suspected(_)
        | Output::Returned(_)
        | Output::Refute => None,
    });
    sent.collect()
}

pub(super) fn brief(word: &Word) -> Brief {
    crate::directory::replica::store::brief(word)
}
