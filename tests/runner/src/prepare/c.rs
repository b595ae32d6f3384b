//! The C programs: examples, conformance runner, demo agents. Compiled as `include/Makefile` does,
//! but by the compiler alone: not every machine that has one has `make`.

use crate::house::{self, Result, root, text};
use crate::step::Step;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::str::SplitWhitespace;
use std::time::SystemTime;

/// Where the flags are that `include/Makefile` takes as well, and what stands there.
const FLAGS_FILE: &str = "include/flags.mk";
const FLAGS: &str = include_str!("../../../../include/flags.mk");

/// Parts of the conformance runner that programs of the demo use as well.
const SUPPORT: &str = "tests/conformance/runners/c/support";

/// A program, and the folders or files, from the root, that its sources are.
struct Program {
    name: &'static str,
    sources: &'static [&'static str],
}

const PROGRAMS: [Program; 7] = [
    Program { name: "hello_agent", sources: &["include/examples/hello_agent.c"] },
    Program { name: "hello_caller", sources: &["include/examples/hello_caller.c"] },
    Program { name: "conformance", sources: &["tests/conformance/runners/c", SUPPORT] },
    Program { name: "digester", sources: &["tests/demo/c", SUPPORT] },
    Program { name: "runaway", sources: &["tests/demo/c/runaway/runaway.c"] },
    Program { name: "boundary", sources: &["tests/boundary/c/subject.c"] },
    Program { name: "link", sources: &["tests/chaos/c/link.c"] },
];

/// Programs of the guide.
const SAMPLES: [Program; 6] = [
    Program { name: "guide/find", sources: &["include/docs/samples/find.c"] },
    Program { name: "guide/policy", sources: &["include/docs/samples/policy.c"] },
    Program { name: "guide/nothing", sources: &["include/docs/samples/nothing.c"] },
    Program { name: "guide/denied", sources: &["include/docs/samples/denied.c"] },
    Program { name: "guide/busy", sources: &["include/docs/samples/busy.c"] },
    Program { name: "guide/service", sources: &["include/docs/samples/service.c"] },
];

pub(super) fn prepare() -> Result<()> {
    let samples = out().join("guide");
    std::fs::create_dir_all(&samples).map_err(|error| said(&samples, &error))?;
    library()?;
    PROGRAMS.iter().chain(&SAMPLES).try_for_each(compile)
}

fn out() -> PathBuf {
    root().join("target/c")
}

/// The shared library under its installed names, linked anew from the archive: `include/Makefile`
/// says why.
fn library() -> Result<()> {
    let name = format!("libhubless.so.{}", env!("CARGO_PKG_VERSION_MAJOR"));
    let (library, archive) = (out().join(&name), house::built("libhubless_c.a"));
    let versions = root().join("bindings/c/libhubless.map");
    if !is_current(&library, &[archive.clone(), versions.clone(), root().join(FLAGS_FILE)]) {
        let step = Step::new("c: link the library", "cc")
            .args(["-shared", &format!("-Wl,-soname,{name}")])
            .args([format!("-Wl,--version-script={}", text(&versions))])
            .args(flags("WHOLE")?)
            .args([&archive])
            .args(flags("BELOW")?);
        made(step, &library)?;
    }
    let link = out().join("libhubless.so");
    if std::fs::read_link(&link).is_ok_and(|to| to == Path::new(&name)) {
        return Ok(());
    }
    // It may point at another version.
    let _ = std::fs::remove_file(&link);
    symlink(&name, &link).map_err(|error| said(&link, &error))
}

fn compile(program: &Program) -> Result<()> {
    let (output, include) = (out().join(program.name), root().join("include"));
    let mut inputs = vec![include.join("hubless.h"), root().join(FLAGS_FILE)];
    for source in program.sources {
        inputs.extend(files(&root().join(source))?);
    }
    if is_current(&output, &inputs) {
        return Ok(());
    }
    let sources = inputs.iter().filter(|path| path.extension().is_some_and(|end| end == "c"));
    let runner = root().join("tests/conformance/runners/c");
    let step = Step::new(&format!("c: compile {}", program.name), "cc")
        .args(flags("STANDARD")?.chain(flags("WARN")?).chain(flags("DEBUGGED")?))
        .args([format!("-I{}", text(&include)), format!("-I{}", text(&runner))])
        .args(sources)
        .args([format!("-L{}", text(&out())), "-lhubless".to_owned()])
        .args([format!("-Wl,-rpath,{}", text(&out()))])
        .args(flags("SYSTEM")?);
    made(step, &output)
}

