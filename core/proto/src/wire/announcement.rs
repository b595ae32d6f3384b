//! An agent as a node shows it: descriptor and hosting, opened together.
//!
//! Owns: that the two belong together and to the node that shows them. Must not know: where they
//! are kept. Tested with the records (`tests/conformance/vectors/records.json`).

use super::record::{self, Digest, Opened};
use super::{text, v1};
use crate::error::{Error, Kind, Result};
use crate::identity::{AgentId, NodeKey};
use crate::limits::{DESCRIPTION_BYTES, TEXT_BYTES, TRANSIENT_LIFE, ms};
use sha2::{Digest as _, Sha256};

/// What a node proved about an agent that it hosts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OpenedAgent {
    /// What the agent is. Its texts are cleaned of control and bidirectional characters; the
    /// signed bytes are as they came.
    pub descriptor: Opened<v1::Descriptor>,
    /// That the node hosts it.
    pub hosting: Opened<v1::Hosting>,
    /// The node named by the hosting.
    pub node: NodeKey,
}

impl OpenedAgent {
    /// Id of the agent.
    pub const fn agent(&self) -> AgentId {
        self.descriptor.author
    }

    /// True for an agent that lives only moments.
    pub const fn is_transient(&self) -> bool {
        self.descriptor.body.transient
    }

    /// From then on one of the two records is dead, in Unix milliseconds.
    pub fn serve_until_ms(&self) -> u64 {
        self.descriptor.serve_until_ms.min(self.hosting.serve_until_ms)
    }
}

/// Checks an agent that a node shows.
///
/// `shown_by` is the node at the other end of the connection, or the author of the file.
///
/// # Errors
/// Those of [`record::open`] · `auth`: `wrong_key` when the two records are of two agents,
/// `wrong_node` when the hosting names another node · `content`, code `digest_mismatch`, when the
/// hosting is of another descriptor, `transient_term` when the records of a transient agent have
/// another number than 0 or a life above 60 s · `transport`, code `bad_frame`, when one is missing.
pub fn open_agent(
    announcement: &v1::AgentAnnouncement,
    shown_by: &NodeKey,
    now_ms: u64,
) -> Result<OpenedAgent> {
    let (descriptor, hosting) = both(announcement)?;
    let hosting = record::open(hosting, None, now_ms)?;
    let descriptor = record::open(descriptor, Some(&hosting.author), now_ms)?;
    together(descriptor, hosting, shown_by)
}

/// As [`open_agent`], without looking at the signatures: for what is indexed at once and opened
/// when it is first used.
///
/// # Errors
/// Those of [`open_agent`], except for a signature that does not hold.
pub fn read_agent_unverified(
    announcement: &v1::AgentAnnouncement,
    shown_by: &NodeKey,
    now_ms: u64,
) -> Result<OpenedAgent> {
    let (descriptor, hosting) = both(announcement)?;
    let hosting = record::read_unverified(hosting, None, now_ms)?;
    let descriptor = record::read_unverified(descriptor, Some(&hosting.author), now_ms)?;
    together(descriptor, hosting, shown_by)
}

/// The signatures alone, of what [`read_agent_unverified`] took as records of `agent`.
///
/// # Errors
/// `auth`, code `bad_signature` · `transport`, code `bad_frame`, when one is missing.
pub fn check_signatures(announcement: &v1::AgentAnnouncement, agent: &AgentId) -> Result<()> {
    let (descriptor, hosting) = both(announcement)?;
    record::check_signature::<v1::Hosting>(hosting, agent)?;
    record::check_signature::<v1::Descriptor>(descriptor, agent)
}

fn both(agent: &v1::AgentAnnouncement) -> Result<(&v1::SignedRecord, &v1::SignedRecord)> {
    let missing = |what| super::bad_frame(format!("expected a {what} record"));
    let hosting = agent.hosting.as_ref().ok_or_else(|| missing("hosting"))?;
    let descriptor = agent.descriptor.as_ref().ok_or_else(|| missing("descriptor"))?;
    Ok((descriptor, hosting))
}

fn together(
    mut descriptor: Opened<v1::Descriptor>,
    hosting: Opened<v1::Hosting>,
    shown_by: &NodeKey,
) -> Result<OpenedAgent> {
    let node = NodeKey::from_slice(&hosting.body.node_key)?;
    if node != *shown_by {
        let message = format!("expected a hosting by {shown_by}, got one by {node}");
        return Err(Error::new(Kind::Auth, message).with_code("wrong_node"));
    }
    if hosting.body.descriptor_digest != descriptor.digest.as_slice() {
        let message = "expected the descriptor that the hosting names by its digest";
        return Err(Error::new(Kind::Content, message).with_code("digest_mismatch"));
    }
    let brief = descriptor.term.is_transient() && hosting.term.is_transient();
    if descriptor.body.transient && !brief {
        let message = "expected number 0 and a life of at most 60 s of a transient agent's records";
        return Err(Error::new(Kind::Content, message)
            .with_code("transient_term")
            .with_limit("TRANSIENT_LIFE", ms(TRANSIENT_LIFE)));
    }
    clean(&mut descriptor.body);
    Ok(OpenedAgent { descriptor, hosting, node })
}

/// SHA-256 over the hosting records of a node in their order: what its node record names.
pub fn agents_digest(agents: &[v1::AgentAnnouncement]) -> Digest {
    let mut sum = Sha256::new();
    for hosting in agents.iter().filter_map(|agent| agent.hosting.as_ref()) {
        sum.update(record::digest(&hosting.signed));
    }
    sum.finalize().into()
}

/// Texts of a descriptor are data of a stranger that people and models will read.
fn clean(descriptor: &mut v1::Descriptor) {
    text::clean(&mut descriptor.title, TEXT_BYTES);
    text::clean(&mut descriptor.description, DESCRIPTION_BYTES);
    for skill in &mut descriptor.skills {
        text::clean(&mut skill.title, TEXT_BYTES);
        text::clean(&mut skill.description, TEXT_BYTES);
    }
}
