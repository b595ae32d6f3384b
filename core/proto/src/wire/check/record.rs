//! Messages of `record.proto`.

use super::form::{at_most, bytes32, finite, optional_bytes32, optional_json};
use super::form::{required, texts};
use crate::error::{Error, Result};
use crate::identity::Name;
use crate::limits as l;
use crate::wire::decode::Checked;
use crate::wire::text::{check_id, check_text};
use crate::wire::v1;
use core::net::SocketAddr;

impl Checked for v1::SignedRecord {
    fn check(&self) -> Result<()> {
        Ok(())
    }
}

impl Checked for v1::Record {
    fn check(&self) -> Result<()> {
        check_text("kind", &self.kind)?;
        bytes32("key", &self.key)
    }
}

impl Checked for v1::Descriptor {
    fn check(&self) -> Result<()> {
        let folded: Name = self.name.parse()?;
        if folded.as_str() != self.name {
            return Err(Error::invalid("name", "expected a name in lower case"));
        }
        check_text("version", &self.version)?;
        at_most("skills", self.skills.len(), "DESCRIPTOR_SKILLS", l::DESCRIPTOR_SKILLS)?;
        self.skills.iter().try_for_each(Checked::check)?;
        if let Some(twice) = repeated(self.skills.iter().map(|skill| skill.id.as_str())) {
            return Err(Error::invalid("skills", format!("expected one skill {twice:?}")));
        }
        texts("tags", &self.tags)?;
        texts("groups", &self.groups)?;
        texts("zones", &self.zones)?;
        texts("tools", &self.tools)?;
        check_text("context_protocol", &self.context_protocol)?;
        check_text("input_schema_kind", &self.input_schema_kind)?;
        texts("content_types_in", &self.content_types_in)?;
        texts("content_types_out", &self.content_types_out)?;
        at_most("allowed_models", self.allowed_models.len(), "LIST_ITEMS", l::LIST_ITEMS)?;
        for (case, models) in &self.allowed_models {
            check_text("allowed_models", case)?;
            texts("allowed_models", &models.names)?;
        }
        optional_json("cost_hint", &self.cost_hint_json)?;
        optional_json("request_template", &self.request_template_json)?;
        for attestation in &self.attestations {
            bytes32("attestations.digest", &attestation.digest)?;
            bytes32("attestations.issuer", &attestation.issuer)?;
        }
        self.needs.as_ref().map_or(Ok(()), Checked::check)
    }
}

/// A text that comes a second time.
fn repeated<'a>(texts: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = std::collections::BTreeSet::new();
    let mut texts = texts;
    texts.find(|text| !seen.insert(*text))
}

impl Checked for v1::Needs {
    fn check(&self) -> Result<()> {
        texts("needs.auth_schemes", &self.auth_schemes)?;
        texts("needs.context_protocols", &self.context_protocols)?;
        texts("needs.content", &self.content)?;
        texts("needs.models", &self.models)?;
        texts("needs.tools", &self.tools)?;
        check_text("needs.grant", &self.grant)
    }
}

impl Checked for v1::Skill {
    fn check(&self) -> Result<()> {
        check_id("skills.id", &self.id)?;
        texts("skills.tags", &self.tags)?;
        let count = self.attributes.len();
        at_most("skills.attributes", count, "SKILL_ATTRIBUTES", l::SKILL_ATTRIBUTES)?;
        for (name, attribute) in &self.attributes {
            check_id("skills.attributes", name)?;
            attribute.check()?;
        }
        check_text("skills.effect", &self.effect)?;
        check_text("skills.spends", &self.spends)?;
        check_text("skills.share", &self.share)?;
        optional_bytes32("skills.document_digest", &self.document_digest)
    }
}

