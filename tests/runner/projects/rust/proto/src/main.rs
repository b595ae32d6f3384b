//! Uses the protocol alone: a key, and the id of its agent.

fn main() {
    let key = hubless_proto::identity::SecretKey::from_seed([7; 32]);
    println!("agent {}", key.agent_id());
}
