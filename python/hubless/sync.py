"""The blocking twin, for scripts and threads without an event loop.

Owns one thread with a loop, shared by every blocking node of the process, and the blocking
forms of the methods. Must not be called on that loop. Ctrl-C ends a wait at once and gives the
call up. Tested by ``tests/test_sync.py``.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any, TypeVar, overload

from . import _core, stores
from . import node as asynchronous
from ._serve import until_told
from ._session import blocking, core
from .agent import Agent, Health
from .call import ThreadCall as Call
from .call import current as _current
from .errors import Error, InternalError
from .find import Discovery, Lookup, Sighting, To, Watch
from .find import Peer as AsyncPeer
from .killswitch import KillSwitch
from .node import Description, Loaded
from .options import AuthFunction, Credential, SharedSecret, TokenRule
from .records import Chunk, Reply, Response
from .requests import MISSING
from .requests import Stream as AsyncStream

__all__ = [
    "Call",
    "Node",
    "Peer",
    "Stream",
    "current",
    "find",
    "join",
    "peer",
    "request",
    "send",
    "stream",
]

F = TypeVar("F")
T = TypeVar("T")


class _Portal:
    """Is the thread with the loop on which every blocking node lives."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._process = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine there and waits for it; Ctrl-C gives it up."""
        try:
            loop = self._started()
        except BaseException:
            work.close()
            raise
        return blocking(work, loop)

    def forked(self) -> None:
        """Takes a new lock in a forked child; no thread there would ever let the old one go."""
        self._lock = threading.Lock()

    def _started(self) -> asyncio.AbstractEventLoop:
        if self._thread is threading.current_thread():
            raise InternalError("a blocking function was called on the event loop", code="loop")
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._process = os.getpid()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="hubless-sync", daemon=True
                )
                self._thread.start()
            elif self._process != os.getpid():
                core(_core.handles)
            return self._loop


_portal = _Portal()


def _iterate(feed: AsyncIterator[T]) -> Iterator[T]:
    async def step() -> tuple[bool, T | None]:
        try:
            return True, await feed.__anext__()
        except StopAsyncIteration:
            return False, None

    while True:
        more, item = _portal.run(step())
        if not more:
            return
        yield item  # type: ignore[misc]


class Stream(Iterator[Chunk]):
    """Is a streamed answer: ``for chunk in stream``, then ``stream.reply``.

    >>> with hubless.sync.Node.start() as blocking:
    ...     @blocking.agent
    ...     def count(n: int):
    ...         for number in range(n):
    ...             yield str(number)
    ...     with blocking.stream("count", n=3) as stream:
    ...         print([chunk.text for chunk in stream])
    ['0', '1', '2']
    """

    def __init__(self, inner: AsyncStream) -> None:
        self.inner = inner
        self._chunks = _iterate(inner)

    def __next__(self) -> Chunk:
        return next(self._chunks)

    @property
    def reply(self) -> Reply:
        """Is the last event: usage, timing and what was answered besides the pieces."""
        return self.inner.reply

    def events(self) -> Iterator[Any]:
        """Yields chunks, progress notes and at the end the reply."""
        return _iterate(self.inner.events())

    def close(self) -> None:
        """Cancels the call if it has not ended; idempotent."""
        _portal.run(self.inner.close())

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Peer:
    """Is an agent that was found; an ordinary callable. Its facts are attributes.

    >>> @node.agent(tags=["greeting"])
    ... def greet(name: str) -> str:
    ...     return f"hello {name}"
    >>> def asks() -> str:
    ...     with hubless.sync.Node.start() as blocking:
    ...         return blocking.peer(tags=["greeting"])(name="you")
    >>> await asyncio.to_thread(asks)
    'hello you'
    """

    def __init__(self, inner: AsyncPeer) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def __repr__(self) -> str:
        return repr(self.inner)

    def __call__(self, value: Any = MISSING, /, **arguments: Any) -> Any:
        """Calls the agent with typed arguments and gives the value of its answer."""
        return _portal.run(self.inner(value, **arguments))

    def with_switch(self, switch: KillSwitch) -> Peer:
        """Gives the same agent, called under a switch wherever that is not said otherwise."""
        return Peer(self.inner.with_switch(switch))

    def request(self, value: Any = MISSING, /, **arguments: Any) -> Reply:
        """Calls the agent and gives its whole answer; see ``hubless.Node.request``."""
        return _portal.run(self.inner.request(value, **arguments))

    def send(self, value: Any = MISSING, /, **arguments: Any) -> Response:
        """Calls the agent and never raises for a refusal; see ``hubless.Node.send``."""
        return _portal.run(self.inner.send(value, **arguments))

    def stream(self, value: Any = MISSING, /, **arguments: Any) -> Stream:
        """Calls the agent and reads its answer as it comes; see ``hubless.Node.stream``."""
        return Stream(self.inner.stream(value, **arguments))


