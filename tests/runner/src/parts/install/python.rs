//! The wheel: installed into an empty virtual environment, imported, checked as users do.

use super::all::{refuses, works};
use crate::count::Outcome;
use crate::house::{self, Result, text, venv_program};
use crate::language::{Language, installed};
use crate::package::{Dist, Profile, VERSION, empty, only_python, tool, write};
use crate::step::Step;
use std::path::{Path, PathBuf};

/// A user's program, as strict as mypy can be, and the same with a mistake.
const TYPED: &str = "import asyncio\n\nimport hubless\n\n\n\
    async def main() -> None:\n    async with hubless.Node.start() as node:\n        \
    found: list[hubless.Peer] = list(await node.find(\"nobody\"))\n        print(len(found))\n\n\n\
    asyncio.run(main())\n";
const MISTAKE: (&str, &str) = ("hubless.Node.start()", "hubless.Node.start(port=\"x\", nobody=1)");

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
    for name in
        crate::package::notices::names().into_iter().chain(["py.typed", "_core.pyi", "guide.md"])
    {
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

/// The sdist holds a whole workspace: cargo resolves it, with nothing downloaded.
fn sources(dist: Dist, project: &Path) -> Result<Outcome> {
    let folder = project.join("sdist");
    empty(&folder)?;
    Step::new("install: python, unpack the sdist", "tar")
        .args(["--extract", "--strip-components=1", "--file"])
        .args([text(&only_python(dist, ".tar.gz")?), "--directory".to_owned(), text(&folder)])
        .must()?;
    works(
        Step::new("install: python, cargo reads the sdist", "cargo")
            .args(["metadata", "--format-version", "1", "--offline"])
            .folder(&folder),
    )
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
