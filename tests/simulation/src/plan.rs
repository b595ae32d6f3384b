//! What happens in a history, drawn from its seed.

use crate::chance::Chance;
use crate::network::Weather;

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A node starts.
    Start,
    /// An agent is registered at some node.
    Register,
    /// A transient agent is.
    Brief,
    /// An agent publishes something else.
    Change,
    /// An agent is taken back.
    Withdraw,
    /// A node closes.
    Leave,
    /// A node is killed.
    Crash,
    /// Half of the nodes are cut off.
    Cut,
    /// They are not any more.
    Heal,
}

/// A history.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Nodes that are there from the first seconds on.
    pub nodes: usize,
    /// Agents of each of them.
    pub agents: u64,
    /// The network while things happen.
    pub weather: Weather,
    /// Most that a clock is wrong by, in milliseconds, and in parts of a million.
    pub clocks: (u64, u64),
    /// What happens, in order, each with its time in milliseconds.
    pub steps: Vec<(u64, Step)>,
    /// Nothing happens from then on until the end, and the network is fair.
    pub quiet_ms: u64,
    /// The end.
    pub end_ms: u64,
    /// Most that one node may send within a minute.
    pub minute_bytes: u64,
}

/// Nodes start within this time.
const STARTING_MS: u64 = 5_000;
/// Things happen for this long.
const BUSY_MS: u64 = 180_000;
/// Time without anything new, until all must agree.
const QUIET_MS: u64 = 420_000;
/// Most that one node of a small mesh sends within a minute.
const MINUTE_BYTES: u64 = 4 * 1_024 * 1_024;

impl Plan {
    /// The history of a seed: 8 to 32 nodes.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let nodes = 8 + usize::try_from(chance.below(25)).unwrap_or_default();
        let weather = Weather {
            lost_permille: chance.below(200),
            twice_permille: chance.below(100),
            late_permille: chance.below(100),
            way_ms: 5 + chance.below(150),
        };
        let kinds = [
            Step::Start,
            Step::Register,
            Step::Register,
            Step::Brief,
            Step::Change,
            Step::Change,
            Step::Withdraw,
            Step::Withdraw,
            Step::Leave,
            Step::Crash,
        ];
        let many = 20 + chance.below(40);
        let mut steps: Vec<(u64, Step)> = (0..many)
            .filter_map(|_| Some((STARTING_MS + chance.below(BUSY_MS), chance.one(&kinds)?)))
            .collect();
        if chance.permille(600) {
            let at = STARTING_MS + chance.below(BUSY_MS / 2);
            steps.push((at, Step::Cut));
            steps.push((at + 10_000 + chance.below(80_000), Step::Heal));
        }
        steps.sort_by_key(|(at, _)| *at);
        let quiet_ms = STARTING_MS + BUSY_MS;
        let (agents, clocks) = (chance.below(4), (60_000, 1_000));
        let (end_ms, minute_bytes) = (quiet_ms + QUIET_MS, MINUTE_BYTES);
        Self { nodes, agents, weather, clocks, steps, quiet_ms, end_ms, minute_bytes }
    }

    /// When the node of this place starts.
    #[must_use]
    pub const fn start_ms(&self, place: usize) -> u64 {
        STARTING_MS * place as u64 / self.nodes as u64
    }
}
