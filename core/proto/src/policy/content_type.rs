//! Rules about content types: a coarse class, or a media type where one is named.

use crate::error::{Error, Result};
use crate::wire::v1::{Part, part};
use crate::wire::words::ContentType;
use std::str::FromStr;

/// What a rule or an advertisement names: a class, `class/*`, a media type, or `*/*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MediaRule {
    /// Anything.
    Any,
    /// Any media type of a class.
    Class(ContentType),
    /// One media type, lower case, without parameters.
    Exact(String),
}

impl MediaRule {
    /// True when a part of `media_type` falls under the rule.
    pub fn takes(&self, media_type: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Class(class) => ContentType::of_media_type(media_type) == *class,
            Self::Exact(exact) => essence(media_type) == *exact,
        }
    }

    /// True when some media type falls under both rules.
    pub fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) | (_, Self::Any) => true,
            (Self::Class(a), Self::Class(b)) => a == b,
            (Self::Exact(exact), rule) | (rule, Self::Exact(exact)) => rule.takes(exact),
        }
    }
}

impl FromStr for MediaRule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text == "*/*" || text == "*" {
            return Ok(Self::Any);
        }
        if let Ok(class) = text.parse() {
            return Ok(Self::Class(class));
        }
        let essence = essence(text);
        let Some((class, subtype)) = essence.split_once('/') else {
            return Err(wrong());
        };
        if class.is_empty() || subtype.is_empty() || text.len() > 255 {
            return Err(wrong());
        }
        if subtype != "*" {
            return Ok(Self::Exact(essence));
        }
        class.parse().map(Self::Class).map_err(|_| wrong())
    }
}

fn wrong() -> Error {
    Error::invalid("contentType", "expected a content type or a media type such as image/png")
}

fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Media type of a part; empty when it says nothing about itself.
pub(crate) fn media_type(part: &Part) -> &str {
    match &part.kind {
        None => "",
        Some(part::Kind::Text(_)) => "text/plain",
        Some(part::Kind::DataJson(_)) => "application/json",
        Some(part::Kind::Blob(blob)) => &blob.media_type,
        Some(part::Kind::Uri(uri)) => &uri.media_type,
        Some(part::Kind::Stream(stream)) => match stream.kind.as_str() {
            "text" => "text/plain",
            "data" => "application/json",
            _ => &stream.media_type,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_take_classes_and_single_types() {
        for (rule, media_type, takes) in [
            ("text", "text/csv", true),
            ("text/*", "text/csv", true),
            ("text/plain", "text/csv", false),
            ("image/png", "Image/PNG;x=1", true),
            ("*/*", "", true),
            ("other", "", true),
            ("text", "", false),
        ] {
            assert_eq!(rule.parse::<MediaRule>().unwrap().takes(media_type), takes, "{rule}");
        }
        for bad in ["", "pictures", "/png", "image/", "font/*"] {
            assert!(bad.parse::<MediaRule>().is_err(), "{bad}");
        }
    }
}
