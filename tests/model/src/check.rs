//! What must hold in every state, and what must be possible in some.

use crate::model::Model;
use crate::plan::Plan;
use crate::world::{Action, World};
use stateright::{Checker, HasDiscoveries, Model as Checked, Property};
use std::fmt;
use std::time::{Duration, Instant};

impl Checked for Model {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![self.begin()]
    }

    fn actions(&self, state: &World, actions: &mut Vec<Action>) {
        self.possible(state, actions);
    }

    fn next_state(&self, last: &World, action: Action) -> Option<World> {
        Some(self.after(last, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(
                "I1 nothing is spent beyond the ceiling",
                |model: &Self, state: &World| model.real(state)[0] <= model.plan.ceiling,
            ),
            Property::always("I2 everything spent is charged", Self::covers),
            Property::always("I3 nobody holds more than was granted", |_, state: &World| {
                state.nodes.iter().all(|node| node.fits)
            }),
            Property::always("I4 what is settled stays settled", Self::keeps),
            Property::always("I5 one id has one effect", |_, state: &World| !state.seen.twice),
            Property::always(
                "I6 nothing begins later than a lease after the stop",
                |_, state: &World| !state.seen.late,
            ),
            Property::always("I7 nothing leaks", |model: &Self, state: &World| {
                !model.is_at_rest(state) || model.charge(state) == Some(model.real(state)[0])
            }),
            Property::always("I8 a stop is never taken back", |_, state: &World| {
                Self::remembers(state)
            }),
            Property::always("I9 a restart forgets nothing", |_, state: &World| !state.seen.forgot),
        ];
        all.extend(self.wanted());
        all
    }
}

impl Model {
    /// The positive controls: without them a model in which nothing happens would be clean.
    fn wanted(&self) -> Vec<Property<Self>> {
        let mishaps = self.plan.mishaps;
        if self.plan.time.is_some() {
            return vec![Property::sometimes(
                "spending begins as late as it may",
                |_, state: &World| state.seen.latest,
            )];
        }
        let mut wanted = vec![
            Property::sometimes("all of the budget is used", Self::is_used_up),
            Property::sometimes("a part comes back", |_, state: &World| Self::has_refunded(state)),
            Property::sometimes("everything is at rest", Self::is_at_rest),
        ];
        if self.plan.cuts.iter().filter(|cut| cut.from == 0).count() as u64 > self.plan.ceiling {
            let again = Self::has_granted_again;
            wanted.push(Property::sometimes("what came back is granted again", again));
        }
        if mishaps.crashes > 0 {
            let on = |_: &Self, state: &World| Self::went_on(state);
            wanted.push(Property::sometimes("a node dies and spending goes on", on));
        }
        if mishaps.trips {
            wanted.push(Property::sometimes("every node hears of the stop", |_, state: &World| {
                state.nodes.iter().all(|node| node.stopped)
            }));
        }
        wanted
    }
}

/// What a search found.
pub struct Found {
    /// The plan.
    pub name: &'static str,
    /// States that differ.
    pub states: usize,
    /// Steps of the longest way to one that is the shortest to it.
    pub depth: usize,
    /// True when there is no other state.
    pub exhausted: bool,
    /// How long it took.
    pub time: Duration,
    /// Broken invariants, each with the steps that lead there.
    pub broken: Vec<(&'static str, Vec<Action>)>,
    /// What should be possible and was not seen.
    pub missing: Vec<&'static str>,
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, states, depth) = (self.name, self.states, self.depth);
        let end = if self.exhausted { "exhausted" } else { "bounded" };
        let seconds = self.time.as_secs_f64();
        write!(f, "model {name}: {states} states, depth {depth}, {end}, {seconds:.1} s")?;
        for (invariant, steps) in &self.broken {
            write!(f, "\n  broken after {} steps: {invariant}", steps.len())?;
            for step in steps {
                write!(f, "\n    {step:?}")?;
            }
        }
        self.missing.iter().try_for_each(|missing| write!(f, "\n  never seen: {missing}"))
    }
}

/// When a search ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// With the last state, or after so many.
    States(usize),
    /// As that, or with the first invariant that is broken.
    Broken(usize),
}

/// Visits the states of a plan, nearest first.
pub fn search(plan: Plan, until: Until) -> Found {
    let started = Instant::now();
    let builder = Model::new(plan).checker().threads(2);
    let (builder, most) = match until {
        Until::States(most) => (builder.finish_when(HasDiscoveries::AllFailures), most),
        Until::Broken(most) => (builder.finish_when(HasDiscoveries::AnyFailures), most),
    };
    found(&builder.target_state_count(most).spawn_bfs().join(), most, started)
}

/// Visits all states of a plan, deepest first: of those that were seen it keeps a number each, and
/// few wait to be looked at, so that there may be many more.
pub fn walk(plan: Plan) -> Found {
    let started = Instant::now();
    let builder = Model::new(plan).checker().threads(2);
    let builder = builder.finish_when(HasDiscoveries::AllFailures);
    found(&builder.spawn_dfs().join(), usize::MAX, started)
}

/// What a search that is over found.
fn found(checker: &impl Checker<Model>, most: usize, started: Instant) -> Found {
    let (mut broken, mut missing) = (Vec::new(), Vec::new());
    let mut discoveries = checker.discoveries();
    for property in checker.model().properties() {
        let found = discoveries.remove(property.name);
        match (property.expectation, found) {
            (stateright::Expectation::Sometimes, None) => missing.push(property.name),
            (stateright::Expectation::Sometimes, Some(_)) | (_, None) => {}
            (_, Some(path)) => broken.push((property.name, path.into_actions())),
        }
    }
    broken.sort_by_key(|(_, steps)| steps.len());
    Found {
        name: checker.model().plan.name,
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        exhausted: checker.state_count() < most && broken.is_empty(),
        time: started.elapsed(),
        broken,
        missing,
    }
}
