//! The links of a key, and their check.

use crate::error::{Error, Kind, Result};
use crate::identity::{Domain, RootKey, hex, verify as verify_signature};
use crate::killswitch::{Allowance, BudgetId, Component};
use crate::limits::{AMOUNT_MAX, CLOCK_SKEW, KEY_LINKS, PROVIDER_KEY_LIFE, ms};
use sha2::{Digest, Sha256};
use std::fmt;

/// Version and root.
pub(super) const HEAD_BYTES: usize = 1 + 32;
/// Two times, the budget, the next key.
const REST_BYTES: usize = 2 * 8 + 32 + 32;
/// Stands where a link is of no budget.
const NO_BUDGET: [u8; 32] = [0; 32];
/// Stands where a component is not limited.
const UNLIMITED: u64 = u64::MAX;
const SIGNATURE_BYTES: usize = 64;

/// What the links of a key are: its first byte, which every link signs as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// Links limit cost alone: whatever tokens are, nobody limited them.
    Cost,
    /// Links limit each component, or say that they do not.
    Vector,
}

impl Version {
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Cost => 2,
            Self::Vector => 3,
        }
    }

    pub(super) fn of(byte: u8) -> Result<Self> {
        let all = [Self::Cost, Self::Vector];
        let found = all.into_iter().find(|one| one.byte() == byte);
        found.ok_or_else(|| bad("expected a key of version 2 or 3"))
    }

    /// What a link of it limits, in the order of its bytes.
    const fn components(self) -> &'static [Component] {
        match self {
            Self::Cost => &[Component::CostMicros],
            Self::Vector => {
                &[Component::InputTokens, Component::OutputTokens, Component::CostMicros]
            }
        }
    }

    const fn body_bytes(self) -> usize {
        self.components().len() * 8 + REST_BYTES
    }

    const fn link_bytes(self) -> usize {
        self.body_bytes() + SIGNATURE_BYTES
    }
}

/// The id of a link: a digest of it and of all links before it, so that nobody can choose one that
/// another link has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId([u8; 32]);

impl LinkId {
    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of these bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for LinkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// One link of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Its id.
    pub id: LinkId,
    /// Most that may be paid below it, in all, of each component; calls are not counted.
    pub limit: Allowance,
    /// Unix time in milliseconds at which it was made.
    pub issued_ms: u64,
    /// Unix time in milliseconds from which on it is worth nothing.
    pub until_ms: u64,
    /// Budget with whose stop it ends, and all below it; none: it is of none.
    pub budget: Option<BudgetId>,
    /// Key of who may issue below it.
    pub(super) next: [u8; 32],
}

/// The links of a key whose signatures hold, from the root's on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Whose money it is.
    pub root: RootKey,
    /// At most `KEY_LINKS`.
    pub links: Vec<Link>,
}

impl Chain {
    /// True for a key of the root itself.
    pub fn is_root(&self) -> bool {
        self.links.is_empty()
    }

    /// Refuses a chain whose time is over, or has not come.
    ///
    /// # Errors
    /// `auth`, code `expired`; `bad_chain` when it was issued too far ahead.
    pub fn check_time(&self, now_ms: u64) -> Result<()> {
        let skew_ms = ms(CLOCK_SKEW);
        for link in &self.links {
            if link.until_ms <= now_ms {
                let message = "the time of the key is over";
                return Err(Error::refusal(Kind::Auth, "expired", message));
            }
            if link.issued_ms > now_ms.saturating_add(skew_ms) {
                return Err(bad("expected a key that was not issued ahead of time"));
            }
        }
        Ok(())
    }

    /// Key of who may issue below it.
    pub(super) fn holder(&self) -> [u8; 32] {
        self.links.last().map_or(*self.root.as_bytes(), |link| link.next)
    }
}

/// The bytes of a link before its signature.
///
/// # Errors
/// `auth`, code `bad_chain`: a limit that links of this version cannot say.
pub(super) fn body(
    version: Version,
    limit: &Allowance,
    (issued_ms, until_ms): (u64, u64),
    budget: Option<BudgetId>,
    next: [u8; 32],
) -> Result<Vec<u8>> {
    let said = version.components();
    let unsaid = Component::ALL.into_iter().filter(|one| !said.contains(one));
    if unsaid.into_iter().any(|one| limit.of(one).is_some()) {
        let message = "the key is of version 2, which limits cost alone: expected one that was \
                       issued anew";
        return Err(bad(message));
    }
    let limits = said.iter().map(|one| limit.of(*one));
    if version == Version::Cost && limit.of(Component::CostMicros).is_none() {
        return Err(bad("expected a limit of the cost"));
    }
    let numbers = limits.map(|most| most.unwrap_or(UNLIMITED)).chain([issued_ms, until_ms]);
    let numbers: Vec<u8> = numbers.flat_map(u64::to_be_bytes).collect();
    let budget = budget.map_or(NO_BUDGET, |budget| *budget.as_bytes());
    Ok([&numbers[..], &budget, &next].concat())
}

