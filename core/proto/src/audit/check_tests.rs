//! Whatever is done to a log is found at the first row that it was done to.

use super::super::{Chain, Entry, Link};
use super::*;
use proptest::prelude::*;

/// A log, with what was forgotten of it and by which row that is said.
fn log(names: &[String]) -> (Vec<Link>, Head) {
    let mut chain = Chain::after(Head::START);
    let links = names.iter().zip(1..).map(|(name, at_ms)| {
        let entry = Entry::of(Event::PinSet).named(name);
        chain.add(entry, at_ms)
    });
    let links = links.collect();
    (links, chain.head())
}

fn checked(base: Head, links: &[Link], known: Option<Head>) -> Result<Head, Fault> {
    let check = Check::from(base);
    let mut check = known.map_or_else(|| check.clone(), |known| check.clone().knowing(known));
    for link in links {
        check.row(link.head.seq, link.row.as_bytes(), &link.head.hash)?;
    }
    check.end()
}

fn seq(links: &[Link], known: Option<Head>) -> u64 {
    checked(Head::START, links, known).unwrap_err().seq
}

fn names() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-z\"é\\\\]{0,8}", 2..12)
}

proptest! {
    #[test]
    fn a_log_as_it_was_written_holds(names in names()) {
        let (links, head) = log(&names);
        prop_assert_eq!(checked(Head::START, &links, Some(head)), Ok(head));
        prop_assert_eq!(checked(Head::START, &links, None), Ok(head));
    }

    #[test]
    fn a_changed_byte_of_any_row_is_found(names in names(), at: prop::sample::Index,
        byte: prop::sample::Index, to: u8)
    {
        let (links, _) = log(&names);
        let at = at.index(links.len());
        let mut bytes = links[at].row.clone().into_bytes();
        let byte = byte.index(bytes.len());
        prop_assume!(bytes[byte] != to);
        bytes[byte] = to;
        let mut check = Check::from(Head::START);
        for link in &links[..at] {
            check.row(link.head.seq, link.row.as_bytes(), &link.head.hash).unwrap();
        }
        let head = links[at].head;
        let fault = check.row(head.seq, &bytes, &head.hash).unwrap_err();
        prop_assert_eq!(fault, Fault { seq: at as u64 + 1, flaw: Flaw::Changed });
    }

    #[test]
    fn a_changed_hash_of_any_row_is_found(names in names(), at: prop::sample::Index,
        byte in 0_usize..32, flip in 1_u8..)
    {
        let (mut links, _) = log(&names);
        let at = at.index(links.len());
        links[at].head.hash[byte] ^= flip;
        prop_assert_eq!(seq(&links, None), at as u64 + 1);
    }

    #[test]
    fn a_row_that_was_taken_out_is_found(names in names(), at: prop::sample::Index) {
        let (mut links, head) = log(&names);
        let at = at.index(links.len());
        links.remove(at);
        // Without the head nobody can know of the last one.
        prop_assert_eq!(seq(&links, Some(head)), at as u64 + 1);
        if at < links.len() {
            prop_assert_eq!(seq(&links, None), at as u64 + 1);
        }
    }

    #[test]
    fn a_row_that_was_put_in_is_found(names in names(), at: prop::sample::Index,
        from: prop::sample::Index)
    {
        let (mut links, _) = log(&names);
        let (at, from) = (at.index(links.len()), from.index(links.len()));
        let copy = Link { head: Head { seq: at as u64 + 1, ..links[from].head },
            ..links[from].clone() };
        links.insert(at, copy);
        // A second one of the same number, or the same twice.
        let found = seq(&links, None);
        prop_assert!(found == at as u64 + 1 || (from == at && found == at as u64 + 2));
    }

    #[test]
    fn two_rows_that_were_exchanged_are_found(names in names(), a: prop::sample::Index,
        b: prop::sample::Index)
    {
        let (links, _) = log(&names);
        let (a, b) = (a.index(links.len()), b.index(links.len()));
        prop_assume!(a != b);
        let first = a.min(b) as u64 + 1;
        let mut whole = links.clone();
        whole.swap(a, b);
        prop_assert_eq!(seq(&whole, None), first);
        // Their contents alone, each under the number and hash of the other.
        let mut rows = links;
        let (row_a, row_b) = (rows[a].row.clone(), rows[b].row.clone());
        (rows[a].row, rows[b].row) = (row_b, row_a);
        prop_assert_eq!(seq(&rows, None), first);
    }

    #[test]
    fn a_new_end_is_found_where_the_head_is_known(names in names(), keep: prop::sample::Index) {
        let (links, head) = log(&names);
        let keep = keep.index(links.len());
        let last = keep.checked_sub(1).map_or(Head::START, |last| links[last].head);
        let mut chain = Chain::after(last);
        let mut forged = links[..keep].to_vec();
        prop_assert_eq!(seq(&forged, Some(head)), keep as u64 + 1);
        // As long as before, and longer: every hash in it holds.
        forged.extend((keep..=links.len()).map(|_| chain.add(Entry::of(Event::PinRemoved), 0)));
        prop_assert_eq!(checked(Head::START, &forged, None), Ok(chain.head()));
        prop_assert_eq!(seq(&forged, Some(head)), head.seq);
    }
}

