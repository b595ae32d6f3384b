//! Everything in its order, and the sizes of what came out.

use super::dist::{Dist, Profile, empty, say};
use super::{bundle, c, features, java, native, node, notices, python, tools};
use crate::count::Outcome;
use crate::house::Result;
use crate::toolchain;
use std::path::Path;

/// Options of `cargo package-all`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How the native libraries are compiled.
    #[arg(long, value_enum, default_value = "release")]
    profile: Profile,
    /// One archive of them all besides, from which every language installs without a network.
    #[arg(long)]
    bundle: bool,
}

/// Largest package of a release, by the ending of its name. Most of the bundle are the compiler of
/// Kotlin and the plugins of Maven.
const BOUNDS_MIB: [(&str, u64); 5] =
    [(".whl", 15), (".tgz", 15), (".jar", 15), (".tar.gz", 30), (bundle::ENDING, 300)];

/// Builds all packages and prints their sizes; of a release, what features of the command cost as
/// well.
///
/// # Errors
/// A tool is missing, or a build failed.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let dist = Dist { profile: options.profile };
    toolchain::check()?;
    if let Some(fault) = toolchain::make_fault() {
        return Err(fault);
    }
    build(dist)?;
    if options.bundle {
        bundle::build(dist, bundle::Contents::Whole)?;
    }
    let mut outcome = sizes(dist)?;
    if dist.profile == Profile::Release {
        outcome += native::check(dist)?;
        features::costs(dist)?;
    }
    outcome.notes.iter().for_each(|note| eprintln!("{note}"));
    println!("{outcome}");
    Ok(outcome.failed == 0)
}

/// Builds all packages; that of C only where `make` is.
///
/// # Errors
/// A tool is missing, or a build failed.
pub(crate) fn build(dist: Dist) -> Result<()> {
    tools::packaging()?;
    native::prepare(dist)?;
    notices::prepare(dist)?;
    empty(&dist.folder())?;
    if toolchain::make_fault().is_none() {
        c::build(dist)?;
    }
    python::build(dist)?;
    node::build(dist)?;
    java::build(dist)
}

/// Prints the size of each package; a release must stay within its bounds.
pub(crate) fn sizes(dist: Dist) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    // Maven writes a few bytes of checksum beside each file: nobody asks for their size.
    let sum = |end: &std::ffi::OsStr| end == "md5" || end == "sha1";
    for path in files(&dist.folder())?.iter().filter(|path| !path.extension().is_some_and(sum)) {
        let bytes = std::fs::metadata(path).map_err(|error| say(path, &error))?.len();
        let name = path.strip_prefix(dist.folder()).unwrap_or(path).to_string_lossy();
        let kib = bytes / 1024;
        println!("{kib:>9} KiB  {name}");
        let bound = BOUNDS_MIB.iter().find(|(ending, _)| name.ends_with(ending));
        if let (Profile::Release, Some((_, mib))) = (dist.profile, bound) {
            outcome += Outcome::one(kib <= mib * 1024, || {
                format!("{name} has {kib} KiB, the limit is {mib} MiB")
            });
        }
    }
    Ok(outcome)
}

/// All files below a folder, in order.
pub(super) fn files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| say(folder, &error))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let mut all = Vec::new();
    for path in paths {
        if path.is_dir() { all.extend(files(&path)?) } else { all.push(path) }
    }
    Ok(all)
}
