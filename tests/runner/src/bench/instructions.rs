//! Instructions of the core's message path, counted by callgrind and kept by release; and what it
//! copies and allocates.
//!
//! Each stage is run many times and never, and the difference shared: what goes before and after
//! is the same. Unlike times, the counts of pure stages are the same on every run.

use super::counted::{Counter, Counts};
use super::options::{Counts as Keeping, Options, Scale};
use super::{about, report};
use crate::house::{self, Result, root};
use crate::package::{VERSION, write};
use crate::step::Step;
use crate::toolchain::answers;
use serde_json::{Map, Value, json};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where counts are kept, by version.
const KEPT: &str = "tests/bench/callgrind.json";

/// The size of the body that the path has.
const BODY: usize = 1_024;

/// Counts of the stages, by name.
type Stages = Map<String, Value>;

/// Counts, compares, and keeps if asked to.
pub(super) fn run(options: &Options) -> Result<()> {
    if !answers("valgrind", &["--version"]) {
        println!("instructions: not counted, since valgrind is not installed");
        return Ok(());
    }
    let program = build(options.scale())?;
    let listed = Step::new("bench: stages of the message path", &program).args(["list"]).must()?;
    let mut now = Stages::new();
    let mut others = BTreeMap::new();
    for stage in listed.output.split_whitespace() {
        let times: u64 = match (options.scale(), stage) {
            (Scale::Quick, _) => 2,
            (Scale::Whole, "call") => 500,
            (Scale::Whole, _) => 2_000,
        };
        let [many, none] = [counted(&program, stage, times)?, counted(&program, stage, 0)?];
        now.insert(stage.to_owned(), json!(many.saturating_sub(none) / times));
        let [many, none] = [done(&program, stage, times)?, done(&program, stage, 0)?];
        others.insert(stage.to_owned(), Each { done: many - none, times });
    }
    let file = root().join(KEPT);
    let kept = std::fs::read_to_string(&file).map_err(|error| format!("{KEPT}: {error}"))?;
    let mut kept: Stages =
        serde_json::from_str(&kept).map_err(|error| format!("{KEPT}: {error}"))?;
    let table = table(&now, before(&kept), &others);
    let about = about::lines(None).iter().map(|line| format!("- {line}\n")).collect::<String>();
    let scale = match options.scale() {
        Scale::Whole => "",
        Scale::Quick => "- of a build for tests: NO FIGURES\n",
    };
    let text = format!("# instructions\n\n{about}{scale}\n{table}");
    write(&options.folder().join("instructions.md"), &text)?;
    write(&options.folder().join("instructions.csv"), report::counts(&now))?;
    println!("{text}");
    if options.counts() == Keeping::Kept {
        if options.scale() == Scale::Quick {
            return Err("counts of a build for tests are not kept".to_owned());
        }
        kept.insert(VERSION.to_owned(), Value::Object(now));
        let text = serde_json::to_string_pretty(&kept).map_err(|error| error.to_string())?;
        write(&file, text + "\n")?;
    }
    Ok(())
}

fn build(scale: Scale) -> Result<PathBuf> {
    let (profile, folder): (&[&str], _) = match scale {
        Scale::Whole => (&["--release"], "release"),
        Scale::Quick => (&[], "debug"),
    };
    // In the tests' profile with the features of the workspace, so that nothing is compiled twice.
    let features: &[&str] = match scale {
        Scale::Whole => &["-p", "hubless-bench"],
        Scale::Quick => &["--workspace", "--features", crate::prepare::TESTING],
    };
    Step::new("bench: build the message path", "cargo")
        .args(["build", "--locked", "--bin", "hubless-bench-path"])
        .args(profile)
        .args(features)
        .must()?;
    Ok(house::target().join(folder).join("hubless-bench-path"))
}

