"""Outgoing calls: what is sent, what the callee may call back, and streamed answers.

Owns the composition of a request and the readers of streams. Must not know how agents are
hosted. Tested by ``tests/test_requests.py``.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from . import _ambient, _signature, _wire
from .call import Call
from .content import Content, Outgoing, content_of, outgoing, part_of
from .errors import ClosedError, InvalidArgumentError
from .options import InputFunction, Options
from .records import Chunk, Context, Progress, Reply, build, reply_of

if TYPE_CHECKING:
    from ._session import Session
    from .find import To
    from .killswitch import KillSwitch
    from .node import Node

__all__ = ["Stream", "Tool"]

T = TypeVar("T")


class _Missing:
    """Says that no positional value was given; None is a value."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING = _Missing()


class Tool:
    """Is a function that the callee may call back, with what its schema is made from.

    A plain function may be given wherever a tool is wanted; its name, docstring and annotations
    are read.

    >>> @node.agent
    ... async def works(ctx: hubless.Call) -> int:
    ...     return await ctx.call_tool("sum", {"a": 40, "b": 2})
    >>> def add(a: int, b: int) -> int:
    ...     '''Adds two numbers.'''
    ...     return a + b
    >>> (await node.request("works", tools=[hubless.Tool(add, name="sum")])).value
    42
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        effect: str | None = None,
        input_schema: Mapping[str, Any] | None = None,
        output_schema: Mapping[str, Any] | None = None,
    ) -> None:
        self.function = function
        self.signature = _signature.read(function)
        self.name = name or self.signature.name
        empty = {"type": "object", "additionalProperties": False}
        self.record = _wire.compact(
            {
                "name": self.name,
                "description": description or self.signature.description or self.name,
                "inputSchema": _first(input_schema, self.signature.input_schema, empty),
                "outputSchema": _first(output_schema, self.signature.output_schema),
                "effect": effect,
            }
        )


def _first(*given: T | None) -> T | None:
    return next((one for one in given if one is not None), None)


class Offers:
    """Is what one request offers to its callee; called in the context of who asked."""

    def __init__(
        self, tools: Sequence[Tool], on_input: InputFunction | None, switch: KillSwitch | None
    ) -> None:
        self.tools = {tool.name: tool for tool in tools}
        self.on_input = on_input
        self._context = contextvars.copy_context()
        if switch is not None:
            # What a tool asks for is a part of the request that offered it.
            self._context.run(switch.__enter__)

    async def run(
        self, function: Callable[..., Coroutine[Any, Any, T]], *arguments: Any, **named: Any
    ) -> T:
        """Runs a coroutine function as the one who made the request."""
        work = function(*arguments, **named)
        task = self._context.copy().run(asyncio.ensure_future, work)
        try:
            return await task
        finally:
            task.cancel()


@dataclass
class Composed:
    """Is a request ready to be sent."""

    body: dict[str, Any]
    out: Outgoing
    offers: Offers | None


@dataclass(frozen=True)
class Asked:
    """Is what the caller of ``request``, ``send`` or ``stream`` said."""

    value: Any = MISSING
    skill: str | None = None
    prompt: str | None = None
    content: Any = None
    context: Context | None = None
    tools: Sequence[Tool | Callable[..., Any]] = ()
    timeout: float | None = None
    options: Options | None = None
    arguments: Mapping[str, Any] | None = None

    def compose(self, to: To) -> Composed:
        """Makes the body of the request."""
        options = self.options or Options()
        out = outgoing_of(self)
        call = _ambient.call.get()
        switch = self._switch(to, call)
        tools = [tool if isinstance(tool, Tool) else Tool(tool) for tool in self.tools]
        body = {
            "to": _target(to),
            "content": out.record,
            **_wire.compact(
                {
                    "prompt": self.prompt,
                    "skill": self.skill,
                    "timeoutMs": _wire.milliseconds(self.timeout),
                    "tools": [tool.record for tool in tools],
                    "context": self.context.record() if self.context is not None else None,
                    "parent": call.id if call is not None else None,
                    "killSwitch": switch.handle if switch is not None else None,
                }
            ),
            **options.record(),
        }
        if options.sender is not None:
            body["from"] = options.sender.handle
        wanted = tools or options.on_input is not None
        offers = Offers(tools, options.on_input, switch) if wanted else None
        return Composed(body, out, offers)

    def _switch(self, to: To, call: Call | None) -> KillSwitch | None:
        """Chooses what pays: a switch that was named, or the one that this code is under."""
        named = self.options.kill_switch if self.options is not None else None
        bound: KillSwitch | None = named or getattr(to, "kill_switch", None)
        if bound is not None:
            return bound
        # The budget of the call pays by itself, for whatever its handler is under.
        return None if call is not None and call.granted is not None else _ambient.switch()


def _target(to: To) -> Any:
    if isinstance(to, str):
        return to
    agent_id = getattr(to, "agent_id", None)
    if isinstance(agent_id, str):
        return agent_id
    record = getattr(to, "record", None)
    if record is None:
        raise InvalidArgumentError("give a name, an address, an id, a peer or a query", field="to")
    return {"query": record()}


def outgoing_of(asked: Asked) -> Outgoing:
    """Chooses the content: a value, what goes with the prompt, or the named arguments."""
    ways = [
        asked.value is not MISSING,
        asked.prompt is not None or asked.content is not None,
        bool(asked.arguments),
    ]
    if sum(ways) > 1:
        raise InvalidArgumentError(
            "give a value, or prompt and content, or named arguments", field="content"
        )
    if ways[0]:
        return outgoing(asked.value)
    if ways[2]:
        return outgoing(dict(asked.arguments or {}))
    # The prompt is put before it where that is done for every language.
    return outgoing(asked.content if asked.content is not None else Content())


async def ask(node: Node, op: str, composed: Composed) -> tuple[dict[str, Any], list[bytes]]:
    """Sends a composed request and gives the core's answer; streams are written meanwhile."""
    session, inbound = node.session, node.inbound
    await composed.out.open(session)
    ticket = session.ticket()
    if composed.offers is not None:
        inbound.offers[ticket] = composed.offers
    call = session.call(op, composed.body, composed.out.attachments, ticket=ticket)
    try:
        if not composed.out.streams:
            return await call
        return await _pumping(composed.out, node, call)
    finally:
        inbound.offers.pop(ticket, None)


