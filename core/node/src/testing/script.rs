//! Scripts: what a fake peer answers. Recordings have the same form.

use super::matching::{When, content_of, json_of};
use crate::budget::Amount;
use crate::executor::blocking;
use hubless_proto::error::{Error, Kind, Result, Retry};
use hubless_proto::fields::Fields;
use hubless_proto::limits;
use hubless_proto::wire::v1;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Version of the form, in the field `format`.
const FORMAT: u64 = 1;

/// What a fake peer answers, in the JSON form of the language contract (section 8).
///
/// ```
/// use hubless::Kind;
/// use hubless::testing::Script;
/// use serde_json::json;
///
/// let script = Script::read(json!({"steps": [
///     {"when": {"skill": "forecast"}, "answer": {"value": {"tempC": 7}}},
///     {"error": {"kind": "busy", "message": "come back later"}},
/// ]}))?;
/// assert_eq!(script.to_json()["steps"].as_array().map(Vec::len), Some(2));
/// let wrong = Script::read(json!({"steps": [{"answr": {"value": 1}}]})).unwrap_err();
/// assert_eq!((wrong.kind, wrong.field.as_deref()), (Kind::InvalidArgument,
///     Some("script.steps.0.answr")));
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Script {
    /// What the recorded peer published, as `register` takes it; empty: nothing was recorded.
    pub(super) agent: Map<String, Value>,
    pub(super) mode: Mode,
    /// Names whose values were taken out when it was recorded; none: it is no recording.
    pub(super) redact: Option<Vec<String>>,
    pub(super) steps: Vec<Step>,
    /// For what no step fits.
    pub(super) otherwise: Option<Reaction>,
}

/// How requests and steps come together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// A request takes the first step that fits and is not used up.
    #[default]
    ByContent,
    /// A request must fit the step whose turn it is.
    Strict,
    /// As by content; where all that fit are used up, the last of them answers again.
    Loose,
}

impl Mode {
    /// Reads `byContent`, `strict` or `loose`.
    ///
    /// # Errors
    /// `invalid_argument`, field `mode`.
    pub fn parse(text: &str) -> Result<Self> {
        let all = [Self::ByContent, Self::Strict, Self::Loose];
        let found = all.into_iter().find(|mode| mode.name() == text);
        found.ok_or_else(|| Error::invalid("mode", "expected byContent, strict or loose"))
    }

    const fn name(self) -> &'static str {
        match self {
            Self::ByContent => "byContent",
            Self::Strict => "strict",
            Self::Loose => "loose",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Step {
    pub(super) when: When,
    /// How often it answers; none: as often as it fits.
    pub(super) times: Option<u64>,
    pub(super) reaction: Reaction,
}

/// What a fake peer does with a request.
#[derive(Debug, Clone)]
pub(super) struct Reaction {
    /// Gate that is to be opened first.
    pub(super) hold: Option<String>,
    pub(super) events: Vec<Event>,
    /// What it says that it spent.
    pub(super) usage: Amount,
    pub(super) end: End,
}

#[derive(Debug, Clone)]
pub(super) enum Event {
    Progress { note: String, fraction: Option<f64> },
    Chunk { part: v1::Part, append: bool },
}

#[derive(Debug, Clone)]
pub(super) enum End {
    Answer(v1::Content),
    Error(Error),
}

impl Script {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// `invalid_argument` naming the field; `too_large` beyond `TESTING_STEPS`; `configuration`,
    /// code `newer_format`.
    pub fn read(value: Value) -> Result<Self> {
        let mut fields = Fields::of("script", value)?;
        if fields.take::<u64>("format")?.is_some_and(|format| format > FORMAT) {
            let message = format!("expected a script of format {FORMAT} at most");
            return Err(Error::new(Kind::Configuration, message).with_code("newer_format"));
        }
        let agent: Option<Map<String, Value>> = fields.take("agent")?;
        let mode: Option<String> = fields.take("mode")?;
        let steps: Vec<Value> = fields.take("steps")?.unwrap_or_default();
        if steps.len() > limits::TESTING_STEPS {
            return Err(too_many_steps());
        }
        let otherwise = fields.value("otherwise");
        let script = Self {
            agent: agent.unwrap_or_default(),
            mode: mode.map(|mode| Mode::parse(&mode)).transpose()?.unwrap_or_default(),
            redact: fields.take("redact")?,
            steps: steps
                .into_iter()
                .enumerate()
                .map(|(at, step)| Step::read(&format!("script.steps.{at}"), step))
                .collect::<Result<_>>()?,
            otherwise: otherwise
                .map(|value| Reaction::read(Fields::of("script.otherwise", value)?))
                .transpose()?,
        };
        fields.end()?;
        Ok(script)
    }

    /// Reads a recording or a script from a file of at most `TESTING_BYTES`.
    ///
    /// # Errors
    /// `configuration`, code `bad_file`, with the path, or `newer_format`; `too_large`; as
    /// [`Script::read`].
    ///
    /// # Cancellation
    /// Safe.
    pub async fn load(path: &Path) -> Result<Self> {
        let path = PathBuf::from(path);
        let text = blocking(move || {
            let bad = |what: String| {
                let message = format!("cannot read the recording {}: {what}", path.display());
                Error::new(Kind::Configuration, message).with_code("bad_file").with_field("path")
            };
            let most = limits::TESTING_BYTES as u64;
            let file = std::fs::File::open(&path).map_err(|error| bad(error.to_string()))?;
            let mut text = Vec::new();
            let read = file.take(most + 1).read_to_end(&mut text);
            read.map_err(|error| bad(error.to_string()))?;
            if text.len() as u64 > most {
                return Err(too_many_bytes());
            }
            serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))
        });
        Self::read(text.await?)
    }

