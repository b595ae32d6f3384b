//! What a listener lets each of its clients spend: of one call, and in an hour.

use super::desk::Client;
use super::options::HttpOptions;
use super::rules::{counted, holder};
use super::tokens::{Tokens, whole_text};
use hubless::budget::{Allowance, KillSwitch, Terms};
use hubless::{Error, Kind, Node, Result};
use hubless_proto::limits;
use hubless_proto::policy::read_hour;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// Longest file, in bytes.
const FILE_BYTES: u64 = limits::MIB as u64;

/// Budgets of clients that are not those of all: by the name of their token.
///
/// ```
/// use hubless_edge::http::Budgets;
///
/// let text = "# name, call or hour, limits\n\
///     alice call {\"outputTokens\": 4000}\n\
///     alice hour {\"outputTokens\": 100000, \"calls\": 500}\n\
///     bob   hour {\"unlimited\": true}\n";
/// assert!(Budgets::read(text).is_ok());
/// let error = Budgets::read("alice hour {\"calls\": -1}").unwrap_err();
/// assert!(error.message.starts_with("line 1 of the budget file: hour.calls: "));
/// assert_eq!(error.field.as_deref(), Some("hour.calls"));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Budgets(BTreeMap<String, Own>);

/// What the file says of one client.
#[derive(Debug, Clone)]
struct Own {
    /// Where it is named first.
    line: usize,
    call: Option<Terms>,
    hour: Option<Allowance>,
}

impl Budgets {
    /// Reads lines of a name, `call` or `hour`, and limits as a JSON object, with blanks between;
    /// empty ones and those that begin with `#` are left. What is not said of a name is as for
    /// everybody; `{"unlimited": true}` says that there is no limit.
    ///
    /// # Errors
    /// `configuration`, code `budget_file`, naming the line, and the field of the limits.
    pub fn read(text: &str) -> Result<Self> {
        let mut all = BTreeMap::new();
        for (index, line) in text.lines().enumerate() {
            let (number, line) = (index + 1, line.trim());
            if !line.is_empty() && !line.starts_with('#') {
                take(&mut all, number, line).map_err(|error| of_line(number, error))?;
            }
        }
        Ok(Self(all))
    }

    /// Reads a file; there is no secret in it.
    ///
    /// # Errors
    /// `configuration` for a file that cannot be read; as [`Budgets::read`].
    pub fn open(file: &Path) -> Result<Self> {
        Self::read(&whole_text(file, "the budget file", FILE_BYTES)?)
    }

    /// Refuses names that nobody has: a client whose name is misspelt would have the budget of all.
    pub(super) fn check(&self, tokens: &Tokens) -> Result<()> {
        let unknown = self.0.iter().find(|(name, _)| !tokens.has(name));
        let Some((name, own)) = unknown else { return Ok(()) };
        let message = format!("expected a name of the token file, got {name}");
        Err(of_line(own.line, Error::new(Kind::Configuration, message)))
    }
}

/// What a listener allows.
#[derive(Debug)]
pub(super) struct Allowed {
    call: Option<Terms>,
    hour: Option<Allowance>,
    own: Budgets,
}

impl Allowed {
    pub(super) fn by(options: &HttpOptions) -> Self {
        let (call, own) = (options.budget.clone(), options.budgets.clone());
        Self { call, hour: options.budget_per_hour, own }
    }

    /// What pays for a request of a client that asks for no more than `asked`; none: it has no
    /// budget.
    ///
    /// # Errors
    /// As [`Node::hourly_switch`].
    ///
    /// # Cancellation
    /// Nothing stays set aside.
    pub(super) async fn switch(
        &self,
        node: &Node,
        client: &Client,
        asked: Option<&Terms>,
    ) -> Result<Option<KillSwitch>> {
        let own = holder(&client.principal).and_then(|name| self.own.0.get(name));
        let call = own.and_then(|own| own.call.as_ref()).or(self.call.as_ref());
        let call = match (call, asked) {
            (Some(call), Some(asked)) => Some(call.lowered_to(asked)),
            (call, asked) => call.or(asked).cloned(),
        };
        let Some(hour) = own.and_then(|own| own.hour).or(self.hour) else {
            return Ok(call.map(KillSwitch::for_one));
        };
        let who = counted(&client.principal, client.address);
        node.hourly_switch(&who, call.unwrap_or_default(), hour).await.map(Some)
    }
}

