//! Messages of `message.proto`: requests, events, rejections.

use super::form::{at_most, bytes32, exactly, json_map, long_text, optional_bytes32};
use super::form::{optional_id, optional_json, present, required, texts};
use crate::error::{Error, Kind, Result};
use crate::identity::AgentId;
use crate::limits as l;
use crate::wire::decode::Checked;
use crate::wire::json_text::check_json;
use crate::wire::text::{check_id, check_secret, check_text};
use crate::wire::v1;

impl Checked for v1::Request {
    fn check(&self) -> Result<()> {
        exactly("id", &self.id, 16)?;
        if self.attempt > u32::from(u16::MAX) {
            return Err(Error::invalid("attempt", "expected at most 65535"));
        }
        self.check_parties()?;
        optional_id("skill", &self.skill)?;
        self.content.as_ref().map_or(Ok(()), Checked::check)?;
        self.accept.as_ref().map_or(Ok(()), Checked::check)?;
        self.auth.as_ref().map_or(Ok(()), Checked::check)?;
        self.transport_auth.as_ref().map_or(Ok(()), Checked::check)?;
        self.provider.as_ref().map_or(Ok(()), Checked::check)?;
        self.context.as_ref().map_or(Ok(()), Checked::check)?;
        self.check_tools()?;
        optional_json("input_schema", &self.input_schema_json)?;
        optional_json("output_schema", &self.output_schema_json)?;
        self.check_terms()?;
        json_map("metadata", &self.metadata_json)?;
        self.check_extensions()
    }
}

impl v1::Request {
    /// Who is concerned: keys are keys, and there are not too many.
    fn check_parties(&self) -> Result<()> {
        bytes32("to", &self.to)?;
        check_text("to_name", &self.to_name)?;
        optional_bytes32("from", &self.from)?;
        check_text("edge", &self.edge)?;
        if !self.return_to.is_empty() {
            let message = "expected the id of an agent";
            let id = self.return_to.parse::<AgentId>();
            id.map_err(|_| Error::invalid("return_to", message))?;
        }
        hops("task_path", self.task_path.len(), "TASK_HOPS", l::TASK_HOPS)?;
        self.task_path.iter().try_for_each(|agent| bytes32("task_path", agent))?;
        let (limit, bound) = ("CALL_DEPTH", l::CALL_DEPTH as usize);
        hops("ancestors", self.ancestors.len(), limit, bound)?;
        self.ancestors.iter().try_for_each(|agent| bytes32("ancestors", agent))
    }

    fn check_tools(&self) -> Result<()> {
        at_most("tools", self.tools.len(), "REQUEST_TOOLS", l::REQUEST_TOOLS)?;
        let mut seen = std::collections::BTreeSet::new();
        for tool in &self.tools {
            tool.check()?;
            if !seen.insert(tool.name.as_str()) {
                return Err(Error::invalid("tools", format!("expected one tool {:?}", tool.name)));
            }
        }
        Ok(())
    }

    /// Under which terms: ids of the caller, time, budget, policy, trace.
    fn check_terms(&self) -> Result<()> {
        let id = self.conversation_id.len();
        at_most("conversation_id", id, "CONVERSATION_ID_BYTES", l::CONVERSATION_ID_BYTES)?;
        optional_id("conversation_id", &self.conversation_id)?;
        let key = self.idempotency_key.len();
        at_most("idempotency_key", key, "IDEMPOTENCY_KEY_BYTES", l::IDEMPOTENCY_KEY_BYTES)?;
        check_text("idempotency_key", &self.idempotency_key)?;
        check_text("effect", &self.effect)?;
        let bound = u64::try_from(l::DEADLINE_MAX.as_millis()).unwrap_or(u64::MAX);
        if self.deadline_ms.max(self.total_ms.unwrap_or(0)) > bound {
            let message = format!("expected a deadline of at most {bound} ms");
            return Err(Error::invalid("deadline", message).with_limit("DEADLINE_MAX", bound));
        }
        at_most("grant", self.grant.len(), "TOKEN_BYTES", l::TOKEN_BYTES)?;
        if let Some(policy) = &self.data_policy {
            texts("data_policy.zones_allowed", &policy.zones_allowed)?;
        }
        if let Some(trace) = &self.trace {
            check_text("trace.traceparent", &trace.traceparent)?;
            check_text("trace.tracestate", &trace.tracestate)?;
            long_text("trace.baggage", &trace.baggage)?;
        }
        Ok(())
    }

    /// A critical extension is one that must be understood, and this version knows none.
    fn check_extensions(&self) -> Result<()> {
        json_map("extensions", &self.extensions_json)?;
        let Some(unknown) = self.critical_extensions.first() else { return Ok(()) };
        let unknown = crate::wire::text::excerpt(unknown);
        let message = format!("expected no critical extension, got {unknown}");
        Err(Error::new(Kind::Unsupported, message)
            .with_code("extension")
            .with_field("critical_extensions"))
    }
}

