//! What a dishonest node between the root and a holder can say: what it made itself, what it heard,
//! and what it heard before, in every form that its listeners tell apart.

use crate::killswitch::{Beacon, Fold, Grant, Message, Origin, Proof, Reading, Round};
use crate::local::secret;
use crate::model::Model;
use crate::plan::Liar;
use crate::world::{Action, Letter, Said, World};
use hubless_proto::wire::record::Digest;
use std::sync::Arc;

/// What it folds beside the questions of the holder: a nonce of its own.
const BESIDE: Digest = [0xab; 32];

/// What it has heard.
#[derive(Default)]
struct Heard {
    /// Its own grant.
    grant: Option<Grant>,
    /// Questions of the holder: what its clock read, and what it asked with.
    asked: Vec<(Reading, Option<Digest>)>,
    /// What the root answered.
    proofs: Vec<Proof>,
}

/// True for what helps a node that lies about time.
pub(crate) const fn is_of_use(message: &Message) -> bool {
    matches!(message, Message::Grant(_) | Message::RenewAsk { .. } | Message::Beacon(_))
}

impl Model {
    /// Each lie that makes a difference.
    pub(crate) fn possible_lies(&self, world: &World, actions: &mut Vec<Action>) {
        let Some(liar) = self.plan.liar else { return };
        let heard = Heard::of(world, liar);
        let holder = self.plan.cuts[1].to;
        let said = self.to_holder(world, (liar, holder), &heard).into_iter();
        let mut lies: Vec<_> = said.map(|message| (holder, message)).collect();
        if world.asks < liar.asks {
            lies.extend(self.to_root(&heard).into_iter().map(|message| (0, message)));
        }
        for (to, message) in lies {
            let letter = Letter { from: liar.node, to, said: Said::Message(message) };
            if self.tells(world, &letter) {
                actions.push(Action::Lie(Arc::new(letter)));
            }
        }
    }

    /// Questions: the holder's as it is, beside another one, or beside what nobody asked.
    fn to_root(&self, heard: &Heard) -> Vec<Message> {
        let folds: Vec<Digest> = heard.folds().collect();
        let beside = |fold: &Digest| vec![*fold, BESIDE];
        let pairs = folds
            .iter()
            .enumerate()
            .flat_map(|(at, fold)| folds.iter().skip(at + 1).map(move |other| vec![*fold, *other]));
        let alone = folds.iter().map(|fold| vec![*fold]);
        let all = alone.chain(folds.iter().map(beside)).chain(pairs);
        let ask = |leaves: Vec<Digest>| Message::RenewAsk {
            grant: self.account(1),
            reading: Reading { instance: 1, clock_ms: 1 },
            fold: Fold::of(leaves).map(|fold| fold.root()),
        };
        all.map(ask).collect()
    }

    fn to_holder(
        &self,
        world: &World,
        (liar, holder): (Liar, usize),
        heard: &Heard,
    ) -> Vec<Message> {
        let (id, lease_ms) = (self.account(2), self.budget.terms.lease_ms);
        let mut all = Vec::new();
        if let Some(grant) = heard.grant.clone() {
            all.push(Message::Grant(Box::new(Grant {
                id,
                parent: grant.id,
                issuer: self.keys[liar.node],
                audience: self.keys[holder],
                depth: grant.depth + 1,
                // The best that it could have heard.
                reading: Some(self.reading(world, holder)),
                ..grant
            })));
        }
        let asked = heard.asked.iter();
        let renew = |(reading, _): &(Reading, Option<Digest>)| Message::Renew {
            grant: id,
            reading: *reading,
            lease_ms,
            epoch: 0,
        };
        all.extend(asked.map(renew));
        for fold in heard.folds() {
            let shown = heard.proofs.iter().map(|proof| {
                let path = heard.path(fold, proof).unwrap_or_default();
                Proof { grant: id, fold, beacon: proof.beacon.clone(), path }
            });
            let own = Proof { grant: id, fold, beacon: self.own_beacon(liar, fold), path: vec![] };
            let shown = shown.chain([own]).map(Box::new);
            all.extend(shown.map(Message::Beacon));
        }
        all
    }

    /// The word of a root of a strict budget, if not of this one.
    fn own_beacon(&self, liar: Liar, tree: Digest) -> Beacon {
        let known = self.beacons.read().unwrap().get(&tree).cloned();
        known.unwrap_or_else(|| {
            let key = secret(liar.node);
            let origin = Origin::strict(key.node_key(), [5; 16]);
            let lease_ms = self.budget.terms.lease_ms;
            let round = Round { origin, epoch: 0, tree, lease_ms };
            let beacon = Beacon::sign(&key, round).unwrap();
            self.beacons.write().unwrap().insert(tree, beacon.clone());
            beacon
        })
    }
}

impl Heard {
    fn of(world: &World, liar: Liar) -> Self {
        let mut heard = Self::default();
        for letter in world.network.values().filter(|letter| letter.to == liar.node) {
            match &letter.said {
                Said::Message(Message::Grant(grant)) => heard.grant = Some((**grant).clone()),
                Said::Message(Message::RenewAsk { reading, fold, .. }) => {
                    heard.asked.push((*reading, *fold));
                }
                Said::Message(Message::Beacon(proof)) => heard.proofs.push((**proof).clone()),
                Said::Message(_) | Said::Clock(_) => {}
            }
        }
        heard
    }

    fn folds(&self) -> impl Iterator<Item = Digest> {
        self.asked.iter().filter_map(|(_, fold)| *fold)
    }

    /// The way from a question of the holder to the tree of an answer, if it was asked with it.
    fn path(&self, fold: Digest, proof: &Proof) -> Option<Vec<Digest>> {
        let beside = self.folds().filter(|other| *other != fold).chain([BESIDE]);
        let ways = [vec![]].into_iter().chain(beside.map(|one| vec![one]));
        let way = ways.into_iter().find(|way| Fold::climb(fold, way) == proof.fold);
        way.map(|way| [way, proof.path.clone()].concat())
    }
}
