//! The four native libraries: one build, and what must hold of each before it is shipped.

use super::dist::{Dist, Profile, RUST_TARGET, copy, empty};
use super::tools;
use crate::count::Outcome;
use crate::house::{Result, text};
use crate::step::Step;
use crate::toolchain::make_fault;
use std::path::Path;
use std::process::Command;

/// The oldest glibc that shipped libraries run with; manylinux2014 has it.
const FLOOR: (u32, u32) = (2, 17);

/// What the system brings: the list of manylinux2014, as far as Rust needs it.
const SYSTEM: [&str; 7] = [
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
    "ld-linux-x86-64.so.2",
];

/// What a shared library shows: a name that it exports, and those that only tests may see.
type Shown = (&'static str, &'static [&'static str]);

/// The shared libraries that are shipped as cargo leaves them. What Python and Node.js show to
/// tests are no symbols: they are searched where the packages are installed.
const SHARED: [(&str, Shown); 3] = [
    ("lib_core.so", ("PyInit__core", &[])),
    ("libhubless_node.so", ("napi_register_module_v1", &[])),
    (
        "libhubless_jvm.so",
        (
            "Java_dev_hubless_internal_Native_version",
            &[
                "Java_dev_hubless_internal_Native_panicNow",
                "Java_dev_hubless_internal_Native_leakReferences",
            ],
        ),
    ),
];

/// That of C, which is linked from the archive under a name of its own.
const OF_C: Shown = ("hubless_node_start", &C_TESTS);

/// What the C library exports for tests.
const C_TESTS: [&str; 4] =
    ["hubless_panic_now", "hubless_bridge_ask", "hubless_bridge_run", "hubless_bridge_run_async"];

/// The static library.
const STATIC: &str = "libhubless_c.a";

/// Builds them, unless that is done, and leaves them without what only a debugger reads.
pub(super) fn prepare(dist: Dist) -> Result<()> {
    match dist.profile {
        // Built before any part runs; asked again, cargo would wait for what compiles beside it.
        Profile::Dev => {}
        Profile::Release => libraries()?,
    }
    let names = SHARED.iter().map(|(name, _)| *name).chain([STATIC]);
    empty(&dist.work("native"))?;
    for name in names {
        copy(&dist.built(name), &dist.library(name))?;
        Step::new(&format!("package: strip {name}"), "strip")
            .args(["--strip-debug", &text(&dist.library(name))])
            .must()?;
    }
    Ok(())
}

fn libraries() -> Result<()> {
    release("package: release build of the native libraries")?
        .args(["-p", "hubless-python", "-p", "hubless-node", "-p", "hubless-jvm"])
        .args(["-p", "hubless-c"])
        .must()
        .map(drop)
}

/// A release build against the oldest glibc; what is built is to be named.
///
/// # Errors
/// A tool is missing.
pub(super) fn release(name: &str) -> Result<Step> {
    tools::release()?;
    let (major, minor) = FLOOR;
    Ok(Step::new(name, "cargo")
        .args(["zigbuild", "--release", "--locked", "--target"])
        .args([format!("{RUST_TARGET}.{major}.{minor}")])
        .env("PATH", tools::path()))
}

/// The compiler that links a release's C library against the oldest glibc: by the host's own it
/// would need what this machine has.
///
/// # Errors
/// A tool is missing.
pub(super) fn compiler() -> Result<String> {
    tools::release()?;
    let (major, minor) = FLOOR;
    let target = format!("x86_64-linux-gnu.{major}.{minor}");
    Ok(format!("{} -m ziglang cc -target {target}", text(&tools::program("python"))))
}

/// What must hold of each shared library of a release, as it goes into a package.
///
/// # Errors
/// `readelf` is missing.
pub(crate) fn check(dist: Dist) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    // Without it there is no package of C.
    if make_fault().is_none() {
        outcome += check_c(&super::c::prefix(dist))?;
    }
    for (name, shown) in SHARED {
        outcome += checked(&dist.library(name), shown)?;
    }
    Ok(outcome)
}

/// The same of the C library in a prefix.
///
/// # Errors
/// `readelf` is missing.
pub(crate) fn check_c(prefix: &Path) -> Result<Outcome> {
    let name = format!("lib/libhubless.so.{}", env!("CARGO_PKG_VERSION_MAJOR"));
    checked(&prefix.join(name), OF_C)
}

/// Nothing newer than the floor, nothing but the system's libraries, nothing that only tests may
/// call. Each absence is searched where a presence is found first.
fn checked(library: &Path, (exported, forbidden): Shown) -> Result<Outcome> {
    let name = text(library);
    let read = |flag: &str| -> Result<String> {
        let output = Command::new("readelf").args(["--wide", flag]).arg(library).output();
        let output = output.map_err(|error| format!("readelf: {error}"))?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let (versions, dynamic, symbols) =
        (read("--version-info")?, read("--dynamic")?, read("--dyn-syms")?);
    let newer = newer(&versions, FLOOR);
    let mut outcome = Outcome::one(newer.is_empty(), || format!("{name} needs {newer:?}"));
    // The same search finds the floor's own names: Rust's clock is one of them.
    let control = !self::newer(&versions, (2, 2)).is_empty();
    outcome += Outcome::one(control, || format!("{name}: readelf shows no glibc version"));
    let foreign: Vec<_> =
        needed(&dynamic).into_iter().filter(|name| !SYSTEM.contains(name)).collect();
    let known = needed(&dynamic).contains(&"libc.so.6");
    outcome += Outcome::one(known && foreign.is_empty(), || format!("{name}: {foreign:?}"));
    let test_only = present(&symbols, forbidden);
    outcome += Outcome::one(symbols.contains(exported) && test_only.is_empty(), || {
        format!("{name} exports {test_only:?}, or does not export {exported}")
    });
    Ok(outcome)
}

/// Those of the names that are in `readelf --dyn-syms`.
fn present<'a>(symbols: &str, names: &[&'a str]) -> Vec<&'a str> {
    names.iter().copied().filter(|name| symbols.contains(name)).collect()
}