impl Checked for v1::Attribute {
    /// A value of a kind that is not known here passes: it matches no query.
    fn check(&self) -> Result<()> {
        use v1::attribute::Value;
        match &self.value {
            Some(Value::Text(text)) => super::form::long_text(ATTRIBUTES, text),
            Some(Value::Date(date)) => check_text(ATTRIBUTES, date),
            Some(Value::Number(number)) => finite(ATTRIBUTES, *number),
            Some(Value::Interval(interval)) => interval.check(),
            Some(Value::List(list)) => {
                at_most(ATTRIBUTES, list.items.len(), "ATTRIBUTE_ITEMS", l::ATTRIBUTE_ITEMS)?;
                let nested = |item: &Self| matches!(item.value, Some(Value::List(_)));
                if list.items.iter().any(nested) {
                    return Err(Error::invalid(ATTRIBUTES, "expected a list without lists"));
                }
                list.items.iter().try_for_each(Self::check)
            }
            Some(Value::Flag(_)) | None => Ok(()),
        }
    }
}

const ATTRIBUTES: &str = "skills.attributes";

impl Checked for v1::Interval {
    fn check(&self) -> Result<()> {
        use v1::interval::{High, Low};
        match (&self.low, &self.high) {
            (Some(Low::FromDate(from)), Some(High::ToDate(to))) => {
                check_text(ATTRIBUTES, from)?;
                check_text(ATTRIBUTES, to)
            }
            (Some(Low::FromNumber(from)), Some(High::ToNumber(to))) => {
                finite(ATTRIBUTES, *from)?;
                finite(ATTRIBUTES, *to)
            }
            _ => Err(Error::invalid(ATTRIBUTES, "expected two dates or two numbers")),
        }
    }
}

impl Checked for v1::SkillDocument {
    fn check(&self) -> Result<()> {
        check_id("skills.id", &self.id)?;
        optional_json("skills.input_schema", &self.input_schema_json)?;
        optional_json("skills.output_schema", &self.output_schema_json)?;
        optional_json("skills.cost_hint", &self.cost_hint_json)?;
        texts("skills.modes_in", &self.modes_in)?;
        texts("skills.modes_out", &self.modes_out)?;
        at_most("skills.examples", self.examples.len(), "LIST_ITEMS", l::LIST_ITEMS)?;
        self.examples.iter().try_for_each(|example| {
            optional_json("skills.examples", &example.input_json)?;
            optional_json("skills.examples", &example.output_json)
        })
    }
}

impl Checked for v1::Hosting {
    fn check(&self) -> Result<()> {
        bytes32("node_key", &self.node_key)?;
        bytes32("descriptor_digest", &self.descriptor_digest)?;
        check_text("health", &self.health)
    }
}

impl Checked for v1::NodeRecord {
    fn check(&self) -> Result<()> {
        at_most("addresses", self.addresses.len(), "NODE_ADDRESSES", l::NODE_ADDRESSES)?;
        if self.addresses.iter().any(|address| address.parse::<SocketAddr>().is_err()) {
            return Err(Error::invalid("addresses", "expected socket addresses"));
        }
        texts("relays", &self.relays)?;
        optional_bytes32("agents_digest", &self.agents_digest)?;
        optional_bytes32("mesh", &self.mesh)?;
        at_most("token", self.token.len(), "TOKEN_BYTES", l::TOKEN_BYTES)
    }
}

impl Checked for v1::Tombstone {
    fn check(&self) -> Result<()> {
        check_text("reason", &self.reason)?;
        optional_bytes32("agent", &self.agent)
    }
}

impl Checked for v1::AgentAnnouncement {
    fn check(&self) -> Result<()> {
        required("hosting", self.hosting.as_ref()).map(|_| ())
    }
}

impl Checked for v1::NodeAnnouncement {
    fn check(&self) -> Result<()> {
        required("node", self.node.as_ref())?;
        at_most("agents", self.agents.len(), "MEMBER_RECORDS", l::MEMBER_RECORDS)?;
        self.agents.iter().try_for_each(Checked::check)
    }
}
