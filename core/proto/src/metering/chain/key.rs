//! A key as its holder has it.

use super::link::{self, Chain, Link, LinkId, Version, bad, cut};
use crate::error::Result;
use crate::identity::{Domain, RootKey, SecretKey};
use crate::killswitch::{Allowance, BudgetId, Component};
use crate::limits::{KEY_LINKS, KEY_TEXT_BYTES};
use data_encoding::BASE64URL_NOPAD;
use sha2::{Digest, Sha256};
use std::fmt;
use zeroize::{Zeroize as _, Zeroizing};

/// What the text of every key begins with.
const PREFIX: &str = "hbl_";
/// Of the seed at the end.
const SEED_BYTES: usize = 32;

/// A spending key: whoever has its text may spend by it, and issue narrower keys without asking
/// anybody. Never printed but by [`SpendKey::text`].
///
/// ```
/// use hubless_proto::identity::SecretKey;
/// use hubless_proto::metering::{Micros, chain::SpendKey};
///
/// let root = SpendKey::root(&SecretKey::from_seed([1; 32]));
/// let day_ms = 24 * 3_600_000;
/// let child = root.issue([2; 32], Micros::new(100).unwrap(), (0, day_ms))?;
/// let wider = child.issue([3; 32], Micros::new(101).unwrap(), (0, day_ms));
/// assert_eq!(wider.unwrap_err().code, "bad_chain");
/// assert_eq!(SpendKey::read(&child.text())?.chain(), child.chain());
/// assert_eq!(format!("{child:?}"), "SpendKey(..)");
/// # Ok::<(), hubless_proto::Error>(())
/// ```
pub struct SpendKey {
    /// Head and links, as they were signed.
    signed: Vec<u8>,
    version: Version,
    chain: Chain,
    seed: SecretKey,
}

impl SpendKey {
    /// The key of a root.
    pub fn root(secret: &SecretKey) -> Self {
        let root = RootKey::from_bytes(secret.public());
        let (version, chain) = (Version::Vector, Chain { root, links: Vec::new() });
        Self { signed: head(version, &root), version, chain, seed: secret.clone() }
    }

    /// Reads the text of a key of any root.
    ///
    /// # Errors
    /// `auth`, code `bad_chain`.
    pub fn read(text: &str) -> Result<Self> {
        Self::read_known(text, |_| true)
    }

    pub(super) fn read_known(text: &str, is_known: impl Fn(&RootKey) -> bool) -> Result<Self> {
        if text.len() > KEY_TEXT_BYTES {
            return Err(cut().with_limit("KEY_TEXT_BYTES", KEY_TEXT_BYTES as u64));
        }
        let coded = text.strip_prefix(PREFIX).ok_or_else(cut)?;
        let bytes = BASE64URL_NOPAD.decode(coded.as_bytes()).map_err(|_| cut())?;
        let bytes = Zeroizing::new(bytes);
        let (signed, seed) = bytes.split_last_chunk::<SEED_BYTES>().ok_or_else(cut)?;
        let chain = link::read(signed, is_known)?;
        let seed = SecretKey::from_seed(*seed);
        if seed.public() != chain.holder() {
            return Err(bad("expected the seed of the last link"));
        }
        let version = signed.first().map(|version| Version::of(*version));
        Ok(Self { signed: signed.to_vec(), version: version.ok_or_else(cut)??, chain, seed })
    }

    /// A key below this one, that may spend at most `limit` of each component between two Unix
    /// times in milliseconds; `seed` are 32 random bytes. A bare cost limits no tokens, which only
    /// a key may that is not limited in them either. Calls are not counted.
    ///
    /// # Errors
    /// `auth`, code `bad_chain`: a limit or an end beyond that of this key, a limit of tokens below
    /// a key that cannot say it ([`SpendKey::limits_tokens`]), or one link more than `KEY_LINKS`.
    pub fn issue(
        &self,
        seed: [u8; SEED_BYTES],
        limit: impl Into<Allowance>,
        times: (u64, u64),
    ) -> Result<Self> {
        self.extend(seed, limit.into(), times, None)
    }

