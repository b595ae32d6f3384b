"""The process-wide default node, so that the short form needs no set-up.

Owns one node for each event loop, started by the first await on that loop. Agents declared with
``hubless.agent`` or ``hubless.register`` where no node runs go to that of the loop which awaits
first. The node is closed when the loop ends. Tested by ``tests/test_default.py``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from typing import Any, TypeVar, overload

from .agent import Agent
from .errors import Error
from .find import Lookup, Peer, Sighting, To
from .node import Node
from .records import Chunk, Reply, Response
from .requests import MISSING

__all__ = [
    "agent",
    "default",
    "discover",
    "find",
    "peer",
    "register",
    "request",
    "send",
    "serve",
    "stream",
    "watch",
]

F = TypeVar("F")

_nodes: dict[asyncio.AbstractEventLoop, asyncio.Future[Node]] = {}
_declared: list[Declared] = []
# Held while declared agents change hands: whoever finds none left finds them registered.
_taking = threading.Lock()
# Seconds that running calls get when the loop ends without anyone closing the node.
_END_GRACE_SECONDS = 1.0


class Declared:
    """Is an agent of the default node; ``await`` it to start the node and have it registered."""

    def __init__(self, handler: Any, how: dict[str, Any]) -> None:
        self._handler = handler
        self._how = how
        self._agent: Agent | None = None
        self._refused: Exception | None = None

    def register(self, node: Node) -> None:
        """Registers with a node; what refuses it is told to whoever awaits it later as well."""
        try:
            self._agent = node.register(self._handler, **self._how)
        except Exception as refused:
            self._refused = refused
            raise

    def __await__(self) -> Generator[Any, None, Agent]:
        return self._registered().__await__()

    async def _registered(self) -> Agent:
        await default()
        if self._agent is None:
            raise self._refused or Error("a declared agent was taken by nobody", kind="internal")
        return await self._agent


async def default() -> Node:
    """Gives the default node of the running loop, started now if it was not.

    Raises what ``Node.start`` raises, and tries again the next time.
    """
    loop = asyncio.get_running_loop()
    for ended in [other for other in list(_nodes) if other.is_closed()]:
        _nodes.pop(ended, None)
    starting = _nodes.get(loop)
    if starting is None or (starting.done() and not _usable(starting)):
        starting = asyncio.ensure_future(_start())
        _nodes[loop] = starting
    node = await asyncio.shield(starting)
    _take(node)
    return node


def _take(node: Node) -> None:
    with _taking:
        while _declared:
            _declared.pop(0).register(node)


def _usable(starting: asyncio.Future[Node]) -> bool:
    if starting.cancelled() or starting.exception() is not None:
        return False
    return not starting.result().session.closed


async def _start() -> Node:
    node = await Node.start()
    keeper = _close_with_loop(node)
    await keeper.asend(None)
    node.keeper = keeper
    return node


async def _close_with_loop(node: Node) -> AsyncGenerator[None, None]:
    # A loop that ends closes its open generators: the one hook that asyncio has for this.
    try:
        yield
    finally:
        _nodes.pop(node.session.loop, None)
        await node.close(_END_GRACE_SECONDS)


def register(
    handler: Any = None, /, *, factory: Callable[[], Any] | None = None, **how: Any
) -> Declared:
    """Registers with the default node; see ``Node.register``."""
    declared = Declared(handler, {**how, **({"factory": factory} if factory else {})})
    try:
        starting = _nodes.get(asyncio.get_running_loop())
    except RuntimeError:
        starting = None
    if starting is not None and starting.done() and _usable(starting):
        declared.register(starting.result())
    else:
        _declared.append(declared)
    return declared


@overload
def agent(handler: F, /) -> F: ...


@overload
def agent(**how: Any) -> Callable[[F], F]: ...


def agent(handler: Any = None, /, **how: Any) -> Any:
    """Registers what it decorates with the default node; see ``Node.register``."""

    def decorate(target: F) -> F:
        register(target, **how)
        return target

    return decorate if handler is None else decorate(handler)


def serve(*, stdin: bool = False) -> None:
    """Serves the declared agents until SIGTERM or SIGINT; blocks.

    With ``stdin`` it also ends when standard input closes.
    """
    asyncio.run(_serve(stdin))


async def _serve(stdin: bool) -> None:
    await (await default()).serve(stdin=stdin)


async def request(to: To, value: Any = MISSING, /, **arguments: Any) -> Reply:
    """Calls an agent; see ``Node.request``."""
    return await (await default()).request(to, value, **arguments)


async def send(to: To, value: Any = MISSING, /, **arguments: Any) -> Response:
    """Calls an agent and never raises for a refusal; see ``Node.send``."""
    return await (await default()).send(to, value, **arguments)


async def stream(to: To, value: Any = MISSING, /, **arguments: Any) -> AsyncIterator[Chunk]:
    """Yields the pieces of an answer as they come; see ``Node.stream``."""
    async with (await default()).stream(to, value, **arguments) as chunks:
        async for chunk in chunks:
            yield chunk


async def find(query: Lookup = None, **fields: Any) -> Sequence[Peer]:
    """Finds agents, best first; see ``Node.find``."""
    return await (await default()).find(query, **fields)


async def peer(query: Lookup = None, **fields: Any) -> Peer:
    """Finds the best agent; see ``Node.peer``."""
    return await (await default()).peer(query, **fields)


async def discover(query: Lookup = None, **fields: Any) -> AsyncIterator[Peer]:
    """Yields agents as they appear; see ``Node.discover``."""
    async with (await default()).discover(query, **fields) as peers:
        async for one in peers:
            yield one


async def watch(query: Lookup = None, **fields: Any) -> AsyncIterator[Sighting]:
    """Yields who arrives, changes and departs; see ``Node.watch``."""
    async with (await default()).watch(query, **fields) as sightings:
        async for seen in sightings:
            yield seen
