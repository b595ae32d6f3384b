//! Calls between agents of one node: the whole path but the connection.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail their test")]

#[path = "in_process/answers.rs"]
mod answers;
#[path = "in_process/asking_back.rs"]
mod asking_back;
#[path = "in_process/catalogue.rs"]
mod catalogue;
#[path = "in_process/checks.rs"]
mod checks;
#[path = "in_process/closing.rs"]
mod closing;
#[path = "in_process/nested.rs"]
mod nested;
#[path = "in_process/pressure.rs"]
mod pressure;
#[path = "in_process/registered.rs"]
mod registered;
#[path = "in_process/repeated.rs"]
mod repeated;
#[path = "in_process/requested.rs"]
mod requested;
#[path = "in_process/rules.rs"]
mod rules;
mod support;
#[path = "in_process/traces.rs"]
mod traces;

#[test]
fn a_node_can_be_shared_by_threads() {
    fn is_shared<T: Clone + Send + Sync + 'static>() {}
    is_shared::<hubless::Node>();
}
