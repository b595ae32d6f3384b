"""Spendings of handlers: set aside, said, left open, and what they cost."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

import hubless
from hubless import Amounts, Call, KillSwitch, Options, Spent, ThreadCall, Usage, errors, sync


async def test_what_was_used_is_charged_and_the_rest_is_free_again(node: hubless.Node) -> None:
    granted: list[Amounts | None] = []

    @node.agent
    async def think(ctx: Call) -> None:
        granted.append(ctx.granted)
        async with ctx.spend(max_input=600, max_output=100, max_cost=50) as spend:
            spend.used(input=250, output=60, cost=7)
        # What came back can be set aside again.
        async with ctx.spend(max_input=750) as spend:
            spend.used(input=1)

    switch = KillSwitch(input_tokens=4_000, output_tokens=4_000, cost_micros=400)
    with switch:
        reply = await node.request("think")
    assert granted == [Amounts(input_tokens=1_000, output_tokens=1_000, cost_micros=100)]
    assert reply.usage == Usage(251, 60, 7, 0)
    assert switch.spent == Spent(251, 60, 7, 1)
    assert switch.remaining == Amounts(3_749, 3_940, 393, None)


async def test_without_a_budget_it_only_counts(node: hubless.Node) -> None:
    @node.agent
    async def think(ctx: Call) -> bool:
        async with ctx.spend(max_output=2**53 - 1) as spend:
            spend.used(output=60)
        return ctx.granted is None

    reply = await node.request("think")
    assert (reply.value, reply.usage.output_tokens, reply.usage.charged_in_full) == (
        True,
        60,
        False,
    )


async def test_leaving_without_a_word_charges_in_full(node: hubless.Node) -> None:
    @node.agent
    async def think(how: str, ctx: Call) -> None:
        with contextlib.suppress(RuntimeError):
            async with ctx.spend(max_output=10):
                if how == "raises":
                    raise RuntimeError("broken on purpose")
        # It is charged before the end of the call, so this finds less.
        if how == "full":
            async with ctx.spend(max_output=95):
                pass

    switch = KillSwitch(output_tokens=400)
    with switch:
        for how in ("leaves", "raises"):
            before = switch.spent.output_tokens
            usage = (await node.request("think", how=how)).usage
            assert (usage.output_tokens, usage.charged_in_full) == (10, False)
            assert switch.spent.output_tokens == before + 10
        with pytest.raises(errors.BudgetExhaustedError):
            await node.request("think", how="full")


async def test_a_handler_that_says_nothing_is_charged_all_it_was_granted(
    node: hubless.Node,
) -> None:
    @node.agent
    async def silent(aside: bool, ctx: Call) -> None:
        if aside:
            async with ctx.spend():
                pass

    switch = KillSwitch(output_tokens=400)
    with switch:
        assert not (await node.request("silent", aside=True)).usage.charged_in_full
        assert switch.spent.output_tokens == 0
        assert (await node.request("silent", aside=False)).usage.charged_in_full
        assert switch.spent.output_tokens == 100


async def test_cancelling_charges_what_was_set_aside(node: hubless.Node) -> None:
    aside, left = asyncio.Event(), asyncio.Event()

    @node.agent
    async def think(ctx: Call) -> None:
        try:
            async with ctx.spend(max_output=10):
                aside.set()
                await asyncio.Event().wait()
        finally:
            left.set()

    switch = KillSwitch(output_tokens=400)
    with switch:
        call = asyncio.ensure_future(node.request("think"))
        await asyncio.wait_for(aside.wait(), 20)
        assert switch.spent.output_tokens == 0
        call.cancel()
        await asyncio.wait_for(left.wait(), 20)
    assert switch.spent.output_tokens == 10


async def test_a_second_word_and_a_wrong_one_are_refused(node: hubless.Node) -> None:
    seen: dict[str, errors.InvalidArgumentError] = {}

    def refused(name: str, spend: Any, **used: Any) -> None:
        with pytest.raises(errors.InvalidArgumentError) as raised:
            spend.used(**used)
        seen[name] = raised.value

    @node.agent
    async def think(ctx: Call) -> None:
        spend = ctx.spend(max_output=10)
        refused("early", spend, output=1)
        async with spend:
            refused("wrong", spend, output=-1)
            spend.used(output=3)
            refused("again", spend, output=3)
        refused("late", spend)
        with pytest.raises(errors.InvalidArgumentError):
            async with spend:
                pass
        bad: Any = float("nan")
        with pytest.raises(errors.InvalidArgumentError) as raised:
            async with ctx.spend(max_cost=bad):
                pass
        seen["nan"] = raised.value

    switch = KillSwitch(output_tokens=400)
    with switch:
        assert (await node.request("think")).usage.output_tokens == 3
    fields = {name: error.field for name, error in seen.items()}
    assert fields == {
        "early": "spend",
        "wrong": "outputTokens",
        "again": "spend",
        "late": "spend",
        "nan": "costMicros",
    }
    assert (seen["wrong"].code, seen["nan"].code) == ("amount", "amount")


async def test_a_word_after_the_call_is_refused(node: hubless.Node) -> None:
    kept: list[Any] = []

    @node.agent
    async def think(ctx: Call) -> None:
        async with contextlib.AsyncExitStack() as stack:
            kept.append(await stack.enter_async_context(ctx.spend(max_output=10)))
            kept.append(stack.pop_all())

    switch = KillSwitch(output_tokens=400)
    with switch:
        await node.request("think")
    spend, stack = kept
    with pytest.raises(errors.InvalidArgumentError) as raised:
        spend.used(output=1)
    assert raised.value.field == "spend"
    await stack.aclose()
    assert switch.spent.output_tokens == 10


async def test_more_than_was_set_aside_stops_the_switch(node: hubless.Node) -> None:
    @node.agent
    async def think(ctx: Call) -> None:
        async with ctx.spend(max_output=10) as spend:
            spend.used(output=90)
        await asyncio.Event().wait()

    told: asyncio.Queue[hubless.Stop] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    switch = KillSwitch(output_tokens=400)
    switch.on_tripped(lambda stop: loop.call_soon_threadsafe(told.put_nowait, stop))
    with switch, pytest.raises(errors.KilledError) as raised:
        await node.request("think")
    assert raised.value.code == "output_exceeded"
    assert (await asyncio.wait_for(told.get(), 20)).reason == "output_exceeded"
    assert switch.spent.output_tokens == 90


async def test_plain_handlers_spend_on_their_thread(node: hubless.Node) -> None:
    @node.agent
    def think(used: int, ctx: ThreadCall) -> bool:
        with ctx.spend(max_output=50) as spend:
            if used:
                spend.used(output=used)
        return ctx.granted == Amounts(output_tokens=100)

    switch = KillSwitch(output_tokens=400)
    with switch:
        reply = await node.request("think", used=20)
        assert (reply.value, reply.usage.output_tokens) == (True, 20)
        assert (await node.request("think", used=0)).usage.output_tokens == 50
        # The answer may be there before the stop is.
        with contextlib.suppress(errors.KilledError):
            await node.request("think", used=51)
    assert switch.spent.output_tokens == 121


def test_the_blocking_twin_spends_and_pays(home: object) -> None:
    with sync.Node.start() as node:

        @node.agent
        def think(ctx: sync.Call) -> str:
            with ctx.spend(max_output=50) as spend:
                spend.used(output=20)
            return str(ctx.request("model").value)

        @node.agent
        def model(ctx: sync.Call) -> str:
            with ctx.spend(max_output=5) as spend:
                spend.used(output=5)
            return "thought"

        @node.agent
        def count(ctx: sync.Call) -> Any:
            with ctx.spend():
                yield "1"

        switch = KillSwitch(output_tokens=4_000, calls=40)
        with switch:
            assert node.request("think").value == "thought"
            assert switch.spent == Spent(output_tokens=25, calls=2)
            with node.stream("count") as stream:
                assert [chunk.text for chunk in stream] == ["1"]
        options = Options(kill_switch=switch)
        assert node.request("think", options=options).value == "thought"
        assert node.send("model", options=options).usage.output_tokens == 5
        assert node.peer("model").with_switch(switch)() == "thought"
        assert switch.spent == Spent(output_tokens=60, calls=7)
        assert node.request("model").value == "thought"
        assert switch.spent.calls == 7
        switch.trip()
        with pytest.raises(errors.KilledError), switch:
            node.request("model")
