//! What is done with the roots of a metering gateway.

use clap::Subcommand;

/// What `gateway root` does.
#[derive(Debug, Subcommand)]
pub(crate) enum GatewayRoot {
    /// Register a root; without --key a fresh one, whose key is printed once
    Add {
        /// Name of the gateway
        #[arg(long)]
        name: String,
        /// Most that may ever be paid below it, in millionths of the currency
        #[arg(long, value_name = "MICROS")]
        ceiling: String,
        /// Most tokens that models may ever read below it; without: not limited
        #[arg(long, value_name = "TOKENS")]
        ceiling_input: Option<String>,
        /// The same of tokens that they may write
        #[arg(long, value_name = "TOKENS")]
        ceiling_output: Option<String>,
        /// What a person calls it
        #[arg(long, default_value = "")]
        label: String,
        /// Public key of a root that is kept elsewhere, in hex
        #[arg(long, value_name = "HEX")]
        key: Option<String>,
    },
    /// Print all
    List {
        /// Name of the gateway
        #[arg(long)]
        name: String,
    },
    /// Take a root out; what was paid below it is forgotten
    Remove {
        /// Its public key, in hex
        key: String,
        /// Name of the gateway
        #[arg(long)]
        name: String,
    },
}
