//! What no request may be, and whether this caller may ask at all.

use crate::error::{Error, Kind, Result};
use crate::identity::AgentId;
use crate::limits as bounds;
use crate::policy::{Caller, CallerKind, Policy, Rates};
use crate::wire::v1;

/// Refuses what no agent takes: calls nested too deep, extensions that must be understood, and
/// tasks that were handed on.
///
/// # Errors
/// `hop_limit`, code `depth`; `unsupported`, codes `extension` and `task_path`.
pub fn limits(request: &v1::Request) -> Result<()> {
    if request.depth > bounds::CALL_DEPTH {
        let message = "the calls are nested too deep";
        return Err(Error::refusal(Kind::HopLimit, "depth", message)
            .with_field("depth")
            .with_limit("CALL_DEPTH", u64::from(bounds::CALL_DEPTH)));
    }
    // No extension is known to this version, so each critical one is unknown.
    if !request.critical_extensions.is_empty() {
        let message = "the request needs an extension that is not known here";
        return Err(
            Error::refusal(Kind::Unsupported, "extension", message).with_field("extensions")
        );
    }
    // Only a task that was handed on has a path; run as a plain call it would escape its own rules.
    if !request.task_path.is_empty() {
        let message = "tasks are not handed on by this version: expected no path";
        return Err(Error::refusal(Kind::Unsupported, "task_path", message).with_field("taskPath"));
    }
    Ok(())
}

/// Refuses a caller, or a call, that the agent does not take.
///
/// # Errors
/// `denied`: codes `external`, `caller`, `data_policy`; `unsupported` for kinds of caller that this
/// version does not serve; `cycle`.
pub fn admission(policy: &Policy, caller: &Caller, request: &v1::Request) -> Result<()> {
    caller_kind(policy, caller)?;
    let allowed = policy.requirements().allowed_callers.as_ref();
    if allowed.is_some_and(|allowed| !allowed.takes(caller)) {
        let message = "the agent does not take this caller: its allowedCallers have to name it";
        return Err(denied("caller", message));
    }
    data_policy(policy.descriptor(), request)?;
    let own = policy.id();
    let again = request.ancestors.iter().any(|above| above.as_ref() == own.as_bytes());
    if again && !policy.requirements().reentrant {
        let message = "the call came back to an agent that is running it";
        return Err(Error::refusal(Kind::Cycle, "reentrant", message).with_agent(own));
    }
    Ok(())
}

/// Where the answer of a request goes; none: back on the connection.
///
/// # Errors
/// `invalid_argument` for what is no id of an agent.
pub fn return_to(caller: &Caller, request: &v1::Request) -> Result<Option<AgentId>> {
    if request.return_to.is_empty() {
        return Ok(None);
    }
    let to = request.return_to.parse::<AgentId>().map_err(|error| error.with_field("returnTo"))?;
    // Naming the caller itself says the same as the connection.
    Ok((caller.agent != Some(to)).then_some(to))
}

/// Refuses an answer that would go to someone who does not expect it: `expected` is true for an
/// agent of the caller's own node, and for one whose `accept_returns_from` names the callee.
///
/// # Errors
/// `denied`, code `return_to`.
pub fn return_verdict(expected: bool) -> Result<()> {
    if expected {
        return Ok(());
    }
    let message = "the answer may go to an agent of the caller's node, or to one that accepts \
                   answers of this agent";
    Err(denied("return_to", message).with_field("returnTo"))
}

/// Counts the request against the caller's rate.
///
/// # Errors
/// `busy`, code `rate`, with the time after which there is room.
pub fn rate(rates: Option<&mut Rates>, caller: &Caller, now_ms: u64) -> Result<()> {
    rates.map_or(Ok(()), |rates| rates.take(caller.key(), now_ms))
}

fn caller_kind(policy: &Policy, caller: &Caller) -> Result<()> {
    match caller.kind {
        CallerKind::Local | CallerKind::Member => Ok(()),
        CallerKind::External | CallerKind::Edge => {
            if policy.requirements().allow_external_connections {
                return Ok(());
            }
            Err(denied("external", "the agent takes members of its mesh only"))
        }
        CallerKind::Bridged => {
            let message = format!("callers of kind {} are not served yet", caller.kind);
            Err(Error::refusal(Kind::Unsupported, "caller_kind", message))
        }
    }
}

/// Refuses an agent that is outside the data policy of a request: at its own node before its
/// handler runs, and at that of the caller before anything leaves.
///
/// # Errors
/// `denied`, code `data_policy`.
pub fn data_policy(descriptor: &v1::Descriptor, request: &v1::Request) -> Result<()> {
    let Some(wanted) = &request.data_policy else { return Ok(()) };
    let refused = |field: &str, message: &str| {
        Err(denied("data_policy", message).with_field(&format!("dataPolicy.{field}")))
    };
    let allowed = &wanted.zones_allowed;
    let inside = descriptor.zones.iter().any(|zone| allowed.contains(zone));
    if !allowed.is_empty() && !inside {
        return refused("zonesAllowed", "the agent is outside the zones allowed");
    }
    let records = descriptor.records_interaction_context || descriptor.records_prompt_content;
    if wanted.no_recording && records {
        return refused("noRecording", "the agent records what it is asked");
    }
    let kept = if records {
        bounds::CONVERSATION_LIFE
    } else if request.idempotency_key.is_empty() {
        bounds::DUPLICATE_LIFE
    } else {
        bounds::IDEMPOTENCY_LIFE
    };
    if wanted.max_retention_s.is_some_and(|most| most < kept.as_secs()) {
        return refused("maxRetentionS", "outcomes are kept for longer than that");
    }
    Ok(())
}

fn denied(code: &str, message: &str) -> Error {
    Error::refusal(Kind::Denied, code, message)
}
