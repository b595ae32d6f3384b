//! Which places of a schema lead to which: in place, or one level into the value.

use crate::error::{Error, Kind, Result};
use serde_json::Value;
use std::collections::BTreeMap;

/// Vocabularies of the standard: known, bounded, and never fetched.
const STANDARD: &str = "https://json-schema.org/draft/";

/// A place of a schema, and where it leads.
#[derive(Debug, Default)]
pub(super) struct Place {
    /// Applied to the same value, all of them.
    pub(super) in_place: Vec<usize>,
    /// Applied to the same value, one of them.
    pub(super) in_place_one: Vec<usize>,
    /// Applied to each value inside, all of them.
    pub(super) inside: Vec<usize>,
    /// Applied to a value inside, one of them.
    pub(super) inside_one: Vec<usize>,
    /// Looks at what no other keyword looked at.
    pub(super) unevaluated: bool,
}

/// The places of a schema; the first is the schema itself.
#[derive(Debug, Default)]
pub(super) struct Graph<'a> {
    places: Vec<Place>,
    /// Place of each JSON pointer.
    known: BTreeMap<String, usize>,
    /// Place and text of each reference, with the pointer of the resource it stands in.
    references: Vec<(usize, &'a str, String)>,
    /// The same for references that are resolved while validating.
    dynamic: Vec<(usize, &'a str, String)>,
    /// Pointers by the name of an anchor.
    anchors: BTreeMap<&'a str, Vec<String>>,
    /// Pointer of each resource, with its id.
    resources: Vec<(&'a str, String)>,
}

impl<'a> Graph<'a> {
    /// Finds every place and follows every reference.
    ///
    /// # Errors
    /// `json`, code `bad_schema`, for a reference that cannot be followed.
    pub(super) fn of(schema: &'a Value) -> Result<Self> {
        let mut graph = Self::default();
        graph.enter(schema, String::new(), "");
        // A reference may lead to a place that no keyword leads to, with more references in it.
        loop {
            let references = std::mem::take(&mut graph.references);
            let dynamic = std::mem::take(&mut graph.dynamic);
            if references.is_empty() && dynamic.is_empty() {
                return Ok(graph);
            }
            for (from, text, base) in references {
                let targets = graph.targets(schema, text, &base)?;
                graph.place(from, |place| place.in_place.extend(targets));
            }
            for (from, text, base) in dynamic {
                let targets = graph.targets(schema, text, &base)?;
                graph.place(from, |place| place.in_place_one.extend(targets));
            }
        }
    }

    /// The places, the schema itself first.
    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }

    fn place(&mut self, at: usize, change: impl FnOnce(&mut Place)) {
        if let Some(place) = self.places.get_mut(at) {
            change(place);
        }
    }

    /// Adds a place and all that its keywords lead to. `base`: pointer of the resource it is in.
    fn enter(&mut self, schema: &'a Value, pointer: String, base: &str) -> usize {
        if let Some(&at) = self.known.get(&pointer) {
            return at;
        }
        let at = self.places.len();
        self.places.push(Place::default());
        self.known.insert(pointer.clone(), at);
        let Value::Object(keywords) = schema else { return at };
        let mut base = base.to_owned();
        if let Some(Value::String(id)) = keywords.get("$id") {
            base.clone_from(&pointer);
            self.resources.push((id, pointer.clone()));
        }
        for (keyword, value) in keywords {
            let pointer = format!("{pointer}/{}", escaped(keyword));
            self.keyword(at, keyword, value, (&pointer, &base));
        }
        at
    }

    fn keyword(&mut self, at: usize, keyword: &str, value: &'a Value, place: (&str, &str)) {
        let (pointer, base) = place;
        match (keyword, value) {
            ("$ref", Value::String(text)) => self.references.push((at, text, base.to_owned())),
            ("$dynamicRef", Value::String(text)) => {
                self.dynamic.push((at, text, base.to_owned()));
            }
            ("$anchor" | "$dynamicAnchor", Value::String(name)) => {
                let owner = pointer.rsplit_once('/').map_or("", |(owner, _)| owner);
                self.anchors.entry(name).or_default().push(owner.to_owned());
            }
            ("$defs" | "definitions", _) => drop(self.all(value, pointer, base)),
            ("allOf" | "anyOf" | "oneOf" | "dependentSchemas" | "dependencies", _) => {
                let places = self.all(value, pointer, base);
                self.place(at, |place| place.in_place.extend(places));
            }
            ("not" | "if" | "then" | "else", _) => {
                let inner = self.enter(value, pointer.to_owned(), base);
                self.place(at, |place| place.in_place.push(inner));
            }
            ("properties" | "prefixItems", _) => {
                let places = self.all(value, pointer, base);
                self.place(at, |place| place.inside_one.extend(places));
            }
            ("items", Value::Array(_)) => {
                let places = self.all(value, pointer, base);
                self.place(at, |place| place.inside_one.extend(places));
            }
            ("patternProperties", _) => {
                let places = self.all(value, pointer, base);
                self.place(at, |place| place.inside.extend(places));
            }
            ("unevaluatedProperties" | "unevaluatedItems", _) => {
                let inner = self.enter(value, pointer.to_owned(), base);
                self.place(at, |place| {
                    place.unevaluated = true;
                    place.inside.push(inner);
                });
            }
            (
                "additionalProperties"
                | "additionalItems"
                | "items"
                | "contains"
                | "propertyNames"
                | "contentSchema",
                Value::Object(_) | Value::Bool(_),
            ) => {
                let inner = self.enter(value, pointer.to_owned(), base);
                self.place(at, |place| place.inside.push(inner));
            }
            _ => {}
        }
    }

    /// Adds each schema of a list or an object of schemas.
    fn all(&mut self, schemas: &'a Value, pointer: &str, base: &str) -> Vec<usize> {
        match schemas {
            Value::Array(list) => list
                .iter()
                .enumerate()
                .map(|(index, schema)| self.enter(schema, format!("{pointer}/{index}"), base))
                .collect(),
            Value::Object(map) => map
                .iter()
                .map(|(name, schema)| {
                    self.enter(schema, format!("{pointer}/{}", escaped(name)), base)
                })
                .collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        }
    }

    /// The places that a reference may lead to.
    fn targets(&mut self, schema: &'a Value, text: &str, base: &str) -> Result<Vec<usize>> {
        if text.starts_with(STANDARD) {
            return Ok(Vec::new());
        }
        let (resource, fragment) = text.split_once('#').unwrap_or((text, ""));
        let fragment = decoded(fragment);
        let bases = match resource {
            "" => vec![base.to_owned()],
            name => self.resources_named(name),
        };
        let mut found = Vec::new();
        for base in bases {
            let pointers = match self.anchors.get(fragment.as_str()) {
                Some(anchored) => anchored.clone(),
                None => vec![format!("{base}{fragment}")],
            };
            for pointer in pointers {
                if let Some(target) = schema.pointer(&pointer) {
                    found.push(self.enter(target, pointer, &base));
                }
            }
        }
        if found.is_empty() {
            let message = "expected references that lead to a place of the same schema";
            return Err(Error::refusal(Kind::Json, "bad_schema", message));
        }
        Ok(found)
    }

    /// Resources whose id may be meant by a name, which may be relative.
    fn resources_named(&self, name: &str) -> Vec<String> {
        let meant = |id: &str| id.trim_end_matches('#').ends_with(name) || name.ends_with(id);
        let found = self.resources.iter().filter(|(id, _)| meant(id));
        found.map(|(_, pointer)| pointer.clone()).collect()
    }
}

/// A name as a step of a JSON pointer (RFC 6901).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// A fragment of a URI without its percent signs (RFC 3986).
fn decoded(fragment: &str) -> String {
    let mut bytes = Vec::with_capacity(fragment.len());
    let mut rest = fragment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|_| *first == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
