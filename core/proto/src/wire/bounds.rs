//! Which bound each list of a message has.

use crate::limits as l;

/// Name and value of the bound of a list.
pub(super) fn list(message: &str, field: &str) -> (&'static str, usize) {
    match (message, field) {
        ("Content", "parts") => ("CONTENT_PARTS", l::CONTENT_PARTS),
        ("Context", "history") => ("CONVERSATION_TURNS", l::CONVERSATION_TURNS),
        ("Context", "pages") => ("CONTEXT_PAGES", l::CONTEXT_PAGES),
        ("Context" | "ContextPage", "entries") | ("Context", "descriptions") => {
            ("CONTEXT_ENTRIES", l::CONTEXT_ENTRIES)
        }
        ("Request", "tools") => ("REQUEST_TOOLS", l::REQUEST_TOOLS),
        ("Request", "ancestors") => ("CALL_DEPTH", l::CALL_DEPTH as usize),
        ("Request", "task_path") => ("TASK_HOPS", l::TASK_HOPS),
        (_, "metadata_json" | "extensions_json") => ("METADATA_ENTRIES", l::METADATA_ENTRIES),
        ("Descriptor", "skills") => ("DESCRIPTOR_SKILLS", l::DESCRIPTOR_SKILLS),
        ("Skill", "attributes") => ("SKILL_ATTRIBUTES", l::SKILL_ATTRIBUTES),
        ("AttributeList", "items") => ("ATTRIBUTE_ITEMS", l::ATTRIBUTE_ITEMS),
        ("NodeRecord", "addresses") => ("NODE_ADDRESSES", l::NODE_ADDRESSES),
        ("NodeAnnouncement", "agents") | ("Load", "queued") => {
            ("MEMBER_RECORDS", l::MEMBER_RECORDS)
        }
        ("BeaconProof", "path") => ("BEACON_PATH", l::BEACON_PATH),
        ("RevokedKeys", "keys") => ("REVOKED_KEYS", l::REVOKED_KEYS),
        ("TraceCalls", "calls") => ("TRACE_CALLS", l::TRACE_CALLS),
        ("Show" | "Hide", "agents") | ("Hide", "seqs") | ("RecordDelta", "records") => {
            ("MESSAGE_ITEMS", l::MESSAGE_ITEMS)
        }
        _ => ("LIST_ITEMS", l::LIST_ITEMS),
    }
}
