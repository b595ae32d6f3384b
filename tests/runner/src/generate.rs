//! Generated files: written anew, or compared with what is committed.

use crate::count::Outcome;
use crate::house::{Result, root};

const HEADER: &str = "include/hubless.h";

/// Writes each generated file.
///
/// # Errors
/// The generator failed.
pub(crate) fn write() -> Result<()> {
    std::fs::write(root().join(HEADER), header()?).map_err(|error| format!("{HEADER}: {error}"))
}

/// Compares each generated file with what its generator says.
///
/// # Errors
/// The generator failed.
pub(crate) fn compare() -> Result<Outcome> {
    let found = std::fs::read_to_string(root().join(HEADER)).unwrap_or_default();
    let same = found == header()?;
    Ok(Outcome::one(same, || {
        format!(
            "{HEADER} is not what the sources say: run `cargo run -p hubless-runner -- generate`"
        )
    }))
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
