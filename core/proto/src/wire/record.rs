//! Signed records: statements of an agent or a node about itself, carried as the bytes that were
//! signed.
//!
//! Owns: what the signature covers, the order of the checks, the life of a record. Must not know:
//! where records are kept, which of two wins (`directory`). Tested by vectors
//! (`tests/conformance/vectors/records.json`), by flipping every bit, and a fuzz target.

use super::decode::{Checked, decode_within};
use super::v1;
use crate::error::{Error, Kind, Result};
use crate::identity::{AgentId, Domain, NodeKey, PublicKey, SecretKey, verify};
use crate::limits::{CLOCK_SKEW, RECORD_BODY_BYTES, RECORD_LIFE_MAX, TRANSIENT_LIFE, ms};
use bytes::Bytes;
use prost::Message;
use sha2::{Digest as _, Sha256};
use std::fmt::{Debug, Display};
use std::time::Duration;

/// SHA-256 of the signed bytes of a record.
pub type Digest = [u8; 32];

/// Version of the records of this crate.
pub const VERSION: u32 = 1;
/// Most that the fields beside the body take, in bytes.
const ENVELOPE_BYTES: usize = 256;

/// What a record states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RecordKind {
    /// What an agent is.
    Descriptor,
    /// Which node hosts it.
    Hosting,
    /// Where a node is.
    Node,
    /// An agent is no more.
    Tombstone,
}

impl RecordKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Descriptor, Self::Hosting, Self::Node, Self::Tombstone];

    /// The stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Descriptor => "descriptor",
            Self::Hosting => "hosting",
            Self::Node => "node",
            Self::Tombstone => "tombstone",
        }
    }

    /// What its signature states.
    pub const fn domain(self) -> Domain {
        match self {
            Self::Descriptor => Domain::Descriptor,
            Self::Hosting => Domain::Hosting,
            Self::Node => Domain::Node,
            Self::Tombstone => Domain::Tombstone,
        }
    }
}

/// A message that is the body of a signed record.
pub trait RecordBody: Checked {
    /// What a record with this body states.
    const KIND: RecordKind;
    /// Whose key signs it.
    type Author: PublicKey + Copy + Eq + Display + Debug;
    /// Reads the key of the author.
    fn author(key: [u8; 32]) -> Self::Author;
}

macro_rules! record_body {
    ($($body:ty: $kind:ident by $author:ty;)*) => {$(
        impl RecordBody for $body {
            const KIND: RecordKind = RecordKind::$kind;
            type Author = $author;
            fn author(key: [u8; 32]) -> $author {
                <$author>::from_bytes(key)
            }
        }
    )*};
}

record_body! {
    v1::Descriptor: Descriptor by AgentId;
    v1::Hosting: Hosting by AgentId;
    v1::NodeRecord: Node by NodeKey;
    v1::Tombstone: Tombstone by AgentId;
}

/// Number and life of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// A later record of the same author and kind has a higher number.
    pub seq: u64,
    /// Unix time in milliseconds.
    pub issued_at_ms: u64,
    /// Unix time in milliseconds; from then on the record is dead.
    pub expires_at_ms: u64,
}

impl Term {
    /// A term that begins now, numbered by the time in milliseconds.
    pub fn starting(now_ms: u64, life: Duration) -> Self {
        let expires_at_ms = now_ms.saturating_add(ms(life));
        Self { seq: now_ms, issued_at_ms: now_ms, expires_at_ms }
    }

    /// The one term of a transient agent: its number is 0, so that nothing renews it.
    pub fn transient(now_ms: u64) -> Self {
        Self { seq: 0, ..Self::starting(now_ms, TRANSIENT_LIFE) }
    }

    /// True for a term that a transient agent may have.
    pub fn is_transient(&self) -> bool {
        let life_ms = self.expires_at_ms.saturating_sub(self.issued_at_ms);
        self.seq == 0 && life_ms <= ms(TRANSIENT_LIFE)
    }
}

/// A record whose signature, kind, author and term were checked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Opened<T: RecordBody> {
    /// Whose statement it is.
    pub author: T::Author,
    /// As it was signed.
    pub term: Term,
    /// The end of its life for us: as signed, but at most 24 h after it was received.
    pub serve_until_ms: u64,
    /// SHA-256 of the signed bytes.
    pub digest: Digest,
    /// What is stated.
    pub body: T,
    /// The statement as it came, to be passed on.
    pub signed: v1::SignedRecord,
}

/// Signs a statement.
///
/// # Errors
/// `too_large` for a body above 8 KiB; what is refused in a body that arrives is refused here.
///
/// ```
/// use hubless_proto::identity::SecretKey;
/// use hubless_proto::wire::{record::{self, Term}, v1};
/// use std::time::Duration;
///
/// let key = SecretKey::from_seed([7; 32]);
/// let body = v1::NodeRecord { addresses: vec!["127.0.0.1:4433".into()], ..Default::default() };
/// let term = Term::starting(1_000, Duration::from_secs(60));
/// let signed = record::sign(&key, term, &body).unwrap();
/// let opened = record::open::<v1::NodeRecord>(&signed, Some(&key.node_key()), 2_000).unwrap();
/// assert_eq!(opened.body.addresses, ["127.0.0.1:4433"]);
/// assert!(record::open::<v1::NodeRecord>(&signed, None, 61_000).is_err());
/// ```
pub fn sign<T: RecordBody>(key: &SecretKey, term: Term, body: &T) -> Result<v1::SignedRecord> {
    body.check()?;
    check_size(body.encoded_len())?;
    let record = v1::Record {
        kind: T::KIND.name().to_owned(),
        version: VERSION,
        key: Bytes::copy_from_slice(&key.public()),
        seq: term.seq,
        issued_at_ms: term.issued_at_ms,
        expires_at_ms: term.expires_at_ms,
        body: body.encode_to_vec().into(),
    };
    let signed = Bytes::from(record.encode_to_vec());
    let signature = key.sign(T::KIND.domain(), &signed);
    Ok(v1::SignedRecord { signed, signature: Bytes::copy_from_slice(&signature) })
}

