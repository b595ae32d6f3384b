"""Finding agents: queries, filters, what is found, and the streams of who comes and goes.

Owns the query records and the handle of a remote agent. Must not know how agents are hosted.
Tested by ``tests/test_find.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from . import _wire
from .errors import InvalidArgumentError
from .options import Attribute, Options, attribute
from .records import Context, Reply, Response, build, to_record
from .requests import MISSING, Asked, Feed, Stream, Tool

if TYPE_CHECKING:
    from .killswitch import KillSwitch
    from .node import Node

__all__ = [
    "Arrived",
    "Changed",
    "Departed",
    "Discovery",
    "Field",
    "Filter",
    "Lagged",
    "Peer",
    "Query",
    "Signal",
    "Snapshot",
    "Watch",
    "where",
]


@dataclass(frozen=True)
class Filter:
    """Is a condition on what agents publish; combine with ``&``, ``|`` and ``~``.

    >>> wanted = hubless.where("tags").contains("fx") & ~hubless.where("name").equals("old")
    >>> sorted(wanted.record)
    ['and']
    """

    record: Mapping[str, Any]

    def __and__(self, other: Filter) -> Filter:
        return Filter({"and": [self.record, other.record]})

    def __or__(self, other: Filter) -> Filter:
        return Filter({"or": [self.record, other.record]})

    def __invert__(self) -> Filter:
        return Filter({"not": self.record})


class Field:
    """Is a published field to compare: ``where("attributes.pair").contains("EUR/USD")``.

    >>> hubless.where("version").exists()
    Filter(record={'field': 'version', 'op': 'exists'})
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def _filter(self, op: str, value: Attribute | None = None) -> Filter:
        record: dict[str, Any] = {"field": self._name, "op": op}
        return Filter(record if value is None else {**record, "value": attribute(value)})

    def equals(self, value: Attribute) -> Filter:
        """Holds where the field equals the value."""
        return self._filter("=", value)

    def differs(self, value: Attribute) -> Filter:
        """Holds where the field differs from the value."""
        return self._filter("!=", value)

    def below(self, value: Attribute) -> Filter:
        """Holds where the field is less than the value."""
        return self._filter("<", value)

    def at_most(self, value: Attribute) -> Filter:
        """Holds where the field is less than or equal to the value."""
        return self._filter("<=", value)

    def is_in(self, values: Sequence[Any]) -> Filter:
        """Holds where the field is one of the values."""
        return self._filter("in", values)

    def contains(self, value: Attribute) -> Filter:
        """Holds where the field, a list, has the value."""
        return self._filter("contains", value)

    def overlaps(self, value: Attribute) -> Filter:
        """Holds where the field and the value, intervals or lists, share something."""
        return self._filter("overlaps", value)

    def covers(self, value: Attribute) -> Filter:
        """Holds where the field, an interval, holds all of the value."""
        return self._filter("covers", value)

    def exists(self) -> Filter:
        """Holds where the field is there."""
        return self._filter("exists")


def where(name: str) -> Field:
    """Names a published field: ``name``, ``tags``, ``skill.id``, ``attributes.<fact>``.

    >>> hubless.where("attributes.pair").contains("EUR/USD").record["op"]
    'contains'
    """
    return Field(name)


@dataclass(frozen=True)
class Query:
    """Is what to look for; everything given must hold, ``text`` ranks. ``limit`` is 20 unset.

    >>> async def rate(pair: str) -> float:
    ...     return 1.0862
    >>> agent = await node.register(rate, tags=["fx"])
    >>> (await node.request(hubless.Query(tags=["fx"]), pair="EURUSD")).value
    1.0862
    """

    text: str | None = None
    skill: str | None = None
    tags: Sequence[str] = ()
    group: str | None = None
    zone: str | None = None
    content_types_in: Sequence[str] = ()
    content_types_out: Sequence[str] = ()
    accepts: Mapping[str, Any] | None = None
    context_protocol: str | None = None
    models: Sequence[str] = ()
    auth: str | None = None
    mesh: str | None = None
    version: str | None = None
    max_latency_us: int | None = None
    cost: float | None = None
    fresh_ms: int | None = None
    tools: Sequence[str] = ()
    exclude: Sequence[str | Peer] = ()
    filter: Filter | Mapping[str, Any] | None = None
    limit: int | None = None

    def record(self) -> dict[str, Any]:
        """Gives the record of the contract."""
        record = {**to_record(self)}
        record.pop("exclude", None)
        if isinstance(self.filter, Filter):
            record["filter"] = self.filter.record
        away = [one if isinstance(one, str) else one.agent_id for one in self.exclude]
        return {**record, **_wire.compact({"exclude": away})}


Lookup = str | Query | None


