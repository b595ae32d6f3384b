//! The reference of each language, made into `target/docs`; a warning fails.

use crate::count::Outcome;
use crate::house::{Result, root, text};
use crate::package::reference;
use crate::step::Step;
use std::path::{Path, PathBuf};

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

/// Every public name has its place.
fn python() -> Result<Outcome> {
    let package = root().join("python");
    let made = reference::python(&package, &out("python"))?;
    let names = reference::pdoc("docs: public names of Python", &package)?;
    let names = names.args(["-c", NAMES]).must()?;
    let names: Vec<_> = names.output.lines().map(|name| format!("id=\"{name}\"")).collect();
    let mut outcome = Outcome::one(made.ok, || made.tail(20));
    outcome += shown(&out("python").join("hubless.html"), &names);
    let testing = ["id=\"mesh\"", "id=\"FakePeer\"", "id=\"Recorder\""].map(str::to_owned);
    outcome += shown(&out("python").join("hubless/testing.html"), &testing);
    outcome += shown(&out("python").join("guide.html"), &["sendP2pRequest".to_owned()]);
    Ok(outcome)
}

fn node() -> Result<Outcome> {
    let made = reference::node(&out("node"))?;
    let mut outcome = Outcome::one(made.ok, || made.tail(20));
    let guide = ["`find` returns nothing", "<code>find</code> returns nothing"];
    outcome += shown_as(&out("node").join("documents/docs_guide.html"), &guide);
    // What is imported by a name of its own.
    let testing = out("node").join("functions/hubless_testing.startMesh.html");
    outcome += shown(&testing, &["startMesh".to_owned()]);
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

/// Of the header, where Doxygen is installed.
fn c() -> Result<Outcome> {
    let Some(made) = reference::c(&out("c"))? else {
        return Ok(Outcome::skip("the reference of C: doxygen is not installed"));
    };
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
