//! What a call is paid with: the second half of stage 4.

use crate::error::{Error, Kind, Result};
use crate::identity::AgentId;
use crate::killswitch::Grant;
use crate::policy::{Caller, CallerKind, Policy};
use crate::wire::v1;
use crate::wire::words::GrantNeed;

/// The grant that came with a request; none: the call has no budget. What a client of a gateway is
/// paid with is a grant of the gateway's node, which only a member can be.
///
/// # Errors
/// `denied`, code `grant`: it is no grant, one for another call or agent, or of a caller outside
/// the mesh.
pub fn grant(caller: &Caller, request: &v1::Request) -> Result<Option<Grant>> {
    if request.grant.is_empty() {
        return Ok(None);
    }
    match caller.kind {
        CallerKind::Local | CallerKind::Member | CallerKind::Edge => {}
        CallerKind::Bridged | CallerKind::External => {
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
    grant_brought(policy.descriptor(), policy.id())
}

/// Refuses, before anything is sent, what brings no grant of its own to an agent that needs one.
///
/// # Errors
/// As [`grant_missing`].
pub fn grant_brought(descriptor: &v1::Descriptor, agent: AgentId) -> Result<()> {
    let needs = descriptor.needs.as_ref();
    match GrantNeed::of(needs.map_or("none", |needs| needs.grant.as_str())) {
        GrantNeed::None | GrantNeed::Accepted => Ok(()),
        GrantNeed::Required => {
            let message = "the agent is called under a budget only: give the request a kill switch";
            Err(Error::refusal(Kind::BudgetExhausted, "grant_required", message)
                .with_field("grant")
                .with_agent(agent))
        }
    }
}

fn denied(message: &str) -> Error {
    Error::refusal(Kind::Denied, "grant", message).with_field("grant")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::NodeKey;
    use crate::killswitch::{Allowance, CallId, GrantId, Life, Origin};
    use crate::wire::words::RefundPolicy;

    fn node(byte: u8) -> NodeKey {
        NodeKey::from_bytes([byte; 32])
    }

    fn agent(byte: u8) -> AgentId {
        AgentId::from_bytes([byte; 32])
    }

    fn cut() -> Grant {
        Grant {
            id: GrantId::from_bytes([1; 16]),
            origin: Origin { root: node(1), nonce: [2; 16] },
            epoch: 0,
            parent: GrantId::from_bytes([3; 16]),
            issuer: node(1),
            audience: node(2),
            agent: agent(4),
            amount: Allowance::NOTHING,
            depth: 1,
            depth_max: 2,
            fan_out_max: 3,
            life: Life::Leased { lease_ms: 10_000 },
            call_id: CallId::from_bytes([5; 16]),
            attempt: 1,
            refund: RefundPolicy::Signed,
            reading: None,
            chain: [6; 32],
            ends_at_ms: None,
        }
    }

    fn request(bytes: bytes::Bytes) -> v1::Request {
        let id = CallId::from_bytes([5; 16]).to_wire();
        v1::Request { id, to: agent(4).to_wire(), grant: bytes, ..v1::Request::default() }
    }

    #[test]
    fn a_grant_is_taken_from_its_issuer_for_its_call_and_agent_only() {
        let member = Caller::of_node(CallerKind::Member, node(1), None);
        let good = request(cut().encode());
        assert_eq!(grant(&member, &good), Ok(Some(cut())));
        let client = Caller::edge(node(1), "edge:http:anonymous").unwrap();
        assert_eq!(grant(&client, &good), Ok(Some(cut())));
        assert_eq!(grant(&member, &request(bytes::Bytes::new())), Ok(None));
        let call = v1::Request { id: vec![9; 16].into(), ..good.clone() };
        let other = v1::Request { to: agent(9).to_wire(), ..good.clone() };
        let altered = request(cut().encode().slice(1..));
        let thief = Caller::of_node(CallerKind::Member, node(9), None);
        let other_gateway = Caller::edge(node(9), "edge:http:anonymous").unwrap();
        let stranger = Caller::of_node(CallerKind::External, node(1), None);
        let rows = [
            (&member, &call),
            (&member, &other),
            (&member, &altered),
            (&thief, &good),
            (&other_gateway, &good),
            (&stranger, &good),
        ];
        for (caller, request) in rows {
            let error = grant(caller, request).unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::Denied, "grant"));
            assert_eq!(error.field.as_deref(), Some("grant"));
        }
    }
}
