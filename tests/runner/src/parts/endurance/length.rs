//! How long each of the long forms is.

use crate::house::Result;

/// Lengths that the environment may set, to try a form before it is run in earnest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Length {
    /// Of each stream, in seconds: `HUBLESS_TEST_STREAM_S`.
    pub(super) stream_s: u64,
    /// How often a node is started and closed: `HUBLESS_TEST_CYCLES`.
    pub(super) cycles: u64,
    /// Calls of each language: `HUBLESS_TEST_CALLS`.
    pub(super) calls: u64,
}

impl Length {
    /// What the environment says: an hour, 1,000 and 10^6 where it says nothing.
    ///
    /// # Errors
    /// A variable is no number above 0.
    pub(super) fn of_environment() -> Result<Self> {
        Self::of(|name| std::env::var(name).ok())
    }

    fn of(said: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let number = |name: &str, default: u64| match said(name) {
            None => Ok(default),
            Some(text) => match text.parse() {
                Ok(number) if number > 0 => Ok(number),
                _ => Err(format!("{name}: expected a number above 0, got {text:?}")),
            },
        };
        Ok(Self {
            stream_s: number("HUBLESS_TEST_STREAM_S", 3_600)?,
            cycles: number("HUBLESS_TEST_CYCLES", 1_000)?,
            calls: number("HUBLESS_TEST_CALLS", 1_000_000)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_an_hour_and_a_million_unless_the_environment_says_otherwise() {
        let whole = Length { stream_s: 3_600, cycles: 1_000, calls: 1_000_000 };
        assert_eq!(Length::of(|_| None), Ok(whole));
        let some = |name: &str| (name == "HUBLESS_TEST_STREAM_S").then(|| "20".to_owned());
        assert_eq!(Length::of(some).map(|length| length.stream_s), Ok(20));
        for wrong in ["0", "-1", "an hour", ""] {
            let fault = Length::of(|_| Some(wrong.to_owned())).unwrap_err();
            assert!(fault.contains("HUBLESS_TEST_STREAM_S"), "{fault}");
        }
    }
}
