//! One run, a run with a kill, and the test of both.

use super::report::{Agent, Expected};
use super::session::Session;
use super::told::DRAWING;
use super::{command, figures, report, runaway};
use crate::count::{self, Outcome};
use crate::house::{self, Result, venv_program};
use crate::prepare;
use crate::step::Step;
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What `cargo demo` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Who asks for the report.
    #[arg(long, value_enum, default_value_t = Asker::Python)]
    ask: Asker,
    /// Folder of the report; default: `target/demo`.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Instead: a call chain that multiplies itself, stopped at its budget.
    #[arg(long)]
    runaway: bool,
}

/// Who asks for the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Asker {
    /// The maker's own side.
    Python,
    /// The digester's side, over the network.
    C,
}

/// Longest time that one report may take.
const REPORT: Duration = Duration::from_secs(90);
/// Longest time from the kill of a renderer to the finished report.
const AFTER_KILL: Duration = Duration::from_secs(5);
/// How long a renderer takes for each chart when it is to be killed in the middle.
const SLOW_MS: u32 = 400;

/// Shows the demo: a report, then a second one whose renderer is killed on the way.
///
/// # Errors
/// Something could not be built or started, or the report was not made.
pub(crate) fn run(options: &Options) -> Result<bool> {
    prepare::everything()?;
    if options.runaway {
        return runaway::run();
    }
    let out = folder(options.out.as_deref())?;
    println!("── four agents, four languages, four processes, no hub ──");
    let Plain { answer: made, .. } = plain(options.ask, &out, true)?;
    println!("── once more: a second renderer joins, and the one in use is killed ──");
    let second = fail_over(options.ask, &out.join("fail-over"), true)?;
    let report = made.get("report").and_then(Value::as_str).unwrap_or_default();
    println!("── done: {report}");
    println!("   with the kill: complete {} ms after it", second.after_kill.as_millis());
    let in_time = second.after_kill <= AFTER_KILL;
    if !in_time {
        println!("   that is later than {} s", AFTER_KILL.as_secs());
    }
    Ok(in_time)
}

/// The folder of the report, from where the user is: the processes run somewhere else.
fn folder(named: Option<&Path>) -> Result<PathBuf> {
    let named = named.map_or_else(|| house::target().join("demo"), Path::to_owned);
    std::path::absolute(&named).map_err(|error| format!("{}: {error}", named.display()))
}

/// The part `demo` of `cargo verify`: the command as a person types it, both askers, the figures,
/// the charts, the timeline, the fail-over, and what the maker does where others disagree.
pub(crate) fn test() -> Result<Outcome> {
    let out = house::target().join("demo-test");
    // An old report would hide one that was not written.
    let _ = std::fs::remove_dir_all(&out);
    let expected = Expected {
        figures: figures::compute()?,
        highs: figures::highs()?,
        digest: figures::digest()?,
    };
    let mut outcome = Outcome::default();
    let mut answers = Vec::new();
    for asker in [Asker::Python, Asker::C] {
        let folder = out.join(format!("{asker:?}").to_lowercase());
        match plain(asker, &folder, false) {
            Ok(Plain { answer, untold, renderer, agents }) => {
                outcome += report::answer(&answer, &expected);
                outcome += report::page(&folder.join("report.html"), &expected, &agents);
                outcome += Outcome::one(untold.is_empty(), || {
                    format!("timeline asked by {asker:?}: {}", untold.join("\n"))
                });
                outcome += Outcome::one(is_pure(&renderer), || {
                    format!("render_chart is not published as PURE: {renderer}")
                });
                answers.push(answer.get("figures").cloned());
            }
            Err(message) => outcome += Outcome::failure(format!("asked by {asker:?}: {message}")),
        }
    }
    outcome += failed_over(Asker::C, &out.join("c/fail-over"), &expected);
    outcome += command::test(&out.join("command"), &expected)?;
    outcome += disagreements()?;
    outcome += Outcome::one(answers.first() == answers.last() && answers.len() == 2, || {
        "both askers did not get the same figures".to_owned()
    });
    outcome += runaway::test();
    Ok(outcome)
}

