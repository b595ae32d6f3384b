//! The checks of one call, in their one order, with the user's functions awaited between them.

use super::hosted::Hosted;
use super::{Engine, lock};
use crate::call::body::Bodies;
use crate::call::content::Content;
use crate::call::core::CallCore;
use crate::call::split;
use crate::chance::now_ms;
use crate::foreign::{AuthCheck, AuthVerdict};
use crate::membership::{Shown, check_credential};
use crate::schemas;
use hubless_proto::error::{Error, Kind, Result, Retry};
use hubless_proto::policy::check::{self, AuthPlan, Meter, Sizes, TokenPlan};
use hubless_proto::policy::{AuthRule, Caller, Secret, VerdictKey};
use hubless_proto::wire::v1;
use hubless_proto::{limits, tokens};
use std::future::Future;
use std::sync::{Arc, Mutex};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::AbortOnDropHandle;

/// What is checked.
pub(crate) struct Admission<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) hosted: &'a Hosted,
    pub(crate) caller: &'a Caller,
    /// How long the request has been here.
    pub(crate) waited_ms: u64,
    /// None: a check without a call, for which nothing is counted against the caller.
    pub(crate) call: Option<&'a Arc<CallCore>>,
    /// True: a check without a call, of a request that would carry a grant.
    pub(crate) funded: bool,
}