/// Checks everything of a key that needs no clock; `is_known` says whether a root is one whose
/// money there is here, before any signature is looked at.
///
/// # Errors
/// `auth`: code `bad_chain` for anything that is no key (limit `KEY_LINKS` above so many links),
/// `unknown_root`.
///
/// ```
/// use hubless_proto::identity::SecretKey;
/// use hubless_proto::metering::{Micros, chain::{SpendKey, verify}};
///
/// let root = SpendKey::root(&SecretKey::from_seed([1; 32]));
/// let limit = Micros::new(500).unwrap();
/// let child = root.issue([2; 32], limit, (1_000, 61_000))?;
/// let chain = verify(&child.text(), |known| *known == root.chain().root)?;
/// assert_eq!((chain.links.len(), chain.links[0].limit), (1, limit.into()));
/// assert!(chain.check_time(2_000).is_ok());
/// assert_eq!(chain.check_time(61_000).unwrap_err().code, "expired");
/// assert_eq!(verify(&child.text(), |_| false).unwrap_err().code, "unknown_root");
/// # Ok::<(), hubless_proto::Error>(())
/// ```
pub fn verify(text: &str, is_known: impl Fn(&RootKey) -> bool) -> Result<Chain> {
    super::SpendKey::read_known(text, is_known).map(super::SpendKey::into_chain)
}

/// Reads the head and the links; `bytes` are all but the seed.
pub(super) fn read(bytes: &[u8], is_known: impl Fn(&RootKey) -> bool) -> Result<Chain> {
    let (head, links) = bytes.split_at_checked(HEAD_BYTES).ok_or_else(cut)?;
    let (version, root) = head.split_first().ok_or_else(cut)?;
    let version = Version::of(*version)?;
    let link_bytes = version.link_bytes();
    if !links.len().is_multiple_of(link_bytes) {
        return Err(cut());
    }
    if links.len() / link_bytes > KEY_LINKS {
        let error = bad("expected fewer links");
        return Err(error.with_limit("KEY_LINKS", KEY_LINKS as u64));
    }
    let root = RootKey::from_slice(root).map_err(|_| cut())?;
    if !is_known(&root) {
        let message = "expected a key of a root that is registered here";
        return Err(Error::refusal(Kind::Auth, "unknown_root", message));
    }
    let mut chain = Chain { root, links: Vec::new() };
    for (index, link) in links.chunks_exact(link_bytes).enumerate() {
        let body_bytes = version.body_bytes();
        let signed = bytes.get(..HEAD_BYTES + index * link_bytes + body_bytes).ok_or_else(cut)?;
        let (body, signature) = link.split_at_checked(body_bytes).ok_or_else(cut)?;
        let link = narrower((&chain, version), body, signed)?;
        verify_signature(&chain.holder(), Domain::Link, signed, signature)
            .map_err(|_| bad("the signature of a link does not hold"))?;
        chain.links.push(link);
    }
    Ok(chain)
}

/// Reads a link that allows no more than those before it.
fn narrower((chain, version): (&Chain, Version), body: &[u8], signed: &[u8]) -> Result<Link> {
    let mut rest = body;
    let mut number = || {
        let (number, after) = rest.split_first_chunk().ok_or_else(cut)?;
        rest = after;
        Ok::<_, Error>(u64::from_be_bytes(*number))
    };
    let mut limit = Allowance::UNLIMITED;
    for component in version.components() {
        let most = number()?;
        let is_unlimited = most == UNLIMITED && version == Version::Vector;
        if most > AMOUNT_MAX && !is_unlimited {
            return Err(bad("expected a limit that can be counted"));
        }
        limit = limit.with(*component, (!is_unlimited).then_some(most));
    }
    let (issued_ms, until_ms) = (number()?, number()?);
    let (budget, next) = rest.split_first_chunk::<32>().ok_or_else(cut)?;
    let link = Link {
        id: LinkId(Sha256::digest(signed).into()),
        limit,
        issued_ms,
        until_ms,
        budget: (*budget != NO_BUDGET).then_some(BudgetId::from_bytes(*budget)),
        next: next.try_into().map_err(|_| cut())?,
    };
    check_narrower(chain, &link)?;
    Ok(link)
}

/// Refuses a link that allows more than the one before it.
pub(super) fn check_narrower(chain: &Chain, link: &Link) -> Result<()> {
    if link.until_ms <= link.issued_ms {
        return Err(bad("expected a link that ends after it was issued"));
    }
    let life_ms = link.until_ms - link.issued_ms;
    let most_ms = ms(PROVIDER_KEY_LIFE);
    if link.budget.is_some() && life_ms > most_ms {
        let error = bad("expected a key of a budget to end sooner");
        return Err(error.with_limit("PROVIDER_KEY_LIFE", most_ms));
    }
    let Some(parent) = chain.links.last() else { return Ok(()) };
    if !is_narrower(&link.limit, &parent.limit) {
        return Err(bad("expected limits of at most those of the link before"));
    }
    if link.until_ms > parent.until_ms {
        return Err(bad("expected an end no later than that of the link before"));
    }
    Ok(())
}

/// True when each component that is limited above is limited to no more.
fn is_narrower(limit: &Allowance, above: &Allowance) -> bool {
    Component::ALL.into_iter().all(|component| match (limit.of(component), above.of(component)) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(limit), Some(above)) => limit <= above,
    })
}

pub(super) fn cut() -> Error {
    bad("expected the text of a key, whole")
}

pub(super) fn bad(what: &str) -> Error {
    Error::refusal(Kind::Auth, "bad_chain", what)
}
