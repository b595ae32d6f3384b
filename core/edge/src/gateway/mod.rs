//! The metering gateway: an OpenAI-compatible endpoint that alone holds a provider's key, and pays
//! each caller at most what its key allows (SPEC 04, "Metering gateway").
//!
//! Owns: `POST /v1/chat/completions`, `POST /v1/embeddings`, `GET /v1/models`; the order of each
//! call (check the key, bound the price, set it aside durably, ask the provider, charge, answer);
//! the way to the provider. Must not know: how prices are bounded or accounts kept; it stands on
//! the till of the SDK and on the listener that agents over HTTP have. What is refused is refused
//! before the provider sees anything. Neither the provider's key nor that of a caller is logged.
//! Tested over real sockets against a provider that keeps its own bill
//! (`core/edge/tests/gateway.rs`), and by the command against one that is killed mid-call.

mod charge;
mod control;
mod desk;
mod edge;
mod events;
mod fault;
mod options;
mod provider;
mod stream;
mod whole;

pub use edge::GatewayEdge;
pub use options::{GatewayOptions, PORT, ProviderOptions};
