//! What the command line looks like.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Agents find each other and talk directly, with no hub.
#[derive(Debug, Parser)]
#[command(
    name = "hubless",
    version,
    after_help = "exit codes: 0 ok, 1 failed, 2 usage, \
    3 not found, 4 refused, 5 budget, 124 time-out"
)]
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
    Completions {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

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
    /// JSON or text; `-` reads stdin; nothing: an empty text
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
    /// File with one skill, or a list of them, as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) skill_file: Option<PathBuf>,
    /// Word to be found by; may be repeated
    #[arg(long)]
    pub(crate) tag: Vec<String>,
    /// Calls at once
    #[arg(long, default_value_t = 1)]
    pub(crate) concurrency: u32,
    /// Variable that the program gets beside PATH, HOME and the like; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Vec<String>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
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
    Show,
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
    /// Keep a credential; its secret is read from stdin
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
