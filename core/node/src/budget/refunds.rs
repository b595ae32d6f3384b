//! What comes back of grants that other nodes hold, by what those nodes are to this one.

use super::Treasury;
use super::gateway::Gateway;
use super::guards::Held;
use crate::node::NodeOptions;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::wire::words::RefundPolicy;
use std::sync::Arc;

const POLICIES: [RefundPolicy; 3] =
    [RefundPolicy::Never, RefundPolicy::Signed, RefundPolicy::Provider];

/// What comes back of grants, by who holds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refunds {
    /// Nodes that showed a token of the mesh that this node is a member of.
    member: RefundPolicy,
    /// All others: of them nothing is known.
    external: RefundPolicy,
}

impl Default for Refunds {
    fn default() -> Self {
        Self { member: RefundPolicy::Signed, external: RefundPolicy::Never }
    }
}

impl Refunds {
    /// The same of every holder.
    pub(super) const fn all(policy: RefundPolicy) -> Self {
        Self { member: policy, external: policy }
    }

    /// What the options or the environment say, and the default of what they leave out.
    ///
    /// # Errors
    /// `invalid_argument`, field `refund`, for other words; `configuration`, code `no_gateway`, for
    /// receipts without a gateway whose receipts are believed.
    pub(crate) fn named(options: &NodeOptions, gateway: Option<&Arc<Gateway>>) -> Result<Self> {
        let said = options.refund.clone().or_else(|| options.surrounding("HUBLESS_REFUND"));
        let refunds = said.map_or_else(|| Ok(Self::default()), |said| Self::read(&said))?;
        let believed = gateway.and_then(|gateway| gateway.signer());
        let wanted = [refunds.member, refunds.external].contains(&RefundPolicy::Provider);
        if wanted && believed.is_none() {
            let message = "refunds by receipts need a gateway that signs them: set gateway, \
                           gatewayKey and gatewaySigner, or HUBLESS_GATEWAY, HUBLESS_GATEWAY_KEY \
                           and HUBLESS_GATEWAY_SIGNER";
            return Err(Error::new(Kind::Configuration, message).with_code("no_gateway"));
        }
        Ok(refunds)
    }

    /// Reads `signed`, for every holder, or `member=signed,external=never`.
    fn read(said: &str) -> Result<Self> {
        if let Some(policy) = policy(said) {
            return Ok(Self::all(policy));
        }
        let (mut member, mut external) = (None, None);
        for one in said.split(',') {
            let (class, policy) = one
                .split_once('=')
                .and_then(|(class, said)| Some((class.trim(), policy(said)?)))
                .ok_or_else(wrong)?;
            let place = match class {
                "member" => &mut member,
                "external" => &mut external,
                _ => return Err(wrong()),
            };
            if place.replace(policy).is_some() {
                return Err(wrong());
            }
        }
        let usual = Self::default();
        Ok(Self {
            member: member.unwrap_or(usual.member),
            external: external.unwrap_or(usual.external),
        })
    }
}

impl Treasury {
    /// Names what comes back of grants that others hold; the first word stands.
    pub(crate) fn refund_by(&self, refunds: Refunds) {
        // A node has one.
        let _ = self.refund.set(refunds);
    }

    /// What comes back of a grant for this node, cut for a call below `above`, if there is one.
    pub(crate) fn refund(&self, audience: NodeKey, above: Option<&Held>) -> RefundPolicy {
        if audience == self.node() {
            return RefundPolicy::Signed;
        }
        let refunds = self.refund.get().copied().unwrap_or_default();
        let own = if self.mesh.is_fellow(audience) { refunds.member } else { refunds.external };
        // What is paid by a key of a grant is shown to its issuer by receipts.
        let keyed = above.is_some_and(|held| held.gateway().is_some());
        if keyed && own != RefundPolicy::Never { RefundPolicy::Provider } else { own }
    }
}

fn policy(said: &str) -> Option<RefundPolicy> {
    POLICIES.into_iter().find(|policy| policy.name() == said.trim())
}

