//! The folders of the bundle, its checksums, and the archive of it.

use super::{bill, maven};
use crate::house::{Result, root, text};
use crate::package::all::files;
use crate::package::dist::{Dist, VERSION, copy, empty, say, write};
use crate::package::node::ZOD;
use crate::package::{python, tools};
use crate::step::Step;
use std::path::{Path, PathBuf};

/// Ends the name of the archive.
pub(crate) const ENDING: &str = "-bundle-linux-x86-64.tar";
/// The file with the checksums, as `sha256sum --check` takes it.
pub(crate) const CHECKSUMS: &str = "SHA256SUMS";
/// What its reader is told; the version is filled in.
const TEXT: &str = include_str!("../../../projects/BUNDLE.md");

/// How much goes into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contents {
    /// All that the four languages need.
    Whole,
    /// Without what Maven downloads to compile a project in Kotlin: the compiler and the plugins,
    /// which take longer to gather than all the rest.
    WithoutCompiler,
}

/// The folder inside the archive.
pub(crate) fn name() -> String {
    let name = format!("hubless-{VERSION}{ENDING}");
    name.trim_end_matches(".tar").to_owned()
}

/// Where the archive is.
pub(crate) fn packed(dist: Dist) -> PathBuf {
    dist.folder().join(format!("hubless-{VERSION}{ENDING}"))
}

/// Puts the packages of `dist`, which must be built, and the rest together.
///
/// # Errors
/// A tool is missing, or something could not be downloaded.
pub(crate) fn build(dist: Dist, contents: Contents) -> Result<()> {
    let work = dist.work("bundle");
    empty(&work)?;
    let folder = work.join(name());
    python_files(dist, &folder.join("python"))?;
    node_files(dist, &folder.join("node"))?;
    if dist.c_archive().is_file() {
        let name = dist.c_archive().file_name().unwrap_or_default().to_owned();
        copy(&dist.c_archive(), &folder.join("c").join(name))?;
    }
    let kotlin = examples(&folder.join("examples"))?;
    maven::gather(dist, &kotlin, &folder.join("maven"), contents)?;
    for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
        copy(&root().join(licence), &folder.join(licence))?;
    }
    write(&folder.join("README.md"), TEXT.replace("@VERSION@", VERSION))?;
    bill::write_into(dist, &folder, &sums(&folder)?)?;
    let all = sums(&folder)?;
    write(&folder.join(CHECKSUMS), all)?;
    pack(&work, &packed(dist))
}

/// The wheel, and what it depends on, as pip finds it.
fn python_files(dist: Dist, to: &Path) -> Result<()> {
    let wheel = python::only(dist, ".whl")?;
    Step::new("package: bundle, the wheel and its dependencies", tools::program("python"))
        .args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check"])
        .args(["--only-binary=:all:", "--dest", &text(to), &text(&wheel)])
        .must()
        .map(drop)
}

/// Both packed files, and what the example imports besides.
fn node_files(dist: Dist, to: &Path) -> Result<()> {
    for file in files(&dist.node())? {
        copy(&file, &to.join(file.file_name().unwrap_or_default()))?;
    }
    Step::new("package: bundle, pack what the example imports", "npm")
        .args(["pack", "--silent", "--prefer-offline", "--pack-destination", &text(to), ZOD])
        .must()
        .map(drop)
}

/// The ten-line programs, each in an empty project where the language has such a thing; gives that
/// of Kotlin.
fn examples(to: &Path) -> Result<PathBuf> {
    for (language, from, ending) in
        [("python", "python", "py"), ("node", "node", "mjs"), ("c", "include", "c")]
    {
        for program in ["hello_agent", "hello_caller"] {
            let file = format!("{program}.{ending}");
            copy(&root().join(from).join("examples").join(&file), &to.join(language).join(&file))?;
        }
    }
    write(&to.join("node/package.json"), "{ \"private\": true, \"type\": \"module\" }\n")?;
    let kotlin = to.join("kotlin");
    for file in ["HelloAgent.kt", "HelloCaller.kt"] {
        copy(&root().join("kotlin/examples").join(file), &kotlin.join("src").join(file))?;
    }
    let project = root().join("tests/runner/projects/kotlin.xml");
    let project = std::fs::read_to_string(&project).map_err(|error| say(&project, &error))?;
    write(&kotlin.join("pom.xml"), maven::project(&project)?)?;
    Ok(kotlin)
}

/// One line for each file below a folder, by the tool that reads them again.
fn sums(folder: &Path) -> Result<String> {
    let all = files(folder)?;
    let names = all.iter().filter_map(|path| path.strip_prefix(folder).ok()).map(text);
    let done = Step::new("package: bundle, checksums", "sha256sum")
        .args(names.filter(|name| name != CHECKSUMS))
        .folder(folder)
        .must()?;
    Ok(done.output)
}

/// The same bytes for the same files: nothing of the day or of the user. What is inside is packed
/// already.
fn pack(work: &Path, to: &Path) -> Result<()> {
    Step::new("package: bundle, archive", "tar")
        .args(["--create", "--owner=0", "--group=0", "--numeric-owner", "--sort=name"])
        .args(["--mtime=@0", "--mode=u=rwX,go=rX", "--format=gnu", "--file", &text(to)])
        .args(["--directory", &text(work), &name()])
        .must()
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_twice_is_the_same_and_its_checksums_hold() {
        let work = crate::house::target().join(format!("bundle-{}", std::process::id()));
        let folder = work.join(name());
        for file in ["b/two", "a/one", "README.md"] {
            write(&folder.join(file), file).unwrap();
        }
        write(&folder.join(CHECKSUMS), sums(&folder).unwrap()).unwrap();
        pack(&work, &work.join("first.tar")).unwrap();
        let touched = std::fs::File::options().append(true).open(folder.join("a/one")).unwrap();
        touched.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
        pack(&work, &work.join("second.tar")).unwrap();
        let read = |name: &str| std::fs::read(work.join(name)).unwrap();
        assert!(read("first.tar") == read("second.tar"));

        let check = || {
            let step = Step::new("test: bundle, check", "sha256sum").folder(&folder);
            step.args(["--check", "--strict", CHECKSUMS]).run().unwrap()
        };
        let done = check();
        assert!(done.ok && done.output.lines().count() == 3, "{}", done.tail(9));
        write(&folder.join("b/two"), "three").unwrap();
        assert!(!check().ok);
        std::fs::remove_dir_all(&work).unwrap();
    }

    #[test]
    fn its_reader_is_told_of_each_folder_and_command() {
        for part in ["@VERSION@", CHECKSUMS, "sbom.cdx.json", "maven/settings.xml", "examples/c"] {
            assert!(TEXT.contains(part), "{part}");
        }
        assert!(name().starts_with("hubless-") && !name().contains(".tar"));
    }
}
