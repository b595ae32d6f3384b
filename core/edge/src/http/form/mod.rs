//! JSON forms: those of the language contract, with the bytes of blobs inside as base64.
//!
//! Owns: what a request may say and what an answer looks like; the OpenAPI document is made from
//! the same types. Must not know: HTTP. Tested beside the code and against the document.

mod content;
mod listing;
mod reply;
mod request;

pub(super) use content::ContentForm;
pub(super) use listing::{AgentForm, ListForm};
pub(super) use reply::{ErrorForm, ItemForm, ReplyForm, item, reply};
pub(super) use request::{RequestForm, request};
