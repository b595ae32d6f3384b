//! `POST /v1/chat/completions`.

use super::fields::{self, Check};
use super::{Answer, Bounded, input};
use crate::error::{Error, Result};
use crate::limits::METERED_MESSAGES;
use crate::metering::prices::{Model, OutputField, Prices};
use serde_json::{Map, Value, json};

/// What a request may say.
const FIELDS: &[(&str, Check)] = &[
    ("model", fields::text),
    ("messages", messages),
    ("stream", fields::flag),
    ("stream_options", stream_options),
    (OutputField::Plain.name(), cap),
    (OutputField::Completion.name(), cap),
    ("n", fields::one),
    ("tools", tools),
    ("tool_choice", fields::any),
    ("parallel_tool_calls", fields::flag),
    ("response_format", fields::any),
    ("reasoning_effort", fields::text),
    ("verbosity", fields::text),
    ("service_tier", fields::default_tier),
    ("modalities", fields::only_text),
    ("temperature", fields::any),
    ("top_p", fields::any),
    ("top_k", fields::any),
    ("stop", fields::any),
    ("seed", fields::any),
    ("presence_penalty", fields::any),
    ("frequency_penalty", fields::any),
    ("logit_bias", fields::any),
    ("logprobs", fields::flag),
    ("top_logprobs", fields::any),
    ("user", fields::text),
    ("safety_identifier", fields::text),
    ("prompt_cache_key", fields::text),
    ("metadata", fields::any),
    ("store", fields::flag),
];

/// What a message may say.
const MESSAGE: &[(&str, Check)] = &[
    ("role", fields::text),
    ("content", content),
    ("name", fields::text),
    ("tool_call_id", fields::text),
    ("tool_calls", tools),
    ("refusal", fields::text),
    ("reasoning_content", fields::text),
    ("annotations", fields::nothing),
];

/// What a part of a message may say.
const PART: &[(&str, Check)] =
    &[("type", fields::text), ("text", fields::text), ("refusal", fields::text)];

/// What a tool, or a call of one, may say.
const TOOL: &[(&str, Check)] = &[
    ("type", fields::text),
    ("id", fields::text),
    ("index", fields::any),
    ("function", fields::any),
    ("custom", fields::any),
];

const STREAM_OPTIONS: &[(&str, Check)] =
    &[("include_usage", fields::flag), ("include_obfuscation", fields::flag)];

/// Bounds the price of a chat completion: its cap of the output is set when there is none, and
/// lowered to the model's; a stream asks for its usage.
///
/// # Errors
/// `invalid_argument`, naming the field; `json` for nesting; `unsupported`: code `no_price` for a
/// model, `unpriced` for a field whose price the table does not bound (several answers, images,
/// audio, files, tools that a provider runs, predictions, other service tiers, and whatever is not
/// known); `prompt`, code `token_run`; `too_large`, code `price`.
///
/// ```
/// use hubless_proto::metering::{bound, prices::Prices};
/// use serde_json::json;
///
/// let table = json!({"models": {"m": {
///     "input_micros": 0, "output_micros": 2_000_000, "max_output_tokens": 100}}});
/// let prices = Prices::read(&table)?;
/// let body = br#"{"model": "m", "messages": [{"role": "user", "content": "hello"}]}"#;
/// let bounded = bound::chat(&prices, body)?;
/// assert!(bounded.body.contains(r#""max_completion_tokens":100"#));
/// assert_eq!(bounded.max.value(), 200);
/// let two = br#"{"model": "m", "n": 2, "messages": []}"#;
/// assert_eq!(bound::chat(&prices, two).unwrap_err().field.as_deref(), Some("n"));
/// # Ok::<(), hubless_proto::Error>(())
/// ```
pub fn chat(prices: &Prices, body: &[u8]) -> Result<Bounded> {
    let mut fields = fields::object(body)?;
    fields::check("", &fields, FIELDS)?;
    let missing = |field: &str| Error::invalid(field, "expected it to be there");
    let name = fields.get("model").and_then(Value::as_str);
    let model = prices.of(name.ok_or_else(|| missing("model"))?)?.clone();
    let list = |field: &str| fields.get(field).and_then(Value::as_array).map_or(0, Vec::len);
    if list("messages") == 0 {
        return Err(missing("messages"));
    }
    let pieces = (list("messages") + list("tools")) as u64;
    let output_tokens = set_cap(&mut fields, &model)?;
    let answer = set_stream(&mut fields)?;
    let value = Value::Object(fields);
    let body = value.to_string();
    let input_tokens = input::tokens(&model, &body, &value, pieces)?;
    let max = model.dearest(input_tokens, output_tokens)?;
    Ok(Bounded { body, model, max, input_tokens, output_tokens, answer })
}

