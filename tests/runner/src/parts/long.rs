//! The long forms, which are not part of every run.

use super::rust;
use crate::count::Outcome;
use crate::house::Result;

const FORMS: [(&str, &[&str]); 3] = [
    ("unit", &["--lib", "--test", "checks", "--test", "readers", "--test", "wire"]),
    ("mesh", &["--test", "machine", "--", "--test-threads=1", "--nocapture"]),
    ("fuzz", &["--test", "corpus"]),
];

/// Runs the long forms of the named parts, or of all.
///
/// # Errors
/// A part has no long form.
pub(crate) fn run(names: &[String]) -> Result<Outcome> {
    if let Some(unknown) = names.iter().find(|name| !FORMS.iter().any(|(form, _)| form == name)) {
        let known: Vec<_> = FORMS.iter().map(|(form, _)| *form).collect();
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
    for (form, arguments) in
        FORMS.iter().filter(|(f, _)| names.is_empty() || names.iter().any(|n| n == f))
    {
        outcome += rust::test_with(&format!("long: {form}"), arguments, &settings)?;
    }
    Ok(outcome)
}
