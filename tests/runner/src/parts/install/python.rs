//! The wheel: installed into an empty virtual environment, imported, checked as users do.

use super::all::{refuses, works};
use crate::count::Outcome;
use crate::house::{self, Result, text, venv_program};
use crate::language::{Language, installed};
use crate::package::{Dist, Profile, VERSION, empty, only_python, tool, tool_path, write};
use crate::step::Step;
use std::path::{Path, PathBuf};

/// A user's program, as strict as mypy can be, and the same with a mistake.
const TYPED: &str = "import asyncio\n\nimport hubless\n\n\n\
    async def main() -> None:\n    async with hubless.Node.start() as node:\n        \
    found: list[hubless.Peer] = list(await node.find(\"nobody\"))\n        print(len(found))\n\n\n\
    asyncio.run(main())\n";
const MISTAKE: (&str, &str) = ("hubless.Node.start()", "hubless.Node.start(port=\"x\", nobody=1)");

/// A mesh for one test, and a fake peer that is asked in it.
const FAKE: &str = "import asyncio\n\nimport hubless.testing\n\n\n\
    async def main() -> None:\n    async with hubless.testing.mesh() as mesh:\n        \
    await mesh.fake(\"weather\", answer=7)\n        \
    reply = await mesh.node.request(\"weather\", \"Oslo\")\n        \
    print(\"the fake said\", reply.value)\n\n\nasyncio.run(main())\n";
/// The same peer as a tool of LangChain, or what is missing for that.
const TOOL: &str = "import asyncio\n\nimport hubless.langchain\nimport hubless.testing\n\n\n\
    async def main() -> None:\n    async with hubless.testing.mesh() as mesh:\n        \
    await mesh.fake(\"weather\", answer=7, skills=[\"look\"], tags=[\"w\"])\n        \
    try:\n            tools = await hubless.langchain.as_tools(mesh.node, tags=[\"w\"])\n        \
    except ImportError as error:\n            print(error)\n            return\n        \
    print(\"the tool said\", [await tool.ainvoke({\"input\": \"Oslo\"}) for tool in tools])\n\n\n\
    asyncio.run(main())\n";

