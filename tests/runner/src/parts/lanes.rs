//! Which parts run beside each other.
//!
//! Owns: the order in which parts begin. Must not know: what a part runs. Most parts wait for
//! processes, leases and disks more than they compute, so two at a time take little more than half
//! of the time; those whose promise is a time, or that fill the machine, run with nothing beside.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Parts that run at a time.
const LANES: usize = 2;

/// What may run beside a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// Nothing: it measures, or it takes all of the machine.
    Nothing,
    /// Every part but those that say the same.
    AllBut(Shared),
    /// Every part.
    All,
}

/// What two parts would take from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shared {
    /// Maven's repository of this user: two that download at once damage it.
    Maven,
    /// The folder that C's programs are compiled into.
    Make,
}

impl Beside {
    fn fits(self, other: Self) -> bool {
        match (self, other) {
            (Self::Nothing, _) | (_, Self::Nothing) => false,
            (Self::AllBut(own), Self::AllBut(its)) => own != its,
            (Self::All, _) | (_, Self::All) => true,
        }
    }
}

/// Parts that wait, and those that run, by their index.
#[derive(Debug, Default)]
struct Board {
    waiting: Vec<(usize, Beside)>,
    running: Vec<(usize, Beside)>,
}

impl Board {
    /// The first part that fits beside what runs. Those that run alone come last: what they wait
    /// for ends by itself then.
    fn next(&mut self) -> Option<usize> {
        let fits = |wants: Beside| self.running.iter().all(|(_, has)| wants.fits(*has));
        let shares = |(_, wants): &(usize, Beside)| *wants != Beside::Nothing && fits(*wants);
        let others = self.waiting.iter().any(|(_, wants)| *wants != Beside::Nothing);
        let at = match self.waiting.iter().position(shares) {
            Some(at) => at,
            None if !others && self.running.is_empty() && !self.waiting.is_empty() => 0,
            None => return None,
        };
        let part = self.waiting.remove(at);
        self.running.push(part);
        Some(part.0)
    }
}

/// Calls `run` with the index of each, at most [`LANES`] at a time.
pub(super) fn run(parts: &[Beside], run: impl Fn(usize) + Sync) {
    let waiting = parts.iter().copied().enumerate().collect();
    let board = Mutex::new(Board { waiting, running: Vec::new() });
    let changed = Condvar::new();
    let lane = || {
        while let Some(part) = begin(&board, &changed) {
            let _ended = Ended { board: &board, changed: &changed, part };
            run(part);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..LANES {
            scope.spawn(lane);
        }
    });
}

/// Waits until a part may begin; none: all have begun.
fn begin(board: &Mutex<Board>, changed: &Condvar) -> Option<usize> {
    let mut seen = locked(board);
    loop {
        if let Some(part) = seen.next() {
            return Some(part);
        }
        if seen.waiting.is_empty() {
            return None;
        }
        seen = changed.wait(seen).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Takes a part off the board when it ended, also where it panicked: the other lane waits for it.
struct Ended<'a> {
    board: &'a Mutex<Board>,
    changed: &'a Condvar,
    part: usize,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        locked(self.board).running.retain(|(part, _)| *part != self.part);
        self.changed.notify_all();
    }
}

fn locked(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAVEN: Beside = Beside::AllBut(Shared::Maven);

    /// Runs parts; what ran beside each, by index, and the order in which they began.
    fn observed(parts: &[Beside]) -> (Vec<Vec<usize>>, Vec<usize>) {
        type Seen = (Vec<Vec<usize>>, Vec<usize>, Vec<usize>);
        let state: Mutex<Seen> = Mutex::new((vec![Vec::new(); parts.len()], vec![], vec![]));
        run(parts, |part| {
            {
                let mut state = state.lock().unwrap();
                let (beside, now, order) = &mut *state;
                for other in now.iter().copied() {
                    beside[other].push(part);
                    beside[part].push(other);
                }
                now.push(part);
                order.push(part);
            }
            std::thread::yield_now();
            state.lock().unwrap().1.retain(|other| *other != part);
        });
        let (beside, _, order) = state.into_inner().unwrap();
        (beside, order)
    }

    #[test]
    fn every_part_runs_once_and_those_that_run_alone_are_last() {
        let parts = [Beside::Nothing, Beside::All, MAVEN, Beside::All, Beside::Nothing, MAVEN];
        for _ in 0..200 {
            let (beside, order) = observed(&parts);
            let mut all = order.clone();
            all.sort_unstable();
            assert_eq!(all, [0, 1, 2, 3, 4, 5]);
            assert_eq!(order[4..], [0, 4]);
            assert!(beside[0].is_empty() && beside[4].is_empty(), "{beside:?}");
            assert!(!beside[2].contains(&5), "{beside:?}");
        }
    }

    #[test]
    fn parts_that_share_nothing_run_beside_each_other() {
        let waiting = vec![(0, MAVEN), (1, MAVEN), (2, Beside::All), (3, Beside::Nothing)];
        let mut board = Board { waiting, running: Vec::new() };
        assert_eq!([board.next(), board.next(), board.next()], [Some(0), Some(2), None]);
        board.running.clear();
        assert_eq!([board.next(), board.next()], [Some(1), None]);
        board.running.clear();
        assert_eq!([board.next(), board.next()], [Some(3), None]);
    }

    #[test]
    fn a_part_that_panics_does_not_hold_up_the_other_lane() {
        let ran = Mutex::new(Vec::new());
        let result = std::panic::catch_unwind(|| {
            run(&[Beside::All, Beside::Nothing], |part| {
                ran.lock().unwrap().push(part);
                assert!(part != 0, "a part may fail");
            });
        });
        assert!(result.is_err());
        assert_eq!(*ran.lock().unwrap(), [0, 1]);
    }
}
