//! What is asked of a run of benchmarks.

use super::install::Programs;
use super::judged::Verdict;
use super::{budgets, calls, discovery, instructions, local, stages, start};
use crate::house::{self, Result};
use crate::package::Profile;
use clap::ValueEnum;
use std::path::PathBuf;

/// Fewest runs by which a row may count as met.
pub(super) const FEWEST: usize = 5;

/// Options of `cargo bench-all`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Which; none: all.
    which: Vec<Which>,
    /// Tiny counts, and the libraries that the tests use: shows that all of it runs, no figures.
    #[arg(long)]
    quick: bool,
    /// The packages that are in `target/dist` already, instead of packages that are built now.
    #[arg(long)]
    built: bool,
    /// Folder of the peers, as their `setup.sh` made it; none: their rows are left out.
    #[arg(long, env = "HUBLESS_BENCH_PEERS")]
    pub(super) peers: Option<PathBuf>,
    /// How often each row is measured, all of them in turn; below 5 no row counts as met. Not for
    /// `start` and `budgets`, which have counts of their own, nor for `instructions`.
    #[arg(long, default_value_t = FEWEST)]
    rounds: usize,
    /// Writes the counts of instructions into `tests/bench/callgrind.json`, under this version.
    #[arg(long)]
    keep: bool,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    /// Process start to first answer, in each language.
    Start,
    /// Limits kept, and how fast.
    Budgets,
    /// Calls between two processes, beside the peers and raw streams.
    Calls,
    /// Calls in one process, and 10,000 agents in one node.
    Local,
    /// How soon another process sees an agent, and queries over 10,000.
    Discovery,
    /// Where a call's time goes, in each language.
    Stages,
    /// Instructions of the core's message path, beside those of the last release.
    Instructions,
}

/// How much is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// What the figures are made of.
    Whole,
    /// A few of each.
    Quick,
}

/// Which packages are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packages {
    /// Built from the sources of now.
    Built,
    /// As they lie there.
    Found,
}

/// What becomes of counted instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// Compared with what was kept.
    Compared,
    /// Kept as well.
    Kept,
}

impl Options {
    /// All of them, to see that they run.
    pub(crate) const fn quick() -> Self {
        Self {
            which: Vec::new(),
            quick: true,
            built: false,
            peers: None,
            rounds: FEWEST,
            keep: false,
        }
    }

    pub(super) const fn scale(&self) -> Scale {
        if self.quick { Scale::Quick } else { Scale::Whole }
    }

    pub(super) const fn packages(&self) -> Packages {
        if self.built { Packages::Found } else { Packages::Built }
    }

    pub(super) const fn counts(&self) -> Counts {
        if self.keep { Counts::Kept } else { Counts::Compared }
    }

    pub(super) const fn profile(&self) -> Profile {
        match self.scale() {
            Scale::Whole => Profile::Release,
            Scale::Quick => Profile::Dev,
        }
    }

    /// What becomes of targets: nothing where there are no figures.
    pub(super) fn judged(&self, verdicts: impl FnOnce() -> Vec<Verdict>) -> Vec<Verdict> {
        match self.scale() {
            Scale::Whole => verdicts(),
            Scale::Quick => Vec::new(),
        }
    }

    /// Where reports go: what a quick run writes is not to replace figures.
    pub(super) fn folder(&self) -> PathBuf {
        let folder = house::target().join("bench");
        match self.scale() {
            Scale::Whole => folder,
            Scale::Quick => folder.join("quick"),
        }
    }

    /// How often each row is measured.
    pub(super) fn rounds(&self) -> usize {
        match self.scale() {
            Scale::Whole => self.rounds.max(1),
            Scale::Quick => 1,
        }
    }
}

/// Runs benchmarks, all or these, and prints their tables.
///
/// # Errors
/// A program could not be built or started.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let named = options.which.as_slice();
    let wanted = if named.is_empty() { Which::value_variants() } else { named };
    let mut prepared = None;
    // Once for all of them.
    let mut programs = || match prepared {
        Some(programs) => Ok(programs),
        None => Programs::prepare(options).inspect(|programs| prepared = Some(*programs)),
    };
    let mut kept = true;
    for which in wanted {
        match which {
            Which::Start => start::run(options.scale())?,
            Which::Budgets => kept &= budgets::run(options, &programs()?)?,
            Which::Calls => calls::run(options, &programs()?)?,
            Which::Local => local::run(options, &programs()?)?,
            Which::Discovery => discovery::run(options, &programs()?)?,
            Which::Stages => stages::run(options, &programs()?)?,
            Which::Instructions => instructions::run(options)?,
        }
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_run_leaves_the_reports_of_a_whole_one() {
        let whole = Options { quick: false, ..Options::quick() };
        assert_eq!(whole.folder(), house::target().join("bench"));
        assert_eq!(Options::quick().folder(), house::target().join("bench/quick"));
    }
}
