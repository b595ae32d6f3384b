//! What never gets into a recording: values under names of secrets, and secrets in texts.

use super::script::Event;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::wire::v1::part;
use serde_json::Value;
use std::collections::BTreeSet;

/// What stands in the place of a secret.
pub(super) const REDACTED: &str = "[redacted]";

/// Names whose values are secrets, without case, `-` and `_`.
const NAMES: &[&str] = &[
    "accesstoken",
    "apikey",
    "auth",
    "authorization",
    "authtoken",
    "bearer",
    "clientsecret",
    "cookie",
    "credential",
    "credentials",
    "idtoken",
    "passphrase",
    "passwd",
    "password",
    "privatekey",
    "proxyauthorization",
    "pwd",
    "refreshtoken",
    "secret",
    "secretkey",
    "sessionid",
    "sessiontoken",
    "setcookie",
    "token",
    "xapikey",
];

/// Words behind which a secret follows in a text.
const SCHEMES: &[&str] = &["bearer ", "authorization: basic "];

/// Takes secrets out of JSON values and texts.
#[derive(Clone)]
pub(super) struct Redaction {
    names: BTreeSet<String>,
    /// Secrets that are known, wherever they stand.
    texts: Vec<String>,
}

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redaction").field("names", &self.names).finish_non_exhaustive()
    }
}

impl Redaction {
    /// The names of the list above, and these.
    pub(super) fn of(more: &[String]) -> Self {
        let own = NAMES.iter().map(|name| (*name).to_owned());
        let names = own.chain(more.iter().map(|name| plain(name))).collect();
        Self { names, texts: Vec::new() }
    }

    /// This secret as well, wherever it stands in a text.
    pub(super) fn knowing(mut self, secret: &str) -> Self {
        self.texts.extend((!secret.is_empty()).then(|| secret.to_owned()));
        self
    }

    /// Redacts content in its JSON form: data and metadata by name, texts and addresses by what
    /// they hold. Bytes of blobs are left as they are.
    pub(super) fn content(&self, content: &mut Value) {
        if let Some(metadata) = content.get_mut("metadata") {
            self.value(metadata);
        }
        let parts = content.get_mut("parts").and_then(Value::as_array_mut);
        for part in parts.into_iter().flatten() {
            self.part(part);
        }
    }

    /// Redacts one part in its JSON form.
    pub(super) fn part(&self, part: &mut Value) {
        for name in ["data", "metadata", "text"] {
            if let Some(value) = part.get_mut(name) {
                self.value(value);
            }
        }
        if let Some(Value::String(uri)) = part.pointer_mut("/uri/uri") {
            *uri = self.uri(uri);
        }
    }

