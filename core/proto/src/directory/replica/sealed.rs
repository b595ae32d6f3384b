//! Records as they come from members, and messages as they are written.

use super::claim::{Claim, RowKey, Span, Statement};
use super::message::{Brief, Carried, Message, Suspect};
use crate::error::{Error, Kind, Result};
use crate::identity::{AgentId, NodeKey};
use crate::wire::announcement;
use crate::wire::record::{self, RecordKind};
use crate::wire::v1::record_digests::Says;
use crate::wire::v1::{self, spread_record};
use bytes::Bytes;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// What a record takes in a message beside its own bytes.
const AROUND_BYTES: usize = 16;

/// A signed record of the directory, of which the claim was read. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Sealed(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    claim: Claim,
    record: spread_record::Record,
}

impl Statement for Sealed {
    fn claim(&self) -> &Claim {
        &self.0.claim
    }
}

impl Sealed {
    /// Reads what a record says of itself. Nothing is believed: [`Sealed::open`] looks at it.
    ///
    /// # Errors
    /// `too_large`; `auth`, code `bad_signature`, for bytes that are no record of the directory;
    /// `transport`, code `bad_frame`, for an agent without its descriptor.
    pub fn read(record: spread_record::Record) -> Result<Self> {
        let claim = match &record {
            spread_record::Record::Node(signed) => claim_of_node(signed)?,
            spread_record::Record::Agent(agent) => claim_of_agent(agent)?,
            spread_record::Record::Tombstone(signed) => claim_of_tombstone(signed)?,
        };
        Ok(Self(Arc::new(Parts { claim, record })))
    }

    /// The record as it was signed.
    pub fn record(&self) -> &spread_record::Record {
        &self.0.record
    }

    /// The agent, of a record that is of one.
    pub fn agent(&self) -> Option<&v1::AgentAnnouncement> {
        match &self.0.record {
            spread_record::Record::Agent(agent) => Some(agent),
            spread_record::Record::Node(_) | spread_record::Record::Tombstone(_) => None,
        }
    }

    /// The record of a node, of one that is.
    pub fn node(&self) -> Option<&v1::SignedRecord> {
        match &self.0.record {
            spread_record::Record::Node(signed) => Some(signed),
            spread_record::Record::Agent(_) | spread_record::Record::Tombstone(_) => None,
        }
    }

    /// Looks at signatures, terms and bodies. Of a node it says nothing about its membership.
    ///
    /// # Errors
    /// Those of [`record::open`] and [`announcement::open_agent`].
    pub fn open(&self, now_ms: u64) -> Result<()> {
        match (&self.0.record, self.0.claim.key) {
            (spread_record::Record::Node(signed), _) => {
                record::open::<v1::NodeRecord>(signed, None, now_ms).map(|_| ())
            }
            (spread_record::Record::Agent(agent), RowKey::Agent(_, node)) => {
                announcement::open_agent(agent, &node, now_ms).map(|_| ())
            }
            (spread_record::Record::Agent(_), _) => Err(no_record("an agent")),
            (spread_record::Record::Tombstone(signed), _) => {
                record::open::<v1::Tombstone>(signed, None, now_ms).map(|_| ())
            }
        }
    }
}

fn claim_of_node(signed: &v1::SignedRecord) -> Result<Claim> {
    let (record, key) = peek(signed, RecordKind::Node)?;
    Ok(claim(RowKey::Node(NodeKey::from_bytes(key)), &record, &[signed]))
}

fn claim_of_tombstone(signed: &v1::SignedRecord) -> Result<Claim> {
    let (record, key) = peek(signed, RecordKind::Tombstone)?;
    let body = v1::Tombstone::decode(record.body.clone()).map_err(|_| no_record("a tombstone"))?;
    let about = if body.agent.is_empty() {
        RowKey::Ended(key)
    } else {
        RowKey::Left(AgentId::from_slice(&body.agent)?, NodeKey::from_bytes(key))
    };
    Ok(claim(about, &record, &[signed]))
}

