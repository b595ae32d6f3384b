//! The price table: which models there are, and what their tokens cost.

use super::Micros;
use crate::error::{Error, Kind, Result};
use crate::limits::{AMOUNT_MAX, PRICED_MODELS, TEXT_BYTES};
use crate::tokens;
use crate::wire::text::excerpt;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Tokens that prices are given for.
const MILLION: u128 = 1_000_000;
/// Tokens added for each message unless the table says: role, name and separators.
const MESSAGE_TOKENS: u64 = 16;
/// Tokens added for each request unless the table says: what a provider writes before and after.
const REQUEST_TOKENS: u64 = 64;
/// What a table may say of a model.
const FIELDS: [&str; 8] = [
    "input_micros",
    "cached_input_micros",
    "output_micros",
    "max_output_tokens",
    "tokens",
    "message_tokens",
    "request_tokens",
    "output_field",
];

/// The models of a gateway, with their prices.
///
/// ```
/// use hubless_proto::metering::prices::Prices;
/// use serde_json::json;
///
/// let table = json!({"models": {"gpt-4o-mini": {
///     "input_micros": 150_000, "output_micros": 600_000, "max_output_tokens": 16_384,
///     "tokens": "o200k"}}});
/// let prices = Prices::read(&table)?;
/// assert_eq!(prices.of("gpt-4o-mini")?.price(1_000, 0, 10)?.value(), 156);
/// assert_eq!(prices.of("gpt-5").unwrap_err().code, "no_price");
/// # Ok::<(), hubless_proto::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Prices {
    exact: BTreeMap<String, Model>,
    /// By what the name begins with.
    prefixes: BTreeMap<String, Model>,
}

/// What is known of one model, or of those whose names begin alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    input: Micros,
    cached_input: Option<Micros>,
    output: Micros,
    /// Most tokens that one answer may have.
    pub max_output_tokens: u64,
    /// How its tokens are counted before a request is sent.
    pub tokens: Counting,
    /// Tokens added for each message or tool.
    pub message_tokens: u64,
    /// Tokens added for each request.
    pub request_tokens: u64,
    /// Which field carries the cap of the output when a client sets none.
    pub output_field: OutputField,
}

/// How an upper bound of the tokens of a text is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// By the vocabulary o200k.
    O200k,
    /// By bytes: no byte-level tokeniser makes more tokens than there are bytes.
    Bytes,
}

/// The field that caps the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputField {
    /// `max_completion_tokens`.
    Completion,
    /// `max_tokens`, as older servers have it.
    Plain,
}

impl OutputField {
    /// Its name in a request.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completion => "max_completion_tokens",
            Self::Plain => "max_tokens",
        }
    }
}

impl Prices {
    /// Reads `{"models": {name: {...}}}`; a name that ends in `*` stands for all that begin so,
    /// where all of them cost the same: variants may have fees of their own.
    ///
    /// Prices are millionths of the currency for a million tokens: `input_micros`,
    /// `output_micros`, `cached_input_micros` (none: that of other input). `max_output_tokens`
    /// bounds an answer. `tokens` is `o200k` or `bytes` (default, for any other vocabulary).
    /// `message_tokens` (16) and `request_tokens` (64) are added for each message or tool and for
    /// each request; `output_field` is `max_completion_tokens` (default) or `max_tokens`.
    ///
    /// # Errors
    /// `invalid_argument`, naming the field: what is missing, unknown, or no integer in range;
    /// limit `PRICED_MODELS`.
    pub fn read(table: &Value) -> Result<Self> {
        let root = object("prices", table)?;
        known("", root, &["models"])?;
        let models = root.get("models").map(|models| object("models", models)).transpose()?;
        let models = models.filter(|models| !models.is_empty());
        let models = models.ok_or_else(|| Error::invalid("models", "expected at least one"))?;
        if models.len() > PRICED_MODELS {
            let message = format!("expected at most {PRICED_MODELS} models");
            let error = Error::invalid("models", message);
            return Err(error.with_limit("PRICED_MODELS", PRICED_MODELS as u64));
        }
        let mut prices = Self { exact: BTreeMap::new(), prefixes: BTreeMap::new() };
        for (name, model) in models {
            let path = format!("models.{}", excerpt(name));
            if name.is_empty() || name.len() > TEXT_BYTES {
                return Err(Error::invalid(&path, format!("expected 1 to {TEXT_BYTES} bytes")));
            }
            let model = Model::read(&path, model)?;
            match name.strip_suffix('*') {
                Some(prefix) => prices.prefixes.insert(prefix.to_owned(), model),
                None => prices.exact.insert(name.clone(), model),
            };
        }
        Ok(prices)
    }

