//! Every bound, in one place, with its unit and default.
//!
//! Reaching a bound is an ordinary typed outcome; each has a test that reaches it.

use std::time::Duration;

/// One KiB in bytes.
pub const KIB: usize = 1024;
/// One MiB in bytes.
pub const MIB: usize = 1024 * KIB;

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $value:expr;)*) => {
        $($(#[$doc])* pub const $name: $type = $value;)*
        /// Name of each bound, for the docs and the language packages.
        pub const NAMES: &[&str] = &[$(stringify!($name)),*];

        /// Name and value of each bound, in the order of the table; times in milliseconds.
        #[must_use]
        pub fn all() -> Vec<(&'static str, u64)> {
            vec![$((stringify!($name), Bound::value($name))),*]
        }
    };
}

/// A span of time in whole milliseconds.
///
/// ```
/// use hubless_proto::limits;
///
/// assert_eq!(limits::ms(limits::CLOCK_SKEW), 300_000);
/// ```
#[must_use]
pub fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A bound as one number.
trait Bound {
    fn value(self) -> u64;
}

impl Bound for u64 {
    fn value(self) -> u64 {
        self
    }
}

impl Bound for u32 {
    fn value(self) -> u64 {
        self.into()
    }
}

impl Bound for usize {
    fn value(self) -> u64 {
        self as u64
    }
}

impl Bound for Duration {
    fn value(self) -> u64 {
        ms(self)
    }
}

limits! {
    /// Body of a HELLO or control frame, in bytes.
    CONTROL_FRAME_BYTES: usize = 64 * KIB;
    /// Body of a REQUEST or EVENT frame, in bytes.
    MESSAGE_FRAME_BYTES: usize = MIB;
    /// Body of a DATA frame, in bytes.
    DATA_FRAME_BYTES: usize = 64 * KIB;
    /// Largest part that may stay inside its message, in bytes; larger ones are streamed.
    INLINE_PART_BYTES: usize = 512 * KIB;
    /// A part above this size is streamed when we choose, in bytes.
    STREAMED_PART_BYTES: usize = 64 * KIB;
    /// Default of `max_request_bytes` and `max_binary_bytes`, and most that `bytes()` gathers.
    REQUEST_BYTES: u64 = 64 * MIB as u64;
    /// Parts of one content.
    CONTENT_PARTS: usize = 1_024;
    /// Streamed parts of one message.
    STREAMED_PARTS: usize = 64;
    /// Streamed parts of one direction of a call that are not complete.
    OPEN_PARTS: usize = 256;
    /// Bytes of a streamed part that may come before its receiver said that there is room.
    PART_FIRST_BYTES: usize = 512 * KIB;
    /// Bytes of a streamed part on their way to a reader that has begun to read.
    PART_WINDOW_BYTES: usize = 1_250_000;
    /// A DATA frame counts as at least so many bytes of its part.
    PART_FRAME_BYTES: usize = KIB;
    /// Items of a list of a message that has no bound of its own.
    LIST_ITEMS: usize = 256;
    /// Entries of a context or of one of its pages.
    CONTEXT_ENTRIES: usize = 4_096;
    /// Pages of a context.
    CONTEXT_PAGES: usize = 256;
    /// Nesting of the messages inside one message.
    MESSAGE_DEPTH: usize = 16;
    /// Messages and list items inside one message: this many, and one for every 64 bytes of it.
    MESSAGE_ITEMS: usize = 4_096;
    /// An id of ours, such as that of a skill or a tool, in bytes.
    ID_BYTES: usize = 128;
    /// A short text such as a title, a label or a media type, in bytes.
    TEXT_BYTES: usize = KIB;
    /// A URI, or the credential of a request, in bytes.
    LONG_TEXT_BYTES: usize = 16 * KIB;
    /// Nesting of any JSON from outside.
    JSON_DEPTH: usize = 64;
    /// Metadata or extension entries of one message.
    METADATA_ENTRIES: usize = 128;
    /// Body of a signed record, in bytes.
    RECORD_BODY_BYTES: usize = 8 * KIB;
    /// Skills of one descriptor.
    DESCRIPTOR_SKILLS: usize = 64;
    /// Skills that a refusal lists, of an agent that was asked without naming one.
    SKILLS_SHOWN: usize = 8;
    /// Context window of an agent that does not say, in tokens.
    CONTEXT_WINDOW_TOKENS: u64 = 32_000;
    /// Typed facts of one skill.
    SKILL_ATTRIBUTES: usize = 32;
    /// Items of a list attribute.
    ATTRIBUTE_ITEMS: usize = 64;
    /// Characters of a skill's description in the descriptor.
    SKILL_DESCRIPTION_CHARS: usize = 160;
    /// One skill document, in bytes.
    SKILL_DOCUMENT_BYTES: usize = 256 * KIB;
    /// All skill documents of one agent, in bytes.
    AGENT_DOCUMENTS_BYTES: usize = MIB;
    /// Description of an agent kept from a peer, in bytes.
    DESCRIPTION_BYTES: usize = 2 * KIB;
    /// Addresses of a node record.
    NODE_ADDRESSES: usize = 8;
    /// Letters of an agent's name.
    NAME_CHARS: usize = 64;
    /// Life of a record, and its bound.
    RECORD_LIFE: Duration = Duration::from_secs(3_600);
    /// Longest life of a record.
    RECORD_LIFE_MAX: Duration = Duration::from_secs(24 * 3_600);
    /// Life of a transient agent's record.
    TRANSIENT_LIFE: Duration = Duration::from_secs(60);
    /// Life of a transient agent until others than its node are told of it.
    TRANSIENT_UNTOLD: Duration = Duration::from_secs(1);
    /// How far ahead of our clock a record may be issued.
    CLOCK_SKEW: Duration = Duration::from_secs(300);
    /// Live records kept of one member node.
    MEMBER_RECORDS: usize = 20_000;
    /// New records a second of one member node.
    MEMBER_RECORDS_PER_S: u32 = 1_000;
    /// Live records kept of one external node.
    EXTERNAL_RECORDS: usize = 100;
    /// Request deadline: to the first event, and between events.
    DEADLINE: Duration = Duration::from_secs(60);
    /// Longest deadline that is accepted.
    DEADLINE_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);
    /// One try to dial a peer.
    DIAL: Duration = Duration::from_secs(3);
    /// One try to dial a peer on this machine.
    DIAL_LOOPBACK: Duration = Duration::from_millis(500);
    /// Longest pause between two tries to dial a peer that a call waits for.
    DIAL_PAUSE: Duration = Duration::from_secs(2);
    /// From the start of a connection to its HELLO.
    HELLO: Duration = Duration::from_secs(5);
    /// Silence after which `Accepted` is sent for a running handler.
    ACCEPTED_AFTER: Duration = Duration::from_millis(5);
    /// An idle connection is closed after this time.
    CONNECTION_IDLE: Duration = Duration::from_secs(300);
    /// Open connections a node keeps, unless calls need more.
    CONNECTIONS: usize = 64;
    /// Open connections of one peer, those included that are being left; beyond it the oldest of
    /// those is closed with what runs on it.
    PEER_CONNECTIONS: usize = 16;
    /// Streams of one connection of a member.
    MEMBER_STREAMS: u32 = 4_096;
    /// Streams of one connection of an external node.
    EXTERNAL_STREAMS: u32 = 64;
    /// Calls of a node that wait for a stream.
    OUTBOUND_QUEUE: usize = 16_384;
    /// Requests held until their connection is verified.
    HELD_REQUESTS: u32 = 64;
    /// Concurrent calls of one agent.
    AGENT_CONCURRENCY: usize = 256;
    /// Queued calls of one agent.
    AGENT_QUEUE: usize = 1_024;
    /// Share of an agent's queue that one caller may hold: one part in this many.
    QUEUE_SHARE: usize = 4;
    /// Depth of nested calls.
    CALL_DEPTH: u32 = 16;
    /// Hops of a forwarded task.
    TASK_HOPS: usize = 16;
    /// Tools that one request offers.
    REQUEST_TOOLS: usize = 64;
    /// Tool calls of one request.
    TOOL_CALLS: usize = 64;
    /// Tool calls and questions of one call together that a caller answers.
    CALL_QUESTIONS: usize = 2 * TOOL_CALLS;
    /// Tool calls of one request at once.
    TOOL_CALLS_AT_ONCE: usize = 8;
    /// Checks by a user's auth function at once, an agent.
    AUTH_CHECKS: usize = 32;
    /// One check by a user's auth function.
    AUTH_CHECK: Duration = Duration::from_secs(5);
    /// Longest time that a verdict of an auth function is kept.
    AUTH_CACHE: Duration = Duration::from_secs(60);
    /// Verdicts kept, an agent.
    AUTH_CACHE_ENTRIES: usize = 4_096;
    /// An idempotency key is remembered after its outcome.
    IDEMPOTENCY_LIFE: Duration = Duration::from_secs(600);
    /// Remembered idempotency keys, an agent.
    IDEMPOTENCY_ENTRIES: usize = 10_000;
    /// Remembered idempotency outcomes, an agent, in bytes.
    IDEMPOTENCY_BYTES: usize = 64 * MIB;
    /// A request id is remembered after the end of its call.
    DUPLICATE_LIFE: Duration = Duration::from_secs(60);
    /// Remembered request ids of a node.
    DUPLICATE_ENTRIES: usize = 65_536;
    /// What is kept of one answer for those that ask for it again, in bytes.
    KEPT_ANSWER_BYTES: usize = MIB;
    /// Letters of an idempotency key.
    IDEMPOTENCY_KEY_BYTES: usize = 256;
    /// A conversation id, in bytes.
    CONVERSATION_ID_BYTES: usize = 64;
    /// Turns kept of a conversation.
    CONVERSATION_TURNS: usize = 200;
    /// Bytes kept of a conversation.
    CONVERSATION_BYTES: usize = MIB;
    /// Conversations kept, an agent.
    CONVERSATIONS: usize = 1_000;
    /// A conversation is kept after its last turn.
    CONVERSATION_LIFE: Duration = Duration::from_secs(3_600);
    /// Predicates of a filter.
    FILTER_PREDICATES: usize = 32;
    /// Depth of a filter.
    FILTER_DEPTH: usize = 8;
    /// A filter, in bytes of its JSON form.
    FILTER_BYTES: usize = 4 * KIB;
    /// Answers of a `find`.
    FIND_LIMIT: usize = 1_000;
    /// Default wait of `find` for a first match.
    FIND_WAIT: Duration = Duration::from_secs(1);
    /// A `find` with a match waits so long at most for skill documents that are on their way, by
    /// which better ones may match.
    FIND_SETTLE: Duration = Duration::from_millis(100);
    /// Changes that a watcher may be behind before it gets `lagged`.
    WATCH_BACKLOG: usize = 1_024;
    /// Streams of one call: the first and those that joined it.
    JOINED_STREAMS: usize = 4;
    /// Events of one call between core and handler or caller.
    CALL_EVENTS: usize = 16;
    /// Events that a caller takes of a call while a reader of its answer reads streamed parts and
    /// takes no event; what is said of progress counts once.
    WAITING_EVENTS: usize = 1_024;
    /// The same, in bytes.
    WAITING_EVENT_BYTES: usize = MIB;
    /// Events in a session's completion queue.
    SESSION_EVENTS: usize = 16_384;
    /// Bytes in a session's completion queue.
    SESSION_BYTES: usize = 64 * MIB;
    /// Open operations of a session; what ends something that is open is not refused by it.
    SESSION_OPERATIONS: usize = 65_536;
    /// Pieces of answers that callbacks of a node in C have sent, and nobody has taken yet.
    CALLBACK_CHUNKS: usize = 4_096;
    /// Closed sessions whose last events wait to be taken.
    ENDED_SESSIONS: usize = 16;
    /// One read of a streamed part, in bytes.
    BODY_READ_BYTES: usize = 256 * KIB;
    /// Attempts of one call, and times that it goes on to another node since the one that it asked
    /// has the agent no more.
    RETRY_ATTEMPTS: u32 = 10;
    /// Templates kept by a node.
    TEMPLATES: usize = 1_000;
    /// Pinned names of a user.
    PINS: usize = 10_000;
    /// Credentials kept by a node.
    CREDENTIALS: usize = 1_000;
    /// One line to or from a stdio agent, in bytes.
    STDIO_LINE_BYTES: usize = MIB;
    /// Lines of a stdio agent that are no frames, within `STDIO_BAD_SPAN`, before it is ended.
    STDIO_BAD_LINES: usize = 16;
    /// Older lines of a stdio agent that were no frames are forgiven.
    STDIO_BAD_SPAN: Duration = Duration::from_secs(60);
    /// Events of one call of a stdio agent that wait for their caller, in bytes.
    STDIO_CALL_BYTES: usize = 16 * MIB;
    /// From the start of a stdio agent to its descriptor line.
    STDIO_DESCRIPTOR: Duration = Duration::from_secs(2);
    /// A stdio agent that leaves the end of a call unread is ended after this time.
    STDIO_UNREAD: Duration = Duration::from_secs(2);
    /// From the end of the input of a stdio agent to its own end, before it is killed.
    STDIO_CLOSE: Duration = Duration::from_secs(1);
    /// A call waits so long for a stdio agent that is being started again.
    STDIO_RESTART: Duration = Duration::from_secs(2);
    /// First pause before a stdio agent that ended is started again; doubled each time.
    STDIO_PAUSE: Duration = Duration::from_millis(100);
    /// Longest pause before a stdio agent that ended is started again.
    STDIO_PAUSE_MAX: Duration = Duration::from_secs(10);
    /// Lines between a stdio agent and us, each way, that wait to be read.
    STDIO_BACKLOG: usize = 64;
    /// A line of the stderr of a stdio agent that is logged, in bytes; a longer one is cut in two.
    STDIO_LOG_LINE_BYTES: usize = 4 * KIB;
    /// Lines of the stderr of one run of a stdio agent that are logged.
    STDIO_LOG_LINES: usize = 10_000;
    /// Files that a stdio agent may have open.
    STDIO_OPEN_FILES: u64 = 1_024;
    /// Life of a membership token of a member key.
    MEMBER_TOKEN_LIFE: Duration = Duration::from_secs(30 * 24 * 3_600);
    /// Life of a membership token of a node key.
    NODE_TOKEN_LIFE: Duration = Duration::from_secs(3_600);
    /// Depth of attenuation of a membership token.
    TOKEN_DEPTH: usize = 4;
    /// A membership token, in bytes.
    TOKEN_BYTES: usize = 16 * KIB;
    /// Facts of one block that was appended to a token.
    TOKEN_BLOCK_FACTS: usize = 32;
    /// Combinations of facts that all appended checks of a token may look at together.
    TOKEN_COMBINATIONS: usize = 10_000;
    /// Facts of a token with those that its rules derive; this many are too many.
    TOKEN_FACTS: u64 = 512;
    /// Rounds in which the rules of a token derive facts; this many are too many.
    TOKEN_ROUNDS: u64 = 32;
    /// Good verdicts on tokens of peers that a node remembers.
    TOKEN_VERDICTS: usize = 4_096;
    /// A ticket, in bytes of its text.
    TICKET_BYTES: usize = 8 * KIB;
    /// Minters of one ticket, and contacts that are kept of a mesh.
    TICKET_MINTERS: usize = 8;
    /// A role or group of an invite, or a zone, in bytes.
    INVITE_WORD_BYTES: usize = 64;
    /// Groups of one invite.
    INVITE_GROUPS: usize = 16;
    /// Zones of a node, or of one invite.
    NODE_ZONES: usize = 16;
    /// Keys that a mesh lets in no more.
    REVOKED_KEYS: usize = 1_024;
    /// Nodes of its local network that a node keeps contact with.
    LAN_NODES: usize = 64;
    /// Relays that a node uses, that its record names, or a ticket of one minter.
    NODE_RELAYS: usize = 4;
    /// URL of a relay, in bytes.
    RELAY_URL_BYTES: usize = 256;
    /// Connections of one relay, unless it is told another number.
    RELAY_CONNECTIONS: usize = 1_024;
    /// Connections of one member to one relay: of all processes of that user together.
    RELAY_MEMBER_CONNECTIONS: usize = 64;
    /// Connections of one relay that have not proven yet whose they are.
    RELAY_HANDSHAKES: usize = 128;
    /// The same of one source: an address of IPv4, or a network of 64 bits of IPv6.
    RELAY_SOURCE_HANDSHAKES: usize = 32;
    /// Time for a connection to a relay to prove whose it is.
    RELAY_HANDSHAKE: Duration = Duration::from_secs(10);
    /// Bytes a second that a relay takes of one connection, unless it is told another number.
    RELAY_BYTES_PER_S: u32 = 4 * MIB as u32;
    /// A connection to a relay is ended after this time: its node shows its token anew.
    RELAY_SESSION: Duration = Duration::from_secs(24 * 3_600);
    /// Longest life of a ticket that admits without a minter, and of the token that it gives.
    BEARER_LIFE: Duration = Duration::from_secs(600);
    /// Default life of an invite.
    INVITE_LIFE: Duration = Duration::from_secs(24 * 3_600);
    /// One file of the runtime folder, in bytes: room for `HOSTED_AGENTS` of the largest
    /// descriptors.
    RECORD_FILE_BYTES: usize = HOSTED_AGENTS * 9 * KIB;
    /// Files that are read of the runtime folder.
    RECORD_FILES: usize = 10_000;
    /// All files together that are read of the runtime folder, in bytes.
    RECORD_FILES_BYTES: u64 = 1024 * MIB as u64;
    /// Files of one look at the runtime folder that are handed on together.
    RECORDS_TOGETHER: usize = 64;
    /// Looks at a node whose lock file was closed, until it is taken for alive.
    DOUBTED_LOOKS: u32 = 20;
    /// A replica waits so long for the first look at who else is on this machine.
    FIRST_LOOK: Duration = Duration::from_secs(5);
    /// Time that a graceful close waits for running calls.
    CLOSE_GRACE: Duration = Duration::from_secs(10);
    /// Silence of a callee, not even `Accepted`, after which another node that hosts it is asked,
    /// or the same one over another connection.
    SILENT_PATH: Duration = Duration::from_secs(2);
    /// Silence beyond a round trip after which a small request is sent again on another stream.
    REPEAT_AFTER: Duration = Duration::from_millis(20);
    /// Largest request that is sent again on another stream, in bytes.
    REPEAT_BYTES: usize = 16 * KIB;
    /// A request is sent again over another connection so long after it was sent first: far less
    /// than its callee remembers it.
    REPEAT_LIFE: Duration = Duration::from_secs(10);
    /// A connection that lost a simultaneous dial is drained within this time.
    DRAIN: Duration = Duration::from_secs(30);
    /// Entries of one list of a rule or a query.
    RULE_ENTRIES: usize = 1_024;
    /// Highest `maxConcurrency` of an agent.
    AGENT_CONCURRENCY_MAX: usize = 65_536;
    /// Highest `queue` of an agent.
    AGENT_QUEUE_MAX: usize = 65_536;
    /// A secret or credential, in bytes.
    SECRET_BYTES: usize = 16 * KIB;
    /// Callers whose rate is remembered, an agent.
    RATE_CALLERS: usize = 4_096;
    /// Text of one JSON Schema, in bytes.
    SCHEMA_BYTES: usize = 256 * KIB;
    /// Looks of a schema at one value, without going into it.
    SCHEMA_BRANCHES: u64 = 100_000;
    /// Validators of a schema that may run inside each other.
    SCHEMA_NESTING: u64 = 2_048;
    /// Looks of a schema at all values of one check.
    SCHEMA_STEPS: u64 = 50_000_000;
    /// Body of an HTTP request, in bytes.
    HTTP_BODY_BYTES: usize = MIB;
    /// Answer of an HTTP request with the bytes of its streamed parts, in bytes.
    HTTP_ANSWER_BYTES: usize = 16 * MIB;
    /// Headers of an HTTP request, in bytes.
    HTTP_HEADERS_BYTES: usize = 16 * KIB;
    /// Headers of an HTTP request.
    HTTP_HEADERS: usize = 64;
    /// Target of an HTTP request, in bytes.
    HTTP_URL_BYTES: usize = 8 * KIB;
    /// Id that an HTTP request brings, in bytes.
    HTTP_REQUEST_ID_BYTES: usize = 128;
    /// Time for the head of an HTTP request.
    HTTP_HEADER_TIME: Duration = Duration::from_secs(10);
    /// Time for the body of an HTTP request.
    HTTP_BODY_TIME: Duration = Duration::from_secs(30);
    /// An HTTP connection is closed after this time without a request.
    HTTP_IDLE: Duration = Duration::from_secs(60);
    /// Silence of a streamed HTTP answer after which a comment says that it goes on.
    HTTP_STILL_THERE: Duration = Duration::from_secs(15);
    /// HTTP connections of one listener.
    HTTP_CONNECTIONS: usize = 256;
    /// HTTP connections of one address, or of one /64 of IPv6.
    HTTP_CONNECTIONS_PER_IP: usize = 32;
    /// Streams of one HTTP/2 connection.
    HTTP_STREAMS: u32 = 64;
    /// Streams that a client of one HTTP/2 connection may give up.
    HTTP_RESETS: u32 = 256;
    /// HTTP requests a second of one principal; of one address without a token.
    HTTP_RATE_PER_S: u32 = 1_000;
    /// HTTP requests at once of one rested principal.
    HTTP_RATE_BURST: u32 = 2_000;
    /// Redeem codes that are none from one client of a listener within `REDEEM_WRONG_SPAN`; until
    /// that is over none of its codes is looked at.
    HTTP_WRONG_CODES: u32 = 32;
    /// Tokens, host names or origins of one HTTP listener, each.
    HTTP_ENTRIES: usize = 1_024;
    /// Compiled schemas kept.
    SCHEMA_CACHE_ENTRIES: usize = 256;
    /// Text of the compiled schemas kept, in bytes.
    SCHEMA_CACHE_BYTES: usize = 4 * MIB;
    /// Steps that matching one pattern of a schema may walk back.
    PATTERN_STEPS: usize = 100_000;
    /// One compiled pattern of a schema, in bytes.
    PATTERN_BYTES: usize = MIB;
    /// Characters of a reason that a library gives us.
    REASON_CHARS: usize = 300;
    /// Remembered outcomes of requests of a node, in bytes.
    DUPLICATE_BYTES: usize = 64 * MIB;
    /// Agents that one node hosts: as many as others take of one node.
    HOSTED_AGENTS: usize = 20_000;
    /// Agents known by hand.
    CATALOGUE_AGENTS: usize = 100_000;
    /// Ids in an answer that says `ambiguous`.
    CANDIDATES: usize = 16;
    /// One text of a query, in bytes.
    QUERY_TEXT_BYTES: usize = 4 * KIB;
    /// Words of a query that are looked up.
    QUERY_WORDS: usize = 64;
    /// Entries of one list of a query.
    QUERY_ENTRIES: usize = 64;
    /// Answers of a `find` that does not say how many.
    FIND_ANSWERS: usize = 20;
    /// Agents, nodes or skills whose signals are remembered, each.
    SIGNAL_ENTRIES: usize = 65_536;
    /// An agent is suspect, or down, for so long after its last failure.
    SUSPECT: Duration = Duration::from_secs(30);
    /// Half of what is known of an agent's success is forgotten in this time.
    SUCCESS_HALF_LIFE: Duration = Duration::from_secs(600);
    /// Failures in a row after which an agent counts as down.
    DOWN_AFTER: u32 = 3;
    /// Agents that a directory holds.
    DIRECTORY_AGENTS: usize = 200_000;
    /// Nodes that a directory holds.
    DIRECTORY_NODES: usize = 10_000;
    /// Last numbers of agents that are gone, kept by a directory.
    LAST_NUMBERS: usize = 262_144;
    /// The last number of an agent is kept for so long after its records ended.
    LAST_NUMBER_LIFE: Duration = Duration::from_secs(24 * 3_600);
    /// Members that are told at once of what is new in the directory of the mesh.
    GOSSIP_FAN_OUT: usize = 3;
    /// Members beside those that are offered what is new, and ask for it if nobody else brings it.
    GOSSIP_OFFERS: usize = 8;
    /// Members that pass one new record on, one after the other.
    GOSSIP_HOPS: u32 = 16;
    /// New records of the directory wait so long for others.
    GOSSIP_BATCH: Duration = Duration::from_millis(50);
    /// New records of the directory that wait to be passed on.
    GOSSIP_QUEUE: usize = 16_384;
    /// Records of one message between members, in bytes.
    GOSSIP_FRAME_BYTES: usize = 60 * KIB;
    /// Nodes that one message says to be lost.
    GOSSIP_SUSPECTS: usize = 1_024;
    /// Mean time between two comparisons with members by chance: three a minute.
    REPAIR_ROUND: Duration = Duration::from_secs(20);
    /// A member that is compared with says its next word within this time.
    REPAIR_PATIENCE: Duration = Duration::from_secs(10);
    /// One comparison with a member, with all that it brings.
    REPAIR_LIFE: Duration = Duration::from_secs(60);
    /// Rows of the directory that one message lists.
    REPAIR_ROWS: usize = 1_024;
    /// Messages with records that answer one message.
    REPAIR_FRAMES: usize = 8;
    /// Members that wait to be compared with.
    REPAIR_WAITING: usize = 64;
    /// Records of one directory by which agents or nodes say that they are no more.
    REPLICA_ENDED: usize = 65_536;
    /// Keys of which two records of one number are remembered.
    REPLICA_EVIDENCE: usize = 1_024;
    /// Records that did not hold and are not looked at again.
    REPLICA_FORGED: usize = 1_024;
    /// Members that are counted within a second by what they bring, each with the nodes that it is of.
    REPLICA_BRINGERS: usize = 16_384;
    /// Offered records that were asked for and did not come yet.
    REPLICA_ASKED: usize = 4_096;
    /// Members that a node stays connected to for the records of its mesh, though no call is made.
    RECORD_LINKS: usize = 3;
    /// A connection on which no call was made is closed after this time without records, while
    /// there are `RECORD_LINKS` others.
    RECORD_LINK_IDLE: Duration = Duration::from_secs(60);
    /// Members that are dialled at once for the records of the mesh.
    RECORD_DIALS: usize = 8;
    /// Messages of members about records that wait to be read.
    RECORD_MESSAGES: usize = 64;
    /// Agents of a node are found no more when it was taken for lost so long; with the silence by
    /// which its peers notice that, `SUSPECT` after its end.
    FADE: Duration = Duration::from_secs(20);
    /// A node that others take for lost says so often at most that it lives.
    REFUTE: Duration = Duration::from_secs(10);
    /// Watchers of a directory.
    WATCHERS: usize = 1_024;
    /// Input schemas that a directory keeps for queries, and their bytes.
    DIRECTORY_SCHEMAS: usize = 4_096;
    /// Bytes of the input schemas that a directory keeps.
    DIRECTORY_SCHEMA_BYTES: usize = 16 * MIB;
    /// Skill documents that a node asks others for at once, without those that are slow.
    DOCUMENTS_AT_ONCE: usize = 16;
    /// Skill documents that one node is asked for at once, after it gave one; before, it is one.
    DOCUMENTS_PER_NODE: usize = 4;
    /// Nodes that are asked for one skill document, each after the one before, within
    /// `DOCUMENT_AGAIN`.
    DOCUMENT_HOSTS: usize = 4;
    /// Another node is asked for a skill document that the one before did not give in this time.
    DOCUMENT_SLOW: Duration = Duration::from_millis(250);
    /// Nodes that are remembered not to have given one skill document: others are asked first.
    DOCUMENT_TRIED: usize = 64;
    /// A node that did not give a skill document is asked for it again after this time.
    DOCUMENT_AGAIN: Duration = Duration::from_secs(10);
    /// A skill document that came is not asked for again within this time: where there are more
    /// than a directory keeps, watchers would push out each other's without a pause.
    DOCUMENT_REST: Duration = Duration::from_secs(60);
    /// One template, in bytes of its JSON form.
    TEMPLATE_BYTES: usize = 64 * KIB;
    /// Letters, or white space, in a row that the token counter takes.
    TOKEN_RUN_CHARS: usize = 100_000;
    /// Highest value of one component of an amount: what a double holds exactly.
    AMOUNT_MAX: u64 = (1 << 53) - 1;
    /// Lease of a grant; clocks are taken to run at most one percent apart while it lasts.
    LEASE: Duration = Duration::from_secs(10);
    /// Longest lease of a grant.
    LEASE_MAX: Duration = Duration::from_secs(300);
    /// A lease is renewed when one part in this many is over.
    LEASE_PARTS: u64 = 3;
    /// Longest time for which questions of one strict budget are gathered before they are asked on.
    FOLD_WINDOW: Duration = Duration::from_millis(20);
    /// Own nonce and folds of holders below that one question of a strict budget carries.
    FOLD_LEAVES: usize = 4_096;
    /// Questions of one grant of a strict budget that are open at once, or wait to be asked on.
    FOLD_QUESTIONS: usize = 16;
    /// Digests between a question of a strict budget and the tree of its beacon.
    BEACON_PATH: usize = 256;
    /// Budgets, grants held, and grants that ended but are remembered, of one ledger.
    LEDGER_GRANTS: usize = 131_072;
    /// Open reservations of one grant.
    GRANT_RESERVATIONS: usize = 4_096;
    /// Open grants cut from one grant.
    GRANT_FAN_OUT: u32 = 4_096;
    /// Settled grants that are remembered beside the open ones of one grant.
    GRANT_SETTLED: usize = 1_024;
    /// What waits for the first lease of one grant.
    GRANT_WAITING: usize = 256;
    /// Redeem codes of one grant that are open at once.
    GRANT_CODES: usize = 16;
    /// The text of a redeem code, in bytes.
    REDEEM_TEXT_BYTES: usize = 512;
    /// A redeem code ends at the latest after this time; before that with the call it was made in.
    REDEEM_LIFE: Duration = Duration::from_secs(600);
    /// Codes that are none from one node within `REDEEM_WRONG_SPAN`; until that is over, more of
    /// them are `busy`, and codes that are good are taken all the same.
    REDEEM_WRONG: u32 = 256;
    /// Time in which codes that are none are counted.
    REDEEM_WRONG_SPAN: Duration = Duration::from_secs(10);
    /// Nodes, or clients of a listener, whose codes that are none are counted; beyond, the one that
    /// began first is forgotten.
    REDEEM_NODES: usize = 1_024;
    /// What a principal of a listener spends counts for so long, where an hour has a limit.
    HOUR: Duration = Duration::from_secs(3_600);
    /// What principals spent within this time counts together, until the end of the hour after it.
    HOUR_SLOT: Duration = Duration::from_secs(60);
    /// Principals of whom a node knows what they spent within the hour; further ones are `busy`.
    HOUR_PRINCIPALS: usize = 4_096;
    /// Requests of such principals that are not over.
    HOUR_OPEN: usize = 16_384;
    /// Name of such a principal, in bytes.
    HOUR_NAME_BYTES: usize = 256;
    /// A grant that ended is remembered after its issuer knows; above every lease.
    GRANT_MEMORY: Duration = Duration::from_secs(600);
    /// A grant that ends waits so long for what was cut from it, then charges it in full.
    GRANT_DRAIN: Duration = Duration::from_secs(60);
    /// A detached grant ends at the latest after this time.
    GRANT_DETACHED: Duration = Duration::from_secs(24 * 3_600);
    /// First wait before a last word or a recall is said again; it doubles.
    SETTLE_REPEAT: Duration = Duration::from_millis(500);
    /// Longest wait before a last word or a recall is said again.
    SETTLE_REPEAT_MAX: Duration = Duration::from_secs(5);
    /// A last word that nobody acknowledges is said again for so long.
    SETTLE_LIFE: Duration = Duration::from_secs(24 * 3_600);
    /// Trips that one ledger remembers.
    LEDGER_TRIPS: usize = 65_536;
    /// Budgets that one statement of the operator of a mesh stops.
    STOP_BUDGETS: usize = 64;
    /// Groups that one statement of the operator of a mesh names.
    STOP_GROUPS: usize = 16;
    /// Nodes to which a node shows a statement of the operator of a mesh at once.
    STOP_NODES_AT_ONCE: usize = 32;
    /// Time for which a node that does not answer a statement of the operator keeps others waiting.
    STOP_TURN: Duration = Duration::from_secs(2);
    /// Time in which the nodes that are known are shown a statement of the operator of a mesh.
    STOP_WAIT: Duration = Duration::from_secs(10);
    /// Budgets of other nodes that one ledger remembers as stopped by the operator of the mesh.
    LEDGER_STOPS: usize = 4_096;
    /// Nodes whose clock readings one ledger remembers.
    LEDGER_READINGS: usize = 16_384;
    /// Answers and messages of one ledger that wait for its store.
    LEDGER_HELD: usize = 65_536;
    /// Writes of a store that wait for its thread.
    STORE_QUEUE: usize = 262_144;
    /// Writes of a store that become one commit.
    STORE_GROUP: usize = 4_096;
    /// A text of a row of the audit log, in bytes; a longer one is cut.
    AUDIT_TEXT_BYTES: usize = 256;
    /// Equal events of others within this time become one row of the audit log.
    AUDIT_FOLD_SPAN: Duration = Duration::from_secs(1);
    /// Different events of others, of one kind, that the audit log tells of within
    /// `AUDIT_FOLD_SPAN`; more are only counted.
    AUDIT_FOLDED: usize = 16;
    /// Rows of one kind that others may cause within `AUDIT_FOLDED_SPAN`; after them what they
    /// cause is folded over `AUDIT_FLOOD_SPAN`, so that a flood leaves a week of rows on disk.
    AUDIT_FOLDED_ROWS: usize = 1_024;
    /// Time in which rows that others cause are counted.
    AUDIT_FOLDED_SPAN: Duration = Duration::from_secs(3_600);
    /// Equal events of others within this time become one row, once there were too many rows.
    AUDIT_FLOOD_SPAN: Duration = Duration::from_secs(600);
    /// Rows of the audit log that wait for the store; more are lost, and a row says how many.
    AUDIT_QUEUE: usize = 16_384;
    /// Rows of the audit log that a node keeps in memory.
    AUDIT_MEMORY: usize = 4_096;
    /// Rows of one audit log on disk; the oldest are forgotten, and a row says so.
    AUDIT_ROWS: u64 = 262_144;
    /// Rows of an audit log that are forgotten at once.
    AUDIT_FORGOTTEN: u64 = 4_096;
    /// Principals, agents or skills whose usage a node keeps, each; others are one sum.
    USAGE_KEYS: usize = 1_024;
    /// Watchers of the calls of one node.
    CALL_WATCHERS: usize = 16;
    /// Pairs of agent and skill that metrics name on each side of a call, and agents whose spending
    /// they name; the others are one.
    METRIC_NAMES: usize = 128;
    /// Calls that a node remembers for traces, made and handled.
    RECENT_CALLS: usize = 4_096;
    /// Calls of one trace that a node tells.
    TRACE_CALLS: usize = 1_024;
    /// Nodes that are asked for one trace.
    TRACE_NODES: usize = 1_024;
    /// Nodes that are asked for a trace at once.
    TRACE_NODES_AT_ONCE: usize = 32;
    /// Time for which a node that does not tell what it knows of a trace keeps others waiting.
    TRACE_TURN: Duration = Duration::from_secs(2);
    /// Spans that are taken of one trace, of all nodes together.
    TRACE_SPANS: usize = 16_384;
    /// Calls that are shown inside each other.
    TRACE_DEPTH: usize = 32;
    /// Time that gathering a trace may take.
    TRACE_WAIT: Duration = Duration::from_secs(10);
    /// Spans that wait to be written to the trace file.
    TRACE_QUEUE: usize = 4_096;
    /// Spans of one post to a collector.
    TRACE_BATCH: usize = 512;
    /// Time that a span waits for others before it is posted.
    TRACE_BATCH_TIME: Duration = Duration::from_secs(1);
    /// Time for one post to a collector, with its answer.
    TRACE_POST: Duration = Duration::from_secs(10);
    /// Time after which a batch that a collector does not take is given up.
    TRACE_GIVE_UP: Duration = Duration::from_secs(60);
    /// Time that the last spans of a node have to reach the collector.
    TRACE_FLUSH: Duration = Duration::from_secs(3);
    /// Answer of a collector that is read, in bytes.
    TRACE_ANSWER_BYTES: usize = 64 * KIB;
    /// One line of the trace file, in bytes.
    TRACE_LINE_BYTES: usize = 4 * KIB;
    /// The trace file, in bytes; what would make it larger is not written.
    TRACE_FILE_BYTES: u64 = 1024 * MIB as u64;
    /// A file of certificates that are believed, in bytes.
    ROOTS_FILE_BYTES: u64 = MIB as u64;
    /// Models of the price table of a metering gateway.
    PRICED_MODELS: usize = 1_024;
    /// Messages of one request to a metering gateway.
    METERED_MESSAGES: usize = 4_096;
    /// Links of one spending key.
    KEY_LINKS: usize = 16;
    /// A spending key, in bytes of its text.
    KEY_TEXT_BYTES: usize = 4 * KIB;
    /// Life of a spending key of a call: how long one whose stop no gateway heard of may pay.
    PROVIDER_KEY_LIFE: Duration = Duration::from_secs(600);
    /// Keys that one call has of a gateway.
    PROVIDER_KEYS: usize = 16;
    /// Time for a gateway to say what a key cost, after which all of it is charged.
    PROVIDER_WORD: Duration = Duration::from_secs(3);
    /// Time in which a gateway is told of a stop, or of the end of a key.
    PROVIDER_TOLD: Duration = Duration::from_secs(30);
    /// What a gateway says to a node, in bytes.
    PROVIDER_WORD_BYTES: usize = 4 * KIB;
    /// Receipts that come with the last word about a grant: of the keys of its call, and of the one
    /// that came with it.
    RECEIPTS: usize = 17;
    /// A receipt as it is signed, in bytes.
    RECEIPT_BYTES: usize = KIB;
    /// A text in a receipt, in bytes.
    RECEIPT_TEXT_BYTES: usize = 128;
    /// Roots of one till.
    TILL_ROOTS: usize = 64;
    /// Links of one root whose accounts a till keeps, in about 4 MiB: those of keys of calls stay
    /// for `PROVIDER_KEY_LIFE`, so that there may be 27 of them a second.
    TILL_LINKS: usize = 16_384;
    /// Part of the room for links of its root that a link of a budget may have below it: so much of
    /// what is left. Others leave such a part to their neighbours.
    TILL_LINK_SHARE: usize = 16;
    /// Stopped budgets that a till keeps for those who hold keys of one root.
    TILL_TRIPS: usize = 1_024;
    /// Open reservations of one till.
    TILL_RESERVATIONS: usize = 4_096;
    /// Time for a connection of a metering gateway to its provider.
    PROVIDER_CONNECT: Duration = Duration::from_secs(10);
    /// Silence of a provider after which its answer is given up.
    PROVIDER_SILENCE: Duration = Duration::from_secs(600);
    /// Answer of a provider that is not streamed, in bytes.
    PROVIDER_ANSWER_BYTES: usize = 16 * MIB;
    /// Error of a provider that is passed on, in bytes.
    PROVIDER_ERROR_BYTES: usize = 64 * KIB;
    /// One event of a streamed answer of a provider, in bytes.
    PROVIDER_EVENT_BYTES: usize = MIB;
    /// Threads of the runtime of a process.
    RUNTIME_WORKERS: usize = 64;
    /// Steps of the script of a fake peer, and requests of one recording.
    TESTING_STEPS: usize = 10_000;
    /// Bytes of a recording, of the requests that a fake peer remembers, and of the streamed parts
    /// of one message of a fake or recorded peer.
    TESTING_BYTES: usize = 64 * MIB;
    /// Requests that a fake peer remembers; of earlier ones it knows that they came.
    TESTING_ASKED: usize = 10_000;
}

// An agent that may be registered is one that others take.
const _: () = assert!(HOSTED_AGENTS <= MEMBER_RECORDS);
