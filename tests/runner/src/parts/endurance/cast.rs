//! The subjects of all languages in one home, and the runners that call them.

use crate::house::{self, Result, root, text};
use crate::language::{Language, Origin, Program};
use crate::parts::conformance::{Caller, Run};
use crate::process::Process;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// What these runs are called in logs.
pub(super) const RUN: Run = Run { part: "endurance", origin: Origin::Checkout };
/// How long a subject may take to start, or to end.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
/// A heap that is there from the beginning, and threads of the compiler that stay: what the process
/// has more of later is not the JVM that takes its time.
const STEADY: &str = "-Xms96m -Xmx96m -XX:+AlwaysPreTouch -XX:-UseDynamicNumberOfCompilerThreads";

/// One subject.
pub(super) struct Subject {
    /// Its language.
    pub(super) language: Language,
    /// Its process.
    pub(super) process: Process,
}

/// Starts the subjects of these languages in one home, and waits until each is ready.
pub(super) fn subjects(languages: &[Language], home: &Path) -> Result<Vec<Subject>> {
    let start = |language: &Language| {
        let mut command = measured(*language)?;
        command.args(["serve", "--name", language.name()]).env("HUBLESS_HOME", home);
        let log = house::logs().join(format!("{}-subject-{}.log", RUN.part, language.name()));
        let process = Process::start(language.name(), &mut command, &log)?;
        process.expect("ready", PATIENCE)?;
        Ok(Subject { language: *language, process })
    };
    languages.iter().map(start).collect()
}

/// Ends them in good order.
pub(super) fn finish(subjects: Vec<Subject>) -> Result<()> {
    subjects.into_iter().try_for_each(|subject| subject.process.finish(PATIENCE))
}

/// The runner of a language.
pub(super) fn caller(language: Language) -> Result<Caller> {
    Ok(Caller { name: language.name(), command: measured(language)? })
}

/// The conformance program of a language, so that its memory says something.
fn measured(language: Language) -> Result<Command> {
    let mut command = language.command(RUN.origin, Program::Conformance)?;
    command.env("JAVA_TOOL_OPTIONS", STEADY);
    command.env("HUBLESS_TEST_ADDON", root().join("node/native/hubless.node"));
    Ok(command)
}

/// Writes cases into a file of this name.
pub(super) fn cases(name: &str, cases: &Value) -> Result<PathBuf> {
    let file = house::target().join(format!("{}-{name}.json", RUN.part));
    std::fs::write(&file, cases.to_string())
        .map_err(|error| format!("{}: {error}", text(&file)))?;
    Ok(file)
}

/// The language after this one, in the order of the documents.
pub(super) fn next(language: Language) -> Language {
    let mut all = Language::ALL.into_iter().cycle().skip_while(|one| *one != language);
    all.nth(1).unwrap_or(language)
}

/// A number of the value that a case got; some runners report a list of one.
pub(super) fn number(report: &Value, member: &str) -> Option<u64> {
    let got = &report["got"];
    let one = got.get(0).unwrap_or(got);
    one["value"][member].as_u64().or_else(|| whole(one["value"][member].as_f64()?))
}

/// A count that was written with a fraction of nothing.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
fn whole(number: f64) -> Option<u64> {
    ((0.0..1e15).contains(&number) && number.fract() == 0.0).then_some(number as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn reads_what_a_case_got_from_each_kind_of_report() {
        for got in [json!([{"value": {"handles": 7}}]), json!({"value": {"handles": 7.0}})] {
            let report = json!({"case": "a", "got": got});
            assert_eq!(number(&report, "handles"), Some(7), "{report}");
            assert_eq!(number(&report, "threads"), None, "{report}");
        }
        assert_eq!(whole(0.5), None);
    }

    #[test]
    fn each_language_is_followed_by_another_and_the_last_by_the_first() {
        assert_eq!(Language::ALL.map(next).map(Language::name), ["node", "kotlin", "c", "python"]);
    }
}
