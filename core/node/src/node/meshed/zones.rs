//! Zones of agents elsewhere: believed as far as the token of their node states them.

use crate::node::lifecycle::Inner;
use crate::node::resolve::Route;
use hubless_proto::directory::{Announced, zones_within};
use hubless_proto::error::{Error, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::policy::check;
use hubless_proto::wire::v1;

impl Inner {
    /// Looks at the token of a node whose agents were refused for their zones, which few have;
    /// true: it states some, and what was announced is to be shown once more.
    pub(in crate::node) fn proves_zones(&self, node: NodeKey, announced: &Announced) -> bool {
        if !announced.refused.iter().any(|refused| refused.error.code == "zone") {
            return false;
        }
        let stated = self.mesh.zones_of(node);
        let proves = !stated.is_empty();
        self.world.zoned(node, stated);
        proves
    }

    /// Refuses what a node says of an agent that is in no zone of the node.
    ///
    /// # Errors
    /// `denied`, code `zone`.
    pub(in crate::node) fn check_zones(
        &self,
        node: NodeKey,
        descriptor: &v1::Descriptor,
    ) -> Result<()> {
        if descriptor.zones.is_empty() {
            return Ok(());
        }
        zones_within(descriptor, &self.mesh.zones_of(node))
    }

    /// Refuses a callee elsewhere that is outside the data policy of a request, before anything of
    /// it leaves. One of this node refuses it itself.
    ///
    /// # Errors
    /// `denied`, code `data_policy`.
    pub(in crate::node) fn check_policy(&self, route: &Route, request: &v1::Request) -> Result<()> {
        if !route.remote(self) {
            return Ok(());
        }
        check::data_policy(&route.descriptor, request).map_err(|error| {
            let origin = Some(self.engine.node().to_string());
            Error { origin, ..error }.with_agent(route.agent)
        })
    }

    /// Takes up what a node announced; once more, if that is what its zones need.
    pub(in crate::node) fn taken_up(
        &self,
        node: NodeKey,
        take: impl Fn(&Self) -> Announced,
    ) -> Announced {
        let announced = take(self);
        if self.proves_zones(node, &announced) { take(self) } else { announced }
    }
}
