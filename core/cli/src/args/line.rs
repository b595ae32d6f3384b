//! The verbs and their flags.

use super::expose::Expose;
use super::kept::{Budget, Id, Invite, Pin, Secret, Trust};
#[cfg(feature = "relay-server")]
use super::relay::{RELAY, Relay};
use super::root::GatewayRoot;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXITS: &str = "exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused, 5 budget, \
124 time-out, 130 interrupted";

const MORE: &str = "Settings come from flags, then variables (HUBLESS_HOME, HUBLESS_MESH, \
HUBLESS_LISTEN, HUBLESS_PORT, HUBLESS_ZONES, HUBLESS_RELAYS, HUBLESS_RELAY_CA, HUBLESS_LOG, \
HUBLESS_GATEWAY), then the configuration file, then defaults; `hubless config show` says which. \
HUBLESS_LOG (off, error, warn, info, debug, trace) logs to stderr. HUBLESS_TRACE names a file, or \
the URL of a collector, for the spans of calls; HUBLESS_GATEWAY the URL of a metering gateway, \
and HUBLESS_GATEWAY_KEY a key of it (`hubless gateway key`). NO_COLOR is respected.

With --json, data on stdout is one object or JSON Lines, each with a `schema` such as \
hubless.reply/1; an error is one object (hubless.error/1) on stderr.

exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused, 5 budget, 124 time-out, \
130 interrupted";

/// Agents find each other and talk directly, with no hub.
#[derive(Debug, Parser)]
#[command(name = "hubless", version, after_help = EXITS, after_long_help = MORE)]
pub(crate) struct Arguments {
    /// What every verb takes.
    #[command(flatten)]
    pub(crate) global: Global,
    /// What to do.
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What every verb takes.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// Print JSON: one object, or one a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Configuration file [default: hubless.toml in the home or configuration folder]
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Mesh: an id, or `own`
    #[arg(long, global = true)]
    pub(crate) mesh: Option<String>,
    /// Addresses to bind: `loopback`, `all`, or IP addresses separated by commas
    #[arg(long, global = true)]
    pub(crate) listen: Option<String>,
    /// Folder that holds data and runtime folders
    #[arg(long, global = true, value_name = "FOLDER")]
    pub(crate) home: Option<PathBuf>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Show this mesh: nodes, agents, how they are reached
    Status,
    /// Find agents by what they can do
    Find(Find),
    /// Call an agent: JSON or text, `-` reads stdin
    Call(Call),
    /// Make an agent of any program that speaks JSON lines
    #[command(long_about = SERVE)]
    Serve(Serve),
    /// Draw the calls that one request caused, on all nodes that remember them
    #[command(long_about = TRACE)]
    Trace {
        /// Its id (`call --explain`, `call --json` and errors name it), or a whole traceparent
        trace: String,
    },
    /// Who did what on this machine, and what was refused
    #[command(long_about = AUDIT)]
    Audit {
        /// What to do with it
        #[command(subcommand)]
        action: Audit,
    },
    /// Show budgets of this machine: limits, spent, set aside, grants, who stopped them
    #[command(long_about = BUDGET, args_conflicts_with_subcommands = true)]
    Budget {
        /// Its id, as `audit show --kind budget_opened` prints it [default: each, without grants]
        id: Option<String>,
        /// What to do with it
        #[command(subcommand)]
        action: Option<Budget>,
    },
    /// Show what the calls that were handled on this machine used
    #[command(long_about = USAGE)]
    Usage {
        /// What is summed by
        #[arg(long, default_value = "agent", value_name = "principal|agent|skill")]
        by: String,
    },
    /// Let programs outside the mesh ask its agents
    Expose {
        /// How they ask
        #[command(subcommand)]
        face: Expose,
    },
    /// Keys and accounts of a metering gateway (`expose gateway`)
    #[command(long_about = GATEWAY)]
    Gateway {
        /// What to do with them
        #[command(subcommand)]
        action: Gateway,
    },
    /// Relays, for nodes that have no direct way to each other
    #[cfg(feature = "relay-server")]
    #[command(long_about = RELAY)]
    Relay {
        /// What to do
        #[command(subcommand)]
        action: Relay,
    },
    /// Print a ticket by which another data folder joins this mesh
    Invite(Invite),
    /// Join the mesh of a ticket
    Join {
        /// The ticket, or `-` for stdin
        ticket: String,
    },
    /// Stored identities of agents, and tokens for agents that ask for one
    Id {
        /// What to do with them
        #[command(subcommand)]
        action: Id,
    },
    /// Names that are bound to one key
    Pin {
        /// What to do with them
        #[command(subcommand)]
        action: Pin,
    },
    /// Credentials for agents, read from stdin and kept in the data folder
    Secret {
        /// What to do with them
        #[command(subcommand)]
        action: Secret,
    },
    /// Keys that this mesh lets in no more
    #[command(long_about = TRUST)]
    Trust {
        /// What to do with them
        #[command(subcommand)]
        action: Trust,
    },
    /// Configuration
    Config {
        /// What to do with it
        #[command(subcommand)]
        action: Config,
    },
    /// Check keys, folders, ports, records and peers; each fault comes with its fix
    Doctor,
    /// Print shell completions
    #[command(long_about = COMPLETIONS)]
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
    /// Print a manual page; `hubless man call | man -l -` shows one
    Man {
        /// Verb that it is about [default: the command itself]
        verb: Option<String>,
    },
}

