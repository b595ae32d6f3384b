//! What must hold after every step, whatever happened.

use crate::world::World;
use hubless_proto::killswitch::BudgetId;

impl World {
    pub(crate) fn look(&self) {
        for (node, budget) in &self.budgets {
            let root = budget.origin.account();
            let real = self.provider.below(&root, &self.parents);
            let fits = budget.terms.ceiling.allows(&real);
            assert!(fits, "I1: {real:?} was spent of {:?} of node {node}", budget.terms.ceiling);
            for node in 0..self.nodes.len() {
                self.look_at(node, budget.origin.budget_id());
            }
        }
        for (node, budget) in &self.told {
            let stopped = self.nodes[*node].ledger.tripped(budget).is_some();
            assert!(stopped, "I8: node {node} forgot a stop that it told of");
        }
    }

    fn look_at(&self, node: usize, budget: BudgetId) {
        let ledger = &self.nodes[node].ledger;
        for (id, _) in ledger.accounts(&budget) {
            let view = ledger.view(&id).unwrap();
            let all = view.used.plus(&view.held).unwrap();
            assert!(view.amount.allows(&all), "I3: {view:?} of {id} at node {node}");
            for cut in ledger.cuts(&id) {
                let real = self.provider.below(&cut.grant, &self.parents);
                let covered = real.is_within(&cut.charged);
                assert!(covered, "I2: {real:?} was spent of {cut:?}, cut at node {node}");
                let settled = self.settled.get(&cut.grant);
                let kept = settled.is_none_or(|settled| *settled == cut.charged);
                assert!(kept, "I4: {cut:?} at node {node} was settled with {settled:?}");
            }
        }
    }
}