    /// As [`SpendKey::issue`]; the key ends with the stop of a budget, and so do those below it.
    ///
    /// # Errors
    /// As [`SpendKey::issue`]; also for a life above `PROVIDER_KEY_LIFE`.
    pub fn issue_for(
        &self,
        budget: BudgetId,
        seed: [u8; SEED_BYTES],
        limit: impl Into<Allowance>,
        times: (u64, u64),
    ) -> Result<Self> {
        self.extend(seed, limit.into(), times, Some(budget))
    }

    fn extend(
        &self,
        mut seed: [u8; SEED_BYTES],
        limit: Allowance,
        (issued_ms, until_ms): (u64, u64),
        budget: Option<BudgetId>,
    ) -> Result<Self> {
        let holder = SecretKey::from_seed(seed);
        seed.zeroize();
        if self.chain.links.len() >= KEY_LINKS {
            return Err(bad("expected fewer links").with_limit("KEY_LINKS", KEY_LINKS as u64));
        }
        let (next, limit) = (holder.public(), limit.with(Component::Calls, None));
        // Of the key of a root nobody signed a version yet.
        let is_root = self.chain.is_root();
        let version = if is_root { Version::Vector } else { self.version };
        let body = link::body(version, &limit, (issued_ms, until_ms), budget, next)?;
        let above = if is_root { head(version, &self.chain.root) } else { self.signed.clone() };
        let mut signed = [above, body].concat();
        let id = LinkId::from_bytes(Sha256::digest(&signed).into());
        let link = Link { id, limit, issued_ms, until_ms, budget, next };
        link::check_narrower(&self.chain, &link)?;
        signed.extend(self.seed.sign(Domain::Link, &signed));
        let mut chain = self.chain.clone();
        chain.links.push(link);
        Ok(Self { signed, version, chain, seed: holder })
    }

    /// False for one below links of version 2, which limit cost alone: no key below it can limit
    /// tokens.
    pub fn limits_tokens(&self) -> bool {
        self.chain.is_root() || self.version == Version::Vector
    }

    /// What it may spend.
    pub const fn chain(&self) -> &Chain {
        &self.chain
    }

    pub(super) fn into_chain(self) -> Chain {
        self.chain
    }

    /// Its text, at most `KEY_TEXT_BYTES`; a secret, wiped when dropped.
    pub fn text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new([&self.signed[..], &self.seed.seed()[..]].concat());
        let coded = Zeroizing::new(BASE64URL_NOPAD.encode(&bytes));
        Zeroizing::new([PREFIX, &coded].concat())
    }
}

/// The bytes before all links.
fn head(version: Version, root: &RootKey) -> Vec<u8> {
    [&[version.byte()], &root.as_bytes()[..]].concat()
}

