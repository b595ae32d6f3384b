//! From the options of a request to the message, checked and with its parent's bounds.

use super::funds::Funds;
use super::lifecycle::Inner;
use super::request::{RequestOptions, RetryPolicy, Target};
use super::resolve::Sight;
use crate::call::body::Bodies;
use crate::call::content;
use crate::call::handle::Parent;
use crate::call::trace;
use crate::chance;
use crate::foreign::{InputHost, ToolHost};
use crate::schemas;
use crate::spans::SpanId;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::AgentId;
use hubless_proto::killswitch::RedeemCode;
use hubless_proto::limits;
use hubless_proto::policy::{Caller, Effect};
use hubless_proto::template::Template;
use hubless_proto::wire::decode::Checked;
use hubless_proto::wire::v1;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// A request without its callee.
pub(super) struct Prepared {
    pub(super) to: Target,
    /// What the caller says; what a callee leaves open is filled in for each.
    pub(super) request: v1::Request,
    pub(super) bodies: Bodies,
    pub(super) from: Option<AgentId>,
    /// What the caller says about repeating; none: as the skill says.
    pub(super) effect: Option<Effect>,
    pub(super) retry: RetryPolicy,
    pub(super) wait: Duration,
    pub(super) timeout: Duration,
    pub(super) total_deadline: Option<Instant>,
    pub(super) parent: Option<Parent>,
    /// The span above its attempts; none: the trace begins with them.
    pub(super) above: Option<SpanId>,
    /// What pays for it; none: it has no budget.
    pub(super) funds: Option<Arc<Funds>>,
    /// What pays for it once it is redeemed.
    pub(super) redeem: Option<RedeemCode>,
    pub(super) tool_host: Option<Arc<dyn ToolHost>>,
    pub(super) input_host: Option<Arc<dyn InputHost>>,
    /// Named by the caller, not yet filled in: the callee's own comes before it.
    template: Option<Template>,
}

impl Prepared {
    /// When what begins now is over at the latest, if nothing is heard.
    pub(super) fn deadline(&self) -> Instant {
        let silence = Instant::now() + self.timeout;
        self.total_deadline.map_or(silence, |total| total.min(silence))
    }

    /// Says in a request that leaves now how much time is left. A child is told no more than the
    /// call that it belongs to has.
    pub(super) fn time(&self, request: &mut v1::Request) {
        let now = Instant::now();
        let left = |at: Instant| at.saturating_duration_since(now);
        let of_parent = self.parent.as_ref().map(|parent| left(parent.core().deadline()));
        let timeout = of_parent.map_or(self.timeout, |most| self.timeout.min(most));
        request.deadline_ms = millis(timeout);
        request.total_ms = self.total_deadline.map(|at| millis(left(at)));
    }

    /// Which agents it may see.
    pub(super) fn sight(&self) -> Sight {
        if self.request.edge.is_empty() { Sight::All } else { Sight::External }
    }

    /// Fills what is open from the template that the caller named.
    ///
    /// # Errors
    /// As for a request of the caller's own: what it makes is beyond a bound of the wire.
    pub(super) fn fill_named(&self, request: &mut v1::Request) -> Result<()> {
        let Some(template) = &self.template else { return Ok(()) };
        template.fill(request);
        check(request)
    }
}

/// Checks everything that does not depend on the callee.
pub(super) fn prepare(inner: &Inner, mut options: RequestOptions) -> Result<Prepared> {
    let now = Instant::now();
    let mut timeout = bounded("timeoutMs", options.timeout_ms)?.unwrap_or(limits::DEADLINE);
    let mut total_deadline = bounded("totalMs", options.total_ms)?.map(|total| now + total);
    if let Some(parent) = &options.parent {
        if parent.is_over() {
            return Err(Error::new(Kind::Cancelled, "the call that this one belongs to is over"));
        }
        let core = parent.core();
        let left = core.deadline().saturating_duration_since(now);
        timeout = timeout.min(left);
        total_deadline = total_deadline.into_iter().chain(core.info.total_deadline).min();
    }
    if options.retry.attempts > limits::RETRY_ATTEMPTS {
        let most = limits::RETRY_ATTEMPTS;
        return Err(Error::invalid("retry.attempts", format!("expected at most {most}"))
            .with_limit("RETRY_ATTEMPTS", u64::from(most)));
    }
    let effect = options.effect.as_deref().map(Effect::of_field).transpose()?;
    let own = inner.mesh.node_key();
    // An agent of another node of this process is none of this one's.
    let parent = options.parent.as_ref().filter(|parent| parent.core().info.node == own);
    let from = options.from.or_else(|| parent.map(Parent::agent));
    let from = from.filter(|_| options.edge.is_none());
    let edge = options.edge.as_ref();
    edge.map_or(Ok(()), |edge| Caller::edge(inner.engine.node(), edge).map(drop))?;
    let wait = options.wait_ms.map_or(limits::FIND_WAIT, Duration::from_millis);
    let bodies = std::mem::take(&mut options.content.bodies);
    let prepared = Prepared {
        to: std::mem::take(&mut options.to),
        bodies,
        from,
        effect,
        retry: std::mem::take(&mut options.retry),
        wait: wait.min(limits::DEADLINE_MAX),
        timeout,
        total_deadline,
        parent: options.parent.take(),
        above: None,
        funds: None,
        redeem: options.redeem.take(),
        tool_host: options.tool_host.take(),
        input_host: options.input_host.take(),
        template: options.template.take().map(|name| inner.templates.named(&name)).transpose()?,
        request: v1::Request::default(),
    };
    let return_to = inner.return_address(&options.return_to)?;
    let continued = options.trace.is_some() || prepared.parent.is_some();
    let mut request = message(inner, &prepared, options)?;
    let above = request.trace.as_ref().filter(|_| continued).and_then(trace::span_id);
    request.return_to = return_to;
    check(&mut request)?;
    Ok(Prepared { request, above, ..prepared })
}