const SERVE: &str = "Make an agent of any program that speaks JSON lines.

The program reads one JSON message a line on stdin and writes one a line on stdout, each of at \
most 1 MiB, in UTF-8. To it: {\"request\": {\"id\", \"skill\", \"content\": {\"parts\": \
[{\"text\"} | {\"data\"} | {\"blob\": {\"mediaType\", \"bytes\": base64}}]}, ...}}, and {\"id\", \
\"toolResult\" | \"input\" | \"cancel\"}. From it: {\"id\", \"event\": {\"progress\": {\"note\", \
\"fraction\"}} | {\"chunk\": {\"part\", \"append\"}} | {\"toolCall\": {\"id\", \"name\", \
\"arguments\"}} | {\"inputRequired\": {\"id\", \"prompt\", \"schema\"}} | {\"final\": \
{\"content\"}} | {\"rejection\": {\"kind\", \"code\", \"reason\"}}}. A call ends with one final \
or rejection. Of a call with a budget the request's metadata has hubless.redeem, a code: what the \
program asks of an agent by HTTP with it, in the header Hubless-Redeem, once, is paid from that \
budget.

Without --name its first line, within 2 s, is {\"descriptor\": {\"name\", \"description\", \
\"skills\", ...}}. Its stderr is logged (HUBLESS_LOG; here by default warn and the program's own \
lines). It runs in a process group of its own, without a shell, with few variables (--env adds \
some) and no other open files. When it ends it is started again, with back-off; calls that it had \
fail with handler_failed. SIGTERM or Ctrl-C lets running calls end within 10 s; a second one does \
not wait.";

const TRACE: &str = "Draw the calls that one request caused, on all nodes that remember them.

Each node of the mesh is asked that this machine knows or that took part. A node remembers its \
latest 4,096 calls as long as it lives, and never a content. To keep more, set HUBLESS_TRACE to a \
file: each process appends a line of OTLP in JSON for each call that it makes or handles; or to \
the URL of a collector, such as http://127.0.0.1:4318/v1/traces, that they are posted to.";

const AUDIT: &str = "Who did what on this machine, and what was refused.

Each node with a name (serve --node, expose http --node; `name` of the SDKs) keeps a log in \
data/nodes/NAME.db, called node:NAME here: agents registered and taken out, nodes met and refused, \
calls refused before their handler ran, budgets opened, stopped and closed. The log `folder` has \
what changed the data folder: tickets, joined meshes, pins, stored credentials. A node without a \
name keeps its latest rows in memory. A metering gateway keeps one in data/gateways/NAME.db, \
called gateway:NAME: roots, refused keys, empty budgets, providers that took too much. Equal \
refusals of one second are one row with a count; where one kind of them fills an hour, of ten \
minutes. No row holds a content, a credential or a rule of an agent.

Of each log the latest 262,144 rows are kept: where the oldest are forgotten, a row \
`rows_forgotten` says how many, and the hash from which the rest is checked. `export` keeps them \
elsewhere in time.

Each row is hashed with the one before it: what was changed, taken out or put in is found by \
`verify`, with the first row that does not hold. Whoever may write the file could write all of it \
anew: note the head that `verify` prints elsewhere, and give it back with --head. Of rows whose \
hash is made by `export`, SHA-256 goes over \"hubless audit 1\", a zero byte, the 32 bytes of the \
hash before (of the base for the first), and the text of the row.";

const BUDGET: &str =
    "Show budgets of this machine: limits, spent, set aside, grants, who stopped them.

It is read from the stores of the nodes with a name (data/nodes/NAME.db), whether they run or not: \
what is open from their ledgers, what is over from their audit logs. A grant is shown with what \
was cut from it as far as the nodes of this data folder hold it; of what others hold, only what \
they said is known. A node without a name keeps its budgets in memory and is not shown.

`budget trip ID` stops budgets of this mesh for good, wherever they began: handlers are cancelled, \
and nothing more is granted or spent. Only the data folder that has the root key of the mesh can. \
Nodes that gave no answer are not told later by this command: repeat it once they are there.";

const USAGE: &str = "Show what the calls that were handled on this machine used.

Each node with a name sums what its handlers reported, or what was charged where they reported \
nothing (inFull), by who asked, by agent, and by skill, since its store was made: at most 1,024 \
of each, and (others). It is read from their stores (data/nodes/NAME.db), a second behind what \
runs. Most expensive first.";

const TRUST: &str = "Keys that this mesh lets in no more.

`trust revoke KEY` takes keys of nodes (`status` prints them) or of members (the audit log names \
them: `audit show --kind invite_redeemed`, and `token_renewed` for who came by a bearer ticket). \
Of a node that is connected to one of yours the key of its member is revoked as well. Of another \
one it is not, which is said: revoke its member by its own key, since a node key alone lives as \
long as its process. Nodes that hear of it close the connections of whoever has such a key, and \
refuse new ones (`auth`, code `revoked`); those that are down hear of \
it from the others. It cannot be taken back: to let somebody in again, remove member.key of the \
mesh in the data folder there, and join by a new ticket. Only the data folder that has the root \
key of the mesh revokes.";

const COMPLETIONS: &str = "Print shell completions.

bash: hubless completions bash > ~/.local/share/bash-completion/completions/hubless
zsh:  hubless completions zsh > \"${fpath[1]}/_hubless\"
fish: hubless completions fish > ~/.config/fish/completions/hubless.fish";

/// What `find` takes.
#[derive(Debug, Args)]
pub(crate) struct Find {
    /// Words
    pub(crate) text: Vec<String>,
    /// Only agents with this skill
    #[arg(long)]
    pub(crate) skill: Option<String>,
    /// Only agents with this tag; may be repeated
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// Only agents that a filter matches, as JSON
    #[arg(long, value_name = "JSON")]
    pub(crate) filter: Option<String>,
    /// Milliseconds to wait for a first match
    #[arg(long, default_value_t = 1_000, value_name = "MS")]
    pub(crate) wait: u64,
    /// Say why each stands where it stands
    #[arg(long)]
    pub(crate) explain: bool,
    /// Most agents to print
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: u32,
}

/// What `call` takes.
#[derive(Debug, Args)]
pub(crate) struct Call {
    /// Id, address or name
    pub(crate) agent: String,
    /// JSON or text; `-` reads stdin, where bytes that are no UTF-8 become a blob; nothing: an
    /// empty text
    pub(crate) content: Option<String>,
    /// Skill that is meant
    #[arg(long)]
    pub(crate) skill: Option<String>,
    /// Print pieces and progress as they come
    #[arg(long)]
    pub(crate) stream: bool,
    /// Say on stderr who is asked and why, and the id of the trace
    #[arg(long)]
    pub(crate) explain: bool,
    /// Seconds for the whole call
    #[arg(long, value_name = "S")]
    pub(crate) timeout: Option<f64>,
}

/// What `serve` takes.
#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Name of the agent [default: what the program's descriptor line says]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Stored identity that the agent has (`hubless id new`) [default: a fresh key]
    #[arg(long, value_name = "NAME")]
    pub(crate) identity: Option<String>,
    /// File with one skill, or a list of them, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) skill_file: Option<PathBuf>,
    /// Word to be found by; may be repeated
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// Calls at once
    #[arg(long, default_value_t = 1, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub(crate) concurrency: u32,
    /// Name of the node: it keeps its key, the budgets it holds and its audit log on disk
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Variable that the program gets beside PATH, HOME and the like; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<String>,
    /// Address and port of this machine at which to say at /metrics what this node counts, as
    /// Prometheus reads it
    #[cfg(feature = "metrics")]
    #[arg(long, value_name = "IP:PORT")]
    pub(crate) metrics: Option<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

const GATEWAY: &str = "Keys and accounts of a metering gateway.

A root is a key with a ceiling at one gateway: register it at no other, since each would pay its \
ceiling. Whoever holds a key may spend by it, and issue narrower keys below it without asking \
anybody; the gateway pays no key more than its limits, nor all keys below another one together \
more than that one's: of cost, of tokens read and of tokens written, each that is limited. \
`root add` and `root remove` are for a gateway that does not run.

A program whose node has such a key (HUBLESS_GATEWAY, HUBLESS_GATEWAY_KEY) gets keys for its \
handlers, each paid from the budget of one call, by `ctx.provider()`. They end with the call, and \
with the stop of the budget, which its nodes tell the gateway; where that word is lost, after ten \
minutes.

With HUBLESS_REFUND=provider and HUBLESS_GATEWAY_SIGNER (which `expose gateway` prints) a node \
takes back of the grants of its calls to other nodes only what the gateway signs that nobody can \
pay any more; with HUBLESS_REFUND=never nothing. HUBLESS_REFUND=signed believes those nodes. \
The default is member=signed,external=never: whoever shows no token of the mesh gets a price.

hubless gateway root add --name front --ceiling 5000000    # prints the root's key, once
hubless gateway key --from - --limit 200000 --limit-output 50000 --ttl 10m < root.key
hubless gateway show --name front";

/// What `gateway` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Gateway {
    /// Roots: whose money there is
    Root {
        /// What to do with them
        #[command(subcommand)]
        action: GatewayRoot,
    },
    /// Issue a narrower key below another one; asks nobody
    Key {
        /// Key that it is below, or `-` for stdin
        #[arg(long, value_name = "KEY")]
        from: String,
        /// Most that it may pay, in millionths of the currency
        #[arg(long, value_name = "MICROS")]
        limit: String,
        /// Most tokens that models may read for it; without: as many as for the key it is below
        #[arg(long, value_name = "TOKENS")]
        limit_input: Option<String>,
        /// The same of tokens that they may write
        #[arg(long, value_name = "TOKENS")]
        limit_output: Option<String>,
        /// Its life, at most that of the key it is below: 30s, 10m, 2h, 7d
        #[arg(long, value_name = "TIME")]
        ttl: String,
    },
    /// Show what was paid, what is set aside, and the limit of each root and key
    Show {
        /// Name of the gateway
        #[arg(long)]
        name: String,
    },
}

/// What `audit` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Print the latest rows, oldest first
    Show(AuditShow),
    /// Check every row; exit code 1 when one does not hold
    Verify {
        /// Only this log: `folder`, `node:NAME` or `gateway:NAME`
        #[arg(long)]
        log: Option<String>,
        /// A head that was noted before, SEQ:HASH
        #[arg(long, requires = "log", value_name = "HEAD")]
        head: Option<String>,
    },
    /// Print every row as it is kept, with its hash, as JSON Lines
    Export {
        /// Only this log: `folder`, `node:NAME` or `gateway:NAME`
        #[arg(long)]
        log: Option<String>,
    },
}

/// What `audit show` takes.
#[derive(Debug, Args)]
pub(crate) struct AuditShow {
    /// Only this log: `folder`, `node:NAME` or `gateway:NAME`
    #[arg(long)]
    pub(crate) log: Option<String>,
    /// Only rows of this kind, such as call_refused; may be repeated
    #[arg(long, value_name = "KIND")]
    pub(crate) kind: Vec<String>,
    /// Only rows since then: 30s, 10m, 2h, 7d, or a time such as 2026-11-29T08:00:00Z
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Most rows to print
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
}

/// What `config` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print each value and where it comes from
    Show,
}