fn take(all: &mut BTreeMap<String, Own>, number: usize, line: &str) -> Result<()> {
    let wrong = |what: &str| Error::new(Kind::Configuration, format!("expected {what}"));
    let blank = |text: &str| text.find(char::is_whitespace).unwrap_or(text.len());
    let (name, rest) = line.split_at(blank(line));
    let (which, limits) = rest.trim_start().split_at(blank(rest.trim_start()));
    if name.len() > limits::NAME_CHARS {
        return Err(wrong("a name of at most 64 letters"));
    }
    let value: Value = serde_json::from_str(limits)
        .map_err(|_| wrong("a name, call or hour, and limits as a JSON object"))?;
    if all.len() >= limits::HTTP_ENTRIES && !all.contains_key(name) {
        return Err(wrong("fewer names").with_limit("HTTP_ENTRIES", limits::HTTP_ENTRIES as u64));
    }
    let own = all.entry(name.to_owned());
    let own = own.or_insert(Own { line: number, call: None, hour: None });
    let twice = match which {
        "call" => own.call.replace(Terms::read("call", &value)?).is_some(),
        "hour" => own.hour.replace(read_hour("hour", &value)?).is_some(),
        _ => return Err(wrong("call or hour after the name")),
    };
    if twice { Err(wrong(&format!("the {which} of {name} once"))) } else { Ok(()) }
}

/// The same error about a line of the file.
fn of_line(number: usize, error: Error) -> Error {
    let field = error.field.as_ref().map(|field| format!("{field}: ")).unwrap_or_default();
    let message = format!("line {number} of the budget file: {field}{}", error.message);
    Error { kind: Kind::Configuration, message, ..error }.with_code("budget_file")
}

#[cfg(test)]
mod tests {
    use super::*;
    use hubless::budget::Component;

    #[test]
    fn a_name_has_what_is_said_of_it() {
        let text = "\n# a comment\n  a.b-c\tcall {\"calls\": 1}\r\na.b-c hour { \"calls\": 0 }\n";
        let read = Budgets::read(text).unwrap();
        let own = &read.0["a.b-c"];
        assert_eq!(own.line, 3);
        assert_eq!(own.call.as_ref().unwrap().ceiling.of(Component::Calls), Some(1));
        assert_eq!(own.hour.unwrap().of(Component::Calls), Some(0));
        assert!(Budgets::read("").unwrap().0.is_empty());
    }

    #[test]
    fn what_is_no_budget_file_is_refused_with_its_line_and_field() {
        for (line, field) in [
            ("a", None),
            ("a hour", None),
            ("a hour x", None),
            ("a hour {\"calls\": 1} {}", None),
            ("a day {\"calls\": 1}", None),
            ("a hour 5", Some("hour")),
            ("a hour {}", Some("hour.unlimited")),
            ("a hour {\"calls\": \"1\"}", Some("hour.calls")),
            ("a hour {\"calls\": 1, \"wallTimeMs\": 1}", Some("hour.wallTimeMs")),
            ("a call {\"calls\": 1.5}", Some("call.calls")),
            ("a call {\"tokens\": 1}", Some("call.tokens")),
        ] {
            let text = format!("b hour {{\"calls\": 1}}\n{line}\n");
            let error = Budgets::read(&text).unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, "budget_file"));
            assert!(error.message.starts_with("line 2 of the budget file: "), "{}", error.message);
            assert_eq!(error.field.as_deref(), field, "{line}");
        }
        let twice = Budgets::read("a hour {\"calls\": 1}\na hour {\"calls\": 2}").unwrap_err();
        assert!(twice.message.contains("line 2") && twice.message.contains("once"));
        let long = format!("{} hour {{\"calls\": 1}}", "n".repeat(limits::NAME_CHARS + 1));
        assert!(Budgets::read(&long).is_err());
    }

    #[test]
    fn names_have_a_bound_and_are_those_of_tokens() {
        let line = |name: usize| format!("n{name} hour {{\"calls\": 1}}\n");
        let full: String = (0..limits::HTTP_ENTRIES).map(line).collect();
        assert!(Budgets::read(&full).is_ok());
        let error = Budgets::read(&format!("{full}{}", line(limits::HTTP_ENTRIES))).unwrap_err();
        assert_eq!(error.limit.unwrap().name, "HTTP_ENTRIES");
        let tokens = Tokens::read("alice 0123456789abcdefghijkl").unwrap();
        let check = |name: &str| Budgets::read(&format!("#\n{name} hour {{\"calls\": 1}}"));
        assert_eq!(check("alice").unwrap().check(&tokens), Ok(()));
        let error = check("alise").unwrap().check(&tokens).unwrap_err();
        assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, "budget_file"));
        assert!(error.message.contains("line 2") && error.message.contains("alise"));
    }

    #[test]
    fn others_may_read_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("budgets");
        std::fs::write(&file, "a hour {\"calls\": 1}\n").unwrap();
        assert!(Budgets::open(&file).is_ok());
        let missing = Budgets::open(&folder.path().join("none")).unwrap_err();
        assert_eq!((missing.kind, missing.code.as_str()), (Kind::Configuration, "file"));
    }
}
