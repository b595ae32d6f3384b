//! A script as it is played: which step answers a request, and what is left of it.
//!
//! Pure: a request in, a reaction or a refusal that names what came out.

use super::matching::Seen;
use super::redaction::Redaction;
use super::script::{Mode, Reaction, Script, Step};
use hubless_proto::error::{Error, Kind, Result};

/// Most open steps that an error shows.
const SHOWN_STEPS: usize = 5;

#[derive(Debug)]
pub(super) struct Play {
    /// For people.
    name: String,
    script: Script,
    /// How often each step answered.
    used: Vec<u64>,
    /// What recorded requests were redacted by; none: requests are looked at as they come.
    redaction: Option<Redaction>,
    /// Requests that nothing fitted, as they are shown.
    missed: Vec<String>,
}

/// The step that answers, counted from 0; none: what is left for all others.
pub(super) type Chosen = (Option<usize>, Reaction);

impl Play {
    pub(super) fn new(name: &str, script: Script) -> Self {
        let redaction = script.redact.as_ref().map(|names| Redaction::of(names));
        let used = vec![0; script.steps.len()];
        Self { name: name.to_owned(), script, used, redaction, missed: Vec::new() }
    }

    /// The reaction to a request.
    ///
    /// # Errors
    /// `handler_failed`, code `script_unmatched` where no step fits it, `script_used_up` where
    /// those that do, or all there are, have answered as often as they may.
    pub(super) fn choose(&mut self, seen: &Seen) -> Result<Chosen> {
        let redacted = self.redaction.as_ref().map(|redaction| {
            let mut redacted = seen.clone();
            redaction.content(&mut redacted.content);
            redacted
        });
        let seen = redacted.as_ref().unwrap_or(seen);
        let chosen = match self.script.mode {
            Mode::Strict => self.next().filter(|at| self.fits(*at, seen)),
            Mode::ByContent => self.first(seen),
            Mode::Loose => self.first(seen).or_else(|| self.last(seen)),
        };
        if let Some((at, used)) = chosen.and_then(|at| Some((at, self.used.get_mut(at)?))) {
            *used += 1;
            let reaction = self.script.steps.get(at).map(|step| step.reaction.clone());
            return reaction.map(|reaction| (Some(at), reaction)).ok_or_else(|| self.miss(seen));
        }
        match &self.script.otherwise {
            Some(reaction) => Ok((None, reaction.clone())),
            None => Err(self.miss(seen)),
        }
    }

    /// Says what of the script is open, and which requests nothing fitted.
    ///
    /// # Errors
    /// `conflict`, code `script_unmet`, unless each step has answered as often as it says, a step
    /// that answers any number of times at least once, and nothing else came.
    pub(super) fn verify(&self) -> Result<()> {
        let open = self.open_steps(|at, step| self.has_room(at, step) && !self.has_answered(at));
        if open.is_empty() && self.missed.is_empty() {
            return Ok(());
        }
        let mut why = Vec::new();
        if !open.is_empty() {
            why.push(format!("never asked for {}", listed(&open)));
        }
        if !self.missed.is_empty() {
            why.push(format!("asked for what no step fits: {}", listed(&self.missed)));
        }
        let message = format!("the fake peer {:?} was {}", self.name, why.join("; and "));
        Err(Error::new(Kind::Conflict, message).with_code("script_unmet"))
    }

    fn has_answered(&self, at: usize) -> bool {
        let any = self.script.steps.get(at).is_some_and(|step| step.times.is_none());
        any && self.used.get(at).is_some_and(|used| *used > 0)
    }

    fn has_room(&self, at: usize, step: &Step) -> bool {
        let used = self.used.get(at).copied().unwrap_or_default();
        step.times.is_none_or(|times| used < times)
    }

    fn fits(&self, at: usize, seen: &Seen) -> bool {
        self.script.steps.get(at).is_some_and(|step| step.when.fits(seen))
    }

    /// The step whose turn it is.
    fn next(&self) -> Option<usize> {
        let mut steps = self.script.steps.iter().enumerate();
        steps.find(|(at, step)| self.has_room(*at, step)).map(|(at, _)| at)
    }

    fn first(&self, seen: &Seen) -> Option<usize> {
        let mut steps = self.script.steps.iter().enumerate();
        let found = steps.find(|(at, step)| self.has_room(*at, step) && step.when.fits(seen));
        found.map(|(at, _)| at)
    }

    fn last(&self, seen: &Seen) -> Option<usize> {
        self.script.steps.iter().rposition(|step| step.when.fits(seen))
    }

    fn open_steps(&self, open: impl Fn(usize, &Step) -> bool) -> Vec<String> {
        let steps = self.script.steps.iter().enumerate().filter(|(at, step)| open(*at, step));
        steps.map(|(at, step)| format!("step {} ({})", at + 1, step.when.shown())).collect()
    }

    fn miss(&mut self, seen: &Seen) -> Error {
        let mut shown = seen.clone();
        // An error travels, and may be logged.
        Redaction::of(&[]).content(&mut shown.content);
        let got = shown.shown();
        if self.missed.len() < SHOWN_STEPS * 2 {
            self.missed.push(got.clone());
        }
        let (name, used) = (&self.name, self.last(seen).is_some());
        let strict = self.script.mode == Mode::Strict;
        let open = self.open_steps(|at, step| self.has_room(at, step));
        let left = match (open.is_empty(), strict) {
            (true, _) => "nothing is left of its script".to_owned(),
            (false, true) => format!("next is {}", open.first().cloned().unwrap_or_default()),
            (false, false) => format!("open is {}", listed(&open)),
        };
        let (code, what) = if open.is_empty() || used && !strict {
            ("script_used_up", "has no answer left for this request")
        } else {
            ("script_unmatched", "has no step for this request")
        };
        let message = format!("the fake peer {name:?} {what}: got {got}; {left}");
        Error::refusal(Kind::HandlerFailed, code, message)
    }
}

