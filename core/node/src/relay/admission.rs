//! What a node shows to be let in: a token, and when it chose to show it.

use super::door::{Door, Guest};
use data_encoding::BASE64URL_NOPAD;
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::limits;

/// What was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Admission {
    token: Vec<u8>,
    /// By the node's clock.
    pub(super) time_ms: u64,
}

impl Admission {
    /// Reads what a node shows: the token in base64url, a full stop, and the time.
    ///
    /// # Errors
    /// `auth` for nothing, or what is no token.
    pub(super) fn read(shown: Option<&str>) -> Result<Self> {
        let missing = "the relay is for members of its mesh, and no token was shown";
        let shown = shown.ok_or_else(|| Error::refusal(Kind::Auth, "no_token", missing))?;
        let bad = || Error::refusal(Kind::Auth, "bad_token", "what was shown is no token");
        if shown.len() > BASE64URL_NOPAD.encode_len(limits::TOKEN_BYTES) + MOMENT {
            return Err(bad().with_limit("TOKEN_BYTES", limits::TOKEN_BYTES as u64));
        }
        let (token, time) = shown.split_once('.').unwrap_or((shown, "0"));
        let token = BASE64URL_NOPAD.decode(token.as_bytes()).map_err(|_| bad())?;
        Ok(Self { token, time_ms: time.parse().map_err(|_| bad())? })
    }

    /// Who that is, if it may come in.
    ///
    /// # Errors
    /// `auth` with the reason.
    pub(super) fn guest(&self, node: NodeKey, door: &dyn Door) -> Result<Guest> {
        door.opens(node, &self.token)
    }
}

/// Room for the time, in letters.
const MOMENT: usize = 24;

/// What a node is told that is refused: kind and code, for programs, and the rest for people.
pub(super) fn reason(error: &Error) -> String {
    format!("{}/{}: {}", error.kind.name(), error.code, error.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_token_and_its_time() {
        let read = Admission::read(Some("AQID.17")).unwrap();
        assert_eq!(read, Admission { token: vec![1, 2, 3], time_ms: 17 });
        assert_eq!(Admission::read(Some("AQID")).unwrap().time_ms, 0);
        let code = |shown: Option<&str>| Admission::read(shown).unwrap_err().code;
        assert_eq!(code(None), "no_token");
        for bad in ["*", "AQID.", "AQID.x", "AQID.1.2", "AQID.-1"] {
            assert_eq!(code(Some(bad)), "bad_token", "{bad}");
        }
        let long = "A".repeat(2 * limits::TOKEN_BYTES);
        let error = Admission::read(Some(&long)).unwrap_err();
        assert_eq!(error.limit.unwrap().name, "TOKEN_BYTES");
    }

    #[test]
    fn a_refusal_begins_with_its_kind_and_code() {
        let error = Error::refusal(Kind::Auth, "expired", "the membership token is over");
        assert_eq!(reason(&error), "auth/expired: the membership token is over");
    }
}
