//! Named templates of requests, and what a callee's own template adds.

use super::prepare::Prepared;
use super::read;
use super::request::RequestOptions;
use crate::engine::lock;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::limits;
use hubless_proto::wire::v1;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Fields that a template may hold; never id, attempt, deadline, grant, path, trace or key.
const ALLOWED: [&str; 8] = [
    "content",
    "context",
    "auth",
    "transportAuth",
    "inputSchema",
    "outputSchema",
    "tools",
    "metadata",
];

/// Named templates of requests; kept in memory.
#[derive(Debug, Default)]
pub struct Templates {
    all: Mutex<BTreeMap<String, Template>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Template {
    content: Option<v1::Content>,
    context: Option<v1::Context>,
    auth: Option<v1::Auth>,
    transport_auth: Option<v1::Auth>,
    input_schema: Option<Value>,
    output_schema: Option<Value>,
    tools: Vec<v1::Tool>,
    metadata: Map<String, Value>,
}

impl Templates {
    /// Keeps a template: content, context, auth, schemas, tools, metadata in the JSON form of a
    /// request.
    ///
    /// # Errors
    /// `invalid_argument` naming a field that a template cannot hold; `too_large` beyond 1,000.
    pub fn set(&self, name: &str, template: Value) -> Result<()> {
        let fields = template.as_object().into_iter().flat_map(Map::keys);
        if let Some(field) = fields.into_iter().find(|field| !ALLOWED.contains(&field.as_str())) {
            let message = format!("expected only {}", ALLOWED.join(", "));
            return Err(Error::invalid(&format!("template.{field}"), message));
        }
        if name.is_empty() || name.len() > limits::NAME_CHARS {
            return Err(Error::invalid("name", "expected 1 to 64 letters"));
        }
        let template: Template = read::read(template)?;
        let mut all = lock(&self.all);
        if all.len() >= limits::TEMPLATES && !all.contains_key(name) {
            return Err(Error::new(Kind::TooLarge, "no more templates can be kept")
                .with_limit("TEMPLATES", limits::TEMPLATES as u64));
        }
        all.insert(name.to_owned(), template);
        Ok(())
    }

    /// Forgets one; true: there was one.
    pub fn remove(&self, name: &str) -> bool {
        lock(&self.all).remove(name).is_some()
    }

    /// Their names, in order.
    pub fn list(&self) -> Vec<String> {
        lock(&self.all).keys().cloned().collect()
    }

    /// Fills what the request leaves open; the template stays as it is.
    pub(super) fn merge(&self, name: &str, options: &mut RequestOptions) -> Result<()> {
        let template = lock(&self.all).get(name).cloned();
        let template = template
            .ok_or_else(|| Error::invalid("template", "no template of this name is kept"))?;
        if options.content.message.parts.is_empty()
            && let Some(content) = template.content
        {
            options.content.message = content;
        }
        fill(&mut options.context, template.context);
        fill(&mut options.auth, template.auth);
        fill(&mut options.transport_auth, template.transport_auth);
        fill(&mut options.input_schema, template.input_schema);
        fill(&mut options.output_schema, template.output_schema);
        for tool in template.tools {
            if !options.tools.iter().any(|own| own.name == tool.name) {
                options.tools.push(tool);
            }
        }
        for (name, value) in template.metadata {
            options.metadata.entry(name).or_insert(value);
        }
        Ok(())
    }
}

/// A callee's own template holds content, context and schemas; what it adds is marked.
pub(super) fn merge_of_callee(prepared: &mut Prepared, callee: &v1::Descriptor) -> Result<()> {
    if callee.request_template_json.is_empty() {
        return Ok(());
    }
    let Ok(template) = serde_json::from_str::<Template>(&callee.request_template_json) else {
        tracing::debug!(agent = %callee.name, "its template is not of a known form");
        return Ok(());
    };
    let request = &mut prepared.request;
    let mut merged = Vec::new();
    let content = request.content.get_or_insert_default();
    if content.parts.is_empty()
        && let Some(own) = template.content
    {
        content.parts = own.parts;
        merged.push("content");
    }
    if request.context.is_none() && template.context.is_some() {
        request.context = template.context;
        merged.push("context");
    }
    for (name, own, given) in [
        ("inputSchema", template.input_schema, &mut request.input_schema_json),
        ("outputSchema", template.output_schema, &mut request.output_schema_json),
    ] {
        if let Some(schema) = own.filter(|_| given.is_empty()) {
            *given = schema.to_string();
            merged.push(name);
        }
    }
    if !merged.is_empty() {
        let marked = serde_json::json!(merged).to_string();
        request.metadata_json.insert("hubless.calleeTemplate".to_owned(), marked);
    }
    Ok(())
}

fn fill<T>(field: &mut Option<T>, with: Option<T>) {
    if field.is_none() {
        *field = with;
    }
}