async def _pumping(out: Outgoing, node: Node, call: Coroutine[Any, Any, T]) -> T:
    """Awaits a call while its streams are written.

    An answer may come before all is written, and goes on being made of what is still to come:
    then the writing goes on until it is done or nobody reads it. Without an answer it stops.
    """
    pump = out.write(node.session)
    try:
        answer = await call
    except BaseException:
        pump.cancel()
        raise
    node.keep(pump)
    return answer


# Items, the last one first, and whether there are no more.
Batch = tuple[list[Any], bool]


async def _shared(task: asyncio.Task[T]) -> T:
    """Waits for a task of any loop; it goes on when who waits is cancelled."""

    async def there() -> T:
        return await asyncio.shield(task)

    loop = task.get_loop()
    if loop is asyncio.get_running_loop():
        return await there()
    return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(), loop))


async def _batch(session: Session, stream: int, decode: Callable[..., Any]) -> Batch:
    """Reads what has come; knows no reader, so that one nobody holds on to is collected."""
    answer, attachments = await session.call("stream.next", {"stream": stream})
    items = [decode(session, item, attachments) for item in reversed(answer["items"])]
    return [item for item in items if item is not None], bool(answer.get("end"))


class Feed:
    """Reads a stream handle of the core; the handle is given back however reading ends."""

    def __init__(self, node: Node, op: str, body: Mapping[str, Any]) -> None:
        self._node = node
        self._op = op
        self._body = body
        self._handle = 0
        self._ended = False
        self._items: list[Any] = []
        self._lock = threading.Lock()
        self._opening: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[Batch] | None = None
        self._dropper: weakref.finalize[Any, Feed] | None = None

    async def _open(self) -> None:
        await self._node.inbound.settled()
        answer, _ = await self._node.session.call(self._op, self._body)
        self._took(int(answer["stream"]))

    def _took(self, handle: int) -> None:
        self._handle = handle
        session = self._node.session
        if self._ended:
            # Closed while it was opened.
            session.forget("stream.drop", {"stream": handle})
            return
        self._dropper = weakref.finalize(self, session.forget, "stream.drop", {"stream": handle})
        self._dropper.atexit = False

    @staticmethod
    def _decode(_: Session, item: dict[str, Any], __: list[bytes]) -> Any:
        """Makes of an item what is kept until it is read; None: nothing."""
        return item

    async def _next(self) -> Any:
        """Gives the next item, on any loop; None at the end."""
        while True:
            # Looked at first: the last items are there before it has ended.
            ended = self._ended
            try:
                return self._items.pop()
            except IndexError:
                if ended:
                    return None
            if not self._handle:
                await self._opened()
                continue
            try:
                await self._node.session.run(self._fill())
            except asyncio.CancelledError:
                raise
            except BaseException:
                self._end()
                raise

    async def _opened(self) -> None:
        """Waits until it is open: one opens it for all who read, on its own loop."""
        with self._lock:
            if self._handle:
                return
            # One that failed is not the last word: the next reader tries again.
            if self._opening is None or self._opening.done():
                self._opening = asyncio.ensure_future(self._open())
            opening = self._opening
        await _shared(opening)

    async def _fill(self) -> None:
        """Reads on, on the node's loop."""
        session = self._node.session
        # A reader that is cancelled, by a timeout say, leaves its read to the next one: what
        # comes meanwhile is not lost.
        if self._reading is None:
            self._reading = asyncio.ensure_future(_batch(session, self._handle, self._decode))
        reading = self._reading
        await asyncio.shield(reading)
        if self._reading is reading:
            self._reading = None
            self._take(reading.result())

    def _take(self, batch: Batch) -> None:
        items, end = batch
        self._items[:0] = items
        if end:
            self._end()

    def _end(self) -> None:
        self._ended, self._reading = True, None
        if self._dropper is not None:
            self._dropper.detach()

    async def close(self) -> None:
        """Stops reading: a call is cancelled, a search or watch ends; idempotent."""
        dropper, self._dropper = self._dropper, None
        self._ended, self._items = True, []
        if dropper is not None and dropper.detach() is not None and not self._node.session.closed:
            await self._node.session.call("stream.drop", {"stream": self._handle})

    async def __aenter__(self: F) -> F:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


