//! What a template may hold.

use crate::error::{Error, Result};
use crate::fields::Fields;
use crate::limits;
use crate::wire::v1;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Content, context, auth, schemas, tools and metadata of a request; never its id, attempt,
/// deadline, grant, path, trace or idempotency key.
///
/// ```
/// use hubless_proto::template::Template;
/// use serde_json::json;
///
/// assert!(Template::read(json!({"metadata": {"team": "fx"}})).is_ok());
/// let error = Template::read(json!({"deadlineMs": 5})).unwrap_err();
/// assert_eq!(error.field.as_deref(), Some("template.deadlineMs"));
/// ```
#[derive(Clone, PartialEq, Default)]
pub struct Template {
    pub(super) content: Option<v1::Content>,
    pub(super) context: Option<v1::Context>,
    pub(super) auth: Option<v1::Auth>,
    pub(super) transport_auth: Option<v1::Auth>,
    pub(super) input_schema_json: String,
    pub(super) output_schema_json: String,
    pub(super) tools: Vec<v1::Tool>,
    pub(super) metadata_json: BTreeMap<String, String>,
}

impl Template {
    /// Reads a template of this node: the JSON form of a request, with `{"value": any}` as short
    /// content.
    ///
    /// # Errors
    /// `invalid_argument` naming the field, as `template.<field>`: one that no template may hold,
    /// or of a wrong form; more than `TEMPLATE_BYTES`.
    pub fn read(value: Value) -> Result<Self> {
        let mut fields = bounded("template", value)?;
        let template = Self {
            auth: object(&mut fields, "auth")?,
            transport_auth: object(&mut fields, "transportAuth")?,
            tools: fields.take("tools")?.unwrap_or_default(),
            metadata_json: metadata(&mut fields)?,
            ..shared(&mut fields)?
        };
        fields.end()?;
        Ok(template)
    }

    /// Reads the template of a descriptor: content, context and schemas only.
    ///
    /// # Errors
    /// As `read`, with `requestTemplate.<field>`.
    pub fn read_of_callee(value: Value) -> Result<Self> {
        let mut fields = bounded("requestTemplate", value)?;
        let template = shared(&mut fields)?;
        fields.end()?;
        Ok(template)
    }
}

/// What any template may hold.
fn shared(fields: &mut Fields) -> Result<Template> {
    let schema = |fields: &mut Fields, name: &str| {
        fields.value(name).map(|schema| schema.to_string()).unwrap_or_default()
    };
    Ok(Template {
        content: content(fields)?,
        context: object(fields, "context")?,
        input_schema_json: schema(fields, "inputSchema"),
        output_schema_json: schema(fields, "outputSchema"),
        ..Template::default()
    })
}

fn bounded(path: &str, value: Value) -> Result<Fields> {
    if value.to_string().len() > limits::TEMPLATE_BYTES {
        let message = format!("expected at most {} bytes", limits::TEMPLATE_BYTES);
        return Err(Error::invalid(path, message)
            .with_limit("TEMPLATE_BYTES", limits::TEMPLATE_BYTES as u64));
    }
    Fields::of(path, value)
}

fn content(fields: &mut Fields) -> Result<Option<v1::Content>> {
    let Some(mut value) = fields.value("content") else { return Ok(None) };
    let short = value.as_object_mut().and_then(|object| object.shift_remove("value"));
    let kind = match short {
        None => return read(fields, "content", value).map(Some),
        Some(Value::String(text)) => v1::part::Kind::Text(text),
        Some(other) => v1::part::Kind::DataJson(other.to_string()),
    };
    let part = v1::Part { kind: Some(kind), ..v1::Part::default() };
    let rest: v1::Content = read(fields, "content", value)?;
    Ok(Some(v1::Content { parts: vec![part], ..rest }))
}

fn metadata(fields: &mut Fields) -> Result<BTreeMap<String, String>> {
    let all: Map<String, Value> = fields.take("metadata")?.unwrap_or_default();
    Ok(all.into_iter().map(|(name, value)| (name, value.to_string())).collect())
}

fn object<T: DeserializeOwned>(fields: &mut Fields, name: &str) -> Result<Option<T>> {
    fields.value(name).map(|value| read(fields, name, value)).transpose()
}

/// A message stands as an object; a list of its fields in order is not taken.
fn read<T: DeserializeOwned>(fields: &Fields, name: &str, value: Value) -> Result<T> {
    let message = Some(value).filter(Value::is_object).map(serde_json::from_value);
    let wrong = || fields.wrong(name, "the value is of another form");
    message.and_then(|read| read.ok()).ok_or_else(wrong)
}

impl std::fmt::Debug for Template {
    /// Says which fields are there; they may hold prompts and credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = [
            ("content", self.content.is_some()),
            ("context", self.context.is_some()),
            ("auth", self.auth.is_some()),
            ("transport_auth", self.transport_auth.is_some()),
            ("input_schema", !self.input_schema_json.is_empty()),
            ("output_schema", !self.output_schema_json.is_empty()),
            ("tools", !self.tools.is_empty()),
            ("metadata", !self.metadata_json.is_empty()),
        ];
        f.write_str("Template")?;
        f.debug_list().entries(names.iter().filter(|name| name.1).map(|name| name.0)).finish()
    }
}