/// Some of many.
fn listed(all: &[String]) -> String {
    let shown = all.get(..all.len().min(SHOWN_STEPS)).unwrap_or_default().join(", ");
    match all.len().saturating_sub(SHOWN_STEPS) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::matching::{content_of, json_of};
    use super::super::script::End;
    use super::*;
    use serde_json::{Value, json};

    fn play(script: Value) -> Play {
        Play::new("weather", Script::read(script).unwrap())
    }

    fn ask(play: &mut Play, value: Value) -> Result<Value> {
        let content = content_of("content", json!({ "value": value }))?;
        let seen = Seen { skill: "forecast".to_owned(), content: json_of(&content) };
        play.choose(&seen).and_then(|(_, reaction)| match reaction.end {
            End::Answer(content) => Ok(crate::Content::from(content).decoded().unwrap_or_default()),
            End::Error(error) => Err(error),
        })
    }

    fn steps() -> Value {
        json!([
            {"when": {"value": "a"}, "answer": {"value": 1}},
            {"when": {"value": "b"}, "answer": {"value": 2}, "times": 2},
            {"when": {"value": "a"}, "answer": {"value": 3}},
        ])
    }

    /// What each of some requests is answered with, or the code of its refusal.
    fn check(script: Value, asked: &[&str], wanted: &[&str]) {
        let mut play = play(script);
        let said = asked.iter().map(|value| match ask(&mut play, json!(value)) {
            Ok(value) => value.to_string(),
            Err(error) => error.code,
        });
        assert_eq!(said.collect::<Vec<_>>(), wanted);
    }

    #[test]
    fn requests_take_steps_as_the_mode_says() {
        let asked = ["b", "a", "a", "a", "b", "b", "c"];
        let (up, no) = ("script_used_up", "script_unmatched");
        let by_content = ["2", "1", "3", up, "2", up, up];
        check(json!({ "steps": steps() }), &asked, &by_content);
        let loose = ["2", "1", "3", "3", "2", "2", up];
        check(json!({ "steps": steps(), "mode": "loose" }), &asked, &loose);
        let strict = json!({ "steps": steps(), "mode": "strict" });
        check(strict.clone(), &asked, &[no, "1", no, no, "2", "2", no]);
        check(strict, &["a", "b", "b", "a", "a"], &["1", "2", "2", "3", up]);
        check(
            json!({"steps": [], "otherwise": {"answer": {"value": 9}}}),
            &["x", "y"],
            &["9", "9"],
        );
        let any = json!({"steps": [{"times": "any", "answer": {"value": 4}}]});
        check(any, &["x", "y"], &["4", "4"]);
    }

    #[test]
    fn a_refusal_names_what_came_and_what_is_open() {
        let mut play = play(json!({ "steps": steps() }));
        let error = ask(&mut play, json!({"city": "Oslo", "token": "canary"})).unwrap_err();
        let wanted = "the fake peer \"weather\" has no step for this request: got skill \
                      \"forecast\", value {\"city\":\"Oslo\",\"token\":\"[redacted]\"}; open is \
                      step 1 (value \"a\"), step 2 (value \"b\"), step 3 (value \"a\")";
        assert_eq!(error.message, wanted);
        assert!(error.rejection);
        let unmet = play.verify().unwrap_err();
        assert_eq!((unmet.kind, unmet.code.as_str()), (Kind::Conflict, "script_unmet"));
        assert!(unmet.message.contains("never asked for step 1"), "{unmet}");
        assert!(unmet.message.contains("what no step fits: skill \"forecast\""), "{unmet}");
    }

    #[test]
    fn a_script_is_met_once_all_of_it_was_asked_for_and_nothing_else() {
        let mut met = play(json!({"steps": [
            {"answer": {"value": 1}, "times": 2}, {"times": "any", "answer": {"value": 2}}]}));
        for wanted in [1, 1] {
            assert_eq!(ask(&mut met, json!("x")).unwrap(), wanted);
            assert!(met.verify().is_err());
        }
        assert_eq!(ask(&mut met, json!("x")).unwrap(), 2);
        assert_eq!(met.verify(), Ok(()));
    }

    #[test]
    fn many_open_steps_are_counted_and_not_all_shown() {
        let one = |n| json!({"when": {"value": n}, "answer": {"value": n}});
        let many: Vec<_> = (0..20).map(one).collect();
        let error = ask(&mut play(json!({ "steps": many })), json!("x")).unwrap_err();
        assert!(error.message.ends_with("and 15 more"), "{error}");
    }

    #[test]
    fn requests_of_a_recording_are_compared_without_their_secrets() {
        let recorded = json!({"redact": ["badge"], "steps": [
            {"when": {"content": {"value": {"user": "ada", "badge": "[redacted]"}}},
             "answer": {"value": 1}, "times": "any"}]});
        let mut recording = play(recorded);
        for badge in ["one", "other"] {
            let value = json!({"user": "ada", "badge": badge});
            assert_eq!(ask(&mut recording, value).unwrap(), 1);
        }
        assert!(ask(&mut recording, json!({"user": "bob", "badge": "one"})).is_err());
    }
}