def query_of(query: Lookup, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Makes the record of a query given whole, as text, or by its fields."""
    if isinstance(query, Query):
        if fields:
            raise InvalidArgumentError("give a query or its fields", field="query")
        return query.record()
    try:
        return Query(text=query, **fields).record()
    except TypeError as error:
        raise InvalidArgumentError(str(error), field="query") from error


@dataclass(frozen=True)
class Signal:
    """Is one reason for a rank.

    >>> async def rate(pair: str) -> float:
    ...     return 1.0862
    >>> agent = await node.register(rate)
    >>> found = await node.peer("rate", explain=True)
    >>> all(signal.signal and signal.weight for signal in found.explain)
    True
    """

    signal: str = ""
    value: float = 0.0
    weight: float = 0.0


@dataclass(frozen=True)
class Peer:
    """Is an agent that was found; an ordinary async callable.

    ``await peer(pair="EURUSD")`` gives the value of the answer, ``peer.request`` the whole
    reply. ``score`` and ``explain`` say why it was found.

    >>> async def rate(pair: str) -> float:
    ...     return 1.0862
    >>> agent = await node.register(rate, tags=["fx"])
    >>> peer = await node.peer(tags=["fx"])
    >>> await peer(pair="EURUSD")
    1.0862
    """

    agent_id: str
    address: str = ""
    name: str = ""
    title: str = ""
    description: str = ""
    version: str = ""
    node_key: str = ""
    tags: Sequence[str] = ()
    skills: Sequence[Mapping[str, Any]] = ()
    requires_auth: bool = False
    stored: bool = False
    transient: bool = False
    needs: Mapping[str, Any] = field(default_factory=dict)
    score: float = 0.0
    path: str = ""
    latency_us: int | None = None
    explain: Sequence[Signal] = ()
    node: Node = field(default=None, repr=False, compare=False)  # type: ignore[assignment]
    kill_switch: KillSwitch | None = field(default=None, repr=False, compare=False)

    @classmethod
    def of(cls, node: Node, record: Mapping[str, Any]) -> Peer:
        """Reads what the core found."""
        signals = [build(Signal, signal) for signal in record.get("explain") or ()]
        return build(cls, record, explain=signals, node=node)

    def with_switch(self, switch: KillSwitch) -> Peer:
        """Gives the same agent, called under a switch wherever that is not said otherwise."""
        return replace(self, kill_switch=switch)

    async def __call__(self, value: Any = MISSING, /, **arguments: Any) -> Any:
        """Calls the agent with typed arguments and gives the value of its answer."""
        asked = Asked(value, arguments=arguments)
        return (await self.node.outbound(self, asked)).value

    async def request(
        self,
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
        """Calls the agent; see ``Node.request``."""
        asked = Asked(value, skill, prompt, content, context, tools, timeout, options, arguments)
        return await self.node.outbound(self, asked)

    async def send(self, value: Any = MISSING, /, **arguments: Any) -> Response:
        """Calls the agent and never raises for a refusal; see ``Node.send``."""
        return await self.node.send(self, value, **arguments)

    def stream(self, value: Any = MISSING, /, **arguments: Any) -> Stream:
        """Calls the agent and reads its answer as it comes; see ``Node.stream``."""
        return self.node.stream(self, value, **arguments)


To = str | Peer | Query


class Discovery(Feed):
    """Yields agents as they appear; ends when it is closed.

    >>> async def rate(pair: str) -> float:
    ...     return 1.0862
    >>> agent = await node.register(rate, tags=["fx"])
    >>> async with node.discover(tags=["fx"]) as peers:
    ...     async for peer in peers:
    ...         print(peer.name)
    ...         break
    rate
    """

    def __aiter__(self) -> Discovery:
        return self

    async def __anext__(self) -> Peer:
        item = await self._next()
        if item is None:
            raise StopAsyncIteration
        return Peer.of(self._node, item)


@dataclass(frozen=True)
class Arrived:
    """Says that an agent that matches is there.

    >>> async def late() -> str:
    ...     return "here"
    >>> async with node.watch(tags=["late"]) as sightings:
    ...     there = await anext(sightings)
    ...     agent = await node.register(late, tags=["late"])
    ...     match await anext(sightings):
    ...         case hubless.Arrived(peer):
    ...             print(peer.name)
    late
    """

    peer: Peer


@dataclass(frozen=True)
class Changed:
    """Says that an agent publishes something else.

    >>> def shown(seen: object) -> str:
    ...     return f"{seen.peer.name} changed" if isinstance(seen, hubless.Changed) else ""
    >>> shown(hubless.Changed(hubless.Peer("did:key:z6Mk", name="rate")))
    'rate changed'
    """

    peer: Peer


@dataclass(frozen=True)
class Departed:
    """Says that an agent is gone or no longer matches.

    >>> hubless.Departed("did:key:z6Mk", "rate").name
    'rate'
    """

    agent_id: str
    name: str


@dataclass(frozen=True)
class Lagged:
    """Says that the reader was too slow for this many events; a snapshot follows.

    >>> hubless.Lagged(3).missed
    3
    """

    missed: int


@dataclass(frozen=True)
class Snapshot:
    """Is everything that matches at one moment.

    >>> async with node.watch(tags=["fx"]) as sightings:
    ...     print(await anext(sightings))
    Snapshot(peers=[])
    """

    peers: Sequence[Peer]


Sighting = Arrived | Changed | Departed | Lagged | Snapshot


class Watch(Feed):
    """Yields who comes, changes and goes; ends when it is closed.

    The first sighting is a ``Snapshot``.

    >>> async def brief() -> str:
    ...     return "here"
    >>> agent = await node.register(brief, tags=["brief"])
    >>> async with node.watch(tags=["brief"]) as sightings:
    ...     async for seen in sightings:
    ...         print(type(seen).__name__)
    ...         if isinstance(seen, hubless.Departed):
    ...             break
    ...         await agent.unregister()
    Snapshot
    Departed
    """

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Sighting:
        while (item := await self._next()) is not None:
            seen = self._seen(item)
            if seen is not None:
                return seen
        raise StopAsyncIteration

    def _seen(self, item: Mapping[str, Any]) -> Sighting | None:
        if "arrived" in item:
            return Arrived(Peer.of(self._node, item["arrived"]))
        if "changed" in item:
            return Changed(Peer.of(self._node, item["changed"]))
        if "departed" in item:
            return build(Departed, item["departed"])
        if "lagged" in item:
            return Lagged(int(item["lagged"]))
        if "snapshot" in item:
            return Snapshot([Peer.of(self._node, one) for one in item["snapshot"]])
        return None
