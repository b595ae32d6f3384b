//! The commands that a measuring program takes, one a line.

use std::str::FromStr;

/// One command: see `tests/bench/BENCH.md`. Sizes are characters of the body, windows milliseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Round trips one after another.
    Rtt {
        /// Size of each.
        size: usize,
        /// How many are measured.
        count: usize,
        /// How many go before them.
        warm: usize,
    },
    /// Where the time of such round trips goes.
    Stages {
        /// Size of each.
        size: usize,
        /// How many.
        count: usize,
    },
    /// A closed loop: so many are always in flight.
    Load {
        /// Size of each.
        size: usize,
        /// How many at once.
        in_flight: usize,
        /// How long is counted.
        window_ms: u64,
    },
    /// An open loop: calls are due at a constant rate.
    Arrivals {
        /// Size of each.
        size: usize,
        /// How many are due in a second.
        per_second: u64,
        /// For how long.
        window_ms: u64,
    },
    /// One call.
    Big {
        /// Its size.
        size: usize,
    },
    /// Registers agents.
    Agents {
        /// How many.
        count: usize,
    },
    /// Looks agents up in a registry of its own, by name, address and id.
    Lookups {
        /// How many agents it has, and how often each way is gone.
        count: usize,
    },
    /// Finds among the agents.
    Find {
        /// By which query.
        by: Query,
        /// How often.
        count: usize,
    },
    /// Registers one agent, and says when.
    Register {
        /// Its name.
        name: String,
    },
    /// Waits until an agent of this name is seen, and says when.
    Await {
        /// The name.
        name: String,
    },
}

/// How agents are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Query {
    /// By a skill and words.
    Text,
    /// By a skill, a tag and a filter.
    Filter,
}

impl FromStr for Command {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = line.split_whitespace();
        let fault = || format!("expected a command of tests/bench/BENCH.md, got {line:?}");
        let verb = words.next().ok_or_else(fault)?;
        let rest: Vec<&str> = words.collect();
        let word = |at: usize| rest.get(at).copied().ok_or_else(fault);
        let size = |at: usize| word(at)?.parse::<usize>().map_err(|_| fault());
        let number = |at: usize| word(at)?.parse::<u64>().map_err(|_| fault());
        Ok(match (verb, rest.len()) {
            ("rtt", 3) => Self::Rtt { size: size(0)?, count: size(1)?, warm: size(2)? },
            ("stages", 2) => Self::Stages { size: size(0)?, count: size(1)? },
            ("load", 3) => {
                Self::Load { size: size(0)?, in_flight: size(1)?, window_ms: number(2)? }
            }
            ("arrivals", 3) => {
                Self::Arrivals { size: size(0)?, per_second: number(1)?, window_ms: number(2)? }
            }
            ("big", 1) => Self::Big { size: size(0)? },
            ("agents", 1) => Self::Agents { count: size(0)? },
            ("lookups", 1) => Self::Lookups { count: size(0)? },
            ("find", 2) => {
                let by = match word(0)? {
                    "text" => Query::Text,
                    "filter" => Query::Filter,
                    _ => return Err(fault()),
                };
                Self::Find { by, count: size(1)? }
            }
            ("register", 1) => Self::Register { name: word(0)?.to_owned() },
            ("await", 1) => Self::Await { name: word(0)?.to_owned() },
            _ => return Err(fault()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_commands_and_refuses_what_is_none() {
        let read = |line: &str| line.parse::<Command>();
        assert_eq!(read("rtt 64 10 1"), Ok(Command::Rtt { size: 64, count: 10, warm: 1 }));
        assert_eq!(read("find text 9"), Ok(Command::Find { by: Query::Text, count: 9 }));
        assert_eq!(read("await late.1"), Ok(Command::Await { name: "late.1".to_owned() }));
        for line in ["", "rtt 64", "rtt 64 10 x", "find all 9", "big 1 2", "dance 1"] {
            assert!(read(line).unwrap_err().contains("BENCH.md"), "{line:?}");
        }
    }
}
