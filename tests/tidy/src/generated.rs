//! Generated files are what their generators say.

use crate::tree::root;

/// The C header, from the public items of the C library.
pub const HEADER: &str = "include/hubless.h";

/// Makes the C header.
///
/// # Errors
/// The generator failed.
pub fn header() -> Result<String, String> {
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

/// A generated file that is not what its generator makes, to the last byte.
#[must_use]
pub fn stale(file: &str, found: &str, made: &str) -> Vec<String> {
    let help = "run `cargo run -p hubless-runner -- generate`";
    let told = || format!("{file} is not what the sources say: {help}");
    (found != made).then(told).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn catches_a_generated_file_that_was_changed_or_is_gone() {
        let made = std::fs::read_to_string(root().join(HEADER)).unwrap();
        let longer = format!("{made}/* by hand */\n");
        for (found, places) in [(made.as_str(), 0), (longer.as_str(), 1), ("", 1)] {
            let told = stale(HEADER, found, &made);
            assert_eq!(told.len(), places);
            assert!(told.iter().all(|place| place.starts_with(HEADER)), "{told:?}");
        }
    }
}