/// Sets the cap of the output, or lowers it to that of the model. It is sent in the field that the
/// operator named, since a server that does not know the other one would go without a cap.
fn set_cap(fields: &mut Map<String, Value>, model: &Model) -> Result<u64> {
    let (plain, completion) = (OutputField::Plain.name(), OutputField::Completion.name());
    let of = |name: &str| fields.get(name).and_then(Value::as_u64);
    let given = match (of(plain), of(completion)) {
        // Which of them counts is for each provider to say.
        (Some(_), Some(_)) => {
            return Err(Error::invalid(plain, format!("expected it without {completion}")));
        }
        (plain, completion) => plain.or(completion).unwrap_or(u64::MAX),
    };
    let wanted = model.output_field.name();
    fields.shift_remove(if wanted == plain { completion } else { plain });
    let cap = given.min(model.max_output_tokens);
    // One that is there stays in its place: what was bounded once is as it was when bounded again.
    fields.insert(wanted.to_owned(), Value::from(cap));
    Ok(cap)
}

/// Asks for the usage of a stream.
fn set_stream(fields: &mut Map<String, Value>) -> Result<Answer> {
    let options = fields.get("stream_options").filter(|options| !options.is_null());
    let asked = options.and_then(|options| options.get("include_usage")).and_then(Value::as_bool);
    let streams = fields.get("stream").and_then(Value::as_bool).unwrap_or_default();
    if !streams {
        if options.is_some() {
            return Err(Error::invalid("stream_options", "expected it with stream: true"));
        }
        return Ok(Answer::Whole);
    }
    let mut options = options.cloned().unwrap_or_else(|| json!({}));
    options["include_usage"] = Value::Bool(true);
    fields.insert("stream_options".to_owned(), options);
    Ok(if asked == Some(true) { Answer::StreamWithUsage } else { Answer::Stream })
}

fn cap(field: &str, value: &Value) -> Result<()> {
    let wrong = || Error::invalid(field, "expected an integer of at least 1");
    value.as_u64().filter(|cap| *cap > 0).map(drop).ok_or_else(wrong)
}

fn messages(field: &str, value: &Value) -> Result<()> {
    let wrong = |path: &str| Error::invalid(path, "expected a list of messages");
    let all = value.as_array().ok_or_else(|| wrong(field))?;
    if all.len() > METERED_MESSAGES {
        let message = format!("expected at most {METERED_MESSAGES}, got {}", all.len());
        let error = Error::invalid(field, message);
        return Err(error.with_limit("METERED_MESSAGES", METERED_MESSAGES as u64));
    }
    for (index, message) in all.iter().enumerate() {
        let path = format!("{field}[{index}]");
        let fields = message.as_object().ok_or_else(|| wrong(&path))?;
        fields::check(&format!("{path}."), fields, MESSAGE)?;
    }
    Ok(())
}

/// A text, or parts that are texts.
fn content(field: &str, value: &Value) -> Result<()> {
    if value.is_string() {
        return Ok(());
    }
    fields::typed(field, value, &["text", "refusal"], PART)
}

/// Tools, or calls of tools, that the client runs.
fn tools(field: &str, value: &Value) -> Result<()> {
    fields::typed(field, value, &["function", "custom"], TOOL)
}