impl Admission<'_> {
    /// Runs stages 1 to 11; gives the request back with its text and data gathered.
    pub(crate) async fn run(
        &self,
        mut request: v1::Request,
        bodies: Bodies,
    ) -> Result<(v1::Request, Bodies)> {
        let policy = &self.hosted.policy;
        check::limits(&request)?;
        check::admission(policy, self.caller, &request)?;
        self.returns(&request).await?;
        if self.call.is_some() {
            check::rate(lock(&self.hosted.rates).as_mut(), self.caller, now_ms())?;
        }
        self.auth(&request).await?;
        check::deadline(&request, self.waited_ms)?;
        self.means(&request).await?;
        let bodies = self.gather(&mut request, bodies).await?;
        self.content(&request)?;
        self.tokens(&request).await?;
        Ok((request, bodies))
    }

    async fn means(&self, request: &v1::Request) -> Result<()> {
        let grant = check::grant(self.caller, request)?;
        match (grant, self.call) {
            (Some(grant), Some(call)) => {
                self.engine.treasury().take(self.caller.node, grant, call).await
            }
            (None, None) if self.funded => Ok(()),
            (None, _) => check::grant_missing(&self.hosted.policy),
            (Some(_), None) => Ok(()),
        }
    }

    async fn returns(&self, request: &v1::Request) -> Result<()> {
        let Some(to) = check::return_to(self.caller, request)? else { return Ok(()) };
        let expected = self.engine.returns()?.expected(self.caller, self.hosted.id(), to);
        check::return_verdict(expected.await?)
    }

    async fn gather(&self, request: &mut v1::Request, bodies: Bodies) -> Result<Bodies> {
        if bodies.is_empty() {
            return Ok(bodies);
        }
        // Declared sizes are looked at before a byte is waited for.
        Sizes::of(request).check(&self.hosted.policy)?;
        let meter = Mutex::new(Meter::new(&self.hosted.policy, request));
        let count: split::Count = Arc::new(move |kind, bytes| lock(&meter).count(kind, bytes));
        let message = request.content.take().unwrap_or_default();
        let content = split::gather(Content { message, bodies }, &count).await?;
        request.content = Some(content.message);
        Ok(content.bodies)
    }

    fn content(&self, request: &v1::Request) -> Result<()> {
        schemas::with_cache(|cache| check::content(&self.hosted.policy, request, cache))
    }

    async fn auth(&self, request: &v1::Request) -> Result<()> {
        let (rule, node_function) = self.engine.auth();
        match check::auth_plan(&self.hosted.policy, &rule, self.caller, request)? {
            AuthPlan::Open => Ok(()),
            AuthPlan::CheckToken { rule, credential } => {
                let (caller, agent) = (self.caller.clone(), self.hosted.id());
                let (skill, room) = (request.skill.clone(), self.auth_room()?);
                let checked = tokio::task::spawn_blocking(move || {
                    // Kept to the end of the work, whoever waits for it.
                    let _room = room;
                    let now_ms = now_ms();
                    let shown = Shown { caller: &caller, agent, skill: &skill, now_ms };
                    check_credential(credential.reveal(), &rule, &shown)
                });
                // A panic was reported where it happened.
                checked.await.unwrap_or_else(|_| Err(self.auth_failed("it panicked")))
            }
            AuthPlan::AskHost { scheme, credential, key } => {
                let own = matches!(self.hosted.policy.requirements().auth, Some(AuthRule::Host));
                let function = if own { self.hosted.authenticator.clone() } else { node_function };
                let function = function.ok_or_else(no_function)?;
                if let Some(allow) = lock(&self.hosted.verdicts).known(&key, now_ms()) {
                    return check::auth_verdict(allow);
                }
                let check = AuthCheck {
                    agent: self.hosted.name.to_string(),
                    scheme,
                    credential: Secret::reveal(&credential).to_owned(),
                    caller: self.caller.clone(),
                };
                let verdict = self.ask_auth(contained(move || function.verify(check))).await?;
                self.keep(key, verdict);
                check::auth_verdict(verdict.allow)
            }
        }
    }

    /// Room for one check of a credential.
    fn auth_room(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.hosted.auth_room).try_acquire_owned().map_err(|_| {
            let message = "too many checks of credentials at once";
            Error::refusal(Kind::Busy, "auth", message).with_retry(Retry::AfterMs(100))
        })
    }

    async fn ask_auth(
        &self,
        answer: impl Future<Output = Result<AuthVerdict>>,
    ) -> Result<AuthVerdict> {
        let _room = self.auth_room()?;
        match tokio::time::timeout(limits::AUTH_CHECK, answer).await {
            Ok(Ok(verdict)) => Ok(verdict),
            // The function was not asked: whether the credential is good, nobody has said.
            Ok(Err(error)) if error.kind == Kind::Busy => Err(error),
            Ok(Err(error)) => Err(self.auth_failed(error.kind.name())),
            Err(_) => Err(self.auth_failed("it took too long")),
        }
    }

    fn auth_failed(&self, reason: &str) -> Error {
        tracing::warn!(agent = %self.hosted.name, reason, "an auth function failed");
        Error::refusal(Kind::Auth, "check_failed", "the credential cannot be checked")
    }

    fn keep(&self, key: VerdictKey, verdict: AuthVerdict) {
        lock(&self.hosted.verdicts).keep(key, verdict.allow, verdict.cache_ms, now_ms());
    }

    async fn tokens(&self, request: &v1::Request) -> Result<()> {
        let policy = &self.hosted.policy;
        let counted = match check::token_plan(policy, request)? {
            TokenPlan::None => return Ok(()),
            TokenPlan::Count { texts, most } => {
                let texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
                count(texts, most).await?
            }
            TokenPlan::AskHost(texts) => {
                let counter = self.hosted.counter.clone().ok_or_else(no_function)?;
                let texts: Vec<String> = texts.into_iter().map(str::to_owned).collect();
                let counted = contained(move || counter.count(texts));
                counted.await.map_err(|error| {
                    if error.kind == Kind::Busy {
                        return error;
                    }
                    tracing::warn!(agent = %self.hosted.name, kind = %error.kind, "counter failed");
                    Error::refusal(Kind::Prompt, "counter_failed", "tokens cannot be counted")
                })?
            }
        };
        check::tokens(policy, counted)
    }
}

/// The vocabulary takes a moment to load and long texts to count: beside the event loop.
async fn count(texts: Vec<String>, most: u64) -> Result<u64> {
    let counted = tokio::task::spawn_blocking(move || {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        tokens::count_all(&texts, most)
    });
    counted.await.unwrap_or_else(|_| Err(Error::new(Kind::Internal, "the token counter panicked")))
}

/// Asks a user's function in a task of its own, so that a panic stays there.
pub(crate) async fn contained<T: Send + 'static>(
    ask: impl FnOnce() -> crate::foreign::Answer<T> + Send + 'static,
) -> Result<T> {
    let task = tokio::spawn(async move { ask().await });
    let answer = AbortOnDropHandle::new(task).await;
    answer.unwrap_or_else(|_| Err(Error::new(Kind::HandlerFailed, "a function panicked")))
}

fn no_function() -> Error {
    Error::refusal(Kind::Configuration, "no_function", "the agent lacks a function that it needs")
}