    /// The model of this name: exactly, else by the longest beginning.
    ///
    /// # Errors
    /// `unsupported`, code `no_price`.
    pub fn of(&self, name: &str) -> Result<&Model> {
        let begins = |prefix: &str| name.starts_with(prefix);
        let by_prefix = || {
            let all = self.prefixes.iter().filter(|(prefix, _)| begins(prefix));
            all.max_by_key(|(prefix, _)| prefix.len()).map(|(_, model)| model)
        };
        self.exact.get(name).or_else(by_prefix).ok_or_else(|| {
            let message = format!("expected a model with a price, got {}", excerpt(name));
            Error::refusal(Kind::Unsupported, "no_price", message).with_field("model")
        })
    }

    /// Names of the models that are named in full.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.exact.keys().map(String::as_str)
    }
}

impl Model {
    fn read(path: &str, value: &Value) -> Result<Self> {
        let fields = object(path, value)?;
        known(&format!("{path}."), fields, &FIELDS)?;
        let number = |field: &str| {
            let read = |value: &Value| value.as_u64().filter(|number| *number <= AMOUNT_MAX);
            let wrong = || {
                let message = format!("expected an integer from 0 to {AMOUNT_MAX}");
                Error::invalid(&format!("{path}.{field}"), message)
            };
            fields.get(field).map(|value| read(value).ok_or_else(wrong)).transpose()
        };
        let needed = |field: &str| {
            number(field)?.ok_or_else(|| {
                Error::invalid(&format!("{path}.{field}"), "expected it to be there")
            })
        };
        let micros = |value: u64| Micros::at_most(value.into());
        Ok(Self {
            input: micros(needed("input_micros")?),
            cached_input: number("cached_input_micros")?.map(micros),
            output: micros(needed("output_micros")?),
            max_output_tokens: needed("max_output_tokens")?,
            tokens: word(path, fields, "tokens", &COUNTINGS)?.unwrap_or(Counting::Bytes),
            message_tokens: number("message_tokens")?.unwrap_or(MESSAGE_TOKENS),
            request_tokens: number("request_tokens")?.unwrap_or(REQUEST_TOKENS),
            output_field: word(path, fields, "output_field", &OUTPUT_FIELDS)?
                .unwrap_or(OutputField::Completion),
        })
    }

    /// Price of so many tokens, of which some of the input were cached; rounded up.
    ///
    /// # Errors
    /// `too_large`, code `price`, above what can be counted.
    pub fn price(&self, input: u64, cached: u64, output: u64) -> Result<Micros> {
        let price = self.exactly(input, cached, output);
        u64::try_from(price).ok().and_then(Micros::new).ok_or_else(|| {
            Error::refusal(Kind::TooLarge, "price", "the price is more than can be counted")
                .with_limit("AMOUNT_MAX", AMOUNT_MAX)
        })
    }

    /// The same, which stops at what can be counted.
    pub fn price_at_most(&self, input: u64, cached: u64, output: u64) -> Micros {
        Micros::at_most(self.exactly(input, cached, output))
    }

