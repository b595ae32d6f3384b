//! What a handler asks its caller.

use super::body::Bodies;
use super::content::Content;
use hubless_proto::wire::v1::{self, event};

/// What a handler asks its caller.
pub(crate) enum Question {
    /// To run an offered tool.
    Tool { name: String, arguments_json: String },
    /// To answer a prompt.
    Input { prompt: Content, schema_json: String },
}

impl Question {
    /// The event that asks it.
    pub(super) fn event(self, id: u64) -> (event::Kind, Bodies) {
        match self {
            Self::Tool { name, arguments_json } => {
                (event::Kind::ToolCall(v1::ToolCall { id, name, arguments_json }), Bodies::none())
            }
            Self::Input { prompt, schema_json } => {
                let Content { message, bodies } = prompt;
                let asked = v1::InputRequired { id, prompt: Some(message), schema_json };
                (event::Kind::InputRequired(asked), bodies)
            }
        }
    }
}
