//! The jar: used by empty Maven projects, from Kotlin and from plain Java.

use crate::count::Outcome;
use crate::house::{Result, root, text};
use crate::language::{Language, installed};
use crate::package::{Dist, Profile, VERSION, empty, notices, write};
use crate::settings;
use crate::step::Step;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Compiles both projects against the repository that the packages are in.
pub(super) fn install(dist: Dist) -> Result<Outcome> {
    let project = installed(Language::Kotlin);
    empty(&project)?;
    let mut outcome = contents(dist)?;
    let repository = repository(&project)?;
    let sources = ["kotlin/examples", "tests/conformance/runners/kotlin"];
    let kotlin = project.join("kotlin");
    empty(&kotlin)?;
    empty(&kotlin.join("src"))?;
    for folder in sources {
        Step::new("install: jvm, copy programs", "cp")
            .args(["-r", folder, &text(&kotlin.join("src"))])
            .must()?;
    }
    let fake = read(&root().join("tests/runner/projects/Fake.kt"))?;
    write(&kotlin.join("src/Fake.kt"), fake)?;
    compile(dist, &kotlin, "kotlin", &repository)?;
    let class_path = read(&kotlin.join("classpath.txt"))?;
    // The programs of all languages are started by this file.
    write(&project.join("classpath.txt"), &class_path)?;
    let jar = format!("hubless-{VERSION}.jar");
    let ours = class_path.split(':').find(|entry| entry.ends_with(&jar));
    outcome += Outcome::one(ours.is_some_and(|jar| jar.starts_with(&text(&repository))), || {
        format!("the package is not from the installed repository: {class_path}")
    });
    let java = project.join("java");
    write(&java.join("src/Use.java"), read(&root().join("tests/runner/projects/Use.java"))?)?;
    compile(dist, &java, "java", &repository)?;
    outcome += run((&kotlin, "FakeKt"), &[], End::Well, "the fake said 7")?;
    let java = (java.as_path(), "Use");
    outcome += run(java, &[], End::Well, "hello project")?;
    let elsewhere = "UnsatisfiedLinkError: hubless has no native library for linux-riscv64: ";
    outcome += run(java, &["-Dos.arch=riscv64"], End::Badly, elsewhere)?;
    Ok(outcome)
}

/// What the repository holds, and what is in the jar.
fn contents(dist: Dist) -> Result<Outcome> {
    let folder = dist.maven().join("dev/hubless/hubless").join(VERSION);
    let docs: &[&str] = match dist.profile {
        Profile::Dev => &[],
        Profile::Release => &["-javadoc.jar"],
    };
    let mut outcome = Outcome::default();
    for ending in [".jar", ".pom", "-sources.jar"].iter().chain(docs) {
        let file = folder.join(format!("hubless-{VERSION}{ending}"));
        outcome += Outcome::one(file.is_file(), || format!("missing: {}", file.display()));
    }
    let jar = folder.join(format!("hubless-{VERSION}.jar"));
    let done = Step::new("install: jvm, list the jar", "jar")
        .args(["--list", "--file", &text(&jar)])
        .must()?;
    let own = notices::names().map(|name| format!("META-INF/dev.hubless/hubless/{name}"));
    let library = "linux-x86-64/libhubless_jvm.so".to_owned();
    let guide = "META-INF/dev.hubless/hubless/docs/guide.md".to_owned();
    for name in own.into_iter().chain([library, guide]) {
        let there = done.output.lines().any(|line| line == name);
        outcome += Outcome::one(there, || format!("{name} is not in the jar"));
    }
    Ok(outcome)
}

/// A local repository that shows the user's own, all but this package: what other versions of it
/// left there must not stand in.
///
/// # Errors
/// The folder cannot be made.
pub(crate) fn repository(project: &Path) -> Result<PathBuf> {
    let folder = project.join("repository");
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    empty(&folder)?;
    let Ok(entries) = std::fs::read_dir(home.join(".m2/repository")) else { return Ok(folder) };
    for entry in entries.flatten().filter(|entry| entry.file_name() != "dev") {
        let link = folder.join(entry.file_name());
        std::os::unix::fs::symlink(entry.path(), link).map_err(|error| error.to_string())?;
    }
    Ok(folder)
}

/// Compiles the project of this kind (`tests/runner/projects`) in `folder`, whose sources are in
/// `src`.
///
/// # Errors
/// It does not compile.
pub(crate) fn compile(dist: Dist, folder: &Path, kind: &str, repository: &Path) -> Result<()> {
    let project = read(&root().join(format!("tests/runner/projects/{kind}.xml")))?;
    write(&folder.join("pom.xml"), project)?;
    Step::new(&format!("install: jvm, compile the {kind} project"), "mvn")
        .args(["-B", "-q", "process-classes", &format!("-Dhubless.version={VERSION}")])
        .args([format!("-Ddist={}", text(&dist.maven()))])
        .args([format!("-Dmaven.repo.local={}", text(repository))])
        .folder(folder)
        .must()
        .map(drop)
}

fn read(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path);
    text.map(|text| text.trim().to_owned()).map_err(|error| format!("{}: {error}", path.display()))
}

/// How a program ends.
#[derive(PartialEq)]
enum End {
    /// With status 0.
    Well,
    /// With another status.
    Badly,
}

/// Runs a program of a project; it must end so, and print the line.
fn run((folder, class): (&Path, &str), options: &[&str], end: End, line: &str) -> Result<Outcome> {
    let home = folder.join("home");
    empty(&home)?;
    let mut java = Command::new("timeout");
    java.args(["60", "java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"])
        .args(options)
        .args(["-cp", &read(&folder.join("classpath.txt"))?, class])
        .env("HUBLESS_HOME", home);
    let output =
        settings::own_only(&mut java).output().map_err(|error| format!("java: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    let ended = if output.status.success() { End::Well } else { End::Badly };
    let right = ended == end && said.contains(line);
    Ok(Outcome::one(right, || format!("expected {line:?}: {} {said}", output.status)))
}
