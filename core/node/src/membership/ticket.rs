//! Tickets: what one user hands to another so that their nodes share a mesh.

use super::joined::Contact;
use super::token;
use crate::link::RelayUrl;
use data_encoding::BASE64URL_NOPAD;
use hubless_proto::error::{Error, Result};
use hubless_proto::identity::{MeshId, NodeKey, SecretKey};
use hubless_proto::limits;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use zeroize::Zeroizing;

/// What every ticket begins with; the number is its version.
const PREFIX: &str = "hubless-ticket-1:";
/// What makes the key of a pass of the secret of its invite.
const PASS: &[u8] = b"hubless relay pass v1\0";

/// A node that turns the invite of a ticket into a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minter {
    /// Its key.
    pub node: NodeKey,
    /// Where it can be dialled.
    pub addresses: Vec<SocketAddr>,
    /// Relays that it can be reached by.
    pub relays: Vec<RelayUrl>,
}

impl From<Contact> for Minter {
    fn from(contact: Contact) -> Self {
        let Contact { node, addresses, relays } = contact;
        Self { node, addresses, relays }
    }
}

impl From<&Minter> for Contact {
    fn from(minter: &Minter) -> Self {
        let Minter { node, addresses, relays } = minter.clone();
        Self { node, addresses, relays }
    }
}

/// An invitation to a mesh: a secret, to be passed on like a password.
///
/// `Debug` shows no secret; the text of [`Ticket::text`] is the ticket itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The mesh.
    pub mesh: MeshId,
    /// Nodes that can redeem it, or by which the mesh is reached after a join without them.
    pub minters: Vec<Minter>,
    pub(super) secret: Secret,
    /// A token that lets who has the invite use the relays of the mesh until the invite is over,
    /// and nothing else; none: no minter has a relay.
    pub(super) pass: Option<Vec<u8>>,
}

/// What lets in whoever has it.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Secret {
    /// An invite, which a minter counts.
    Invite(Zeroizing<[u8; 32]>),
    /// A token of the root, and the seed of the key that may name a member key in it.
    Bearer { token: Vec<u8>, seed: Zeroizing<[u8; 32]> },
}

#[derive(Serialize, Deserialize)]
struct Form {
    mesh: MeshId,
    minters: Vec<Contact>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    invite: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bearer: Option<Bearer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pass: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Bearer {
    token: String,
    key: String,
}

impl Ticket {
    /// The ticket as one word.
    pub fn text(&self) -> String {
        let text = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
        let (invite, bearer) = match &self.secret {
            Secret::Invite(secret) => (Some(text(secret.as_slice())), None),
            Secret::Bearer { token, seed } => {
                (None, Some(Bearer { token: text(token), key: text(seed.as_slice()) }))
            }
        };
        let pass = self.pass.as_deref().map(text);
        let form = Form { mesh: self.mesh, minters: self.contacts(), invite, bearer, pass };
        // Keys, addresses and text: nothing that JSON could refuse.
        let json = serde_json::to_vec(&form).unwrap_or_default();
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&json))
    }

    /// The secret of the invite; none: the ticket admits without a minter.
    pub(crate) fn invite(&self) -> Option<&[u8]> {
        match &self.secret {
            Secret::Invite(secret) => Some(secret.as_slice()),
            Secret::Bearer { .. } => None,
        }
    }

    /// The token that the ticket gives a member key without a minter; none: one has to be asked.
    ///
    /// # Errors
    /// `auth` for a ticket whose token is not of its mesh.
    pub(crate) fn admit(&self, member: &[u8; 32]) -> Result<Option<Vec<u8>>> {
        match &self.secret {
            Secret::Invite(_) => Ok(None),
            Secret::Bearer { token, seed } => {
                let key = SecretKey::from_seed(**seed);
                token::admit(token, self.mesh, &key, member).map(Some)
            }
        }
    }

    /// A token by which a node of this key may use the relays of the mesh, to come to a minter;
    /// none: there is no relay that needs one.
    ///
    /// # Errors
    /// `auth` for a ticket whose pass is not of its mesh.
    pub(crate) fn pass(&self, node: NodeKey, until_ms: u64) -> Result<Option<Vec<u8>>> {
        let (Some(pass), Some(invite)) = (&self.pass, self.invite()) else { return Ok(None) };
        token::bind(pass, self.mesh, &pass_key(invite), node, until_ms).map(Some)
    }

    pub(super) fn contacts(&self) -> Vec<Contact> {
        self.minters.iter().map(Contact::from).collect()
    }
}

