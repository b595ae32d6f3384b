//! The codes that this project gives, each once: the open detail of a kind, for people and tests.
//!
//! `tests/tidy` holds the list to the sources: a code that is not here fails, and so does one that
//! nothing says.

use super::Kind::{
    self, Auth, BudgetExhausted, Busy, Cancelled, Closed, Configuration, Conflict, Content,
    Context, Cycle, Deadline, Denied, Expired, HandlerFailed, HopLimit, Internal, InvalidArgument,
    Json, Killed, NotFound, Prompt, TooLarge, Transport, Unsupported,
};

/// A code, the kinds under which it comes, and what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// Stable name, in snake_case.
    pub name: &'static str,
    /// Kinds of the errors that have it; retry and status are theirs. None: the kind is that of
    /// the error that was met.
    pub kinds: &'static [Kind],
    /// What happened, and what to do where that is not plain.
    pub meaning: &'static str,
}

/// Every code, by name.
///
/// The set is open: hosts give codes of their own, and a peer of another version may say one that
/// is not here. Whoever reads a code must therefore fall back to its kind.
///
/// ```
/// use hubless_proto::error::{CODES, Code, Kind};
///
/// let taken: Option<&Code> = CODES.iter().find(|code| code.name == "name_taken");
/// assert_eq!(taken.map(|code| code.kinds), Some(&[Kind::Conflict][..]));
/// ```
pub const CODES: &[Code] = &[
    code("accept", &[Unsupported], "the agent cannot answer in a form that the caller takes"),
    code("agent", &[NotFound], "no such agent lives at this node"),
    code("agent_taken", &[Conflict], "the agent is registered here and may not be duplicated"),
    code("amount", &[InvalidArgument], "an amount is no whole number within its bound"),
    code("answer", &[TooLarge], "the answer is more than one response of HTTP may hold"),
    code("answered", &[Conflict], "the call has ended, and its answer was not kept for a repeat"),
    code("attempt", &[Conflict], "this attempt of the call has a grant already: count up"),
    code("auth", &[Busy], "too many credentials are being checked at once"),
    code(
        "auth_mechanism",
        &[Configuration],
        "auth is required and nothing can check it: name a mechanism",
    ),
    code("bad_address", &[InvalidArgument], "the text is no address: expected 4711:0A1B.2C3D.4E5F"),
    code("bad_chain", &[Auth], "the links of a spending key do not hold"),
    code("bad_credential", &[Auth], "the credential does not hold"),
    code("bad_did", &[InvalidArgument], "the text is no did:key of an Ed25519 key"),
    code(
        "bad_file",
        &[Configuration],
        "a file cannot be read as what it should be: the message says where",
    ),
    code(
        "bad_frame",
        &[Transport, HandlerFailed],
        "bytes or a line are no message: the sender is broken",
    ),
    code("bad_id", &[InvalidArgument], "an id is empty, too long, or holds control characters"),
    code("bad_json", &[Json, InvalidArgument], "the text is no JSON"),
    code("bad_key", &[InvalidArgument, Transport], "the bytes are no key"),
    code(
        "bad_name",
        &[InvalidArgument],
        "a name is too long, or holds more than letters, digits, `-`, `_` and `.`",
    ),
    code(
        "bad_passphrase",
        &[Auth],
        "the passphrase does not open the file, or the file was changed",
    ),
    code("bad_redeem_code", &[InvalidArgument], "the text is no redeem code, or not all of it"),
    code(
        "bad_request",
        &[InvalidArgument],
        "the bytes are no request of HTTP/1.1 as it is read here",
    ),
    code("bad_schema", &[Json, InvalidArgument], "the schema cannot be compiled"),
    code("bad_signature", &[Auth], "a signature does not hold under the key that it names"),
    code("bad_text", &[InvalidArgument], "a text is too long, or holds control characters"),
    code(
        "bad_ticket",
        &[InvalidArgument],
        "the text is no ticket: use what `hubless invite` printed",
    ),
    code("bad_token", &[Auth], "a membership token is broken or says too little"),
    code(
        "bad_word",
        &[InvalidArgument],
        "the word is none of the closed set that the message names",
    ),
    code("behind", &[HandlerFailed], "a caller reads too slowly beside others of the same program"),
    code("bind", &[Configuration], "nothing can listen at this address: it is taken or not ours"),
    code("body", &[TooLarge, Deadline], "the body of a request of HTTP is too large or too slow"),
    code(
        "broken_audit",
        &[Configuration],
        "the audit log was changed or cut: the message names the row",
    ),
    code("broken_file", &[Configuration], "a file of the data folder is broken: join again"),
    code("broken_key", &[Configuration], "a key file does not hold a key: put back a copy"),
    code("broken_store", &[Configuration], "the store is damaged: move it away"),
    code(
        "budget_exhausted",
        &[BudgetExhausted],
        "the call may cost more than the spending key has left",
    ),
    code("budget_exists", &[Conflict], "a budget of this id was open before: make another"),
    code(
        "budget_file",
        &[Configuration],
        "a line of the budget file of a listener is wrong: the message says which and why",
    ),
    code("caller", &[Denied], "the agent does not take this caller"),
    code("caller_kind", &[Unsupported], "callers of this kind are not served by this version"),
    code("calls", &[Busy], "too many calls of the gateway are open"),
    code("calls_exceeded", &[BudgetExhausted, Killed], "the limit of calls does not allow it"),
    code("check_failed", &[Auth], "the agent's own check of the credential failed"),
    code("closing", &[Closed, NotFound], "the node is closing: ask another"),
    code("code_exists", &[Conflict], "a redeem code of this secret is open: draw another"),
    code("connections", &[Busy], "the listener has no place for another connection"),
    code("content_type", &[Content], "the agent or listener does not take this content type"),
    code("context_reference", &[Unsupported], "a context by reference: send it by value"),
    code("converse", &[Prompt], "the agent takes a dialogue: give each text and data part a role"),
    code("cost_exceeded", &[BudgetExhausted, Killed], "the limit of costs does not allow it"),
    code("counted", &[InvalidArgument], "calls are counted by the node: leave them out"),
    code("counter_failed", &[Prompt], "the agent's own token counter failed"),
    code("custom_context", &[Context], "the agent takes no context of the caller's own"),
    code("custom_json", &[Json], "the agent takes no schemas of the caller's own"),
    code("data_policy", &[Denied], "the agent is outside the data policy of the request"),
    code("depth", &[HopLimit, Killed], "calls are nested too deep"),
    code("descriptor", &[TooLarge], "the descriptor is over its bound: shorten it"),
    code("dial", &[Transport], "no address of the node answered"),
    code("digest_mismatch", &[Content], "the bytes are not those of the digest that was named"),
    code("disk_full", &[Configuration], "there is no room on the disk"),
    code("doctor", &[Configuration], "checks of `hubless doctor` failed: its lines say which"),
    code("drained", &[Transport], "the connection of the caller ended"),
    code("duplication", &[Json], "the agent is not duplicated for a call"),
    code("ended", &[HandlerFailed], "the program behind the agent ended"),
    code("equivocation", &[Conflict], "an agent signed two records under one number"),
    code("expired", &[Auth, Expired], "a record, a credential or a key is over: get a new one"),
    code("extension", &[Unsupported], "a critical extension is not known here"),
    code("external", &[Denied], "the agent takes members of its mesh only"),
    code("fan_out", &[BudgetExhausted, Killed], "the budget allows fewer calls at once"),
    code("file", &[Configuration], "a file cannot be read or written: the message says why"),
    code("finished", &[Killed], "the call of this grant has ended"),
    code("folder", &[Configuration], "a folder of the data folder cannot be opened"),
    code("forked", &[Closed], "the process was forked after its first use: start in the child"),
    code("frame", &[TooLarge], "a frame is over the bound of its type"),
    code("frame_type", &[Unsupported], "a frame of a type that this version does not know"),
    code("gone", &[Transport], "the node is gone"),
    code(
        "grant",
        &[Denied, Conflict, NotFound],
        "the grant is not for this call, was used before, or is not here",
    ),
    code("grant_exists", &[Conflict], "a grant of this id was cut before: make another"),
    code(
        "grant_required",
        &[BudgetExhausted],
        "the agent is called under a budget only: give a kill switch",
    ),
    code("header", &[Deadline], "the head of a request of HTTP came too slowly"),
    code("headers", &[TooLarge], "the headers of a request of HTTP are over their bound"),
    code("hops", &[HopLimit], "the path of the request is too long"),
    code("host", &[Denied], "the listener does not go by this name"),
    code("host_behind", &[Busy], "the agent's process is behind with its events"),
    code(
        "hour",
        &[BudgetExhausted, Busy],
        "what the client may spend in an hour does not allow it: wait, or ask for less",
    ),
    code("incomplete", &[Transport], "a message or part broke off before its end"),
    code("input", &[Unsupported], "the caller answers no questions"),
    code(
        "input_and_output_exceeded",
        &[BudgetExhausted, Killed],
        "the limits of tokens do not allow it",
    ),
    code(
        "input_exceeded",
        &[BudgetExhausted, Killed],
        "the limit of input tokens does not allow it",
    ),
    code("insecure", &[Configuration], "a token or key would go in the clear: use TLS or loopback"),
    code("interrupted", &[Cancelled], "a signal ended the command"),
    code("invite", &[Denied], "the invite is unknown, over or used up: ask for a new ticket"),
    code("key_in_use", &[Conflict], "another process has this key: end it, or take another name"),
    code("keys", &[Busy], "the call has too many keys of its gateway: use those it has"),
    code("lan", &[Configuration], "nodes on the local network cannot be met: the message says why"),
    code("lease_lost", &[Killed], "the issuer of the grant was not heard in time"),
    code("ledger", &[Busy], "no more grants fit into the ledger of this node"),
    code("links", &[Busy], "too many keys of this root live"),
    code("locked", &[Conflict], "another process holds the file"),
    code("lost", &[Transport], "the connection ended"),
    code("memory", &[Busy], "too many requests run here to remember another"),
    code("memory_only", &[Configuration], "it needs a data folder: set HUBLESS_HOME"),
    code("mesh", &[NotFound, Unsupported], "this mesh was not joined from here, or is not reached"),
    code("message", &[TooLarge], "a message is over its bound"),
    code("method", &[Unsupported], "the path is asked by another method: see `Allow`"),
    code("missing_credential", &[Auth], "the agent asks for a credential"),
    code("missing_part", &[Content], "a streamed part has no bytes"),
    code("multi_page", &[Context], "the agent takes no context with pages"),
    code("name_taken", &[Conflict], "the name is in use: take another"),
    code("newer_format", &[Configuration], "a later version wrote it: use that version"),
    code("no_address", &[Transport], "the node says no address that can be reached from here"),
    code(
        "no_answer",
        &[Transport, HandlerFailed, Internal],
        "a call or question ended without an answer",
    ),
    code(
        "no_budget",
        &[Configuration],
        "a key of a provider is paid from the budget of the call, which has none",
    ),
    code(
        "no_descriptor",
        &[Configuration],
        "the program sent no descriptor: let it be its first line",
    ),
    code("no_function", &[Configuration], "the agent lacks a function of its host"),
    code("no_gateway", &[Configuration], "the node knows no metering gateway, or has no key of it"),
    code("no_hello", &[Transport], "the peer did not introduce itself in time"),
    code("no_key", &[Configuration], "the gateway has no key of the provider: set its variable"),
    code("no_mechanism", &[Auth], "the agent asks for a proof that nobody can check"),
    code(
        "no_minter",
        &[Configuration, Denied],
        "no node that may admit others can be reached, or this one may not",
    ),
    code("no_name", &[Configuration], "the program gave no name: name the agent"),
    code("no_price", &[Unsupported], "the model has no price"),
    code("no_record", &[Auth], "the peer showed no record of its node"),
    code("no_relay", &[Transport], "the node cannot be reached by a relay: none lets it in"),
    code("no_room", &[Transport], "more bytes of a part came than were asked for"),
    code("no_token", &[Auth], "the peer showed no membership token: join its mesh"),
    code("node", &[Busy], "the node has no room for another call"),
    code("not_a_store", &[Configuration], "the file is no store of hubless: move it away"),
    code("not_after", &[Expired], "a detached grant ends too late"),
    code("not_hex", &[InvalidArgument], "the text is no lower-case hex of this length"),
    code("not_json", &[Json, InvalidArgument], "the text is no JSON"),
    code("not_operator", &[Denied], "only the root key of the mesh states that: ask its operator"),
    code("not_reading", &[HandlerFailed], "the program behind the agent does not read its stdin"),
    code("not_root", &[Denied], "only the node where the budget began may do that"),
    code("not_running", &[HandlerFailed], "the program behind the agent is not running"),
    code("not_served", &[Unsupported], "the field belongs to a later version: leave it out"),
    code("not_started", &[Configuration], "the program cannot be started"),
    code("not_utf8", &[Transport], "a text is not UTF-8"),
    code("not_writable", &[Configuration], "the data folder cannot be written: see HUBLESS_HOME"),
    code("not_yet_valid", &[Expired], "a record comes from the future: set the clocks"),
    code(
        "number_precision",
        &[Json],
        "a whole number is beyond what the receiver's language keeps: send it as text",
    ),
    code("open_calls", &[Conflict], "calls are open below this root: wait for their end"),
    code("operator", &[Killed], "somebody who may stopped the budget"),
    code("origin", &[Denied], "a page of this origin may not ask"),
    code(
        "orphan",
        &[Configuration],
        "a request without a budget in a call that has one: give the parent",
    ),
    code("other_body", &[Conflict], "the same key was used for another request"),
    code("other_mesh", &[Denied], "the node is in another mesh"),
    code("other_node", &[Configuration], "it belongs to another node of this process"),
    code("outbound_queue", &[Busy], "too many calls of this node wait for a stream"),
    code(
        "output_exceeded",
        &[BudgetExhausted, Killed],
        "the limit of output tokens does not allow it",
    ),
    code("own_root", &[Conflict], "the data folder has a mesh of its own: take another folder"),
    code("panic", &[HandlerFailed], "the agent's or the caller's own function panicked"),
    code("parent", &[Killed], "the call above was stopped"),
    code(
        "part",
        &[TooLarge, Unsupported],
        "a part is too large to stand inside, or of an unknown kind",
    ),
    code("part_kind", &[Unsupported], "a streamed part is of an unknown kind"),
    code("path", &[NotFound], "the listener has nothing at this path"),
    code("pinned", &[Conflict], "the name is pinned to another agent: see `hubless pin`"),
    code("price", &[TooLarge], "the price is more than can be counted"),
    code("provider_answer", &[Transport], "the provider's answer is not whole"),
    code("provider_error", &[Transport], "the provider failed"),
    code("provider_key", &[Transport], "the provider does not take the key of the gateway"),
    code("provider_lost", &[Transport], "the provider's answer was lost; it is charged in full"),
    code(
        "provider_unreachable",
        &[Transport],
        "the provider cannot be reached; nothing is charged",
    ),
    code("question", &[Unsupported], "a question that this version does not know"),
    code("queue", &[Busy], "the agent has no room for another call"),
    code("rate", &[Busy], "the caller asks more often than the agent allows"),
    code(
        "readable_by_others",
        &[Configuration],
        "others may read a private file: restrict it to its owner",
    ),
    code("reader_gone", &[Internal], "who reads the command's output went away"),
    code("record", &[TooLarge], "a record is over its bound"),
    code("record_version", &[Unsupported], "a record of a version that is not known here"),
    code(
        "redeem",
        &[Busy, Denied],
        "the redeem code is unknown, spent or over; or too many such were shown",
    ),
    code("reentrant", &[Cycle], "the call came back to an agent that is running it"),
    code("relay_full", &[Busy], "the relay has all the connections that it takes"),
    code("relay_member", &[Busy], "one member has all the connections to a relay that it may have"),
    code("relay_older", &[Conflict], "the node came to the relay by a later connection"),
    code(
        "relay_server",
        &[Unsupported],
        "no relay was built in: serve one by `hubless relay serve`",
    ),
    code("replica", &[Conflict], "another host of this identity publishes another descriptor"),
    code("reservation_exists", &[Conflict], "a reservation of this id is open: make another"),
    code("return_failed", &[], "the answer could not be given to `returnTo`"),
    code("return_to", &[Denied, Unsupported], "the answer may not go to that agent"),
    code("revoked", &[Auth], "the owner of the mesh revoked the key of this node or member"),
    code("root_exists", &[Conflict], "the root is registered already"),
    code("roots", &[TooLarge], "no more roots can be registered"),
    code("running", &[Conflict], "the same request is running and cannot be joined"),
    code("schema", &[Json], "the value does not fit the schema: `pointer` says where"),
    code("script_unmatched", &[HandlerFailed], "no step of a fake peer's script fits the request"),
    code("script_unmet", &[Conflict], "a fake peer was not asked what its script says"),
    code("script_used_up", &[HandlerFailed], "the script of a fake peer has no answer left"),
    code("second_budget", &[Configuration], "the budget of the call above pays: give no other"),
    code("seq_ahead", &[Conflict], "a record's number comes from the future: set the clocks"),
    code("silent_path", &[Transport], "nothing is heard of the node that was asked"),
    code("size", &[TooLarge], "the request is larger than the agent takes"),
    code("skill", &[NotFound], "the agent has no such skill"),
    code("skill_document", &[TooLarge], "a skill document is over its bound"),
    code("stdout", &[Internal], "the command's output cannot be written"),
    code("stopped", &[Killed], "the spending key is stopped: a provider took too much"),
    code("store", &[Busy, Configuration], "the store of this node fails: see its log"),
    code("superseded", &[Conflict], "a later record of this agent is known"),
    code("task_path", &[Unsupported], "tasks are not handed on by this version"),
    code("tls", &[Configuration], "certificate and key cannot be used"),
    code("token", &[Auth, Expired], "a token is missing, wrong or over"),
    code("token_file", &[Configuration], "a line of the token file is wrong"),
    code("token_limit", &[Configuration], "the key of a gateway limits no tokens: issue it anew"),
    code("token_run", &[Prompt], "too many letters or white space in a row to be counted"),
    code("tokens", &[Prompt], "more tokens than the agent takes"),
    code("too_deep", &[Json, Auth], "JSON is nested, or a token attenuated, too deep"),
    code("too_large", &[Auth, Configuration], "a token or a file is over its bound"),
    code("too_long", &[Transport], "a line on stdout is over its bound"),
    code("too_many", &[TooLarge], "a list has too many entries"),
    code("tool_call_id", &[Conflict], "the id of a tool call was used before"),
    code("tool_calls", &[Denied], "too many tool calls in one call"),
    code("tool_missing", &[Prompt], "the agent needs a tool of the caller's: offer it"),
    code("transient", &[Unsupported], "a transient agent cannot be changed once others know it"),
    code("transient_term", &[Content], "records of a transient agent live too long"),
    code("trips", &[Busy], "the gateway keeps too many stopped budgets: their keys end by time"),
    code("undeclared_tool", &[Denied], "the caller did not offer this tool"),
    code("unexpected_frame", &[Transport], "a frame that does not belong here"),
    code("unheard", &[Busy], "nothing is known yet of the clock of the callee's node: call again"),
    code("unknown_caller", &[Auth], "the calling agent was not shown on this connection"),
    code("unknown_kind", &[Unsupported], "a message of a kind that is not known here"),
    code("unknown_node", &[Transport], "the node is not known, or is gone"),
    code("unknown_root", &[Auth, NotFound], "the root of the key is not registered here"),
    code("unlimited", &[InvalidArgument], "expected at least one limit, or `unlimited: true`"),
    code("unpriced", &[Unsupported], "the field's price is not bounded: leave it out"),
    code("unproven_name", &[Auth], "a name alone does not prove who answers: pin it"),
    code("unregistered", &[Closed, NotFound], "the agent was taken out"),
    code(
        "unsafe_folder",
        &[Configuration],
        "others may write to the data folder: see HUBLESS_HOME",
    ),
    code("url", &[TooLarge], "the URL is over its bound"),
    code("usage", &[InvalidArgument], "the command was called in a wrong way: see --help"),
    code("version", &[Unsupported], "another version of HTTP or of the protocol"),
    code("wall_time", &[Killed], "the time of the budget is over"),
    code("wrong_key", &[Auth], "records of another agent or node than asked for"),
    code("wrong_node", &[Auth], "a token or record names another node"),
    code("zone", &[Denied], "the token of the node does not name this zone"),
];

const fn code(name: &'static str, kinds: &'static [Kind], meaning: &'static str) -> Code {
    Code { name, kinds, meaning }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::ID_BYTES;

    #[test]
    fn codes_are_sorted_words_that_fit_the_wire() {
        assert!(CODES.is_sorted_by(|first, second| first.name < second.name));
        for code in CODES {
            let snake = |c: char| c.is_ascii_lowercase() || c == '_' || c.is_ascii_digit();
            assert!(code.name.chars().all(snake) && code.name.len() <= ID_BYTES, "{code:?}");
            assert!(!code.meaning.is_empty() && !code.meaning.ends_with('.'), "{code:?}");
            let twice = |kind: &Kind| code.kinds.iter().filter(|one| *one == kind).count() > 1;
            assert!(!code.kinds.iter().any(twice), "{code:?}");
        }
    }
}