    /// The JSON form, which reads back as the same.
    pub fn to_json(&self) -> Value {
        let steps: Vec<Value> = self.steps.iter().map(Step::to_json).collect();
        let mut all = json!({ "format": FORMAT, "mode": self.mode.name(), "steps": steps });
        if !self.agent.is_empty() {
            all["agent"] = Value::Object(self.agent.clone());
        }
        if let Some(redact) = &self.redact {
            all["redact"] = json!(redact);
        }
        if let Some(otherwise) = &self.otherwise {
            all["otherwise"] = Value::Object(otherwise.to_json());
        }
        all
    }

    /// The same with another way in which requests and steps come together.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// What the recorded peer published, as `register` takes it; empty for a script that is no
    /// recording.
    pub const fn agent(&self) -> &Map<String, Value> {
        &self.agent
    }

    /// Names of its gates.
    pub(super) fn gates(&self) -> BTreeSet<String> {
        let steps = self.steps.iter().map(|step| &step.reaction).chain(&self.otherwise);
        steps.filter_map(|reaction| reaction.hold.clone()).collect()
    }
}

impl Step {
    fn read(path: &str, value: Value) -> Result<Self> {
        let mut fields = Fields::of(path, value)?;
        let when = match fields.value("when") {
            Some(when) => When::read(&fields.name("when"), when)?,
            None => When::default(),
        };
        let times = match fields.value("times") {
            None => Some(1),
            Some(Value::String(word)) if word == "any" => None,
            Some(times) => match times.as_u64() {
                Some(times) if times > 0 => Some(times),
                Some(_) | None => {
                    let message = "expected a whole number from 1, or \"any\"";
                    return Err(fields.wrong("times", message));
                }
            },
        };
        Ok(Self { when, times, reaction: Reaction::read(fields)? })
    }

    pub(super) fn to_json(&self) -> Value {
        let mut all = self.reaction.to_json();
        let when = self.when.to_json();
        if when.as_object().is_some_and(|when| !when.is_empty()) {
            all.insert("when".to_owned(), when);
        }
        match self.times {
            Some(1) => {}
            Some(times) => drop(all.insert("times".to_owned(), times.into())),
            None => drop(all.insert("times".to_owned(), "any".into())),
        }
        Value::Object(all)
    }
}

impl Reaction {
    /// What answers with this, with nothing before it.
    pub(super) const fn of(end: End) -> Self {
        Self { hold: None, events: Vec::new(), usage: Amount::ZERO, end }
    }

