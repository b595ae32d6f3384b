//! Versions and ranges of them (Semantic Versioning 2.0.0; ranges as npm and cargo write them).

use crate::error::{Error, Result};
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// `major.minor.patch`, with missing numbers as 0, and a pre-release.
///
/// ```
/// use hubless_proto::query::Version;
///
/// let [rc, done] = ["1.2.0-rc.1", "1.2"].map(|text| text.parse::<Version>().unwrap());
/// assert!(rc < done);
/// assert_eq!(done.to_string(), "1.2.0");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    pre: Vec<String>,
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Partial::parse(text)
            .filter(|partial| partial.given > 0)
            .map(|partial| partial.version)
            .ok_or_else(|| {
                Error::invalid("version", "expected a version such as 1.2.3 or 1.2.3-rc.1")
            })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        if self.pre.is_empty() { Ok(()) } else { write!(f, "-{}", self.pre.join(".")) }
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_pre = || match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_pre(&self.pre, &other.pre),
        };
        self.numbers.cmp(&other.numbers).then_with(by_pre)
    }
}

fn compare_pre(a: &[String], b: &[String]) -> Ordering {
    for (a, b) in a.iter().zip(b) {
        let order = match (a.parse::<u64>(), b.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Err(_), Err(_)) => a.cmp(b),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.len().cmp(&b.len())
}

/// A version of which only the first numbers may be given.
struct Partial {
    version: Version,
    given: usize,
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split('+').next().unwrap_or_default();
        let (numbers, pre) = match text.split_once('-') {
            Some((numbers, pre)) => (numbers, pre.split('.').map(str::to_owned).collect()),
            None => (text, Vec::new()),
        };
        if text.len() > 128 || pre.iter().any(|id: &String| !is_identifier(id)) {
            return None;
        }
        let mut version = Version { numbers: [0; 3], pre };
        let mut given = 0;
        let words: Vec<&str> = numbers.split('.').collect();
        if words.len() > version.numbers.len() {
            return None;
        }
        for (place, word) in version.numbers.iter_mut().zip(&words) {
            if matches!(*word, "x" | "X" | "*") {
                break;
            }
            let digits = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
            *place = word.parse().ok().filter(|_| digits)?;
            given += 1;
        }
        let rest = words.iter().skip(given);
        let open = rest.into_iter().all(|word| matches!(*word, "x" | "X" | "*"));
        let complete = version.pre.is_empty() || given == version.numbers.len();
        (open && complete).then_some(Self { version, given })
    }

    /// The first version that is above all that this one can stand for.
    fn after(&self, given: usize) -> Option<Version> {
        let [major, minor, patch] = self.version.numbers;
        let numbers = match given {
            0 => return None,
            1 => [major.checked_add(1)?, 0, 0],
            2 => [major, minor.checked_add(1)?, 0],
            _ => [major, minor, patch.checked_add(1)?],
        };
        Some(Version { numbers, pre: Vec::new() })
    }
}

fn is_identifier(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// `1.2`, `^1.2`, `~1.2.3`, `>=1 <2`, `=1.2.3`, `*`, or several of them joined by `||`.
///
/// ```
/// use hubless_proto::query::VersionRange;
///
/// let range: VersionRange = "^1.2 || >=3".parse().unwrap();
/// assert!(range.takes("1.9.0") && range.takes("3.0.0") && !range.takes("2.0.0"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionRange {
    any_of: Vec<Vec<Bound>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Bound {
    From(Version),
    Above(Version),
    UpTo(Version),
    Below(Version),
}

impl VersionRange {
    /// True when `version` is in the range; what is no version never is. A pre-release is in it
    /// only where a bound names a pre-release of the same three numbers.
    pub fn takes(&self, version: &str) -> bool {
        let Ok(version) = version.parse::<Version>() else { return false };
        self.any_of.iter().any(|bounds| {
            let named = |bound: &Bound| {
                let other = bound.version();
                !other.pre.is_empty() && other.numbers == version.numbers
            };
            (version.pre.is_empty() || bounds.iter().any(named))
                && bounds.iter().all(|bound| bound.takes(&version))
        })
    }
}

impl Bound {
    const fn version(&self) -> &Version {
        match self {
            Self::From(version) | Self::Above(version) => version,
            Self::UpTo(version) | Self::Below(version) => version,
        }
    }

    fn takes(&self, version: &Version) -> bool {
        match self {
            Self::From(low) => version >= low,
            Self::Above(low) => version > low,
            Self::UpTo(high) => version <= high,
            Self::Below(high) => version < high,
        }
    }
}

impl FromStr for VersionRange {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = || Error::invalid("version", "expected a range such as ^1.2 or >=1.0 <2.0");
        if text.len() > 256 {
            return Err(wrong());
        }
        let any_of = text.split("||").map(alternative).collect::<Option<_>>().ok_or_else(wrong)?;
        Ok(Self { any_of })
    }
}

