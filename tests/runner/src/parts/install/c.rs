//! The C archive: unpacked into a prefix, used through pkg-config and through CMake.

use super::all::{refuses, works};
use crate::count::Outcome;
use crate::house::{self, Result, root, text};
use crate::language::{Language, installed};
use crate::package::{Dist, Profile, check_c, empty, notices, reference};
use crate::step::Step;
use crate::toolchain::{answers, make_fault};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What an empty project writes to use the library from CMake: both libraries, C11 and C++17.
const PROJECT: &str = r#"cmake_minimum_required(VERSION 3.16)
project(user C CXX)
set(CMAKE_C_STANDARD 11)
set(CMAKE_CXX_STANDARD 17)
find_package(hubless 0.1 CONFIG REQUIRED)
add_executable(hello_agent "${EXAMPLES}/hello_agent.c")
target_link_libraries(hello_agent PRIVATE hubless::hubless)
add_executable(hello_caller "${EXAMPLES}/hello_caller.c")
target_link_libraries(hello_caller PRIVATE hubless::hubless_static)
add_executable(plus "${HEADER_TEST}")
target_link_libraries(plus PRIVATE hubless::hubless)
"#;

/// The tools of a user of the C library that this machine lacks, as a reason to skip.
pub(super) fn missing() -> Option<String> {
    // By the same rule as the package was built: without it there is no archive.
    if let Some(fault) = make_fault() {
        return Some(fault);
    }
    let absent = |tool: &&&str| !answers(tool, &["--version"]);
    let tools = ["pkg-config", "cmake", "c++"];
    let tools: Vec<_> = tools.iter().filter(absent).copied().collect();
    (!tools.is_empty()).then(|| format!("the C package needs {}", tools.join(", ")))
}

/// Unpacks the archive into an empty folder and builds the programs against it.
pub(super) fn install(dist: Dist) -> Result<Outcome> {
    let project = installed(Language::C);
    empty(&project)?;
    let (prefix, programs) = (project.join("prefix"), project.join("programs"));
    empty(&prefix)?;
    empty(&programs)?;
    Step::new("install: c, unpack", "tar")
        .args(["--extract", "--strip-components=1", "--file", &text(&dist.c_archive())])
        .args(["--directory", &text(&prefix)])
        .must()?;
    let mut outcome = Outcome::default();
    let reference = reference::has_doxygen().then_some("reference/html/index.html");
    if reference.is_none() {
        outcome += Outcome::skip("the reference in the C package: doxygen is not installed");
    }
    for file in notices::names().into_iter().chain(["guide.md"]).chain(reference) {
        let file = prefix.join("share/doc/hubless").join(file);
        outcome += Outcome::one(file.is_file(), || format!("missing: {}", file.display()));
    }
    if dist.profile == Profile::Release {
        outcome += check_c(&prefix)?;
    }
    outcome += compile(&prefix, &programs)?;
    outcome += bound(&programs.join("hello_agent"), &prefix)?;
    outcome += cmake(&project, &prefix)?;
    Ok(outcome)
}

