//! Asking agents.

use super::funds;
use super::lifecycle::{Inner, Node, closed};
use super::prepare::{self, Prepared};
use super::request::{AgentRequest, Answerer, Path, Reply, RequestOptions, Response, StreamItem};
use super::resolve::{Route, Times};
use super::silent::{Silent, Spare};
use super::stream::CallStream;
use super::world::{Lesson, Lived};
use crate::back_off::BackOff;
use crate::budget::Funded;
use crate::call::body::Bodies;
use crate::call::content::Content;
use crate::call::handle::Parent;
use crate::call::pipe::{CalleeEnd, pipe};
use crate::call::split;
use crate::call::trace::{self, Place};
use crate::caller::drive::{Attempt, Sink};
use crate::caller::questions::Questions;
use crate::executor;
use crate::mesh::{Again, CallPath, Sending, Wait};
use crate::spans::{CallBudget, Heading, Made, RequestId, content_bytes};
use hubless_proto::error::{Error, Kind, Result};
use hubless_proto::identity::NodeKey;
use hubless_proto::killswitch::Grant;
use hubless_proto::limits;
use hubless_proto::policy::{Caller, Effect};
use hubless_proto::wire::v1;
use hubless_proto::wire::words::CallSide;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// How long a callee may take to say that it was stopped.
const STOP_GRACE: Duration = Duration::from_secs(1);

impl Node {
    /// Asks an agent and gives its whole answer.
    ///
    /// # Errors
    /// What refused it or went wrong; refusals have `rejection` set.
    ///
    /// # Cancellation
    /// Dropping the future cancels the call, its handler included.
    pub async fn request(&self, options: RequestOptions) -> Result<Reply> {
        let inner = self.open_for(options.parent.as_ref())?;
        let called = call(inner, options, &Sink::default()).await;
        called.map_err(|error| error.with_operation("request"))
    }

    /// Asks an agent; a refusal is part of the answer.
    ///
    /// # Errors
    /// What went wrong, refusals apart.
    ///
    /// # Cancellation
    /// As [`Node::request`].
    pub async fn send(&self, options: RequestOptions) -> Result<Response> {
        match self.request(options).await {
            Ok(reply) => {
                let usage = reply.usage.clone();
                Ok(Response { output: Some(reply), rejection: None, usage })
            }
            Err(error) if error.rejection => {
                let usage = v1::Usage::default();
                Ok(Response { output: None, rejection: Some(error), usage })
            }
            Err(error) => Err(error),
        }
    }

    /// Asks an agent in the short form.
    ///
    /// # Errors
    /// As [`Node::send`].
    ///
    /// # Cancellation
    /// As [`Node::request`].
    pub async fn send_short(&self, request: AgentRequest) -> Result<Response> {
        self.send(request.into()).await
    }

    /// Asks an agent and gives its answer as it comes; dropping the stream cancels the call.
    ///
    /// # Errors
    /// Only `closed`; everything else comes through the stream.
    pub fn stream(&self, options: RequestOptions) -> Result<CallStream> {
        let inner = Arc::clone(self.open_for(options.parent.as_ref())?);
        let (sender, items) = mpsc::channel(limits::CALL_EVENTS);
        let task = executor::spawn(async move {
            let last = call(&inner, options, &Sink::to(sender.clone())).await;
            let last = last.map(|reply| StreamItem::Final(Box::new(reply)));
            // A reader that went away is not waiting for the end.
            let _ = sender.send(last.map_err(|error| error.with_operation("stream"))).await;
        })?;
        Ok(CallStream { items, _task: AbortOnDropHandle::new(task) })
    }
}

