//! Which steps need not be taken in every order.
//!
//! A *leaf* is a grant from which nothing is cut, at a node that cannot die any more. What happens
//! to it is the business of its holder alone: the grant comes, a handler reserves, spends and
//! commits or does none of it, the call ends, the acknowledgement comes. Under
//! [`Histories::LeavesFirst`] a state in which a leaf has such a step is left by the steps of the
//! first such leaf and by no other. Of every history in which others move meanwhile there is one
//! left that shows whatever that one does:
//!
//! - *They do not disturb each other.* A step of a leaf reads and writes the account of the leaf at
//!   its holder and what was spent from it, and sends last words; a step of anybody else touches
//!   neither. Letters are never taken out of the network, so nobody loses a step by waiting: those
//!   of the others are taken later, to the same effect, and what a leaf says comes as late as ever,
//!   since its delivery is a step of its issuer. So steps of a leaf can be moved before those of
//!   others, one by one, and the state at the end is the same.
//! - *A recall is no exception*, although its issuer may say it at any moment: it makes of a leaf
//!   what the end of its call makes of it, and that may come at any moment too, by the steps that
//!   are kept. Where it would have come in the middle, it comes afterwards, and only has the last
//!   word repeated.
//! - *Nothing bad is passed over.* I1 and I2 are broken where too much is spent, and what a leaf
//!   may still spend does not become less by letting it do so now: among the steps that are kept
//!   are those that reserve and take all of it. The charge of an issuer is not changed by them. I3
//!   and I5 are looked at in each state of the leaf, of which none is left out; I4, I8 and I9 are
//!   about others; I7 is about states in which no leaf has a step left that counts.
//! - *Nobody is put off for ever*: a leaf has finitely many steps.
//!
//! For this to be so nobody may be stopped, and no time may pass: plans in which that can happen
//! are not looked at so, nor those in which a node may die between a write and its disk. What is
//! said here is checked in `tests/orders.rs`: the steps commute in every state of a plan, and plans
//! that can be seen whole either way show the same; `tests/faults.rs` does with two planted faults.

use crate::killswitch::{GrantId, Message};
use crate::local::{Effect, print_of};
use crate::model::Model;
use crate::plan::{Histories, Store};
use crate::world::{Action, Letter, Said, Spent, World};
use std::sync::Arc;

impl Model {
    /// The steps of the first leaf that has any; none: every step is to be taken.
    pub(crate) fn first_leaf(&self, world: &World) -> Vec<Action> {
        if self.plan.histories == Histories::All {
            return Vec::new();
        }
        let leaves = (0..self.plan.cuts.len()).map(|cut| self.steps_of_leaf(world, cut));
        leaves.into_iter().find(|steps| !steps.is_empty()).unwrap_or_default()
    }

    /// What may happen to a grant by its holder alone; none: it is no leaf, or nothing may.
    pub fn steps_of_leaf(&self, world: &World, cut: usize) -> Vec<Action> {
        let plan = &self.plan;
        let (account, node) = (cut + 1, plan.cuts[cut].to);
        let spends = || plan.spends.iter().enumerate().filter(|(_, spend)| spend.of == account);
        let waits = || spends().any(|(spend, _)| world.spends[spend] == Spent::Asked);
        if plan.cuts.iter().any(|other| other.from == account) || self.may_die(world, node) {
            return Vec::new();
        }
        // What waits for a lease depends on what others say.
        if waits() {
            return Vec::new();
        }
        let id = self.account(account);
        let own =
            world.network.values().filter(|letter| letter.to == node && is_about(letter, &id));
        let own = own.filter(|letter| self.makes_a_difference(world, letter));
        let mut steps: Vec<_> = own.map(|letter| Action::Deliver(Arc::clone(letter))).collect();
        if world.nodes[node].charges.contains_key(&id) {
            for (spend, _) in spends().filter(|(_, spend)| spend.at == node) {
                self.possible_of(world, spend, &mut steps);
            }
            if !world.finished.contains(&(account, node)) {
                steps.push(Action::Finish(account, node));
            }
        }
        steps
    }

    /// True while a node may die.
    pub(crate) fn may_die(&self, world: &World, node: usize) -> bool {
        let mishaps = self.plan.mishaps;
        world.crashes < mishaps.crashes && mishaps.dies.is_none_or(|only| only == node)
    }

    /// True when leaves may go first in this plan.
    pub(crate) fn leaves_are_alone(&self) -> bool {
        let plan = &self.plan;
        let told = plan.mishaps.recalls || plan.mishaps.trips;
        !told && plan.time.is_none() && plan.liar.is_none() && plan.store == Store::AtOnce
    }

    /// True when a letter changes whom it is for, or has something said that was not said yet.
    fn makes_a_difference(&self, world: &World, letter: &Letter) -> bool {
        let taken = self.hears(world, letter);
        let is_new = |effect: &Effect| match effect {
            Effect::Send(to, message) => {
                let to = self.keys.iter().position(|key| key == to).unwrap();
                let said = Said::Message(message.clone());
                !world.network.contains_key(&print_of(&Letter { from: letter.to, to, said }))
            }
            Effect::Granted(_)
            | Effect::Reserved(..)
            | Effect::Refused(_)
            | Effect::Settled(..)
            | Effect::Tripped
            | Effect::Closed(..)
            | Effect::Forgot => true,
        };
        taken.0.print != world.nodes[letter.to].print || taken.1.iter().any(is_new)
    }
}

/// True for what an issuer says to the holder of a grant about it.
fn is_about(letter: &Letter, id: &GrantId) -> bool {
    match &letter.said {
        Said::Message(Message::Grant(grant)) => grant.id == *id,
        Said::Message(
            Message::SettleAck { grant }
            | Message::Recall { grant, .. }
            | Message::Renew { grant, .. },
        ) => grant == id,
        Said::Message(_) | Said::Clock(_) => false,
    }
}