    fn read(mut fields: Fields) -> Result<Self> {
        let hold = fields.take("hold")?;
        let events: Vec<Value> = fields.take("events")?.unwrap_or_default();
        let path = fields.name("events");
        let events = events.into_iter().enumerate();
        let events: Vec<Event> = events
            .map(|(at, event)| Event::read(&format!("{path}.{at}"), event))
            .collect::<Result<_>>()?;
        let usage = fields.value("usage");
        let usage = usage.map_or(Ok(Amount::ZERO), |usage| Amount::read_spent(&usage));
        let usage = usage.map_err(|error| error.with_field(&fields.name("usage")))?;
        let end = match (fields.value("answer"), fields.value("error")) {
            (Some(answer), None) => End::Answer(content_of(&fields.name("answer"), answer)?),
            (None, Some(error)) => End::Error(failure(&fields.name("error"), error)?),
            (None, None) if !events.is_empty() => End::Answer(v1::Content::default()),
            (None, None) | (Some(_), Some(_)) => {
                // A field that is misspelt is told first.
                let none = fields.wrong("answer", "expected either answer or error");
                fields.end()?;
                return Err(none);
            }
        };
        fields.end()?;
        Ok(Self { hold, events, usage, end })
    }

    fn to_json(&self) -> Map<String, Value> {
        let mut all = Map::new();
        if let Some(hold) = &self.hold {
            all.insert("hold".to_owned(), hold.clone().into());
        }
        if !self.events.is_empty() {
            let events = self.events.iter().map(Event::to_json).collect();
            all.insert("events".to_owned(), Value::Array(events));
        }
        if !self.usage.is_zero() {
            all.insert("usage".to_owned(), self.usage.to_json());
        }
        match &self.end {
            End::Answer(content) => drop(all.insert("answer".to_owned(), json_of(content))),
            End::Error(error) => drop(all.insert("error".to_owned(), failure_json(error))),
        }
        all
    }
}

impl Event {
    fn read(path: &str, value: Value) -> Result<Self> {
        let mut fields = Fields::of(path, value)?;
        let event = match (fields.value("progress"), fields.value("chunk")) {
            (Some(progress), None) => {
                let mut progress = Fields::of(&fields.name("progress"), progress)?;
                let note = progress.take("note")?.unwrap_or_default();
                let fraction = progress.take("fraction")?;
                progress.end()?;
                Self::Progress { note, fraction }
            }
            (None, Some(chunk)) => Self::chunk(&fields.name("chunk"), chunk)?,
            _ => return Err(fields.wrong("chunk", "expected either progress or chunk")),
        };
        fields.end()?;
        Ok(event)
    }

    fn chunk(path: &str, value: Value) -> Result<Self> {
        let mut fields = Fields::of(path, value)?;
        let content = match (fields.value("part"), fields.value("value")) {
            (Some(part), None) => json!({ "parts": [part] }),
            (None, Some(value)) => json!({ "value": value }),
            _ => return Err(fields.wrong("value", "expected either part or value")),
        };
        let part = content_of(&fields.name("part"), content)?.parts.pop();
        let part = part.ok_or_else(|| fields.wrong("part", "expected one part"))?;
        let append: Option<bool> = fields.take("append")?;
        fields.end()?;
        // As a handler's: text goes on, anything else is a part of its own.
        let append = append.unwrap_or(matches!(part.kind, Some(v1::part::Kind::Text(_))));
        Ok(Self::Chunk { part, append })
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Progress { note, fraction: Some(fraction) } => {
                json!({"progress": {"note": note, "fraction": fraction}})
            }
            Self::Progress { note, fraction: None } => json!({"progress": {"note": note}}),
            Self::Chunk { part, append } => {
                let part = serde_json::to_value(part).unwrap_or_default();
                json!({"chunk": {"part": part, "append": append}})
            }
        }
    }
}

/// Reads an error as `call.fail` takes it.
fn failure(path: &str, value: Value) -> Result<Error> {
    let mut fields = Fields::of(path, value)?;
    let kind: Option<String> = fields.take("kind")?;
    let kind = kind.map_or(Ok(Kind::HandlerFailed), |kind| kind.parse());
    let kind = kind.map_err(|error: Error| error.with_field(&fields.name("kind")))?;
    let detail: String = fields.take("code")?.unwrap_or_default();
    let message: String = fields.take("message")?.unwrap_or_default();
    let mut error = Error::refusal(kind, &detail, message);
    error.field = fields.take("field")?;
    error.retry = match fields.value("retry") {
        None => error.retry,
        Some(Value::String(word)) if word == "never" => Retry::Never,
        Some(Value::String(word)) if word == "later" => Retry::Later,
        Some(after) => match after.get("afterMs").and_then(Value::as_u64) {
            Some(ms) => Retry::AfterMs(ms),
            None => {
                return Err(fields.wrong("retry", "expected never, later or {\"afterMs\": n}"));
            }
        },
    };
    fields.end()?;
    Ok(error)
}

