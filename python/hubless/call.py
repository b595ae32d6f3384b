"""The call that a handler is answering: who asks, how long there is, what may be asked back.

Owns the context object of handlers and the ambient "current call". Must not know how handlers
are started. Outgoing requests made while a call is handled become its children.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from . import _ambient, _wire
from ._session import blocking
from .budget import Amounts
from .content import Content, Data, Outgoing, Text, content_of, outgoing
from .errors import (
    CallCancelledError,
    Error,
    HandlerFailedError,
    InvalidArgumentError,
)
from .provider import Provider
from .records import Caller, Context, build, turn_of
from .spend import Spend, ThreadSpend, most

if TYPE_CHECKING:
    from .agent import Agent
    from .node import Node

__all__ = ["Call", "ThreadCall", "current"]

T = TypeVar("T")


class Call:
    """Is the inbound call that a handler answers; a parameter named ``ctx`` gets it.

    What was asked stands here as it came: ``content``, ``skill``, ``context``, ``tools``,
    ``accept``, ``metadata``, ``conversation_id``, ``idempotency_key``, ``input_schema`` and
    ``output_schema``, with ``request_id`` and ``attempt``; and who asks in ``caller``.
    ``deadline`` is when the caller stops waiting if it hears nothing until then, on the clock of
    ``time.monotonic``.
    ``granted`` is what the call was given of its budget; None where it has no budget.

    >>> @node.agent
    ... async def greet(name: str, ctx: hubless.Call) -> str:
    ...     return f"hello {name}, you are {ctx.caller.kind}"
    >>> (await node.request("greet", name="Ada")).value
    'hello Ada, you are local'
    """

    def __init__(
        self, node: Node, agent: Agent, ticket: int, record: Mapping[str, Any], content: Content
    ) -> None:
        self.node = node
        self.agent = agent
        self.id = ticket
        self.content = content
        # True where an instance was made for this call alone.
        self.isolated = bool(record.get("fresh"))
        self.skill: str | None = record.get("skill") or None
        self.caller = build(Caller, record.get("caller"))
        self.context = Context.of(record.get("context"))
        self.conversation_id: str | None = record.get("conversationId")
        self.tools: Sequence[Mapping[str, Any]] = record.get("tools") or ()
        self.accept: Mapping[str, Any] = record.get("accept") or {}
        self.auth_scheme: str | None = record.get("authScheme") or None
        self.depth = int(record.get("depth") or 0)
        self.trace: Mapping[str, str] = record.get("trace") or {}
        self.idempotency_key: str | None = record.get("idempotencyKey")
        self.metadata: Mapping[str, Any] = record.get("metadata") or {}
        self.request_id: str | None = record.get("requestId")
        self.attempt = int(record.get("attempt") or 0)
        self.input_schema: Mapping[str, Any] | None = record.get("inputSchema")
        self.output_schema: Mapping[str, Any] | None = record.get("outputSchema")
        self.deadline = time.monotonic() + float(record["deadlineMs"]) / 1000
        self.cancelled = False
        self.granted: Amounts | None = None
        if record.get("granted") is not None:
            self.granted = build(Amounts, record["granted"])

    def time_left(self) -> float:
        """Gives the seconds until the deadline, at least 0."""
        return max(0.0, self.deadline - time.monotonic())

    async def progress(self, note: str | None = None, fraction: float | None = None) -> None:
        """Tells a caller that streams how far the work is.

        ``fraction`` is between 0 and 1. Raises once the caller gave up.
        """
        await self._do("call.progress", {"note": note, "fraction": fraction})

    async def chunk(self, value: Any, *, append: bool | None = None) -> None:
        """Sends a piece of the answer; returns when there is room for the next.

        With ``append`` it continues the part before, which text does unless told otherwise. Each
        part of a list of parts, or of content, is a piece of its own. Raises once the caller gave
        up.
        """
        out = outgoing(value)
        await self._send("call.chunk", out, content=out.record, append=append)

    async def call_tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Calls a tool that the caller offered and gives its value.

        ``CallDeniedError`` for one that was not offered, ``JsonError`` for arguments that do not
        hold its schema; what the tool raises arrives with its kind.
        """
        body = {"name": name, "arguments": dict(arguments or {})}
        return (await self._content("call.tool", body)).value

    async def input(self, prompt: Any, schema: Mapping[str, Any] | None = None) -> Any:
        """Asks the caller back and gives the value of its answer.

        Raises if the caller gave no ``on_input``, and with its kind what that raises.
        """
        out = outgoing(prompt)
        record = out.record if "parts" in out.record else {"parts": [_one(out.record["value"])]}
        extra = {"schema": schema} if schema else {}
        return (await self._content("call.input", {"prompt": record, **extra}, out)).value

    async def history(self) -> Sequence[Text | Data]:
        """Gives the turns of the conversation before this one."""
        answer, _ = await self.node.session.call("call.history", {"call": self.id})
        return [turn_of(turn) for turn in answer.get("turns", ())]

    async def usage(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_micros: int | None = None,
        calls: int | None = None,
        model: str | None = None,
    ) -> None:
        """Adds to the usage that the answer reports; ``cost_micros`` is 1e-6 of the currency."""
        tokens = {"inputTokens": input_tokens, "outputTokens": output_tokens}
        rest = {"costMicros": cost_micros, "calls": calls, "model": model}
        await self._do("call.usage", {**tokens, **rest})

    def spend(
        self,
        *,
        max_input: int | None = None,
        max_output: int | None = None,
        max_cost: int | None = None,
    ) -> Spend:
        """Sets the most of one spending aside while its scope is entered.

        ``async with ctx.spend(max_output=100) as spend: ... spend.used(output=60)``: tokens, and
        1e-6 of the currency unit. What does not fit in the budget raises
        ``BudgetExhaustedError``; without a budget nothing is set aside. A handler that never
        spends is charged all that its call was granted; one that only calls others says so by
        ``async with ctx.spend(): ...``.
        """
        amounts = {"call": self.id, **most(max_input, max_output, max_cost)}

        async def begin() -> Mapping[str, Any]:
            return (await self.node.session.call("call.spend", amounts))[0]

        return Spend(begin)

    async def trip(self) -> None:
        """Stops this call and everything below it, for good: all that its grant pays for.

        The handler and those that it asked are cancelled, on any node, and nothing more is spent.
        The caller gets ``KilledError``, code ``operator``; its budget, and what else that pays
        for, go on with what was not used. A call without a budget holds nothing that could be
        stopped: ``NotFoundError``, code ``grant``.
        """
        await self._do("call.trip", {})

    async def provider(
        self,
        *,
        max_input: int | None = None,
        max_output: int | None = None,
        max_cost: int | None = None,
    ) -> Provider:
        """Gives a base URL and a short-lived key, for a client of OpenAI's API in this handler.

        It is one of the node's metering gateway. What it may take is set aside in the grant of the
        call first: ``max_input`` and ``max_output`` tokens and ``max_cost``, in 1e-6 of the
        currency, each a quarter of what is free unless it is said. What the budget does not limit,
        and is not said, only the node's own key limits; it counts in the usage of the answer
        alone. Each time it is another key. All of them end with the call, with the stop of its
        budget, or with its total deadline, and after ten minutes at the latest; what the gateway
        says they took is charged at the end of the call, and all that was set aside where it says
        nothing. ``ConfigurationError``: code ``no_budget``, ``no_gateway``, or ``token_limit``
        where tokens are to be limited and the node's own key is of version 2, which limits cost
        alone; ``BudgetExhaustedError``: it does not fit.
        """
        body = _wire.compact(
            {
                "call": self.id,
                "maxInput": max_input,
                "maxOutput": max_output,
                "maxCost": max_cost,
            }
        )
        return Provider.of((await self.node.session.call("call.provider", body))[0])

    async def _do(self, op: str, body: Mapping[str, Any]) -> None:
        await self.node.session.call(op, {"call": self.id, **_wire.compact(body)})

    async def _content(
        self, op: str, body: Mapping[str, Any], out: Outgoing | None = None
    ) -> Content:
        attachments = out.attachments if out else ()
        session = self.node.session
        answer, received = await session.call(op, {"call": self.id, **body}, attachments)
        return content_of(session, answer, received)

    async def _send(self, op: str, out: Outgoing, **body: Any) -> None:
        session = self.node.session
        await out.open(session)
        record = {"call": self.id, **{k: v for k, v in body.items() if v is not None}}
        sent = session.call(op, record, out.attachments)
        if not out.streams:
            await sent
            return
        pump = out.write(session)
        try:
            await sent
            await pump
        finally:
            pump.cancel()

    async def finish(self, value: Any) -> None:
        """Answers the call; the library does it with what the handler returns."""
        if value is None:
            await self._do("call.final", {})
            return
        out = outgoing(value)
        try:
            await self._send("call.final", out, content=out.record)
        except InvalidArgumentError as error:
            raise HandlerFailedError(f"the answer is wrong: {error.message}") from error

    def fail(self, error: BaseException) -> None:
        """Refuses the call; the library does it with what the handler raises."""
        self.node.session.forget("call.fail", {"call": self.id, **failure(error)})


