"""A node: this program's presence in a mesh.

Owns start and close and the methods of the public API. Must not know how events are handled
(``_inbound``) or how requests are composed (``requests``). Tested by ``tests/test_node.py``.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from . import _wire
from ._inbound import Inbound
from ._serve import until_told
from ._session import Session, running_here
from .agent import Agent, Implementation, Registration
from .budget import Terms
from .call import call_in
from .content import content_of
from .errors import ClosedError, Error, InvalidArgumentError, Rejected, from_record
from .find import Discovery, Lookup, Peer, To, Watch, query_of
from .options import AuthFunction, Settings, SharedSecret, TokenRule, auth_rule
from .records import Context, Reply, Response, Usage, build, reply_of
from .requests import MISSING, Asked, Stream, Tool, ask
from .stores import Credentials, Pins, Templates

if TYPE_CHECKING:
    from .options import Options

__all__ = ["Description", "Loaded", "Node", "join"]

F = TypeVar("F")

# Seconds that running calls get when a node is closed without saying how many.
GRACE_SECONDS = 10.0


@dataclass(frozen=True)
class Description:
    """Is everything an agent publishes: its descriptor and the documents of its skills.

    >>> @node.agent
    ... async def rate(pair: str) -> float:
    ...     return 1.0862
    >>> described = await node.describe("rate")
    >>> described.skills[0]["outputSchema"]
    {'type': 'number'}
    """

    descriptor: Mapping[str, Any]
    skills: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Loaded:
    """Says how many descriptors of a catalogue were taken, and why others were not.

    >>> loaded = await node.load_agents([{"name": "far"}])
    >>> loaded.loaded, [error.kind for error in loaded.refused]
    (0, ['invalid_argument'])
    """

    loaded: int
    refused: Sequence[Error]


class Starting:
    """Is a node about to start: ``await`` it, or use it in ``async with``."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._node: Node | None = None

    def __await__(self) -> Generator[Any, None, Node]:
        return Node._start(self._settings).__await__()

    async def __aenter__(self) -> Node:
        self._node = await Node._start(self._settings)
        return self._node

    async def __aexit__(self, *_: object) -> None:
        if self._node is not None:
            await self._node.close()


