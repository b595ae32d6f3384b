//! The crates below `core`, each in a project of its own outside this workspace: features that
//! another member of a workspace asks for must not stand in for those that a crate needs itself.

use super::all::works;
use crate::count::Outcome;
use crate::house::{self, Result, root, text};
use crate::package::{empty, write};
use crate::step::Step;
use std::path::Path;

/// The projects: their names, the dependency of each, and what its program prints.
const PROJECTS: [(&str, &str, &str); 3] = [
    ("proto", "hubless-proto = { path = \"CORE/proto\" }", "agent"),
    (
        "sdk",
        "hubless = { path = \"CORE/node\" }\nserde_json = \"1\"\n\
         tokio = { version = \"1\", features = [\"rt\", \"macros\"] }",
        "hello project",
    ),
    ("edge", "hubless-edge = { path = \"CORE/edge\" }", "false"),
];

/// Builds each by itself and runs its program; the command is built by itself as well.
pub(super) fn install() -> Result<Outcome> {
    let project = house::target().join("install/rust");
    empty(&project)?;
    let given = root().join("tests/runner/projects/rust");
    copy(&given.join("workspace.toml"), &project.join("Cargo.toml"))?;
    // The same versions, none of which is downloaded again.
    copy(&root().join("Cargo.lock"), &project.join("Cargo.lock"))?;
    for (name, depends, _) in PROJECTS {
        let depends = depends.replace("CORE", &text(&root().join("core")));
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion.workspace = true\nedition.workspace = true\n\
             publish.workspace = true\n\n[dependencies]\n{depends}\n"
        );
        write(&project.join(name).join("Cargo.toml"), manifest)?;
        copy(&given.join(name).join("src/main.rs"), &project.join(name).join("src/main.rs"))?;
    }
    let mut outcome = Outcome::default();
    for (name, _, line) in PROJECTS {
        let done = cargo(&format!("run the project {name}"), &project)
            .args(["run", "--quiet", "--offline", "-p", name])
            .env("HUBLESS_HOME", project.join("home"))
            .run()?;
        let said = done.ok && done.output.contains(line);
        outcome += Outcome::one(said, || format!("expected {line:?}\n{}", done.tail(40)));
    }
    outcome += works(cargo("the command by itself", &root()).args([
        "check",
        "--quiet",
        "--locked",
        "-p",
        "hubless-cli",
    ]))?;
    Ok(outcome)
}

/// Cargo with a target folder that is kept: nothing of this workspace's own was built in it.
fn cargo(name: &str, folder: &Path) -> Step {
    Step::new(&format!("install: rust, {name}"), "cargo")
        .env("CARGO_TARGET_DIR", house::target().join("install-rust"))
        .folder(folder)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let text = std::fs::read(from).map_err(|error| format!("{}: {error}", from.display()))?;
    write(to, text)
}