/// Instructions of the whole program.
fn counted(program: &Path, stage: &str, times: u64) -> Result<u64> {
    let done = Step::new(&format!("bench: count {stage}, {times} times"), "valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args([program])
        .args([stage, &times.to_string()])
        .env("HUBLESS_LOG", "off")
        .must()?;
    collected(&done.output).ok_or_else(|| format!("callgrind counted nothing: {}", done.tail(5)))
}

/// What one run of a stage copied and allocated.
struct Each {
    done: Counts,
    times: u64,
}

impl Each {
    fn shown(&self) -> String {
        let each = |number: u64| format!("{:.2}", number as f64 / self.times as f64);
        let copies = self.done.copies(BODY).map_or_else(|| "–".to_owned(), each);
        format!("{copies} | {}", each(self.done.allocations()))
    }
}

/// What the whole program copied and allocated.
fn done(program: &Path, stage: &str, times: u64) -> Result<Counts> {
    let counter = Counter::prepare("path")?;
    let step = Step::new(&format!("bench: copies of {stage}, {times} times"), program);
    let step = step.args([stage, &times.to_string()]).env("HUBLESS_LOG", "off");
    let steps = counter.environment();
    steps.into_iter().fold(step, |step, (name, value)| step.env(name, value)).must()?;
    counter.of_all()
}

/// What callgrind says that it collected.
fn collected(output: &str) -> Option<u64> {
    let (_, rest) = output.split_once("Collected : ")?;
    rest.split_whitespace().next()?.parse().ok()
}

/// The newest release that is not this version.
fn before(kept: &Stages) -> Option<(&String, &Stages)> {
    let number = |version: &str| -> Vec<u64> {
        version.split(['.', '-']).map(|part| part.parse().unwrap_or(0)).collect()
    };
    let mut others: Vec<_> = kept.iter().filter(|(version, _)| *version != VERSION).collect();
    others.sort_by_key(|(version, _)| Reverse(number(version)));
    // Where this is the first release, its own counts as they were kept.
    let chosen = others.first().copied().or_else(|| kept.get_key_value(VERSION))?;
    Some((chosen.0, chosen.1.as_object()?))
}

fn table(
    now: &Stages,
    before: Option<(&String, &Stages)>,
    others: &BTreeMap<String, Each>,
) -> String {
    let version = before.map_or("nothing is kept", |(version, _)| version.as_str());
    let mut text = format!(
        "| stage | instructions | kept: {version} | ratio | copies of 1 KiB or more | \
         allocations |\n|---|---|---|---|---|---|\n"
    );
    for (stage, count) in now {
        let count = count.as_u64().unwrap_or_default();
        let old = before.and_then(|(_, stages)| stages.get(stage)?.as_u64());
        let (shown, ratio) = match old {
            Some(old) if old > 0 => (old.to_string(), format!("{:.3}", count as f64 / old as f64)),
            Some(_) | None => ("–".to_owned(), "–".to_owned()),
        };
        let others = others.get(stage).map_or_else(|| "– | –".to_owned(), Each::shown);
        text.push_str(&format!("| {stage} | {count} | {shown} | {ratio} | {others} |\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(count: u64) -> Stages {
        Stages::from_iter([("encode".to_owned(), json!(count))])
    }

    #[test]
    fn reads_what_callgrind_collected() {
        let said = "==7== Events    : Ir\n==7== Collected : 1847163\n==7== \n";
        assert_eq!(collected(said), Some(1_847_163));
        assert_eq!(collected("==7== nothing"), None);
    }

    #[test]
    fn compares_with_the_newest_other_release_and_prints_the_ratio() {
        let mut kept = Stages::new();
        assert!(before(&kept).is_none());
        assert!(
            table(&stages(300), None, &BTreeMap::new())
                .contains("| encode | 300 | – | – | – | – |")
        );
        kept.insert(VERSION.to_owned(), Value::Object(stages(400)));
        assert_eq!(before(&kept).unwrap().0, VERSION);
        for (version, count) in [("0.0.9", 100), ("0.0.10", 200)] {
            kept.insert(version.to_owned(), Value::Object(stages(count)));
        }
        let (version, old) = before(&kept).unwrap();
        assert_eq!(version, "0.0.10");
        let each = Each { done: Counts::default(), times: 4 };
        let others = BTreeMap::from([("encode".to_owned(), each)]);
        let text = table(&stages(300), Some((version, old)), &others);
        assert!(text.contains("kept: 0.0.10"), "{text}");
        assert!(text.contains("| encode | 300 | 200 | 1.500 | 0.00 | 0.00 |"), "{text}");
    }

    #[test]
    fn what_is_kept_can_be_read() {
        let kept = std::fs::read_to_string(root().join(KEPT)).unwrap();
        let kept: Stages = serde_json::from_str(&kept).unwrap();
        assert!(kept.values().all(Value::is_object), "{kept:?}");
    }
}