fn failure_json(error: &Error) -> Value {
    let mut all = json!({ "kind": error.kind.name(), "message": error.message });
    if !error.code.is_empty() {
        all["code"] = error.code.clone().into();
    }
    if let Some(field) = &error.field {
        all["field"] = field.clone().into();
    }
    all["retry"] = match error.retry {
        Retry::Never => "never".into(),
        Retry::Later => "later".into(),
        Retry::AfterMs(ms) => json!({ "afterMs": ms }),
    };
    all
}

pub(super) fn too_many_steps() -> Error {
    Error::new(Kind::TooLarge, "expected fewer steps: split the script or the recording")
        .with_field("script.steps")
        .with_limit("TESTING_STEPS", limits::TESTING_STEPS as u64)
}

pub(super) fn too_many_bytes() -> Error {
    Error::new(Kind::TooLarge, "expected a smaller recording: split it")
        .with_limit("TESTING_BYTES", limits::TESTING_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_is_written_and_read_as_the_same() {
        let written = json!({
            "format": 1, "mode": "strict",
            "agent": {"name": "weather"}, "redact": [],
            "steps": [
                {"when": {"skill": "a", "content": {"parts": [{"text": "x"}]}},
                 "answer": {"parts": [{"data": {"n": 1}}]}},
                {"times": 3, "hold": "door", "usage": {"inputTokens": 5},
                 "events": [{"progress": {"note": "half", "fraction": 0.5}},
                            {"chunk": {"part": {"text": "y"}, "append": false}}],
                 "answer": {"parts": [{"blob": {"mediaType": "image/png", "bytes": "AAEC"}}]}},
                {"times": "any",
                 "error": {"kind": "busy", "message": "m", "code": "c", "retry": {"afterMs": 9}}},
            ],
            "otherwise": {"answer": {"parts": [{"text": "z"}]}}});
        let script = Script::read(written.clone()).unwrap();
        let again = script.to_json();
        assert_eq!(Script::read(again.clone()).unwrap().to_json(), again);
        assert_eq!(again["steps"][2], written["steps"][2]);
        assert_eq!(again["steps"][1]["events"], written["steps"][1]["events"]);
        assert_eq!(again["steps"][1]["usage"]["inputTokens"], 5);
        assert_eq!(again["otherwise"], written["otherwise"]);
        assert_eq!(again["agent"], written["agent"]);
        assert_eq!(script.gates().into_iter().collect::<Vec<_>>(), ["door"]);
    }

    #[test]
    fn a_refusal_names_the_place() {
        let answer = json!({"value": 1});
        let rows = [
            (json!([]), "script"),
            (json!({"stps": []}), "script.stps"),
            (json!({"mode": "random"}), "mode"),
            (json!({"steps": [{}]}), "script.steps.0.answer"),
            (json!({"steps": [{"answer": answer, "times": 0}]}), "script.steps.0.times"),
            (json!({"steps": [{"answer": answer, "error": {}}]}), "script.steps.0.answer"),
            (json!({"steps": [{"answer": answer, "later": 1}]}), "script.steps.0.later"),
            (json!({"steps": [{"error": {"kind": "none"}}]}), "script.steps.0.error.kind"),
            (
                json!({"steps": [{"events": [{"chunk": {}}]}]}),
                "script.steps.0.events.0.chunk.value",
            ),
            (json!({"otherwise": {"usage": 1, "answer": answer}}), "script.otherwise.usage"),
        ];
        for (script, field) in rows {
            let refused = Script::read(script.clone()).unwrap_err();
            assert_eq!(refused.field.as_deref(), Some(field), "{script}: {refused}");
        }
    }

    #[test]
    fn a_later_format_and_more_steps_than_may_be_are_refused() {
        let newer = Script::read(json!({"format": FORMAT + 1})).unwrap_err();
        assert_eq!(newer.code, "newer_format");
        let steps = vec![json!({"answer": {"value": 1}}); limits::TESTING_STEPS + 1];
        let refused = Script::read(json!({ "steps": steps })).unwrap_err();
        assert_eq!(refused.limit.map(|limit| limit.name).as_deref(), Some("TESTING_STEPS"));
    }
}
