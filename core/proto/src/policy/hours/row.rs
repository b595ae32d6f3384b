//! What outlives the process.

use crate::killswitch::{Amount, GrantId};

/// One part of what counts for a principal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HourRow {
    /// The principal.
    pub who: String,
    /// Which part.
    pub part: HourPart,
    /// How much.
    pub amount: Amount,
}

/// Which part of what counts for a principal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HourPart {
    /// Set aside for a request, by the account of its budget.
    Open(GrantId),
    /// Spent by requests that are over.
    Spent {
        /// From when on it counts no more, in Unix milliseconds.
        over_ms: u64,
    },
}

/// One change of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HourWrite {
    /// The row is this one.
    Put(HourRow),
    /// This part of what counts for a principal is none any more.
    Delete(String, HourPart),
}
