//! Look-ups in a registry, without a node around it.

use hubless_proto::identity::{Address, Name, SecretKey};
use hubless_proto::registry::{Hosted, Registry};
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;

/// Fills a registry with so many agents and looks each up in each way: nanoseconds of one look-up.
pub(super) fn run(count: usize) -> Value {
    let mesh = SecretKey::from_seed([1; 32]).mesh_id();
    let mut registry = Registry::new(mesh);
    let mut known = Vec::with_capacity(count);
    for number in 0..count {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let id = SecretKey::from_seed(seed).agent_id();
        let name: Name = format!("crowd.{number}").parse().unwrap();
        known.push((name.clone(), Address::new(&mesh, &id), id));
        let hosted =
            Hosted { name, id, external: false, duplicates: false, child_of: None, value: () };
        registry.register(hosted).unwrap();
    }
    let timed = |found: &dyn Fn(usize) -> bool| {
        let began = Instant::now();
        let all = (0..count).filter(|number| black_box(found(*number))).count();
        assert_eq!(all, count, "some were not found");
        began.elapsed().as_nanos() as f64 / count.max(1) as f64
    };
    let by_name = timed(&|at| registry.by_name(&known[at].0).is_some());
    let by_address =
        timed(&|at| registry.by_address(known[at].1).is_ok_and(|found| found.is_some()));
    let by_id = timed(&|at| registry.by_id(&known[at].2).is_some());
    json!({ "by_name_ns": by_name, "by_address_ns": by_address, "by_id_ns": by_id })
}
