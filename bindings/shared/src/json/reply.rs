//! The JSON form of answers: replies and the items of a stream.

use crate::json::error::ErrorJson;
use crate::json::shown::{ContentOut, Outlet, Value, ValuedPart};
use hubless::call::content::Content;
use hubless::node::{Answerer, Path, Reply, Response, StreamItem, TimingForm, UsageForm};
use hubless_proto::Error;
use hubless_proto::error::Result;
use serde::Serialize;

/// An answer as a host sees it.
#[derive(Serialize)]
pub(crate) struct ReplyOut {
    value: Option<Value>,
    text: String,
    content: ContentOut,
    usage: UsageForm,
    timing: TimingForm,
    agent: Answerer,
    path: Path,
    attempts: u32,
    #[serde(rename = "traceId")]
    trace_id: String,
}

impl ReplyOut {
    /// Shows an answer.
    ///
    /// # Errors
    /// As `Outlet::content`.
    pub(crate) fn new(reply: Reply, outlet: &mut Outlet<'_>) -> Result<Self> {
        let Content { message, mut bodies } = reply.content;
        let content = outlet.content(message, &mut bodies)?;
        Ok(Self {
            value: content.value.clone(),
            text: content.text.clone(),
            content,
            usage: reply.usage.into(),
            timing: reply.timing.into(),
            agent: reply.agent,
            path: reply.path,
            attempts: reply.attempts,
            trace_id: reply.trace_id.to_string(),
        })
    }
}

/// What `send` gives.
#[derive(Serialize)]
pub(crate) struct ResponseOut {
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<ReplyOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<ErrorJson>,
    usage: UsageForm,
}

impl ResponseOut {
    /// Shows an answer or a refusal.
    ///
    /// # Errors
    /// As `Outlet::content`.
    pub(crate) fn new(response: Response, outlet: &mut Outlet<'_>) -> Result<Self> {
        let output = response.output.map(|reply| ReplyOut::new(reply, outlet)).transpose()?;
        let rejection = response.rejection.map(ErrorJson);
        Ok(Self { output, rejection, usage: response.usage.into() })
    }
}

/// One item of a streamed answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum ItemOut {
    Accepted(bool),
    Progress {
        note: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        fraction: Option<f64>,
    },
    Chunk {
        part: ValuedPart,
        append: bool,
    },
    Final(Box<ReplyOut>),
}

impl ItemOut {
    /// Shows an item.
    ///
    /// # Errors
    /// As `Outlet::content`.
    pub(crate) fn new(item: StreamItem, outlet: &mut Outlet<'_>) -> Result<Self> {
        Ok(match item {
            StreamItem::Accepted => Self::Accepted(true),
            StreamItem::Progress { note, fraction } => Self::Progress { note, fraction },
            StreamItem::Chunk { content, append } => {
                let Content { mut message, mut bodies } = content;
                let part = message.parts.pop();
                let part = part.ok_or_else(|| Error::invalid("chunk", "expected a part"))?;
                Self::Chunk { part: outlet.valued(part, &mut bodies)?, append }
            }
            StreamItem::Final(reply) => Self::Final(Box::new(ReplyOut::new(*reply, outlet)?)),
        })
    }
}
