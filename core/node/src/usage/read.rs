//! The sums of a data folder.

use super::sums::{By, UsageRow, Used, sorted};
use crate::audit::LogFile;
use crate::home::Home;
use hubless_proto::error::Result;
use std::collections::BTreeMap;

/// What the calls used that the named nodes of a data folder handled, running or not. Most
/// expensive first. Blocks.
///
/// ```
/// use hubless::home::Home;
/// use hubless::usage::{self, By, UsageRow, Used};
///
/// # let folder = tempfile::tempdir().unwrap();
/// let home = Home::open(Some(folder.path()))?;
/// let rows: Vec<UsageRow> = usage::of_home(&home, By::Agent)?;
/// let all = rows.iter().map(|row: &UsageRow| row.used.calls).sum::<u64>();
/// assert_eq!(all, Used::default().calls);
/// # Ok::<(), hubless::Error>(())
/// ```
///
/// # Errors
/// `configuration` without a data folder, and for a store that cannot be read.
pub fn of_home(home: &Home, by: By) -> Result<Vec<UsageRow>> {
    let mut all: BTreeMap<String, Used> = BTreeMap::new();
    for log in LogFile::all(home)?.into_iter().filter(LogFile::is_of_node) {
        for sum in log.view()?.sums()?.into_iter().filter(|sum| sum.by == by) {
            let so_far = all.entry(sum.key).or_default();
            *so_far = so_far.plus(&sum.used);
        }
    }
    Ok(sorted(all))
}
