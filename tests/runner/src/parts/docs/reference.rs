//! The reference of each language, made of its doc comments into `target/docs`; a warning fails.

use super::all::place;
use crate::count::Outcome;
use crate::house::{Result, root, text};
use crate::prepare::{install, stamp};
use crate::step::Step;
use crate::toolchain::answers;
use std::path::{Path, PathBuf};

/// What makes the references of Python and Node.js, pinned.
const TOOLS: &str = "tests/runner/reference";
/// Of the type stubs alone: at run time the class has no type arguments.
const STUBS: &str = "ignore:Error parsing type annotation weakref.finalize";

/// Prints the public names of the package; those of modules have pages of their own.
const NAMES: &str = "import hubless, inspect\n\
    for name in hubless.__all__:\n    \
    if not inspect.ismodule(getattr(hubless, name)): print(name)";

/// All references; that of C where Doxygen is.
pub(super) fn run() -> Result<Outcome> {
    let mut outcome = python()?;
    outcome += node()?;
    outcome += kotlin()?;
    outcome += c()?;
    Ok(outcome)
}

fn out(language: &str) -> PathBuf {
    root().join("target/docs").join(language)
}

/// Pdoc, in a virtual environment of its own; every public name has its place.
fn python() -> Result<Outcome> {
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
    let package = |name: &str| {
        Step::new(name, &program).env("PYTHONPATH", root().join("python")).folder(root())
    };
    let made = package("docs: pdoc")
        .args(["-W", "error::UserWarning", "-W", STUBS, "-m", "pdoc"])
        .args(["hubless", "hubless.sync", "hubless.langchain"])
        .args(pages()?)
        .args([Path::new("--output-directory"), &out("python")])
        .run()?;
    let names = package("docs: public names of Python").args(["-c", NAMES]).must()?;
    let names: Vec<_> = names.output.lines().map(|name| format!("id=\"{name}\"")).collect();
    let mut outcome = Outcome::one(made.ok, || made.tail(20));
    outcome += shown(&out("python").join("hubless.html"), &names);
    outcome += shown(&out("python").join("guide.html"), &["sendP2pRequest".to_owned()]);
    Ok(outcome)
}

/// The guide as modules that say nothing else: pdoc makes pages of modules alone.
fn pages() -> Result<Vec<PathBuf>> {
    let place = place("pages")?;
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
fn node() -> Result<Outcome> {
    install(TOOLS)?;
    let folder = root().join(TOOLS);
    let made = Step::new("docs: typedoc", "node")
        .args(["node_modules/typedoc/bin/typedoc", "--options", "typedoc.json"])
        .folder(folder)
        .run()?;
    let mut outcome = Outcome::one(made.ok, || made.tail(20));
    let guide = ["`find` returns nothing", "<code>find</code> returns nothing"];
    outcome += shown_as(&out("node").join("documents/docs_guide.html"), &guide);
    Ok(outcome)
}

/// Dokka, as for the `javadoc` jar, with the profile that makes its warnings errors.
fn kotlin() -> Result<Outcome> {
    let made = Step::new("docs: dokka", "mvn")
        .args(["-B", "-q", "-f", "kotlin/pom.xml", "-P", "reference", "dokka:dokka"])
        .args([format!("-Ddocs.out={}", text(&out("kotlin")))])
        .run()?;
    let mut outcome = Outcome::one(made.ok, || made.tail(20));
    let page = out("kotlin").join("hubless/dev.hubless/-node/index.html");
    outcome += Outcome::one(page.is_file(), || format!("{} was not made", text(&page)));
    Ok(outcome)
}

/// Doxygen, of the header, where it is installed.
fn c() -> Result<Outcome> {
    if !answers("doxygen", &["--version"]) {
        return Ok(Outcome::skip("the reference of C: doxygen is not installed"));
    }
    let made = Step::new("docs: doxygen", "doxygen")
        .args(["include/docs/Doxyfile"])
        .env("HUBLESS_DOCS", out("c"))
        .run()?;
    let mut outcome = Outcome::one(made.ok, || made.tail(20));
    outcome += shown(&out("c").join("html/hubless_8h.html"), &["hubless_request".to_owned()]);
    Ok(outcome)
}

/// One test: a page has all of these.
fn shown(page: &Path, wanted: &[String]) -> Outcome {
    let text_of = std::fs::read_to_string(page).unwrap_or_default();
    let absent: Vec<_> = wanted.iter().filter(|word| !text_of.contains(word.as_str())).collect();
    let all = absent.is_empty() && !wanted.is_empty();
    Outcome::one(all, || format!("{} lacks {absent:?}", text(page)))
}

/// One test: a page has one of these.
fn shown_as(page: &Path, forms: &[&str]) -> Outcome {
    let text_of = std::fs::read_to_string(page).unwrap_or_default();
    let there = forms.iter().any(|form| text_of.contains(form));
    Outcome::one(there, || format!("{} lacks {forms:?}", text(page)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_a_page_lacks_is_caught() {
        let page = root().join("README.md");
        let there = "# Hubless".to_owned();
        assert_eq!(shown(&page, std::slice::from_ref(&there)).failed, 0);
        assert_eq!(shown(&page, &[there, "nothing like it".to_owned()]).failed, 1);
        assert_eq!(shown(&page, &[]).failed, 1);
        assert_eq!(shown(&root().join("no page"), &["x".to_owned()]).failed, 1);
    }
}
