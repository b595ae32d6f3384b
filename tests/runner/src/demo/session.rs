//! The processes of one run, and what they say.

use super::report::Agent;
use super::run::Asker;
use super::told::{self, Told};
use super::{place, timeline};
use crate::bounded;
use crate::house::{self, Result};
use crate::language::{Language, Origin, Program};
use crate::process::{Process, Silence};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const READY: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(2);
/// How long the last events of other processes may take after the end of a report.
const LAST_EVENTS: Duration = Duration::from_secs(5);
/// The bound of a command, which waits for what it looks for.
const BOUND: Duration = Duration::from_secs(60);

struct Member {
    language: Language,
    node_key: String,
    process: Process,
}

/// The running processes of one demo.
pub(super) struct Session {
    name: &'static str,
    home: PathBuf,
    members: Vec<Member>,
    /// Who was ready, those that were killed since included.
    agents: Vec<Agent>,
    /// Everything that was said and not looked at yet.
    heard: Vec<Told>,
    /// Everything that was looked at, in that order.
    told: Vec<Told>,
    show: bool,
}

impl Session {
    /// Starts one process of each language, all at once, and waits until each is ready.
    pub(super) fn start(name: &'static str, slow_ms: u32, show: bool) -> Result<Self> {
        let home = place::home(name)?;
        let (heard, told) = (Vec::new(), Vec::new());
        let (members, agents) = (Vec::new(), Vec::new());
        let mut session = Self { name, home, members, agents, heard, told, show };
        for language in Language::ALL {
            session.spawn(language, language.name(), slow_ms)?;
        }
        for index in 0..session.members.len() {
            session.ready(index)?;
        }
        Ok(session)
    }

    /// Starts another renderer, while the others are at work.
    pub(super) fn second_renderer(&mut self, slow_ms: u32) -> Result<()> {
        self.spawn(Language::Node, "second-renderer", slow_ms)?;
        self.ready(self.members.len() - 1)
    }

    fn spawn(&mut self, language: Language, name: &str, slow_ms: u32) -> Result<()> {
        let mut command = language.command(Origin::Checkout, Program::Demo)?;
        if language == Language::Node {
            let agent = if name == "node" { "chart-renderer" } else { name };
            command.args(["--name", agent, "--slow-ms", &slow_ms.to_string()]);
        }
        command.env("HUBLESS_HOME", &self.home);
        let log = house::logs().join(format!("{}-{name}.log", self.name));
        let process = Process::start(name, &mut command, &log)?;
        self.members.push(Member { language, node_key: String::new(), process });
        Ok(())
    }