def _one(value: Any) -> dict[str, Any]:
    return {"text": value} if isinstance(value, str) else {"data": value}


def failure(error: BaseException) -> dict[str, Any]:
    """Gives the record of a failure; an error of ours keeps its kind, code and retry."""
    if not isinstance(error, Error):
        return {"message": str(error) or type(error).__name__}
    retry: Any = error.said_retry
    if isinstance(retry, (int, float)):
        retry = {"afterMs": round(retry * 1000)}
    record = {"kind": error.kind, "code": error.code, "message": error.message}
    return _wire.compact({**record, "field": error.field, "retry": retry})


class ThreadCall:
    """Is the call of a plain ``def`` handler: the same, but it blocks its thread.

    ``cancelled`` turns true when the caller gave up; the thread keeps its slot until it returns.
    ``wait`` runs any coroutine of this library, such as ``ctx.wait(blob.bytes())``.

    >>> @node.agent
    ... def counts(blob: hubless.Blob, ctx: hubless.ThreadCall) -> int:
    ...     ctx.progress("reading", 0.1)
    ...     return len(ctx.wait(blob.bytes()))
    >>> (await node.request("counts", hubless.Blob(b"12345"))).value
    5
    """

    def __init__(self, call: Call) -> None:
        self.inner = call

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    @property
    def content(self) -> Content:
        """Is what was asked."""
        return self.inner.content

    @property
    def caller(self) -> Caller:
        """Is who asks."""
        return self.inner.caller

    @property
    def cancelled(self) -> bool:
        """Says whether the caller gave up."""
        return self.inner.cancelled

    @property
    def deadline(self) -> float:
        """Is when the time is over, on the clock of ``time.monotonic``."""
        return self.inner.deadline

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on the node's loop and gives its result.

        ``CallCancelledError`` once the caller gave up.
        """
        if self.inner.cancelled:
            work.close()
            raise CallCancelledError("the caller gave up")
        return blocking(work, self.inner.node.session.loop, partial(_within, self.inner))

    def progress(self, note: str | None = None, fraction: float | None = None) -> None:
        """Tells a caller that streams how far the work is."""
        self.wait(self.inner.progress(note, fraction))

    def chunk(self, value: Any, *, append: bool | None = None) -> None:
        """Sends a piece of the answer; returns when there is room for the next."""
        self.wait(self.inner.chunk(value, append=append))

    def call_tool(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Calls a tool that the caller offered and gives its value."""
        return self.wait(self.inner.call_tool(name, arguments))

    def input(self, prompt: Any, schema: Mapping[str, Any] | None = None) -> Any:
        """Asks the caller back and gives the value of its answer."""
        return self.wait(self.inner.input(prompt, schema))

    def history(self) -> Sequence[Text | Data]:
        """Gives the turns of the conversation before this one."""
        return self.wait(self.inner.history())

    def usage(self, **amounts: Any) -> None:
        """Adds to the usage that the answer reports; the arguments of ``Call.usage``."""
        self.wait(self.inner.usage(**amounts))

    @property
    def granted(self) -> Amounts | None:
        """Is what the call was given of its budget; None where it has no budget."""
        return self.inner.granted

    def spend(self, **most: int | None) -> ThreadSpend:
        """Sets the most of one spending aside; the arguments of ``Call.spend``."""
        spend = self.inner.spend(**most)
        return ThreadSpend(lambda: self.wait(spend.begin()))

    def trip(self) -> None:
        """Stops this call and everything below it, as ``Call.trip``; its thread goes on."""
        self.wait(self.inner.trip())

    def provider(
        self,
        *,
        max_input: int | None = None,
        max_output: int | None = None,
        max_cost: int | None = None,
    ) -> Provider:
        """Gives a base URL and a short-lived key; see ``Call.provider``."""
        asking = self.inner.provider(
            max_input=max_input, max_output=max_output, max_cost=max_cost
        )
        return self.wait(asking)

    def request(self, to: Any, value: Any = None, /, **arguments: Any) -> Any:
        """Calls another agent as a child of this call; the arguments of ``Node.request``."""
        given = () if value is None else (value,)
        return self.wait(self.inner.node.request(to, *given, **arguments))


async def _within(call: Call, work: Coroutine[Any, Any, T]) -> T:
    leave = enter(call)
    try:
        return await work
    finally:
        leave()


def current() -> Call:
    """Gives the call being handled; ``LookupError`` outside a handler.

    On the thread of a plain ``def`` handler ``hubless.sync.current`` gives the form that blocks.

    >>> @node.agent
    ... async def who() -> str:
    ...     return hubless.current().agent.name
    >>> (await node.request("who")).value
    'who'
    """
    call = _ambient.call.get()
    if call is None:
        raise LookupError("no call is being handled here")
    return call


def enter(call: Call) -> Callable[[], None]:
    """Makes a call the current one in this context; the result undoes it."""
    token = _ambient.call.set(call)
    return lambda: _ambient.call.reset(token)


def call_in(node: Node) -> Call | None:
    """Gives the current call if this node is handling it."""
    call = _ambient.call.get()
    return call if call is not None and call.node.session is node.session else None