F = TypeVar("F", bound=Feed)


class Stream(Feed):
    """Is a streamed answer: ``async for chunk in stream``, then ``stream.reply``.

    ``events()`` yields the progress notes and the final reply as well. Leaving the loop early
    and letting go of the stream, or ``close()``, cancels the call.

    >>> @node.agent
    ... async def count(n: int):
    ...     for number in range(n):
    ...         yield str(number)
    >>> async with node.stream("count", n=3) as stream:
    ...     print([chunk.text async for chunk in stream])
    ['0', '1', '2']
    >>> stream.reply.path
    'in_process'
    """

    def __init__(self, node: Node, to: To, asked: Asked) -> None:
        super().__init__(node, "stream", {})
        self._composed = asked.compose(to)
        self._ticket = 0
        self._pump: asyncio.Task[None] | None = None
        self._reply: Reply | None = None

    async def _open(self) -> None:
        node, composed = self._node, self._composed
        await node.inbound.settled()
        await composed.out.open(node.session)
        self._ticket = node.session.ticket()
        if composed.offers is not None:
            node.inbound.offers[self._ticket] = composed.offers
        try:
            answer, _ = await node.session.call(
                "stream", composed.body, composed.out.attachments, ticket=self._ticket
            )
        except BaseException:
            composed.out.release(node.session)
            self._end()
            raise
        self._took(int(answer["stream"]))
        weakref.finalize(self, node.inbound.offers.pop, self._ticket, None).atexit = False
        if self._ended:
            composed.out.release(node.session)
        elif composed.out.streams:
            self._pump = composed.out.write(node.session)
            node.keep(self._pump)

    def _end(self) -> None:
        super()._end()
        self._node.inbound.offers.pop(self._ticket, None)

    async def close(self) -> None:
        """Cancels the call if it has not ended; idempotent."""
        await super().close()
        self._end()
        if self._pump is not None:
            self._pump.cancel()

    @property
    def reply(self) -> Reply:
        """Is the last event: usage, timing and what was answered besides the pieces."""
        if self._reply is None:
            raise ClosedError("the stream has not been read to its end", code="no_reply")
        return self._reply

    async def events(self) -> AsyncIterator[Chunk | Progress | Reply]:
        """Yields chunks, progress notes and at the end the reply."""
        while (event := await self._event()) is not None:
            yield event

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Chunk:
        while (event := await self._event()) is not None:
            if isinstance(event, Chunk):
                return event
        raise StopAsyncIteration

    async def _event(self) -> Chunk | Progress | Reply | None:
        event: Chunk | Progress | Reply | None = await self._next()
        if isinstance(event, Reply):
            self._reply = event
        return event

    @staticmethod
    def _decode(
        session: Session, item: dict[str, Any], attachments: list[bytes]
    ) -> Chunk | Progress | Reply | None:
        if "chunk" in item:
            record = item["chunk"]
            part = record["part"]
            return Chunk(
                part_of(session, part, attachments),
                part.get("value"),
                part.get("text") or "",
                bool(record.get("append")),
            )
        if "progress" in item:
            return build(Progress, item["progress"])
        if "final" in item:
            content = content_of(session, item["final"].get("content"), attachments)
            return reply_of(content, item["final"])
        return None