/// The examples and the conformance runner by `cc` and pkg-config, the header's test by `c++`.
fn compile(prefix: &Path, programs: &Path) -> Result<Outcome> {
    let flags = pkg_config(prefix)?;
    let rpath = format!("-Wl,-rpath,{}", text(&prefix.join("lib")));
    let mut outcome = Outcome::default();
    let runner = root().join("tests/conformance/runners/c");
    let mut sources = sources(&runner)?;
    sources.extend(self::sources(&runner.join("support"))?);
    let example = |name: &str| vec![root().join("include/examples").join(name)];
    let plus = vec![root().join("include/tests/header/header.cc")];
    let fake = vec![root().join("tests/runner/projects/fake.c")];
    for (name, sources, compiler) in [
        ("hello_agent", example("hello_agent.c"), ["cc", "-std=c11"]),
        ("hello_caller", example("hello_caller.c"), ["cc", "-std=c11"]),
        ("conformance", sources, ["cc", "-std=c11"]),
        ("fake", fake, ["cc", "-std=c11"]),
        ("plus", plus, ["c++", "-std=c++17"]),
    ] {
        let [compiler, standard] = compiler;
        let step = Step::new(&format!("install: c, {compiler} {name}"), compiler)
            .args([standard, "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror"])
            .args([format!("-I{}", text(&runner))])
            .args(sources)
            .args(&flags)
            .args([&rpath, "-lpthread", "-lm", "-o", &text(&programs.join(name))]);
        outcome += works(step)?;
    }
    outcome += works(Step::new("install: c, run the C++ program", programs.join("plus")))?;
    let done = Step::new("install: c, run a test mesh", programs.join("fake"))
        .env("HUBLESS_HOME", programs.join("home"))
        .run()?;
    let said = done.ok && done.output.contains("the fake said 7");
    outcome += Outcome::one(said, || done.tail(20));
    Ok(outcome)
}

/// What a compiler is told of the library in `prefix`.
///
/// # Errors
/// There is no pkg-config, or no library there.
pub(crate) fn pkg_config(prefix: &Path) -> Result<Vec<String>> {
    let done = Step::new("install: c, pkg-config", "pkg-config")
        .args(["--cflags", "--libs", "hubless"])
        .env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig"))
        .must()?;
    Ok(done.output.split_whitespace().map(str::to_owned).collect())
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
    let paths = entries.flatten().map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|ending| ending == "c")).collect())
}

/// A program is bound to the major version's name, and finds it in the prefix.
fn bound(program: &Path, prefix: &Path) -> Result<Outcome> {
    let output = Command::new("ldd").arg(program).output();
    let output = output.map_err(|error| format!("ldd: {error}"))?;
    let listed = String::from_utf8_lossy(&output.stdout).into_owned();
    let major = env!("CARGO_PKG_VERSION_MAJOR");
    let line = format!("libhubless.so.{major} => {}", text(prefix));
    Ok(Outcome::one(listed.contains(&line), || format!("no {line:?} in {listed}")))
}

/// An empty CMake project, its programs run; the same project for a platform without a library.
fn cmake(project: &Path, prefix: &Path) -> Result<Outcome> {
    let source = project.join("cmake");
    crate::package::write(&source.join("CMakeLists.txt"), PROJECT)?;
    let configure = |build: &str| {
        Step::new(&format!("install: c, cmake {build}"), "cmake")
            .args(["-S", &text(&source), "-B", &text(&source.join(build))])
            .args([format!("-DCMAKE_PREFIX_PATH={}", text(prefix))])
            .args([format!("-DEXAMPLES={}", text(&root().join("include/examples")))])
            .args([format!(
                "-DHEADER_TEST={}",
                text(&root().join("include/tests/header/header.cc"))
            )])
    };
    let mut outcome = works(configure("build"))?;
    let build = source.join("build");
    outcome +=
        works(Step::new("install: c, cmake --build", "cmake").args(["--build", &text(&build)]))?;
    outcome += works(Step::new("install: c, run CMake's C++ program", build.join("plus")))?;
    outcome += bound(&build.join("hello_agent"), prefix)?;
    let other =
        configure("other").args(["-DCMAKE_SYSTEM_NAME=Linux", "-DCMAKE_SYSTEM_PROCESSOR=riscv64"]);
    let words = ["hubless has no native library for Linux on riscv64"];
    outcome += refuses(other, &words)?;
    outcome += converse(&build)?;
    Ok(outcome)
}

/// CMake's agent, which uses the shared library, answers CMake's caller, which has its own.
fn converse(build: &Path) -> Result<Outcome> {
    crate::hello::pair(
        "cmake",
        Command::new(build.join("hello_agent")),
        Command::new(build.join("hello_caller")),
        Command::new(house::built("hubless")),
    )
}
