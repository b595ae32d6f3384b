//! The bundle, unpacked where no network is: each language installs from it and runs its ten lines.

use super::all::works;
use super::alone::Alone;
use super::c;
use crate::count::Outcome;
use crate::hello;
use crate::house::{self, Result, target, text};
use crate::package::bundle::{CHECKSUMS, Contents, build, name, packed};
use crate::package::{Dist, empty, notices};
use crate::step::Step;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the bundle of packages that are there, and installs from it.
pub(super) fn install(dist: Dist, contents: Contents) -> Result<Outcome> {
    build(dist, contents)?;
    let folder = target().join("install/bundle");
    empty(&folder)?;
    Step::new("install: bundle, unpack", "tar")
        .args(["--extract", "--file", &text(&packed(dist)), "--directory", &text(&folder)])
        .must()?;
    let bundle = folder.join(name());
    let mut outcome = listed(&bundle)?;
    let alone = match Alone::new() {
        Ok(alone) => alone,
        Err(reason) => {
            outcome += Outcome::skip(&format!("installing from the bundle: {reason}"));
            return Ok(outcome);
        }
    };
    let place = Place { alone, bundle, work: folder.join("work") };
    std::fs::create_dir_all(&place.work).map_err(|error| error.to_string())?;
    outcome += place.alone.control()?;
    outcome += place.python()?;
    outcome += place.node()?;
    if c::missing().is_none() {
        outcome += place.c()?;
    }
    if contents == Contents::Whole {
        outcome += place.kotlin()?;
    }
    Ok(outcome)
}

/// Each file has its checksum, and what was packed by others stands in the list of components.
fn listed(bundle: &Path) -> Result<Outcome> {
    let check = |name: &str| {
        let step = Step::new(&format!("install: bundle, {name}"), "sha256sum").folder(bundle);
        step.args(["--check", "--strict", "--quiet", CHECKSUMS])
    };
    let mut outcome = works(check("checksums"))?;
    let read = |name: &str| std::fs::read_to_string(bundle.join(name)).unwrap_or_default();
    let bill: Value = serde_json::from_str(&read(notices::SBOM)).unwrap_or_default();
    let urls: Vec<_> = bill["components"].as_array().into_iter().flatten().collect();
    let urls: Vec<_> = urls.iter().filter_map(|one| one["purl"].as_str()).collect();
    for begins in [
        "pkg:cargo/tokio@",
        "pkg:npm/zod@",
        "pkg:npm/%40hubless/linux-x64-gnu@",
        "pkg:pypi/hubless@",
        "pkg:maven/dev.hubless/hubless@",
    ] {
        let there = urls.iter().any(|url| url.starts_with(begins));
        outcome += Outcome::one(there, || format!("no {begins} in the bundle's {urls:?}"));
    }
    // The control of the checksums: a file that is not what was packed.
    let readme = read("README.md");
    crate::package::write(&bundle.join("README.md"), "another text")?;
    let done = check("a changed file").run()?;
    outcome += Outcome::one(!done.ok && done.output.contains("README.md"), || done.tail(5));
    crate::package::write(&bundle.join("README.md"), readme)?;
    Ok(outcome)
}

/// The unpacked bundle, and where its user works.
struct Place {
    alone: Alone,
    bundle: PathBuf,
    work: PathBuf,
}

impl Place {
    /// A folder of the bundle as a project of the user's, who may write there.
    fn project(&self, language: &str) -> Result<PathBuf> {
        let from = text(&self.bundle.join("examples").join(language));
        Step::new(&format!("install: bundle, copy the {language} project"), "cp")
            .args(["-r", &from, &text(&self.work)])
            .must()?;
        Ok(self.work.join(language))
    }

    /// The agent answers the caller, both where there is no network.
    fn converse(&self, language: &str, program: &str, words: [&[&str]; 2]) -> Result<Outcome> {
        let [agent, caller] = words.map(|words| {
            let mut command: Command = self.alone.command(program);
            command.args(words).current_dir(&self.work);
            command
        });
        let look = self.alone.command(&text(&house::built("hubless")));
        hello::pair(&format!("bundle-{language}"), agent, caller, look)
    }

