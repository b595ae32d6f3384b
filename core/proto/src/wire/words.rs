//! Closed sets that travel as their stable names, where behaviour depends on them.
//!
//! A name that this version does not know stays in the message; `of` reads it as the member that
//! allows least, `parse` refuses it.

use crate::error::{Error, Result};
use std::fmt;
use std::str::FromStr;

macro_rules! words {
    ($(
        $(#[$doc:meta])* $name:ident($field:literal) {
            $($(#[$inner:meta])* $word:ident = $text:literal,)*
        } unknown $unknown:ident
    )*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name { $($(#[$inner])* $word,)* }

        impl $name {
            /// Every member.
            pub const ALL: &[Self] = &[$(Self::$word),*];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$word => $text,)* }
            }

            /// Reads a name from a peer; an empty or unknown one counts as
            #[doc = concat!("`", stringify!($unknown), "`.")]
            pub fn of(name: &str) -> Self {
                match name { $($text => Self::$word,)* _ => Self::$unknown }
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                match text {
                    $($text => Ok(Self::$word),)*
                    _ => {
                        let names = [$($text),*].join(", ");
                        Err(Error::invalid($field, format!("expected one of {names}"))
                            .with_code("bad_word"))
                    }
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }
    )*};
}

words! {
    /// On which side of a call a span was recorded.
    CallSide("side") {
        /// By the node that asked.
        Made = "made",
        /// By the node that answered.
        Handled = "handled",
    } unknown Handled

    /// What may happen when a skill or a tool is asked twice.
    Effect("effect") {
        /// Nothing outside changes: may be repeated and asked elsewhere.
        Pure = "PURE",
        /// Twice is the same as once.
        Idempotent = "IDEMPOTENT",
        /// Never run it again unasked.
        AtMostOnce = "AT_MOST_ONCE",
    } unknown AtMostOnce

    /// Whether a skill costs tokens.
    Spends("spends") {
        /// No.
        None = "none",
        /// Yes.
        Tokens = "tokens",
    } unknown Tokens

    /// Who may reuse a skill's results.
    Share("share") {
        /// No one.
        No = "no",
        /// Members of the mesh.
        Mesh = "mesh",
        /// Anyone.
        Public = "public",
    } unknown No

    /// What a caller has to bring as a budget.
    GrantNeed("grant") {
        /// Nothing.
        None = "none",
        /// A grant is taken.
        Accepted = "accepted",
        /// No call without a grant.
        Required = "required",
    } unknown None

    /// What of a grant comes back when it ends.
    RefundPolicy("refund") {
        /// Nothing: the grant is the price.
        Never = "never",
        /// What the holder says it did not use.
        Signed = "signed",
        /// What the provider's own receipts do not show as used.
        Provider = "provider",
    } unknown Never

    /// What happens to a request that has lost the budget of the call it was made in.
    Orphans("orphans") {
        /// It is refused.
        Refuse = "refuse",
        /// It runs without a budget.
        Allow = "allow",
        /// It runs under a budget of its own.
        OwnBudget = "own_budget",
    } unknown Refuse

    /// Why a budget, or a part of it, was stopped.
    TripReason("reason") {
        /// Input tokens went over their limit.
        InputExceeded = "input_exceeded",
        /// Output tokens went over their limit.
        OutputExceeded = "output_exceeded",
        /// Input and output tokens went over their limits.
        InputAndOutputExceeded = "input_and_output_exceeded",
        /// The cost went over its limit.
        CostExceeded = "cost_exceeded",
        /// The number of calls went over its limit.
        CallsExceeded = "calls_exceeded",
        /// The time was over.
        WallTime = "wall_time",
        /// Calls were nested too deep.
        Depth = "depth",
        /// Too many calls were open at once.
        FanOut = "fan_out",
        /// Somebody who may asked for it.
        Operator = "operator",
        /// The grant above it ended.
        Parent = "parent",
        /// The issuer of the grant could not be heard in time.
        LeaseLost = "lease_lost",
    } unknown Operator

    /// Kind of content, for policy and for what an agent says it takes.
    ContentType("content_types") {
        /// Text.
        Text = "text",
        /// Pictures.
        Image = "image",
        /// Moving pictures.
        Video = "video",
        /// Sound.
        Audio = "audio",
        /// Data of applications, JSON among them.
        Application = "application",
        /// Anything else.
        Other = "other",
    } unknown Other

    /// How an agent takes context.
    ContextProtocol("context_protocol") {
        /// Not at all.
        None = "none",
        /// Pages and entries.
        Pcp = "pcp",
        /// Model Context Protocol.
        Mcp = "mcp",
        /// The model provider's own way.
        Provider = "provider",
    } unknown None

    /// Form of an agent's input.
    InputSchemaKind("input_schema_kind") {
        /// Text without form.
        PlainText = "plainText",
        /// JSON.
        Json = "json",
        /// XML.
        Xml = "xml",
        /// HTML.
        Html = "html",
        /// Comma-separated values.
        Csv = "csv",
        /// Tab-separated values.
        Tsv = "tsv",
        /// YAML.
        Yaml = "yaml",
        /// Markdown.
        Markdown = "markdown",
        /// Bytes.
        Bytes = "bytes",
        /// Another form.
        Other = "other",
        /// None at all.
        None = "none",
    } unknown Other

    /// Who speaks in a conversation.
    Role("role") {
        /// The person or agent that asks.
        User = "user",
        /// The one that answers.
        Assistant = "assistant",
        /// Instructions of the operator.
        System = "system",
        /// Instructions of the application.
        Developer = "developer",
        /// A tool's result.
        Tool = "tool",
    } unknown User

    /// What a streamed part is, once gathered.
    StreamKind("kind") {
        /// UTF-8 text.
        Text = "text",
        /// JSON.
        Data = "data",
        /// Bytes.
        Blob = "blob",
    } unknown Blob
}

impl ContentType {
    /// The kind of a media type (RFC 6838), by its top-level type.
    pub fn of_media_type(media_type: &str) -> Self {
        let top = media_type.split('/').next().unwrap_or_default();
        Self::of(top.trim().to_ascii_lowercase().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_unknown_ones_allow_least() {
        for effect in Effect::ALL {
            assert_eq!(effect.name().parse(), Ok(*effect));
            assert_eq!(Effect::of(effect.name()), *effect);
        }
        assert_eq!(Effect::of("SOMETIMES"), Effect::AtMostOnce);
        assert_eq!(Effect::of(""), Effect::AtMostOnce);
        let error = "pure".parse::<Effect>().unwrap_err();
        assert_eq!((error.code.as_str(), error.field.as_deref()), ("bad_word", Some("effect")));
    }

    #[test]
    fn media_types_fall_into_kinds() {
        let rows = [
            ("text/csv", ContentType::Text),
            ("IMAGE/png", ContentType::Image),
            ("application/json; charset=utf-8", ContentType::Application),
            ("", ContentType::Other),
            ("font/woff2", ContentType::Other),
        ];
        for (media_type, kind) in rows {
            assert_eq!(ContentType::of_media_type(media_type), kind, "{media_type}");
        }
    }
}
