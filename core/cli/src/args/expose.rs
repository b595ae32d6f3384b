//! How programs outside the mesh ask: plain HTTP, and a metering gateway.

use clap::{Args, Subcommand};
use std::path::PathBuf;

const HTTP: &str = "Let programs outside the mesh ask its agents over plain HTTP.

Only agents whose requirements say allowExternalConnections are listed and asked; for any other \
name the answer is that of a name that nobody has. GET /v1/agents lists them, POST \
/v1/agents/NAME/requests asks one, GET /openapi.json describes both:

curl http://127.0.0.1:8420/v1/agents
curl http://127.0.0.1:8420/v1/agents/weather/requests -H 'content-type: application/json' \
-d '{\"content\": {\"value\": \"Oslo\"}}'

--listen is the address and port of this listener [default: 127.0.0.1:8420]; HUBLESS_LISTEN is \
that of the mesh. Off loopback it takes --tls-cert, --tls-key and --token-file, or --insecure. The \
token file, mode 0600, has a line for each client: its name, a blank, a token of at least 22 \
letters, sent as Authorization: Bearer. A program behind `hubless serve` that asks on behalf of a \
call sends hubless.redeem of its metadata as Hubless-Redeem.

--budget limits each request, --budget-per-hour all of one client's within any hour. What a \
request may spend is set aside of the hour before it runs, and replaced by what it used once it \
is over; one that does not fit is refused (402, budget_exhausted, with Retry-After where the hour \
ends for something), and nothing that runs is stopped. Give --budget each limit that \
--budget-per-hour has: a request without one sets all that is left of the hour aside while it \
runs. With --node what was spent is kept on disk; without it the hour begins anew with the \
process. A client lowers its own limits with the header Hubless-Budget, the same JSON object. \
Clients without a token are told apart by their addresses. --budget-file has budgets of clients by \
the names of their tokens, which are as for everybody where it does not say them:

# name, call or hour, limits
alice call {\"outputTokens\": 4000}
alice hour {\"outputTokens\": 100000, \"calls\": 500}
bob   hour {\"unlimited\": true}

SIGTERM or Ctrl-C lets running calls end within 10 s; a second one does not wait.";

const EXPOSE_GATEWAY: &str = "Hold a model provider's key, and pay each caller what its key allows.

An OpenAI-compatible endpoint: POST /v1/chat/completions (also streamed), POST /v1/embeddings, GET \
/v1/models. Programs use it with two variables:

export OPENAI_BASE_URL=http://127.0.0.1:8430/v1
export OPENAI_API_KEY=hbl_...    # from `hubless gateway root add` or `hubless gateway key`

The most that a call can cost is set aside on disk before the provider is asked, at the caller's \
key and at every key above it; what was used is charged after. What does not fit is refused with \
429, insufficient_quota. A call whose use nobody said is charged in full: a lost answer, a failure \
(500), a stream that its client left, a gateway that was killed. What a price does not bound is \
refused: several answers, images, audio, files, tools that the provider runs, other service tiers, \
and unknown fields.

The price file is TOML; prices are millionths of the currency for a million tokens, and a name \
that ends in * stands for all that begin so, where all of them cost the same: variants may have \
fees of their own:

[models.\"gpt-4o-mini\"]
input_micros = 150_000
cached_input_micros = 75_000    # default: as other input
output_micros = 600_000
max_output_tokens = 16_384
tokens = \"o200k\"               # default: bytes, for models with another vocabulary
# message_tokens = 16, request_tokens = 64: added for each message and request
# output_field = \"max_completion_tokens\", or \"max_tokens\" for older servers

--listen is its address and port [default: 127.0.0.1:8430]. Off loopback it takes --tls-cert and \
--tls-key, or --insecure. A provider behind a root of your own is reached with --provider-ca. \
Accounts and audit log (gateway:NAME) are in data/gateways/NAME.db. \
SIGTERM or Ctrl-C lets running calls end within 10 s; a second one does not wait.";

/// How programs outside the mesh ask.
#[derive(Debug, Subcommand)]
pub(crate) enum Expose {
    /// Plain HTTP: JSON, server-sent events, what curl can ask
    #[command(long_about = HTTP)]
    Http(Http),
    /// A metering gateway: hold a model provider's key, and pay each caller what its key allows
    #[command(long_about = EXPOSE_GATEWAY)]
    Gateway(ExposeGateway),
}

/// What `expose gateway` takes.
#[derive(Debug, Args)]
pub(crate) struct ExposeGateway {
    /// Name of the gateway
    #[arg(long)]
    pub(crate) name: String,
    /// Base URL of the provider, such as https://api.openai.com/v1
    #[arg(long, value_name = "URL")]
    pub(crate) provider: String,
    /// Variable that holds the provider's key
    #[arg(long, value_name = "VARIABLE")]
    pub(crate) provider_key_env: String,
    /// Certificates that the provider's must come from, in PEM, and no others [default: those that
    /// this machine trusts]
    #[arg(long, value_name = "FILE")]
    pub(crate) provider_ca: Option<PathBuf>,
    /// Price file
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: PathBuf,
    /// Name by which clients reach it, with a port unless it is the same; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
    /// Certificate chain for TLS, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key for TLS, in PEM, mode 0600
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Off loopback without TLS all the same
    #[arg(long)]
    pub(crate) insecure: bool,
}

/// What `expose http` takes.
#[derive(Debug, Args)]
pub(crate) struct Http {
    /// Name by which clients reach it, with a port unless it is the same; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(crate) host: Vec<String>,
    /// Origin whose pages may ask, such as https://example.org; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    pub(crate) origin: Vec<String>,
    /// Certificate chain for TLS, in PEM
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Private key for TLS, in PEM, mode 0600
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// File of those who may ask: a name, a blank and a token a line, mode 0600
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    /// Off loopback without TLS or without tokens all the same
    #[arg(long)]
    pub(crate) insecure: bool,
    /// What each request may spend, with all calls below it, as JSON: inputTokens, outputTokens,
    /// costMicros, calls, wallTimeMs; one that shows a redeem code has what the code holds instead
    #[arg(long, value_name = "JSON")]
    pub(crate) budget: Option<String>,
    /// What all requests of one client may spend in an hour, as JSON: inputTokens, outputTokens,
    /// costMicros, calls
    #[arg(long, value_name = "JSON")]
    pub(crate) budget_per_hour: Option<String>,
    /// File of budgets of single clients: a name, call or hour, and limits as JSON a line
    #[arg(long, value_name = "FILE")]
    pub(crate) budget_file: Option<PathBuf>,
    /// Name of the node: it keeps its key, the budgets it holds, the hours of its clients and its
    /// audit log on disk
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,
    /// Continue the traces of clients
    #[arg(long)]
    pub(crate) trust_traces: bool,
    /// Say at /metrics what this node counts, as Prometheus reads it, the names of all agents that
    /// it called included; with --token-file to the token of the name `metrics` alone
    #[cfg(feature = "metrics")]
    #[arg(long)]
    pub(crate) metrics: bool,
}
