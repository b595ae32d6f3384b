//! One run, a run with a kill, and the test of both.

use super::session::Session;
use super::{figures, report};
use crate::count::Outcome;
use crate::house::{self, Result};
use crate::prepare;
use clap::{Args, ValueEnum};
use serde_json::Value;
use std::time::{Duration, Instant};

/// What `cargo demo` takes.
#[derive(Args)]
pub(crate) struct Options {
    /// Who asks for the report.
    #[arg(long, value_enum, default_value_t = Asker::Python)]
    ask: Asker,
    /// Folder of the report; default: `target/demo`.
    #[arg(long)]
    out: Option<std::path::PathBuf>,
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
    let out = options.out.clone().unwrap_or_else(|| house::target().join("demo"));
    println!("── four agents, four languages, four processes, no hub ──");
    let made = plain(options.ask, &out, true)?;
    println!("── once more: a second renderer joins, and the one in use is killed ──");
    let second = fail_over(&out.join("fail-over"), true)?;
    let report = made.get("report").and_then(Value::as_str).unwrap_or_default();
    println!("── done: {report}");
    println!("   with the kill: complete {} ms after it", second.after_kill.as_millis());
    let in_time = second.after_kill <= AFTER_KILL;
    if !in_time {
        println!("   that is later than {} s", AFTER_KILL.as_secs());
    }
    Ok(in_time)
}

/// The part `demo` of `cargo verify`: both askers, the figures, the charts, the fail-over.
pub(crate) fn test() -> Result<Outcome> {
    let out = house::target().join("demo-test");
    // An old report would hide one that was not written.
    let _ = std::fs::remove_dir_all(&out);
    let expected = figures::compute()?;
    let mut outcome = Outcome::default();
    let mut answers = Vec::new();
    for asker in [Asker::Python, Asker::C] {
        let folder = out.join(format!("{asker:?}").to_lowercase());
        match plain(asker, &folder, false) {
            Ok(answer) => {
                outcome += report::check(&folder.join("report.html"), &answer, &expected);
                answers.push(answer.get("figures").cloned());
            }
            Err(message) => outcome += Outcome::failure(format!("asked by {asker:?}: {message}")),
        }
    }
    outcome += Outcome::one(answers.first() == answers.last() && answers.len() == 2, || {
        "both askers did not get the same figures".to_owned()
    });
    match fail_over(&out.join("fail-over"), false) {
        Ok(second) => {
            let file = out.join("fail-over/report.html");
            outcome += report::check(&file, &second.answer, &expected);
            outcome += Outcome::one(second.after_kill <= AFTER_KILL, || {
                format!("complete {} ms after the kill", second.after_kill.as_millis())
            });
            outcome +=
                Outcome::one(second.answer.get("failovers") != Some(&Value::from(0)), || {
                    "the kill hit nothing: no renderer was lost".to_owned()
                });
        }
        Err(message) => outcome += Outcome::failure(format!("fail-over: {message}")),
    }
    Ok(outcome)
}

/// One report with one renderer.
fn plain(asker: Asker, out: &std::path::Path, show: bool) -> Result<Value> {
    let mut session = Session::start("demo", 0, show)?;
    session.ask(asker, out)?;
    let end = Instant::now() + REPORT;
    let answer = session.finished(asker, end)?;
    session.close()?;
    Ok(answer)
}

/// What the run with the kill gave.
struct FailOver {
    answer: Value,
    after_kill: Duration,
}

/// A report whose renderer is killed while it draws the second chart.
fn fail_over(out: &std::path::Path, show: bool) -> Result<FailOver> {
    let mut session = Session::start("demo-fail-over", SLOW_MS, show)?;
    session.second_renderer(SLOW_MS)?;
    session.ask(Asker::Python, out)?;
    let end = Instant::now() + REPORT;
    let in_use = session.second_chart(end)?;
    let killed = session.kill(&in_use)?;
    let answer = session.finished(Asker::Python, end)?;
    let after_kill = killed.elapsed();
    session.close()?;
    Ok(FailOver { answer, after_kill })
}
