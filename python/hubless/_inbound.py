"""What arrives: calls for handlers, questions for the host's own functions, cancellations.

Owns the running handlers and the agents they belong to. Must not know how requests are made.
A handler runs as a task of the node's loop, a plain ``def`` on one of 32 threads; what it
raises becomes a failure of the call, and one that was cancelled sends nothing. Tested by
``tests/test_handlers.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Mapping
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from . import _ambient, _wire
from ._pool import Pool
from .agent import Agent, Method
from .call import Call, ThreadCall, enter, failure
from .content import Content, Data, content_of, outgoing
from .errors import BusyError, Error, HandlerFailedError, NotFoundError
from .options import AuthFunction, AuthRequest, Verdict
from .records import Caller, build

if TYPE_CHECKING:
    from .node import Node
    from .requests import Offers

log = logging.getLogger("hubless.python")

HANDLER_THREADS = 32
HELPER_THREADS = 32
# Seconds after which a caller may try again when all handler threads are taken.
_BUSY_RETRY_SECONDS = 0.1
# What a failed tool or question says; the rest is for failures of calls.
_SAID = ("kind", "code", "message")
_LEVELS = {"error": 40, "warn": 30, "info": 20, "debug": 10, "trace": 5}


class Inbound:
    """Is the receiving half of a node."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.agents: dict[int, Agent] = {}
        self.offers: dict[int, Offers] = {}
        self.providers: dict[str, Callable[[str], Any]] = {}
        self.global_auth: AuthFunction | None = None
        self.pool = Pool(HANDLER_THREADS, "hubless-handler")
        self._helpers = Pool(HELPER_THREADS, "hubless-helper")
        self._pending: set[Agent] = set()
        self._unawaited: set[Agent] = set()
        self._early: dict[int, Callable[[], None]] = {}
        self._running: dict[int, tuple[asyncio.Task[None], Call | None]] = {}
        self._context = _ambient.outside()
        node.session.on = {
            3: self._on_call,
            4: self._on_cancel,
            5: self._on_tool,
            6: self._on_auth,
            7: self._on_count,
            8: self._on_credential,
            9: self._on_input,
            10: self._on_log,
        }

    # Registration -----------------------------------------------------------------------------

    def register(self, agent: Agent, parent: int | None) -> None:
        """Starts a registration on the node's loop."""
        self._pending.add(agent)
        self._unawaited.add(agent)
        body = {**agent.record, **({"parent": parent} if parent is not None else {})}
        self._spawn(self._register(agent, body))

    async def _register(self, agent: Agent, body: Mapping[str, Any]) -> None:
        session = self.node.session
        try:
            answer, _ = await session.call("register", body)
        except BaseException as error:
            agent.ready.set_exception(error)
            # Whoever awaits the agent or the next operation gets it; nobody else must.
            agent.ready.exception()
        else:
            agent.registered(answer)
            self.agents[agent.handle] = agent
            agent.ready.set_result(None)
            self._unawaited.discard(agent)
        finally:
            self._pending.discard(agent)
            early, self._early = self._early, {}
            for again in early.values():
                again()

    async def settled(self) -> None:
        """Waits for registrations that nobody awaited and raises the error of one."""
        while self._unawaited:
            agent = next(iter(self._unawaited))
            try:
                await asyncio.shield(agent.ready)
            finally:
                if agent.ready.done():
                    self._unawaited.discard(agent)

    def acknowledge(self, agent: Agent) -> None:
        """Notes that somebody awaits this registration and gets its error."""
        self._unawaited.discard(agent)

    def remove(self, agent: Agent) -> None:
        """Forgets an agent that is unregistered."""
        self.agents.pop(agent.handle, None)

    def close(self) -> None:
        """Cancels every handler and lets the threads end."""
        for task, call in list(self._running.values()):
            if call is not None:
                call.cancelled = True
            task.cancel()
        self.pool.close()
        self._helpers.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        # Neither in the context of who drains, nor of who registered an agent meanwhile.
        task = self._context.copy().run(self.node.session.loop.create_task, work)
        self.node.keep(task)
        return task

    def _track(self, ticket: int, work: Coroutine[Any, Any, None], call: Call | None) -> None:
        task = self._spawn(work)
        self._running[ticket] = (task, call)
        task.add_done_callback(lambda _: self._running.pop(ticket, None))

    # Events -----------------------------------------------------------------------------------

    def _is_early(self, ticket: int, handle: int, again: Callable[[], None]) -> bool:
        """Says whether an event comes before its agent is known, and keeps it until then."""
        if handle in self.agents or not self._pending:
            return False
        self._early[ticket] = again
        return True

    def _agent(self, handle: int) -> Agent:
        agent = self.agents.get(handle)
        if agent is None:
            raise NotFoundError(f"no agent has the handle {handle}")
        return agent

    def _on_call(self, ticket: int, body: dict[str, Any], attachments: list[bytes]) -> None:
        again = functools.partial(self._on_call, ticket, body, attachments)
        if self._is_early(ticket, int(body["agent"]), again):
            return
        try:
            agent = self._agent(int(body["agent"]))
            content = content_of(self.node.session, body.get("content"), attachments)
            call = Call(self.node, agent, ticket, body, content)
            method = agent.impl.method(call.skill)
        except Exception as error:
            self.node.session.forget("call.fail", {"call": ticket, **failure(error)})
            return
        self._track(ticket, self._handle(call, method), call)

    def _on_cancel(self, ticket: int, body: dict[str, Any], _: list[bytes]) -> None:
        # What did not begin needs no end: it is not answered.
        self._early.pop(ticket, None)
        task, call = self._running.get(ticket, (None, None))
        if call is not None:
            call.cancelled = True
        if task is not None:
            task.cancel()

    def _on_tool(self, ticket: int, body: dict[str, Any], _: list[bytes]) -> None:
        offers = self.offers.get(int(body["request"]))
        self._track(ticket, self._answer("tool", ticket, self._tool(offers, body)), None)

    def _on_input(self, ticket: int, body: dict[str, Any], attachments: list[bytes]) -> None:
        offers = self.offers.get(int(body["request"]))
        prompt = content_of(self.node.session, body.get("prompt"), attachments)
        self._track(ticket, self._answer("input", ticket, self._ask(offers, prompt)), None)

    def _on_auth(self, ticket: int, body: dict[str, Any], more: list[bytes]) -> None:
        again = functools.partial(self._on_auth, ticket, body, more)
        if body.get("agent") is not None and self._is_early(ticket, int(body["agent"]), again):
            return
        self._track(ticket, self._say("auth.verdict", ticket, self._decide(body)), None)

    def _on_count(self, ticket: int, body: dict[str, Any], more: list[bytes]) -> None:
        again = functools.partial(self._on_count, ticket, body, more)
        if self._is_early(ticket, int(body["agent"]), again):
            return
        self._track(ticket, self._say("count.result", ticket, self._count(body)), None)

    def _on_credential(self, ticket: int, body: dict[str, Any], _: list[bytes]) -> None:
        self._track(ticket, self._say("credential.result", ticket, self._provide(body)), None)

    def _on_log(self, _: int, body: dict[str, Any], __: list[bytes]) -> None:
        target = str(body.get("target", "")).replace("::", ".")
        name = target if target.startswith("hubless") else f"hubless.{target}"
        logger = logging.getLogger(name.rstrip("."))
        level = _LEVELS.get(str(body.get("level")), logging.INFO)
        fields = body.get("fields") or {}
        extra = " ".join(f"{key}={value}" for key, value in fields.items())
        logger.log(level, "%s", f"{body.get('message', '')} {extra}".strip())

    # Handlers ---------------------------------------------------------------------------------

    async def _handle(self, call: Call, method: Method) -> None:
        leave = enter(call)
        try:
            value = await self._run(call, method)
            await call.finish(value)
        except asyncio.CancelledError:
            if not call.cancelled:
                call.fail(HandlerFailedError("the handler was cancelled", kind="cancelled"))
            raise
        except Error as error:
            if not call.cancelled:
                log.debug("the handler of %s refused: %s", call.agent.name, error.kind)
                call.fail(error)
        except (Exception, SystemExit, GeneratorExit) as error:
            if not call.cancelled:
                log.info("the handler of %s raised", call.agent.name, exc_info=error)
                call.fail(error)
        except BaseException as error:
            call.fail(error)
            raise
        finally:
            leave()

    async def _run(self, call: Call, method: Method) -> Any:
        signature = method.signature
        arguments, named = signature.bind(call.content)
        function = await call.agent.impl.function(method, call.isolated)
        thread = signature.form.startswith("thread")
        if signature.wants_call:
            named["ctx"] = ThreadCall(call) if thread else call
        start = functools.partial(function, *arguments, **named)
        if signature.form == "async_generator":
            return await _stream(call, start())
        if signature.form == "thread_generator":
            return await self._threaded(functools.partial(_stream_thread, call, start))
        if thread:
            value = await self._threaded(start)
            return await value if isinstance(value, Awaitable) else value
        return await start()

    async def _threaded(self, function: Callable[[], Any], pool: Pool | None = None) -> Any:
        future: Future[Any] | None = (pool or self.pool).submit(function)
        if future is None:
            raise BusyError("all handler threads are taken", retry=_BUSY_RETRY_SECONDS)
        return await asyncio.wrap_future(future)

    async def _host(self, function: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """Runs a function of the host, plain (on a helper thread) or ``async``."""
        call = functools.partial(function, *arguments, **named)
        if _is_async(function):
            return await call()
        value = await self._threaded(call, self._helpers)
        return await value if isinstance(value, Awaitable) else value

    # Questions to the host --------------------------------------------------------------------

    async def _answer(self, what: str, ticket: int, work: Awaitable[Any]) -> None:
        session = self.node.session
        try:
            out = outgoing(await work)
            await out.open(session)
            body = {"id": ticket, "content": out.record}
            pump = out.write(session)
            try:
                await session.call(f"{what}.final", body, out.attachments)
                await pump
            finally:
                pump.cancel()
        except (Exception, asyncio.CancelledError) as error:
            said = {key: value for key, value in failure(error).items() if key in _SAID}
            gone = isinstance(error, asyncio.CancelledError)
            if gone:
                said["kind"] = "cancelled"
            session.forget(f"{what}.fail", {"id": ticket, **said})
            if gone:
                raise

    async def _tool(self, offers: Offers | None, body: Mapping[str, Any]) -> Any:
        name = str(body.get("name"))
        tool = offers.tools.get(name) if offers else None
        if tool is None or offers is None:
            raise NotFoundError(f"no tool {name} was offered")
        arguments = body.get("arguments")
        content = Content([Data(arguments)], value=arguments)
        given, named = tool.signature.bind(content)
        return await offers.run(self._host, tool.function, *given, **named)

    async def _ask(self, offers: Offers | None, prompt: Content) -> Any:
        if offers is None or offers.on_input is None:
            raise NotFoundError("nobody answers questions here")
        return await offers.run(self._host, offers.on_input, prompt)

    async def _say(self, op: str, ticket: int, work: Awaitable[Mapping[str, Any]]) -> None:
        """Answers a question; what follows where the host's function fails is the core's."""
        session = self.node.session
        try:
            session.forget(op, {"id": ticket, **await work})
        except (Exception, asyncio.CancelledError) as error:
            session.forget(op, {"id": ticket, "failed": True})
            if isinstance(error, asyncio.CancelledError):
                raise
            log.warning("the function behind %s raised", op, exc_info=error)

    async def _decide(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        # Whose function decides, the core has decided: none stands in for another one.
        agent = self._agent(int(body["agent"])) if body.get("agent") is not None else None
        function = agent.auth if agent is not None else self.global_auth
        if function is None:
            raise NotFoundError("there is no auth function")
        scheme, credential = str(body.get("scheme") or ""), str(body.get("credential") or "")
        caller = build(Caller, body.get("caller"))
        request = AuthRequest(agent.name if agent else "", scheme, credential, caller)
        answer = await self._host(function, request)
        verdict = answer if isinstance(answer, Verdict) else Verdict(answer is True)
        cache = {"cacheMs": _wire.milliseconds(verdict.cache_seconds or None)}
        return {"allow": verdict.allow, **_wire.compact(cache)}

    async def _count(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        agent = self._agent(int(body["agent"]))
        if agent.counter is None:
            raise NotFoundError("the agent has no token counter")
        return {"tokens": int(await self._host(agent.counter, body.get("texts", [])))}

    async def _provide(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        provider = self.providers.get(str(body.get("key")))
        secret = await self._host(provider, str(body.get("target"))) if provider else None
        if secret is None:
            return {"none": True}
        if isinstance(secret, str):
            return {"secret": secret}
        return _wire.compact({"scheme": secret.scheme, "secret": secret.secret})


async def _stream(call: Call, generator: AsyncGenerator[Any, None]) -> None:
    # Closed here, in the context and the task that ran it, however the loop ends.
    async with contextlib.aclosing(generator):
        async for piece in generator:
            await call.chunk(piece)


def _stream_thread(call: Call, start: Callable[[], Generator[Any, None, Any]]) -> Any:
    there = ThreadCall(call)
    generator = start()
    try:
        while True:
            try:
                piece = next(generator)
            except StopIteration as end:
                return end.value
            there.chunk(piece)
    finally:
        generator.close()


def _is_async(function: Callable[..., Any]) -> bool:
    """Says whether calling it gives a coroutine: a function, or an object that is called."""
    called = inspect.getattr_static(type(function), "__call__", None)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)
