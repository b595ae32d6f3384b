//! Sums of what calls used, in a store.

use super::file::{File, failed};
use crate::usage::{By, Used};
use hubless_proto::error::Result;
use rusqlite::Connection;
use std::path::Path;

const PUT: &str = "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT DO UPDATE \
                   SET calls = ?3, failed = ?4, in_full = ?5, input_tokens = ?6, \
                   output_tokens = ?7, cost_micros = ?8";
const ALL: &str = "SELECT side, key, calls, failed, in_full, input_tokens, output_tokens, \
                   cost_micros FROM usage";

/// The sum of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) by: By,
    pub(crate) key: String,
    pub(crate) used: Used,
}

impl File {
    pub(super) fn put_sum(&self, sum: &Sum) -> rusqlite::Result<()> {
        let Used { calls, failed, in_full, input_tokens, output_tokens, cost_micros } = sum.used;
        let [calls, failed, in_full, input, output, cost] =
            [calls, failed, in_full, input_tokens, output_tokens, cost_micros].map(number);
        let row = (sum.by.name(), &sum.key, calls, failed, in_full, input, output, cost);
        self.connection.prepare_cached(PUT)?.execute(row).map(drop)
    }
}

/// Every sum of a store.
pub(super) fn all(connection: &Connection, path: &Path) -> Result<Vec<Sum>> {
    let read = || {
        let mut select = connection.prepare(ALL)?;
        let rows = select.query_map([], |row| {
            let number = |at| row.get::<_, i64>(at).map(|one| u64::try_from(one).unwrap_or(0));
            let used = Used {
                calls: number(2)?,
                failed: number(3)?,
                in_full: number(4)?,
                input_tokens: number(5)?,
                output_tokens: number(6)?,
                cost_micros: number(7)?,
            };
            Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, used))
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = read().map_err(|error| failed("read", path, &error))?;
    // What a newer version sums by is not ours to show.
    let known = rows.into_iter().filter_map(|(side, key, used)| {
        let by = side.parse().ok()?;
        Some(Sum { by, key, used })
    });
    Ok(known.collect())
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
