//! Zones: labels of the operator for where an agent is, such as `eu` or `on-prem`.
//!
//! Owns: that an agent is in no zone that the token of its node does not state. Must not know: how
//! a token is checked. Tested beside the rules of records.

use super::{Directory, Source};
use crate::error::{Error, Kind, Result};
use crate::identity::NodeKey;
use crate::limits;
use crate::wire::announcement::OpenedAgent;
use crate::wire::v1;

/// Refuses a descriptor that says a zone which is none of `stated`.
///
/// # Errors
/// `denied`, code `zone`.
pub fn zones_within(descriptor: &v1::Descriptor, stated: &[String]) -> Result<()> {
    match descriptor.zones.iter().find(|zone| !stated.contains(zone)) {
        None => Ok(()),
        Some(zone) => {
            let message = format!("the token of its node does not name the zone {zone:?}");
            Err(Error::new(Kind::Denied, message).with_code("zone").with_field("zones"))
        }
    }
}

impl Directory {
    /// Notes what the token of a node states; agents that were refused for their zones may be shown
    /// again then. Forgotten with the node.
    pub fn zoned(&mut self, node: NodeKey, zones: Vec<String>) {
        if zones.is_empty() {
            self.zones.remove(&node);
        } else if self.zones.len() < limits::DIRECTORY_NODES || self.zones.contains_key(&node) {
            self.zones.insert(node, zones);
        }
    }

    /// Refuses an agent that says a zone which the token of its node does not state.
    pub(super) fn check_zones(&self, source: Source, opened: &OpenedAgent) -> Result<()> {
        if source == Source::Own {
            return Ok(());
        }
        let stated = self.zones.get(&opened.node).map_or(&[][..], Vec::as_slice);
        zones_within(&opened.descriptor.body, stated)
    }
}
