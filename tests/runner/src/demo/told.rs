//! Whether the timeline of a run told who was found and who answered, where, how and how fast.

use crate::language::Language;
use serde_json::Value;

/// What the maker finds others by.
const SKILLS: [&str; 3] = ["digest_table", DRAWING, "check_figures"];
/// What the renderer is found by, which is killed in the second run.
pub(super) const DRAWING: &str = "render_chart";
/// What the asker finds the maker by, where it is another process.
const REPORT: &str = "weather_report";

/// An event with the language of the process that told it.
pub(super) type Told = (Language, Value);

/// What is missing in the events of one report that this language asked for.
pub(super) fn faults(asker: Language, told: &[Told]) -> Vec<String> {
    let mut asked: Vec<_> = SKILLS.iter().map(|skill| (Language::Python, *skill)).collect();
    if asker != Language::Python {
        asked.push((asker, REPORT));
    }
    let mut faults = Vec::new();
    for (language, skill) in asked {
        for kind in ["found", "answered"] {
            faults.extend(fault(&of(told, language, kind), kind, skill));
        }
    }
    let heard = |event: &Value| event.get("note").is_some_and(Value::is_string);
    if !of(told, asker, "progress").into_iter().any(heard) {
        faults.push(format!("{} heard no progress", asker.name()));
    }
    faults
}

/// What the events do not tell of a renderer that was lost in the middle: that another one was
/// found instead, and that nobody called the lost one again.
pub(super) fn faults_of_loss(told: &[Told]) -> Vec<String> {
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let maker = told.iter().filter(|(teller, _)| *teller == Language::Python);
    let events: Vec<_> = maker.map(|(_, event)| event).collect();
    let is = |event: &Value, kind: &str| event["event"] == kind && event["skill"] == DRAWING;
    let Some(at) = events.iter().position(|event| is(event, "lost")) else {
        return vec![format!("nobody told that {DRAWING} was lost")];
    };
    let (before, after) = events.split_at(at);
    let lost = text(events[at], "nodeKey");
    let mut faults = Vec::new();
    if !before.iter().any(|event| is(event, "found") && text(event, "nodeKey") == lost) {
        faults.push(format!("what was lost had not been found: {}", events[at]));
    }
    let again: Vec<_> = after.iter().copied().filter(|event| is(event, "found")).collect();
    faults.extend(fault(&again, "found", DRAWING).map(|fault| format!("after the loss: {fault}")));
    let back = |event: &&&Value| {
        (is(event, "found") || is(event, "calling")) && text(event, "nodeKey") == lost
    };
    faults.extend(after.iter().find(back).map(|event| format!("the lost one again: {event}")));
    faults
}

/// The events of one kind that processes of one language told.
fn of<'a>(told: &'a [Told], language: Language, kind: &str) -> Vec<&'a Value> {
    let own = told.iter().filter(|(teller, _)| *teller == language).map(|(_, event)| event);
    own.filter(|event| event.get("event").and_then(Value::as_str) == Some(kind)).collect()
}

/// What the events of a kind do not say of a skill; none: one of them is there, and all say it.
fn fault(events: &[&Value], kind: &str, skill: &str) -> Option<String> {
    let of_skill = |event: &&&Value| event.get("skill").and_then(Value::as_str) == Some(skill);
    let events: Vec<_> = events.iter().filter(of_skill).collect();
    if events.is_empty() {
        return Some(format!("nobody told {kind} for {skill}"));
    }
    let wrong = events.into_iter().find(|event| !is_whole(event, kind))?;
    Some(format!("{kind} for {skill} does not say all: {wrong}"))
}

/// Whether an event says where or how much, that the way was direct, and the milliseconds.
fn is_whole(event: &Value, kind: &str) -> bool {
    let number = |key: &str| event.get(key).and_then(Value::as_f64);
    let bytes = |key: &str| number(key).is_some_and(|bytes| bytes > 0.0);
    let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
    let own = match kind {
        "found" => !text("address").is_empty(),
        _ => bytes("bytesOut") && bytes("bytesIn"),
    };
    own && text("path") == "direct" && number("ms").is_some_and(|ms| ms >= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn whole(asker: Language) -> Vec<Told> {
        let mut asked: Vec<_> = SKILLS.iter().map(|skill| (Language::Python, *skill)).collect();
        if asker != Language::Python {
            asked.push((asker, REPORT));
        }
        let told = asked.into_iter().flat_map(|(language, skill)| {
            [
                (
                    language,
                    json!({"event": "found", "skill": skill, "address": "1:A.B.C",
                    "path": "direct", "ms": 0.5}),
                ),
                (
                    language,
                    json!({"event": "answered", "skill": skill, "path": "direct", "ms": 12,
                    "bytesOut": 3, "bytesIn": 4}),
                ),
            ]
        });
        told.chain([(asker, json!({"event": "progress", "note": "digested"}))]).collect()
    }

    #[test]
    fn a_whole_timeline_has_no_fault() {
        for (asker, events) in [(Language::Python, 7), (Language::C, 9)] {
            let told = whole(asker);
            assert_eq!((told.len(), faults(asker, &told)), (events, Vec::new()));
        }
    }

    #[test]
    fn each_event_and_each_member_of_it_is_missed() {
        for asker in [Language::Python, Language::C] {
            for at in 0..whole(asker).len() {
                let mut without = whole(asker);
                let (teller, event) = without.remove(at);
                assert_eq!(faults(asker, &without).len(), 1, "without {event}");
                let members = event.as_object().unwrap().keys();
                for member in members.filter(|member| *member != "event") {
                    let mut less = event.clone();
                    less[member.as_str()] = Value::Null;
                    let mut told = without.clone();
                    told.push((teller, less));
                    assert_eq!(faults(asker, &told).len(), 1, "{member} of {event}");
                }
            }
        }
    }

    #[test]
    fn a_loss_is_told_with_the_one_that_was_found_instead() {
        let event = |kind: &str, key: &str| {
            let event = json!({"event": kind, "skill": DRAWING, "nodeKey": key, "ms": 0.5,
                "address": "1:A.B.C", "path": "direct"});
            (Language::Python, event)
        };
        let told = [
            event("found", "one"),
            event("calling", "one"),
            event("lost", "one"),
            event("found", "two"),
            event("calling", "two"),
        ];
        assert_eq!(faults_of_loss(&told), Vec::<String>::new());
        for missing in [0, 2, 3] {
            let mut without = told.to_vec();
            without.remove(missing);
            assert_eq!(faults_of_loss(&without).len(), 1, "without {missing}");
        }
        for (at, kind) in [(3, "found"), (4, "calling")] {
            let mut same = told.to_vec();
            same[at] = event(kind, "one");
            assert_eq!(faults_of_loss(&same).len(), 1, "{kind} the lost one");
        }
    }

    #[test]
    fn a_way_through_a_relay_or_of_another_process_does_not_count() {
        let mut told = whole(Language::Python);
        told[0].1["path"] = json!("relay");
        assert_eq!(faults(Language::Python, &told).len(), 1);
        let mut told = whole(Language::Python);
        told[0].0 = Language::Node;
        assert_eq!(faults(Language::Python, &told).len(), 1);
        assert!(!faults(Language::C, &whole(Language::Python)).is_empty());
    }
}