fn alternative(text: &str) -> Option<Vec<Bound>> {
    let mut bounds = Vec::new();
    let mut words = text.split([' ', ',']).filter(|word| !word.is_empty()).peekable();
    words.peek()?;
    while let Some(word) = words.next() {
        let digits = word.trim_start_matches(['<', '>', '=', '^', '~']);
        let (operator, _) = word.split_at_checked(word.len() - digits.len())?;
        let digits = if digits.is_empty() { words.next()? } else { digits };
        add_bounds(operator, &Partial::parse(digits)?, &mut bounds)?;
    }
    Some(bounds)
}

fn add_bounds(operator: &str, at: &Partial, bounds: &mut Vec<Bound>) -> Option<()> {
    let low = at.version.clone();
    let (exact, any) = (at.given == low.numbers.len(), at.given == 0);
    match operator {
        _ if any => bounds.push(Bound::From(low)),
        ">=" => bounds.push(Bound::From(low)),
        ">" if exact => bounds.push(Bound::Above(low)),
        ">" => bounds.push(Bound::From(at.after(at.given)?)),
        "<" => bounds.push(Bound::Below(low)),
        "<=" if exact => bounds.push(Bound::UpTo(low)),
        "<=" => bounds.push(Bound::Below(at.after(at.given)?)),
        "" | "=" if exact => bounds.extend([Bound::From(low.clone()), Bound::UpTo(low)]),
        "" | "=" => bounds.extend([Bound::From(low), Bound::Below(at.after(at.given)?)]),
        "~" => bounds.extend([Bound::From(low), Bound::Below(at.after(at.given.min(2))?)]),
        "^" => {
            // The first number that is not 0 may not change.
            let leading = low.numbers.iter().take_while(|number| **number == 0).count() + 1;
            bounds.extend([Bound::From(low), Bound::Below(at.after(leading.min(at.given))?)]);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_ordered_as_the_standard_orders_them() {
        let rising = [
            "0.0.1",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-alpha.beta",
            "1.0.0-beta",
            "1.0.0-beta.2",
            "1.0.0-beta.11",
            "1.0.0-rc.1",
            "1.0.0",
            "1.2",
            "1.10.0",
            "2",
        ];
        let parsed: Vec<Version> = rising.iter().map(|text| text.parse().unwrap()).collect();
        assert!(parsed.is_sorted() && parsed.windows(2).all(|pair| pair[0] != pair[1]));
        assert_eq!("v1.2.3+build.5".parse::<Version>().unwrap().to_string(), "1.2.3");
        for text in ["", "a", "1.a", "1.2.3.4", "1..2", "1.2.3-", "-1", "1.2-rc", "١", "*"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
    }

    #[test]
    fn ranges_take_what_they_say() {
        for (range, inside, outside) in [
            ("1.2.3", "1.2.3", "1.2.4"),
            ("1.2", "1.2.9", "1.3.0"),
            ("=1", "1.9.9", "2.0.0"),
            ("1.x", "1.5.0", "2.0.0"),
            ("*", "0.0.1", "1.0.0-rc.1"),
            ("^1.2", "1.9.0", "2.0.0"),
            ("^0.2.3", "0.2.9", "0.3.0"),
            ("^0.0.3", "0.0.3", "0.0.4"),
            ("^0", "0.9.0", "1.0.0"),
            ("~1.2.3", "1.2.9", "1.3.0"),
            ("~1", "1.9.0", "2.0.0"),
            (">=1.0 <2.0", "1.5.0", "2.0.0"),
            (">= 1.0, < 2.0", "1.0.0", "0.9.0"),
            (">1", "2.0.0", "1.9.0"),
            (">1.2.3", "1.2.4", "1.2.3"),
            ("<=1.2", "1.2.9", "1.3.0"),
            ("<=1.2.3", "1.2.3", "1.2.4"),
            (">=1.0.0-rc.1", "1.0.0-rc.2", "1.1.0-rc.1"),
            ("1 || 3", "3.5.0", "2.0.0"),
            (">=18446744073709551615", "18446744073709551615.0.0", "1.0.0"),
        ] {
            let parsed: VersionRange = range.parse().unwrap();
            assert!(parsed.takes(inside), "{range} takes {inside}");
            assert!(!parsed.takes(outside), "{range} leaves {outside}");
            assert!(!parsed.takes("not a version"));
        }
        for text in ["", "||", "^", "=>1", "1.2.3.4", ">a", "^18446744073709551615"] {
            assert!(text.parse::<VersionRange>().is_err(), "{text}");
        }
    }
}
