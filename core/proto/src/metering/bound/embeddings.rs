//! `POST /v1/embeddings`.

use super::fields::{self, Check};
use super::{Answer, Bounded, input};
use crate::error::{Error, Result};
use crate::limits::METERED_MESSAGES;
use crate::metering::prices::Prices;
use serde_json::Value;

const FIELDS: &[(&str, Check)] = &[
    ("model", fields::text),
    ("input", texts),
    ("encoding_format", fields::text),
    ("dimensions", fields::any),
    ("user", fields::text),
];

/// Bounds the price of a request for embeddings.
///
/// # Errors
/// As [`super::chat()`].
pub fn embeddings(prices: &Prices, body: &[u8]) -> Result<Bounded> {
    let fields = fields::object(body)?;
    fields::check("", &fields, FIELDS)?;
    let wrong = || Error::invalid("model", "expected the name of a model");
    let model = prices.of(fields.get("model").and_then(Value::as_str).ok_or_else(wrong)?)?.clone();
    let inputs = match fields.get("input") {
        // A list of tokens is one text.
        Some(Value::Array(all)) if !all.iter().all(Value::is_number) => all.len() as u64,
        Some(_) => 1,
        None => return Err(Error::invalid("input", "expected it to be there")),
    };
    let value = Value::Object(fields);
    let body = value.to_string();
    let input_tokens = input::tokens(&model, &body, &value, inputs)?;
    let max = model.dearest(input_tokens, 0)?;
    let output_tokens = 0;
    Ok(Bounded { body, model, max, input_tokens, output_tokens, answer: Answer::Whole })
}

/// A text, a list of texts, of tokens, or of lists of tokens.
fn texts(field: &str, value: &Value) -> Result<()> {
    let token = |value: &Value| value.as_u64().is_some();
    let tokens = |value: &Value| value.as_array().is_some_and(|all| all.iter().all(token));
    let good = match value {
        Value::String(_) => true,
        Value::Array(all) if all.iter().all(token) => true,
        Value::Array(all) => {
            if all.len() > METERED_MESSAGES {
                let message = format!("expected at most {METERED_MESSAGES}");
                let error = Error::invalid(field, message);
                return Err(error.with_limit("METERED_MESSAGES", METERED_MESSAGES as u64));
            }
            all.iter().all(|one| one.is_string() || tokens(one))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    };
    if good { Ok(()) } else { Err(Error::invalid(field, "expected texts or tokens")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn prices() -> Prices {
        let table = json!({"models": {"e": {"input_micros": 1_000_000, "output_micros": 1_000_000,
            "max_output_tokens": 1, "message_tokens": 1, "request_tokens": 10}}});
        Prices::read(&table).unwrap()
    }

    fn bound(body: &Value) -> Result<Bounded> {
        embeddings(&prices(), body.to_string().as_bytes())
    }

    #[test]
    fn only_what_is_read_is_paid() {
        let body = json!({"model": "e", "input": ["a", "b"]});
        let bounded = bound(&body).unwrap();
        assert_eq!(bounded.max.value(), bounded.body.len() as u64 + 2 + 10);
        assert_eq!((bounded.output_tokens, bounded.answer), (0, Answer::Whole));
        let one_text = bound(&json!({"model": "e", "input": [1, 2, 3]})).unwrap();
        assert_eq!(one_text.max.value(), one_text.body.len() as u64 + 1 + 10);
        for input in [json!("a"), json!([1, 2]), json!([[1], [2, 3]])] {
            assert!(bound(&json!({"model": "e", "input": input})).is_ok());
        }
    }

    #[test]
    fn what_is_no_input_is_refused_by_field() {
        for (body, field) in [
            (json!({"model": "e"}), "input"),
            (json!({"model": "e", "input": {}}), "input"),
            (json!({"model": "e", "input": [[1.5]]}), "input"),
            (json!({"model": "e", "input": "a", "batch": true}), "batch"),
            (json!({"input": "a"}), "model"),
            (json!({"model": "e", "input": vec!["a"; METERED_MESSAGES + 1]}), "input"),
        ] {
            assert_eq!(bound(&body).unwrap_err().field.as_deref(), Some(field));
        }
        let most = json!({"model": "e", "input": vec!["a"; METERED_MESSAGES]});
        assert!(bound(&most).is_ok());
    }
}
