//! Why a record was taken, or not, or is no more.

use crate::error::Error;

/// Why a record stands now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// There was none of its key.
    New,
    /// It has a higher number than the one before.
    Newer,
    /// It has the number of the one before and the lower digest: its author signed two.
    Lower,
}

/// Why a record was not taken. One that is known already is only counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// One of its key has a higher number, or had.
    Older,
    /// It has the number of the one that stands, and the higher digest.
    Equivocation,
    /// Its author, or the node that hosted it, took it back.
    Dead,
    /// Its life is over.
    Expired,
    /// It was issued more than `CLOCK_SKEW` ahead of this clock.
    NotYetValid,
    /// It is numbered more than `CLOCK_SKEW` ahead of this clock.
    SeqAhead,
    /// Its node is not known as a member of the mesh.
    NotMember,
    /// Its node has `MEMBER_RECORDS` already, or as many later words that an agent is no more.
    Quota,
    /// Who brings it brought `MEMBER_RECORDS_PER_S` new ones of its node within a second, or as many
    /// that did not hold.
    Rate,
    /// The replica is full, or what it keeps of the ends of strangers is.
    Full,
    /// It does not hold: a signature, a token, a body.
    Unproven(Box<Error>),
}

impl Refusal {
    /// The stable name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Older => "older",
            Self::Equivocation => "equivocation",
            Self::Dead => "dead",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::SeqAhead => "seq_ahead",
            Self::NotMember => "not_member",
            Self::Quota => "quota",
            Self::Rate => "rate",
            Self::Full => "full",
            Self::Unproven(_) => "unproven",
        }
    }
}

/// Why a row is no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Its life is over.
    Expired,
    /// It was taken back.
    Withdrawn,
    /// Later words of its node that agents are no more took its place.
    Crowded,
}
