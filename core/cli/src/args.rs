//! What the command line looks like.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

const EXITS: &str = "exit codes: 0 ok, 1 failed, 2 usage, 3 not found, 4 refused, 5 budget, \
124 time-out, 130 interrupted";

const MORE: &str = "Settings come from flags, then variables (HUBLESS_HOME, HUBLESS_MESH, \
HUBLESS_LISTEN, HUBLESS_PORT, HUBLESS_LOG), then the configuration file, then defaults; `hubless \
config show` says which. HUBLESS_LOG (off, error, warn, info, debug, trace) logs to stderr. \
NO_COLOR is respected.

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
    /// Print a ticket by which another data folder joins this mesh
    Invite(Invite),
    /// Join the mesh of a ticket
    Join {
        /// The ticket, or `-` for stdin
        ticket: String,
    },
    /// Stored identities of agents
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
or rejection.

Without --name its first line, within 2 s, is {\"descriptor\": {\"name\", \"description\", \
\"skills\", ...}}. Its stderr is logged (HUBLESS_LOG; here by default warn and the program's own \
lines). It runs in a process group of its own, without a shell, with few variables (--env adds \
some) and no other open files. When it ends it is started again, with back-off; calls that it had \
fail with handler_failed. SIGTERM or Ctrl-C lets running calls end within 10 s; a second one does \
not wait.";

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
    /// Say first, on stderr, who is asked and why
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
    /// Variable that the program gets beside PATH, HOME and the like; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<String>,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

/// What `invite` takes.
#[derive(Debug, Args)]
pub(crate) struct Invite {
    /// Role of who joins [default: member]
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// Groups of who joins; may be repeated
    #[arg(long = "group")]
    pub(crate) groups: Vec<String>,
    /// Life in seconds [default: 24 hours]
    #[arg(long, value_name = "S")]
    pub(crate) ttl: Option<u64>,
    /// How many may join with it [default: 1]
    #[arg(long)]
    pub(crate) uses: Option<u32>,
    /// Also when every node listens to this machine only
    #[arg(long)]
    pub(crate) local: bool,
}

/// What `id` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Id {
    /// Make a stored identity
    New {
        /// Its name
        name: String,
    },
    /// Show stored identities
    Show {
        /// Only the one of this name
        name: Option<String>,
    },
}

/// What `pin` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Pin {
    /// Print all
    List,
    /// Bind a name to an agent's id
    Set {
        /// The name
        name: String,
        /// The id, `did:key:…`
        agent: String,
    },
    /// Forget a name
    Remove {
        /// The name
        name: String,
    },
}

/// What `secret` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Secret {
    /// Keep a credential; its secret is read from stdin, at a terminal without an echo
    Set {
        /// Agent id, mesh id or URL origin
        target: String,
        /// Its scheme
        #[arg(long, default_value = "shared_secret")]
        scheme: String,
    },
    /// Print the targets, never the secrets
    List,
    /// Forget a credential
    Remove {
        /// Agent id, mesh id or URL origin
        target: String,
    },
}

/// What `config` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Config {
    /// Print each value and where it comes from
    Show,
}
