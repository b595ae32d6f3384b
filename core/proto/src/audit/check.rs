//! What is wrong with a chain that was read.

use super::chain::{Head, Row};
use super::kind::Event;
use crate::error::{Error, Kind};
use crate::identity::hex;
use std::fmt;

/// What a row is found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Flaw {
    /// Another number than the next one: something was taken out, put in or exchanged.
    Missing,
    /// Its hash is not that of its bytes and of what was before it.
    Changed,
    /// Its bytes are no row, or say another number.
    Unreadable,
    /// Rows up to it are gone, and none of those that are left says so.
    CutBefore,
    /// The chain ends before the row that it is known to have had.
    CutOff,
}

/// The first row that is not as it was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Its number.
    pub seq: u64,
    /// What is wrong.
    pub flaw: Flaw,
}

impl Flaw {
    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Unreadable => "unreadable",
            Self::CutBefore => "cut_before",
            Self::CutOff => "cut_off",
        }
    }

    const fn words(self) -> &'static str {
        match self {
            Self::Missing => "is missing, or another one is in its place",
            Self::Changed => "is not what was written, or what was before it is not",
            Self::Unreadable => "cannot be read as a row",
            Self::CutBefore => "and those before it are gone, and no row says so",
            Self::CutOff => "is not there, and the log is known to have had it",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} {}", self.seq, self.flaw.words())
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::new(Kind::Configuration, fault.to_string()).with_code("broken_audit")
    }
}

/// The check of a chain, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    base: Head,
    at: Head,
    /// Places that the chain is known to have had.
    known: Vec<Head>,
    /// The highest row up to which a row says that rows were forgotten.
    forgotten: u64,
    confirmed: bool,
}

impl From<Head> for Check {
    /// Begins after this row: [`Head::START`], or the last of those that were forgotten.
    fn from(base: Head) -> Self {
        Self { base, at: base, known: Vec::new(), forgotten: 0, confirmed: base == Head::START }
    }
}

impl Check {
    /// The chain is known to have had this row. One that was forgotten since says nothing.
    #[must_use]
    pub fn knowing(mut self, head: Head) -> Self {
        self.known.push(head);
        self
    }

    /// Takes the next row as it is kept, and gives what it says.
    ///
    /// # Errors
    /// The fault of this row.
    pub fn row(&mut self, seq: u64, row: &[u8], hash: &[u8]) -> Result<Row, Fault> {
        let next = self.at.then(row);
        let fault = |flaw| Err(Fault { seq: next.seq, flaw });
        if seq != next.seq {
            return fault(Flaw::Missing);
        }
        let other = self.known.iter().any(|known| known.seq == seq && known.hash != next.hash);
        if hash != next.hash || other {
            return fault(Flaw::Changed);
        }
        let read = std::str::from_utf8(row).ok().and_then(|text| Row::decode(text).ok());
        let Some(read) = read.filter(|read| read.seq == seq) else {
            return fault(Flaw::Unreadable);
        };
        self.at = next;
        if read.entry.kind == Event::RowsForgotten && read.entry.count < seq {
            self.forgotten = self.forgotten.max(read.entry.count);
            self.confirmed |= read.entry.count == self.base.seq
                && read.entry.reason == hex::encode(&self.base.hash);
        }
        Ok(read)
    }

    /// The last row that was taken.
    pub const fn head(&self) -> Head {
        self.at
    }

    /// There are no more rows.
    ///
    /// # Errors
    /// What is missing at the beginning or at the end.
    pub fn end(self) -> Result<Head, Fault> {
        if !self.confirmed {
            let last = self.forgotten.min(self.base.seq.saturating_sub(1));
            return Err(Fault { seq: last + 1, flaw: Flaw::CutBefore });
        }
        if self.known.iter().any(|known| known.seq > self.at.seq) {
            return Err(Fault { seq: self.at.seq + 1, flaw: Flaw::CutOff });
        }
        Ok(self.at)
    }
}

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
