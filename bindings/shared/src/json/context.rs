//! The JSON form of a context: what is known beside what is asked.
//!
//! Owns: entries, pages and history in both directions. Must not know how context is used.
//! Tested through the public functions.

use crate::json::content::{Intake, PartIn, checked};
use crate::json::parse;
use crate::json::shown::{Outlet, PartOut};
use hubless::call::body::Bodies;
use hubless_proto::wire::v1::{self, context_entry::Value};
use hubless_proto::{Error, error::Result};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;

/// A context as a host gives it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ContextIn {
    #[serde(default)]
    entries: Vec<EntryIn>,
    #[serde(default)]
    pages: Vec<PageIn>,
    #[serde(default)]
    history: Vec<PartIn>,
    #[serde(default)]
    explanation: String,
    #[serde(default)]
    descriptions: BTreeMap<String, String>,
    reference: Option<v1::ContextReference>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct EntryIn {
    key: String,
    text: Option<String>,
    #[serde(default, deserialize_with = "parse::present")]
    data: Option<Box<RawValue>>,
    #[serde(default)]
    weight: f64,
    #[serde(default)]
    links: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PageIn {
    name: String,
    #[serde(default)]
    entries: Vec<EntryIn>,
}

impl ContextIn {
    /// Turns it into a message; blobs of the history are taken from the attachments.
    ///
    /// # Errors
    /// `invalid_argument` with the field.
    pub(crate) fn into_wire(self, intake: &mut Intake<'_>) -> Result<v1::Context> {
        let history = self.history.into_iter().map(|part| intake.part(part));
        Ok(v1::Context {
            entries: entries(self.entries)?,
            pages: self
                .pages
                .into_iter()
                .map(|p| Ok(v1::ContextPage { name: p.name, entries: entries(p.entries)? }))
                .collect::<Result<_>>()?,
            history: history.collect::<Result<_>>()?,
            explanation: self.explanation,
            descriptions: self.descriptions,
            reference: self.reference,
        })
    }
}

fn entries(entries: Vec<EntryIn>) -> Result<Vec<v1::ContextEntry>> {
    entries.into_iter().map(entry).collect()
}

fn entry(entry: EntryIn) -> Result<v1::ContextEntry> {
    let value = match (entry.text, entry.data) {
        (Some(text), None) => Value::Text(text),
        (None, Some(data)) => Value::DataJson(checked(&data)?),
        (Some(_), Some(_)) | (None, None) => {
            return Err(Error::invalid("context.entries", "expected either text or data"));
        }
    };
    Ok(v1::ContextEntry {
        key: entry.key,
        value: Some(value),
        weight: entry.weight,
        links: entry.links,
    })
}

/// A context as a host sees it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContextOut {
    entries: Vec<EntryOut>,
    pages: Vec<PageOut>,
    history: Vec<PartOut>,
    #[serde(skip_serializing_if = "String::is_empty")]
    explanation: String,
    descriptions: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct EntryOut {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    weight: f64,
    links: Vec<String>,
}

#[derive(Serialize)]
struct PageOut {
    name: String,
    entries: Vec<EntryOut>,
}

impl ContextOut {
    /// Shows a context; `outlet` takes the blobs of its history.
    ///
    /// # Errors
    /// `json` for data that is none.
    pub(crate) fn new(context: v1::Context, outlet: &mut Outlet<'_>) -> Result<Self> {
        let history = context.history.into_iter();
        Ok(Self {
            entries: shown(context.entries, outlet)?,
            pages: context
                .pages
                .into_iter()
                .map(|p| Ok(PageOut { name: p.name, entries: shown(p.entries, outlet)? }))
                .collect::<Result<_>>()?,
            history: history
                .map(|part| outlet.part(part, &mut Bodies::none()))
                .collect::<Result<_>>()?,
            explanation: context.explanation,
            descriptions: context.descriptions,
        })
    }
}

fn shown(entries: Vec<v1::ContextEntry>, outlet: &Outlet<'_>) -> Result<Vec<EntryOut>> {
    entries
        .into_iter()
        .map(|entry| {
            let (text, data) = match entry.value {
                Some(Value::Text(text)) => (Some(text), None),
                Some(Value::DataJson(data)) => (None, Some(outlet.data("context", data)?)),
                None => (None, None),
            };
            Ok(EntryOut { key: entry.key, text, data, weight: entry.weight, links: entry.links })
        })
        .collect()
}
