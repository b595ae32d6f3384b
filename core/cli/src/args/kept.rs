//! What is kept in the data folder: invites, identities, pins, credentials.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// What `invite` takes.
#[derive(Debug, Args)]
pub(crate) struct Invite {
    /// Role of who joins [default: member]
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// Groups of who joins; may be repeated
    #[arg(long = "group")]
    pub(crate) groups: Vec<String>,
    /// Zones of who joins, such as eu; may be repeated
    #[arg(long = "zone")]
    pub(crate) zones: Vec<String>,
    /// Life in seconds [default: 24 hours; with --bearer 10 minutes, which is the most]
    #[arg(long, value_name = "S")]
    pub(crate) ttl: Option<u64>,
    /// How many may join with it [default: 1]
    #[arg(long, conflicts_with = "bearer")]
    pub(crate) uses: Option<u32>,
    /// Admit without a running node; whoever has the ticket joins, as often as it is used
    #[arg(long)]
    pub(crate) bearer: bool,
    /// Also when every node listens to this machine only
    #[arg(long)]
    pub(crate) local: bool,
}

/// What `budget` does besides showing.
#[derive(Debug, Subcommand)]
pub(crate) enum Budget {
    /// Stop budgets for good, wherever in this mesh they began
    Trip {
        /// Their ids, as `audit show --kind budget_opened` prints them
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
    },
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
    /// Write a stored identity into a file for another machine; a passphrase is read from stdin
    Export {
        /// Its name
        #[arg(required_unless_present = "root", conflicts_with = "root")]
        name: Option<String>,
        /// The root key of this user's own mesh instead: who has it owns the mesh
        #[arg(long)]
        root: bool,
        /// A new file [default: stdout]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Take an identity out of such a file; its passphrase is read from stdin
    Import {
        /// Its name here
        #[arg(required_unless_present = "root", conflicts_with = "root")]
        name: Option<String>,
        /// As the root key of this user's own mesh, in a data folder that has none
        #[arg(long)]
        root: bool,
        /// The file
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
    },
    /// Sign a token under the root of this user's mesh; agents take it that name the root
    Token {
        /// What it states, as name=value; may be repeated
        #[arg(long = "fact", value_name = "NAME=VALUE", required = true)]
        facts: Vec<String>,
        /// Who alone may show it: an agent's id or a principal such as mesh:KEY
        #[arg(long = "for", value_name = "WHO")]
        bearer: Option<String>,
        /// Life in seconds
        #[arg(long, value_name = "S", default_value_t = 3_600)]
        ttl: u64,
    },
}

/// What `trust` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Trust {
    /// Revoke keys for good; of a node that is known the key of its member as well
    Revoke {
        /// Keys of nodes, as status prints them, or of members
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
    /// Print the keys that are revoked
    List,
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
