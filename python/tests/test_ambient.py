"""What is handed on without being said: the switch that code is under, never somebody else's."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import Any

import pytest

import hubless
from hubless import Call, KillSwitch, Options, _ambient


@pytest.fixture
async def node() -> AsyncIterator[hubless.Node]:
    async with hubless.Node.start() as started:

        @started.agent
        async def paid(ctx: Call) -> bool:
            async with ctx.spend():
                return ctx.granted is not None

        yield started


async def paid(node: hubless.Node) -> bool:
    return bool((await node.request("paid")).value)


async def test_every_request_inside_is_under_it(node: hubless.Node) -> None:
    switch = KillSwitch(calls=100)
    assert not await paid(node)
    with switch as entered:
        assert entered is switch
        assert await paid(node)
        assert await asyncio.gather(*(paid(node) for _ in range(3))) == [True] * 3
        assert await asyncio.create_task(paid(node))
        assert await asyncio.to_thread(lambda: asyncio.run(paid(node)))
        assert (await node.send("paid")).output is not None
        async with node.stream("paid") as stream:
            assert [chunk async for chunk in stream] == []
        assert stream.reply.value is True
    assert (await paid(node), switch.spent.calls) == (False, 8)
    async with switch:
        assert await paid(node)


async def test_the_innermost_one_counts_and_one_may_be_entered_again(node: hubless.Node) -> None:
    outer, inner = KillSwitch(calls=100), KillSwitch(calls=100)
    with outer:
        with inner, outer:
            await paid(node)
        with inner:
            await paid(node)
        await paid(node)
    assert (outer.spent.calls, inner.spent.calls) == (2, 1)
    # Left in another order than entered, as tasks do.
    outer.__enter__()
    inner.__enter__()
    outer.__exit__()
    assert _ambient.switch() is inner
    inner.__exit__()
    assert _ambient.switch() is None


async def test_tasks_enter_one_switch_beside_each_other(node: hubless.Node) -> None:
    switch = KillSwitch(calls=100)
    inside = asyncio.Barrier(2) if hasattr(asyncio, "Barrier") else None

    async def enters() -> bool:
        with switch:
            if inside is not None:
                await inside.wait()
            return await paid(node)

    assert await asyncio.gather(enters(), enters()) == [True, True]
    assert _ambient.switch() is None


async def test_a_switch_that_a_request_names_goes_before(node: hubless.Node) -> None:
    around, named = KillSwitch(calls=100), KillSwitch(calls=100)
    with around:
        await node.request("paid", options=Options(kill_switch=named))
    assert (around.spent.calls, named.spent.calls) == (0, 1)


async def test_a_stream_is_under_what_it_was_made_under(node: hubless.Node) -> None:
    switch = KillSwitch(calls=100)
    with switch:
        stream = node.stream("paid")
    async with stream:
        assert [chunk async for chunk in stream] == []
    assert (stream.reply.value, switch.spent.calls) == (True, 1)


SEEN: list[KillSwitch | None] = []
MARK: contextvars.ContextVar[str] = contextvars.ContextVar("mark", default="")


async def sees(ctx: Call) -> bool:
    SEEN.append(_ambient.switch())
    return bool((await ctx.node.request("paid")).value)


def sees_on_a_thread(ctx: hubless.ThreadCall) -> bool:
    SEEN.append(_ambient.switch())
    return bool(ctx.request("paid").value)


async def sees_in_pieces(ctx: Call) -> AsyncIterator[str]:
    SEEN.append(_ambient.switch())
    yield str((await ctx.node.request("paid")).value)


def lets_in(_: hubless.AuthRequest) -> bool:
    SEEN.append(_ambient.switch())
    return True


async def test_handlers_see_no_switch_of_who_started_or_registered() -> None:
    SEEN.clear()
    MARK.set("of the starter")
    theirs = KillSwitch(calls=100)
    with theirs:
        async with hubless.Node.start() as node:

            @node.agent
            async def paid(ctx: Call) -> bool:
                return ctx.granted is not None

            @node.agent
            async def marked() -> str:
                return MARK.get()

            rules = hubless.Requirements(auth=lets_in)
            for handler in (sees, sees_on_a_thread, sees_in_pieces):
                node.register(handler, requirements=rules)
            credential = Options(auth=hubless.Credential("any", "custom"))

            async def ask(name: str) -> Any:
                async with node.stream(name, options=credential) as stream:
                    return [chunk.text async for chunk in stream] or stream.reply.value

            # From outside, as another program would.
            outside = _ambient.outside()
            for name in ("sees", "sees_on_a_thread"):
                assert await outside.run(asyncio.ensure_future, ask(name)) is False
            pieces = await outside.run(asyncio.ensure_future, ask("sees_in_pieces"))
            assert pieces == ["False"]
            assert (SEEN, theirs.spent.calls) == ([None] * len(SEEN), 0)
            assert len(SEEN) == 6
            # What else the starter's context holds is theirs as before; and this would be seen:
            assert (await node.request("marked")).value == "of the starter"
            assert theirs.spent.calls == 1


async def test_a_call_under_a_budget_hands_it_to_every_form_of_handler(
    node: hubless.Node,
) -> None:
    SEEN.clear()
    for handler in (sees, sees_on_a_thread, sees_in_pieces):
        await node.register(handler)
    switch = KillSwitch(calls=100)
    with switch:
        assert (await node.request("sees")).value is True
        assert (await node.request("sees_on_a_thread")).value is True
        async with node.stream("sees_in_pieces") as stream:
            assert [chunk.text async for chunk in stream] == ["True"]
    assert (SEEN, switch.spent.calls) == ([None] * 3, 6)


async def test_a_handler_without_a_budget_opens_one_for_what_it_calls(node: hubless.Node) -> None:
    own = KillSwitch(calls=100)

    @node.agent
    async def opens(ctx: Call) -> Any:
        with own:
            return (await ctx.node.request("paid")).value

    @node.agent
    def opens_on_a_thread(ctx: hubless.ThreadCall) -> Any:
        with own:
            return ctx.request("paid").value

    assert (await node.request("opens")).value is True
    assert (await node.request("opens_on_a_thread")).value is True
    assert (own.spent.calls, _ambient.switch()) == (2, None)
    # The handlers, and so their node, hold on to it.
    own.close()