impl FromStr for Ticket {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |what: &str| {
            Error::invalid("ticket", format!("expected a ticket of hubless invite, {what}"))
                .with_code("bad_ticket")
        };
        let text = text.trim();
        if text.len() > limits::TICKET_BYTES {
            return Err(
                bad("got a longer text").with_limit("TICKET_BYTES", limits::TICKET_BYTES as u64)
            );
        }
        let body = text.strip_prefix(PREFIX).ok_or_else(|| bad("got another text"))?;
        let json = BASE64URL_NOPAD.decode(body.as_bytes()).map_err(|_| bad("got broken text"))?;
        let form: Form = serde_json::from_slice(&json).map_err(|_| bad("got broken text"))?;
        let secret = secret(&form).ok_or_else(|| bad("got a broken secret"))?;
        let needs_minter = matches!(secret, Secret::Invite(_));
        if (needs_minter && form.minters.is_empty()) || form.minters.len() > limits::TICKET_MINTERS
        {
            return Err(bad("got no minter or too many")
                .with_limit("TICKET_MINTERS", limits::TICKET_MINTERS as u64));
        }
        let pass = form.pass.map(|pass| BASE64URL_NOPAD.decode(pass.as_bytes())).transpose();
        let pass = pass.map_err(|_| bad("got a broken pass"))?;
        let minters = form.minters.into_iter().map(Minter::from).collect();
        Ok(Self { mesh: form.mesh, minters, secret, pass })
    }
}

/// The key of the pass that goes with an invite.
pub(super) fn pass_key(invite: &[u8]) -> SecretKey {
    let mut hash = Sha256::new();
    hash.update(PASS);
    hash.update(invite);
    SecretKey::from_seed(hash.finalize().into())
}

fn secret(form: &Form) -> Option<Secret> {
    let read = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).ok();
    let key = |text: &str| <[u8; 32]>::try_from(read(text)?).ok().map(Zeroizing::new);
    match (&form.invite, &form.bearer) {
        (Some(invite), None) => Some(Secret::Invite(key(invite)?)),
        (None, Some(Bearer { token, key: seed })) => {
            Some(Secret::Bearer { token: read(token)?, seed: key(seed)? })
        }
        (Some(_), Some(_)) | (None, None) => None,
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("mesh", &self.mesh)
            .field("minters", &self.minters)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_so_many_minters_and_so_many_letters() {
        let of = |many: usize| {
            let minter = |n| {
                let node = NodeKey::from_bytes([u8::try_from(n).unwrap(); 32]);
                let addresses = vec!["10.0.0.1:4433".parse().unwrap()];
                Minter { node, addresses, relays: Vec::new() }
            };
            let mesh = MeshId::from_bytes([1; 32]);
            let minters = (0..many).map(minter).collect();
            let secret = Secret::Invite(Zeroizing::new([3; 32]));
            Ticket { mesh, minters, secret, pass: None }.text().parse::<Ticket>()
        };
        let named = |error: Error| error.limit.unwrap().name;
        assert_eq!(of(limits::TICKET_MINTERS).unwrap().minters.len(), limits::TICKET_MINTERS);
        assert_eq!(named(of(limits::TICKET_MINTERS + 1).unwrap_err()), "TICKET_MINTERS");
        let text = |many: usize| format!("{PREFIX}{}", "A".repeat(many - PREFIX.len()));
        assert_eq!(text(limits::TICKET_BYTES).parse::<Ticket>().unwrap_err().limit, None);
        let longer = text(limits::TICKET_BYTES + 1).parse::<Ticket>().unwrap_err();
        assert_eq!(named(longer), "TICKET_BYTES");
    }

    /// As versions before relays wrote them.
    #[test]
    fn a_ticket_without_relays_is_read() {
        let (mesh, node) = (MeshId::from_bytes([1; 32]), NodeKey::from_bytes([2; 32]));
        let form = serde_json::json!({
            "mesh": mesh, "minters": [{"node": node, "addresses": ["10.0.0.1:4433"]}],
            "invite": BASE64URL_NOPAD.encode(&[3; 32]),
        });
        let text = format!("{PREFIX}{}", BASE64URL_NOPAD.encode(form.to_string().as_bytes()));
        let ticket: Ticket = text.parse().unwrap();
        assert!(ticket.minters[0].relays.is_empty());
        assert_eq!(ticket.pass(node, 0).unwrap(), None);
        assert_eq!(ticket.text(), text, "nor does it say more without them");
    }

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        let minter = Minter {
            node: NodeKey::from_bytes([2; 32]),
            addresses: vec!["10.0.0.1:4433".parse().unwrap()],
            relays: vec!["https://relay.example".parse().unwrap()],
        };
        let of = |secret: Secret, minters: &[Minter]| {
            let mesh = MeshId::from_bytes([1; 32]);
            let pass = Some(vec![5; 300]);
            let ticket = Ticket { mesh, minters: minters.to_vec(), secret, pass };
            assert!(!format!("{ticket:?}").contains("3, 3"));
            (ticket.text(), ticket)
        };
        let seed = || Zeroizing::new([3; 32]);
        let bearer = || Secret::Bearer { token: vec![7; 300], seed: seed() };
        let one = std::slice::from_ref(&minter);
        for (secret, minters) in [(Secret::Invite(seed()), one), (bearer(), one), (bearer(), &[])] {
            let (text, ticket) = of(secret, minters);
            assert_eq!(text.parse::<Ticket>().unwrap(), ticket);
        }
        // Somebody has to redeem an invite.
        let nobody = of(Secret::Invite(seed()), &[]).0.parse::<Ticket>().unwrap_err();
        assert_eq!(nobody.code, "bad_ticket");
        let (text, _) = of(Secret::Invite(seed()), one);
        for bad in ["", "hubless-ticket-2:AAAA", &text[..text.len() - 3]] {
            assert_eq!(bad.parse::<Ticket>().unwrap_err().code, "bad_ticket");
        }
    }
}
