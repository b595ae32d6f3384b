"""Plain records of requests and answers, as the host sees them.

Owns their fields and how the contract's JSON becomes them. Must not know sessions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from . import _wire
from .content import Content, Data, Part, Text

__all__ = [
    "AgentRef",
    "Caller",
    "Chunk",
    "Context",
    "Entry",
    "Page",
    "Progress",
    "Reply",
    "Response",
    "Timing",
    "Usage",
]

T = TypeVar("T")


def build(kind: type[T], record: Mapping[str, Any] | None, **given: Any) -> T:
    """Fills a dataclass from a camelCase record; what is absent keeps its default."""
    if record:
        for name, key in _keys(kind):
            value = record.get(key)
            if value is not None and name not in given:
                given[name] = value
    return kind(**given)


_known: dict[Any, tuple[tuple[str, str], ...]] = {}


def _keys(kind: Any) -> tuple[tuple[str, str], ...]:
    """Gives the fields of a dataclass with their names in the contract, worked out once."""
    if kind not in _known:
        fields = dataclasses.fields(kind)
        _known[kind] = tuple((one.name, _wire.camel(one.name)) for one in fields)
    return _known[kind]


def to_record(value: Any) -> dict[str, Any]:
    """Gives the camelCase record of a dataclass, without what is not set."""
    return _wire.compact({key: getattr(value, name) for name, key in _keys(type(value))})


@dataclass(frozen=True)
class Caller:
    """Is who asks, as the node found out; never taken from the message.

    ``kind`` is ``local``, ``member``, ``bridged``, ``external`` or ``edge``; this version refuses
    the calls of ``bridged`` ones.

    >>> @node.agent
    ... async def who(ctx: hubless.Call) -> str:
    ...     return ctx.caller.kind
    >>> (await node.request("who")).value
    'local'
    """

    kind: str = ""
    node: str = ""
    agent: str | None = None
    principal: str = ""
    mesh: str = ""
    role: str | None = None
    groups: Sequence[str] = ()


@dataclass(frozen=True)
class Usage:
    """Is what a call used; ``cost_micros`` is 1e-6 of the currency unit.

    With ``charged_in_full`` its handler never said what it spent, so its budget was charged all
    that the call was granted.

    >>> @node.agent
    ... async def think(ctx: hubless.Call) -> None:
    ...     await ctx.usage(input_tokens=3, output_tokens=4)
    >>> (await node.request("think")).usage.output_tokens
    4
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost_micros: int = 0
    calls: int = 0
    by_model: Mapping[str, Any] = field(default_factory=dict)
    charged_in_full: bool = False


@dataclass(frozen=True)
class Timing:
    """Is where the time went, in microseconds.

    >>> hubless.Timing(queue_us=20, handler_us=1500).handler_us
    1500
    """

    queue_us: int = 0
    handler_us: int = 0
    network_us: int = 0


@dataclass(frozen=True)
class AgentRef:
    """Names the agent that answered.

    >>> @node.agent
    ... async def greet() -> str:
    ...     return "hello"
    >>> (await node.request("greet")).agent.name
    'greet'
    """

    agent_id: str = ""
    name: str = ""
    node_key: str = ""


@dataclass(frozen=True)
class Reply:
    """Is the whole answer. ``path`` is ``in_process``, ``direct`` or ``relay``.

    ``trace_id`` are the 32 hex digits by which ``hubless trace`` draws all calls that it caused.

    >>> @node.agent
    ... async def add(a: int, b: int) -> int:
    ...     return a + b
    >>> reply = await node.request("add", a=1, b=2)
    >>> (reply.value, reply.path, reply.attempts)
    (3, 'in_process', 1)
    """

    content: Content
    usage: Usage = Usage()
    timing: Timing = Timing()
    agent: AgentRef = AgentRef()
    path: str = ""
    attempts: int = 1
    trace_id: str = ""

    @property
    def value(self) -> Any:
        """Is the text of a single text part or the JSON value of a single data part."""
        return self.content.value

    @property
    def text(self) -> str:
        """Is all text parts joined."""
        return self.content.text

    def into(self, kind: type[T]) -> T:
        """Decodes ``value`` into a type; ``json`` with the pointer if it does not fit."""
        return self.content.into(kind)


