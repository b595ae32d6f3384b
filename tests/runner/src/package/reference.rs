//! The reference of each language, made of its doc comments: for the packages, and for the part
//! `docs`, which takes no warning. That of the JVM is a jar of its own, by Maven.

use super::dist::empty;
use crate::house::{Result, root, text};
use crate::prepare::{install, stamp};
use crate::step::{Done, Step};
use crate::toolchain::answers;
use std::path::{Path, PathBuf};

/// What makes the references of Python and Node.js, pinned.
const TOOLS: &str = "tests/runner/reference";
/// Of the type stubs alone: at run time the class has no type arguments.
const STUBS: &str = "ignore:Error parsing type annotation weakref.finalize";
/// The folder of a reference beside a package's guide.
pub(crate) const FOLDER: &str = "reference";

/// A command that sees the package in this folder, in an environment with pdoc.
///
/// # Errors
/// The environment cannot be made.
pub(crate) fn pdoc(name: &str, package: &Path) -> Result<Step> {
    let venv = root().join("target/docs-venv");
    let (program, requirements) = (venv.join("bin/python"), format!("{TOOLS}/requirements.txt"));
    stamp::unless_done("docs-venv", &[&requirements], &venv.join("bin/pdoc"), || {
        Step::new("docs: virtual environment", "python3")
            .args(["-m", "venv"])
            .args([&venv])
            .must()?;
        let step = Step::new("docs: install pdoc", &program).args(["-m", "pip", "install"]);
        step.args(["--quiet", "--disable-pip-version-check", "-r", &requirements]).must().map(drop)
    })?;
    Ok(Step::new(name, &program).env("PYTHONPATH", package).folder(root()))
}

/// Pdoc, of the package in a folder, with the guide.
///
/// # Errors
/// A tool is missing.
pub(crate) fn python(package: &Path, out: &Path) -> Result<Done> {
    empty(out)?;
    pdoc("docs: pdoc", package)?
        .args(["-W", "error::UserWarning", "-W", STUBS, "-m", "pdoc"])
        .args(["hubless", "hubless.sync", "hubless.langchain", "hubless.testing"])
        .args(pages(out)?)
        .args([Path::new("--output-directory"), out])
        .run()
}

/// The guide as modules that say nothing else: pdoc makes pages of modules alone.
fn pages(out: &Path) -> Result<Vec<PathBuf>> {
    let place = out.with_extension("pages");
    empty(&place)?;
    let page = |name: &str| {
        let file = root().join(format!("python/docs/{name}.md"));
        let text_of = std::fs::read_to_string(&file);
        let text_of = text_of.map_err(|error| format!("{}: {error}", text(&file)))?;
        let page = place.join(format!("{name}.py"));
        let module = format!("__doc__ = {}\n", serde_json::Value::from(text_of));
        std::fs::write(&page, module).map_err(|error| format!("{}: {error}", text(&page)))?;
        Ok(page)
    };
    ["guide", "errors"].into_iter().map(page).collect()
}

/// `TypeDoc`, with the guide; its settings say what has to be documented.
///
/// # Errors
/// A tool is missing.
pub(crate) fn node(out: &Path) -> Result<Done> {
    install(TOOLS)?;
    Step::new("docs: typedoc", "node")
        .args(["node_modules/typedoc/bin/typedoc", "--options", "typedoc.json"])
        .args(["--out", &text(out)])
        .folder(root().join(TOOLS))
        .run()
}

/// Doxygen, of the header, into `html` in this folder; none where it is not installed.
///
/// # Errors
/// It could not be started.
pub(crate) fn c(out: &Path) -> Result<Option<Done>> {
    if !has_doxygen() {
        return Ok(None);
    }
    std::fs::create_dir_all(out).map_err(|error| format!("{}: {error}", text(out)))?;
    Step::new("docs: doxygen", "doxygen")
        .args(["include/docs/Doxyfile"])
        .env("HUBLESS_DOCS", out)
        .run()
        .map(Some)
}

/// Whether what makes the reference of C is here.
pub(crate) fn has_doxygen() -> bool {
    answers("doxygen", &["--version"])
}

/// For a package: what could not be made is a failure.
pub(super) fn made(done: &Done) -> Result<()> {
    if done.ok { Ok(()) } else { Err(format!("a reference was not made\n{}", done.tail(20))) }
}
