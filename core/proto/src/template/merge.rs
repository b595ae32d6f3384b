//! How a template fills a request.

use super::Template;
use crate::wire::v1;
use std::collections::BTreeMap;

/// Metadata entry that lists what the callee's own template filled in.
pub const CALLEE_FIELDS: &str = "hubless.calleeTemplate";

impl Template {
    /// Fills what the request leaves open, and answers what was filled. The request's own fields
    /// win: whole content, each context entry by key and page by name, each tool by name, each
    /// metadata entry by name.
    pub fn fill(&self, request: &mut v1::Request) -> Vec<String> {
        let mut filled = Vec::new();
        if let Some(own) = &self.content {
            let content = request.content.get_or_insert_default();
            if content.parts.is_empty() && !own.parts.is_empty() {
                content.parts.clone_from(&own.parts);
                filled.push("content".to_owned());
            }
            fill_map(
                &mut content.metadata_json,
                &own.metadata_json,
                "content.metadata",
                &mut filled,
            );
        }
        if let Some(own) = &self.context {
            fill_context(request.context.get_or_insert_default(), own, &mut filled);
        }
        fill_option(&mut request.auth, &self.auth, "auth", &mut filled);
        fill_option(
            &mut request.transport_auth,
            &self.transport_auth,
            "transportAuth",
            &mut filled,
        );
        for (field, own, name) in [
            (&mut request.input_schema_json, &self.input_schema_json, "inputSchema"),
            (&mut request.output_schema_json, &self.output_schema_json, "outputSchema"),
        ] {
            fill_text(field, own, name, &mut filled);
        }
        for tool in &self.tools {
            if !request.tools.iter().any(|given| given.name == tool.name) {
                request.tools.push(tool.clone());
                filled.push(format!("tools.{}", tool.name));
            }
        }
        fill_map(&mut request.metadata_json, &self.metadata_json, "metadata", &mut filled);
        filled
    }

    /// As `fill`, for the callee's own template: what it filled is listed in the request's
    /// metadata under `CALLEE_FIELDS`, so that nobody takes it for the caller's words.
    pub fn fill_of_callee(&self, request: &mut v1::Request) {
        let open = Self { auth: None, transport_auth: None, tools: Vec::new(), ..self.clone() };
        let filled = open.fill(request);
        request.metadata_json.remove(CALLEE_FIELDS);
        if !filled.is_empty() {
            let list = serde_json::Value::from(filled).to_string();
            request.metadata_json.insert(CALLEE_FIELDS.to_owned(), list);
        }
    }
}

fn fill_context(context: &mut v1::Context, own: &v1::Context, filled: &mut Vec<String>) {
    for entry in &own.entries {
        if !context.entries.iter().any(|given| given.key == entry.key) {
            context.entries.push(entry.clone());
            filled.push(format!("context.entries.{}", entry.key));
        }
    }
    for page in &own.pages {
        if !context.pages.iter().any(|given| given.name == page.name) {
            context.pages.push(page.clone());
            filled.push(format!("context.pages.{}", page.name));
        }
    }
    if context.history.is_empty() && !own.history.is_empty() {
        context.history.clone_from(&own.history);
        filled.push("context.history".to_owned());
    }
    fill_text(&mut context.explanation, &own.explanation, "context.explanation", filled);
    fill_option(&mut context.reference, &own.reference, "context.reference", filled);
    let name = "context.descriptions";
    fill_map(&mut context.descriptions, &own.descriptions, name, filled);
}

fn fill_text(field: &mut String, own: &String, name: &str, filled: &mut Vec<String>) {
    if field.is_empty() && !own.is_empty() {
        field.clone_from(own);
        filled.push(name.to_owned());
    }
}

fn fill_option<T: Clone>(
    field: &mut Option<T>,
    own: &Option<T>,
    name: &str,
    filled: &mut Vec<String>,
) {
    if field.is_none() && own.is_some() {
        field.clone_from(own);
        filled.push(name.to_owned());
    }
}