    fn ready(&mut self, index: usize) -> Result<()> {
        let member = self.members.get_mut(index).ok_or("no such process")?;
        let end = Instant::now() + READY;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let event = member.process.next(left).map_err(|silence| match silence {
                Silence::Late => {
                    let name = member.process.name();
                    format!("{name} was not ready within {} s", READY.as_secs())
                }
                Silence::Ended => format!("{} before it was ready", ended(&member.process)),
            })?;
            if self.show {
                timeline::print(member.language, &event);
            }
            if event.get("event") == Some(&json!("ready")) {
                let text = |key| event.get(key).and_then(Value::as_str).unwrap_or_default();
                text("nodeKey").clone_into(&mut member.node_key);
                self.agents.push(Agent::new(text("language"), text("name"), text("address")));
                return Ok(());
            }
        }
    }

    /// Tells the asker to ask for the report.
    pub(super) fn ask(&mut self, asker: Asker, out: &Path) -> Result<()> {
        std::fs::create_dir_all(out).map_err(|error| error.to_string())?;
        let member = self.members.iter_mut().find(|member| member.language == language(asker));
        let member = member.ok_or("the asker is not running")?;
        member.process.say(&format!("ask {}", json!({ "out": house::text(out) })))
    }

    /// Waits for the end of the report.
    pub(super) fn finished(&mut self, asker: Asker, end: Instant) -> Result<Value> {
        let own = language(asker);
        let event = self.wait(end, |language, event| {
            let name = event.get("event").and_then(Value::as_str);
            language == own && matches!(name, Some("done" | "failed"))
        })?;
        match event.get("result") {
            Some(result) => Ok(result.clone()),
            None => Err(format!("the report failed: {event}")),
        }
    }

    /// Waits until the second chart is being drawn, and says by which node.
    pub(super) fn second_chart(&mut self, end: Instant) -> Result<String> {
        let mut charts = 0;
        let is = |event: &Value, name: &str| event.get("event") == Some(&json!(name));
        let event = self.wait(end, |_, event| {
            charts += u32::from(is(event, "drawing"));
            charts == 2 || is(event, "failed")
        })?;
        if is(&event, "failed") {
            return Err(format!("the report failed before its second chart: {event}"));
        }
        let key = event.get("nodeKey").and_then(Value::as_str);
        key.map(str::to_owned).ok_or_else(|| format!("no nodeKey in {event}"))
    }

    /// What the timeline of a finished report does not tell.
    pub(super) fn untold(&mut self, asker: Asker) -> Vec<String> {
        let asker = language(asker);
        let end = Instant::now() + LAST_EVENTS;
        // One process may have ended its part before the line of another one was read.
        while !told::faults(asker, &self.told).is_empty() {
            if self.wait(end, |_, _| true).is_err() {
                break;
            }
        }
        told::faults(asker, &self.told)
    }

    /// What the timeline of a report does not tell of the renderer that was lost on the way.
    pub(super) fn untold_of_loss(&self) -> Vec<String> {
        told::faults_of_loss(&self.told)
    }

    /// The agents that took part.
    pub(super) fn agents(&self) -> Vec<Agent> {
        self.agents.clone()
    }

    /// What the command prints of the best agent with this skill.
    ///
    /// # Errors
    /// There is none, or the command could not be started.
    pub(super) fn published(&self, skill: &str) -> Result<Value> {
        let mut command = Command::new(house::built("hubless"));
        command.args(["find", "--skill", skill, "--wait", "10000", "--json"]);
        let output = bounded::output(command.env("HUBLESS_HOME", &self.home), BOUND);
        let (output, _) = output.map_err(|error| format!("hubless: {error}"))?;
        let said = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(said.lines().next().unwrap_or_default())
            .map_err(|_| format!("hubless find: {said}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Kills the process of that node as `kill -9` does.
    pub(super) fn kill(&mut self, node_key: &str) -> Result<Instant> {
        let found = self.members.iter().position(|member| member.node_key == node_key);
        let index = found.ok_or_else(|| format!("no process has the node key {node_key}"))?;
        let mut member = self.members.remove(index);
        if self.show {
            println!(
                "[{}] killed with -9 (process {})",
                member.language.name(),
                member.process.id()
            );
        }
        member.process.kill();
        Ok(Instant::now())
    }

    /// Ends all processes by closing their stdin.
    pub(super) fn close(mut self) -> Result<()> {
        for member in self.members.drain(..) {
            member.process.finish(Duration::from_secs(15))?;
        }
        let _ = std::fs::remove_dir_all(&self.home);
        Ok(())
    }

    /// Reads what all say until one event fits.
    fn wait(
        &mut self,
        end: Instant,
        mut fits: impl FnMut(Language, &Value) -> bool,
    ) -> Result<Value> {
        while Instant::now() < end {
            let mut over = None;
            for member in &self.members {
                let silence = loop {
                    match member.process.next(POLL) {
                        Ok(event) => self.heard.push((member.language, event)),
                        Err(silence) => break silence,
                    }
                };
                if silence == Silence::Ended {
                    over = Some(ended(&member.process));
                }
            }
            let mut heard = std::mem::take(&mut self.heard).into_iter();
            for (language, event) in heard.by_ref() {
                if self.show {
                    timeline::print(language, &event);
                }
                self.told.push((language, event.clone()));
                if fits(language, &event) {
                    self.heard = heard.collect();
                    return Ok(event);
                }
            }
            if let Some(over) = over {
                return Err(format!("{over} in the middle of a run"));
            }
        }
        Err(format!("nothing came in time (logs: {})", house::logs().display()))
    }
}

const fn language(asker: Asker) -> Language {
    match asker {
        Asker::Python => Language::Python,
        Asker::C => Language::C,
    }
}

/// That a process ended which was not to.
fn ended(process: &Process) -> String {
    format!("{} ended (logs: {})", process.name(), house::logs().display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A session of one process, a shell that says these events and then does something else.
    fn session(folder: &Path, events: &[Value], then: &str) -> Session {
        let lines: Vec<_> = events.iter().map(|event| format!("echo '{event}'")).collect();
        let mut command = Command::new("sh");
        command.args(["-c", &format!("{}\n{then}", lines.join("\n"))]);
        let process = Process::start("shell", &mut command, &folder.join("log")).unwrap();
        let member = Member { language: Language::Python, node_key: String::new(), process };
        let (agents, heard, told) = (Vec::new(), Vec::new(), Vec::new());
        let home = folder.join("home");
        Session { name: "test", home, members: vec![member], agents, heard, told, show: false }
    }

    const WAITS: &str = "cat >/dev/null";

    #[test]
    fn a_process_that_ends_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let began = Instant::now();
        let said = [json!({"event": "debug"})];
        let error = session(folder.path(), &said, "exit 3").ready(0).unwrap_err();
        assert!(error.contains("shell ended") && error.contains("before it was ready"), "{error}");
        let mut session = session(folder.path(), &said, "exit 3");
        let error = session.finished(Asker::Python, Instant::now() + READY).unwrap_err();
        assert!(error.contains("shell ended"), "{error}");
        assert!(began.elapsed() < READY, "{:?}", began.elapsed());
    }

    #[test]
    fn what_a_process_said_before_its_end_counts() {
        let folder = tempfile::tempdir().unwrap();
        let who = ("python", "weather-report", "1:A.B.C");
        let ready = json!({"event": "ready", "nodeKey": "k", "language": who.0, "name": who.1,
            "address": who.2});
        let done = json!({"event": "done", "result": {"charts": 4}});
        let mut session = session(folder.path(), &[ready, done], "exit 0");
        session.ready(0).unwrap();
        assert_eq!(session.members[0].node_key, "k");
        assert_eq!(session.agents(), [Agent::new(who.0, who.1, who.2)]);
        let end = Instant::now() + READY;
        assert_eq!(session.finished(Asker::Python, end).unwrap(), json!({"charts": 4}));
    }

    #[test]
    fn a_report_that_fails_before_its_second_chart_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let drawing = json!({"event": "drawing", "nodeKey": "k"});
        let failed = json!({"event": "failed", "error": {"kind": "not_found"}});
        let began = Instant::now();
        let second = |events: &[Value]| {
            session(folder.path(), events, WAITS).second_chart(Instant::now() + READY)
        };
        let error = second(&[drawing.clone(), failed]).unwrap_err();
        assert!(error.contains("failed") && error.contains("not_found"), "{error}");
        assert!(began.elapsed() < READY, "{:?}", began.elapsed());
        assert_eq!(second(&[drawing.clone(), drawing]), Ok("k".to_owned()));
    }
}