/// Tests of the maker, whose agents say what is wrong.
fn disagreements() -> Result<Outcome> {
    let step = Step::new("demo: test of the maker", venv_program("python"));
    let step = step.args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]);
    let done = step.args(["-c", "python/pyproject.toml", "tests/demo/python"]).run()?;
    let mut outcome = count::pytest(&done.output);
    if !done.ok || outcome.passed == 0 {
        outcome.failed = outcome.failed.max(1);
        outcome.notes.push(done.tail(60));
    }
    Ok(outcome)
}

/// The run with the kill, as a test.
fn failed_over(asker: Asker, out: &Path, expected: &Expected) -> Outcome {
    let second = match fail_over(asker, out, false) {
        Ok(second) => second,
        Err(message) => {
            return Outcome::failure(format!("fail-over asked by {asker:?}: {message}"));
        }
    };
    let mut outcome = report::answer(&second.answer, expected);
    outcome += report::page(&out.join("report.html"), expected, &second.agents);
    outcome += Outcome::one(second.untold.is_empty(), || {
        format!("timeline of the fail-over asked by {asker:?}: {}", second.untold.join("\n"))
    });
    outcome += Outcome::one(second.after_kill <= AFTER_KILL, || {
        format!("complete {} ms after the kill", second.after_kill.as_millis())
    });
    let lost = second.answer.get("failovers").and_then(Value::as_u64);
    outcome += Outcome::one(lost.is_some_and(|lost| lost > 0), || {
        "the kill hit nothing: no renderer was lost".to_owned()
    });
    outcome
}

/// Whether an agent that was found says that drawing a chart has no effect.
fn is_pure(renderer: &Value) -> bool {
    let mut skills = renderer.get("skills").and_then(Value::as_array).into_iter().flatten();
    let drawing = skills.find(|skill| skill.get("id") == Some(&json!(DRAWING)));
    drawing.is_some_and(|skill| skill.get("effect") == Some(&json!("PURE")))
}

/// What a run without a kill gave.
struct Plain {
    answer: Value,
    /// What its timeline does not tell.
    untold: Vec<String>,
    /// The renderer as others find it.
    renderer: Value,
    agents: Vec<Agent>,
}

/// One report with one renderer.
fn plain(asker: Asker, out: &Path, show: bool) -> Result<Plain> {
    let mut session = Session::start("demo", 0, show)?;
    session.ask(asker, out)?;
    let end = Instant::now() + REPORT;
    let answer = session.finished(asker, end)?;
    let untold = session.untold(asker);
    let renderer = session.published(DRAWING)?;
    let agents = session.agents();
    session.close()?;
    Ok(Plain { answer, untold, renderer, agents })
}

/// What the run with the kill gave.
struct FailOver {
    answer: Value,
    after_kill: Duration,
    /// What its timeline does not tell.
    untold: Vec<String>,
    agents: Vec<Agent>,
}

/// A report whose renderer is killed while it draws the second chart.
fn fail_over(asker: Asker, out: &Path, show: bool) -> Result<FailOver> {
    let mut session = Session::start("demo-fail-over", SLOW_MS, show)?;
    session.second_renderer(SLOW_MS)?;
    session.ask(asker, out)?;
    let end = Instant::now() + REPORT;
    let in_use = session.second_chart(end)?;
    let killed = session.kill(&in_use)?;
    let answer = session.finished(asker, end)?;
    let after_kill = killed.elapsed();
    let mut untold = session.untold(asker);
    untold.extend(session.untold_of_loss());
    let agents = session.agents();
    session.close()?;
    Ok(FailOver { answer, after_kill, untold, agents })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_named_is_one_of_the_user() {
        let here = std::env::current_dir().unwrap();
        assert_eq!(folder(Some(Path::new("some/where"))).unwrap(), here.join("some/where"));
        assert_eq!(folder(Some(Path::new("/some/where"))).unwrap(), Path::new("/some/where"));
        assert!(folder(None).unwrap().is_absolute());
    }

    #[test]
    fn a_renderer_is_pure_only_where_it_says_so_of_drawing() {
        let with = |id: &str, effect: &str| json!({"skills": [{"id": id, "effect": effect}]});
        assert!(is_pure(&with(DRAWING, "PURE")));
        assert!(!is_pure(&with(DRAWING, "IDEMPOTENT")));
        assert!(!is_pure(&with("other", "PURE")));
        assert!(!is_pure(&json!({})));
    }
}
