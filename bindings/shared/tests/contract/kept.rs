//! What a node keeps, changed by operations that nobody waits for.

use crate::harness::Host;
use serde_json::json;

#[test]
fn changes_happen_in_the_order_in_which_they_were_begun() {
    let mut host = Host::start();
    for _ in 0..50 {
        for _ in 0..4 {
            host.submit("template.set", json!({"name": "kept", "template": {}}), vec![]);
            host.submit("template.remove", json!({"name": "kept"}), vec![]);
        }
        assert_eq!(host.done("template.list", json!({}))["templates"], json!([]));
        host.submit("template.remove", json!({"name": "kept"}), vec![]);
        host.submit("template.set", json!({"name": "kept", "template": {}}), vec![]);
        assert_eq!(host.done("template.list", json!({}))["templates"], json!(["kept"]));
    }
}