fn fill_map(
    field: &mut BTreeMap<String, String>,
    own: &BTreeMap<String, String>,
    name: &str,
    filled: &mut Vec<String>,
) {
    for (key, value) in own {
        if !field.contains_key(key) {
            field.insert(key.clone(), value.clone());
            filled.push(format!("{name}.{key}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn request(value: Value) -> v1::Request {
        serde_json::from_value(value).unwrap()
    }

    fn filled(template: Value, before: Value) -> (Value, Vec<String>) {
        let mut request = request(before);
        let names = Template::read(template).unwrap().fill(&mut request);
        (serde_json::to_value(request).unwrap(), names)
    }

    #[test]
    fn carries_a_context_by_reference() {
        let template = json!({"context": {"reference": {"page": "p", "version": 1}}});
        let (request, names) = filled(template, json!({}));
        assert_eq!(request["context"]["reference"]["page"], "p");
        assert_eq!(names, ["context.reference"]);
    }

    #[test]
    fn fills_what_is_open_and_leaves_what_is_given() {
        let template = json!({
            "content": {"value": "hello", "metadata": {"a": 1}},
            "context": {"entries": [{"key": "k", "text": "t"}], "explanation": "why",
                "descriptions": {"k": "d"}},
            "auth": {"scheme": "s", "secret": "x"},
            "inputSchema": {"type": "string"},
            "tools": [{"name": "add"}],
            "metadata": {"team": "fx"}
        });
        let (all, names) = filled(template.clone(), json!({}));
        assert_eq!(all["content"]["parts"], json!([{"text": "hello"}]));
        assert_eq!(all["metadata"], json!({"team": "fx"}));
        let expected = [
            "content",
            "content.metadata.a",
            "context.entries.k",
            "context.explanation",
            "context.descriptions.k",
            "auth",
            "inputSchema",
            "tools.add",
            "metadata.team",
        ];
        assert_eq!(names, expected);
        let own = json!({
            "content": {"parts": [{"text": "mine"}], "metadata": {"a": 2}},
            "context": {"entries": [{"key": "k", "text": "mine"}], "explanation": "mine",
                "descriptions": {"k": "mine"}},
            "auth": {"scheme": "mine"}, "inputSchema": true, "tools": [{"name": "add",
            "description": "mine"}], "metadata": {"team": "mine"}
        });
        assert_eq!(filled(template, own.clone()), (own, Vec::new()));
    }

    #[test]
    fn the_callees_words_are_marked_and_cannot_be_forged() {
        let template = json!({"content": {"value": {"a": 1}}, "outputSchema": {}});
        let template = Template::read_of_callee(template).unwrap();
        let mut open = v1::Request::default();
        template.fill_of_callee(&mut open);
        assert_eq!(open.metadata_json[CALLEE_FIELDS], r#"["content","outputSchema"]"#);
        let mut forged = request(json!({"metadata": {CALLEE_FIELDS: ["content"]},
            "content": {"parts": [{"text": "mine"}]}, "outputSchema": true}));
        template.fill_of_callee(&mut forged);
        assert!(!forged.metadata_json.contains_key(CALLEE_FIELDS));
    }

    #[test]
    fn names_what_a_template_may_not_hold() {
        for field in
            ["id", "attempt", "deadlineMs", "grant", "taskPath", "trace", "idempotencyKey", "skill"]
        {
            let error = Template::read(json!({field: 1})).unwrap_err();
            assert_eq!(error.field, Some(format!("template.{field}")));
        }
        for field in ["auth", "tools", "metadata", "transportAuth"] {
            let error = Template::read_of_callee(json!({field: {}})).unwrap_err();
            assert_eq!(error.field, Some(format!("requestTemplate.{field}")));
        }
        for value in [
            json!({"content": 1}),
            json!({"content": {"parts": 1}}),
            json!({"context": []}),
            json!({"tools": {}}),
            json!({"metadata": 1}),
            json!("x"),
            json!({"metadata": {"a": "x".repeat(crate::limits::TEMPLATE_BYTES)}}),
        ] {
            assert_eq!(Template::read(value).unwrap_err().kind, Kind::InvalidArgument);
        }
        let secret = Template::read(json!({"auth": {"secret": "open-sesame"}})).unwrap();
        assert_eq!(format!("{secret:?}"), r#"Template["auth"]"#);
    }

    proptest! {
        /// Filling twice is filling once, the template stays the same, and of two templates the
        /// first wins.
        #[test]
        fn the_first_wins_and_nothing_is_filled_twice(
            first in prop::collection::btree_map("[ab]", 0..3u8, 0..2),
            second in prop::collection::btree_map("[ab]", 3..6u8, 0..2),
        ) {
            let read = |map: &BTreeMap<String, u8>| {
                Template::read(json!({"metadata": map})).unwrap()
            };
            let (one, two) = (read(&first), read(&second));
            let mut request = v1::Request::default();
            one.fill(&mut request);
            two.fill(&mut request);
            prop_assert!(one.fill(&mut request).is_empty() && two.fill(&mut request).is_empty());
            for (key, value) in &request.metadata_json {
                let own = first.get(key).or_else(|| second.get(key)).map(ToString::to_string);
                prop_assert_eq!(Some(value), own.as_ref());
            }
            prop_assert_eq!(one, read(&first));
        }
    }
}
