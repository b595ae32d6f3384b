//! Dialogues between one caller and one agent.

use crate::limits;
use crate::policy::CallerKey;
use crate::wire::v1::Part;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One dialogue: the caller and the id it chose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationKey {
    /// Who leads it.
    pub caller: CallerKey,
    /// What it calls it; at most `CONVERSATION_ID_BYTES`.
    pub id: String,
}

/// The dialogues of one agent: the last 200 turns or 1 MiB of each, 1,000 of them, for 1 h.
#[derive(Debug, Default)]
pub struct Conversations {
    all: BTreeMap<ConversationKey, Conversation>,
    // Same entries as `all`, by their end.
    ends: BTreeSet<(u64, ConversationKey)>,
}

#[derive(Debug, Default)]
struct Conversation {
    turns: VecDeque<Part>,
    bytes: usize,
    until_ms: u64,
}

impl Conversations {
    /// No dialogue.
    pub const fn new() -> Self {
        Self { all: BTreeMap::new(), ends: BTreeSet::new() }
    }

    /// Adds turns at the end; what is beyond a bound goes at the front.
    pub fn add(&mut self, key: &ConversationKey, turns: Vec<Part>, now_ms: u64) {
        self.handle_timeout(now_ms);
        let mut talk = self.remove(key).unwrap_or_default();
        for turn in turns {
            talk.bytes += turn.encoded_len();
            talk.turns.push_back(turn);
        }
        while talk.turns.len() > limits::CONVERSATION_TURNS
            || talk.bytes > limits::CONVERSATION_BYTES
        {
            let Some(oldest) = talk.turns.pop_front() else { break };
            talk.bytes -= oldest.encoded_len();
        }
        while self.all.len() >= limits::CONVERSATIONS {
            let Some((_, oldest)) = self.ends.pop_first() else { break };
            self.all.remove(&oldest);
        }
        let life = u64::try_from(limits::CONVERSATION_LIFE.as_millis()).unwrap_or(u64::MAX);
        talk.until_ms = now_ms.saturating_add(life);
        self.ends.insert((talk.until_ms, key.clone()));
        self.all.insert(key.clone(), talk);
    }

    /// The turns so far, oldest first.
    pub fn history(&mut self, key: &ConversationKey, now_ms: u64) -> Vec<Part> {
        self.handle_timeout(now_ms);
        self.all.get(key).map(|talk| talk.turns.iter().cloned().collect()).unwrap_or_default()
    }

    /// When a dialogue is to be forgotten next.
    pub fn poll_timeout(&self) -> Option<u64> {
        self.ends.first().map(|(until_ms, _)| *until_ms)
    }

    /// Forgets the dialogues that are over.
    pub fn handle_timeout(&mut self, now_ms: u64) {
        while self.ends.first().is_some_and(|(until_ms, _)| *until_ms <= now_ms) {
            if let Some((_, key)) = self.ends.pop_first() {
                self.all.remove(&key);
            }
        }
    }

    fn remove(&mut self, key: &ConversationKey) -> Option<Conversation> {
        let talk = self.all.remove(key)?;
        self.ends.remove(&(talk.until_ms, key.clone()));
        Some(talk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeKey;
    use crate::policy::Caller;
    use crate::wire::v1::part::Kind;

    fn key(id: &str) -> ConversationKey {
        let caller = Caller::local(NodeKey::from_bytes([1; 32]), None).key();
        ConversationKey { caller, id: id.to_owned() }
    }

    fn turn(text: &str) -> Part {
        Part { kind: Some(Kind::Text(text.to_owned())), ..Part::default() }
    }

    #[test]
    fn keeps_the_last_turns_and_bytes() {
        let mut all = Conversations::new();
        for n in 0..limits::CONVERSATION_TURNS + 5 {
            all.add(&key("a"), vec![turn(&n.to_string())], 0);
        }
        let history = all.history(&key("a"), 1);
        assert_eq!(history.len(), limits::CONVERSATION_TURNS);
        assert_eq!(history.first(), Some(&turn("5")));
        let large = turn(&"x".repeat(limits::CONVERSATION_BYTES / 2));
        all.add(&key("a"), vec![large.clone(), large.clone(), large], 2);
        assert!(all.history(&key("a"), 2).len() <= 2);
        assert!(all.history(&key("b"), 2).is_empty());
    }

    #[test]
    fn keeps_a_number_of_dialogues_for_an_hour() {
        let mut all = Conversations::new();
        for n in 0..limits::CONVERSATIONS + 5 {
            all.add(&key(&n.to_string()), vec![turn("x")], n as u64);
        }
        assert_eq!((all.all.len(), all.ends.len()), (limits::CONVERSATIONS, limits::CONVERSATIONS));
        assert!(all.history(&key("4"), 2_000).is_empty());
        assert_eq!(all.history(&key("5"), 2_000).len(), 1);
        assert!(all.history(&key("5"), 5 + 3_600_000).is_empty());
    }
}
