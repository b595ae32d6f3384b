//! Times of the files of a clone: a file that is the same as in the clone before keeps the time
//! that it had there, so that cargo compiles only what depends on a file that changed.

use crate::house::{Result, text};
use crate::step::Step;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// By path below the clone: the id that git gives its content (a digest), and its time.
type Times = BTreeMap<PathBuf, (String, SystemTime)>;

/// Sets the times of a clone's files by what is in `kept`, and keeps them there for the next one.
///
/// # Errors
/// A file could not be read or written, or git failed.
pub(super) fn keep_times(clone: &Path, kept: &Path) -> Result<()> {
    let listed = Step::new("fresh: list the files", "git")
        .args(["-C", &text(clone), "ls-files", "--stage", "-z"])
        .must()?;
    let before = std::fs::read_to_string(kept).unwrap_or_default();
    let times = times(&listed.output, &read(&before), SystemTime::now());
    let set = |path: &Path, time| File::open(clone.join(path)).and_then(|f| f.set_modified(time));
    let mut folders: BTreeMap<PathBuf, SystemTime> = BTreeMap::new();
    for (path, (_, time)) in &times {
        set(path, *time).map_err(|error| format!("{}: {error}", path.display()))?;
        for folder in path.ancestors().skip(1) {
            let latest = folders.entry(folder.to_owned()).or_insert(*time);
            *latest = (*latest).max(*time);
        }
    }
    // Cargo looks at those as well, where a build script names a folder.
    for (folder, time) in &folders {
        set(folder, *time).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    std::fs::write(kept, written(&times)).map_err(|error| error.to_string())
}

/// The time of each file that git lists: that of the same content under the same path, or `now`.
fn times(listed: &str, before: &Times, now: SystemTime) -> Times {
    let entries = listed.split('\0').filter_map(|entry| entry.split_once('\t'));
    let file = |(about, path): (&str, &str)| {
        let content = about.split(' ').nth(1)?.to_owned();
        let path = PathBuf::from(path);
        let same = before.get(&path).filter(|(known, _)| *known == content);
        let time = same.map_or(now, |(_, time)| *time);
        Some((path, (content, time)))
    };
    entries.filter_map(file).collect()
}

fn read(kept: &str) -> Times {
    let line = |line: &str| {
        let mut fields = line.splitn(3, ' ');
        let (content, nanos, path) = (fields.next()?, fields.next()?, fields.next()?);
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos.parse().ok()?);
        Some((PathBuf::from(path), (content.to_owned(), time)))
    };
    kept.lines().filter_map(line).collect()
}

fn written(times: &Times) -> String {
    let line = |(path, (content, time)): (&PathBuf, &(String, SystemTime))| {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        format!("{content} {} {}\n", since.as_nanos(), path.display())
    };
    times.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_keeps_its_time_and_another_gets_a_new_one() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::new(seconds, 7);
        let listed = |one: &str| format!("100644 {one} 0\ta b.rs\0100644 cc 0\tx/c.rs\0");
        let first = times(&listed("aa"), &Times::new(), at(1));
        let kept = read(&written(&first));
        assert_eq!(kept, first);
        let second = times(&listed("bb"), &kept, at(2));
        assert_eq!(second[Path::new("a b.rs")], ("bb".to_owned(), at(2)));
        assert_eq!(second[Path::new("x/c.rs")], ("cc".to_owned(), at(1)));
        // Taken back: compiled again, since what was compiled since is of the other content.
        let third = times(&listed("aa"), &read(&written(&second)), at(3));
        assert_eq!(third[Path::new("a b.rs")], ("aa".to_owned(), at(3)));
    }
}
