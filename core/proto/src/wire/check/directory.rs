//! What members tell each other of the records they hold (`control.proto`).

use super::form::{at_most, exactly, present};
use crate::error::{Error, Result};
use crate::limits as l;
use crate::wire::decode::Checked;
use crate::wire::v1;

/// Sums of one message: one of each bucket.
const SUMS: usize = 256;

impl Checked for v1::RecordDigests {
    fn check(&self) -> Result<()> {
        use v1::record_digests::Says;
        match present("says", self.says.as_ref())? {
            Says::Compare(sum) => exactly("compare", sum, 16),
            Says::Buckets(sums) if sums.is_empty() => Ok(()),
            Says::Buckets(sums) => exactly("buckets", sums, 16 * SUMS),
            Says::Rows(rows) => rows.check(),
            Says::Wants(wants) => wants.check(),
            Says::Offer(rows) => items("offer", rows, 32, l::REPAIR_ROWS),
            Says::Ask(names) => items("ask", names, 16, l::REPAIR_ROWS),
            Says::Suspects(suspects) => items("suspects", suspects, 40, l::GOSSIP_SUSPECTS),
        }
    }
}

impl Checked for v1::RecordRows {
    fn check(&self) -> Result<()> {
        items("spans", &self.spans, 32, SUMS)?;
        items("rows", &self.rows, 32, l::REPAIR_ROWS)
    }
}

impl Checked for v1::RecordWants {
    fn check(&self) -> Result<()> {
        items("names", &self.names, 16, l::REPAIR_ROWS)?;
        items("rest", &self.rest, 32, SUMS)
    }
}

impl Checked for v1::RecordDelta {
    fn check(&self) -> Result<()> {
        at_most("records", self.records.len(), "MESSAGE_ITEMS", l::MESSAGE_ITEMS)
    }
}

/// Items of one size, one after the other.
fn items(field: &str, bytes: &[u8], size: usize, most: usize) -> Result<()> {
    if !bytes.len().is_multiple_of(size) {
        let message = format!("expected items of {size} bytes, got {} bytes", bytes.len());
        return Err(Error::invalid(field, message));
    }
    at_most(field, bytes.len() / size, "REPAIR_ROWS", most)
}
