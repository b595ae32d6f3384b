use super::*;
use proptest::prelude::*;

fn mesh() -> MeshId {
    MeshId::from_bytes([9; 32])
}

fn id(n: u64) -> AgentId {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    AgentId::from_bytes(bytes)
}

fn agent(name: &str, n: u64) -> Hosted<u64> {
    let name = name.parse().unwrap();
    Hosted { name, id: id(n), external: false, duplicates: false, child_of: None, value: n }
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

#[test]
fn a_name_is_never_overwritten() {
    let mut all = Registry::new(mesh());
    all.register(agent("a", 1)).unwrap();
    let error = all.register(agent("A", 2)).unwrap_err();
    assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "name_taken"));
    assert_eq!(all.by_name(&name("a")).map(|found| found.value), Some(1));
}

#[test]
fn a_duplicate_needs_the_flag_on_both() {
    let duplicate = |name: &str, duplicates| Hosted { duplicates, ..agent(name, 1) };
    for (first, second, ok) in
        [(true, true, true), (true, false, false), (false, true, false), (false, false, false)]
    {
        let mut all = Registry::new(mesh());
        all.register(duplicate("a", first)).unwrap();
        let result = all.register(duplicate("b", second));
        assert_eq!(result.is_ok(), ok);
        if let Err(error) = result {
            assert_eq!((error.kind, error.code.as_str()), (Kind::Conflict, "agent_taken"));
        }
    }
}

#[test]
fn look_ups_by_name_id_and_address_agree() {
    let mut all = Registry::new(mesh());
    for n in 0..10_000 {
        all.register(agent(&format!("agent-{n}"), n)).unwrap();
    }
    for n in (0..10_000).step_by(997) {
        let address = Address::new(&mesh(), &id(n));
        let short: Address =
            format!("0:{}", address.to_string().split_once(':').unwrap().1).parse().unwrap();
        assert_eq!(all.by_name(&name(&format!("agent-{n}"))).unwrap().value, n);
        assert_eq!(all.by_id(&id(n)).unwrap().value, n);
        assert_eq!(all.by_address(address).unwrap().unwrap().value, n);
        assert_eq!(all.by_address(short).unwrap().unwrap().value, n);
    }
    for n in 0..10_000 {
        assert!(all.unregister(&name(&format!("agent-{n}"))).is_some());
    }
    assert!(all.is_empty() && all.ids.is_empty() && all.addresses.is_empty());
}

#[test]
fn one_handle_of_two_keys_is_ambiguous() {
    let mut all = Registry::new(mesh());
    all.register(agent("a", 1)).unwrap();
    let address = Address::new(&mesh(), &id(1));
    // A collision cannot be made here in time, so the index is told of one.
    all.addresses.get_mut(&address).unwrap().insert(id(2));
    let error = all.by_address(address).unwrap_err();
    assert_eq!(error.kind, Kind::Ambiguous);
    assert_eq!(error.candidates, [id(1).to_string(), id(2).to_string()]);
}

#[test]
fn children_go_with_their_call_and_nothing_else_does() {
    let mut all = Registry::new(mesh());
    all.register(agent("stays", 1)).unwrap();
    all.register(Hosted { child_of: Some(7), ..agent("child-1", 2) }).unwrap();
    all.register(Hosted { child_of: Some(7), ..agent("child-2", 3) }).unwrap();
    all.register(Hosted { child_of: Some(8), ..agent("other", 4) }).unwrap();
    all.unregister(&name("child-2"));
    all.register(agent("child-2", 5)).unwrap();
    let gone: Vec<u64> = all.end_call(7).into_iter().map(|agent| agent.value).collect();
    assert_eq!(gone, [2]);
    assert_eq!(all.len(), 3);
    assert!(all.end_call(7).is_empty());
}

#[test]
fn a_node_hosts_a_bounded_number() {
    let mut all = Registry::new(mesh());
    for n in 0..limits::HOSTED_AGENTS as u64 {
        all.register(agent(&format!("a{n}"), n)).unwrap();
    }
    let error = all.register(agent("one-more", u64::MAX)).unwrap_err();
    assert_eq!(error.limit.map(|limit| limit.name).as_deref(), Some("HOSTED_AGENTS"));
    assert!(all.unregister(&name("a7")).is_some());
    assert!(all.register(agent("one-more", u64::MAX)).is_ok());
}

#[test]
fn scopes_list_what_they_name() {
    let mut all = Registry::new(mesh());
    all.register(agent("a", 1)).unwrap();
    all.register(Hosted { external: true, ..agent("b", 2) }).unwrap();
    let count = |scope: &str| all.list(scope.parse().unwrap()).count();
    assert_eq!([count("global"), count("local"), count("client"), count("all")], [1, 2, 0, 2]);
    assert!("x".parse::<Scope>().is_err());
}

proptest! {
    /// Against a naive list: the same answers, and indexes without leftovers.
    #[test]
    fn behaves_as_a_list_of_agents(
        steps in prop::collection::vec((0u8..3, 0u64..8, 0u64..8, any::<bool>()), 0..120),
    ) {
        let mut all = Registry::new(mesh());
        let mut model: Vec<(String, u64, bool, Option<u64>)> = Vec::new();
        for (step, called, n, flag) in steps {
            let text = format!("n{called}");
            match step {
                0 => {
                    let call = (n % 3 == 0).then_some(n);
                    let taken = model.iter().any(|row| row.0 == text)
                        || model.iter().any(|row| row.1 == n && !(row.2 && flag));
                    let entry = Hosted { duplicates: flag, child_of: call, ..agent(&text, n) };
                    prop_assert_eq!(all.register(entry).is_err(), taken);
                    if !taken {
                        model.push((text, n, flag, call));
                    }
                }
                1 => {
                    let found = all.unregister(&name(&text)).map(|agent| agent.value);
                    let index = model.iter().position(|row| row.0 == text);
                    prop_assert_eq!(found, index.map(|index| model.remove(index).1));
                }
                _ => {
                    let gone = all.end_call(n).len();
                    let before = model.len();
                    model.retain(|row| row.3 != Some(n));
                    prop_assert_eq!(gone, before - model.len());
                }
            }
            prop_assert_eq!(all.len(), model.len());
            for n in 0..8 {
                let known = model.iter().any(|row| row.1 == n);
                prop_assert_eq!(all.by_id(&id(n)).is_some(), known);
                let address = Address::new(&mesh(), &id(n));
                prop_assert_eq!(all.by_address(address).unwrap().is_some(), known);
            }
        }
    }
}