fn wrong() -> Error {
    let message = "expected never, signed or provider, for every holder or for each class, as \
                   member=signed,external=never";
    Error::invalid("refund", message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::Audit;
    use crate::home::Home;
    use crate::mesh::tests::hosts::Told;
    use crate::mesh::{Mesh, MeshChoice, MeshOptions, Wait};

    use RefundPolicy::{Never, Provider, Signed};

    fn read(said: &str) -> Result<Refunds> {
        let refund = Some(said.to_owned());
        Refunds::named(&NodeOptions { refund, hermetic: true, ..NodeOptions::default() }, None)
    }

    #[test]
    fn one_word_is_for_every_holder_and_a_class_that_is_left_out_has_its_default() {
        let none = NodeOptions { hermetic: true, ..NodeOptions::default() };
        let usual = Refunds { member: Signed, external: Never };
        assert_eq!(Refunds::named(&none, None).unwrap(), usual);
        for (said, member, external) in [
            ("never", Never, Never),
            (" signed ", Signed, Signed),
            ("member=never", Never, Never),
            ("external=signed", Signed, Signed),
            ("member=signed,external=never", Signed, Never),
            (" external = signed , member = never ", Never, Signed),
        ] {
            assert_eq!(read(said).unwrap(), Refunds { member, external }, "{said}");
        }
    }

    #[test]
    fn other_words_and_receipts_that_nobody_signs_are_refused() {
        for said in [
            "always",
            "",
            "member",
            "member=",
            "member=always",
            "friend=signed",
            "member=signed,",
            "member=signed,member=never",
            "signed,external=never",
            "member=signed=never",
        ] {
            let error = Refunds::read(said).unwrap_err();
            assert_eq!(error.field.as_deref(), Some("refund"), "{said}");
        }
        for said in ["provider", "member=provider", "external=provider,member=signed"] {
            let error = read(said).unwrap_err();
            assert_eq!((error.kind, error.code.as_str()), (Kind::Configuration, "no_gateway"));
            assert!(Refunds::read(said).is_ok(), "{said}");
        }
    }

    async fn mesh(home: &Home, choice: MeshChoice) -> Mesh {
        let options = MeshOptions { mesh: choice, ..MeshOptions::new(home.clone()) };
        Mesh::start(options, Told::nothing()).await.unwrap()
    }

    /// What comes back of a grant of this node for that one, as it is, and where every class says
    /// what it is.
    fn refunds(of: &Mesh, audience: NodeKey) -> [RefundPolicy; 2] {
        [Refunds::default(), Refunds { member: Provider, external: Signed }].map(|refunds| {
            let treasury = Treasury::in_memory(of.clone(), Arc::<Audit>::default());
            treasury.refund_by(refunds);
            treasury.refund(audience, None)
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn members_are_believed_and_nothing_comes_back_of_others() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(Some(folder.path())).unwrap();
        let one = mesh(&home, MeshChoice::Default).await;
        let two = mesh(&home, MeshChoice::Default).await;
        one.contact(two.node_key(), &two.addresses());
        one.meet(two.node_key(), Wait::Tries).await.unwrap();
        assert_eq!(refunds(&one, two.node_key()), [Signed, Provider]);
        // Whoever was never met, and whoever has shown no token to the other.
        let stranger = NodeKey::from_bytes([2; 32]);
        assert_eq!(refunds(&one, stranger), [Never, Signed]);
        let outside = mesh(&Home::memory(), MeshChoice::Outside(one.mesh_id())).await;
        outside.contact(two.node_key(), &two.addresses());
        outside.meet(two.node_key(), Wait::Tries).await.unwrap();
        assert_eq!(refunds(&outside, two.node_key()), [Never, Signed]);
        assert_eq!(refunds(&two, outside.node_key()), [Never, Signed]);
        // In the own node all is known.
        assert_eq!(refunds(&one, one.node_key()), [Signed, Signed]);
    }
}
