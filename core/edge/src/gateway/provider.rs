//! The way to the provider: the one place that has its key.

use super::fault;
use super::options::ProviderOptions;
use crate::http::Fault;
use axum::http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue};
use hubless::web::{Client, Patience, Response, Roots, cause, client};
use hubless::{Error, Result};

/// A provider that is asked.
#[derive(Debug, Clone)]
pub(super) struct Provider {
    client: Client,
    options: ProviderOptions,
    headers: HeaderMap,
}

/// Why there is no answer.
#[derive(Debug)]
pub(super) enum Unanswered {
    /// No connection was made: the provider saw nothing.
    NeverSent,
    /// Nobody knows what the provider did.
    Unknown,
}

impl From<Unanswered> for Fault {
    fn from(why: Unanswered) -> Self {
        match why {
            Unanswered::NeverSent => {
                fault::provider("provider_unreachable", "the provider cannot be reached")
            }
            Unanswered::Unknown => {
                fault::provider("provider_lost", "the provider's answer was lost")
            }
        }
    }
}

impl Provider {
    /// Makes ready to ask; nothing is sent.
    ///
    /// # Errors
    /// `configuration`, code `tls`, without the roots that this machine trusts, or for a file of
    /// other ones that cannot be used; as [`ProviderOptions::new`].
    pub(super) fn new(options: ProviderOptions) -> Result<Self> {
        let patience = Patience { connect: options.connect_time, silence: options.silence_time };
        let roots = match &options.ca {
            Some(file) => Roots::read("provider_ca", file)?,
            None => Roots::of(&options.url),
        };
        let client = client(&roots, patience)?;
        let mut key = HeaderValue::from_str(&format!("Bearer {}", options.key.reveal()))
            .map_err(|_| Error::invalid("provider_key", "expected letters without blanks"))?;
        key.set_sensitive(true);
        let headers =
            [(AUTHORIZATION, key), (CONTENT_TYPE, HeaderValue::from_static("application/json"))];
        Ok(Self { client, options, headers: headers.into_iter().collect() })
    }

    /// True for bytes that hold the key: they are for nobody.
    pub(super) fn is_named_in(&self, bytes: &[u8]) -> bool {
        let key = self.options.key.reveal().as_bytes();
        bytes.windows(key.len()).any(|window| window == key)
    }

    /// Sends a body to a path, and gives the head of the answer.
    pub(super) async fn ask(
        &self,
        path: &str,
        body: String,
        accept: &'static str,
    ) -> std::result::Result<Response, Unanswered> {
        let url = self.options.at(path).map_err(|_| Unanswered::NeverSent)?;
        let request = self.client.post(url).headers(self.headers.clone());
        let request = request.header(ACCEPT, accept).body(body);
        request.send().await.map_err(|error| {
            let never_sent = error.is_connect() || error.is_builder();
            tracing::warn!(error = cause(error), never_sent, "the provider did not answer");
            if never_sent { Unanswered::NeverSent } else { Unanswered::Unknown }
        })
    }
}
