//! Text rank: BM25 over an inverted index that is kept in step with the directory.

use crate::identity::AgentId;
use crate::limits;
use crate::wire::v1;
use std::collections::{BTreeMap, BTreeSet};

const K1: f64 = 1.2;
const B: f64 = 0.75;

/// Words that say nothing about what an agent can do.
const STOP: [&str; 40] = [
    "a", "an", "and", "any", "are", "as", "at", "be", "by", "can", "do", "for", "from", "has",
    "have", "i", "in", "into", "is", "it", "its", "me", "my", "of", "on", "or", "some", "that",
    "the", "their", "them", "this", "to", "us", "we", "what", "which", "who", "with", "you",
];

/// The words of all agents: a look-up costs the entries of its words only.
///
/// ```
/// use hubless_proto::identity::AgentId;
/// use hubless_proto::query::TextIndex;
/// use hubless_proto::wire::v1::Descriptor;
///
/// let mut index = TextIndex::new();
/// let id = AgentId::from_bytes([1; 32]);
/// let agent = Descriptor { description: "Renders charts".into(), ..Descriptor::default() };
/// index.insert(id, &agent);
/// assert!(index.scores("chart rendering, please")[&id] > 0.0);
/// assert!(index.scores("translate").is_empty());
/// ```
#[derive(Debug, Default)]
pub struct TextIndex {
    // How often a word stands in an agent, by word.
    words: BTreeMap<String, BTreeMap<AgentId, u32>>,
    documents: BTreeMap<AgentId, Document>,
    length: u64,
}

#[derive(Debug)]
struct Document {
    words: BTreeSet<String>,
    length: u32,
}

impl TextIndex {
    /// No agent.
    pub const fn new() -> Self {
        Self { words: BTreeMap::new(), documents: BTreeMap::new(), length: 0 }
    }

    /// Adds or replaces an agent. Its name and tags count more than its description.
    pub fn insert(&mut self, id: AgentId, agent: &v1::Descriptor) {
        self.remove(&id);
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        let mut add = |text: &str, weight: u32| {
            for word in words(text) {
                let count = counts.entry(word).or_default();
                *count = count.saturating_add(weight);
            }
        };
        add(&agent.name, 3);
        add(&agent.title, 3);
        add(&agent.description, 1);
        agent.tags.iter().for_each(|tag| add(tag, 2));
        for skill in &agent.skills {
            add(&skill.id, 3);
            add(&skill.title, 2);
            add(&skill.description, 1);
            skill.tags.iter().for_each(|tag| add(tag, 2));
        }
        let length = counts.values().fold(0_u32, |all, count| all.saturating_add(*count));
        self.length += u64::from(length);
        for (word, count) in &counts {
            self.words.entry(word.clone()).or_default().insert(id, *count);
        }
        self.documents.insert(id, Document { words: counts.into_keys().collect(), length });
    }

    /// Takes an agent out.
    pub fn remove(&mut self, id: &AgentId) {
        let Some(document) = self.documents.remove(id) else { return };
        self.length -= u64::from(document.length);
        for word in document.words {
            if let Some(agents) = self.words.get_mut(&word) {
                agents.remove(id);
                if agents.is_empty() {
                    self.words.remove(&word);
                }
            }
        }
    }

    /// True when the agent has at least one word of `text`.
    pub fn meets(&self, id: &AgentId, text: &str) -> bool {
        let Some(document) = self.documents.get(id) else { return false };
        words(text).take(limits::QUERY_WORDS).any(|word| document.words.contains(&word))
    }

    /// BM25 of each agent that has at least one word of `text`; above 0.
    pub fn scores(&self, text: &str) -> BTreeMap<AgentId, f64> {
        let mut scores = BTreeMap::new();
        let asked: BTreeSet<String> = words(text).take(limits::QUERY_WORDS).collect();
        let agents = self.documents.len() as f64;
        let usual = (self.length as f64 / agents.max(1.0)).max(1.0);
        for word in asked {
            let Some(found) = self.words.get(&word) else { continue };
            let with = found.len() as f64;
            let rarity = (1.0 + (agents - with + 0.5) / (with + 0.5)).ln();
            for (id, count) in found {
                let length = self.documents.get(id).map_or(usual, |doc| f64::from(doc.length));
                let count = f64::from(*count);
                let share = count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length / usual));
                *scores.entry(*id).or_insert(0.0) += rarity * share;
            }
        }
        scores
    }
}