    /// The most that so many tokens can cost, cached or not; rounded up.
    ///
    /// # Errors
    /// As [`Model::price`].
    pub fn dearest(&self, input: u64, output: u64) -> Result<Micros> {
        let cached = self.cached_input.filter(|cached| *cached > self.input).map_or(0, |_| input);
        self.price(input, cached, output)
    }

    fn exactly(&self, input: u64, cached: u64, output: u64) -> u128 {
        let cached = cached.min(input);
        let of = |tokens: u64, price: Micros| u128::from(tokens) * u128::from(price.value());
        // Each product is below 2^117, so their sum has room.
        let sum = of(input - cached, self.input)
            + of(cached, self.cached_input.unwrap_or(self.input))
            + of(output, self.output);
        sum.div_ceil(MILLION)
    }

    /// Tokens that a text has at most when a provider counts it.
    ///
    /// # Errors
    /// As [`tokens::count`].
    pub fn count(&self, text: &str) -> Result<u64> {
        match self.tokens {
            Counting::O200k => tokens::count(text),
            Counting::Bytes => Ok(text.len() as u64),
        }
    }

    /// Tokens that a piece of an answer has at least: what an honest provider counts is never
    /// less.
    pub fn count_least(&self, text: &str) -> u64 {
        let least = (text.len() as u64).div_ceil(tokens::LONGEST_TOKEN_BYTES);
        match self.tokens {
            Counting::O200k => tokens::count(text).unwrap_or(least),
            Counting::Bytes => least,
        }
    }
}

const COUNTINGS: [(&str, Counting); 2] = [("o200k", Counting::O200k), ("bytes", Counting::Bytes)];
const OUTPUT_FIELDS: [(&str, OutputField); 2] = [
    (OutputField::Completion.name(), OutputField::Completion),
    (OutputField::Plain.name(), OutputField::Plain),
];

fn word<T: Copy>(
    path: &str,
    fields: &Map<String, Value>,
    field: &str,
    words: &[(&str, T)],
) -> Result<Option<T>> {
    let Some(value) = fields.get(field) else { return Ok(None) };
    let found = words.iter().find(|(word, _)| value.as_str() == Some(word));
    found.map(|(_, meaning)| Some(*meaning)).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        Error::invalid(&format!("{path}.{field}"), format!("expected {}", words.join(" or ")))
    })
}

fn object<'a>(path: &str, value: &'a Value) -> Result<&'a Map<String, Value>> {
    value.as_object().ok_or_else(|| Error::invalid(path, "expected a table"))
}

