//! A new user: a fresh clone of HEAD, an empty home, and the ten-line programs.

use super::sources;
use crate::count::{self, Outcome};
use crate::house::{Result, root, target, text};
use crate::step::Step;
use crate::toolchain;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What cargo keeps of a compiled crate, below the folder of the profile.
const COMPILED: [&str; 3] = [".fingerprint", "build", "deps"];

/// Clones HEAD and runs `hello` there; downloads come from the user's caches, crates of others from
/// what this checkout compiled, and ours from the last run, if their sources are the same.
pub(crate) fn run() -> Result<Outcome> {
    Outcome::unless(toolchain::git_fault(), cloned)
}

fn cloned() -> Result<Outcome> {
    let folder = target().join("fresh");
    let (clone, home) = (folder.join("clone"), folder.join("home"));
    for left in [&clone, &home] {
        // What an earlier run left.
        let _ = std::fs::remove_dir_all(left);
    }
    std::fs::create_dir_all(&home).map_err(|error| error.to_string())?;
    // A target folder of its own: cargo tells our crates apart by their place within a workspace,
    // so that in a shared one it would take the clone's for those of this checkout.
    let compiled = folder.join("target");
    for part in COMPILED {
        let (from, to) = (target().join("debug").join(part), compiled.join("debug").join(part));
        copy(&from, &to).map_err(|error| format!("{}: {error}", from.display()))?;
    }
    Step::new("fresh: clone", "git")
        .args(["clone", "--quiet", "--local", &text(&root()), &text(&clone)])
        .must()?;
    sources::keep_times(&clone, &folder.join("sources"))?;
    let user = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let at = |name: &str, default: &str| {
        std::env::var_os(name).map_or_else(|| user.join(default), PathBuf::from)
    };
    let done = Step::new("fresh: build and run the ten-line programs", "cargo")
        .args(["run", "--quiet", "--locked", "-p", "hubless-runner", "--", "hello"])
        .folder(&clone)
        .env("HOME", &home)
        .env("CARGO_HOME", at("CARGO_HOME", ".cargo"))
        .env("RUSTUP_HOME", at("RUSTUP_HOME", ".rustup"))
        .env("CARGO_TARGET_DIR", &compiled)
        .env("PIP_CACHE_DIR", at("PIP_CACHE_DIR", ".cache/pip"))
        .env("npm_config_cache", at("npm_config_cache", ".npm"))
        .env("npm_config_userconfig", user.join(".npmrc"))
        .env("MAVEN_OPTS", maven(std::env::var("MAVEN_OPTS").ok(), &user))
        .run()?;
    let mut outcome = count::plain(&done.output);
    if !done.ok || outcome.passed == 0 {
        outcome.failed = outcome.failed.max(1);
        outcome.notes.push(done.tail(40));
    }
    for done in [&clone, &home] {
        let _ = std::fs::remove_dir_all(done);
    }
    Ok(outcome)
}

/// What Maven is told: what this user tells it, such as a proxy, and where its repository is.
fn maven(own: Option<String>, user: &Path) -> String {
    let repository = format!("-Dmaven.repo.local={}", text(&user.join(".m2/repository")));
    // Of two repositories the last one counts: one that the user named stays.
    own.map_or_else(|| repository.clone(), |own| format!("{repository} {own}"))
}

/// Copies what is new in a folder, with the times of its files, but for what was compiled of our
/// own crates: their libraries, and the tests, each as large as everything that it is linked with.
///
/// A part beside this one may be compiling: what it has open for a moment is left out, and what is
/// gone when its turn comes is no fault.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let (path, copied) = (entry.path(), to.join(entry.file_name()));
        if is_ours(&entry.file_name()) || is_test(&path) || is_passing(&entry.file_name()) {
            continue;
        }
        let done = if path.is_dir() { copy(&path, &copied) } else { copy_file(&path, &copied) };
        match done {
            Err(error) if error.kind() == ErrorKind::NotFound && !path.exists() => {}
            other => other?,
        }
    }
    Ok(())
}

/// Copies a file that is new, with its time.
fn copy_file(from: &Path, to: &Path) -> std::io::Result<()> {
    let modified = std::fs::metadata(from)?.modified()?;
    if std::fs::metadata(to).is_ok_and(|there| there.modified().ok() == Some(modified)) {
        return Ok(());
    }
    std::fs::copy(from, to)?;
    std::fs::File::options().append(true).open(to)?.set_modified(modified)
}

/// What the compiler has only while it runs.
fn is_passing(file: &OsStr) -> bool {
    let name = file.to_string_lossy();
    Path::new(file).extension() == Some(OsStr::new("o")) || name.starts_with("rmeta")
}

fn is_ours(file: &OsStr) -> bool {
    let name = file.to_string_lossy();
    let name = name.strip_prefix("lib").unwrap_or(&name);
    ["hubless", "_core-"].iter().any(|ours| name.starts_with(ours))
}

/// A linked program: only tests stand as such in the folder of the libraries.
fn is_test(file: &Path) -> bool {
    let among_libraries = file.parent().and_then(Path::file_name) == Some(OsStr::new("deps"));
    among_libraries && file.extension().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_the_user_tells_maven() {
        let user = Path::new("/home/u");
        let repository = "-Dmaven.repo.local=/home/u/.m2/repository";
        assert_eq!(maven(None, user), repository);
        let own = "-Xmx1g -Dhttps.proxyHost=proxy";
        assert_eq!(maven(Some(own.to_owned()), user), format!("{repository} {own}"));
    }

    #[test]
    fn tells_tests_from_libraries_and_build_scripts() {
        assert!(is_test(Path::new("target/debug/deps/two_nodes-1a")));
        for other in
            ["deps/libserde-1a.rlib", "deps/serde-1a.d", "build/ring-1a/build-script-build"]
        {
            assert!(!is_test(Path::new(other)), "{other}");
        }
    }

    #[test]
    fn leaves_out_what_the_compiler_has_only_while_it_runs() {
        for passing in ["budgets-1a.0x2b-cgu.3.rcgu.o", "rmetaXb12"] {
            assert!(is_passing(OsStr::new(passing)), "{passing}");
        }
        for kept in ["libserde-1a.rlib", "libserde-1a.rmeta", "serde-1a.d", "output"] {
            assert!(!is_passing(OsStr::new(kept)), "{kept}");
        }
    }

    #[test]
    fn tells_our_crates_from_those_of_others() {
        for ours in ["hubless-proto-1a", "libhubless_c-2b.rlib", "lib_core-3c.so", "_core-3c.d"] {
            assert!(is_ours(OsStr::new(ours)), "{ours}");
        }
        for other in ["libserde_core-1a.rlib", "iroh-2b", "libiroh-2b.rmeta"] {
            assert!(!is_ours(OsStr::new(other)), "{other}");
        }
    }
}
