//! Faults that are planted in the simulated nodes, each of which an invariant must catch.

/// What is wrong with every node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Nobody compares: what a push lost stays lost.
    NeverCompares,
    /// What was taken back is forgotten now and then, and old records come again.
    ForgetsTheDead,
    /// A node is blind for what is taken back.
    IgnoresWithdrawals,
    /// The clock by which records end stands still.
    NeverExpires,
    /// Everything that was heard is kept.
    KeepsMessages,
    /// What was heard is told to everyone, known or not.
    TellsEveryone,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 6] = [
        Self::NeverCompares,
        Self::ForgetsTheDead,
        Self::IgnoresWithdrawals,
        Self::NeverExpires,
        Self::KeepsMessages,
        Self::TellsEveryone,
    ];

    /// The invariant that catches it.
    #[must_use]
    pub const fn caught_by(self) -> &'static str {
        match self {
            Self::None => "",
            Self::NeverCompares => "convergence",
            Self::ForgetsTheDead => "resurrection",
            Self::IgnoresWithdrawals => "withdrawal",
            Self::NeverExpires => "expiry",
            Self::KeepsMessages => "memory",
            Self::TellsEveryone => "traffic",
        }
    }
}