/// Reads what a record says of itself, without believing it: for indexes of records that are
/// opened when they are first used.
///
/// # Errors
/// `too_large`; `auth`, code `bad_signature`, for bytes that are no record.
pub fn peek(signed: &v1::SignedRecord) -> Result<v1::Record> {
    if signed.signed.len() > RECORD_BODY_BYTES + ENVELOPE_BYTES {
        check_size(signed.signed.len())?;
    }
    let record: v1::Record =
        decode_within(signed.signed.clone(), RECORD_BODY_BYTES + ENVELOPE_BYTES)
            .map_err(|_| bad_signature("expected signed bytes that are a record"))?;
    check_size(record.body.len())?;
    Ok(record)
}

/// Checks a record of kind `T`: size, signature, author, version, times, then its body.
///
/// `author` is the key under which the record was found or looked for, if one is known.
///
/// # Errors
/// `too_large` above 8 KiB · `auth`: `bad_signature` (another kind as well: its signature covers
/// another tag), `wrong_key` · `unsupported`, code `record_version` · `expired`: `expired`,
/// `not_yet_valid` (issued over 5 min ahead) · `conflict`, code `seq_ahead` (numbered over 5 min
/// ahead) · what the body is refused for.
pub fn open<T: RecordBody>(
    signed: &v1::SignedRecord,
    author: Option<&T::Author>,
    now_ms: u64,
) -> Result<Opened<T>> {
    let key = author_key(&peek(signed)?)?;
    verify(&key, T::KIND.domain(), &signed.signed, &signed.signature)?;
    read_unverified(signed, author, now_ms)
}

/// As [`open`], without looking at the signature: for what is indexed at once and opened when it
/// is first used.
///
/// # Errors
/// Those of [`open`], except for a signature that does not hold.
pub fn read_unverified<T: RecordBody>(
    signed: &v1::SignedRecord,
    author: Option<&T::Author>,
    now_ms: u64,
) -> Result<Opened<T>> {
    let record = peek(signed)?;
    if record.kind != T::KIND.name() {
        return Err(bad_signature("expected a record of the kind that its signature states"));
    }
    let found = T::author(author_key(&record)?);
    if author.is_some_and(|author| *author != found) {
        let message = format!("expected a record of another key than {found}");
        return Err(Error::new(Kind::Auth, message).with_code("wrong_key"));
    }
    if record.version != VERSION {
        let message = format!("expected a record of version {VERSION}, got {}", record.version);
        return Err(Error::new(Kind::Unsupported, message).with_code("record_version"));
    }
    let term = Term {
        seq: record.seq,
        issued_at_ms: record.issued_at_ms,
        expires_at_ms: record.expires_at_ms,
    };
    check_term(term, now_ms)?;
    Ok(Opened {
        author: found,
        term,
        serve_until_ms: term.expires_at_ms.min(now_ms.saturating_add(ms(RECORD_LIFE_MAX))),
        digest: digest(&signed.signed),
        body: decode_within(record.body, RECORD_BODY_BYTES)?,
        signed: signed.clone(),
    })
}

/// The signature alone, of a record of kind `T` that [`read_unverified`] took as one of `author`.
///
/// # Errors
/// `auth`, code `bad_signature`.
pub fn check_signature<T: RecordBody>(signed: &v1::SignedRecord, author: &T::Author) -> Result<()> {
    verify(author, T::KIND.domain(), &signed.signed, &signed.signature)
}

fn author_key(record: &v1::Record) -> Result<[u8; 32]> {
    let key: &[u8] = &record.key;
    key.try_into().map_err(|_| bad_signature("expected the key of the author in 32 bytes"))
}

/// SHA-256 of bytes that were signed, or of a document.
pub fn digest(bytes: &[u8]) -> Digest {
    Sha256::digest(bytes).into()
}

fn check_term(term: Term, now_ms: u64) -> Result<()> {
    let horizon = now_ms.saturating_add(ms(CLOCK_SKEW));
    if term.issued_at_ms > horizon {
        let message = "expected a record issued at most 5 min ahead of this clock";
        return Err(Error::new(Kind::Expired, message).with_code("not_yet_valid"));
    }
    if term.seq > horizon {
        let message = "expected a record number at most 5 min ahead of this clock";
        return Err(Error::new(Kind::Conflict, message).with_code("seq_ahead"));
    }
    if term.expires_at_ms <= now_ms || term.expires_at_ms <= term.issued_at_ms {
        let message = "expected a record that is still in force";
        return Err(Error::new(Kind::Expired, message).with_code("expired"));
    }
    Ok(())
}

fn check_size(bytes: usize) -> Result<()> {
    if bytes <= RECORD_BODY_BYTES {
        return Ok(());
    }
    let message = format!("expected a record of at most {RECORD_BODY_BYTES} bytes, got {bytes}");
    Err(Error::new(Kind::TooLarge, message)
        .with_code("record")
        .with_limit("RECORD_BODY_BYTES", RECORD_BODY_BYTES as u64))
}

fn bad_signature(message: &str) -> Error {
    Error::new(Kind::Auth, message).with_code("bad_signature")
}