fn message(inner: &Inner, prepared: &Prepared, options: RequestOptions) -> Result<v1::Request> {
    let core = prepared.parent.as_ref().map(Parent::core);
    let ancestors = core.map(|core| {
        let mut ancestors = core.info.request.ancestors.clone();
        ancestors.push(core.info.agent.to_wire());
        ancestors
    });
    let given = options.trace.as_ref();
    given.map_or(Ok(()), trace::check)?;
    let trace = given.cloned().or_else(|| core.map(|core| core.info.trace.clone()));
    let critical = options.extensions.iter();
    let critical = critical.filter(|(_, value)| value.get("critical") == Some(&Value::Bool(true)));
    Ok(v1::Request {
        id: bytes::Bytes::copy_from_slice(&chance::bytes::<16>()),
        critical_extensions: critical.map(|(name, _)| name.clone()).collect(),
        from: prepared.from.map(|from| from.to_wire()).unwrap_or_default(),
        skill: options.skill,
        content: Some(options.content.message),
        accept: options.accept,
        auth: options.auth,
        transport_auth: options.transport_auth,
        context: options.context,
        conversation_id: options.conversation_id,
        tools: options.tools,
        input_schema_json: schema("inputSchema", options.input_schema.as_ref())?,
        output_schema_json: schema("outputSchema", options.output_schema.as_ref())?,
        effect: prepared.effect.map(|effect| effect.name().to_owned()).unwrap_or_default(),
        idempotency_key: options.idempotency_key,
        deadline_ms: millis(prepared.timeout),
        depth: core.map_or(0, |core| core.info.request.depth.saturating_add(1)),
        data_policy: options.data_policy,
        trace: trace.or_else(|| Some(trace::begin(inner.engine.spans().flags()).0)),
        metadata_json: texts(options.metadata),
        extensions_json: texts(options.extensions),
        ancestors: ancestors.unwrap_or_default(),
        edge: options.edge.unwrap_or_default(),
        ..v1::Request::default()
    })
}

/// The bounds of the wire, as faults of the caller's own arguments.
fn check(request: &mut v1::Request) -> Result<()> {
    for (field, text, limit, most) in [
        (
            "conversationId",
            &request.conversation_id,
            "CONVERSATION_ID_BYTES",
            limits::CONVERSATION_ID_BYTES,
        ),
        (
            "idempotencyKey",
            &request.idempotency_key,
            "IDEMPOTENCY_KEY_BYTES",
            limits::IDEMPOTENCY_KEY_BYTES,
        ),
    ] {
        if text.len() > most {
            return Err(Error::invalid(field, format!("expected at most {most} bytes"))
                .with_limit(limit, most as u64));
        }
    }
    for tool in &request.tools {
        if !tool.input_schema_json.is_empty() {
            schemas::compiled(&tool.input_schema_json)
                .map_err(|error| Error::invalid("tools", error.message).with_code("bad_schema"))?;
        }
    }
    if request.depth > limits::CALL_DEPTH {
        return Err(Error::refusal(Kind::HopLimit, "depth", "calls are nested too deep")
            .with_limit("CALL_DEPTH", u64::from(limits::CALL_DEPTH)));
    }
    // The callee is chosen later, and large parts are streamed then.
    let content = request.content.take();
    request.to = bytes::Bytes::from_static(&[0; 32]);
    let checked = request.check().and_then(|()| content.as_ref().map_or(Ok(()), content::check));
    request.content = content;
    checked.map_err(|mut error| {
        error.field = error.field.as_deref().map(camel);
        error
    })
}

fn bounded(field: &str, ms: Option<u64>) -> Result<Option<Duration>> {
    let most = millis(limits::DEADLINE_MAX);
    match ms {
        Some(0) => Err(Error::invalid(field, "expected more than 0 ms")),
        Some(ms) if ms > most => Err(Error::invalid(field, format!("expected at most {most} ms"))
            .with_limit("DEADLINE_MAX", most)),
        given => Ok(given.map(Duration::from_millis)),
    }
}

fn schema(field: &str, schema: Option<&Value>) -> Result<String> {
    let Some(schema) = schema else { return Ok(String::new()) };
    let text = schema.to_string();
    schemas::compiled(&text)
        .map_err(|error| Error::invalid(field, error.message).with_code("bad_schema"))?;
    Ok(text)
}

fn texts(values: Map<String, Value>) -> BTreeMap<String, String> {
    values.into_iter().map(|(name, value)| (name, value.to_string())).collect()
}

/// Whole milliseconds, at least 1.
pub(super) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX).max(1)
}

fn camel(field: &str) -> String {
    let mut upper = false;
    let mut name = String::with_capacity(field.len());
    for letter in field.chars() {
        match letter {
            '_' => upper = true,
            letter if upper => {
                name.push(letter.to_ascii_uppercase());
                upper = false;
            }
            letter => name.push(letter),
        }
    }
    name
}
