//! What `relay` takes.

use clap::{Args, Subcommand};
use hubless_proto::limits;
use std::path::PathBuf;

pub(crate) const RELAY: &str = "Relays, for nodes that have no direct way to each other.

`relay serve` runs one until a signal ends it. It lets in members of this data folder's mesh, and \
who comes to join it by a ticket, and carries what is encrypted from end to end: it sees keys of \
nodes and sizes. Every connection that is let in or refused is a row of the audit log \
(audit show --kind relay_accepted, relay_refused; kept on disk with --node). Without --tls-cert it \
speaks plain HTTP, for a proxy before it that has the certificate and passes WebSockets on, by \
the --url that members use; with it, UDP of the same port tells nodes at which address they are \
seen, by which they find direct ways: that alone answers whoever asks, without a bound on how many \
do. Nodes use it that are told to: relays = [\"https://relay.example\"] in hubless.toml, or \
HUBLESS_RELAYS; relay_ca (HUBLESS_RELAY_CA) names the certificates to believe where the machine \
does not. Who joins by a ticket of a node with a relay uses that relay.

hubless relay serve --listen 0.0.0.0:443 --host relay.example --tls-cert cert.pem --tls-key \
key.pem
hubless relay serve --url https://relay.example";

/// What `relay` does.
#[derive(Debug, Subcommand)]
pub(crate) enum Relay {
    /// Run a relay for the members of this mesh
    Serve(RelayServe),
}

/// What `relay serve` takes; `--listen` is its own.
#[derive(Debug, Args)]
pub(crate) struct RelayServe {
    /// Name of its host in the URL that it prints [default: the address of --listen, which is
    /// 127.0.0.1:3340 unless it is given]; needed where that is every address, as 0.0.0.0
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Option<String>,
    /// The URL that it prints and members use, where a proxy before it has another one; without
    /// --host
    #[arg(long, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Certificate chain in PEM; with --tls-key
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key in PEM, readable by you alone
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Bytes a second that are taken of one connection
    #[arg(long, default_value_t = limits::RELAY_BYTES_PER_S, value_name = "BYTES")]
    pub(crate) rate: u32,
    /// Connections at once
    #[arg(long, default_value_t = limits::RELAY_CONNECTIONS, value_name = "N")]
    pub(crate) connections: usize,
    /// Name of the node: it keeps its key and its audit log on disk
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
}
