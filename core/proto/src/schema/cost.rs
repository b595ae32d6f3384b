//! What a validation may cost, known before it runs.
//!
//! A schema of 2 KB can double its work at every reference (`allOf` of two references to the next),
//! and nest deeper than a stack is. So each schema is measured once, per level of the value: how
//! often it looks at one place of a value, and how deep it nests there. The validator remembers
//! what it found for objects and lists, so what is looked at in place counts for the yes or no;
//! the search for the first fault remembers nothing, and is left out where it would not end.
//! References that lead back to themselves without going into the value have no meaning.

use super::graph::{Graph, Place};
use crate::error::{Error, Kind, Result};
use crate::limits::{JSON_DEPTH, SCHEMA_BRANCHES, SCHEMA_NESTING, SCHEMA_STEPS};
use serde_json::Value;

/// The cost of a schema for values of each depth.
#[derive(Debug)]
pub(super) struct Cost {
    /// Most looks at one value of any place, without going into it.
    branches: u64,
    /// By levels of the value; the last holds for deeper ones as well.
    levels: Vec<Level>,
}

/// The cost along one path of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Level {
    /// How often places of the value are looked at.
    visits: u64,
    /// How deep the validators nest.
    nesting: u64,
}

impl Cost {
    /// Measures a schema.
    ///
    /// # Errors
    /// `json`, code `bad_schema`: a reference that leads back to itself in place, one that cannot
    /// be followed, or more than `SCHEMA_BRANCHES` looks at one value.
    pub(super) fn of(schema: &Value) -> Result<Self> {
        let graph = Graph::of(schema)?;
        let places = graph.places();
        let order = inner_first(places)?;
        let mut below = measure(places, &order, None);
        let branches = below.iter().map(|level| level.visits).max().unwrap_or(0);
        if branches > SCHEMA_BRANCHES {
            let message = "expected a schema that looks at one value less often";
            return Err(bad(message).with_limit("SCHEMA_BRANCHES", SCHEMA_BRANCHES));
        }
        let mut levels = vec![root(&below)];
        for _ in 0..JSON_DEPTH {
            let here = measure(places, &order, Some(&below));
            if here == below {
                break;
            }
            levels.push(root(&here));
            below = here;
        }
        Ok(Self { branches, levels })
    }

    /// Refuses a value whose validation would take too long or nest too deep. True: the first
    /// fault may be searched for as well.
    ///
    /// # Errors
    /// `json`, code `schema`, with the bound that would be passed.
    pub(super) fn admit(&self, value: &Value) -> Result<bool> {
        let (nodes, depth) = size(value);
        let level = self.levels.get(depth).or_else(|| self.levels.last()).copied();
        let Level { visits, nesting } = level.unwrap_or_default();
        let over = |limit, bound| {
            let message = "expected a value that this schema can check within its bounds";
            Err(Error::refusal(Kind::Json, "schema", message).with_limit(limit, bound))
        };
        if nesting > SCHEMA_NESTING || depth > JSON_DEPTH {
            return over("SCHEMA_NESTING", SCHEMA_NESTING);
        }
        if self.branches.saturating_mul(nodes) > SCHEMA_STEPS {
            return over("SCHEMA_STEPS", SCHEMA_STEPS);
        }
        Ok(visits.saturating_mul(nodes) <= SCHEMA_STEPS)
    }
}

/// The cost of every place for one more level of the value than `below` is for.
fn measure(places: &[Place], order: &[usize], below: Option<&[Level]>) -> Vec<Level> {
    let mut here = vec![Level::default(); places.len()];
    for &at in order {
        let level = places.get(at).map(|place| place.level(&here, below));
        if let (Some(slot), Some(level)) = (here.get_mut(at), level) {
            *slot = level;
        }
    }
    here
}

fn root(levels: &[Level]) -> Level {
    levels.first().copied().unwrap_or_default()
}