@dataclass(frozen=True)
class Response:
    """Is what ``send`` gives: an answer or a refusal, never an exception.

    >>> @node.agent
    ... async def refuses() -> None:
    ...     raise hubless.errors.CallDeniedError("not today")
    >>> (await node.send("refuses")).rejection.kind
    'denied'
    """

    output: Reply | None = None
    rejection: Exception | None = None
    usage: Usage = Usage()


@dataclass(frozen=True)
class Progress:
    """Is a note on the way; ``fraction`` is between 0 and 1.

    >>> @node.agent
    ... async def works(ctx: hubless.Call) -> str:
    ...     await ctx.progress("half of it", 0.5)
    ...     return "done"
    >>> async for event in node.stream("works").events():
    ...     if isinstance(event, hubless.Progress):
    ...         print(event.note, event.fraction)
    half of it 0.5
    """

    note: str = ""
    fraction: float | None = None


@dataclass(frozen=True)
class Chunk:
    """Is a piece of a streamed answer; with ``append`` it continues the part before.

    >>> @node.agent
    ... async def count(n: int):
    ...     for number in range(n):
    ...         yield str(number)
    >>> [chunk.text async for chunk in node.stream("count", n=3)]
    ['0', '1', '2']
    """

    part: Part
    value: Any = None
    text: str = ""
    append: bool = False


@dataclass(frozen=True)
class Entry:
    """Is one thing the context says: text or data under a key.

    >>> hubless.Entry("city", "Oslo", weight=0.5).text
    'Oslo'
    """

    key: str
    text: str | None = None
    data: Any = None
    weight: float | None = None
    links: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """Is a named part of a context.

    >>> len(hubless.Page("travel", [hubless.Entry("city", "Oslo")]).entries)
    1
    """

    name: str
    entries: Sequence[Entry] = ()


@dataclass(frozen=True)
class Context:
    """Is what goes along with a request besides its content, by value.

    >>> @node.agent
    ... async def where(ctx: hubless.Call) -> str:
    ...     return ctx.context.entries[0].text
    >>> context = hubless.Context([hubless.Entry("city", "Oslo")])
    >>> (await node.request("where", context=context)).value
    'Oslo'
    """

    entries: Sequence[Entry] = ()
    pages: Sequence[Page] = ()
    history: Sequence[Text | Data] = ()
    explanation: str | None = None
    descriptions: Mapping[str, str] | None = None

    def record(self) -> dict[str, Any]:
        """Gives the record of the contract."""
        pages = [{"name": page.name, "entries": _entries(page.entries)} for page in self.pages]
        whole = {"pages": pages, "history": [to_record(turn) for turn in self.history]}
        extra = {"explanation": self.explanation, "descriptions": self.descriptions}
        return {"entries": _entries(self.entries), **_wire.compact({**whole, **extra})}

    @classmethod
    def of(cls, record: Mapping[str, Any] | None) -> Context | None:
        """Reads the record of the contract."""
        if record is None:
            return None
        entries = [build(Entry, entry) for entry in record.get("entries", ())]
        pages = [
            Page(page["name"], [build(Entry, entry) for entry in page.get("entries", ())])
            for page in record.get("pages", ())
        ]
        history = [turn_of(turn) for turn in record.get("history", ())]
        return build(cls, record, entries=entries, pages=pages, history=history)


def _entries(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    return [to_record(entry) for entry in entries]


def turn_of(turn: Mapping[str, Any]) -> Text | Data:
    """Reads one turn of a conversation."""
    return build(Text, turn) if isinstance(turn.get("text"), str) else build(Data, turn)


def reply_of(content: Content, record: Mapping[str, Any]) -> Reply:
    """Reads a reply whose content is decoded already."""
    return build(
        Reply,
        record,
        content=content,
        usage=build(Usage, record.get("usage")),
        timing=build(Timing, record.get("timing")),
        agent=build(AgentRef, record.get("agent")),
    )
