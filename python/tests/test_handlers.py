"""Every form of handler, and what it gets and gives."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import datetime
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypedDict

import pytest

import hubless
from hubless import Call, Content, Descriptor, ThreadCall, errors


@dataclasses.dataclass
class Day:
    day: datetime.date
    rates: list[float]


class Answer(TypedDict):
    pair: str
    found: Day


async def test_async_with_typed_arguments(node: hubless.Node) -> None:
    @node.agent(tags=["fx"])
    async def rate(pair: str, day: datetime.date, back: int = 1) -> Answer:
        """Historic rate."""
        return {"pair": pair, "found": Day(day - datetime.timedelta(back), [1.0])}

    reply = await node.request("rate", pair="EURUSD", day=datetime.date(2024, 3, 1))
    assert reply.into(Answer)["found"] == Day(datetime.date(2024, 2, 29), [1.0])
    (skill,) = (await node.describe("rate")).skills
    assert skill["description"] == "Historic rate."
    assert skill["inputSchema"]["properties"]["day"]["format"] == "date"
    with pytest.raises(errors.JsonError):
        await node.request("rate", pair=1, day="2024-03-01")
    with pytest.raises(errors.JsonError):
        await node.request("rate", pair="a", day="yesterday")


async def test_generators_stream(node: hubless.Node) -> None:
    @node.agent
    async def later(n: int) -> AsyncIterator[str]:
        for number in range(n):
            yield str(number)

    @node.agent
    def threaded(n: int) -> Iterator[str]:
        for number in range(n):
            yield str(number)

    for name in ("later", "threaded"):
        stream = node.stream(name, n=4)
        assert [chunk.text async for chunk in stream] == ["0", "1", "2", "3"]
        assert (await node.request(name, n=4)).text == "0123"


async def test_generator_is_closed_in_its_own_context(node: hubless.Node) -> None:
    mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark")
    closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    @node.agent
    async def endless() -> AsyncIterator[str]:
        token = mark.set("mine")
        try:
            while True:
                yield "x"
        finally:
            mark.reset(token)
            closed.set_result(hubless.current().agent.name)

    async with node.stream("endless") as stream:
        async for _ in stream:
            break
    assert await asyncio.wait_for(closed, 20) == "endless"


async def test_letting_go_of_a_stream_cancels_the_handler(node: hubless.Node) -> None:
    cancelled = asyncio.Event()

    @node.agent
    async def endless() -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
                await asyncio.sleep(0.01)
        finally:
            cancelled.set()

    async for chunk in node.stream("endless"):
        assert chunk.text == "x"
        break
    await asyncio.wait_for(cancelled.wait(), 20)


class Counter:
    """Counts."""

    def __init__(self) -> None:
        self.count = 0

    async def handle(self) -> int:
        """Counts one more."""
        self.count += 1
        return self.count

    @hubless.skill(effect="PURE", tags=["math"])
    def double(self, x: int) -> int:
        """Doubles."""
        return x * 2


async def test_object_keeps_its_state_and_has_several_skills(node: hubless.Node) -> None:
    await node.register(Counter())
    counts = [(await node.request("counter", skill=skill)).value for skill in (None, "handle")]
    assert counts == [1, 2]
    assert (await node.request("counter", skill="double", x=4)).value == 8
    with pytest.raises(errors.NotFoundError):
        await node.request("counter", skill="triple", x=4)


@pytest.mark.parametrize("way", ["class", "factory", "async factory", "copied"])
async def test_isolated_agents_start_afresh(node: hubless.Node, way: str) -> None:
    async def make() -> Counter:
        return Counter()

    if way == "class":
        await node.register(Counter, concurrency="isolated")
    elif way == "factory":
        await node.register(factory=Counter, name="counter")
    elif way == "async factory":
        await node.register(factory=make, name="counter")
    else:
        await node.register(Counter(), concurrency="isolated")
    counts = [(await node.request("counter")).value for _ in range(3)]
    assert counts == [1, 1, 1]


async def test_one_of_several_skills_has_to_be_named(node: hubless.Node) -> None:
    ran: list[str] = []

    class Numbers:
        @hubless.skill()
        def double(self, x: int) -> int:
            ran.append("double")
            return x * 2

        @hubless.skill()
        def half(self, x: int) -> int:
            ran.append("half")
            return x // 2

    await node.register(Numbers())
    with pytest.raises(errors.NotFoundError, match="name one") as refused:
        await node.request("numbers", x=4)
    assert (refused.value.code, refused.value.field, ran) == ("skill", "skill", [])
    assert (await node.request("numbers", skill="half", x=4)).value == 2


async def test_one_function_stands_behind_all_skills_that_are_only_described(
    node: hubless.Node,
) -> None:
    async def tell(ctx: Call) -> str | None:
        return ctx.skill

    described = Descriptor(skills=[hubless.Skill(id="handle"), hubless.Skill(id="other")])
    await node.register(tell, descriptor=described)
    for skill, told in ((None, "handle"), ("other", "other"), ("tell", "tell")):
        assert (await node.request("tell", skill=skill)).value == told


async def test_function_cannot_be_isolated(node: hubless.Node) -> None:
    async def handler() -> None: ...

    with pytest.raises(errors.ConfigurationError):
        node.register(handler, concurrency="isolated")
    with pytest.raises(errors.ConfigurationError):
        node.register(factory=Counter, concurrency="shared")
    with pytest.raises(errors.ConfigurationError):
        node.register(object())


async def test_child_agents_of_an_isolated_call_end_with_it(node: hubless.Node) -> None:
    async def child() -> str:
        return "here"

    class Parent:
        async def handle(self, ctx: Call) -> str:
            await ctx.node.register(child)
            return str((await ctx.node.request("child")).value)

    await node.register(Parent, concurrency="isolated")
    for _ in range(3):
        assert (await node.request("parent")).value == "here"
    with pytest.raises(errors.NotFoundError):
        await node.request("child", options=hubless.Options(wait=0.5))


async def test_agent_registered_by_a_shared_agent_stays(node: hubless.Node) -> None:
    async def child() -> str:
        return "here"

    @node.agent
    async def parent(ctx: Call) -> None:
        await ctx.node.register(child)

    await node.request("parent")
    assert (await node.request("child")).value == "here"


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit("leaving"), KeyError("k")])
async def test_what_a_handler_raises_is_its_failure(
    node: hubless.Node, error: BaseException
) -> None:
    @node.agent
    async def fails() -> None:
        raise error

    @node.agent
    def fails_on_thread() -> None:
        raise error

    for name in ("fails", "fails_on_thread"):
        with pytest.raises(hubless.Rejected) as raised:
            await node.request(name)
        assert raised.value.kind == "handler_failed"
        assert str(error) in raised.value.message
    assert (await node.status())["nodeKey"]


async def test_error_raised_on_purpose_keeps_kind_code_and_retry(node: hubless.Node) -> None:
    @node.agent
    async def refuses() -> None:
        raise errors.BusyError("come back", code="siesta", retry=1.5)

    with pytest.raises(errors.BusyError) as raised:
        await node.request("refuses")
    assert isinstance(raised.value, hubless.Rejected)
    assert (raised.value.code, raised.value.retry) == ("siesta", 1.5)


async def test_answer_that_json_cannot_say_is_a_failure(node: hubless.Node) -> None:
    @node.agent
    async def odd() -> Any:
        return {"x": object()}

    with pytest.raises(errors.HandlerFailedError, match="JSON"):
        await node.request("odd")


async def test_cancelling_the_caller_cancels_the_handler(node: hubless.Node) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    @node.agent
    async def slow(ctx: Call) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if ctx.cancelled:
                cancelled.set()
            raise

    call = asyncio.ensure_future(node.request("slow"))
    await started.wait()
    call.cancel()
    await asyncio.wait_for(cancelled.wait(), 20)


async def test_the_deadline_is_that_of_the_total_or_else_of_the_timeout(
    node: hubless.Node,
) -> None:
    @node.agent
    async def tells(ctx: Call) -> list[float]:
        return [ctx.deadline - time.monotonic(), ctx.time_left()]

    asked: list[tuple[dict[str, Any], float]] = [
        ({}, 60),
        ({"timeout": 30.0}, 30),
        ({"timeout": 30.0, "options": hubless.Options(total_timeout=20)}, 20),
    ]
    for how, seconds in asked:
        for left in (await node.request("tells", **how)).value:
            assert seconds - 5 < left <= seconds


async def test_deadline_cancels_the_handler(node: hubless.Node) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()
    seconds = 0.2

    @node.agent
    async def slow(ctx: Call) -> None:
        assert ctx.time_left() <= seconds
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    # Where the time is over before the handler has begun: once more, with twice as much.
    while not started.is_set() and seconds < 20:
        with pytest.raises(TimeoutError) as raised:
            await node.request("slow", options=hubless.Options(total_timeout=seconds))
        assert isinstance(raised.value, errors.DeadlineError)
        seconds *= 2
    await asyncio.wait_for(cancelled.wait(), 20)


async def test_a_handler_sees_what_was_asked_as_it_came(node: hubless.Node) -> None:
    def what(ctx: Call | ThreadCall) -> dict[str, Any]:
        return {
            "content": ctx.content.text,
            "skill": ctx.skill,
            "conversation": ctx.conversation_id,
            "said": ctx.metadata["said"],
            "schemas": [ctx.input_schema, ctx.output_schema],
            "caller": ctx.caller.kind,
        }

    @node.agent
    async def seen(ctx: Call) -> dict[str, Any]:
        return what(ctx)

    @node.agent
    def seen_on_thread(ctx: ThreadCall) -> dict[str, Any]:
        return what(ctx)

    options = hubless.Options(
        conversation_id="c",
        metadata={"said": [1]},
        input_schema={"type": "string"},
        output_schema={"type": "object"},
    )
    for name in ("seen", "seen_on_thread"):
        assert (await node.request(name, "x", skill=name, options=options)).value == {
            "content": "x",
            "skill": name,
            "conversation": "c",
            "said": [1],
            "schemas": [{"type": "string"}, {"type": "object"}],
            "caller": "local",
        }


async def test_nested_calls_are_children(node: hubless.Node) -> None:
    @node.agent
    async def inner(ctx: Call) -> dict[str, Any]:
        return {"depth": ctx.depth, "from": ctx.caller.agent, "trace": ctx.trace["traceparent"]}

    @node.agent
    async def outer(ctx: Call) -> dict[str, Any]:
        own = {"depth": ctx.depth, "trace": ctx.trace["traceparent"]}
        return {"own": own, "inner": (await node.request("inner")).value}

    @node.agent
    def outer_on_thread(ctx: ThreadCall) -> dict[str, Any]:
        own = {"depth": ctx.depth, "trace": ctx.trace["traceparent"]}
        return {"own": own, "inner": ctx.request("inner").value}

    for name in ("outer", "outer_on_thread"):
        value = (await node.request(name)).value
        assert (value["own"]["depth"], value["inner"]["depth"]) == (0, 1)
        assert value["own"]["trace"].split("-")[1] == value["inner"]["trace"].split("-")[1]
        assert value["inner"]["from"]


async def test_conversation_history(node: hubless.Node) -> None:
    @node.agent(descriptor=Descriptor(records_interaction_context=True))
    async def talk(prompt: str, /, *, ctx: Call) -> str:
        return ",".join(f"{turn.role}" for turn in await ctx.history())

    options = hubless.Options(conversation_id="c")
    answers = [(await node.request("talk", "hi", options=options)).value for _ in range(2)]
    assert answers[0] == ""
    assert answers[1] == "user,assistant"


async def test_usage_is_reported(node: hubless.Node) -> None:
    @node.agent
    async def spends(ctx: Call) -> None:
        await ctx.usage(input_tokens=3, output_tokens=4, cost_micros=5, calls=1, model="m")

    usage = (await node.request("spends")).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cost_micros) == (3, 4, 5)
    assert "m" in usage.by_model


async def test_current_call_is_ambient_and_only_inside(node: hubless.Node) -> None:
    @node.agent
    async def inside() -> bool:
        return hubless.current().agent.name == "inside"

    assert (await node.request("inside")).value is True
    with pytest.raises(LookupError):
        hubless.current()


async def test_content_comes_as_it_was_sent(node: hubless.Node) -> None:
    @node.agent
    async def parts(content: Content) -> list[str]:
        return [type(part).__name__ for part in content.parts]

    mixed = [hubless.Text("a"), hubless.Data(1), hubless.Blob(b"x"), hubless.Uri("https://e.org")]
    assert (await node.request("parts", mixed)).value == ["Text", "Data", "Blob", "Uri"]


async def test_pydantic_models_come_and_go(node: hubless.Node) -> None:
    pydantic = pytest.importorskip("pydantic")
    pair = pydantic.create_model("Pair", base=(str, ...), quote=(str, "USD"))

    async def invert(pair: pair) -> pair:  # type: ignore[valid-type]
        return type(pair)(base=pair.quote, quote=pair.base)  # type: ignore[attr-defined]

    invert.__annotations__ = {"pair": pair, "return": pair}
    await node.register(invert)
    reply = await node.request("invert", pair=pair(base="EUR"))
    assert reply.into(pair) == pair(base="USD", quote="EUR")
    with pytest.raises(errors.JsonError):
        await node.request("invert", pair={"quote": "EUR"})


async def test_unicode_and_numbers_survive(node: hubless.Node) -> None:
    @node.agent
    async def same(content: Content) -> Content:
        return content

    for value in ("Grüße, 世界 🌍", "", {"a": [1, 2.5, None, True]}, 2**53 - 1, [], "a\x00b"):
        assert (await node.request("same", value)).value == value


@pytest.mark.skipif(sys.version_info < (3, 11), reason="asyncio.timeout is of 3.11")
async def test_timeout_block_gives_the_call_up(node: hubless.Node) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()
    seconds = 0.1

    @node.agent
    async def slow() -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cancelled.set()

    # Where the time is over before the handler has begun: once more, with twice as much.
    while not started.is_set() and seconds < 20:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(seconds):
                await node.request("slow")
        seconds *= 2
    await asyncio.wait_for(cancelled.wait(), 20)
