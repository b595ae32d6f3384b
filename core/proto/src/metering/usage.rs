//! What a provider says that a call used.

use super::Micros;
use super::prices::Model;
use crate::killswitch::{Amount, Component};
use crate::limits::AMOUNT_MAX;
use serde_json::Value;

/// Tokens of one call, as its provider counted them.
///
/// ```
/// use hubless_proto::metering::Usage;
/// use serde_json::json;
///
/// let answer = json!({"usage": {"prompt_tokens": 9, "completion_tokens": 4}});
/// let usage = Usage::of_chat(&answer["usage"]).unwrap();
/// assert_eq!((usage.input_tokens, usage.output_tokens), (9, 4));
/// assert_eq!(Usage::of_chat(&json!(null)), None);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Tokens that the model read.
    pub input_tokens: u64,
    /// Those of them that came from a cache.
    pub cached_tokens: u64,
    /// Tokens that the model wrote, those of its reasoning included.
    pub output_tokens: u64,
}

impl Usage {
    /// Reads the `usage` of a chat completion; none: it is missing or not whole.
    ///
    /// Some providers leave the tokens of a model's reasoning to `total_tokens` alone: what that
    /// has beyond the input was written.
    pub fn of_chat(value: &Value) -> Option<Self> {
        let written = number(value.get("completion_tokens"))??;
        let read = Self::of_embeddings(value)?;
        let total = number(value.get("total_tokens"))?.unwrap_or_default();
        let output_tokens = written.max(total.saturating_sub(read.input_tokens));
        Some(Self { output_tokens, ..read })
    }

    /// Reads the `usage` of embeddings, which write nothing; none: it is missing or not whole.
    pub fn of_embeddings(value: &Value) -> Option<Self> {
        let cached = number(value.pointer("/prompt_tokens_details/cached_tokens"))?;
        Some(Self {
            input_tokens: number(value.get("prompt_tokens"))??,
            cached_tokens: cached.unwrap_or_default(),
            output_tokens: 0,
        })
    }

    /// What it costs.
    pub fn price(&self, model: &Model) -> Micros {
        model.price_at_most(self.input_tokens, self.cached_tokens, self.output_tokens)
    }

    /// What it takes of each component, as far as that can be counted.
    pub fn amount(&self, model: &Model) -> Amount {
        let tokens = [
            (Component::InputTokens, self.input_tokens),
            (Component::OutputTokens, self.output_tokens),
        ];
        tokens.into_iter().fold(self.price(model).into(), |all: Amount, (component, tokens)| {
            all.with(component, tokens.min(AMOUNT_MAX)).unwrap_or(all)
        })
    }
}

/// A number that may be missing; none: it is there and is none.
fn number(value: Option<&Value>) -> Option<Option<u64>> {
    match value {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_u64().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metering::prices::Prices;
    use serde_json::json;

    #[test]
    fn more_than_can_be_counted_is_the_most_that_can() {
        let table = json!({"models": {"m": {"input_micros": 1_000_000,
            "output_micros": 2_000_000, "max_output_tokens": 1}}});
        let prices = Prices::read(&table).unwrap();
        let model = prices.of("m").unwrap();
        let of = |input_tokens, output_tokens| {
            let used = Usage { input_tokens, cached_tokens: 0, output_tokens }.amount(model);
            Component::ALL.map(|component| used.of(component))
        };
        assert_eq!(of(3, 4), [3, 4, 11, 0]);
        assert_eq!(of(u64::MAX, 1), [AMOUNT_MAX, 1, AMOUNT_MAX, 0]);
    }

    #[test]
    fn what_is_not_whole_says_nothing() {
        let whole = json!({"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13,
            "prompt_tokens_details": {"cached_tokens": 2, "audio_tokens": 0}});
        let read = Usage::of_chat(&whole).unwrap();
        assert_eq!((read.input_tokens, read.cached_tokens, read.output_tokens), (9, 2, 4));
        for broken in [
            json!(null),
            json!({}),
            json!({"completion_tokens": 1}),
            json!({"prompt_tokens": 1}),
            json!({"prompt_tokens": -1, "completion_tokens": 1}),
            json!({"prompt_tokens": 1, "completion_tokens": "1"}),
            json!({"prompt_tokens": 1, "completion_tokens": 1.5}),
            json!({"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": "2"}),
            json!({"prompt_tokens": 1, "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": -1}}),
        ] {
            assert_eq!(Usage::of_chat(&broken), None, "{broken}");
        }
        let embedded = Usage::of_embeddings(&json!({"prompt_tokens": 3})).unwrap();
        assert_eq!((embedded.input_tokens, embedded.output_tokens), (3, 0));
    }

    #[test]
    fn reasoning_that_stands_in_the_total_alone_is_paid() {
        let hidden = json!({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 50});
        assert_eq!(Usage::of_chat(&hidden).unwrap().output_tokens, 40);
        let less = json!({"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 5});
        assert_eq!(Usage::of_chat(&less).unwrap().output_tokens, 4);
    }
}