/// Rows 1 to 3 of six are forgotten, and the sixth says so.
fn forgotten() -> (Vec<Link>, Head) {
    let (mut links, _) = log(&["a", "b", "c", "d", "e"].map(str::to_owned));
    let base = links[2].head;
    let mut chain = Chain::after(links[4].head);
    let said = Entry::of(Event::RowsForgotten).times(base.seq).because(&hex::encode(&base.hash));
    links.push(chain.add(said, 9));
    (links.split_off(3), base)
}

#[test]
fn what_was_forgotten_is_said_by_a_row() {
    let (links, base) = forgotten();
    let head = links.last().unwrap().head;
    assert_eq!(checked(base, &links, Some(head)), Ok(head));
    // A head that was noted before, and is forgotten, says nothing.
    assert!(checked(base, &links, Some(Head { seq: 2, hash: [9; 32] })).is_ok());
}

#[test]
fn rows_that_nobody_said_to_be_forgotten_are_missing() {
    let (links, base) = forgotten();
    // One more, with the base moved after it.
    let more = checked(links[0].head, &links[1..], None).unwrap_err();
    assert_eq!(more, Fault { seq: 4, flaw: Flaw::CutBefore });
    // The row that says it.
    let silent = checked(base, &links[..2], None).unwrap_err();
    assert_eq!(silent, Fault { seq: 1, flaw: Flaw::CutBefore });
    // Another row before the base than the one that is named.
    let other = Head { hash: [1; 32], ..base };
    assert_eq!(checked(other, &links, None).unwrap_err().seq, 4);
    // No base at all.
    let none = checked(Head::START, &links, None).unwrap_err();
    assert_eq!(none, Fault { seq: 1, flaw: Flaw::Missing });
    // Everything but the base.
    let empty = checked(base, &[], None).unwrap_err();
    assert_eq!(empty, Fault { seq: 1, flaw: Flaw::CutBefore });
}

#[test]
fn a_hash_that_holds_over_what_is_no_row_is_found() {
    for row in ["{}", "no", r#"{"seq":2,"atMs":1,"kind":"pin_set","outcome":"ok"}"#] {
        let head = Head::START.then(row.as_bytes());
        let fault = Check::from(Head::START).row(1, row.as_bytes(), &head.hash).unwrap_err();
        assert_eq!(fault, Fault { seq: 1, flaw: Flaw::Unreadable }, "{row}");
    }
    let error = Error::from(Fault { seq: 3, flaw: Flaw::Changed });
    assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, "broken_audit"));
    assert!(error.message.starts_with("row 3 is not what was written"), "{error}");
}
