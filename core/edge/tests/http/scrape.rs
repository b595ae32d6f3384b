//! A reader of the text format of Prometheus, 0.0.4, that takes nothing but it.

use super::support::House;
use std::collections::{BTreeMap, BTreeSet};

type Labels = BTreeMap<String, String>;

/// What was read: the value of each series.
#[derive(Debug)]
pub(crate) struct Scrape(BTreeMap<(String, Labels), f64>);

/// Reads the metrics of a house; every line must be as the format says.
pub(crate) async fn scrape(house: &House) -> Scrape {
    let answer = house.send(&house.get("/metrics", "")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    Scrape::read(&answer.body)
}

impl Scrape {
    pub(crate) fn read(text: &str) -> Self {
        assert!(text.ends_with('\n'), "the last line has no end");
        let mut values = BTreeMap::new();
        let mut types: BTreeMap<&str, &str> = BTreeMap::new();
        let (mut helped, mut family) = ("", "");
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, words) = help.split_once(' ').expect(line);
                assert!(!words.is_empty() && !types.contains_key(name), "{line}");
                helped = name;
            } else if let Some(typed) = line.strip_prefix("# TYPE ") {
                let (name, kind) = typed.split_once(' ').expect(line);
                assert!(name == helped && types.insert(name, kind).is_none(), "{line}");
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                family = name;
            } else {
                let (name, labels, value) = sample(line);
                let part = name.strip_prefix(family).expect(line);
                let parts = if types[family] == "histogram" {
                    &["_bucket", "_sum", "_count"][..]
                } else {
                    &[""]
                };
                assert!(parts.contains(&part), "{line}");
                let again = values.insert((name.to_owned(), labels), value);
                assert!(again.is_none() && value >= 0.0, "{line}");
            }
        }
        let read = Self(values);
        types
            .iter()
            .filter(|(_, kind)| **kind == "histogram")
            .for_each(|(name, _)| read.adds(name));
        read
    }

    /// The buckets of a histogram rise, and the last is the count.
    fn adds(&self, name: &str) {
        let counts = self.0.iter().filter(|((found, _), _)| *found == format!("{name}_count"));
        let (bucket, mut seen) = (format!("{name}_bucket"), 0);
        for ((_, labels), count) in counts {
            let mut buckets: Vec<(f64, f64)> = Vec::new();
            for ((_, found), value) in self.0.iter().filter(|((found, _), _)| *found == bucket) {
                let mut rest = found.clone();
                let end = rest.remove("le").expect("every bucket has an end");
                if rest == *labels {
                    buckets.push((end.parse().unwrap(), *value));
                }
            }
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(buckets.len() > 2 && buckets.is_sorted_by(|a, b| a.1 <= b.1), "{buckets:?}");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)));
            seen += buckets.len();
        }
        let all = self.0.keys().filter(|(found, _)| *found == bucket).count();
        assert_eq!(seen, all, "every bucket belongs to a count");
    }

    fn with<'a>(
        &'a self,
        name: &'a str,
        labels: &'a [(&str, &str)],
    ) -> impl Iterator<Item = (&'a Labels, f64)> {
        let wanted = move |found: &Labels| {
            labels.iter().all(|(label, value)| found.get(*label).is_some_and(|v| v == value))
        };
        let named = self.0.iter().filter(move |((found, _), _)| found == name);
        named.map(|((_, labels), value)| (labels, *value)).filter(move |(found, _)| wanted(found))
    }

    /// The value of the one series with exactly these labels.
    pub(crate) fn one(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let exact = self.with(name, labels).filter(|(found, _)| found.len() == labels.len());
        let found: Vec<_> = exact.map(|(_, value)| value).collect();
        let [value] = found[..] else { panic!("{name} {labels:?}: {found:?}") };
        value
    }

    /// The sum of all series with these labels among theirs.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.with(name, labels).map(|(_, value)| value).sum()
    }

    /// What one label says in all series with these among theirs.
    pub(crate) fn values_of(
        &self,
        name: &str,
        labels: &[(&str, &str)],
        label: &str,
    ) -> BTreeSet<String> {
        self.with(name, labels).filter_map(|(found, _)| found.get(label).cloned()).collect()
    }
}

/// Name, labels and value of a line.
fn sample(line: &str) -> (&str, Labels, f64) {
    let end = line.find(['{', ' ']).expect(line);
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = Labels::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, quoted) = rest.split_once("=\"").expect(line);
            assert!(is_name(label), "{line}");
            let (value, after) = unquoted(quoted);
            assert!(labels.insert(label.to_owned(), value).is_none(), "{line}");
            let Some(next) = after.strip_prefix(',') else {
                rest = after.strip_prefix('}').expect(line);
                break;
            };
            rest = next;
        }
    }
    let value = rest.strip_prefix(' ').expect(line).parse().expect(line);
    (name, labels, value)
}

fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty() && name.chars().all(good) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// A value up to its quote, and what follows.
fn unquoted(text: &str) -> (String, &str) {
    let (mut value, mut chars) = (String::new(), text.char_indices());
    while let Some((at, one)) = chars.next() {
        match one {
            '"' => return (value, &text[at + 1..]),
            '\\' => match chars.next().expect("something is escaped").1 {
                'n' => value.push('\n'),
                escaped @ ('\\' | '"') => value.push(escaped),
                other => panic!("\\{other} is no escape"),
            },
            plain => value.push(plain),
        }
    }
    panic!("{text} has no end")
}