fn claim_of_agent(agent: &v1::AgentAnnouncement) -> Result<Claim> {
    let missing = |what| crate::wire::bad_frame(format!("expected a {what} record"));
    let hosting = agent.hosting.as_ref().ok_or_else(|| missing("hosting"))?;
    let descriptor = agent.descriptor.as_ref().ok_or_else(|| missing("descriptor"))?;
    let (record, key) = peek(hosting, RecordKind::Hosting)?;
    let body = v1::Hosting::decode(record.body.clone()).map_err(|_| no_record("a hosting"))?;
    let about = RowKey::Agent(AgentId::from_bytes(key), NodeKey::from_slice(&body.node_key)?);
    let (described, _) = peek(descriptor, RecordKind::Descriptor)?;
    let claim = claim(about, &record, &[hosting, descriptor]);
    Ok(Claim {
        issued_at_ms: claim.issued_at_ms.max(described.issued_at_ms),
        expires_at_ms: claim.expires_at_ms.min(described.expires_at_ms),
        ..claim
    })
}

fn peek(signed: &v1::SignedRecord, kind: RecordKind) -> Result<(v1::Record, [u8; 32])> {
    let record = record::peek(signed)?;
    if record.kind != kind.name() {
        return Err(no_record(kind.name()));
    }
    let key: [u8; 32] = (*record.key).try_into().map_err(|_| no_record(kind.name()))?;
    Ok((record, key))
}

/// What the first of these records says; the others are named by it.
fn claim(key: RowKey, record: &v1::Record, signed: &[&v1::SignedRecord]) -> Claim {
    let mut print = Sha256::new();
    for one in signed {
        print.update(record::digest(&one.signed));
        print.update(&one.signature);
    }
    let bytes: usize = signed.iter().map(|one| one.encoded_len() + AROUND_BYTES).sum();
    Claim {
        key,
        id: key.id(),
        seq: record.seq,
        issued_at_ms: record.issued_at_ms,
        expires_at_ms: record.expires_at_ms,
        digest: signed.first().map(|one| record::digest(&one.signed)).unwrap_or_default(),
        print: print.finalize().into(),
        bytes,
    }
}

fn no_record(what: &str) -> Error {
    let message = format!("expected signed bytes that are {what}");
    Error::new(Kind::Auth, message).with_code("bad_signature")
}

/// What a message becomes on the wire.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// Numbers.
    Digests(v1::RecordDigests),
    /// Records.
    Delta(v1::RecordDelta),
}

impl Message<Sealed> {
    /// Writes it; `is_here` says which nodes run on this machine.
    pub fn to_frame(&self, is_here: &dyn Fn(&NodeKey) -> bool) -> Frame {
        let says = |says| Frame::Digests(v1::RecordDigests { says: Some(says) });
        match self {
            Self::Compare(sum) => says(Says::Compare(Bytes::copy_from_slice(&sum.to_be_bytes()))),
            Self::Buckets(sums) => says(Says::Buckets(numbers(sums))),
            Self::Rows { spans, rows } => {
                let (spans, rows) = (spans_to_wire(spans), briefs_to_wire(rows));
                says(Says::Rows(v1::RecordRows { spans, rows }))
            }
            Self::Wants { names, rest } => {
                let (names, rest) = (numbers(names), spans_to_wire(rest));
                says(Says::Wants(v1::RecordWants { names, rest }))
            }
            Self::Offer(rows) => says(Says::Offer(briefs_to_wire(rows))),
            Self::Ask(names) => says(Says::Ask(numbers(names))),
            Self::Suspects(suspects) => says(Says::Suspects(suspects_to_wire(suspects))),
            Self::Push(carried) => {
                let records = carried.iter().map(|one| written(&one.statement, one.hops, is_here));
                Frame::Delta(v1::RecordDelta { records: records.collect(), pushed: true })
            }
            Self::Answer(records) => {
                let records = records.iter().map(|one| written(one, 0, is_here)).collect();
                Frame::Delta(v1::RecordDelta { records, pushed: false })
            }
        }
    }

    /// Reads numbers that were checked as they were decoded.
    ///
    /// # Errors
    /// `transport`, code `bad_frame`, for a message that says nothing.
    pub fn of_digests(digests: &v1::RecordDigests) -> Result<Self> {
        let nothing = || crate::wire::bad_frame("expected something that is said");
        Ok(match digests.says.as_ref().ok_or_else(nothing)? {
            Says::Compare(sum) => Self::Compare(number(sum)),
            Says::Buckets(sums) => Self::Buckets(sums.chunks_exact(16).map(number).collect()),
            Says::Rows(said) => {
                let (spans, rows) = (spans_of_wire(&said.spans), briefs_of_wire(&said.rows));
                Self::Rows { spans, rows }
            }
            Says::Wants(said) => {
                let names = said.names.chunks_exact(16).map(number).collect();
                Self::Wants { names, rest: spans_of_wire(&said.rest) }
            }
            Says::Offer(rows) => Self::Offer(briefs_of_wire(rows)),
            Says::Ask(names) => Self::Ask(names.chunks_exact(16).map(number).collect()),
            Says::Suspects(suspects) => Self::Suspects(suspects_of_wire(suspects)),
        })
    }