async fn call(inner: &Arc<Inner>, options: RequestOptions, sink: &Sink) -> Result<Reply> {
    let started = Instant::now();
    let funds = match &options.redeem {
        Some(_) => funds::alone(&options).map(|()| None)?,
        None => inner.funds(&options).await?,
    };
    let mut prepared = prepare::prepare(inner, options)?;
    let funds = funds.map(Arc::new);
    prepared.funds.clone_from(&funds);
    let parent = prepared.parent.clone();
    let mut run = std::pin::pin!(run(inner, prepared, started, sink));
    let over = async {
        match &parent {
            Some(parent) => parent.over().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        reply = &mut run => reply,
        error = funds::stopped(funds.as_deref()) => {
            // The callee hears of the stop by itself, and says so to its handler.
            let ended = tokio::time::timeout(STOP_GRACE, run).await;
            ended.ok().filter(|ended| ended.is_ok()).unwrap_or(Err(error))
        }
        () = over => Err(over_with(parent.as_ref())),
        () = inner.stop.cancelled() => Err(closed()),
    }
}

/// Why a call ends with the one that it belongs to.
fn over_with(parent: Option<&Parent>) -> Error {
    let reason = parent.map(|parent| parent.core().cancel_refusal());
    let killed = reason.filter(|reason| reason.kind == Kind::Killed);
    let over = || Error::new(Kind::Cancelled, "the call that this one belongs to is over");
    killed.unwrap_or_else(over)
}

/// A request that belongs to no call of its own any more.
pub(super) async fn run_alone(inner: &Arc<Inner>, prepared: Prepared) -> Result<Reply> {
    run(inner, prepared, Instant::now(), &Sink::default()).await
}

/// Finds the callee and makes one attempt after another, as far as effect and policy allow.
async fn run(
    inner: &Arc<Inner>,
    mut prepared: Prepared,
    started: Instant,
    sink: &Sink,
) -> Result<Reply> {
    let known_by = Instant::now() + prepared.wait;
    let late = known_by.max(prepared.deadline());
    let sight = prepared.sight();
    let times = Times { known_by, reached: Wait::Until(prepared.deadline()) };
    let looked = inner.route((&prepared.to, sight), times, None);
    let looked = tokio::time::timeout_at(late, looked).await;
    let mut route = looked.unwrap_or_else(|_| Err(unreached()))?;
    let mut asked = inner.complete(&prepared, &route).await?;
    funds::redeem(inner, &mut prepared, &route).await?;
    let effect = prepared.effect.unwrap_or_else(|| route.effect(&asked.skill));
    let attempts = prepared.retry.attempts.max(1);
    let mut bodies = Some(std::mem::take(&mut prepared.bodies));
    let repeatable = bodies.as_ref().is_none_or(Bodies::is_empty);
    let mut pauses = BackOff::new();
    let (mut number, mut cuts, mut moves) = (0, 0, 0);
    let mut silent = Silent::new(inner, &prepared, Spare::of(repeatable.then_some(effect)));
    let mut before = None;
    loop {
        number += 1;
        cuts += 1;
        let request = v1::Request { attempt: number, ..asked.clone() };
        let bodies = bodies.take().unwrap_or_default();
        if number > 1 {
            // Another node may host it by now.
            route = silent.known(&route).map_or(route, Route::from);
        }
        let spare = silent.spare(&route);
        let tried =
            Try { inner, prepared: &prepared, route: &route, effect, number, started, spare };
        let funded = match (tried.fund(&request, cuts).await, before.take()) {
            (Ok(funded), _) => funded,
            // Without room for another attempt, the outcome of the one before stands.
            (Err(error), Some(before)) if error.kind == Kind::BudgetExhausted => {
                return Err(before);
            }
            (Err(error), _) => return Err(error),
        };
        let error = match tried.run(request, bodies, funded, sink).await {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        if repeatable && is_gone(&error) && moves < limits::RETRY_ATTEMPTS {
            moves += 1;
            // Nothing ran: what is known was late. Whoever is meant may be known by now.
            let Ok(next) = inner.route((&prepared.to, sight), times, Some(&route)).await else {
                return Err(error);
            };
            asked = inner.complete(&prepared, &next).await?;
            route = next;
            number -= 1;
            continue;
        }
        if silent.turns_from(&route, &error) {
            tracing::debug!(attempt = number, "nothing is heard; another node is asked");
            before = Some(error);
            continue;
        }
        let wanted = prepared.retry.on.iter().any(|kind| kind.0 == error.kind);
        // What a reader of a stream has got of an answer cannot be taken back.
        let may = repeatable && effect.repeatable() && !sink.has_given();
        if number >= attempts || !wanted || !may {
            return Err(error);
        }
        let wait = pauses.next(error.retry);
        // Whoever refused it may name any time.
        if Instant::now().checked_add(wait).is_none_or(|at| at >= prepared.deadline()) {
            return Err(error);
        }
        tracing::debug!(kind = %error.kind, attempt = number, "another attempt follows");
        tokio::time::sleep(wait).await;
        before = Some(error);
    }
}

/// True when the node that was asked no longer has the agent.
fn is_gone(error: &Error) -> bool {
    let refused = error.kind == Kind::NotFound && error.rejection;
    let field = error.field.as_deref();
    refused && matches!((error.code.as_str(), field), ("agent", Some("to")) | ("closing", None))
}

/// What a peer may have of a request that was not sent as a whole.
enum Sent {
    Nothing(Error),
    Something(Error),
}

struct Try<'a> {
    inner: &'a Arc<Inner>,
    prepared: &'a Prepared,
    route: &'a Route,
    effect: Effect,
    number: u32,
    started: Instant,
    /// What another node may do if nothing is heard of this one.
    spare: Spare,
}

impl Try<'_> {
    /// Cuts the grant of this attempt; none: the call has no budget.
    async fn fund(&self, request: &v1::Request, cuts: u32) -> Result<Option<Funded>> {
        let Some(funds) = &self.prepared.funds else { return Ok(None) };
        let node = self.route.host()?;
        if self.route.remote(self.inner) {
            // The first lease runs from what the callee's clock last read.
            self.inner.mesh.meet(node, self.patience()).await?;
        }
        self.within(funds.cut(request, self.route, node, cuts)).await.map(Some)
    }

    async fn run(
        &self,
        mut request: v1::Request,
        bodies: Bodies,
        funded: Option<Funded>,
        sink: &Sink,
    ) -> Result<Reply> {
        let made = self.made(&mut request, funded.as_ref().map(Funded::grant));
        let reply = self.ask(request, (bodies, funded), sink, &made).await;
        made.end(&reply, sink.streams());
        reply
    }

    /// Begins the span of this attempt; what is below it is below that span.
    fn made(&self, request: &mut v1::Request, grant: Option<&Grant>) -> Made<'_> {
        let (trace, place) = trace::child(request.trace.as_ref());
        request.trace = Some(trace);
        let skill = self.route.own_skill(&request.skill);
        let heading = Heading {
            place: Place { parent: self.prepared.above, ..place },
            side: CallSide::Made,
            request: RequestId::of(request),
            attempt: self.number,
            agent: self.route.agent,
            name: self.route.name.clone(),
            peer: self.route.node.unwrap_or_else(|| self.inner.engine.node()),
            path: None,
            request_bytes: content_bytes(request.content.as_ref()),
            depth: grant.map(|grant| grant.depth),
            budget: grant.map(CallBudget::of),
        };
        Made::begin(self.inner.engine.spans(), skill, heading, Instant::now())
    }

    async fn ask(
        &self,
        mut request: v1::Request,
        (bodies, funded): (Bodies, Option<Funded>),
        sink: &Sink,
        made: &Made<'_>,
    ) -> Result<Reply> {
        let began = Instant::now();
        request.to = self.route.agent.to_wire();
        Funded::write(funded.as_ref(), &mut request);
        request.to_name.clone_from(&self.route.name);
        let remote = self.route.remote(self.inner);
        let (tools, output_schema) = (request.tools.clone(), judged_by(&request, remote));
        let (mut end, callee) = pipe();
        end.parent.clone_from(&self.prepared.parent);
        let (path, agent, sent) = if remote {
            let message = request.content.take().unwrap_or_default();
            let Content { message, bodies } = split::split(Content { message, bodies })?;
            request.content = Some(message);
            let node = self.route.host()?;
            self.inner.announce_now();
            if self.inner.is_closing() {
                // Its agents are shown no more: what still runs asks as the node.
                request.from = bytes::Bytes::new();
            }
            let sending = Sending { request, bodies, again: self.again() };
            let (path, sent) = match self.send(node, sending, callee).await {
                Ok(sent) => sent,
                Err(Sent::Nothing(error)) => {
                    if let Some(funded) = funded {
                        funded.unsent();
                    }
                    return Err(error);
                }
                Err(Sent::Something(error)) => return Err(error),
            };
            (if path.relayed { Path::Relay } else { Path::Direct }, node, sent)
        } else {
            let sent = self.hand_over(request, bodies, callee)?;
            (Path::InProcess, self.inner.engine.node(), sent)
        };
        made.via(path);
        let attempt = Attempt {
            number: self.number,
            trace_id: made.trace_id(),
            agent: Answerer {
                agent_id: self.route.agent,
                name: self.route.name.clone(),
                node_key: agent,
            },
            path,
            effect: self.effect,
            timeout: self.prepared.timeout,
            total_deadline: self.prepared.total_deadline,
            output_schema,
            started: if self.number == 1 { self.started } else { began },
            sent,
            heard_by: (self.spare == Spare::Sent).then(|| Instant::now() + limits::SILENT_PATH),
        };
        let tool_host = self.prepared.tool_host.clone();
        let input_host = self.prepared.input_host.clone();
        let mut questions = Questions::new(tools, tool_host, input_host, remote);
        let reply = attempt.drive(end, &mut questions, sink).await.map_err(|error| {
            // The own node refuses nobody: it is closed.
            let own = !remote && error.kind == Kind::Closed && self.inner.is_closing();
            if own { closed() } else { error }
        });
        self.learn(&attempt, &reply);
        if let Some(funded) = funded.filter(|_| reply.is_ok()) {
            funded.answered();
        }
        reply
    }

    /// Gives the request to an agent of this node, and the moment in which it does.
    fn hand_over(
        &self,
        mut request: v1::Request,
        bodies: Bodies,
        callee: CalleeEnd,
    ) -> Result<Instant> {
        let node = self.inner.engine.node();
        let caller = match request.edge.as_str() {
            "" => Caller::local(node, self.prepared.from),
            edge => Caller::edge(node, edge)?,
        };
        self.prepared.time(&mut request);
        let sent = Instant::now();
        self.inner.engine.inbound(caller, request, bodies, callee);
        Ok(sent)
    }

    /// Sends the request, once there is a stream for it: to dial may take as long as the call has.
    /// Gives the moment in which it left, too.
    async fn send(
        &self,
        node: NodeKey,
        sending: Sending,
        callee: CalleeEnd,
    ) -> std::result::Result<(CallPath, Instant), Sent> {
        let mesh = &self.inner.mesh;
        let lane = mesh.ready(node, self.patience()).await.map_err(Sent::Nothing)?;
        let left = Instant::now();
        let time = |request: &mut v1::Request| self.prepared.time(request);
        let sent = mesh.send_on(lane, sending, time, callee);
        match tokio::time::timeout_at(self.prepared.deadline(), sent).await {
            Ok(sent) => sent.map(|path| (path, left)).map_err(Sent::Nothing),
            Err(_) => Err(Sent::Something(unreached())),
        }
    }

    /// How long its node is waited for: where another one may be asked, not for long.
    fn patience(&self) -> Wait {
        match self.spare {
            Spare::Nobody => Wait::Until(self.prepared.deadline()),
            Spare::Unsent | Spare::Sent => Wait::Tries,
        }
    }

    /// Where the request may be sent again while nothing is heard of it.
    fn again(&self) -> Again {
        if !self.prepared.request.return_to.is_empty() {
            // Each stream would have the answer delivered.
            return Again::Never;
        }
        match self.spare {
            // The other node is asked instead.
            Spare::Sent => Again::OnStream,
            Spare::Nobody | Spare::Unsent => Again::OverConnection,
        }
    }

    /// Waits at most for the time that the call has.
    async fn within<T>(&self, opening: impl Future<Output = Result<T>>) -> Result<T> {
        let deadline = self.prepared.deadline();
        tokio::time::timeout_at(deadline, opening).await.unwrap_or_else(|_| Err(unreached()))
    }

    /// What the directory ranks by.
    fn learn(&self, attempt: &Attempt, reply: &Result<Reply>) {
        let end = match reply.as_ref().err().map(|error| error.kind) {
            None => Lived::Well,
            Some(Kind::Transport | Kind::UnknownOutcome) => Lived::Unreached,
            Some(Kind::HandlerFailed | Kind::Deadline | Kind::Busy | Kind::Internal) => {
                Lived::Badly
            }
            // Everything else is the caller's own doing.
            Some(_) => return,
        };
        let node = attempt.agent.node_key;
        self.inner.world.learn(&Lesson {
            agent: self.route.agent,
            node,
            skill: &self.prepared.request.skill,
            end,
            load: reply.as_ref().ok().map(|reply| reply.load),
            rtt: self.inner.mesh.path(node).map(|path| path.rtt),
        });
    }
}

/// The schema that the caller holds an answer of another node to: one that goes elsewhere is none
/// here.
fn judged_by(request: &v1::Request, remote: bool) -> String {
    let comes = remote && request.return_to.is_empty();
    if comes { request.output_schema_json.clone() } else { String::new() }
}

fn unreached() -> Error {
    Error::new(Kind::Deadline, "the node could not be reached in time")
}
