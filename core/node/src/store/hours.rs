//! What principals may spend in an hour, in a store.

use super::file::{File, failed};
use hubless_proto::error::Result;
use hubless_proto::killswitch::{Amount, Component, GrantId};
use hubless_proto::policy::{HourPart, HourRow, HourWrite};
use rusqlite::Connection;
use std::path::Path;

const PUT: &str = "INSERT INTO hours VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO UPDATE SET \
                   input_tokens = ?3, output_tokens = ?4, cost_micros = ?5, calls = ?6";
const DELETE: &str = "DELETE FROM hours WHERE who = ?1 AND part = ?2";
const ALL: &str = "SELECT who, part, input_tokens, output_tokens, cost_micros, calls FROM hours";

impl File {
    pub(super) fn write_hour(&self, write: &HourWrite) -> rusqlite::Result<()> {
        let written = match write {
            HourWrite::Put(HourRow { who, part, amount }) => {
                let [input, output, cost, calls] = Component::ALL.map(|one| number(amount.of(one)));
                let row = (who, key(*part), input, output, cost, calls);
                self.connection.prepare_cached(PUT)?.execute(row)
            }
            HourWrite::Delete(who, part) => {
                self.connection.prepare_cached(DELETE)?.execute((who, key(*part)))
            }
        };
        written.map(drop)
    }
}

/// Every row of a store.
pub(super) fn all(connection: &Connection, path: &Path) -> Result<Vec<HourRow>> {
    let read = || {
        let mut select = connection.prepare(ALL)?;
        let rows = select.query_map([], |row| {
            let (who, part): (String, Vec<u8>) = (row.get(0)?, row.get(1)?);
            let mut amount = Amount::ZERO;
            for (at, component) in (2..).zip(Component::ALL) {
                // What is no amount of ours is the most that can be counted, and never less.
                let count = u64::try_from(row.get::<_, i64>(at)?).unwrap_or(u64::MAX);
                let most = Amount::MAX.of(component);
                amount = amount.with(component, count.min(most)).unwrap_or(amount);
            }
            Ok(part_of(&part).map(|part| HourRow { who, part, amount }))
        })?;
        rows.collect::<rusqlite::Result<Vec<_>>>()
    };
    let rows = read().map_err(|error| failed("read", path, &error))?;
    let whole: Option<Vec<_>> = rows.into_iter().collect();
    whole.ok_or_else(|| super::broken(path, &"a part of an hour has no name of ours"))
}

/// A moment has eight bytes, the account of a budget sixteen.
fn key(part: HourPart) -> Vec<u8> {
    match part {
        HourPart::Open(id) => id.as_bytes().to_vec(),
        HourPart::Spent { over_ms } => over_ms.to_be_bytes().to_vec(),
    }
}

fn part_of(key: &[u8]) -> Option<HourPart> {
    if let Ok(over_ms) = key.try_into() {
        return Some(HourPart::Spent { over_ms: u64::from_be_bytes(over_ms) });
    }
    key.try_into().ok().map(|id| HourPart::Open(GrantId::from_bytes(id)))
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
