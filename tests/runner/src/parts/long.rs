//! The long forms, which are not part of every run.

use super::{install, killswitch, rust};
use crate::count::Outcome;
use crate::house::Result;

const FORMS: [(&str, &[&str]); 3] = [
    ("unit", &["--lib", "--test", "checks", "--test", "readers", "--test", "wire"]),
    ("mesh", &["--test", "machine", "--", "--test-threads=1", "--nocapture"]),
    ("fuzz", &["--test", "corpus"]),
];

/// Forms of their own: the packages of a release instead of quick ones, and the larger models.
const INSTALL: &str = "install";
const KILLSWITCH: &str = "killswitch";

/// Runs the long forms of the named parts, or of all.
///
/// # Errors
/// A part has no long form.
pub(crate) fn run(names: &[String]) -> Result<Outcome> {
    let known: Vec<_> = FORMS.iter().map(|(form, _)| *form).chain([INSTALL, KILLSWITCH]).collect();
    if let Some(unknown) = names.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(format!("{unknown:?} has no long form; these have: {}", known.join(", ")));
    }
    crate::prepare::everything()?;
    // Read by the tests themselves: rounds of the mesh, cases of the property tests, mutations.
    let settings = [
        ("HUBLESS_TEST_ROUNDS", "200"),
        ("PROPTEST_CASES", "100000"),
        ("HUBLESS_FUZZ_CASES", "100000"),
    ];
    let mut outcome = Outcome::default();
    let wanted = |form: &str| names.is_empty() || names.iter().any(|name| name == form);
    for (form, arguments) in FORMS.iter().filter(|(form, _)| wanted(form)) {
        outcome += rust::test_with(&format!("long: {form}"), arguments, &settings)?;
    }
    if wanted(KILLSWITCH) {
        outcome += killswitch::long()?;
    }
    if wanted(INSTALL) {
        outcome += install::release()?;
    }
    Ok(outcome)
}