def current() -> Call:
    """Gives the call that a plain ``def`` handler answers; ``LookupError`` outside a handler."""
    return Call(_current())


def _to(to: To | Peer) -> To:
    return to.inner if isinstance(to, Peer) else to


class _Feed:
    """Iterates over who is found or seen; closing it ends the search."""

    def __init__(self, inner: Discovery | Watch, each: Callable[[Any], Any]) -> None:
        self._inner = inner
        self._each = each

    def __iter__(self) -> Iterator[Any]:
        try:
            yield from map(self._each, _iterate(self._inner))
        finally:
            self.close()

    def close(self) -> None:
        """Ends the search or watch; idempotent."""
        _portal.run(self._inner.close())


class Node:
    """Is one presence in a mesh: ``with hubless.sync.Node.start() as node:``.

    ``def`` handlers run on threads and get a ``Call`` that blocks; ``async def`` handlers run on
    the loop of this module.

    >>> with hubless.sync.Node.start() as blocking:
    ...     @blocking.agent
    ...     def greet(name: str) -> str:
    ...         return f"hello {name}"
    ...     print(blocking.request("greet", name="you").value)
    hello you
    """

    def __init__(self, inner: asynchronous.Node) -> None:
        self.inner = inner

    @classmethod
    def start(cls, name: str | None = None, **settings: Any) -> Node:
        """Joins this user's mesh on this machine; the arguments of ``hubless.Node.start``."""

        async def begin() -> asynchronous.Node:
            return await asynchronous.Node.start(name, **settings)

        return cls(_portal.run(begin()))

    def __enter__(self) -> Node:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getattr__(self, name: str) -> Any:
        if name in ("node_key", "mesh_id", "home", "memory_only"):
            return getattr(self.inner, name)
        raise AttributeError(name)

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs any coroutine of this library, such as ``node.wait(blob.bytes())``."""
        return _portal.run(work)

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Iterates over anything asynchronous of this library, such as ``blob.reader()``."""
        return _iterate(items)

    def close(self, grace: float = asynchronous.GRACE_SECONDS) -> None:
        """Refuses new calls, lets running ones end for at most ``grace`` seconds; idempotent."""
        _portal.run(self.inner.close(grace))

    def serve(self, *, stdin: bool = False) -> None:
        """Serves until SIGTERM or SIGINT, with ``stdin`` also until standard input closes.

        Then it closes the node: new calls are refused, and running ones have 10 s to end.
        """
        _portal.run(self.inner.inbound.settled())
        asyncio.run(until_told(stdin))
        self.close()

    def status(self) -> Mapping[str, Any]:
        """Gives keys, addresses, agents, peers with path and round trip, and running calls."""
        return _portal.run(self.inner.status())

    def register(self, handler: Any = None, /, **how: Any) -> Agent:
        """Registers an agent and waits until it is done; see ``hubless.Node.register``."""

        async def begin() -> Agent:
            return await self.inner.register(handler, **how)

        return _portal.run(begin())

    @overload
    def agent(self, handler: F, /) -> F: ...

    @overload
    def agent(self, /, **how: Any) -> Callable[[F], F]: ...

    def agent(self, handler: Any = None, /, **how: Any) -> Any:
        """Registers what it decorates."""

        def decorate(target: F) -> F:
            self.register(target, **how)
            return target

        return decorate if handler is None else decorate(handler)

    def unregister(self, agent: Agent, grace: float | None = None) -> None:
        """Lets running calls of an agent end and refuses new ones."""
        _portal.run(agent.unregister(grace))

    def health(self, agent: Agent, state: Health) -> None:
        """States how well an agent is; see ``hubless.Agent.health``."""
        _portal.run(agent.health(state))

    def request(self, to: To | Peer, value: Any = MISSING, /, **arguments: Any) -> Reply:
        """Calls an agent and gives its whole answer; see ``hubless.Node.request``."""
        return _portal.run(self.inner.request(_to(to), value, **arguments))

    def send(self, to: To | Peer, value: Any = MISSING, /, **arguments: Any) -> Response:
        """Calls an agent and never raises for a refusal; see ``hubless.Node.send``."""
        return _portal.run(self.inner.send(_to(to), value, **arguments))

    def stream(self, to: To | Peer, value: Any = MISSING, /, **arguments: Any) -> Stream:
        """Calls an agent and reads its answer as it comes; see ``hubless.Node.stream``."""
        return Stream(self.inner.stream(_to(to), value, **arguments))

    def check(self, agent: Agent, value: Any = MISSING, /, **arguments: Any) -> None:
        """Runs the checks of an agent hosted here without calling it; raises its refusal."""
        _portal.run(self.inner.check(agent, value, **arguments))

    def find(self, query: Lookup = None, **fields: Any) -> Sequence[Peer]:
        """Finds agents, best first; see ``hubless.Node.find``."""
        return [Peer(found) for found in _portal.run(self.inner.find(query, **fields))]

    def peer(self, query: Lookup = None, **fields: Any) -> Peer:
        """Finds the best agent; see ``hubless.Node.peer``."""
        return Peer(_portal.run(self.inner.peer(query, **fields)))

    def discover(self, query: Lookup = None, **fields: Any) -> Iterator[Peer]:
        """Yields agents as they appear."""
        return iter(_Feed(self.inner.discover(query, **fields), Peer))

    def watch(self, query: Lookup = None, **fields: Any) -> Iterator[Sighting]:
        """Yields who arrives, changes and departs."""
        return iter(_Feed(self.inner.watch(query, **fields), lambda seen: seen))

    def describe(self, agent: str | Peer) -> Description:
        """Fetches everything an agent publishes."""
        return _portal.run(self.inner.describe(agent.inner if isinstance(agent, Peer) else agent))

    def list_agents(self, scope: Any = "all") -> Sequence[Peer]:
        """Lists agents; see ``hubless.Node.list_agents``."""
        return [Peer(found) for found in _portal.run(self.inner.list_agents(scope))]

    def load_agents(self, descriptors: Sequence[Mapping[str, Any]]) -> Loaded:
        """Imports a static catalogue; see ``hubless.Node.load_agents``."""
        return _portal.run(self.inner.load_agents(descriptors))

    def set_auth(self, auth: SharedSecret | TokenRule | AuthFunction | None) -> None:
        """Sets the node's own auth mechanism."""
        _portal.run(self.inner.set_auth(auth))

    def set_credential(
        self, target: str, secret: str | Credential | stores.Provider, *, scheme: str | None = None
    ) -> None:
        """Stores a secret for a target; see ``hubless.Node.credentials``."""
        _portal.run(self.inner.credentials.set(target, secret, scheme=scheme))

    def remove_credential(self, target: str) -> None:
        """Removes what is stored for a target."""
        _portal.run(self.inner.credentials.remove(target))

    def set_template(self, name: str, template: Mapping[str, Any]) -> None:
        """Stores a request template; see ``hubless.Node.templates``."""
        _portal.run(self.inner.templates.set(name, template))

    def remove_template(self, name: str) -> None:
        """Removes a request template."""
        _portal.run(self.inner.templates.remove(name))

    def templates(self) -> Sequence[str]:
        """Gives the names of the stored request templates."""
        return _portal.run(self.inner.templates.list())

    def pins(self) -> Sequence[stores.Pin]:
        """Gives which agent id each pinned name stands for."""
        return _portal.run(self.inner.pins.list())

    def set_pin(self, name: str, agent_id: str) -> None:
        """Pins a name to an agent id."""
        _portal.run(self.inner.pins.set(name, agent_id))

    def remove_pin(self, name: str) -> None:
        """Removes a pin."""
        _portal.run(self.inner.pins.remove(name))

    def invite(self, **who: Any) -> str:
        """Makes a ticket by which another data folder joins; see ``hubless.Node.invite``."""
        return _portal.run(self.inner.invite(**who))