impl Place {
    /// The cost of this place for values of a level, from that of the places inside it (`here`) and
    /// of the places one level further into the value (`below`; none: the value ends here).
    fn level(&self, here: &[Level], below: Option<&[Level]>) -> Level {
        let mut sum = Level { visits: 1, nesting: 0 };
        let mut add = |costs: &[Level], at: &[usize], only_one: bool| {
            let found = || at.iter().filter_map(|&at| costs.get(at));
            let visits = found().map(|level| level.visits);
            let visits = match only_one {
                true => visits.max().unwrap_or(0),
                false => visits.fold(0, u64::saturating_add),
            };
            let nesting = found().map(|level| level.nesting).max().unwrap_or(0);
            sum.visits = sum.visits.saturating_add(visits);
            sum.nesting = sum.nesting.max(nesting);
        };
        add(here, &self.in_place, false);
        add(here, &self.in_place_one, true);
        if let Some(below) = below {
            add(below, &self.inside, false);
            add(below, &self.inside_one, true);
        }
        // What was not looked at is found by looking at everything once more.
        let again = if self.unevaluated { 2 } else { 1 };
        Level { visits: sum.visits.saturating_mul(again), nesting: sum.nesting.saturating_add(1) }
    }
}

/// The places in an order in which each comes after those that it contains in place.
fn inner_first(places: &[Place]) -> Result<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; places.len()];
    let mut order = Vec::with_capacity(places.len());
    // Places to enter, and places to leave once everything in them is done.
    let mut work: Vec<(usize, bool)> = (0..places.len()).map(|at| (at, false)).collect();
    while let Some((at, leave)) = work.pop() {
        let (Some(mark), Some(place)) = (marks.get_mut(at), places.get(at)) else { continue };
        match (*mark, leave) {
            (Mark::Open, true) => {
                *mark = Mark::Done;
                order.push(at);
            }
            (Mark::New, false) => {
                *mark = Mark::Open;
                work.push((at, true));
                let inner = place.in_place.iter().chain(&place.in_place_one);
                for &inner in inner {
                    match marks.get(inner) {
                        Some(Mark::Open) => return Err(circle()),
                        Some(Mark::New) => work.push((inner, false)),
                        Some(Mark::Done) | None => {}
                    }
                }
            }
            (Mark::Open | Mark::Done, false) | (Mark::New | Mark::Done, true) => {}
        }
    }
    Ok(order)
}

fn circle() -> Error {
    let message = "expected no reference that leads back to itself at the same place of the value";
    bad(message)
}

fn bad(message: &str) -> Error {
    Error::refusal(Kind::Json, "bad_schema", message)
}