fn stream_options(field: &str, value: &Value) -> Result<()> {
    let wrong = || Error::invalid(field, "expected an object");
    fields::check(&format!("{field}."), value.as_object().ok_or_else(wrong)?, STREAM_OPTIONS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use proptest::prelude::*;
    use tiktoken_rs::CoreBPE;

    fn prices(tokens: &str) -> Prices {
        let table = json!({"models": {"m": {"input_micros": 1_000_000, "output_micros": 0,
            "max_output_tokens": 50, "tokens": tokens, "message_tokens": 7,
            "request_tokens": 11}}});
        Prices::read(&table).unwrap()
    }

    fn request(more: &Value) -> Value {
        let mut all = json!({"model": "m", "messages": [{"role": "user", "content": "hello"}]});
        for (field, value) in more.as_object().unwrap() {
            all[field.as_str()] = value.clone();
        }
        all
    }

    fn bound(more: &Value) -> Result<Bounded> {
        chat(&prices("o200k"), request(more).to_string().as_bytes())
    }

    fn sent(bounded: &Bounded) -> Value {
        serde_json::from_str(&bounded.body).unwrap()
    }

    #[test]
    fn the_cap_is_set_lowered_or_kept() {
        for (more, field, cap) in [
            (json!({}), "max_completion_tokens", 50),
            (json!({"max_tokens": null}), "max_completion_tokens", 50),
            (json!({"max_tokens": 9}), "max_completion_tokens", 9),
            (json!({"max_tokens": 51}), "max_completion_tokens", 50),
            (json!({"max_completion_tokens": u64::MAX}), "max_completion_tokens", 50),
            (json!({"max_completion_tokens": 50}), "max_completion_tokens", 50),
        ] {
            let bounded = bound(&more).unwrap();
            assert_eq!(sent(&bounded)[field], json!(cap), "{more}");
            assert_eq!(bounded.output_tokens, cap, "{more}");
            assert!(sent(&bounded).get("max_tokens").is_none(), "{more}");
        }
        // A server that knows the older field alone gets that alone, whatever a client says.
        let older = json!({"models": {"m": {"input_micros": 0, "output_micros": 1_000_000,
            "max_output_tokens": 50, "output_field": "max_tokens"}}});
        let older = Prices::read(&older).unwrap();
        for more in [json!({"max_completion_tokens": 9}), json!({"max_tokens": 9}), json!({})] {
            let bounded = chat(&older, request(&more).to_string().as_bytes()).unwrap();
            assert_eq!(sent(&bounded)["max_tokens"], json!(bounded.output_tokens), "{more}");
            assert!(sent(&bounded).get("max_completion_tokens").is_none(), "{more}");
        }
        for bad in [json!(0), json!(-1), json!(1.5), json!("9")] {
            let error = bound(&json!({"max_tokens": bad})).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("max_tokens"));
        }
        assert!(bound(&json!({"max_tokens": 1, "max_completion_tokens": 1})).is_err());
    }

    #[test]
    fn what_the_table_does_not_bound_is_refused_by_name() {
        let part = |part: Value| json!({"messages": [{"role": "user", "content": [part]}]});
        let said = |field: &str, value: Value| {
            let mut message = json!({"role": "assistant", "content": "x"});
            message[field] = value;
            json!({"messages": [message]})
        };
        for (more, field) in [
            (json!({"n": 2}), "n"),
            (json!({"best_of": 2}), "best_of"),
            (json!({"background": true}), "background"),
            (json!({"prediction": {"type": "content", "content": "x"}}), "prediction"),
            (json!({"web_search_options": {}}), "web_search_options"),
            (json!({"service_tier": "priority"}), "service_tier"),
            (json!({"service_tier": "auto"}), "service_tier"),
            (json!({"modalities": ["text", "audio"]}), "modalities"),
            (json!({"audio": {"voice": "x"}}), "audio"),
            (json!({"tools": [{"type": "web_search"}]}), "tools[0].type"),
            (json!({"tools": [{"type": "function"}, {"type": "mcp"}]}), "tools[1].type"),
            (json!({"stream_options": {"later": true}, "stream": true}), "stream_options.later"),
            (json!({"a_field_of_tomorrow": 1}), "a_field_of_tomorrow"),
            (part(json!({"type": "image_url"})), "messages[0].content[0].type"),
            (part(json!({"type": "input_audio"})), "messages[0].content[0].type"),
            (part(json!({"type": "file"})), "messages[0].content[0].type"),
            (said("audio", json!({"id": "x"})), "messages[0].audio"),
            (said("annotations", json!([1])), "messages[0].annotations"),
        ] {
            let error = bound(&more).unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::Unsupported, "unpriced"));
            assert_eq!(error.field.as_deref(), Some(field), "{more}");
        }
        // What says nothing, and what clients send back, is taken.
        for more in [
            json!({"n": 1, "audio": null, "service_tier": "default", "modalities": ["text"]}),
            json!({"tools": [{"type": "function"}, {"type": "custom"}], "store": false}),
            part(json!({"type": "text", "text": "x"})),
            said("annotations", json!([])),
            said("audio", json!(null)),
        ] {
            assert!(bound(&more).is_ok(), "{more}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let prices = prices("bytes");
        let deep = format!("{{\"metadata\": {}{}}}", "[".repeat(65), "]".repeat(65));
        for (body, field) in [
            (&b"\xff"[..], "body"),
            (b"[]", "body"),
            (b"{", "body"),
            (b"{}", "model"),
            (br#"{"model": "m"}"#, "messages"),
            (br#"{"model": "m", "messages": []}"#, "messages"),
            (br#"{"model": "m", "messages": [1]}"#, "messages[0]"),
            (br#"{"model": 1, "messages": [{}]}"#, "model"),
            (br#"{"model": "x", "messages": [{}]}"#, "model"),
            (br#"{"model": "m", "messages": [{}], "stream": 1}"#, "stream"),
            (br#"{"model": "m", "messages": [{}], "stream_options": {}}"#, "stream_options"),
            (deep.as_bytes(), "body"),
        ] {
            let error = chat(&prices, body).unwrap_err();
            assert_eq!(error.field.as_deref(), Some(field), "{}", String::from_utf8_lossy(body));
        }
        let of = |count: usize| bound(&json!({"messages": vec![json!({"role": "user"}); count]}));
        assert!(of(METERED_MESSAGES).is_ok());
        let refused = of(METERED_MESSAGES + 1).unwrap_err();
        assert_eq!(refused.limit.unwrap().name, "METERED_MESSAGES");
    }

    #[test]
    fn a_name_said_twice_is_sent_once() {
        let twice = br#"{"model": "m", "messages": [{}], "max_tokens": 9, "max_tokens": 3}"#;
        let bounded = chat(&prices("bytes"), twice).unwrap();
        assert_eq!(bounded.body.matches("_tokens").count(), 1);
        assert_eq!(sent(&bounded)["max_completion_tokens"], json!(bounded.output_tokens));
    }

    #[test]
    fn a_stream_asks_for_its_usage() {
        for (more, answer) in [
            (json!({"stream": true}), Answer::Stream),
            (json!({"stream": true, "stream_options": null}), Answer::Stream),
            (json!({"stream": true, "stream_options": {"include_usage": false}}), Answer::Stream),
            (
                json!({"stream": true, "stream_options": {"include_usage": true}}),
                Answer::StreamWithUsage,
            ),
        ] {
            let bounded = bound(&more).unwrap();
            assert_eq!(bounded.answer, answer, "{more}");
            assert_eq!(sent(&bounded)["stream_options"]["include_usage"], json!(true));
        }
        let whole = bound(&json!({"stream": false})).unwrap();
        assert_eq!(whole.answer, Answer::Whole);
        assert!(sent(&whole).get("stream_options").is_none());
    }

    #[test]
    fn tools_and_schemas_are_part_of_the_count() {
        let bare = bound(&json!({})).unwrap().max;
        let schema = json!({"type": "object", "properties": {"city": {"type": "string"}}});
        let tool = json!({"type": "function", "function": {"name": "f", "parameters": schema}});
        let with = bound(&json!({"tools": [tool]})).unwrap().max;
        // Its own constant, and its text.
        assert!(with.value() > bare.value() + 7 + 10, "{bare} {with}");
        let schema = json!({"type": "json_schema", "json_schema": {"schema": schema}});
        assert!(bound(&json!({"response_format": schema})).unwrap().max > bare);
    }

    proptest! {
        #[test]
        fn the_bound_is_never_below_the_count_of_the_texts(
            texts in proptest::collection::vec("\\PC{0,40}|[ \\n\\\\\"a-z<|>]{0,40}", 1..5),
        ) {
            let messages: Vec<_> =
                texts.iter().map(|text| json!({"role": "user", "content": text})).collect();
            let more = json!({"messages": messages});
            let bounded = bound(&more).unwrap();
            // As the reference counts a dialogue: four for each message, one for the name in it,
            // and three at its end.
            let paid = |vocabulary: &CoreBPE| {
                let counts = texts.iter().map(|text| vocabulary.encode_ordinary(text).len() as u64);
                counts.sum::<u64>() + texts.len() as u64 * 5 + 3
            };
            let o200k = paid(tiktoken_rs::o200k_base_singleton());
            prop_assert!(bounded.max.value() >= o200k, "{} < {o200k}", bounded.max);
            let bytes = chat(&prices("bytes"), request(&more).to_string().as_bytes()).unwrap();
            let others = [
                tiktoken_rs::o200k_base_singleton(),
                tiktoken_rs::cl100k_base_singleton(),
                tiktoken_rs::p50k_base_singleton(),
                tiktoken_rs::r50k_base_singleton(),
            ];
            for vocabulary in others {
                let paid = paid(vocabulary);
                prop_assert!(bytes.max.value() >= paid, "{} < {paid}", bytes.max);
            }
        }
    }
}