    fn python(&self) -> Result<Outcome> {
        let project = self.project("python")?;
        let venv = project.join("venv");
        self.alone
            .step("python, empty environment", "python3")
            .args(["-m", "venv", &text(&venv)])
            .must()?;
        let python = text(&venv.join("bin/python"));
        let found = text(&self.bundle.join("python"));
        let mut outcome = works(
            self.alone
                .step("python, pip install", &python)
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
                .args(["--no-index", "--find-links", &found, "hubless"]),
        )?;
        let [agent, caller] =
            ["hello_agent.py", "hello_caller.py"].map(|file| text(&project.join(file)));
        outcome += self.converse("python", &python, [&[&agent], &[&caller]])?;
        Ok(outcome)
    }

    fn node(&self) -> Result<Outcome> {
        let project = self.project("node")?;
        let packed = std::fs::read_dir(self.bundle.join("node"));
        let packed = packed.map_err(|error| format!("the bundle's node: {error}"))?;
        let packed = packed.flatten().map(|entry| text(&entry.path()));
        let mut outcome = works(
            self.alone
                .step("node, npm install", "npm")
                .args(["install", "--offline", "--no-audit", "--no-fund", "--loglevel=error"])
                .args(packed)
                // What this user's npm has kept must not stand in.
                .env("npm_config_cache", self.work.join("npm"))
                .folder(&project),
        )?;
        let [agent, caller] =
            ["hello_agent.mjs", "hello_caller.mjs"].map(|file| text(&project.join(file)));
        outcome += self.converse("node", "node", [&[&agent], &[&caller]])?;
        Ok(outcome)
    }

    fn c(&self) -> Result<Outcome> {
        let project = self.project("c")?;
        let prefix = project.join("prefix");
        empty(&prefix)?;
        let packed = std::fs::read_dir(self.bundle.join("c"));
        let packed = packed.map_err(|error| format!("the bundle's c: {error}"))?;
        for archive in packed.flatten() {
            self.alone
                .step("c, unpack", "tar")
                .args(["--extract", "--strip-components=1", "--file", &text(&archive.path())])
                .args(["--directory", &text(&prefix)])
                .must()?;
        }
        let flags = self
            .alone
            .step("c, pkg-config", "pkg-config")
            .args(["--cflags", "--libs", "hubless"])
            .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
            .must()?;
        let mut outcome = Outcome::default();
        for program in ["hello_agent", "hello_caller"] {
            outcome += works(
                self.alone
                    .step(&format!("c, compile {program}"), "cc")
                    .args([text(&project.join(format!("{program}.c")))])
                    .args(["-o", &text(&project.join(program))])
                    .args(flags.output.split_whitespace())
                    .args([format!("-Wl,-rpath,{}", text(&prefix.join("lib")))]),
            )?;
        }
        let [agent, caller] = ["hello_agent", "hello_caller"].map(|file| text(&project.join(file)));
        outcome += self.converse("c", "env", [&[&agent], &[&caller]])?;
        Ok(outcome)
    }

    fn kotlin(&self) -> Result<Outcome> {
        let project = self.project("kotlin")?;
        let mut outcome = works(
            self.alone
                .step("kotlin, compile the project", "mvn")
                .args(["-B", "-q", "process-classes", "-s"])
                .args([text(&self.bundle.join("maven/settings.xml"))])
                // What this user's Maven has kept must not stand in.
                .args([format!("-Dmaven.repo.local={}", text(&self.work.join("repository")))])
                .env("HUBLESS_BUNDLE", &self.bundle)
                .folder(&project),
        )?;
        let class_path = std::fs::read_to_string(project.join("classpath.txt"));
        let class_path = class_path.map_err(|error| format!("classpath.txt: {error}"))?;
        let class_path = class_path.trim();
        let ours = text(&self.work.join("repository/dev/hubless"));
        outcome += Outcome::one(class_path.contains(&ours), || {
            format!("the package is not from the bundle: {class_path}")
        });
        let words = |class: &'static str| ["-XX:TieredStopAtLevel=1", "-cp", class_path, class];
        let (agent, caller) = (words("HelloAgentKt"), words("HelloCallerKt"));
        outcome += self.converse("kotlin", "java", [&agent, &caller])?;
        Ok(outcome)
    }
}
