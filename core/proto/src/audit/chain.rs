//! Rows in a chain: the hash of each covers the one before it and its own bytes.

use super::entry::Entry;
use crate::error::{Error, Result};
use crate::identity::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// Says of what these hashes are, so that none of another use passes for one.
const DOMAIN: &[u8] = b"hubless audit 1\0";

/// A place in a chain: a row's number and its hash, written `seq:hash`.
///
/// Who knows the head of a chain can tell that nothing was cut off its end since.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Head {
    /// Number of the row, from 1; 0: before the first.
    pub seq: u64,
    /// SHA-256 over the chain up to it.
    pub hash: [u8; 32],
}

impl Head {
    /// Before the first row.
    pub const START: Self = Self { seq: 0, hash: [0; 32] };

    /// The place of the next row, with these canonical bytes.
    pub fn then(&self, row: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(DOMAIN).chain_update(self.hash).chain_update(row);
        Self { seq: self.seq.saturating_add(1), hash: digest.finalize().into() }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, hex::encode(&self.hash))
    }
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Head {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("head", "expected SEQ:HASH, as `audit verify` prints it");
        let (seq, hash) = text.split_once(':').ok_or_else(wrong)?;
        let hash = hex::decode("head", hash).map_err(|_| wrong())?;
        Ok(Self { seq: seq.parse().map_err(|_| wrong())?, hash })
    }
}

/// One row of the log.
///
/// Its canonical bytes are its compact JSON with the members in the order of this type; what is
/// empty is left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Its number, from 1 without a gap.
    pub seq: u64,
    /// When, in Unix milliseconds, by the clock of its node.
    pub at_ms: u64,
    /// What it says.
    #[serde(flatten)]
    pub entry: Entry,
}

impl Row {
    /// The bytes that are hashed and kept.
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("invariant: numbers and texts have a JSON form")
    }

    /// Reads them.
    ///
    /// # Errors
    /// `invalid_argument` (`row`) for what no version up to this one wrote.
    pub fn decode(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|_| Error::invalid("row", "expected a row of the log"))
    }
}

/// A row with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number and hash.
    pub head: Head,
    /// Its canonical bytes.
    pub row: String,
}

/// The growing end of a chain.
///
/// ```
/// use hubless_proto::audit::{Chain, Check, Entry, Event, Head};
///
/// let mut chain = Chain::after(Head::START);
/// let links = [Event::NodeStarted, Event::NodeEnded].map(|it| chain.add(Entry::of(it), 5));
/// let mut check = Check::from(Head::START).knowing(chain.head());
/// for link in &links {
///     check.row(link.head.seq, link.row.as_bytes(), &link.head.hash).unwrap();
/// }
/// assert_eq!(check.end(), Ok(chain.head()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain(Head);

impl Chain {
    /// Goes on after this row.
    pub const fn after(head: Head) -> Self {
        Self(head)
    }

    /// The last row.
    pub const fn head(&self) -> Head {
        self.0
    }

    /// Adds a row.
    pub fn add(&mut self, entry: Entry, at_ms: u64) -> Link {
        let row = Row { seq: self.0.seq.saturating_add(1), at_ms, entry }.encode();
        self.0 = self.0.then(row.as_bytes());
        Link { head: self.0, row }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Event;
    use super::*;

    #[test]
    fn the_form_of_a_row_and_its_hash_are_for_ever() {
        let mut chain = Chain::after(Head::START);
        let link = chain.add(Entry::of(Event::PinSet).named("weather").times(2), 1_700);
        let text =
            r#"{"seq":1,"atMs":1700,"kind":"pin_set","outcome":"ok","name":"weather","count":2}"#;
        assert_eq!(link.row, text);
        assert_eq!(Row::decode(text).unwrap().encode(), text);
        // sha256 of "hubless audit 1\0", 32 zero bytes and the text, by another implementation.
        let hash = "6b0515ea0bfdbf51dbb7c87756cb36773c179030d0684c17d4523c3b29e1c087";
        assert_eq!(hex::encode(&link.head.hash), hash);
        assert_eq!(chain.head().to_string(), format!("1:{hash}"));
        assert_eq!(chain.head().to_string().parse(), Ok(chain.head()));
    }

    #[test]
    fn a_head_is_a_number_and_a_hash() {
        for wrong in ["", "1", "1:", "x:00", "1:zz", &format!("-1:{}", "0".repeat(64))] {
            assert_eq!(wrong.parse::<Head>().unwrap_err().field.as_deref(), Some("head"));
        }
    }
}