    fn value(&self, value: &mut Value) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if self.names.contains(&plain(name)) {
                        *value = Value::String(REDACTED.to_owned());
                    } else {
                        self.value(value);
                    }
                }
            }
            Value::Array(all) => all.iter_mut().for_each(|value| self.value(value)),
            Value::String(text) => *text = self.text(text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The events of an answer. Texts that go on are looked at as a whole, since a secret may be
    /// split over them: if there is one, they become one chunk.
    ///
    /// # Errors
    /// `internal` for a part that cannot be read again.
    pub(super) fn events(&self, events: &[Event]) -> Result<Vec<Event>> {
        let alone = events.iter().map(|event| self.event(event).map(Some));
        let mut all: Vec<Option<Event>> = alone.collect::<Result<_>>()?;
        for run in runs(events) {
            let pieces: Vec<&str> =
                run.iter().filter_map(|at| events.get(*at).and_then(text_of)).collect();
            let Some(text) = self.pieces(&pieces) else { continue };
            let mut places = run.into_iter();
            let first = places.next().and_then(|at| all.get_mut(at));
            if let Some(Some(Event::Chunk { part, .. })) = first {
                part.kind = Some(part::Kind::Text(text));
            }
            for at in places {
                all.get_mut(at).map(Option::take);
            }
        }
        Ok(all.into_iter().flatten().collect())
    }

    fn event(&self, event: &Event) -> Result<Event> {
        Ok(match event {
            Event::Progress { note, fraction } => {
                Event::Progress { note: self.text(note), fraction: *fraction }
            }
            Event::Chunk { part, append } => {
                let mut shown = serde_json::to_value(part).unwrap_or_default();
                self.part(&mut shown);
                let part = serde_json::from_value(shown)
                    .map_err(|_| Error::new(Kind::Internal, "a redacted chunk cannot be read"))?;
                Event::Chunk { part, append: *append }
            }
        })
    }

    /// Texts that belong together, as one without secrets; none: as a whole they hold none.
    fn pieces(&self, pieces: &[&str]) -> Option<String> {
        let whole = pieces.concat();
        if self.text(&whole) == whole {
            return None;
        }
        // One that is JSON by itself is no longer looked at as such beside the others.
        let alone =
            pieces.iter().map(|piece| self.json(piece).unwrap_or_else(|| (*piece).to_owned()));
        Some(self.text(&alone.collect::<String>()))
    }

    /// A text without the secrets that it holds; one that is JSON as such.
    pub(super) fn text(&self, text: &str) -> String {
        self.json(text).unwrap_or_else(|| {
            let known = |text: String, secret: &String| text.replace(secret.as_str(), REDACTED);
            let text = self.texts.iter().fold(text.to_owned(), known);
            SCHEMES.iter().fold(text, |text, scheme| behind(&text, scheme))
        })
    }

    /// None: it is no object and no list.
    fn json(&self, text: &str) -> Option<String> {
        let inside = text.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str(text));
        let before: Value = inside?.ok()?;
        let mut inside = before.clone();
        self.value(&mut inside);
        Some(if inside == before { text.to_owned() } else { inside.to_string() })
    }

    /// An address without its user, and without values of its query that have such a name.
    fn uri(&self, uri: &str) -> String {
        let uri = self.text(uri);
        let (address, query) = match uri.split_once('?') {
            Some((address, query)) => (address.to_owned(), Some(query)),
            None => (uri.clone(), None),
        };
        let address = match address.split_once("://") {
            Some((scheme, rest)) => {
                let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
                format!("{scheme}://{host}{path}")
            }
            None => address,
        };
        let Some(query) = query else { return address };
        let pairs = query.split('&').map(|pair| match pair.split_once('=') {
            Some((name, _)) if self.names.contains(&plain(name)) => format!("{name}={REDACTED}"),
            Some(_) | None => pair.to_owned(),
        });
        format!("{address}?{}", pairs.collect::<Vec<_>>().join("&"))
    }
}

/// The text of a chunk of text.
fn text_of(event: &Event) -> Option<&str> {
    match event {
        Event::Chunk { part, .. } => match &part.kind {
            Some(part::Kind::Text(text)) => Some(text),
            Some(_) | None => None,
        },
        Event::Progress { .. } => None,
    }
}

/// Places of chunks that go on with each other's text, also around progress.
fn runs(events: &[Event]) -> Vec<Vec<usize>> {
    let mut runs: Vec<Vec<usize>> = Vec::new();
    let mut goes_on = false;
    for (at, event) in events.iter().enumerate() {
        let Event::Chunk { append, .. } = event else { continue };
        let is_text = text_of(event).is_some();
        match runs.last_mut() {
            Some(run) if is_text && *append && goes_on => run.push(at),
            Some(_) | None if is_text => runs.push(vec![at]),
            Some(_) | None => {}
        }
        goes_on = is_text;
    }
    runs
}

/// A name as names are compared.
fn plain(name: &str) -> String {
    let letters = name.chars().filter(|letter| !matches!(letter, '-' | '_' | ' ' | '.'));
    letters.flat_map(char::to_lowercase).collect()
}

