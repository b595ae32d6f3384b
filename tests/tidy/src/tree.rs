//! The files that the project owns.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One file with its text.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path from the root, with slashes.
    pub path: String,
    /// Whole text.
    pub text: String,
}

impl Source {
    /// A source for a rule's own test.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Ending of the file's name, without the dot.
    #[must_use]
    pub fn ending(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(_, ending)| ending)
    }
}

/// Lines of Rust that are no tests, numbered from one: what stands under `#[cfg(test)]` is left
/// out, and nothing that comes after it.
pub fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut place = Place::Code;
    let numbered = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    numbered.filter(move |(_, line)| {
        let before = place;
        place = before.after(line);
        matches!((before, place), (Place::Code, Place::Code))
    })
}

/// Where a line of Rust stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Code,
    /// Behind `#[cfg(test)]`, before the item that it is for.
    Test,
    /// Inside that item, which ends with a brace at this indent.
    Inside(usize),
}

impl Place {
    /// Where the line after this one stands. Every file has a formatter behind it.
    fn after(self, line: &str) -> Self {
        let (code, indent) = (line.trim(), line.len() - line.trim_start().len());
        match self {
            Self::Code if code == "#[cfg(test)]" => Self::Test,
            Self::Code => Self::Code,
            Self::Test if code.starts_with("#[") || code.starts_with("//") => Self::Test,
            Self::Test if code.ends_with([';', '}']) => Self::Code,
            Self::Test => Self::Inside(indent),
            Self::Inside(own) if indent == own && code.starts_with('}') => Self::Code,
            Self::Inside(own) => Self::Inside(own),
        }
    }
}

/// The checkout.
#[must_use]
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here).to_path_buf()
}

/// Every tracked or new file that is not ignored.
///
/// # Panics
/// When git cannot list them: then nothing could be checked.
#[must_use]
pub fn paths() -> Vec<String> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git lists the files of the checkout");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut paths: Vec<_> = text.lines().map(str::to_owned).collect();
    paths.retain(|path| root().join(path).is_file());
    paths.sort();
    assert!(paths.len() > 50, "git listed only {} files", paths.len());
    paths
}

/// Sources with one of these endings.
///
/// # Panics
/// When one is no text: no rule would look at it.
#[must_use]
pub fn sources(endings: &[&str]) -> Vec<Source> {
    let wanted = |path: &String| endings.iter().any(|end| path.ends_with(&format!(".{end}")));
    let read = |path: String| {
        let text = std::fs::read_to_string(root().join(&path));
        let text = text.unwrap_or_else(|error| panic!("{path}: {error}"));
        Source { path, text }
    };
    paths().into_iter().filter(wanted).map(read).collect()
}

/// One file, when it is there.
#[must_use]
pub fn named(path: &str) -> Option<Source> {
    let text = std::fs::read_to_string(root().join(path)).ok()?;
    Some(Source { path: path.to_owned(), text })
}

/// What cargo says of the packages and of how they depend on each other.
///
/// # Panics
/// When cargo does not say it: then nothing could be checked.
#[must_use]
pub fn metadata() -> serde_json::Value {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", &platform])
        .current_dir(root())
        .output()
        .expect("cargo lists the packages");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("cargo prints JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_under_the_mark_of_tests_is_left_out_and_nothing_after_it() {
        let text = "one\n#[cfg(test)]\nuse a::b;\ntwo\n    #[cfg(test)]\n    // why\n    fn f(\n\
                    \x20       x: u8,\n    ) {\n        g();\n    }\nthree\n#[cfg(test)]\n\
                    #[path = \"t.rs\"]\nmod t;\nfour\n#[cfg(test)]\nmod tests {\n    fn g() {}\n\
                    }\n";
        let left: Vec<_> = code(text).map(|(number, line)| (number, line.trim())).collect();
        assert_eq!(left, [(1, "one"), (4, "two"), (12, "three"), (16, "four")]);
    }
}
