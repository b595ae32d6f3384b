//! The order of things, and what the packages do together.

use super::{bundle, c, java, node, python, rust};
use crate::count::Outcome;
use crate::hello;
use crate::house::Result;
use crate::language::{Language, Origin};
use crate::package::bundle::Contents;
use crate::package::{self, Dist, Profile};
use crate::parts::conformance::{self, Run};

/// With the libraries that every other test uses: what is tested is the packages' own shape.
pub(crate) fn quick() -> Result<Outcome> {
    run(Dist { profile: Profile::Dev })
}

/// With the libraries of a release, built where they are missing: what is tested is what would be
/// published.
pub(crate) fn release() -> Result<Outcome> {
    run(Dist { profile: Profile::Release })
}

fn run(dist: Dist) -> Result<Outcome> {
    package::build(dist)?;
    let mut outcome = package::sizes(dist)?;
    if dist.profile == Profile::Release {
        outcome += package::check_libraries(dist)?;
    }
    let mut usable = Language::ALL.to_vec();
    if let Some(missing) = c::missing() {
        outcome += Outcome::skip(&missing);
        usable.retain(|language| *language != Language::C);
    } else {
        outcome += c::install(dist)?;
    }
    outcome += python::install(dist)?;
    outcome += node::install(dist)?;
    outcome += java::install(dist)?;
    if dist.profile == Profile::Release {
        outcome += rust::install()?;
    }
    for callee in &usable {
        outcome += hello::from(Origin::Installed, *callee, &usable)?;
    }
    let run = Run { part: "installed", origin: Origin::Installed };
    outcome += conformance::matrix_from(&run, &usable)?;
    // Gathering what compiles Kotlin takes longer than the rest of this part: a long form.
    outcome += bundle::install(
        dist,
        match dist.profile {
            Profile::Dev => Contents::WithoutCompiler,
            Profile::Release => Contents::Whole,
        },
    )?;
    Ok(outcome)
}

/// One test: the step must succeed.
pub(super) fn works(step: crate::step::Step) -> Result<Outcome> {
    let done = step.run()?;
    Ok(Outcome::one(done.ok, || done.tail(30)))
}

/// One test: the step must fail, and print all of `words`.
pub(super) fn refuses(step: crate::step::Step, words: &[&str]) -> Result<Outcome> {
    let done = step.run()?;
    let said = words.iter().all(|word| done.output.contains(word));
    Ok(Outcome::one(!done.ok && said, || format!("expected {words:?}:\n{}", done.tail(30))))
}