fn known(path: &str, fields: &Map<String, Value>, names: &[&str]) -> Result<()> {
    match fields.keys().find(|key| !names.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => {
            let field = format!("{path}{}", excerpt(key));
            Err(Error::invalid(&field, format!("expected one of {}", names.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn model(fields: Value) -> Result<Model> {
        let mut all = json!({"input_micros": 3, "output_micros": 5, "max_output_tokens": 7});
        for (field, value) in fields.as_object().unwrap() {
            all[field.as_str()] = value.clone();
        }
        let prices = Prices::read(&json!({"models": {"m": all}}))?;
        prices.of("m").cloned()
    }

    #[test]
    fn names_are_exact_or_the_longest_beginning() {
        let one =
            |input: u64| json!({"input_micros": input, "output_micros": 0, "max_output_tokens": 1});
        let table = json!({"models": {
            "gpt-4*": one(1), "gpt-4o*": one(2), "gpt-4o-mini": one(3)}});
        let prices = Prices::read(&table).unwrap();
        let of = |name: &str| prices.of(name).map(|model| model.input.value());
        assert_eq!(of("gpt-4"), Ok(1));
        assert_eq!(of("gpt-4o-2024"), Ok(2));
        assert_eq!(of("gpt-4o-mini"), Ok(3));
        assert_eq!(of("gpt-4o-mini-2"), Ok(2));
        for name in ["", "gpt-3", "GPT-4o", " gpt-4o", &"x".repeat(100_000)] {
            let error = of(name).unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::Unsupported, "no_price"));
            assert!(error.message.len() < 200);
        }
        assert_eq!(prices.names().collect::<Vec<_>>(), ["gpt-4o-mini"]);
    }

    #[test]
    fn what_is_no_table_is_refused_by_field() {
        for (fields, field) in [
            (json!({"input_micros": -1}), "models.m.input_micros"),
            (json!({"input_micros": 1.5}), "models.m.input_micros"),
            (json!({"output_micros": "5"}), "models.m.output_micros"),
            (json!({"cached_input_micros": AMOUNT_MAX + 1}), "models.m.cached_input_micros"),
            (json!({"max_output_tokens": null}), "models.m.max_output_tokens"),
            (json!({"tokens": "cl100k"}), "models.m.tokens"),
            (json!({"output_field": "max"}), "models.m.output_field"),
            (json!({"images": 1}), "models.m.images"),
        ] {
            let error = model(fields.clone()).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{fields}");
            assert_eq!(error.kind, Kind::InvalidArgument);
        }
        for table in [json!(null), json!({}), json!({"models": {}}), json!({"models": {"": {}}})] {
            assert_eq!(Prices::read(&table).unwrap_err().kind, Kind::InvalidArgument, "{table}");
        }
        let missing = json!({"models": {"m": {"input_micros": 1}}});
        let error = Prices::read(&missing).unwrap_err();
        assert_eq!(error.field.as_deref(), Some("models.m.output_micros"));
        let one = json!({"input_micros": 1, "output_micros": 1, "max_output_tokens": 1});
        let many = |count: usize| {
            let models = (0..count).map(|index| (index.to_string(), one.clone()));
            Prices::read(&json!({"models": Value::Object(models.collect())}))
        };
        assert!(many(PRICED_MODELS).is_ok());
        assert_eq!(many(PRICED_MODELS + 1).unwrap_err().limit.unwrap().name, "PRICED_MODELS");
    }

    #[test]
    fn prices_are_rounded_up_and_never_wrap() {
        let dear = model(json!({"output_micros": AMOUNT_MAX})).unwrap();
        let model = model(json!({"cached_input_micros": 1})).unwrap();
        assert_eq!(model.price(0, 0, 0).unwrap(), Micros::ZERO);
        assert_eq!(model.price(1, 0, 0).unwrap().value(), 1);
        assert_eq!(model.price(1_000_000, 400_000, 1_000_000).unwrap().value(), 8);
        // What says that it had more from its cache than there was had all of it from there.
        assert_eq!(model.price(1_000_000, u64::MAX, 0).unwrap().value(), 1);
        assert_eq!(model.price(u64::MAX, 0, u64::MAX).unwrap().value(), 147_573_952_589_677);
        assert_eq!(dear.price(0, 0, u64::MAX).unwrap_err().code, "price");
        assert_eq!(dear.price_at_most(0, 0, u64::MAX), Micros::MAX);
    }

    #[test]
    fn a_cache_that_costs_more_is_part_of_the_bound() {
        let cheap = model(json!({"cached_input_micros": 1})).unwrap();
        assert_eq!(cheap.dearest(1_000_000, 0).unwrap().value(), 3);
        let dear = model(json!({"cached_input_micros": 9})).unwrap();
        assert_eq!(dear.dearest(1_000_000, 0).unwrap().value(), 9);
    }

    proptest! {
        #[test]
        fn the_dearest_is_never_below_what_is_paid(
            (input, cached, output) in (0..1_u64 << 40, 0..1_u64 << 40, 0..1_u64 << 40),
            prices in any::<[u32; 3]>(),
        ) {
            let [a, b, c] = prices;
            let model = model(json!({
                "input_micros": a, "cached_input_micros": b, "output_micros": c})).unwrap();
            if let Ok(most) = model.dearest(input, output) {
                prop_assert!(model.price(input, cached, output).unwrap() <= most);
            }
        }
    }
}
