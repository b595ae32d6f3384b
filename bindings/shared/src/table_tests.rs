//! Handles of one table are none of another's.

use crate::table::Table;
use hubless_proto::Kind;

#[test]
fn a_handle_is_good_for_one_life_of_one_thing_in_one_table() {
    let (table, other) = (Table::new("call"), Table::<&str>::new("agent"));
    let id = table.insert("first");

    assert_eq!(table.get(id), Ok("first"));
    assert_eq!(other.get(id).map_err(|e| e.kind), Err(Kind::InvalidArgument));
    assert_eq!(table.remove(id), Ok("first"));
    let again = table.insert("second");
    assert_ne!(id, again);
    let stale = table.get(id).map_err(|e| (e.kind, e.field));
    assert_eq!(stale, Err((Kind::InvalidArgument, Some("call".to_owned()))));
    assert_eq!(table.clear(), ["second"]);
}
