//! The mesh, as the door of a relay.

use crate::chance::now_ms;
use crate::mesh::Mesh;
use crate::mesh::shared::Shared;
use crate::relay::{Door, Guest};
use hubless_proto::audit::Entry;
use hubless_proto::error::Result;
use hubless_proto::identity::NodeKey;
use hubless_proto::limits::{self, ms};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

struct Doorkeeper(Arc<Shared>);

impl Mesh {
    /// Who is let in at a relay of this node.
    pub(crate) fn door(&self) -> Arc<dyn Door> {
        Arc::new(Doorkeeper(Arc::clone(&self.shared)))
    }
}

impl Door for Doorkeeper {
    fn opens(&self, node: NodeKey, token: &[u8]) -> Result<Guest> {
        let now_ms = now_ms();
        let standing = self.0.local.membership().let_by(token, node, now_ms)?;
        let member = standing.keys.get(1).copied();
        // A pass ends when it says; the end of a member was said by another clock than this one.
        let slack_ms = if standing.role.is_empty() { 0 } else { ms(limits::CLOCK_SKEW) };
        let stays = standing.member_until_ms.map(|until_ms| {
            Duration::from_millis(until_ms.saturating_add(slack_ms).saturating_sub(now_ms))
        });
        Ok(Guest { role: standing.role, member, keys: standing.keys, stays })
    }

    fn is_revoked(&self, keys: &[[u8; 32]]) -> bool {
        self.0.local.membership().check_keys(keys).is_err()
    }

    fn noted(&self, entry: Entry) {
        self.0.host.noted(entry);
    }
}

impl fmt::Debug for Doorkeeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Doorkeeper")
    }
}
