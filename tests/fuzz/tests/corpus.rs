//! Runs every target over its corpus and over seeded mutations of it, each run within a bound of
//! memory that depends on the length of its input alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(unsafe_code, reason = "an allocator cannot be counted in any safe way")]

use hubless_fuzz::mutate::{Numbers, dictionary, mutate};
use hubless_fuzz::{TARGETS, Target};
use std::alloc::{GlobalAlloc, Layout, System};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// Mutations of a target without `HUBLESS_FUZZ_CASES`.
const CASES: usize = 2_000;
/// Memory of a run beside what its input takes.
const BASE_BYTES: usize = 8 * 1024 * 1024;
/// Memory of a run for each byte of its input: the input, its value, its JSON form.
const BYTES_PER_BYTE: usize = 128;

/// Counts what is allocated at once. This file holds one test, so it counts that alone.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator with the same layout.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller's layout.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's pointer and layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn seeds(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = folder().join("corpus").join(target.name);
    let entries = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("no corpus at {}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty(), "an empty corpus at {}", folder.display());
    let read = |path: PathBuf| {
        let bytes = std::fs::read(&path).unwrap();
        (path, bytes)
    };
    paths.into_iter().map(read).collect()
}

/// Runs a target once; a panic or too much memory names the input. True: it was taken.
fn run(target: &Target, name: &str, input: &[u8]) -> bool {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let ended = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    let used = PEAK.load(Relaxed).saturating_sub(before);
    let head = hex(&input[..input.len().min(2_048)]);
    let what = format!("{} on {name}, {} bytes: {head}", target.name, input.len());
    let taken = ended.unwrap_or_else(|_| panic!("{what}"));
    let bound = BASE_BYTES + BYTES_PER_BYTE * input.len();
    assert!(used <= bound, "{used} bytes of memory, {what}");
    taken
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Sees that a run which takes too much, or panics, fails: else the test below could not.
fn control() {
    let greedy = Target { name: "greedy", run: |data| vec![1_u8; data.len() << 24].is_empty() };
    assert!(catch_unwind(|| run(&greedy, "control", &[0; 4])).is_err());
    let broken = Target { name: "broken", run: |data| panic!("{}", data.len()) };
    assert!(catch_unwind(|| run(&broken, "control", &[0; 4])).is_err());
}

/// A folder that no target has would look like inputs that are run.
fn no_corpus_is_left_behind() {
    for entry in std::fs::read_dir(folder().join("corpus")).unwrap() {
        let name = entry.unwrap().file_name();
        let target = TARGETS.iter().find(|target| *target.name == *name);
        assert!(target.is_some(), "no target has the corpus {}", name.display());
    }
}

#[test]
fn no_input_breaks_a_decoder() {
    control();
    let cases = std::env::var("HUBLESS_FUZZ_CASES").map_or(CASES, |text| text.parse().unwrap());
    let words = std::fs::read_to_string(folder().join("dictionary.txt")).unwrap();
    let words = dictionary(&words);
    assert!(words.len() >= 50, "the dictionary has {} words", words.len());
    no_corpus_is_left_behind();
    for target in TARGETS {
        let seeds = seeds(target);
        for (path, input) in &seeds {
            let taken = run(target, &path.display().to_string(), input);
            let refused = path.file_name().is_some_and(|name| name == "refused.bin");
            assert_eq!(taken, !refused, "{}", path.display());
        }
        let mut taken = 0;
        for case in 0..cases {
            let mut numbers = Numbers::new(case as u64);
            let mut input = seeds[numbers.below(seeds.len())].1.clone();
            let other = &seeds[numbers.below(seeds.len())].1;
            mutate(&mut input, other, &words, &mut numbers);
            taken += usize::from(run(target, &format!("case {case}"), &input));
        }
        println!("{}: {} seeds, {taken} of {cases} mutations taken", target.name, seeds.len());
        assert!(taken > 0, "no mutation came behind the first checks of {}", target.name);
    }
}
