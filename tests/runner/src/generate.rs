//! Generated files: written anew, or compared with what is committed.

use crate::count::Outcome;
use crate::guide;
use crate::house::{Result, root};
use hubless_tidy::generated::{HEADER, header, stale};

/// Writes each generated file.
///
/// # Errors
/// The generator failed.
pub(crate) fn write() -> Result<()> {
    for (file, text) in all()? {
        std::fs::write(root().join(&file), text).map_err(|error| format!("{file}: {error}"))?;
    }
    Ok(())
}

/// Compares each generated file with what its generator says.
///
/// # Errors
/// The generator failed.
pub(crate) fn compare() -> Result<Outcome> {
    let mut outcome = Outcome::default();
    for (file, text) in all()? {
        let found = std::fs::read_to_string(root().join(&file)).unwrap_or_default();
        outcome += judged(&stale(&file, &found, &text));
    }
    Ok(outcome)
}

/// Every generated file: its path from the root, and its text.
fn all() -> Result<Vec<(String, String)>> {
    let mut files = vec![(HEADER.to_owned(), header()?)];
    files.extend(guide::files()?);
    Ok(files)
}

/// One test: no generated file is stale.
fn judged(stale: &[String]) -> Outcome {
    Outcome::one(stale.is_empty(), || stale.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_file_fails_and_is_named() {
        let good = judged(&[]);
        assert_eq!((good.passed, good.failed), (1, 0));
        let bad = judged(&stale(HEADER, "", "made"));
        assert_eq!((bad.passed, bad.failed), (0, 1));
        assert!(bad.notes.iter().all(|note| note.starts_with(HEADER)), "{bad}");
    }
}