class Node:
    """Is one presence in a mesh: it hosts agents and calls others.

    ``async with hubless.Node.start() as node:``. A node belongs to the event loop it was
    started on; its methods may be awaited from any loop and thread.

    >>> async with hubless.Node.start() as node:
    ...     @node.agent(tags=["fx"])
    ...     async def rate(pair: str) -> float:
    ...         return 1.0862
    ...     print((await node.request("rate", pair="EURUSD")).value)
    1.0862
    """

    def __init__(self, session: Session, record: Mapping[str, Any]) -> None:
        self.session = session
        self.tasks: set[asyncio.Future[Any]] = set()
        self.inbound = Inbound(self)
        self.node_key = str(record.get("nodeKey", ""))
        self.mesh_id = str(record.get("meshId", ""))
        self.home = str(record.get("home", ""))
        self.memory_only = bool(record.get("memoryOnly"))
        self.templates = Templates(self)
        self.credentials = Credentials(self)
        self.pins = Pins(self)
        # What closes a default node when its loop ends.
        self.keeper: AsyncGenerator[None, None] | None = None

    @staticmethod
    def start(
        name: str | None = None,
        *,
        mesh: str | None = None,
        home: str | os.PathLike[str] | None = None,
        listen: Literal["loopback", "all"] | Sequence[str] | None = None,
        port: int | None = None,
        lan: bool | None = None,
        zones: Sequence[str] = (),
        log: Literal["error", "warn", "info", "debug", "trace"] | None = None,
        memory_only: bool | None = None,
        max_concurrency: int | None = None,
        orphans: Literal["refuse", "allow"] | Terms | None = None,
        trace: str | os.PathLike[str] | None = None,
        gateway: str | None = None,
        gateway_key: str | None = None,
        gateway_signer: str | None = None,
        refund: str | None = None,
        relays: Sequence[str] = (),
        relay_ca: str | os.PathLike[str] | None = None,
    ) -> Starting:
        """Joins this user's mesh on this machine; nothing needs to be configured.

        A ``name`` keeps the node's key; ``home`` is the data folder instead of the platform's;
        ``listen`` says who can connect (this machine); ``zones`` are where its agents say they are,
        such as ``eu``: any in this user's own mesh, in one that was joined those of its ticket
        (``HUBLESS_ZONES``, else all of the ticket); ``log`` is the least level handed to the logger
        ``hubless`` (that logger's own level). ``orphans`` is what a request gets that belongs to no
        call and has no switch while this node handles a call with a budget: ``refuse``
        (``ConfigurationError``, code ``orphan``), ``allow``, or a budget of its own. ``trace`` is a
        file that spans are appended to, as JSON Lines of OTLP, or the URL of a collector, such as
        ``http://127.0.0.1:4318/v1/traces`` (``HUBLESS_TRACE``). ``gateway`` is the base URL of the
        metering gateway of ``Call.provider``, such as ``http://127.0.0.1:8430/v1``, and
        ``gateway_key`` the spending key that this node has of it (``HUBLESS_GATEWAY``,
        ``HUBLESS_GATEWAY_KEY``). ``refund`` says what comes back of the grants of calls that other
        nodes answer (``HUBLESS_REFUND``): ``signed``, what they say that they did not use;
        ``provider``, of cost only what receipts of the gateway show unpaid, under
        ``gateway_signer``, the key that ``hubless expose gateway`` prints
        (``HUBLESS_GATEWAY_SIGNER``); ``never``, nothing: one word for all, or one for each class,
        ``member``, nodes that showed a token of its mesh, and ``external``; default
        ``member=signed,external=never``. ``relays`` are at most four URLs, such as
        ``https://relay.example``, by which it can be reached and reaches others
        (``HUBLESS_RELAYS``, else those of the ticket of its mesh), believed by the certificates of
        the file ``relay_ca`` alone (``HUBLESS_RELAY_CA``, else by those that the machine trusts).
        ``lan`` meets nodes of its mesh on the local networks that it listens to (loopback counts as
        all then), by multicast DNS (RFC 6762; ``HUBLESS_LAN``).
        """
        folder, spans, believed = (_path(path) for path in (home, trace, relay_ca))
        return Starting(
            Settings(
                name,
                mesh,
                folder,
                listen,
                port,
                lan,
                zones,
                log,
                memory_only,
                max_concurrency,
                orphans,
                spans,
                gateway,
                gateway_key,
                gateway_signer,
                refund,
                relays,
                believed,
            )
        )

    @classmethod
    async def _start(cls, settings: Settings) -> Node:
        session = Session()
        try:
            answer, _ = await session.call("node.start", settings.record())
        except BaseException:
            session.shut()
            raise
        return cls(session, answer)

    async def close(self, grace: float = GRACE_SECONDS) -> None:
        """Refuses new calls, lets running ones end for at most ``grace`` seconds; idempotent.

        A call that is cut off ends with ``closed``.
        """
        await self.session.run(self._close(grace))

    async def _close(self, grace: float) -> None:
        if self.session.closed:
            return
        try:
            await self.session.call("node.close", {"graceMs": _wire.milliseconds(grace)})
        except ClosedError:
            pass
        finally:
            self.inbound.close()
            self.session.shut()
        others = [task for task in self.tasks if task is not asyncio.current_task()]
        await asyncio.gather(*others, return_exceptions=True)

    async def serve(self, *, stdin: bool = False) -> None:
        """Serves until SIGTERM or SIGINT, with ``stdin`` also until standard input closes.

        Then it closes the node: new calls are refused, and running ones have 10 s to end.
        """
        await self.inbound.settled()
        await until_told(stdin)
        await self.close()

    def keep(self, task: asyncio.Future[Any]) -> None:
        """Holds a task until it ends, at the latest with this node."""
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def op(self, op: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Runs an operation whose answer has no attachments."""
        await self.session.run(self.inbound.settled())
        return (await self.session.call(op, body))[0]

    async def status(self) -> Mapping[str, Any]:
        """Gives keys, addresses, agents, peers with path and round trip, and running calls.

        Sizes are bytes, round trips microseconds (``rttUs``). ``ClosedError`` after ``close``.
        """
        return await self.op("node.status", {})

    # Agents -----------------------------------------------------------------------------------

    def register(
        self, handler: Any = None, /, *, factory: Callable[[], Any] | None = None, **how: Any
    ) -> Agent:
        """Registers a function, generator, object with ``handle``, class or factory.

        The name, description and schemas are read from it; the arguments are the fields of
        ``Registration``. Await the result to know that it is done; otherwise an error is
        raised by the next operation of this node.

        Raises ``InvalidArgumentError`` and ``ConfigurationError`` at once for what cannot be an
        agent; awaiting raises ``ConflictError``, code ``name_taken``, for a name that is in use
        here.
        """
        try:
            registration = Registration(**how)
        except TypeError as error:
            raise InvalidArgumentError(str(error)) from None
        agent = Agent(self, Implementation(handler, factory, registration), registration)
        call = call_in(self)
        parent = call.id if call is not None and call.isolated else None
        if running_here(self.session.loop):
            self.inbound.register(agent, parent)
        else:
            self.session.loop.call_soon_threadsafe(self.inbound.register, agent, parent)
        return agent

    @overload
    def agent(self, handler: F, /) -> F: ...

    @overload
    def agent(self, /, **how: Any) -> Callable[[F], F]: ...

    def agent(self, handler: Any = None, /, **how: Any) -> Any:
        """Registers what it decorates: ``@node.agent`` or ``@node.agent(tags=["fx"])``."""

        def decorate(target: F) -> F:
            self.register(target, **how)
            return target

        return decorate if handler is None else decorate(handler)

    # Calls ------------------------------------------------------------------------------------

    async def request(
        self,
        to: To,
        value: Any = MISSING,
        /,
        *,
        skill: str | None = None,
        prompt: str | None = None,
        content: Any = None,
        context: Context | None = None,
        tools: Sequence[Tool | Callable[..., Any]] = (),
        timeout: float | None = None,
        options: Options | None = None,
        **arguments: Any,
    ) -> Reply:
        """Calls an agent by name, address, id, peer or query and gives its whole answer.

        Say what is asked by named arguments, by one value, or by ``prompt`` and ``content``.
        ``timeout`` is the seconds to the first event and between events (60); ``options`` is
        everything else. A refusal raises ``Rejected``. Cancelling gives the call up.

        Besides what the callee raises: ``NotFoundError``, ``AmbiguousError``, ``DeadlineError``,
        ``TransportError`` and, where the handler may have run, ``UnknownOutcomeError``.
        """
        asked = Asked(value, skill, prompt, content, context, tools, timeout, options, arguments)
        return await self.outbound(to, asked)

    async def outbound(self, to: To, asked: Asked) -> Reply:
        """Sends what was composed elsewhere."""
        composed = asked.compose(to)
        return await self.session.run(self._request(composed))

    async def _request(self, composed: Any) -> Reply:
        await self.inbound.settled()
        answer, attachments = await ask(self, "request", composed)
        return reply_of(content_of(self.session, answer.get("content"), attachments), answer)

    async def send(
        self,
        to: To,
        value: Any = MISSING,
        /,
        *,
        skill: str | None = None,
        prompt: str | None = None,
        content: Any = None,
        tools: Sequence[Tool | Callable[..., Any]] = (),
        prompt_schema: Mapping[str, Any] | None = None,
        template: str | None = None,
        options: Options | None = None,
        **arguments: Any,
    ) -> Response:
        """Calls an agent and gives its answer or its refusal; never raises for a refusal.

        What is no refusal, such as ``NotFoundError`` or ``TransportError``, is raised as by
        ``request``.
        """
        asked = Asked(value, skill, prompt, content, None, tools, None, options, arguments)
        composed = asked.compose(to)
        schemas = {"inputSchema": prompt_schema, "template": template}
        composed.body.update(_wire.compact(schemas))
        return await self.session.run(self._send(composed))

    async def _send(self, composed: Any) -> Response:
        await self.inbound.settled()
        try:
            answer, attachments = await ask(self, "send", composed)
        except Rejected as refusal:
            return Response(rejection=refusal)
        usage = build(Usage, answer.get("usage"))
        if answer.get("rejection"):
            return Response(None, from_record(answer["rejection"]), usage)
        output = answer.get("output") or {}
        content = content_of(self.session, output.get("content"), attachments)
        return Response(reply_of(content, output), None, usage)

    def stream(
        self,
        to: To,
        value: Any = MISSING,
        /,
        *,
        skill: str | None = None,
        prompt: str | None = None,
        content: Any = None,
        context: Context | None = None,
        tools: Sequence[Tool | Callable[..., Any]] = (),
        timeout: float | None = None,
        options: Options | None = None,
        **arguments: Any,
    ) -> Stream:
        """Calls an agent and reads its answer as it comes: ``async for chunk in ...``.

        The arguments are those of ``request``. The call starts with the first read.

        Reading raises what ``request`` raises, after all that came before.
        """
        asked = Asked(value, skill, prompt, content, context, tools, timeout, options, arguments)
        return Stream(self, to, asked)

    async def check(self, agent: Agent, to_check: Any = MISSING, /, **arguments: Any) -> None:
        """Runs the checks of an agent hosted here without calling it; raises its refusal.

        Nothing is counted, so neither its rate nor its queue is asked.
        """
        await agent
        composed = Asked(to_check, **_split(arguments)).compose(agent.name)
        body = {"agent": agent.handle, "request": composed.body}
        answer, _ = await self.session.call("check", body, composed.out.attachments)
        if answer.get("rejection"):
            raise from_record({**answer["rejection"], "rejection": True})

    # Finding ----------------------------------------------------------------------------------

    async def find(
        self,
        query: Lookup = None,
        *,
        wait: float | None = None,
        explain: bool = False,
        **fields: Any,
    ) -> Sequence[Peer]:
        """Finds agents, best first; waits up to ``wait`` seconds (1) for a first match.

        ``query`` is a text or a ``Query``; the other arguments are the fields of ``Query``.

        Nobody is no error: the answer is empty. ``InvalidArgumentError`` names a field of the
        query.
        """
        answer = await self.op("find", _lookup(query, fields, wait, explain))
        return [Peer.of(self, found) for found in answer.get("agents", ())]

    async def peer(
        self,
        query: Lookup = None,
        *,
        wait: float | None = None,
        explain: bool = False,
        **fields: Any,
    ) -> Peer:
        """Finds the best agent; ``NotFoundError`` if there is none within ``wait`` seconds."""
        return Peer.of(self, await self.op("peer", _lookup(query, fields, wait, explain)))

    def discover(self, query: Lookup = None, **fields: Any) -> Discovery:
        """Yields agents that match as they appear: ``async for peer in node.discover(...)``."""
        return Discovery(self, "discover", {"query": query_of(query, fields)})

    def watch(self, query: Lookup = None, **fields: Any) -> Watch:
        """Yields who arrives, changes and departs.

        The first sighting is a ``Snapshot`` of those that are there.
        """
        return Watch(self, "watch", {"query": query_of(query, fields)})

    async def describe(self, agent: str | Peer) -> Description:
        """Fetches everything an agent publishes, the full documents of its skills included.

        ``NotFoundError`` for an agent that is not known here.
        """
        answer = await self.op("describe", {"agent": _id(agent)})
        return Description(answer.get("descriptor", {}), answer.get("skills", ()))

    async def list_agents(
        self, scope: Literal["global", "local", "client", "all"] = "all"
    ) -> Sequence[Peer]:
        """Lists agents hosted here that others may call, all hosted ones, known ones, or all."""
        answer = await self.op("listAgents", {"scope": scope})
        return [Peer.of(self, found) for found in answer.get("agents", ())]

    async def load_agents(self, descriptors: Sequence[Mapping[str, Any]]) -> Loaded:
        """Imports a static catalogue; gives how many were taken, and why others were not.

        Each descriptor is an object as ``describe`` gives it, with its ``agentId``.
        """
        answer = await self.op("loadAgents", {"descriptors": list(descriptors)})
        refused = [from_record(error) for error in answer.get("refused", ())]
        return Loaded(answer.get("loaded", 0), refused)

    # The node itself --------------------------------------------------------------------------

    async def set_auth(self, auth: SharedSecret | TokenRule | AuthFunction | None) -> None:
        """Sets the node's own auth mechanism, for agents that require one and have none."""
        self.inbound.global_auth = auth if callable(auth) else None
        await self.op("auth.global", {"auth": auth_rule(auth)})

    async def invite(
        self,
        *,
        role: str | None = None,
        groups: Sequence[str] = (),
        zones: Sequence[str] = (),
        ttl: float | None = None,
        uses: int | None = None,
        local: bool | None = None,
        bearer: bool | None = None,
    ) -> str:
        """Makes a ticket by which another data folder joins this mesh; ``ttl`` in seconds.

        The ticket is a secret; ``uses`` bounds how often it is taken. ``zones`` are those that
        agents of who joins may say they are in. With ``bearer`` no running node is needed to
        join: it is good for at most 10 minutes, and as often as it is used until then.
        """
        where = {"zones": zones, "local": local, "bearer": bearer}
        who = {"role": role, "groups": list(groups), **where}
        bounds = {"ttlS": None if ttl is None else max(1, round(ttl)), "uses": uses}
        return str((await self.op("invite", _wire.compact({**who, **bounds})))["ticket"])

    def __repr__(self) -> str:
        state = "closed" if self.session.closed else "open"
        return f"Node({self.node_key[:16]}, {state})"


async def join(ticket: str, *, home: str | os.PathLike[str] | None = None) -> str:
    """Joins a mesh by a ticket, before a node of that mesh is started; gives the mesh's id.

    ``home`` is the data folder, as for ``Node.start``.

    ``CallDeniedError`` for an invitation that is unknown, over or used up; an error too for a text
    that is no ticket.
    """
    session = Session()
    folder = {"home": os.fspath(home)} if home is not None else {}
    try:
        answer, _ = await session.call("join", {"ticket": ticket, **folder})
        return str(answer["meshId"])
    finally:
        session.shut()


def _path(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else os.fspath(path)


def _lookup(
    query: Lookup, fields: Mapping[str, Any], wait: float | None, explain: bool
) -> dict[str, Any]:
    extra = {"waitMs": _wire.milliseconds(wait), "explain": explain or None}
    return {"query": query_of(query, fields), **_wire.compact(extra)}


def _id(agent: str | Peer) -> str:
    return agent if isinstance(agent, str) else agent.agent_id


_ASKED = ("skill", "prompt", "content", "context", "tools", "timeout", "options")


def _split(arguments: Mapping[str, Any]) -> dict[str, Any]:
    known = {name: arguments[name] for name in _ASKED if name in arguments}
    return {**known, "arguments": {k: v for k, v in arguments.items() if k not in known}}
