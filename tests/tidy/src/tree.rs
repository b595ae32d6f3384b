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
#[must_use]
pub fn sources(endings: &[&str]) -> Vec<Source> {
    let wanted = |path: &String| endings.iter().any(|end| path.ends_with(&format!(".{end}")));
    let read = |path: String| {
        let text = std::fs::read_to_string(root().join(&path)).ok()?;
        Some(Source { path, text })
    };
    paths().into_iter().filter(wanted).filter_map(read).collect()
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
