//! A new user: a fresh clone of HEAD, an empty home, and the ten-line programs.

use crate::count::{self, Outcome};
use crate::house::{Result, root, target, text};
use crate::step::Step;
use std::path::PathBuf;

/// Clones HEAD and runs `hello` there; downloads come from the user's caches.
pub(crate) fn run() -> Result<Outcome> {
    let folder = target().join("fresh");
    // What an earlier run left.
    let _ = std::fs::remove_dir_all(&folder);
    let (clone, home) = (folder.join("clone"), folder.join("home"));
    std::fs::create_dir_all(&home).map_err(|error| error.to_string())?;
    Step::new("fresh: clone", "git")
        .args(["clone", "--quiet", "--local", &text(&root()), &text(&clone)])
        .must()?;
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
        .env("CARGO_TARGET_DIR", target())
        .env("PIP_CACHE_DIR", at("PIP_CACHE_DIR", ".cache/pip"))
        .env("npm_config_cache", at("npm_config_cache", ".npm"))
        .env("npm_config_userconfig", user.join(".npmrc"))
        .env("MAVEN_OPTS", format!("-Dmaven.repo.local={}", text(&user.join(".m2/repository"))))
        .run()?;
    let mut outcome = count::plain(&done.output);
    if !done.ok || outcome.passed == 0 {
        outcome.failed = outcome.failed.max(1);
        outcome.notes.push(done.tail(40));
    }
    let _ = std::fs::remove_dir_all(target().join("fresh"));
    Ok(outcome)
}