fn hops(field: &str, length: usize, limit: &str, bound: usize) -> Result<()> {
    if length <= bound {
        return Ok(());
    }
    let code = if limit == "CALL_DEPTH" { "depth" } else { "hops" };
    Err(Error::new(Kind::HopLimit, format!("expected at most {bound}, got {length}"))
        .with_code(code)
        .with_field(field)
        .with_limit(limit, bound as u64))
}

impl Checked for v1::Accept {
    fn check(&self) -> Result<()> {
        texts("accept.media_types", &self.media_types)?;
        texts("accept.context_protocols", &self.context_protocols)?;
        texts("accept.models", &self.models)
    }
}

impl Checked for v1::Auth {
    fn check(&self) -> Result<()> {
        check_text("auth.scheme", &self.scheme)?;
        long_text("auth.secret", &self.secret)?;
        check_secret("auth.secret", &self.secret)
    }
}

impl Checked for v1::ProviderKey {
    fn check(&self) -> Result<()> {
        at_most("provider.key", self.key.len(), "KEY_TEXT_BYTES", l::KEY_TEXT_BYTES)?;
        long_text("provider.key", &self.key)?;
        bytes32("provider.signer", &self.signer)
    }
}

impl Checked for v1::Tool {
    fn check(&self) -> Result<()> {
        check_id("tools.name", &self.name)?;
        long_text("tools.description", &self.description)?;
        optional_json("tools.input_schema", &self.input_schema_json)?;
        optional_json("tools.output_schema", &self.output_schema_json)?;
        check_text("tools.effect", &self.effect)
    }
}

impl Checked for v1::Event {
    fn check(&self) -> Result<()> {
        use v1::event::Kind;
        match present("event", self.kind.as_ref())? {
            Kind::Accepted(_) => Ok(()),
            Kind::Progress(progress) => progress.check(),
            Kind::Chunk(chunk) => required("chunk.part", chunk.part.as_ref())?.check(),
            Kind::ToolCall(call) => call.check(),
            Kind::InputRequired(input) => {
                input.prompt.as_ref().map_or(Ok(()), Checked::check)?;
                optional_json("input.schema", &input.schema_json)
            }
            Kind::Final(last) => last.check(),
            Kind::Rejection(rejection) => rejection.check(),
        }
    }
}

impl Checked for v1::Progress {
    fn check(&self) -> Result<()> {
        long_text("progress.note", &self.note)?;
        match self.fraction {
            Some(fraction) if !(0.0..=1.0).contains(&fraction) => {
                Err(Error::invalid("progress.fraction", "expected 0 to 1"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Checked for v1::ToolCall {
    fn check(&self) -> Result<()> {
        check_id("tool_call.name", &self.name)?;
        check_json("tool_call.arguments", &self.arguments_json)
    }
}

impl Checked for v1::Final {
    fn check(&self) -> Result<()> {
        self.content.as_ref().map_or(Ok(()), Checked::check)?;
        let models = self.usage.iter().flat_map(|usage| usage.by_model.keys());
        models.into_iter().try_for_each(|model| check_id("usage.by_model", model))
    }
}

impl Checked for v1::ToolResult {
    fn check(&self) -> Result<()> {
        answer("tool_result", self.content.as_ref(), self.error.as_ref())
    }
}

impl Checked for v1::Input {
    fn check(&self) -> Result<()> {
        answer("input", self.content.as_ref(), self.error.as_ref())
    }
}

/// What came back to the callee: content or an error, not both.
fn answer(field: &str, content: Option<&v1::Content>, error: Option<&v1::Rejection>) -> Result<()> {
    match (content, error) {
        (Some(content), None) => content.check(),
        (None, Some(error)) => error.check(),
        _ => Err(Error::invalid(field, "expected content or an error")),
    }
}

impl Checked for v1::Room {
    fn check(&self) -> Result<()> {
        present("room", self.room.as_ref()).map(drop)
    }
}

impl Checked for v1::Rejection {
    fn check(&self) -> Result<()> {
        check_id("rejection.kind", &self.kind)?;
        optional_id("rejection.code", &self.code)?;
        long_text("rejection.reason", &self.reason)?;
        check_text("rejection.field", &self.field)?;
        if let Some(limit) = &self.limit {
            optional_id("rejection.limit", &limit.name)?;
        }
        optional_bytes32("rejection.origin", &self.origin)?;
        check_text("rejection.trace_id", &self.trace_id)?;
        long_text("rejection.pointer", self.pointer.as_deref().unwrap_or_default())?;
        texts("rejection.candidates", &self.candidates)
    }
}