/// The flags of this name.
///
/// # Errors
/// There are none.
pub(crate) fn flags(name: &str) -> Result<SplitWhitespace<'static>> {
    let value = |line: &'static str| line.strip_prefix(name)?.strip_prefix(" := ");
    let found = FLAGS.lines().find_map(value).map(str::split_whitespace);
    found.ok_or_else(|| format!("{FLAGS_FILE} does not say {name}"))
}

/// Runs a compiler into a file beside its place: running programs have the old one mapped, and one
/// that was cut short must not look whole.
fn made(step: Step, output: &Path) -> Result<()> {
    let beside = PathBuf::from(format!("{}.new", text(output)));
    step.args(["-o", &text(&beside)]).must()?;
    std::fs::rename(&beside, output).map_err(|error| said(output, &error))
}

/// A file, or the files of a folder that belong to a program in C, those below it left out.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| said(path, &error))?;
    let mut found: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "c" || end == "h"));
    found.sort();
    Ok(found)
}

/// Whether a file is there and no input is newer, as `make` asks.
fn is_current(output: &Path, inputs: &[PathBuf]) -> bool {
    let time = |path: &Path| -> Option<SystemTime> { path.metadata().ok()?.modified().ok() };
    let made = time(output);
    made.is_some() && inputs.iter().all(|input| time(input).is_some_and(|time| Some(time) <= made))
}

fn said(path: &Path, error: &std::io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::Duration;

    #[test]
    fn builds_the_programs_of_the_makefile_and_takes_its_flags_from_where_that_does() {
        let makefile = std::fs::read_to_string(root().join("include/Makefile")).unwrap();
        let words: Vec<_> = makefile.split_whitespace().filter(|word| *word != "\\").collect();
        let makefile = words.join(" ");
        assert!(makefile.contains(&format!("include $(ROOT)/{FLAGS_FILE} ")));
        for name in ["STANDARD", "WARN", "DEBUGGED", "SYSTEM", "WHOLE", "BELOW"] {
            assert!(flags(name).unwrap().all(|flag| flag.starts_with('-')), "{name}");
            assert!(flags(name).unwrap().count() > 1, "{name}");
            assert!(makefile.contains(&format!("$({name})")), "include/Makefile has no {name}");
            assert!(
                !makefile.contains(&format!("{name} :=")),
                "include/Makefile has its own {name}"
            );
        }
        assert!(flags("NOTHING").unwrap_err().contains(FLAGS_FILE));
        let (_, programs) = makefile.split_once("programs: ").unwrap();
        let (programs, _) = programs.split_once(" #").unwrap();
        let ours: Vec<_> = PROGRAMS.iter().map(|one| format!("$(OUT)/{}", one.name)).collect();
        assert_eq!(programs, ours.join(" "));
    }

    #[test]
    fn every_program_has_its_sources() {
        for program in PROGRAMS.iter().chain(&SAMPLES) {
            let found = program.sources.iter().map(|source| files(&root().join(source)).unwrap());
            let found: Vec<_> = found.flatten().collect();
            let sources = found.iter().filter(|path| path.extension().is_some_and(|e| e == "c"));
            assert!(sources.count() >= program.sources.len(), "{}: {found:?}", program.name);
        }
    }

    #[test]
    fn a_newer_input_or_a_missing_one_makes_it_anew() {
        let folder = house::target().join(format!("c-current-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let written = |name: &str, seconds: u64| {
            let path = folder.join(name);
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            File::create(&path).unwrap().set_modified(time).unwrap();
            path
        };
        let (old, output, new) = (written("old", 1), written("output", 2), written("new", 3));
        assert!(is_current(&output, &[old.clone(), output.clone()]));
        assert!(!is_current(&output, &[old.clone(), new]));
        assert!(!is_current(&output, &[folder.join("gone")]));
        assert!(!is_current(&folder.join("gone"), &[old]));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