/// Words of a text: lower case, split where letters and digits end and where `camelCase` turns,
/// without stop words, with the commonest English endings cut.
fn words(text: &str) -> impl Iterator<Item = String> + use<'_> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .flat_map(humps)
        .map(|word| stem(&word.to_lowercase()))
        .filter(|word| !word.is_empty() && !STOP.contains(&word.as_str()))
}

fn humps(word: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut start, mut lower) = (0, false);
    for (at, letter) in word.char_indices() {
        if lower && letter.is_uppercase() {
            pieces.extend(word.get(start..at));
            start = at;
        }
        lower = letter.is_lowercase();
    }
    pieces.extend(word.get(start..));
    pieces
}

fn stem(word: &str) -> String {
    let cut = |ending: &str| word.strip_suffix(ending).filter(|stem| stem.len() >= 4);
    let stem = match () {
        () if word.ends_with("ss") => word,
        () => cut("ing")
            .or_else(|| cut("ers"))
            .or_else(|| cut("er"))
            .or_else(|| cut("ed"))
            .or_else(|| cut("es"))
            .or_else(|| word.strip_suffix('s').filter(|stem| stem.len() >= 3))
            .unwrap_or(word),
    };
    stem.strip_suffix('e').filter(|stem| stem.len() >= 4).unwrap_or(stem).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn agent(name: &str, description: &str) -> v1::Descriptor {
        let (name, description) = (name.to_owned(), description.to_owned());
        v1::Descriptor { name, description, ..v1::Descriptor::default() }
    }

    fn id(n: u8) -> AgentId {
        AgentId::from_bytes([n; 32])
    }

    #[test]
    fn rare_words_and_short_texts_count_more() {
        let mut index = TextIndex::new();
        index.insert(id(1), &agent("x1", "weather data of many cities"));
        index.insert(id(2), &agent("x2", "weather charts"));
        index.insert(id(3), &agent("x3", "weather"));
        let scores = index.scores("the weather");
        assert!(scores[&id(3)] > scores[&id(2)] && scores[&id(2)] > scores[&id(1)]);
        let scores = index.scores("weather charts");
        assert!(scores[&id(2)] > scores[&id(3)]);
    }

    #[test]
    fn forms_of_a_word_meet() {
        let mut index = TextIndex::new();
        index.insert(id(1), &agent("svg-renderer", "Renders csvTables, für Zürich 天气"));
        for text in ["render", "rendering", "RENDERED", "tables", "table", "zürich", "SVG", "für"]
        {
            assert!(index.scores(text).contains_key(&id(1)) && index.meets(&id(1), text), "{text}");
        }
        for text in ["", "the of and", "!?", "svgrenderer", "x"] {
            assert!(index.scores(text).is_empty() && !index.meets(&id(1), text), "{text}");
        }
    }

    #[test]
    fn words_beyond_the_bound_are_not_looked_up() {
        let mut index = TextIndex::new();
        index.insert(id(1), &agent("x1", "weather"));
        let after = |count: usize| {
            let others: Vec<String> = (0..count).map(|n| format!("word{n}")).collect();
            format!("{} weather", others.join(" "))
        };
        for (before, found) in [(limits::QUERY_WORDS - 1, true), (limits::QUERY_WORDS, false)] {
            assert_eq!(index.meets(&id(1), &after(before)), found);
            assert_eq!(index.scores(&after(before)).contains_key(&id(1)), found);
        }
    }

    proptest! {
        /// What was put in and taken out leaves nothing, whatever the order.
        #[test]
        fn removal_leaves_no_trace(texts in prop::collection::vec("\\PC{0,40}", 1..10)) {
            let mut index = TextIndex::new();
            for (n, text) in texts.iter().enumerate() {
                index.insert(id(u8::try_from(n % 5).unwrap()), &agent("x", text));
            }
            for n in 0..5 {
                index.remove(&id(n));
            }
            prop_assert!(index.words.is_empty() && index.documents.is_empty());
            prop_assert_eq!(index.length, 0);
        }
    }
}