/// The glibc versions in `readelf --version-info` that are newer than `floor`.
fn newer(versions: &str, floor: (u32, u32)) -> Vec<&str> {
    let words = versions.split(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'));
    let mut found: Vec<_> = words
        .filter(|word| {
            let numbers = word.strip_prefix("GLIBC_").and_then(|number| {
                let mut parts = number.split('.').map(str::parse);
                Some((parts.next()?.ok()?, parts.next()?.ok()?))
            });
            // A name without numbers, such as GLIBC_PRIVATE, is promised by no version.
            word.starts_with("GLIBC_") && numbers.is_none_or(|numbers| numbers > floor)
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}

/// The libraries in `readelf --dynamic`.
fn needed(dynamic: &str) -> Vec<&str> {
    let lines = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    lines.filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_versions_newer_than_the_floor() {
        let text = "Name: GLIBC_2.34  Flags: none\nName: GLIBC_2.2.5  Flags\nName: GLIBC_2.17\n\
                    Name: GCC_3.0\n";
        assert_eq!(newer(text, (2, 17)), ["GLIBC_2.34"]);
        assert_eq!(newer(text, (2, 2)), ["GLIBC_2.17", "GLIBC_2.34"]);
        assert_eq!(newer("Name: GLIBC_PRIVATE", (2, 17)), ["GLIBC_PRIVATE"]);
    }

    #[test]
    fn a_library_that_is_bound_to_this_machine_is_caught() {
        // This program is: it is linked by the compiler that is here.
        let here = std::env::current_exe().unwrap();
        let found = checked(&here, ("malloc", &["free"])).unwrap();
        let notes = found.notes.join("\n");
        assert_eq!(found.failed, 2, "{notes}");
        assert!(notes.contains("needs [\"GLIBC_2."), "{notes}");
        assert!(notes.contains("exports [\"free\"]"), "{notes}");
    }

    #[test]
    fn finds_each_symbol_that_only_tests_may_see() {
        let row = |name: &str| format!("  7: 0 64 FUNC GLOBAL DEFAULT 12 {name}\n");
        for name in C_TESTS {
            let symbols = row("hubless_node_start") + &row(name);
            assert!(present(&symbols, &C_TESTS).contains(&name), "{name}");
        }
        assert!(present(&row("hubless_node_start"), &C_TESTS).is_empty());
    }

    #[test]
    fn knows_all_that_the_c_library_exports_for_tests() {
        let source = crate::house::root().join("bindings/c/src/testing.rs");
        let source = std::fs::read_to_string(source).unwrap();
        let after = source.split("extern \"C\" fn hubless_").skip(1);
        let mut exported: Vec<_> = after
            .filter_map(|rest| rest.split_once('('))
            .map(|(name, _)| format!("hubless_{name}"))
            .collect();
        let mut known = C_TESTS;
        exported.sort_unstable();
        known.sort_unstable();
        assert_eq!(exported, known);
    }

    #[test]
    fn reads_needed_libraries() {
        let text = " 0x01 (NEEDED)  Shared library: [libc.so.6]\n 0x0e (SONAME) [x.so.0]\n";
        assert_eq!(needed(text), ["libc.so.6"]);
    }
}
