//! What a call is paid with: the second half of stage 4.

use crate::error::{Error, Kind, Result};
use crate::killswitch::Grant;
use crate::policy::{Caller, CallerKind, Policy};
use crate::wire::v1;
use crate::wire::words::GrantNeed;

/// The grant that came with a request; none: the call has no budget.
///
/// # Errors
/// `denied`, code `grant`: it is no grant, one for another call or agent, or of a caller outside
/// the mesh.
pub fn grant(caller: &Caller, request: &v1::Request) -> Result<Option<Grant>> {
    if request.grant.is_empty() {
        return Ok(None);
    }
    match caller.kind {
        CallerKind::Local | CallerKind::Member => {}
        CallerKind::Bridged | CallerKind::External | CallerKind::Edge => {
            return Err(denied("expected a grant from members of the mesh only"));
        }
    }
    let grant = Grant::decode(request.grant.clone());
    let grant = grant.map_err(|error| denied(&format!("expected a grant: {}", error.message)))?;
    let same_call = grant.call_id.as_bytes().as_slice() == request.id;
    let same_agent = grant.agent.as_bytes().as_slice() == request.to;
    if !same_call || !same_agent || grant.issuer != caller.node {
        return Err(denied("expected a grant that the caller cut for this call and this agent"));
    }
    Ok(Some(grant))
}

/// Refuses a call without a grant where one must be brought.
///
/// # Errors
/// `budget_exhausted`, code `grant_required`.
pub fn grant_missing(policy: &Policy) -> Result<()> {
    let needs = policy.descriptor().needs.as_ref();
    match GrantNeed::of(needs.map_or("none", |needs| needs.grant.as_str())) {
        GrantNeed::None | GrantNeed::Accepted => Ok(()),
        GrantNeed::Required => {
            let message = "the agent is called under a budget only: give the request a kill switch";
            Err(Error::refusal(Kind::BudgetExhausted, "grant_required", message)
                .with_field("grant")
                .with_agent(policy.id()))
        }
    }
}

fn denied(message: &str) -> Error {
    Error::refusal(Kind::Denied, "grant", message).with_field("grant")
}
