//! A peer that answers by a script and remembers what it was asked.

use super::matching::{Seen, json_of};
use super::play::Play;
use super::script::{End, Event, Reaction, Script};
use crate::call::content::Content;
use crate::call::handle::Call;
use crate::engine::lock;
use crate::foreign::Handler;
use crate::node::handler;
use hubless_proto::error::{Error, Result};
use hubless_proto::limits;
use hubless_proto::policy::Caller;
use hubless_proto::wire::v1;
use prost::Message;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The handler of a fake peer; cheap to clone. It is registered like any other.
///
/// ```
/// use hubless::testing::{Asked, Ending, Fake, House, Script};
/// use hubless::{AgentOptions, Content, Node, RequestOptions};
/// use serde_json::json;
/// use std::time::Duration;
///
/// # tokio::runtime::Runtime::new().unwrap().block_on(async {
/// let house = House::new()?;
/// let node = Node::start(house.options()).await?;
/// let script = Script::read(json!({"steps": [
///     {"when": {"contains": {"city": "Oslo"}}, "answer": {"value": {"tempC": 7}}}]}))?;
/// let fake = Fake::new("weather", script);
/// let options = AgentOptions { name: "weather".into(), ..AgentOptions::default() };
/// node.register(options, fake.handler()).await?;
///
/// let oslo = Content::value(json!({"city": "Oslo"}));
/// let reply = node.request(RequestOptions::new("weather", oslo)).await?;
/// assert_eq!(reply.content.decoded(), Some(json!({"tempC": 7})));
/// fake.verify()?;
/// let asked: Vec<Asked> = fake.asked(1).await;
/// assert_eq!((asked.len(), asked[0].ending), (1, Ending::Answered));
///
/// let rome = Content::value(json!({"city": "Rome"}));
/// let refused = node.request(RequestOptions::new("weather", rome)).await.unwrap_err();
/// assert_eq!(refused.code, "script_used_up");
/// # node.close(Duration::ZERO).await;
/// # Ok::<(), hubless::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Fake {
    shared: Arc<Shared>,
}

/// A request that a fake peer was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Skill that was meant.
    pub skill: String,
    /// What was asked, with the bytes of its streamed parts inside.
    pub content: v1::Content,
    /// Who asked.
    pub caller: Caller,
    /// Conversation that it belongs to; empty: none.
    pub conversation_id: String,
    /// Metadata of the request: JSON texts by name.
    pub metadata: BTreeMap<String, String>,
    /// Step that answers it, counted from 0; none: no step fits it.
    pub step: Option<usize>,
    /// What became of it.
    pub ending: Ending,
}

impl Asked {
    fn bytes(&self) -> usize {
        let metadata = self.metadata.iter().map(|(name, text)| name.len() + text.len());
        let beside = self.skill.len() + self.conversation_id.len() + metadata.sum::<usize>();
        self.content.encoded_len().saturating_add(beside)
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It is being answered, or waits at a gate.
    Open,
    /// It got an answer.
    Answered,
    /// It got the error of its step.
    Failed,
    /// No step fitted it.
    Refused,
    /// It was given up before its answer.
    Cancelled,
}

impl Ending {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::Refused => "refused",
            Self::Cancelled => "cancelled",
        }
    }
}

#[derive(Debug)]
struct Shared {
    play: Mutex<Play>,
    gates: BTreeMap<String, CancellationToken>,
    asked: Mutex<Log>,
    /// How many were asked.
    count: watch::Sender<u64>,
}

/// The requests that came last.
#[derive(Debug, Default)]
struct Log {
    /// Number of the oldest one that is kept.
    first: u64,
    kept: VecDeque<Asked>,
    /// Of those that are kept.
    bytes: usize,
}

impl Log {
    fn add(&mut self, asked: Asked) -> u64 {
        self.bytes = self.bytes.saturating_add(asked.bytes());
        self.kept.push_back(asked);
        // The last one is told of, however large it is.
        while self.kept.len() > limits::TESTING_ASKED
            || self.bytes > limits::TESTING_BYTES && self.kept.len() > 1
        {
            let oldest = self.kept.pop_front();
            self.bytes = self.bytes.saturating_sub(oldest.map_or(0, |oldest| oldest.bytes()));
            self.first += 1;
        }
        self.first + self.kept.len() as u64
    }

    fn end(&mut self, number: u64, ending: Ending) {
        let at = number.checked_sub(self.first + 1).and_then(|at| usize::try_from(at).ok());
        if let Some(asked) = at.and_then(|at| self.kept.get_mut(at)) {
            asked.ending = ending;
        }
    }
}