/// Number of values in a value, and how deep they nest.
fn size(value: &Value) -> (u64, usize) {
    let inner: Vec<&Value> = match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    inner.into_iter().map(size).fold((1, 0), |(nodes, depth), (more, deep)| {
        (nodes.saturating_add(more), depth.max(deep + 1))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// `levels` definitions, each made by `link` from the reference to the next.
    fn chain(levels: usize, link: impl Fn(Value) -> Value, last: Value) -> Value {
        let mut definitions = serde_json::Map::new();
        for level in 0..levels {
            let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
            definitions.insert(format!("d{level}"), link(next));
        }
        definitions.insert(format!("d{levels}"), last);
        json!({ "$defs": definitions, "$ref": "#/$defs/d0" })
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!([inner]))
    }

    fn limit<T: std::fmt::Debug>(result: Result<T>) -> String {
        result.unwrap_err().limit.map_or_else(String::new, |limit| limit.name)
    }

    #[test]
    fn work_that_doubles_in_place_is_refused() {
        let twice = |next: Value| json!({ "allOf": [next, next] });
        assert!(Cost::of(&chain(10, twice, json!(true))).is_ok());
        for levels in [20, 60, 2_000] {
            let schema = chain(levels, twice, json!(true));
            assert_eq!(limit(Cost::of(&schema)), "SCHEMA_BRANCHES", "{levels}");
        }
    }

    #[test]
    fn work_that_doubles_with_the_value_is_done_without_the_search() {
        let schema = json!({ "items": { "allOf": [{ "$ref": "#" }, { "$ref": "#" }] } });
        let cost = Cost::of(&schema).unwrap();
        assert_eq!(cost.admit(&nested(8)), Ok(true));
        assert_eq!(cost.admit(&nested(60)), Ok(false));
    }

    #[test]
    fn what_nests_deeper_than_a_stack_is_refused() {
        let once = |next: Value| json!({ "allOf": [next] });
        let schema = chain(100, once, json!({ "items": { "$ref": "#/$defs/d0" } }));
        let cost = Cost::of(&schema).unwrap();
        assert!(cost.admit(&nested(5)).is_ok());
        assert_eq!(limit(cost.admit(&nested(60))), "SCHEMA_NESTING");
        let long = Cost::of(&chain(3_000, once, json!(true))).unwrap();
        assert_eq!(limit(long.admit(&json!(1))), "SCHEMA_NESTING");
    }

    #[test]
    fn many_looks_at_many_values_are_refused() {
        let all: Vec<Value> = (0..1_000).map(|_| json!({ "type": "number" })).collect();
        let cost = Cost::of(&json!({ "items": { "allOf": all } })).unwrap();
        assert_eq!(cost.admit(&json!(vec![1; 100])), Ok(true));
        assert_eq!(limit(cost.admit(&json!(vec![1; 100_000]))), "SCHEMA_STEPS");
    }

    #[test]
    fn circles_in_place_have_no_meaning() {
        for schema in [
            json!({ "$ref": "#" }),
            json!({ "allOf": [{ "$ref": "#" }] }),
            json!({ "$defs": { "a": { "not": { "$ref": "#/$defs/a" } } }, "$ref": "#/$defs/a" }),
            json!({ "$id": "http://a/b", "anyOf": [{ "$ref": "b" }] }),
            json!({ "$anchor": "here", "if": { "$ref": "#here" } }),
            json!({ "$dynamicAnchor": "here", "if": { "$dynamicRef": "#here" } }),
            json!({ "x": { "oneOf": [{ "$ref": "#/x" }] }, "$ref": "#/x" }),
        ] {
            assert_eq!(Cost::of(&schema).unwrap_err().code, "bad_schema", "{schema}");
        }
    }

    #[test]
    fn what_people_write_is_admitted() {
        let kinds = ["text", "row", "column", "card", "list", "form"];
        let component = |kind: &&str| {
            json!({ "properties": {
                "type": { "const": kind },
                "children": { "type": "array", "items": { "$ref": "#" } },
            }})
        };
        let tree = json!({ "anyOf": kinds.iter().map(component).collect::<Vec<_>>() });
        let mut value = json!({ "type": "text" });
        for _ in 0..25 {
            value = json!({ "type": "row", "children": [value] });
        }
        assert_eq!(Cost::of(&tree).unwrap().admit(&value), Ok(false));
        let strict = json!({
            "$id": "https://example.org/strict",
            "$dynamicAnchor": "node",
            "$ref": "tree",
            "unevaluatedProperties": false,
            "$defs": { "tree": {
                "$id": "https://example.org/tree",
                "$dynamicAnchor": "node",
                "properties": { "children": { "items": { "$dynamicRef": "#node" } } },
            }},
        });
        let value = json!({ "children": [{ "children": [] }] });
        assert_eq!(Cost::of(&strict).unwrap().admit(&value), Ok(true));
        let standard = json!({ "$ref": "https://json-schema.org/draft/2020-12/schema" });
        assert_eq!(Cost::of(&standard).unwrap().admit(&strict), Ok(true));
        let encoded = json!({ "$defs": { "a b/c": {} }, "$ref": "#/$defs/a%20b~1c" });
        assert!(Cost::of(&encoded).is_ok());
    }
}
