//! Amounts of what a budget counts, and limits of them.
//!
//! Owns: their C form, in which "not limited" and 0 are different. Must not know what an amount is
//! checked for; that is the core's. Tested by `include/tests/switches.c`.

use crate::fault::{Fault, Result};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A limit, made by `HUBLESS_AT_MOST`. All zero: not limited.
#[repr(C)]
#[derive(Clone, Copy, Deserialize)]
#[serde(from = "Option<u64>")]
pub struct hubless_limit {
    /// 1: at most `value`, which may be 0. 0: not limited.
    pub limited: i32,
    /// From 0 to 2^53 - 1.
    pub value: u64,
}

impl From<Option<u64>> for hubless_limit {
    fn from(limit: Option<u64>) -> Self {
        Self { limited: i32::from(limit.is_some()), value: limit.unwrap_or_default() }
    }
}

impl hubless_limit {
    /// Adds it to a body, unless it is none.
    ///
    /// # Errors
    /// `invalid_argument` for a value that nothing says is a limit.
    pub(crate) fn put(self, field: &str, body: &mut Map<String, Value>) -> Result<()> {
        match (self.limited, self.value) {
            (0, 0) => {}
            (1, value) => drop(body.insert(field.to_owned(), Value::from(value))),
            _ => return Err(Fault::invalid(field, "expected HUBLESS_AT_MOST(…), or zero")),
        }
        Ok(())
    }
}

/// Limits of each component. All zero: nothing is limited.
#[repr(C)]
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct hubless_allowance {
    /// Tokens read.
    pub input_tokens: hubless_limit,
    /// Tokens written.
    pub output_tokens: hubless_limit,
    /// Cost in 1e-6 of the currency unit.
    pub cost_micros: hubless_limit,
    /// Calls, counted by the nodes that make them.
    pub calls: hubless_limit,
}

impl hubless_allowance {
    /// Nothing is limited.
    pub(crate) const UNLIMITED: Self = {
        let none = hubless_limit { limited: 0, value: 0 };
        Self { input_tokens: none, output_tokens: none, cost_micros: none, calls: none }
    };

    /// Adds its limits to a body.
    ///
    /// # Errors
    /// As `hubless_limit::put`.
    pub(crate) fn put(&self, body: &mut Map<String, Value>) -> Result<()> {
        self.input_tokens.put("inputTokens", body)?;
        self.output_tokens.put("outputTokens", body)?;
        self.cost_micros.put("costMicros", body)?;
        self.calls.put("calls", body)
    }

    /// Adds it to a body as a field of its own, unless nothing is limited.
    ///
    /// # Errors
    /// As `hubless_limit::put`.
    pub(crate) fn put_as(&self, field: &str, body: &mut Map<String, Value>) -> Result<()> {
        let mut limits = Map::new();
        self.put(&mut limits)?;
        if !limits.is_empty() {
            body.insert(field.to_owned(), Value::Object(limits));
        }
        Ok(())
    }
}

/// Amounts of each component, each from 0 to 2^53 - 1.
#[repr(C)]
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct hubless_amount {
    /// Tokens read.
    pub input_tokens: u64,
    /// Tokens written.
    pub output_tokens: u64,
    /// Cost in 1e-6 of the currency unit.
    pub cost_micros: u64,
    /// Calls; the nodes count them by themselves, so that a handler never says any.
    pub calls: u64,
}

/// Adds amounts of the program to a body; what is zero is left out.
///
/// # Safety
/// `amount` is NULL (nothing) or readable.
pub(crate) unsafe fn put(amount: *const hubless_amount, body: &mut Map<String, Value>) {
    // SAFETY: NULL or readable, says the caller.
    let Some(amount) = (unsafe { amount.as_ref() }) else { return };
    let hubless_amount { input_tokens, output_tokens, cost_micros, calls } = *amount;
    let components = [
        ("inputTokens", input_tokens),
        ("outputTokens", output_tokens),
        ("costMicros", cost_micros),
        ("calls", calls),
    ];
    let said = components.into_iter().filter(|(_, value)| *value != 0);
    body.extend(said.map(|(name, value)| (name.to_owned(), Value::from(value))));
}