impl Fake {
    /// A fake peer that is called `name` in errors.
    pub fn new(name: &str, script: Script) -> Self {
        let gates = script.gates().into_iter().map(|gate| (gate, CancellationToken::new()));
        let shared = Shared {
            gates: gates.collect(),
            play: Mutex::new(Play::new(name, script)),
            asked: Mutex::default(),
            count: watch::Sender::new(0),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What answers.
    pub fn handler(&self) -> Arc<dyn Handler> {
        let shared = Arc::clone(&self.shared);
        handler(move |call, content| answer(Arc::clone(&shared), call, content))
    }

    /// Waits until so many requests have come, and gives the last `TESTING_ASKED` of them of
    /// `TESTING_BYTES` at most, oldest first.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn asked(&self, at_least: u64) -> Vec<Asked> {
        self.came(at_least).await;
        lock(&self.shared.asked).kept.iter().cloned().collect()
    }

    /// Waits until so many requests have come, and says how many did.
    ///
    /// # Cancellation
    /// Safe.
    pub async fn came(&self, at_least: u64) -> u64 {
        let mut count = self.shared.count.subscribe();
        // The sender lives as long as this.
        let came = count.wait_for(|count| *count >= at_least).await.map(|count| *count);
        came.unwrap_or_default()
    }

    /// How many requests have come.
    pub fn count(&self) -> u64 {
        *self.shared.count.borrow()
    }

    /// Opens a gate for good: what is held by it goes on, and what comes later does not wait.
    ///
    /// # Errors
    /// `invalid_argument`, field `gate`, unless a step of the script is held by it.
    pub fn release(&self, gate: &str) -> Result<()> {
        let known = self.shared.gates.get(gate).ok_or_else(|| {
            let names: Vec<&str> = self.shared.gates.keys().map(String::as_str).collect();
            let message = match names.as_slice() {
                [] => "the script holds nothing".to_owned(),
                names => format!("expected one of {}, got {gate:?}", names.join(", ")),
            };
            Error::invalid("gate", message)
        })?;
        known.cancel();
        Ok(())
    }

    /// Checks that the whole script was asked for and nothing else.
    ///
    /// # Errors
    /// `conflict`, code `script_unmet`, naming what is open and what did not fit.
    pub fn verify(&self) -> Result<()> {
        lock(&self.shared.play).verify()
    }
}

/// Writes down how a request ended, also when its answer is dropped half way.
struct Ended {
    shared: Arc<Shared>,
    number: u64,
    ending: Ending,
}

impl Drop for Ended {
    fn drop(&mut self) {
        lock(&self.shared.asked).end(self.number, self.ending);
    }
}

async fn answer(shared: Arc<Shared>, call: Call, content: Content) -> Result<Content> {
    let content = content.inline(limits::TESTING_BYTES as u64).await?;
    let request = call.request();
    let seen = Seen { skill: request.skill.clone(), content: json_of(&content) };
    let chosen = lock(&shared.play).choose(&seen);
    let asked = Asked {
        skill: seen.skill,
        content,
        caller: call.caller().clone(),
        conversation_id: request.conversation_id.clone(),
        metadata: request.metadata_json.clone(),
        step: chosen.as_ref().ok().and_then(|(step, _)| *step),
        ending: Ending::Open,
    };
    let number = lock(&shared.asked).add(asked);
    let mut ended = Ended { shared: Arc::clone(&shared), number, ending: Ending::Cancelled };
    // Another one may have come in between.
    shared.count.send_modify(|count| *count = number.max(*count));
    let (ending, said) = match chosen {
        Ok((_, reaction)) => {
            let said = react(&shared, &call, reaction).await;
            let ending = if said.is_ok() { Ending::Answered } else { Ending::Failed };
            (ending, said)
        }
        Err(error) => (Ending::Refused, Err(error)),
    };
    ended.ending = ending;
    said
}

async fn react(shared: &Shared, call: &Call, reaction: Reaction) -> Result<Content> {
    if let Some(gate) = reaction.hold.and_then(|gate| shared.gates.get(&gate)) {
        gate.cancelled().await;
    }
    // Before the first event: what a handler does not say it is charged in full.
    call.spend(reaction.usage).await?.used(reaction.usage);
    for event in reaction.events {
        match event {
            Event::Progress { note, fraction } => call.progress(&note, fraction).await?,
            Event::Chunk { part, append } => {
                let message = v1::Content { parts: vec![part], ..v1::Content::default() };
                call.chunk(Content::from(message), append).await?;
            }
        }
    }
    match reaction.end {
        End::Answer(content) => Ok(Content::from(content)),
        End::Error(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubless_proto::identity::NodeKey;

    fn one(skill: u64) -> Asked {
        Asked {
            skill: skill.to_string(),
            content: v1::Content::default(),
            caller: Caller::local(NodeKey::from_bytes([1; 32]), None),
            conversation_id: String::new(),
            metadata: BTreeMap::new(),
            step: None,
            ending: Ending::Open,
        }
    }

    #[test]
    fn the_last_requests_are_kept_and_all_are_counted() {
        let mut log = Log::default();
        let all = limits::TESTING_ASKED as u64 + 2;
        for number in 1..=all {
            assert_eq!(log.add(one(number)), number);
        }
        assert_eq!(log.kept.len(), limits::TESTING_ASKED);
        assert_eq!(log.kept.front().map(|asked| asked.skill.as_str()), Some("3"));
        for (number, at) in [(3, 0), (all, limits::TESTING_ASKED - 1)] {
            log.end(number, Ending::Answered);
            assert_eq!(log.kept.get(at).map(|asked| asked.ending), Some(Ending::Answered));
        }
        // One that is no longer kept.
        log.end(1, Ending::Failed);
        assert!(log.kept.iter().all(|asked| asked.ending != Ending::Failed));
    }

    #[test]
    fn the_last_bytes_are_kept_and_all_requests_are_counted() {
        let sized =
            |bytes: usize| Asked { content: Content::text("x".repeat(bytes)).message, ..one(0) };
        let mut log = Log::default();
        let piece = limits::TESTING_BYTES / 4;
        for number in 1..=6 {
            assert_eq!(log.add(sized(piece)), number);
            // Four do not fit: each has a few bytes beside its text.
            assert_eq!(log.kept.len() as u64, number.min(3));
            assert!(log.bytes <= limits::TESTING_BYTES);
        }
        log.end(4, Ending::Answered);
        log.end(3, Ending::Failed);
        let endings: Vec<Ending> = log.kept.iter().map(|asked| asked.ending).collect();
        assert_eq!(endings, [Ending::Answered, Ending::Open, Ending::Open]);
        assert_eq!(log.add(sized(limits::TESTING_BYTES)), 7);
        assert_eq!(log.kept.len(), 1);
        assert_eq!(log.add(one(0)), 8);
        assert_eq!((log.kept.len(), log.bytes), (1, 1));
    }
}
