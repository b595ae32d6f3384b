//! A store that does not know everything: it is new, or an older copy of it came back.
//!
//! Nobody can say what earlier processes of the node spent. So what they held is charged in full,
//! and a grant that may have been theirs is neither taken nor said to be unused.

use super::ledger::Ledger;
use super::row::{Key, Row};
use super::{GrantId, Reading};
use crate::wire::v1;

impl Ledger {
    /// What was before this process is not known.
    pub(super) fn forget_earlier(&mut self) {
        self.since = self.owner.instance;
        let ids: Vec<GrantId> = self.accounts.keys().copied().collect();
        for id in ids {
            let Some(account) = self.accounts.get_mut(&id) else { continue };
            account.lost = true;
            // A budget has grants of which nothing is known: it is never cut from again.
            account.finished = true;
            self.write_account(id);
        }
    }

    /// So many processes have had the store open, this one among them.
    pub fn opened(&mut self, opened: u64) {
        let row = v1::SinceRow { instance: self.since, opened };
        self.out.put(Key::Since, || Row::new(Key::Since, v1::ledger_row::Kind::Since(row)));
        self.out.flush();
    }

    /// True unless the grant that carries this reading may have been spent by a process of which
    /// nothing is known here.
    pub(super) fn is_ours(&self, reading: Option<Reading>) -> bool {
        // The number of this process may be lower than that of one before it: it is the time, and
        // clocks are set back.
        let known = |instance: u64| instance >= self.since || instance == self.owner.instance;
        self.since == 0 || reading.is_some_and(|reading| known(reading.instance))
    }
}
