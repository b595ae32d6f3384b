//! Rows of gateways of before, and what damaged ones are taken for.

use super::tests::{NOW_MS, amount, micros, root_key};
use super::{Row, Till, Write};

/// Rows as version 0.1.0 wrote them.
#[test]
fn rows_of_a_gateway_that_counted_cost_alone_are_read() {
    let key = root_key().chain().root;
    let rows = [
        format!(
            r#"{{"row":"root","key":"{key}","label":"team","ceiling":1000,"spent":100,
            "stopped":false,"forgottenMs":0}}"#
        ),
        format!(r#"{{"row":"open","id":7,"root":"{key}","link":null,"max":40}}"#),
    ];
    let read = |row: &String| Row::decode(row.as_bytes());
    let mut till = Till::load(rows.iter().map(|row| read(row).unwrap()).collect()).unwrap();
    let account = till.accounts().remove(0);
    assert_eq!((account.limit, account.spent), (micros(1_000).into(), micros(100).into()));
    assert_eq!(account.reserved, micros(40).into());
    let (_, writes) = till.reserve(root_key().chain(), amount([5, 6, 860]), NOW_MS).unwrap();
    // What it writes is read as it was, tokens among it.
    for write in writes.into_iter().chain(till.recover().unwrap()) {
        if let Write::Put(row) = write {
            assert_eq!(Row::decode(&row.encode()).unwrap(), *row);
        }
    }
    assert_eq!(till.accounts()[0].spent, amount([5, 6, 1_000]));
    // A limit that is not there is not one that does not limit.
    for (row, gone) in [(0, "\"ceiling\":1000,"), (0, ",\"spent\":100"), (1, ",\"max\":40")] {
        let broken = rows[row].replace(gone, "");
        assert_ne!(broken, rows[row]);
        assert_eq!(read(&broken).unwrap_err().code, "broken_store", "{broken}");
    }
    for tokens in [r#"{"input":1}"#, r#"{"input":-1,"output":null}"#, "null", "[]"] {
        let with = format!(r#""ceilingTokens":{tokens},"ceiling""#);
        let broken = rows[0].replace(r#""ceiling""#, &with);
        assert_eq!(read(&broken).unwrap_err().code, "broken_store", "{broken}");
    }
    let large = format!(r#""spentTokens":{{"input":{},"output":0}},"spent""#, u64::MAX);
    assert!(read(&rows[0].replace(r#""spent""#, &large)).is_err());
}
