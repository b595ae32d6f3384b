//! Whether the caller proves itself.

use crate::error::{Error, Kind, Result};
use crate::policy::{AuthRule, Caller, Policy, Secret, TokenRule, VerdictKey};
use crate::wire::v1;

/// What is left to do about auth.
#[derive(Debug)]
pub enum AuthPlan {
    /// Nothing: no proof is asked for, or it was given.
    Open,
    /// The token is checked under its root; its outcome goes to `auth_verdict`.
    CheckToken {
        /// What it must be.
        rule: TokenRule,
        /// What the caller showed.
        credential: Secret,
    },
    /// The host's function decides; its verdict goes to `auth_verdict`, and may be kept.
    AskHost {
        /// Scheme that the caller named; empty: none.
        scheme: String,
        /// What it showed.
        credential: Secret,
        /// What a kept verdict holds for.
        key: VerdictKey,
    },
}

/// Decides by the agent's mechanism, else by the node's. The credential is that of the request,
/// else that of its transport.
///
/// # Errors
/// `auth`: codes `missing_credential`, `bad_credential`, `no_mechanism`.
pub fn auth_plan(
    policy: &Policy,
    node_auth: &AuthRule,
    caller: &Caller,
    request: &v1::Request,
) -> Result<AuthPlan> {
    let shown = [&request.auth, &request.transport_auth]
        .into_iter()
        .flatten()
        .find(|auth| !auth.secret.is_empty());
    match policy.requirements().auth.as_ref().unwrap_or(node_auth) {
        // The node's mechanism may have gone since registration; then nobody is let in.
        AuthRule::None if policy.descriptor().requires_auth => {
            Err(refused("no_mechanism", "the agent asks for a proof that nobody can check"))
        }
        AuthRule::None => Ok(AuthPlan::Open),
        AuthRule::SharedSecret(secret) => {
            let shown = shown.ok_or_else(missing)?;
            if secret.matches(&shown.secret) { Ok(AuthPlan::Open) } else { Err(bad()) }
        }
        AuthRule::Token(rule) => {
            let shown = shown.ok_or_else(missing)?;
            let credential = Secret::from(shown.secret.clone());
            Ok(AuthPlan::CheckToken { rule: rule.clone(), credential })
        }
        AuthRule::Host => {
            let shown = shown.ok_or_else(missing)?;
            Ok(AuthPlan::AskHost {
                scheme: shown.scheme.clone(),
                credential: Secret::from(shown.secret.clone()),
                key: VerdictKey::new(caller, &shown.scheme, &shown.secret),
            })
        }
    }
}

/// Turns a verdict, such as that of the host's function, into the outcome.
///
/// # Errors
/// `auth`, code `bad_credential`.
pub fn auth_verdict(allow: bool) -> Result<()> {
    if allow { Ok(()) } else { Err(bad()) }
}

fn missing() -> Error {
    refused("missing_credential", "the agent asks for a credential")
}

fn bad() -> Error {
    refused("bad_credential", "the credential does not hold")
}

fn refused(code: &str, message: &str) -> Error {
    Error::refusal(Kind::Auth, code, message).with_field("auth")
}