/// Takes out the word behind each place of `scheme`.
fn behind(text: &str, scheme: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let (mut out, mut at) = (String::with_capacity(text.len()), 0);
    while let Some(found) = lower.get(at..).and_then(|rest| rest.find(scheme)) {
        let begin = at + found + scheme.len();
        let rest = text.get(begin..).unwrap_or_default();
        let word = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
        out.push_str(text.get(at..begin).unwrap_or_default());
        let word = rest.get(..word).unwrap_or_default();
        out.push_str(if is_secret(word) { REDACTED } else { word });
        at = begin + word.len();
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// A sentence about a bearer is no credential.
fn is_secret(word: &str) -> bool {
    let plain = |letter: char| letter.is_lowercase() || matches!(letter, ',' | '.' | ':' | ';');
    word.len() >= 8 && word != REDACTED && !word.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::content::text_part;
    use hubless_proto::wire::v1;
    use serde_json::json;

    #[test]
    fn secrets_are_taken_out_and_all_else_is_left() {
        let redaction = Redaction::of(&["Badge-Number".to_owned()]).knowing("canary-known");
        let rows = [
            (json!({"data": {"user": "ada", "api_key": "canary-1"}}), true),
            (json!({"data": [{"deep": {"X-API-Key": {"any": "canary-2"}}}]}), true),
            (json!({"data": {"badge number": "canary-3"}}), true),
            (json!({"metadata": {"authorization": "canary-4"}, "text": "x"}), true),
            (json!({"text": "Authorization: Bearer canary-5-long"}), true),
            (json!({"text": "{\"password\": \"canary-6\"}"}), true),
            (json!({"text": "the word is canary-known, keep it"}), true),
            (
                json!({"uri": {"uri": "https://ada:canary-7@example.org/x?token=canary-8&a=1"}}),
                true,
            ),
            (json!({"data": {"city": "Oslo", "tokens": 7, "pinned": true}}), false),
            (json!({"text": "the bearer of this letter"}), false),
            (json!({"uri": {"uri": "https://example.org/x?a=1"}}), false),
        ];
        for (part, changed) in rows {
            let mut redacted = part.clone();
            redaction.part(&mut redacted);
            assert_eq!(redacted != part, changed, "{part} became {redacted}");
            assert!(!redacted.to_string().contains("canary"), "{redacted}");
            let mut again = redacted.clone();
            redaction.part(&mut again);
            assert_eq!(again, redacted, "twice is once");
        }
    }

    #[test]
    fn what_is_not_secret_is_kept_beside_it() {
        let mut content = json!({
            "parts": [{"data": {"user": "ada", "password": "canary"}}, {"text": "hello"}],
            "metadata": {"cookie": "canary", "kept": 1}});
        Redaction::of(&[]).content(&mut content);
        let wanted = json!({
            "parts": [{"data": {"user": "ada", "password": REDACTED}}, {"text": "hello"}],
            "metadata": {"cookie": REDACTED, "kept": 1}});
        assert_eq!(content, wanted);
    }

    /// Chunks of text, told by what they are after the redaction.
    fn check_chunks(chunks: &[(&str, bool)], wanted: &[&str]) {
        let chunk = |(text, append): &(&str, bool)| Event::Chunk {
            part: text_part(*text),
            append: *append,
        };
        let events: Vec<Event> = chunks.iter().map(chunk).collect();
        let redaction = Redaction::of(&[]).knowing("canary-known");
        let redacted = redaction.events(&events).unwrap();
        let texts: Vec<&str> = redacted.iter().filter_map(text_of).collect();
        assert_eq!(texts, wanted, "{chunks:?}");
    }

    #[test]
    fn a_secret_that_is_split_over_chunks_is_found() {
        check_chunks(&[("it is cana", true), ("ry-known!", true)], &["it is [redacted]!"]);
        check_chunks(
            &[("{\"token\": \"cana", false), ("ry\"}", true)],
            &[r#"{"token":"[redacted]"}"#],
        );
        check_chunks(
            &[("Bea", true), ("rer CANARY", true), ("-0815 x", true)],
            &["Bearer [redacted] x"],
        );
        // Beside one that is found, others are not forgotten.
        check_chunks(
            &[("canary-known ", true), ("{\"token\": \"canary\"}", true)],
            &[r#"[redacted] {"token":"[redacted]"}"#],
        );
        // What holds none stays as it came, and each by itself is looked at as before.
        check_chunks(&[("it is ", true), ("cold", true)], &["it is ", "cold"]);
        check_chunks(
            &[("x ", true), ("{\"token\": \"canary\"}", true)],
            &["x ", r#"{"token":"[redacted]"}"#],
        );
        // Parts of their own, the second with a secret.
        check_chunks(
            &[("cana", true), ("ry-kno", false), ("canary-known", false)],
            &["cana", "ry-kno", "[redacted]"],
        );
    }

    #[test]
    fn texts_go_on_around_progress_and_not_beyond_other_parts() {
        let text = |text: &str| Event::Chunk { part: text_part(text), append: true };
        let progress = Event::Progress { note: "half".to_owned(), fraction: None };
        let other = Event::Chunk { part: v1::Part::default(), append: false };
        let (one, two) = (text("canary"), text("-known"));
        assert_eq!(runs(&[one.clone(), progress, two.clone()]), [vec![0, 2]]);
        assert_eq!(runs(&[one, other, two]), [vec![0], vec![2]]);
    }
}
