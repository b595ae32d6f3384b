//! What a row is about, and how it ended.

use crate::error::{Error, Result};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::fmt;
use std::str::FromStr;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident $field:literal {
        $($(#[$one:meta])* $word:ident $text:literal)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$one])* $word),* }

        impl $name {
            /// All of them, in the order of the docs.
            pub const ALL: &[Self] = &[$(Self::$word),*];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$word => $text),* }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.name())
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(text: &str) -> Result<Self> {
                Self::ALL.iter().copied().find(|one| one.name() == text).ok_or_else(|| {
                    let names: Vec<_> = Self::ALL.iter().map(|one| one.name()).collect();
                    Error::invalid($field, format!("expected one of {}", names.join(", ")))
                })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(|error: Error| D::Error::custom(error.message))
            }
        }
    };
}

words! {
    /// What happened.
    Event "kind" {
        /// A process of the node began.
        NodeStarted "node_started"
        /// It ended in good order; a start without it before was a crash.
        NodeEnded "node_ended"
        /// An agent was registered.
        AgentRegistered "agent_registered"
        /// An agent was taken out.
        AgentRemoved "agent_removed"
        /// The introduction of a node on a connection was taken.
        PeerAccepted "peer_accepted"
        /// The introduction of a node on a connection was refused.
        PeerRefused "peer_refused"
        /// A node was let in at the relay of this one.
        RelayAccepted "relay_accepted"
        /// A node was refused at the relay of this one.
        RelayRefused "relay_refused"
        /// A call was refused before its handler ran.
        CallRefused "call_refused"
        /// Somebody said of a grant or budget what is not theirs to say.
        BudgetBreach "budget_breach"
        /// A budget was opened here.
        BudgetOpened "budget_opened"
        /// A budget was stopped.
        BudgetTripped "budget_tripped"
        /// What the grant of a call pays for was stopped at its node: by the agent that handles it,
        /// by a limit, or by the end of its lease.
        GrantTripped "grant_tripped"
        /// A statement that stops budgets was shown, as one of the operator of the mesh.
        OperatorStop "operator_stop"
        /// A budget of here is over and settled.
        BudgetClosed "budget_closed"
        /// A root was registered at a metering gateway.
        GatewayRootAdded "gateway_root_added"
        /// A root was taken out of a metering gateway.
        GatewayRootRemoved "gateway_root_removed"
        /// A metering gateway refused who asked: a spending key, or a host, an origin or a rate.
        KeyRefused "key_refused"
        /// A call did not fit into what a spending key had left.
        KeyExhausted "key_exhausted"
        /// A provider took more than was set aside for it; the key, or the budget, was stopped.
        ProviderOverrun "provider_overrun"
        /// A ticket was made.
        InviteMinted "invite_minted"
        /// A ticket was shown, for a token.
        InviteRedeemed "invite_redeemed"
        /// This data folder joined a mesh.
        MeshJoined "mesh_joined"
        /// A membership token was shown to be renewed, or one of this data folder was renewed.
        TokenRenewed "token_renewed"
        /// A key was revoked, or a list of revoked keys was shown.
        KeyRevoked "key_revoked"
        /// A record of the directory was brought and not taken.
        RecordRefused "record_refused"
        /// A key of this data folder was written into a file that leaves it.
        KeyExported "key_exported"
        /// A key from such a file was taken into this data folder.
        KeyImported "key_imported"
        /// A name was bound to a key.
        PinSet "pin_set"
        /// A bound name was forgotten.
        PinRemoved "pin_removed"
        /// A credential was stored.
        CredentialSet "credential_set"
        /// A stored credential was removed.
        CredentialRemoved "credential_removed"
        /// Rows that could not be kept, and how many.
        RowsLost "rows_lost"
        /// Rows that were old and are kept no more, and up to which.
        RowsForgotten "rows_forgotten"
    }
}

words! {
    /// How it ended.
    Outcome "outcome" {
        /// It was done.
        Ok "ok"
        /// It was refused.
        Refused "refused"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for event in Event::ALL {
            assert_eq!(event.name().parse::<Event>(), Ok(*event));
        }
        let error = "login".parse::<Event>().unwrap_err();
        assert_eq!(error.field.as_deref(), Some("kind"));
        assert!(error.message.contains("call_refused"), "{error}");
        assert_eq!(serde_json::to_string(&Outcome::Refused).unwrap(), "\"refused\"");
        assert!(serde_json::from_str::<Outcome>("\"maybe\"").is_err());
    }
}