impl fmt::Debug for SpendKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpendKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::limits::AMOUNT_MAX;
    use crate::metering::Micros;
    use crate::metering::chain::link::HEAD_BYTES;
    use crate::metering::chain::verify;
    use proptest::prelude::*;

    const NOW_MS: u64 = 1_000_000;
    /// Limits no component.
    const NO_LIMIT: u64 = u64::MAX;

    fn root() -> SpendKey {
        SpendKey::root(&SecretKey::from_seed([1; 32]))
    }

    fn micros(value: u64) -> Micros {
        Micros::new(value).unwrap()
    }

    /// A key with so many links, each one narrower.
    fn deep(links: u8) -> SpendKey {
        (0..links).fold(root(), |key, index| {
            let ends_ms = NOW_MS + 1_000 - u64::from(index);
            key.issue([index + 2; 32], micros(1_000 - u64::from(index)), (NOW_MS, ends_ms)).unwrap()
        })
    }

    /// A key with one more link, signed by its holder, whatever it allows of cost.
    fn forged(below: &SpendKey, limit: u64, times: (u64, u64)) -> String {
        forged_vector(below, &[NO_LIMIT, NO_LIMIT, limit], times)
    }

    /// The same, whatever it allows of each component of its version.
    fn forged_vector(below: &SpendKey, limits: &[u64], times: (u64, u64)) -> String {
        let holder = SecretKey::from_seed([99; 32]);
        let numbers = limits.iter().copied().chain([times.0, times.1]);
        let numbers: Vec<u8> = numbers.flat_map(u64::to_be_bytes).collect();
        let mut signed = [&below.signed[..], &numbers, &[0; 32], &holder.public()].concat();
        signed.extend(below.seed.sign(Domain::Link, &signed));
        signed.extend(&holder.seed()[..]);
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&signed))
    }

    fn code(text: &str) -> String {
        let own = root().chain.root;
        match verify(text, |root| *root == own) {
            Ok(_) => String::new(),
            Err(error) => {
                assert_eq!((error.kind, error.rejection), (Kind::Auth, true));
                error.code
            }
        }
    }

    #[test]
    fn a_key_of_the_most_links_fits_a_header_and_one_more_is_refused() {
        let most = deep(u8::try_from(KEY_LINKS).unwrap());
        let text = most.text();
        assert!(text.len() <= KEY_TEXT_BYTES, "{}", text.len());
        assert_eq!(code(&text), "");
        assert_eq!(SpendKey::read(&text).unwrap().chain(), most.chain());
        let error = most.issue([50; 32], micros(1), (NOW_MS, NOW_MS + 1)).unwrap_err();
        assert_eq!(error.limit.unwrap().name, "KEY_LINKS");
        let refused = SpendKey::read(&forged(&most, 1, (NOW_MS, NOW_MS + 1))).unwrap_err();
        assert_eq!(refused.limit.unwrap().name, "KEY_LINKS");
        let long = format!("{PREFIX}{}", "A".repeat(KEY_TEXT_BYTES));
        assert_eq!(SpendKey::read(&long).unwrap_err().limit.unwrap().name, "KEY_TEXT_BYTES");
    }

    #[test]
    fn each_bit_that_is_flipped_is_noticed() {
        let key = deep(2);
        let bytes = BASE64URL_NOPAD.decode(&key.text().as_bytes()[PREFIX.len()..]).unwrap();
        assert_eq!(code(&key.text()), "");
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let wanted =
                if (8..HEAD_BYTES * 8).contains(&bit) { "unknown_root" } else { "bad_chain" };
            let text = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&flipped));
            assert_eq!(code(&text), wanted, "bit {bit}");
        }
        for length in 0..bytes.len() {
            let cut = BASE64URL_NOPAD.encode(&bytes[..length]);
            let code = code(&format!("{PREFIX}{cut}"));
            assert!(code == "bad_chain" || code == "unknown_root", "{length}: {code}");
        }
    }

    #[test]
    fn a_link_that_allows_more_than_its_parent_is_refused() {
        let parent = deep(1);
        let ends_ms = NOW_MS + 1_000;
        for (limit, times, wanted) in [
            (1_000, (NOW_MS, ends_ms), ""),
            (0, (NOW_MS, NOW_MS + 1), ""),
            (1_001, (NOW_MS, ends_ms), "bad_chain"),
            (u64::MAX, (NOW_MS, ends_ms), "bad_chain"),
            (1_000, (NOW_MS, ends_ms + 1), "bad_chain"),
            (1_000, (ends_ms, ends_ms), "bad_chain"),
        ] {
            assert_eq!(code(&forged(&parent, limit, times)), wanted, "{limit} {times:?}");
            let issued = Micros::new(limit).map(|limit| parent.issue([9; 32], limit, times));
            assert!(issued.is_none_or(|issued| issued.is_ok() == wanted.is_empty()));
        }
    }

    /// Limits of input tokens, output tokens and cost.
    fn limits(all: [Option<u64>; 3]) -> Allowance {
        let mut limits = Allowance::UNLIMITED;
        for (component, most) in Component::ALL.into_iter().zip(all) {
            limits = limits.with(component, most);
        }
        limits
    }

    #[test]
    fn a_link_is_narrower_in_each_component_alone() {
        let times = (NOW_MS, NOW_MS + 9);
        let said = |all: [Option<u64>; 3]| all.map(|most| most.unwrap_or(NO_LIMIT));
        let most = Some(AMOUNT_MAX);
        for (above, below, is_narrower) in [
            ([Some(5), Some(6), Some(7)], [Some(5), Some(6), Some(7)], true),
            ([Some(5), Some(6), Some(7)], [Some(0), Some(0), Some(0)], true),
            ([Some(5), Some(6), Some(7)], [Some(6), Some(6), Some(7)], false),
            ([Some(5), Some(6), Some(7)], [Some(5), Some(7), Some(7)], false),
            ([Some(5), Some(6), Some(7)], [Some(5), Some(6), Some(8)], false),
            ([Some(5), Some(6), Some(7)], [None, Some(6), Some(7)], false),
            ([Some(5), Some(6), Some(7)], [Some(5), None, Some(7)], false),
            ([Some(5), Some(6), Some(7)], [Some(5), Some(6), None], false),
            ([None, None, None], [most, most, most], true),
            ([None, None, None], [None, Some(0), None], true),
            ([None, Some(6), None], [None, Some(6), None], true),
            ([None, Some(6), None], [None, None, None], false),
            ([most, most, most], [None, None, None], false),
        ] {
            let parent = root().issue([2; 32], limits(above), times).unwrap();
            let issued = parent.issue([9; 32], limits(below), times);
            let wanted = if is_narrower { "" } else { "bad_chain" };
            assert_eq!(issued.err().map_or_else(String::new, |error| error.code), wanted);
            let text = forged_vector(&parent, &said(below), times);
            assert_eq!(code(&text), wanted, "{below:?} below {above:?}");
            if is_narrower {
                let read = SpendKey::read(&text).unwrap();
                assert_eq!(read.chain().links[1].limit, limits(below));
            }
        }
        // What cannot be counted is no limit, and not taken for none.
        for wrong in [AMOUNT_MAX + 1, u64::MAX - 1] {
            for index in 0..3 {
                let mut limits = [NO_LIMIT; 3];
                limits[index] = wrong;
                assert_eq!(code(&forged_vector(&root(), &limits, times)), "bad_chain");
            }
        }
    }

    /// The key of a root as version 2 had it.
    fn of_before() -> SpendKey {
        let (version, root) = (Version::Cost, root());
        SpendKey { signed: head(version, &root.chain.root), version, ..root }
    }

    #[test]
    fn links_of_version_2_limit_cost_alone_and_so_do_those_below_them() {
        let times = (NOW_MS, NOW_MS + 9);
        let old = forged_vector(&of_before(), &[7], times);
        let read = SpendKey::read(&old).unwrap();
        assert_eq!(read.chain().links[0].limit, limits([None, None, Some(7)]));
        assert_eq!((&*read.text(), code(&old)), (&old, String::new()));
        assert!(!read.limits_tokens());
        // Below it is what limits cost, of the same version, and nothing that limits tokens.
        let below = read.issue([3; 32], micros(7), times).unwrap();
        assert_eq!(SpendKey::read(&below.text()).unwrap().chain(), below.chain());
        assert_eq!(code(&forged_vector(&read, &[8], times)), "bad_chain");
        assert_eq!(code(&forged_vector(&read, &[NO_LIMIT], times)), "bad_chain");
        for wrong in [
            limits([Some(1), None, Some(1)]),
            limits([None, Some(1), Some(1)]),
            limits([None, None, None]),
        ] {
            assert_eq!(read.issue([3; 32], wrong, times).unwrap_err().code, "bad_chain");
        }
        // A link of one version is none below that of another one.
        assert_eq!(code(&forged_vector(&read, &[NO_LIMIT, NO_LIMIT, 5], times)), "bad_chain");
        assert_eq!(code(&forged_vector(&root(), &[5], times)), "bad_chain");
        // Of the key of a root nothing is signed yet: what is below it is of the version of today.
        let before = SpendKey::read(&of_before().text()).unwrap();
        assert!(before.limits_tokens() && before.text() != root().text());
        let one = limits([Some(1), None, None]);
        let [below, same] = [&before, &root()].map(|key| key.issue([3; 32], one, times).unwrap());
        assert_eq!((below.text(), code(&below.text())), (same.text(), String::new()));
    }

    #[test]
    fn a_key_of_a_budget_names_it_and_lives_shortly() {
        let budget = BudgetId::from_bytes([7; 32]);
        let most_ms = u64::try_from(crate::limits::PROVIDER_KEY_LIFE.as_millis()).unwrap();
        let of = |life_ms| root().issue_for(budget, [3; 32], micros(5), (1, 1 + life_ms));
        let key = of(most_ms).unwrap();
        assert_eq!(SpendKey::read(&key.text()).unwrap().chain().links[0].budget, Some(budget));
        let below = key.issue([4; 32], micros(5), (1, 2)).unwrap();
        assert_eq!(below.chain().links[1].budget, None);
        let error = of(most_ms + 1).unwrap_err();
        assert_eq!(error.limit.unwrap().name, "PROVIDER_KEY_LIFE");
        assert!(root().issue([3; 32], micros(5), (1, 2 + most_ms)).is_ok(), "only those");
    }

    #[test]
    fn a_link_cannot_be_moved_below_another() {
        let (one, two) =
            (deep(1), root().issue([70; 32], micros(5), (NOW_MS, NOW_MS + 9)).unwrap());
        let below = one.issue([71; 32], micros(1), (NOW_MS, NOW_MS + 9)).unwrap();
        let link = &below.signed[one.signed.len()..];
        let moved = [&two.signed[..], link, &below.seed.seed()[..]].concat();
        assert_eq!(code(&format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&moved))), "bad_chain");
        // Nor does a parent's text help whoever has only the links: the seed is missing.
        let without = [&below.signed[..], &[0; 32]].concat();
        assert_eq!(code(&format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&without))), "bad_chain");
    }

    #[test]
    fn a_chain_holds_between_its_times() {
        let chain = deep(2).into_chain();
        assert!(chain.check_time(NOW_MS).is_ok());
        assert!(chain.check_time(NOW_MS + 998).is_ok());
        assert_eq!(chain.check_time(NOW_MS + 999).unwrap_err().code, "expired");
        let skew_ms = u64::try_from(crate::limits::CLOCK_SKEW.as_millis()).unwrap();
        let later = NOW_MS + skew_ms + 1;
        let ahead = root().issue([3; 32], micros(1), (later, later + 1)).unwrap().into_chain();
        assert_eq!(ahead.check_time(NOW_MS).unwrap_err().code, "bad_chain");
        assert!(ahead.check_time(NOW_MS + 1).is_ok());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let good = deep(1).text().to_string();
        for text in [
            "",
            "hbl_",
            "sk-proj-0123456789",
            &good[1..],
            &good.to_uppercase(),
            &format!("{good}="),
            &format!("{good} "),
            &format!("{good}A"),
            "hbl_é",
        ] {
            assert_eq!(code(text), "bad_chain", "{text}");
        }
        let other = SpendKey::root(&SecretKey::from_seed([8; 32]));
        assert_eq!(code(&other.text()), "unknown_root");
        assert_eq!(code(&root().text()), "", "the root's own key");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_answered(text in "hbl_[A-Za-z0-9_-]{0,400}|\\PC{0,60}") {
            prop_assert!(SpendKey::read(&text).is_err());
        }

        #[test]
        fn what_is_issued_reads_back(
            seed: [u8; 32], limit in 0..=1_000_u64, ends_ms in NOW_MS + 1..NOW_MS + 900,
        ) {
            let issued = deep(3).issue(seed, micros(limit.min(997)), (NOW_MS, ends_ms)).unwrap();
            let read = SpendKey::read(&issued.text()).unwrap();
            prop_assert_eq!(read.chain(), issued.chain());
            prop_assert_eq!(read.text(), issued.text());
        }

        #[test]
        fn every_vector_of_limits_reads_back(
            all: [Option<u64>; 3], less in proptest::array::uniform3(0..=100_u64),
        ) {
            let times = (NOW_MS, NOW_MS + 9);
            let all = all.map(|most| most.map(|most| most % (AMOUNT_MAX + 1)));
            let above = root().issue([2; 32], limits(all), times).unwrap();
            let mut narrow = all;
            for (most, less) in narrow.iter_mut().zip(less) {
                *most = most.map(|most| most * less / 100);
            }
            let below = above.issue([3; 32], limits(narrow), times).unwrap();
            let read = SpendKey::read(&below.text()).unwrap();
            prop_assert_eq!(read.chain(), below.chain());
            prop_assert_eq!(read.chain().links[1].limit, limits(narrow));
        }
    }
}
