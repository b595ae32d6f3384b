//! Events of the processes as lines for a person, each beginning with its language.

use crate::language::Language;
use serde_json::Value;

/// Prints one event.
pub(super) fn print(language: Language, event: &Value) {
    if let Some(line) = shown(language, event) {
        println!("{line}");
    }
}

/// One event as it is printed; none for what a person need not see.
fn shown(language: Language, event: &Value) -> Option<String> {
    line(event).map(|line| format!("[{}] {line}", language.name()))
}

/// What an event says.
fn line(event: &Value) -> Option<String> {
    let text = |key: &str| match event.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.as_f64().map_or_else(String::new, short),
        _ => String::new(),
    };
    let kind = event.get("event").and_then(Value::as_str)?;
    Some(match kind {
        "ready" => format!(
            "ready: {} at {} (node {}…, process {})",
            text("name"),
            text("address"),
            text("nodeKey").get(..8).unwrap_or_default(),
            text("pid"),
        ),
        "found" => format!(
            "found {} for {} at {} in {} ms (score {}, {})",
            text("agent"),
            text("skill"),
            text("address"),
            text("ms"),
            text("score"),
            text("path"),
        ),
        "calling" => format!("calls {} for {} {}", text("agent"), text("skill"), text("chart")),
        "answered" => format!(
            "{} answered {} in {} ms ({}, {} bytes out, {} in)",
            text("agent"),
            text("skill"),
            text("ms"),
            text("path"),
            text("bytesOut"),
            text("bytesIn"),
        ),
        "lost" => format!("lost {} during {} ({})", text("agent"), text("skill"), text("kind")),
        "served" => format!("served {} to {} in {} ms", text("skill"), text("caller"), text("ms")),
        "progress" => format!("hears: {} ({})", text("note"), text("fraction")),
        "done" => format!("has the report after {} ms", text("ms")),
        "failed" => format!("failed: {}", event.get("error").unwrap_or(&Value::Null)),
        _ => return None,
    })
}

/// A number with at most three decimals.
fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn says_who_found_whom_how_and_how_fast() {
        let event = json!({"event": "found", "agent": "chart-renderer", "skill": "render_chart",
            "address": "1:A.B.C", "ms": 1.25, "score": 2, "path": "direct"});
        let line = shown(Language::Python, &event).unwrap();
        let whole = "[python] found chart-renderer for render_chart at 1:A.B.C in 1.25 ms \
                     (score 2, direct)";
        assert_eq!(line, whole);
    }

    #[test]
    fn says_who_answered_how_fast_and_how_many_bytes_went_each_way() {
        let event = json!({"event": "answered", "agent": "table-digester",
            "skill": "digest_table", "ms": 3.5, "path": "direct", "bytesOut": 48219,
            "bytesIn": 512});
        let line = shown(Language::C, &event).unwrap();
        let whole = "[c] table-digester answered digest_table in 3.5 ms \
                     (direct, 48219 bytes out, 512 in)";
        assert_eq!(line, whole);
    }

    #[test]
    fn begins_each_line_with_its_language_in_brackets() {
        let event = json!({"event": "done", "ms": 12});
        let lines = Language::ALL.map(|language| shown(language, &event).unwrap());
        let whole = ["python", "node", "kotlin", "c"];
        let whole = whole.map(|name| format!("[{name}] has the report after 12 ms"));
        assert!(whole.iter().all(|line| lines.contains(line)), "{lines:?}");
    }

    #[test]
    fn keeps_quiet_about_what_nobody_needs() {
        assert_eq!(shown(Language::Node, &json!({"event": "debug"})), None);
    }
}
