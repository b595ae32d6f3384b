//! The built-in counter.

use crate::error::{Error, Kind, Result};
use crate::limits;
use std::sync::OnceLock;
use tiktoken_rs::CoreBPE;

/// Longest token of the vocabulary, in bytes: `n` tokens hold at most `128 n` bytes, so a text
/// beyond that is over the limit without being counted.
pub const LONGEST_TOKEN_BYTES: u64 = 128;

/// Number of tokens of `text`, as the reference tokeniser counts it without special tokens.
///
/// ```
/// assert_eq!(hubless_proto::tokens::count("hello world"), Ok(2));
/// ```
///
/// # Errors
/// `prompt`, code `token_run`: more than `TOKEN_RUN_CHARS` letters, or white space, in a row, on
/// which the splitting pattern of the vocabulary gives up.
pub fn count(text: &str) -> Result<u64> {
    refuse_long_runs(text)?;
    Ok(vocabulary()?.count_ordinary(text) as u64)
}

/// Number of tokens of several texts, each counted by itself; stops above `most`, where any count
/// above `most` means the same.
///
/// # Errors
/// As `count`.
pub fn count_all(texts: &[&str], most: u64) -> Result<u64> {
    let bytes: u64 = texts.iter().map(|text| text.len() as u64).sum();
    if bytes > most.saturating_mul(LONGEST_TOKEN_BYTES) {
        return Ok(most.saturating_add(1));
    }
    let mut all = 0_u64;
    for text in texts.iter().filter(|text| !text.is_empty()) {
        all = all.saturating_add(count(text)?);
        if all > most {
            break;
        }
    }
    Ok(all)
}

/// The vocabulary: 200,000 tokens, about 0.2 s at first use.
fn vocabulary() -> Result<&'static CoreBPE> {
    static VOCABULARY: OnceLock<Option<CoreBPE>> = OnceLock::new();
    let loaded = VOCABULARY.get_or_init(|| tiktoken_rs::o200k_base().ok());
    let missing = || Error::new(Kind::Internal, "the vocabulary of the token counter is damaged");
    loaded.as_ref().ok_or_else(missing)
}

#[derive(PartialEq, Eq, Clone, Copy)]
enum Run {
    Letters,
    Space,
    Neither,
}

/// The pattern walks back over a run of letters or white space once for each of its characters,
/// and gives up after a million steps.
fn refuse_long_runs(text: &str) -> Result<()> {
    if text.len() <= limits::TOKEN_RUN_CHARS {
        return Ok(());
    }
    let (mut last, mut length) = (Run::Neither, 0_usize);
    for letter in text.chars() {
        let run = match letter {
            _ if letter.is_whitespace() => Run::Space,
            _ if letter.is_ascii_punctuation() || letter.is_numeric() => Run::Neither,
            _ => Run::Letters,
        };
        length = if run == last { length + 1 } else { 1 };
        last = run;
        if length > limits::TOKEN_RUN_CHARS && run != Run::Neither {
            let message = "the text has too many letters, or too much white space, in a row";
            return Err(Error::refusal(Kind::Prompt, "token_run", message)
                .with_limit("TOKEN_RUN_CHARS", limits::TOKEN_RUN_CHARS as u64));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_the_corpus_as_the_reference_does() {
        let corpus: Vec<(String, u64)> = serde_json::from_str(include_str!("corpus.json")).unwrap();
        assert!(corpus.len() >= 40);
        for (text, tokens) in corpus {
            assert_eq!(count(&text), Ok(tokens), "{text:?}");
        }
    }

    #[test]
    fn no_token_is_longer_than_stated() {
        let vocabulary = vocabulary().unwrap();
        let longest = (0..200_000)
            .filter_map(|token| vocabulary.decode_bytes(&[token]).ok())
            .map(|bytes| bytes.len() as u64)
            .max();
        assert_eq!(longest, Some(LONGEST_TOKEN_BYTES));
    }

    #[test]
    fn texts_that_tire_the_pattern_are_counted_or_refused() {
        let most = limits::TOKEN_RUN_CHARS;
        for letter in ["A", " ", "\n", "a", "\u{3000}", "漢", "é"] {
            assert!(count(&letter.repeat(most)).is_ok(), "{letter:?}");
            assert!(count(&(letter.repeat(most) + "x9")).is_ok() || letter != " ", "{letter:?}");
            let refused = count(&letter.repeat(most + 1)).unwrap_err();
            assert_eq!(refused.code, "token_run");
        }
        assert!(count(&"!".repeat(most * 3)).is_ok());
    }

    #[test]
    fn stops_once_the_limit_is_passed() {
        let text = "word ".repeat(1_000);
        assert_eq!(count_all(&[&text, &text, &text], 10), Ok(11));
        assert_eq!(count_all(&["hello world", "", "hello"], 10), Ok(3));
        assert_eq!(count_all(&["a"], 0), Ok(1));
        assert_eq!(count_all(&[], 0), Ok(0));
    }
}
