"""The subject agents: each does what the table of `SUBJECT.md` says."""

import asyncio
import functools
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import date
from typing import Any, TypedDict

from budgets import hand_on, metered, needy, spender
from endurance import hold, pour, poured, usage
from skilled import Pair, Whole
from strays import Strays

import hubless
from hubless import Blob, Call, Content, Descriptor, Requirements, Skill

runs: Counter[str] = Counter()
cancelled: Counter[str] = Counter()


class Sum(TypedDict):
    sum: int


CYCLE = bytes((index * 31 + 7) % 251 for index in range(251))


def pattern(start: int, size: int) -> bytes:
    """Gives bytes (i * 31 + 7) mod 251, which repeat every 251 bytes."""
    offset = start % len(CYCLE)
    return (CYCLE * ((offset + size) // len(CYCLE) + 1))[offset : offset + size]


async def pieces(size: int, piece: int = 100_000) -> AsyncIterator[bytes]:
    for start in range(0, size, piece):
        yield pattern(start, min(piece, size - start))


async def digest_of(blob: Blob) -> dict[str, Any]:
    sha256, size = hashlib.sha256(), 0
    streamed = blob.data is None
    async for piece in blob.reader():
        sha256.update(piece)
        size += len(piece)
    digest = {"size": size, "sha256": sha256.hexdigest()}
    return {**digest, "streamed": streamed, "mediaType": blob.media_type}


async def echo(content: Content) -> Content:
    return content


async def add(a: int, b: int) -> Sum:
    return {"sum": a + b}


async def context(*, ctx: Call) -> dict[str, Any]:
    given = ctx.context or hubless.Context()
    return {
        "keys": [entry.key for entry in given.entries],
        "entries": [entry_seen(entry) for entry in given.entries],
        "pages": [
            {"name": page.name, "entries": [entry_seen(entry) for entry in page.entries]}
            for page in given.pages
        ],
        "history": [{**said(turn), "role": turn.role} for turn in given.history],
        "explanation": given.explanation,
        "descriptions": dict(given.descriptions or {}),
    }


def entry_seen(entry: hubless.Entry) -> dict[str, Any]:
    """Shows an entry by the names of the wire."""
    more = {"weight": entry.weight, "links": list(entry.links)}
    return {"key": entry.key, **said(entry), **more}


def said(one: Any) -> dict[str, Any]:
    """Gives the text or the data of an entry or a turn."""
    text = getattr(one, "text", None)
    return {"data": one.data} if text is None else {"text": text}


async def digest(blob: Blob) -> dict[str, Any]:
    return await digest_of(blob)


async def make(size: int) -> Blob:
    return Blob(source=pieces(size), size=size)


async def count(n: int, *, ctx: Call) -> dict[str, int]:
    for number in range(1, n + 1):
        await ctx.chunk(str(number))
        if number == n // 2:
            await ctx.progress("half")
    return {"n": n}


async def slow(ms: int) -> str:
    await asyncio.sleep(ms / 1000)
    return "done"


async def always_in() -> str:
    return "in"


async def always_ok() -> str:
    return "ok"


async def fail() -> None:
    raise RuntimeError("broken on purpose")


async def refuse() -> None:
    raise hubless.errors.CallDeniedError("refused on purpose", code="not_today")


async def decline(kind: str, field: str | None = None, retry: Any = None) -> None:
    wait = retry / 1000 if isinstance(retry, int) else retry
    raise hubless.Error("declined on purpose", kind=kind, code="not_now", field=field, retry=wait)


async def tool(a: int, b: int, *, ctx: Call) -> dict[str, Any]:
    return {"fromTool": await ctx.call_tool("add", {"a": a, "b": b})}


async def eager(*, ctx: Call) -> str:
    for _ in range(65):
        await ctx.call_tool("add", {"a": 1, "b": 2})
    return "done"


async def badtool(*, ctx: Call) -> Any:
    return await ctx.call_tool("undeclared", {})


class Fresh:
    def __init__(self) -> None:
        self.count = 0

    async def handle(self) -> dict[str, int]:
        runs["fresh"] += 1
        self.count += 1
        return {"count": self.count}


class Clone:
    async def handle(self, to: Sequence[str], value: Any, *, ctx: Call) -> Any:
        runs["clone"] += 1
        return await hand_on(to, value, ctx=ctx)


async def once() -> dict[str, int]:
    return {"run": runs["once"]}


async def wrong() -> dict[str, int]:
    return {"y": 1}


async def ask(*, ctx: Call) -> dict[str, Any]:
    return {"got": await ctx.input("which?")}


async def nested(to: str, value: Any, after_ms: int = 0, *, ctx: Call) -> dict[str, Any]:
    await asyncio.sleep(after_ms / 1000)
    reply = await ctx.node.request(to, value, options=hubless.Options(wait=20))
    return {"depth": ctx.depth, "inner": reply.value}


guests: dict[str, hubless.Agent] = {}


def counting() -> Callable[[], Awaitable[str]]:
    """Makes a handler that answers how often it ran."""
    runs = 0

    async def count() -> str:
        nonlocal runs
        runs += 1
        return str(runs)

    return count


async def visit(
    arrive: str | None = None,
    depart: str | None = None,
    transient: bool = False,
    returnsOf: str | None = None,
    plain: bool = False,
    *,
    ails: str | None = None,
    health: hubless.Health = "up",
    ctx: Call,
) -> str:
    language = ctx.agent.name.split(".")[0]
    if arrive is not None:
        name = arrive if plain else f"{language}.{arrive}"
        rules = Requirements(accept_returns_from=[returnsOf]) if returnsOf else None
        handler = counting() if returnsOf else always_ok
        guest = await ctx.node.register(
            handler, name=name, transient=transient, requirements=rules
        )
        guests[arrive] = guest
        return guest.reach if transient else "ok"
    if ails is not None:
        await guests[ails].health(health)
    if depart is not None:
        await guests.pop(depart).unregister()
    return "ok"


async def depth(*, ctx: Call) -> dict[str, Any]:
    left = ctx.time_left()
    caller = {"caller": ctx.caller.kind, "from": ctx.caller.agent}
    return {"depth": ctx.depth, **caller, "deadlineMs": left and round(left * 1000)}


async def trace(*, ctx: Call) -> dict[str, Any]:
    words = ("traceparent", "tracestate", "baggage")
    return {word: ctx.trace.get(word) for word in words}


async def talk(*, ctx: Call) -> dict[str, int]:
    return {"turns": len(await ctx.history())}


async def stats() -> dict[str, Any]:
    counted = {"runs": dict(runs), "cancelled": dict(cancelled)}
    return {**counted, "poured": poured["pour"]}


async def lets_in(request: hubless.AuthRequest) -> bool:
    slowly = request.credential == "slowly"
    await asyncio.sleep(SLOWLY_SECONDS if slowly else 0)
    return request.scheme == "custom" and (slowly or request.credential == "letmein")


def words(texts: Sequence[str]) -> int:
    return sum(len(text.split()) for text in texts)


def counted(name: str, handler: Callable[..., Any]) -> Callable[..., Any]:
    """Counts how often a handler is started and cancelled."""

    @functools.wraps(handler)
    async def run(*arguments: Any, **named: Any) -> Any:
        runs[name] += 1
        try:
            return await handler(*arguments, **named)
        except asyncio.CancelledError:
            cancelled[name] += 1
            raise

    return run


# How long `guarded` looks at the credential `slowly`.
SLOWLY_SECONDS = 1.0
SHARED = hubless.SharedSecret("open-sesame")
# Signed the tokens that `badge` takes.
ROOT = "97e92cbf815223ddc790124e79febc6a368b1fadda85b9c431a8bba5d59e5be8"
BADGE = hubless.TokenRule(ROOT, {"team": "finance", "level": 3})
CHECKED: dict[str, Requirements] = {
    "private": Requirements(allowed_callers={"principals": ["mesh:nobody"]}),
    "members": Requirements(allowed_callers={"principals": ["mesh:*"]}),
    "hurried": Requirements(rate_per_s=0.01, rate_burst=1),
    "small": Requirements(max_request_bytes=2000),
    "lean": Requirements(max_binary_bytes=1000),
    "dialogue": Requirements(require_converse=True),
    "plain": Requirements(allow_custom_json=False),
    "sealed": Requirements(allow_custom_context=False),
    "onepage": Requirements(allow_multi_page_context=False),
    "unique": Requirements(allow_agent_duplication=False),
    "strict": Requirements(
        auth=SHARED,
        max_request_bytes=4000,
        accepted_content=["text"],
        require_converse=True,
        allow_custom_json=False,
        allow_custom_context=False,
        max_tokens=8,
    ),
}
SPEND = Skill(id="spend", effect="AT_MOST_ONCE", spends="tokens")
OWN_TEMPLATE = {"context": {"explanation": "of the descriptor"}}
RATES = Skill(
    id="rates",
    attributes={
        "pair": ["EUR/USD"],
        "period": hubless.Interval(date(2021, 1, 1), date(2024, 12, 31)),
        "resolution_s": 60,
    },
)
WIDE = Requirements(max_concurrency=1024)
VAST = Requirements(max_request_bytes=536_870_912, max_binary_bytes=536_870_912)
SUBJECTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "echo": (echo, {"skill": Skill(id="echo", effect="PURE")}),
    "sum": (add, {"skill": Skill(id="sum", effect="PURE")}),
    "context": (context, {}),
    "templated": (context, {"descriptor": Descriptor(request_template=OWN_TEMPLATE)}),
    "digest": (digest, {"requirements": VAST}),
    "make": (make, {}),
    "count": (count, {"descriptor": Descriptor(streaming=True)}),
    "slow": (slow, {}),
    "secret": (always_in, {"requirements": Requirements(auth=SHARED)}),
    "badge": (always_in, {"requirements": Requirements(auth=BADGE)}),
    "modelled": (
        always_ok,
        {"descriptor": Descriptor(allowed_models={"chat": ["small-1"]}, context_protocol="pcp")},
    ),
    "guarded": (always_in, {"requirements": Requirements(auth=lets_in)}),
    "textonly": (always_ok, {"requirements": Requirements(accepted_content=["text"])}),
    "frugal": (
        always_ok,
        {"requirements": Requirements(max_tokens=16, token_counter="builtin")},
    ),
    "counted": (always_ok, {"requirements": Requirements(max_tokens=5, token_counter=words)}),
    **{f"wide{n}": (always_ok, {"requirements": WIDE}) for n in range(10)},
    "single": (slow, {"requirements": Requirements(max_concurrency=1, queue=0)}),
    "rates": (always_ok, {"skill": RATES}),
    "fail": (fail, {}),
    "refuse": (refuse, {}),
    "decline": (decline, {}),
    "tool": (tool, {}),
    "badtool": (badtool, {}),
    "eager": (eager, {}),
    "once": (once, {"skill": Skill(effect="IDEMPOTENT")}),
    "wrong": (wrong, {"skill": Skill(output_schema={"type": "object", "required": ["x"]})}),
    "ask": (ask, {}),
    "nested": (nested, {}),
    "visit": (visit, {}),
    "alone": (nested, {"requirements": Requirements(reentrant=False)}),
    "depth": (depth, {}),
    "open": (depth, {"requirements": Requirements(allow_external_connections=True)}),
    "trace": (trace, {}),
    "spender": (spender, {"skill": SPEND}),
    "metered": (metered, {"skill": SPEND}),
    "thrifty": (spender, {"skill": Skill(id="spend", spends="none")}),
    "silent": (always_ok, {"skill": Skill(id="silent", spends="tokens")}),
    "equipped": (always_ok, {"descriptor": Descriptor(needs={"tools": ["add"]})}),
    "needy": (needy, {"descriptor": Descriptor(needs={"grant": "required"})}),
    "pass": (hand_on, {}),
    "pour": (pour, {"descriptor": Descriptor(streaming=True)}),
    "hold": (hold, {}),
    "usage": (usage, {}),
    "talk": (talk, {"descriptor": Descriptor(records_interaction_context=True)}),
}


async def register(node: hubless.Node, prefix: str) -> None:
    """Registers every subject; `stats` comes last, so that who finds it finds all."""
    for name, (handler, how) in SUBJECTS.items():
        await node.register(counted(name, handler), name=f"{prefix}.{name}", **how)
    for name, rules in CHECKED.items():
        handler = counted(name, always_ok)
        await node.register(handler, name=f"{prefix}.{name}", requirements=rules)
    kept = f"{prefix}.kept"
    await node.register(counted("kept", always_ok), name=kept, identity=kept)
    strays = Strays(node)

    async def stray(to: str, *, ctx: Call) -> dict[str, list[str]]:
        async with ctx.spend():
            return await strays.all(to)

    await node.register(counted("stray", stray), name=f"{prefix}.stray")
    await node.register(Fresh, name=f"{prefix}.fresh", concurrency="isolated")
    await node.register(Clone, name=f"{prefix}.clone", concurrency="isolated")
    await node.register(Pair(runs), name=f"{prefix}.pair")
    await node.register(Whole(runs), name=f"{prefix}.whole")
    await node.register(stats, name=f"{prefix}.stats")