_default_lock = threading.Lock()
_default: Node | None = None
# Seconds that the default node gets to say good-bye when the program ends.
_END_GRACE_SECONDS = 0.5


def _in_forked_child() -> None:
    global _default_lock
    _default_lock = threading.Lock()
    _portal.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


def default() -> Node:
    """Gives the blocking default node of this process, started now if it was not."""
    global _default
    with _default_lock:
        if _default is None or _default.inner.session.closed:
            _default = Node.start()
            atexit.register(_end, _default)
        return _default


def _end(node: Node) -> None:
    with contextlib.suppress(Error, RuntimeError):
        node.close(_END_GRACE_SECONDS)


def request(to: To | Peer, value: Any = MISSING, /, **arguments: Any) -> Reply:
    """Calls an agent; see ``hubless.Node.request``."""
    return default().request(to, value, **arguments)


def send(to: To | Peer, value: Any = MISSING, /, **arguments: Any) -> Response:
    """Calls an agent and never raises for a refusal; see ``hubless.Node.send``."""
    return default().send(to, value, **arguments)


def stream(to: To | Peer, value: Any = MISSING, /, **arguments: Any) -> Stream:
    """Reads the answer of an agent as it comes; see ``hubless.Node.stream``."""
    return default().stream(to, value, **arguments)


def find(query: Lookup = None, **fields: Any) -> Sequence[Peer]:
    """Finds agents, best first; see ``hubless.Node.find``."""
    return default().find(query, **fields)


def peer(query: Lookup = None, **fields: Any) -> Peer:
    """Finds the best agent; see ``hubless.Node.peer``."""
    return default().peer(query, **fields)


def join(ticket: str, *, home: str | os.PathLike[str] | None = None) -> str:
    """Joins a mesh by a ticket; see ``hubless.join``."""
    return _portal.run(asynchronous.join(ticket, home=home))
