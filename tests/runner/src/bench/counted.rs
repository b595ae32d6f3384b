//! What a program copies and allocates, counted by a library that stands before the C library
//! (`tests/bench/c/counts.c`). Nothing is timed meanwhile: counting takes time itself.

use crate::house::{self, Result, root, text};
use crate::package::empty;
use crate::step::Step;
use std::ops::Sub;
use std::path::PathBuf;

/// Copies of at least so many bytes have a count each, in this order.
const SIZES: [usize; 3] = [64, 1_024, 65_536];
/// The copies, and the allocations behind them.
const COUNTS: usize = SIZES.len() + 1;

/// Counts of one process, at one moment or between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts([u64; COUNTS]);

impl Counts {
    /// Copies of at least so many bytes; none: of no such size is there a count.
    pub(super) fn copies(&self, size: usize) -> Option<u64> {
        let at = SIZES.iter().position(|one| *one == size)?;
        self.0.get(at).copied()
    }

    /// Calls of malloc and its kin.
    pub(super) const fn allocations(&self) -> u64 {
        let [.., allocations] = self.0;
        allocations
    }

    /// As they stand in a file.
    fn read(bytes: &[u8]) -> Option<Self> {
        let mut all = [0; COUNTS];
        let mut words = bytes.chunks_exact(8);
        for (count, word) in all.iter_mut().zip(words.by_ref()) {
            *count = u64::from_ne_bytes(word.try_into().ok()?);
        }
        (bytes.len() == COUNTS * 8).then_some(Self(all))
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        let mut left = self.0;
        for (count, before) in left.iter_mut().zip(before.0) {
            *count = count.saturating_sub(before);
        }
        Self(left)
    }
}

/// The library that counts, compiled, and where it leaves what it counted.
#[derive(Debug)]
pub(super) struct Counter {
    library: PathBuf,
    folder: PathBuf,
}

impl Counter {
    /// Compiles it; what earlier processes left is gone.
    ///
    /// # Errors
    /// It does not compile here: it is for x86-64 and glibc.
    pub(super) fn prepare(name: &str) -> Result<Self> {
        let folder = house::target().join("bench/counts").join(name);
        let library = folder.with_extension("so");
        empty(&folder)?;
        Step::new("bench: compile what counts copies", "cc")
            .args(["-std=c11", "-D_GNU_SOURCE", "-O2", "-fPIC", "-fno-builtin", "-shared"])
            .args([root().join("tests/bench/c/counts.c")])
            .args(["-o", &text(&library)])
            .must()?;
        Ok(Self { library, folder })
    }

    /// What a program is started with.
    pub(super) fn environment(&self) -> [(&'static str, PathBuf); 2] {
        [("LD_PRELOAD", self.library.clone()), ("HUBLESS_COUNTS", self.folder.clone())]
    }

    /// What a process has done since it began.
    ///
    /// # Errors
    /// It was not started with this.
    pub(super) fn of(&self, process: u32) -> Result<Counts> {
        let file = self.folder.join(process.to_string());
        let bytes = std::fs::read(&file).map_err(|error| format!("{}: {error}", text(&file)))?;
        Counts::read(&bytes).ok_or_else(|| format!("{}: {} bytes", text(&file), bytes.len()))
    }

    /// What a program did that was started once and has ended, and all that it started.
    ///
    /// # Errors
    /// It left nothing.
    pub(super) fn of_all(&self) -> Result<Counts> {
        let entries = std::fs::read_dir(&self.folder);
        let entries = entries.map_err(|error| format!("{}: {error}", text(&self.folder)))?;
        let mut all = None;
        for file in entries.flatten() {
            let bytes = std::fs::read(file.path()).unwrap_or_default();
            let one = Counts::read(&bytes).unwrap_or_default();
            let mut sum = all.unwrap_or_else(Counts::default);
            sum.0.iter_mut().zip(one.0).for_each(|(sum, one)| *sum += one);
            all = Some(sum);
        }
        all.ok_or_else(|| format!("{}: nothing was counted", text(&self.folder)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::write;
    use std::process::Command;

    /// Copies and allocates as often as it is told, by pointers: the compiler makes nothing of it.
    const PROGRAM: &str = "#include <stdlib.h>\n#include <string.h>\n\
        static void *(*volatile copy)(void *, const void *, size_t) = memcpy;\n\
        static void *(*volatile move)(void *, const void *, size_t) = memmove;\n\
        static void *(*volatile make)(size_t) = malloc;\n\
        static char to[70000], from[70000];\n\
        int main(int count, char **words) {\n  (void)words;\n  from[1] = 7;\n  from[100] = 9;\n  \
        for (int i = 1; i < count; i++) {\n    copy(to, from, 70000);\n    \
        move(to + 1, to, 2000);\n    copy(to, from, 63);\n    free(make(10));\n    \
        free(make(10));\n  }\n  \
        return count == 1 || (to[1] == 7 && to[101] == 9) ? 0 : 1;\n}\n";

    #[test]
    fn copies_by_size_and_allocations_are_counted_and_what_is_copied_is_right() {
        let place = house::target().join(format!("bench-counted-{}", std::process::id()));
        write(&place.join("try.c"), PROGRAM).unwrap();
        let program = place.join("try");
        let source = place.join("try.c");
        let made = Command::new("cc").arg(source).arg("-o").arg(&program).status().unwrap();
        assert!(made.success());
        let times = |times: usize| {
            let counter =
                Counter::prepare(&format!("test-{}-{times}", std::process::id())).unwrap();
            let mut command = Command::new(&program);
            command.args(vec!["again"; times]).envs(counter.environment());
            assert!(command.status().unwrap().success(), "a copy is not what was copied");
            counter.of_all().unwrap()
        };
        let ten = times(10) - times(0);
        assert_eq!(SIZES.map(|size| ten.copies(size)), [Some(20), Some(20), Some(10)]);
        assert_eq!((ten.allocations(), ten.copies(65)), (20, None));
        std::fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn a_file_that_is_too_short_is_none() {
        assert_eq!(Counts::read(&[0; COUNTS * 8]), Some(Counts::default()));
        assert_eq!(Counts::read(&[0; COUNTS * 8 - 1]), None);
        assert_eq!(Counts::read(&[]), None);
    }
}