    /// Reads records; what is no record of the directory is left out, with the reason.
    pub fn of_delta(delta: v1::RecordDelta) -> Delta {
        let (mut carried, mut here, mut unread) = (Vec::new(), Vec::new(), Vec::new());
        for spread in delta.records {
            let read = spread.record.ok_or_else(|| no_record("a record")).and_then(Sealed::read);
            match read {
                Ok(statement) => {
                    if let (true, RowKey::Node(node)) = (spread.here, statement.claim().key) {
                        here.push(node);
                    }
                    carried.push(Carried { statement, hops: spread.hops });
                }
                Err(error) => unread.push(error),
            }
        }
        let message = if delta.pushed {
            Self::Push(carried)
        } else {
            Self::Answer(carried.into_iter().map(|one| one.statement).collect())
        };
        Delta { message, here, unread }
    }
}

/// What a frame with records says.
#[derive(Debug)]
pub struct Delta {
    /// The records.
    pub message: Message<Sealed>,
    /// Nodes that run on the machine of the sender, as it says.
    pub here: Vec<NodeKey>,
    /// Why others could not be read.
    pub unread: Vec<Error>,
}

fn written(one: &Sealed, hops: u32, is_here: &dyn Fn(&NodeKey) -> bool) -> v1::SpreadRecord {
    let here = match one.claim().key {
        RowKey::Node(node) => is_here(&node),
        RowKey::Agent(..) | RowKey::Left(..) | RowKey::Ended(_) => false,
    };
    v1::SpreadRecord { record: Some(one.record().clone()), hops, here }
}

fn number(bytes: impl AsRef<[u8]>) -> u128 {
    bytes.as_ref().first_chunk().map_or(0, |first| u128::from_be_bytes(*first))
}

fn numbers(all: &[u128]) -> Bytes {
    all.iter().flat_map(|one| one.to_be_bytes()).collect()
}

fn spans_to_wire(spans: &[Span]) -> Bytes {
    spans.iter().flat_map(|span| [span.from, span.to]).flat_map(u128::to_be_bytes).collect()
}

fn spans_of_wire(bytes: &[u8]) -> Vec<Span> {
    let span = |bytes: &[u8]| {
        let (from, to) = bytes.split_at_checked(16)?;
        Some(Span { from: number(from), to: number(to) })
    };
    bytes.chunks_exact(32).filter_map(span).collect()
}

fn briefs_to_wire(rows: &[Brief]) -> Bytes {
    let mut bytes = Vec::with_capacity(rows.len() * 32);
    for row in rows {
        bytes.extend_from_slice(&row.name.to_be_bytes());
        bytes.extend_from_slice(&row.seq.to_be_bytes());
        bytes.extend_from_slice(&row.mark.to_be_bytes());
    }
    bytes.into()
}

fn briefs_of_wire(bytes: &[u8]) -> Vec<Brief> {
    let brief = |bytes: &[u8]| {
        let (name, rest) = bytes.split_first_chunk::<16>()?;
        let (seq, rest) = rest.split_first_chunk::<8>()?;
        let mark = u64::from_be_bytes(*rest.first_chunk::<8>()?);
        let (name, seq) = (u128::from_be_bytes(*name), u64::from_be_bytes(*seq));
        Some(Brief { name, seq, mark })
    };
    bytes.chunks_exact(32).filter_map(brief).collect()
}

fn suspects_to_wire(suspects: &[Suspect]) -> Bytes {
    let mut bytes = Vec::with_capacity(suspects.len() * 40);
    for suspect in suspects {
        bytes.extend_from_slice(suspect.node.as_bytes());
        bytes.extend_from_slice(&suspect.seq.to_be_bytes());
    }
    bytes.into()
}

fn suspects_of_wire(bytes: &[u8]) -> Vec<Suspect> {
    let suspect = |bytes: &[u8]| {
        let (node, rest) = bytes.split_first_chunk::<32>()?;
        let seq = u64::from_be_bytes(*rest.first_chunk::<8>()?);
        Some(Suspect { node: NodeKey::from_bytes(*node), seq })
    };
    bytes.chunks_exact(40).filter_map(suspect).collect()
}
