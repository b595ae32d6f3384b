//! Filters: and, or, not over comparisons of typed fields.

use super::attribute_from_json;
use super::candidate::{Candidate, Field};
use super::fact::Fact;
use crate::error::{Error, Result};
use crate::fields::Fields;
use crate::limits;
use crate::wire::v1;
use serde_json::Value;

/// A tree of comparisons. An agent matches if one of its skills makes the tree true, so that facts
/// about different skills are never mixed; an agent without skills is asked as it is.
///
/// ```
/// use hubless_proto::query::Filter;
/// use serde_json::json;
///
/// let filter = json!({"field": "attributes.pair", "op": "contains", "value": "EUR/USD"});
/// assert!(Filter::read(filter).is_ok());
/// let unknown = json!({"field": "colour", "op": "=", "value": "red"});
/// assert_eq!(Filter::read(unknown).unwrap_err().field.as_deref(), Some("filter.field"));
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Filter {
    tree: Tree,
}

#[derive(Debug, Clone, PartialEq)]
enum Tree {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    Is { field: Field, op: Op, value: Option<Fact> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    Equal,
    NotEqual,
    Below,
    AtMost,
    In,
    Contains,
    Overlaps,
    Covers,
    Exists,
}

impl Filter {
    /// Reads the JSON form.
    ///
    /// # Errors
    /// `invalid_argument` naming `filter`: more than `FILTER_BYTES`, `FILTER_PREDICATES` or
    /// `FILTER_DEPTH`, an unknown field or operator, a value of no type.
    pub fn read(value: Value) -> Result<Self> {
        let bytes = value.to_string().len();
        if bytes > limits::FILTER_BYTES {
            return Err(over("FILTER_BYTES", limits::FILTER_BYTES));
        }
        let mut predicates = 0;
        let tree = read(value, 1, &mut predicates)?;
        Ok(Self { tree })
    }

    /// True when the agent and this one of its skills make the tree true.
    pub(super) fn holds(&self, agent: &Candidate<'_>, skill: Option<&v1::Skill>) -> bool {
        self.tree.holds(agent, skill)
    }
}

fn read(value: Value, depth: usize, predicates: &mut usize) -> Result<Tree> {
    if depth > limits::FILTER_DEPTH {
        return Err(over("FILTER_DEPTH", limits::FILTER_DEPTH));
    }
    let mut fields = Fields::of("filter", value)?;
    let branches = |name: &str, fields: &mut Fields, predicates: &mut usize| {
        let Some(value) = fields.value(name) else { return Ok(None) };
        let Value::Array(items) = value else {
            return Err(fields.wrong(name, "expected a list of filters"));
        };
        let items = items.into_iter().map(|item| read(item, depth + 1, predicates));
        items.collect::<Result<Vec<_>>>().map(Some)
    };
    let tree = if let Some(all) = branches("and", &mut fields, predicates)? {
        Tree::And(all)
    } else if let Some(any) = branches("or", &mut fields, predicates)? {
        Tree::Or(any)
    } else if let Some(inner) = fields.value("not") {
        Tree::Not(Box::new(read(inner, depth + 1, predicates)?))
    } else {
        *predicates += 1;
        if *predicates > limits::FILTER_PREDICATES {
            return Err(over("FILTER_PREDICATES", limits::FILTER_PREDICATES));
        }
        predicate(&mut fields)?
    };
    fields.end()?;
    Ok(tree)
}

fn predicate(fields: &mut Fields) -> Result<Tree> {
    let field = Field::read(&fields.need::<String>("field")?)?;
    let op = match fields.need::<String>("op")?.as_str() {
        "=" => Op::Equal,
        "!=" => Op::NotEqual,
        "<" => Op::Below,
        "<=" => Op::AtMost,
        "in" => Op::In,
        "contains" => Op::Contains,
        "overlaps" => Op::Overlaps,
        "covers" => Op::Covers,
        "exists" => Op::Exists,
        _ => {
            let message = "expected =, !=, <, <=, in, contains, overlaps, covers or exists";
            return Err(fields.wrong("op", message));
        }
    };
    let value = match (op, fields.value("value")) {
        (Op::Exists, None) => Some(Fact::Flag(true)),
        (_, None) => return Err(fields.wrong("value", "the field is missing")),
        (_, Some(value)) => Fact::of(&attribute_from_json("filter.value", &value)?),
    };
    if op == Op::Exists && !matches!(value, Some(Fact::Flag(_))) {
        return Err(fields.wrong("value", "expected a bool beside exists"));
    }
    Ok(Tree::Is { field, op, value })
}

fn over(limit: &str, bound: usize) -> Error {
    Error::invalid("filter", format!("the filter is beyond {limit}"))
        .with_limit(limit, bound as u64)
}

impl Tree {
    fn holds(&self, agent: &Candidate<'_>, skill: Option<&v1::Skill>) -> bool {
        match self {
            Self::And(all) => all.iter().all(|tree| tree.holds(agent, skill)),
            Self::Or(any) => any.iter().any(|tree| tree.holds(agent, skill)),
            Self::Not(tree) => !tree.holds(agent, skill),
            Self::Is { field, op, value } => {
                let Some(value) = value else { return false };
                let fact = field.of(agent, skill);
                if *op == Op::Exists {
                    return *value == Fact::Flag(fact.is_some());
                }
                fact.is_some_and(|fact| op.holds(&fact, value))
            }
        }
    }
}

impl Op {
    fn holds(self, fact: &Fact, value: &Fact) -> bool {
        match self {
            Self::Equal => fact.equals(value),
            Self::NotEqual => fact.differs(value),
            Self::Below => fact.below(value),
            Self::AtMost => fact.at_most(value),
            Self::In => fact.is_in(value),
            Self::Contains => fact.contains(value),
            Self::Overlaps => fact.overlaps(value),
            Self::Covers => fact.covers(value),
            Self::Exists => true,
        }
    }
}
