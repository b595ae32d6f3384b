//! Generated files: written anew, or compared with what is committed.

use crate::count::Outcome;
use crate::guide;
use crate::house::{Result, root};

const HEADER: &str = "include/hubless.h";

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
        outcome += compared(&file, &found, &text);
    }
    Ok(outcome)
}

/// Every generated file: its path from the root, and its text.
fn all() -> Result<Vec<(String, String)>> {
    let mut files = vec![(HEADER.to_owned(), header()?)];
    files.extend(guide::files()?);
    Ok(files)
}

/// One test: a generated file is what its generator says, to the last byte.
fn compared(file: &str, found: &str, made: &str) -> Outcome {
    Outcome::one(found == made, || {
        let help = "run `cargo run -p hubless-runner -- generate`";
        format!("{file} is not what the sources say: {help}")
    })
}

/// The C header, from the public items of the C library.
fn header() -> Result<String> {
    let folder = root().join("bindings/c");
    let config = cbindgen::Config::from_file(folder.join("cbindgen.toml"))?;
    let bindings = cbindgen::Builder::new()
        .with_crate(&folder)
        .with_config(config)
        .generate()
        .map_err(|error| error.to_string())?;
    let mut text = Vec::new();
    bindings.write(&mut text);
    String::from_utf8(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_a_generated_file_that_was_changed_or_is_gone() {
        let made = std::fs::read_to_string(root().join(HEADER)).unwrap();
        let longer = format!("{made}/* by hand */\n");
        for (found, failed) in [(made.as_str(), 0), (longer.as_str(), 1), ("", 1)] {
            let outcome = compared(HEADER, found, &made);
            assert_eq!((outcome.passed, outcome.failed), (1 - failed, failed));
            assert!(outcome.notes.iter().all(|note| note.starts_with(HEADER)), "{outcome}");
        }
    }
}
