//! Whose calls are measured by programs of our own.

use crate::language::Language;

/// One of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Contestant {
    /// Streams of the engine alone.
    Floor,
    /// The Rust SDK.
    Rust,
    /// A language package.
    Package(Language),
}

impl Contestant {
    /// All, in the order of the tables.
    pub(super) const ALL: [Self; 6] = [
        Self::Floor,
        Self::Rust,
        Self::Package(Language::C),
        Self::Package(Language::Python),
        Self::Package(Language::Node),
        Self::Package(Language::Kotlin),
    ];

    /// Those with agents.
    pub(super) fn with_agents() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|one| *one != Self::Floor)
    }

    /// Its row.
    pub(super) const fn row(self) -> &'static str {
        match self {
            Self::Floor => "floor: raw streams",
            Self::Rust => "hubless Rust",
            Self::Package(Language::C) => "hubless C",
            Self::Package(Language::Python) => "hubless Python",
            Self::Package(Language::Node) => "hubless Node.js",
            Self::Package(Language::Kotlin) => "hubless Kotlin",
        }
    }

    /// Its row where the peers' own code measures it.
    pub(super) fn row_by_peers(self) -> String {
        format!("{}, by the peers' code", self.row())
    }

    /// Its name in files.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Rust => "rust",
            Self::Package(language) => language.name(),
        }
    }

    /// The beginning of the names of the peers in the same language.
    pub(super) const fn peers(self) -> Option<&'static str> {
        match self {
            Self::Package(Language::Python) => Some("py-"),
            Self::Package(Language::Node) => Some("node-"),
            Self::Package(Language::Kotlin) => Some("jvm-"),
            Self::Floor | Self::Rust | Self::Package(Language::C) => None,
        }
    }
}
