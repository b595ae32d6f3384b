//! The Maven repository of the bundle: what a run of Maven leaves in an empty one.

use super::Contents;
use crate::house::{Result, root, text};
use crate::package::all::files;
use crate::package::dist::{Dist, VERSION, copy, empty, write};
use crate::step::Step;
use std::path::{Path, PathBuf};

/// The user's project as it stands in the bundle: of one version, and without a repository of its
/// own, since the settings name the only one.
pub(super) fn project(text: &str) -> Result<String> {
    let (head, rest) = text.split_once("  <repositories>").ok_or("no repositories to leave out")?;
    let (_, tail) = rest.split_once("</repositories>\n").ok_or("repositories without an end")?;
    Ok(format!("{head}{tail}").replace("${hubless.version}", VERSION))
}

/// Fills `to` with the package, and, where the bundle is to be whole, with all that Maven needs to
/// compile `project` by it.
///
/// # Errors
/// Maven is missing, or could not download something.
pub(super) fn gather(dist: Dist, project: &Path, to: &Path, contents: Contents) -> Result<()> {
    let repository = dist.work("bundle-maven");
    empty(&repository)?;
    copy_files(&dist.maven(), &repository)?;
    if contents == Contents::Whole {
        compile(dist, project, &repository)?;
    }
    copy_files(&repository, to)?;
    copy(&root().join("tests/runner/projects/settings.xml"), &to.join("settings.xml"))
}

/// Compiles a copy of the project with nothing but that repository, which is filled by it: from the
/// one of this user where all is there, else by downloads.
fn compile(dist: Dist, project: &Path, repository: &Path) -> Result<()> {
    let work = dist.work("bundle-project");
    empty(&work)?;
    copy_files(project, &work)?;
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let settings = work.join("settings.xml");
    write(&settings, mirror(&home.join(".m2/repository")))?;
    let run = |name: &str| {
        Step::new(name, "mvn")
            .args(["-B", "-q", "-U", "process-classes"])
            .args([format!("-Dmaven.repo.local={}", text(repository))])
            .folder(&work)
    };
    let from_user = run("package: bundle, what Maven has").args(["-s", &text(&settings)]);
    if from_user.run()?.ok {
        return Ok(());
    }
    run("package: bundle, what Maven downloads").must().map(drop)
}

/// Settings that know one folder in place of every repository.
fn mirror(folder: &Path) -> String {
    format!(
        "<settings><mirrors><mirror><id>user</id><mirrorOf>*</mirrorOf>\
         <url>file://{}</url></mirror></mirrors></settings>\n",
        text(folder)
    )
}

/// Copies files, but for what Maven notes of when and from where it had them.
fn copy_files(from: &Path, to: &Path) -> Result<()> {
    for file in files(from)?.iter().filter(|file| !is_note(file)) {
        copy(file, &to.join(file.strip_prefix(from).unwrap_or(file)))?;
    }
    Ok(())
}

fn is_note(file: &Path) -> bool {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let whole = ["_remote.repositories", "resolver-status.properties"];
    // The list of versions says when it was written, and no project asks for a range of them.
    whole.contains(&&*name) || name.ends_with(".lastUpdated") || name.starts_with("maven-metadata")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_has_a_version_and_no_repository_and_is_else_the_same() {
        let file = root().join("tests/runner/projects/kotlin.xml");
        let text = std::fs::read_to_string(file).unwrap();
        let project = project(&text).unwrap();
        assert!(project.contains(&format!("<version>{VERSION}</version>")));
        for gone in ["repositor", "${dist}", "${hubless.version}"] {
            assert!(text.contains(gone) && !project.contains(gone), "{gone}");
        }
        assert_eq!(text.lines().count() - 3, project.lines().count());
        assert!(super::project("<project/>").is_err());
    }

    #[test]
    fn notes_of_maven_stay_behind() {
        for note in ["a/_remote.repositories", "a/b.jar.lastUpdated", "a/maven-metadata-user.xml"] {
            assert!(is_note(Path::new(note)), "{note}");
        }
        for file in ["a/b-1.jar", "a/b-1.pom", "a/b-1.jar.sha1"] {
            assert!(!is_note(Path::new(file)), "{file}");
        }
    }
}
