//! Thousands of agents in one node.

use hubless::{AgentOptions, FindOptions, Node, handler};
use hubless_bench::command::Query;
use hubless_bench::measure::spread;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Skills that they share, so that a hundredth of them has each.
const SKILLS: usize = 100;

/// Registers so many, one after another: how many a second.
pub(super) async fn register(node: &Node, count: usize) -> Value {
    let idle = handler(|_, content| async move { Ok(content) });
    // What a program knows beforehand is not part of a registration.
    let all: Vec<_> = (0..count).map(options).collect();
    let began = Instant::now();
    for options in all {
        node.register(options, idle.clone()).await.unwrap();
    }
    json!({ "per_second": count as f64 / began.elapsed().as_secs_f64() })
}

fn options(number: usize) -> AgentOptions {
    let skill = number % SKILLS;
    let described = format!("draws charts of kind {skill}");
    let given = json!({
        "name": format!("crowd.{number}"), "description": described, "tags": ["crowd"],
        "skills": [{ "id": format!("skill{skill}"), "description": described,
                     "tags": ["svg"], "attributes": { "number": number } }],
    });
    AgentOptions::read(given).unwrap()
}

/// Finds so often: median and 99th percentile in microseconds, and how many were found last.
pub(super) async fn find(node: &Node, by: Query, count: usize) -> Value {
    let mut times = Vec::with_capacity(count);
    let mut hits = 0;
    for number in 0..count {
        let query = hubless_proto::query::Query::read(query(by, number % SKILLS)).unwrap();
        let options = FindOptions { wait: Duration::ZERO, explain: false };
        let began = Instant::now();
        hits = node.find(query, options).await.unwrap().len();
        times.push(began.elapsed());
    }
    let mut said = spread(&mut times);
    said["hits"] = json!(hits);
    said
}

fn query(by: Query, skill: usize) -> Value {
    let skill = format!("skill{skill}");
    match by {
        Query::Text => json!({ "skill": skill, "text": "charts" }),
        Query::Filter => {
            let above = json!({ "field": "attributes.number", "op": "exists" });
            json!({ "skill": skill, "tags": ["svg"], "filter": above })
        }
    }
}
