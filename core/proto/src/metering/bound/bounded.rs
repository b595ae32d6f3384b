//! A request whose price is bounded.

use crate::error::{Error, Kind, Result};
use crate::killswitch::{Amount, Component};
use crate::limits::AMOUNT_MAX;
use crate::metering::Micros;
use crate::metering::prices::Model;

/// A request whose price is bounded.
#[derive(Debug, Clone, PartialEq)]
pub struct Bounded {
    /// The body to send.
    pub body: String,
    /// The model's prices.
    pub model: Model,
    /// The most that it can cost.
    pub max: Micros,
    /// Tokens that its model reads at most.
    pub input_tokens: u64,
    /// Tokens that its answer may have.
    pub output_tokens: u64,
    /// How the answer comes.
    pub answer: Answer,
}

impl Bounded {
    /// The most that it can take of each component.
    ///
    /// # Errors
    /// `too_large`, code `price`, for more tokens than can be counted.
    ///
    /// ```
    /// use hubless_proto::killswitch::Component;
    /// use hubless_proto::metering::{bound, prices::Prices};
    /// use serde_json::json;
    ///
    /// let table = json!({"models": {"m": {
    ///     "input_micros": 0, "output_micros": 2_000_000, "max_output_tokens": 100}}});
    /// let body = br#"{"model": "m", "messages": [{"role": "user", "content": "hello"}]}"#;
    /// let most = bound::chat(&Prices::read(&table)?, body)?.most()?;
    /// assert_eq!(most.of(Component::OutputTokens), 100);
    /// assert_eq!(most.of(Component::CostMicros), 200);
    /// assert!(most.of(Component::InputTokens) > 5);
    /// # Ok::<(), hubless_proto::Error>(())
    /// ```
    pub fn most(&self) -> Result<Amount> {
        let tokens = [
            (Component::InputTokens, self.input_tokens),
            (Component::OutputTokens, self.output_tokens),
        ];
        tokens.into_iter().try_fold(Amount::from(self.max), |all, (component, tokens)| {
            all.with(component, tokens).map_err(|_| {
                let message = "the tokens are more than can be counted";
                Error::refusal(Kind::TooLarge, "price", message)
                    .with_limit("AMOUNT_MAX", AMOUNT_MAX)
            })
        })
    }
}

/// How an answer comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// At once.
    Whole,
    /// Piece by piece, with its usage at the end, as the client asked.
    StreamWithUsage,
    /// Piece by piece; the client did not ask for the usage, and is not to see that piece.
    Stream,
}
