//! Named templates of requests, and what a callee's own template adds.

use crate::engine::lock;
use hubless_proto::error::Result;
use hubless_proto::template::{self, Template};
use hubless_proto::wire::v1;
use serde_json::Value;
use std::sync::Mutex;

/// Named templates of requests; kept in memory.
///
/// ```
/// use hubless::node::Templates;
/// use serde_json::json;
///
/// let templates = Templates::default();
/// templates.set("polite", json!({"metadata": {"tone": "polite"}}))?;
/// assert_eq!(templates.list(), ["polite"]);
/// assert!(templates.set("bad", json!({"deadline": 5})).is_err(), "a template holds no deadline");
/// # Ok::<(), hubless::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct Templates {
    all: Mutex<template::Templates>,
}

impl Templates {
    /// Keeps a template: content, context, auth, schemas, tools, metadata in the JSON form of a
    /// request.
    ///
    /// # Errors
    /// `invalid_argument` naming a field that a template cannot hold; `too_large` beyond 1,000.
    pub fn set(&self, name: &str, template: Value) -> Result<()> {
        lock(&self.all).set(name, Template::read(template)?)
    }

    /// Forgets one; true: there was one.
    pub fn remove(&self, name: &str) -> bool {
        lock(&self.all).remove(name)
    }

    /// Their names, in order.
    pub fn list(&self) -> Vec<String> {
        lock(&self.all).names().map(str::to_owned).collect()
    }

    /// A copy, so that its use never changes what is kept.
    pub(super) fn named(&self, name: &str) -> Result<Template> {
        lock(&self.all).named(name).cloned()
    }
}

/// A callee's own template holds content, context and schemas; what it adds is marked.
pub(super) fn fill_of_callee(request: &mut v1::Request, callee: &v1::Descriptor) {
    if callee.request_template_json.is_empty() {
        return;
    }
    let value = serde_json::from_str::<Value>(&callee.request_template_json);
    let template = value.ok().and_then(|value| Template::read_of_callee(value).ok());
    match template {
        Some(template) => template.fill_of_callee(request),
        None => tracing::debug!(agent = %callee.name, "its template is not of a known form"),
    }
}
