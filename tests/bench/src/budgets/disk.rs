//! A folder on a disk: what is said to be durable there is written to something that keeps it.

use std::path::PathBuf;
use tempfile::TempDir;

/// File systems that keep nothing, by the names that the kernel has for them.
const KEEP_NOTHING: [&str; 2] = ["tmpfs", "ramfs"];

/// One below `HUBLESS_BENCH_DISK`, else below the folder of temporary files; none: it would be kept
/// in memory, where syncing costs nothing.
pub(crate) fn folder() -> Option<TempDir> {
    let wanted = std::env::var_os("HUBLESS_BENCH_DISK").map(PathBuf::from);
    let above = wanted.unwrap_or_else(std::env::temp_dir);
    let folder = tempfile::tempdir_in(&above).unwrap();
    let of = kind(&folder.path().canonicalize().unwrap());
    if KEEP_NOTHING.contains(&of.as_str()) {
        eprintln!(
            "{} is on {of}, which is no disk: set HUBLESS_BENCH_DISK to a folder on one",
            above.display()
        );
        return None;
    }
    Some(folder)
}

/// The kind of the file system that a path is on: that of the longest mount point above it.
fn kind(path: &std::path::Path) -> String {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let mut found = (0, String::new());
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(1);
        let (Some(at), Some(kind)) = (words.next(), words.next()) else { continue };
        // The latest mount of a place hides those before it.
        if path.starts_with(at) && at.len() >= found.0 {
            found = (at.len(), kind.to_owned());
        }
    }
    found.1
}