/// Installs the wheel without any index.
pub(super) fn install(dist: Dist) -> Result<Outcome> {
    let project = installed(Language::Python);
    empty(&project)?;
    let python = project.join("venv/bin/python");
    Step::new("install: python, empty environment", "python3")
        .args(["-m", "venv", &text(&project.join("venv"))])
        .must()?;
    let wheel = only_python(dist, ".whl")?;
    let mut outcome = works(
        Step::new("install: python, pip install", &python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-index", &text(&wheel)]),
    )?;
    let package = place(&python, &project)?;
    outcome += Outcome::one(package.starts_with(&project), || {
        format!("imported {}, not the installed package", package.display())
    });
    outcome += contents(&python)?;
    outcome += bridge_tests(dist, &python)?;
    outcome += typed(&project, &python)?;
    outcome += prints(&project, &python, ("fake.py", FAKE), "the fake said 7")?;
    outcome += extra(&project, &python, &wheel)?;
    outcome += elsewhere(&project, &package)?;
    outcome += sources(dist, &project)?;
    if dist.profile == Profile::Release {
        outcome += audited(&wheel)?;
    }
    Ok(outcome)
}

/// Where `import hubless` finds the package.
fn place(python: &Path, project: &Path) -> Result<PathBuf> {
    let code = format!(
        "import hubless, pathlib\nassert hubless.__version__ == '{VERSION}'\n\
         print(pathlib.Path(hubless.__file__).parent)"
    );
    let step = Step::new("install: python, import", python).args(["-c", &code]);
    let done = step.folder(project).must()?;
    Ok(PathBuf::from(done.output.trim()))
}

/// What only tests of the bridge may call is in the libraries of the tests, and not in a release.
fn bridge_tests(dist: Dist, python: &Path) -> Result<Outcome> {
    let code = "from hubless import _core\nprint('_panic_now' in dir(_core), \
                _core.ask('bridge.echo', b'{}')[0], 'drain' in dir(_core))";
    let step = Step::new("install: python, functions of the module", python);
    let done = step.args(["-c", code]).folder(house::target()).must()?;
    let wanted = match dist.profile {
        Profile::Dev => "True True True",
        Profile::Release => "False False True",
    };
    Ok(Outcome::one(done.output.trim() == wanted, || done.tail(5)))
}

/// Typing marker, licences and list of components are among the installed files.
fn contents(python: &Path) -> Result<Outcome> {
    let code = "import importlib.metadata as m\n\
        for file in m.files('hubless'): print(file.name)\nprint(m.requires('hubless'))";
    let done = Step::new("install: python, list the files", python).args(["-c", code]).must()?;
    let mut outcome = Outcome::default();
    for name in crate::package::notices::names().into_iter().chain([
        "py.typed",
        "_core.pyi",
        "guide.md",
        "hubless.html",
    ]) {
        let there = done.output.lines().any(|line| line == name);
        outcome += Outcome::one(there, || format!("{name} is not installed:\n{}", done.tail(40)));
    }
    Ok(outcome)
}

/// `mypy --strict` takes a user's program, and not one with a mistake.
fn typed(project: &Path, python: &Path) -> Result<Outcome> {
    let check = |name: &str, text_of: &str| -> Result<Step> {
        let file = project.join(name);
        write(&file, text_of)?;
        let step = Step::new(&format!("install: python, mypy {name}"), venv_program("mypy"));
        Ok(step
            .args(["--strict", "--python-executable", &text(python), &text(&file)])
            .folder(project))
    };
    let mut outcome = works(check("user.py", TYPED)?)?;
    let (right, wrong) = MISTAKE;
    let mistaken = check("mistaken.py", &TYPED.replace(right, wrong))?;
    outcome += refuses(mistaken, &["nobody", "error:"])?;
    Ok(outcome)
}

/// One test: a program of the user's prints this line.
fn prints(
    project: &Path,
    python: &Path,
    (name, program): (&str, &str),
    line: &str,
) -> Result<Outcome> {
    write(&project.join(name), program)?;
    let done = Step::new(&format!("install: python, run {name}"), "timeout")
        .args(["60", &text(python), name])
        .env("HUBLESS_HOME", project.join("home"))
        .folder(project)
        .run()?;
    let said = done.ok && done.output.lines().any(|said| said == line);
    Ok(Outcome::one(said, || format!("expected {line:?}\n{}", done.tail(20))))
}

/// The extra `langchain`: without it the function says what is missing, with it there are tools.
fn extra(project: &Path, python: &Path, wheel: &Path) -> Result<Outcome> {
    let missing = "as_tools needs langchain-core: pip install 'hubless[langchain]'";
    let mut outcome = prints(project, python, ("tool.py", TOOL), missing)?;
    outcome += works(
        Step::new("install: python, pip install the extra", python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args([format!("{}[langchain]", text(wheel))]),
    )?;
    outcome += prints(project, python, ("tool.py", TOOL), "the tool said [7]")?;
    Ok(outcome)
}

/// On a platform whose library is not there, the import says so in one sentence.
fn elsewhere(project: &Path, package: &Path) -> Result<Outcome> {
    let folder = project.join("elsewhere");
    Step::new("install: python, a copy without library", "cp")
        .args(["-r", &text(package), &text(&folder.join("hubless"))])
        .folder({
            empty(&folder)?;
            &folder
        })
        .must()?;
    let library = folder.join("hubless/_core.abi3.so");
    std::fs::remove_file(&library).map_err(|error| error.to_string())?;
    let code = "import platform, sys\nplatform.machine = lambda: 'riscv64'\n\
        try:\n    import hubless\nexcept ImportError as error:\n    sys.exit(str(error))";
    let python = Step::new("install: python, another platform", "python3")
        .args(["-c", code])
        .env("PYTHONPATH", &folder);
    let done = python.run()?;
    let said = done.output.trim();
    let wanted = "hubless has no native library for linux on riscv64: ";
    let one = said.starts_with(wanted) && said.lines().count() == 1;
    Ok(Outcome::one(!done.ok && one, || format!("expected {wanted:?}, got {said:?}")))
}

/// The sdist holds a whole workspace: cargo resolves it, with nothing downloaded; of a release it
/// is built as well.
fn sources(dist: Dist, project: &Path) -> Result<Outcome> {
    let folder = project.join("sdist");
    empty(&folder)?;
    let sdist = only_python(dist, ".tar.gz")?;
    Step::new("install: python, unpack the sdist", "tar")
        .args(["--extract", "--strip-components=1", "--file"])
        .args([text(&sdist), "--directory".to_owned(), text(&folder)])
        .must()?;
    let mut outcome = works(
        Step::new("install: python, cargo reads the sdist", "cargo")
            .args(["metadata", "--format-version", "1", "--offline"])
            .folder(&folder),
    )?;
    // Compiling the core once more takes longer than the rest of this part: a long form.
    if dist.profile == Profile::Release {
        outcome += compiled(project, &sdist)?;
    }
    Ok(outcome)
}

/// The sdist compiled by its own build backend, and what came of it used.
fn compiled(project: &Path, sdist: &Path) -> Result<Outcome> {
    let out = project.join("compiled");
    empty(&out)?;
    let mut outcome = works(
        // The environment with the backend, by which nothing is downloaded.
        Step::new("install: python, pip wheel of the sdist", tool("python"))
            .args(["-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"])
            .args(["--no-build-isolation", "--no-deps", "--no-index"])
            .args(["--wheel-dir", &text(&out), &text(sdist)])
            .env("PATH", tool_path())
            .env("CARGO_NET_OFFLINE", "true")
            .env("CARGO_TARGET_DIR", house::target().join("install-sdist")),
    )?;
    let venv = out.join("venv");
    Step::new("install: python, empty environment for the sdist", "python3")
        .args(["-m", "venv", &text(&venv)])
        .must()?;
    let python = venv.join("bin/python");
    outcome += works(
        Step::new("install: python, pip install what was compiled", &python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--no-index", "--find-links", &text(&out), "hubless"]),
    )?;
    outcome += prints(&out, &python, ("fake.py", FAKE), "the fake said 7")?;
    Ok(outcome)
}

/// Auditwheel finds nothing that manylinux2014 lacks.
fn audited(wheel: &Path) -> Result<Outcome> {
    let step = Step::new("install: python, auditwheel", tool("auditwheel"));
    let done = step.args(["show", &text(wheel)]).folder(house::target()).must()?;
    let fits = verdict(&done.output) == Some("manylinux_2_17_x86_64");
    Ok(Outcome::one(fits, || done.tail(30)))
}

/// The tag that auditwheel gives; the file's own name, which has one too, is no evidence.
fn verdict(output: &str) -> Option<&str> {
    let said = output.split_once("is consistent with the following platform tag:")?.1;
    said.split('"').nth(1)
}

#[cfg(test)]
mod tests {
    use super::verdict;

    #[test]
    fn believes_what_auditwheel_found_and_not_the_name_of_the_file() {
        let said = "a-manylinux_2_17_x86_64.whl\nis consistent with the following platform tag:\n\
                    \"manylinux_2_34_x86_64\".\n";
        assert_eq!(verdict(said), Some("manylinux_2_34_x86_64"));
        assert_eq!(verdict("a-manylinux_2_17_x86_64.whl"), None);
    }
}
