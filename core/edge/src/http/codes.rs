//! Redeem codes that are none, by the client that shows them: before their node is asked again.

use super::desk::Client;
use super::rules::counted;
use hubless::{Error, Kind, Result};
use hubless_proto::killswitch::WrongCodes;
use hubless_proto::limits;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// How often each client showed one: by its token, and without tokens by its address.
#[derive(Debug)]
pub(super) struct Codes {
    /// From which moment they are counted.
    began: Instant,
    wrong: Mutex<WrongCodes<String>>,
}

impl Default for Codes {
    fn default() -> Self {
        let wrong = WrongCodes::new("HTTP_WRONG_CODES", limits::HTTP_WRONG_CODES);
        Self { began: Instant::now(), wrong: Mutex::new(wrong) }
    }
}

impl Codes {
    /// Whether a code of this client is looked at.
    ///
    /// # Errors
    /// `busy`, code `redeem`, after `HTTP_WRONG_CODES` that are none.
    pub(super) fn admit(&self, client: &Client) -> Result<()> {
        self.wrong().admit(&who(client), self.now_ms())
    }

    /// Counts a code of this client, if that is what its request failed with.
    pub(super) fn note(&self, client: &Client, error: &Error) {
        // With an origin it is the word of an agent, whatever that is about.
        let of_code = error.code == "redeem" && error.origin.is_none();
        if of_code && matches!(error.kind, Kind::Denied | Kind::Busy) {
            let now_ms = self.now_ms();
            self.wrong().count(who(client), now_ms);
        }
    }

    fn wrong(&self) -> MutexGuard<'_, WrongCodes<String>> {
        self.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

fn who(client: &Client) -> String {
    counted(&client.principal, client.address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::activity::Activity;
    use std::net::IpAddr;
    use std::sync::Arc;

    fn client(principal: &str, last: u8) -> Client {
        let (principal, activity) = (principal.to_owned(), Arc::<Activity>::default());
        Client { principal, address: IpAddr::from([127, 0, 0, last]), activity }
    }

    #[test]
    fn a_client_that_shows_too_many_is_refused_and_others_are_not() {
        let no_code = Error::refusal(Kind::Denied, "redeem", "none");
        let of_an_agent = Error { origin: Some("ab".repeat(32)), ..no_code.clone() };
        let elsewhere = Error::refusal(Kind::Denied, "policy", "not this one");
        let busy = Error::refusal(Kind::Busy, "redeem", "too many");
        for (bad, good) in [
            (client("edge:http:anonymous", 1), client("edge:http:anonymous", 2)),
            (client("http:token:one", 1), client("http:token:two", 1)),
        ] {
            let codes = Codes::default();
            codes.note(&bad, &busy);
            for _ in 1..limits::HTTP_WRONG_CODES {
                codes.note(&bad, &of_an_agent);
                codes.note(&bad, &elsewhere);
                assert_eq!(codes.admit(&bad), Ok(()));
                codes.note(&bad, &no_code);
            }
            let refused = codes.admit(&bad).unwrap_err();
            assert_eq!((refused.kind, refused.code.as_str()), (Kind::Busy, "redeem"));
            assert_eq!(refused.limit.unwrap().name, "HTTP_WRONG_CODES");
            assert_eq!(codes.admit(&good), Ok(()));
        }
    }
}
