"""Switches: what they tell, how they reach requests, stops, listeners, and what they leave."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from programs import knows

import hubless
from hubless import Amounts, Call, KillSwitch, Options, Spent, Stop, _core, errors

PATIENCE_SECONDS = 20


class Told:
    """Collects the stops that a listener was told, with the thread."""

    def __init__(self) -> None:
        self.stops: list[Stop] = []
        self.threads: list[str] = []
        self.told = threading.Event()

    def __call__(self, stop: Stop) -> None:
        self.stops.append(stop)
        self.threads.append(threading.current_thread().name)
        self.told.set()

    async def wait(self) -> Stop:
        assert await asyncio.to_thread(self.told.wait, PATIENCE_SECONDS)
        return self.stops[0]


async def until(holds: Callable[[], bool]) -> None:
    """Waits for what another node's last word brings about."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


def open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.fixture
async def worker(node: hubless.Node) -> hubless.Node:
    @node.agent
    async def work(ctx: Call) -> bool:
        async with ctx.spend():
            return ctx.granted is not None

    @node.agent
    async def count(n: int) -> AsyncIterator[str]:
        for number in range(n):
            yield str(number)

    await node.op("node.status", {})
    return node


# What it tells ----------------------------------------------------------------------------------


def test_it_needs_no_node_and_no_loop() -> None:
    switch = KillSwitch(calls=5, wall_time=600)
    assert (switch.state, switch.stop, switch.tree()) == ("armed", None, None)
    assert (switch.spent, switch.remaining) == (Spent(), Amounts(calls=5))
    assert switch.overrun == Spent()
    before = time.time()
    switch.trip("depth")
    stop = switch.stop
    assert stop is not None and (stop.reason, stop.by) == ("depth", None)
    assert before - 1 <= stop.at <= time.time() + 1
    assert repr(switch) == "KillSwitch(tripped)"
    switch.trip()
    assert switch.stop == stop, "the first stop stands"


def test_a_reason_that_is_none_is_refused() -> None:
    reason: Any = "bored"
    with pytest.raises(errors.InvalidArgumentError) as raised:
        KillSwitch(calls=5).trip(reason)
    assert raised.value.field == "reason"


def test_a_closed_switch_says_so() -> None:
    switch = KillSwitch(calls=5)
    switch.close()
    switch.close()
    assert repr(switch) == "KillSwitch(closed)"
    for use in (switch.tree, switch.trip, lambda: switch.state, lambda: switch.on_tripped(print)):
        with pytest.raises(errors.ClosedError):
            use()


async def test_a_closed_switch_lets_no_request_through(worker: hubless.Node) -> None:
    switch = KillSwitch(calls=5)
    switch.close()
    with pytest.raises(errors.ClosedError):
        await worker.request("work", options=Options(kill_switch=switch))
    with switch, pytest.raises(errors.ClosedError):
        await worker.request("work")


async def test_its_tree_shows_each_grant(node: hubless.Node) -> None:
    @node.agent
    async def think(ctx: Call) -> None:
        async with ctx.spend(max_output=10) as spend:
            spend.used(output=6)

    switch = KillSwitch(output_tokens=400)
    with switch:
        reply = await node.request("think")
    tree = switch.tree()
    assert tree is not None
    assert (tree.agent_id, tree.node_key, tree.state) == (None, node.node_key, "open")
    (child,) = tree.children
    assert (child.agent_id, child.state) == (reply.agent.agent_id, "settled")
    assert child.amount == Amounts(output_tokens=100)
    assert (child.charged.output_tokens, child.used.output_tokens) == (6, 6)


# How it reaches requests ------------------------------------------------------------------------


async def test_every_form_of_request_takes_it_explicitly(worker: hubless.Node) -> None:
    switch = KillSwitch(calls=100)
    options = Options(kill_switch=switch, max=Amounts(calls=0))
    assert (await worker.request("work", options=options)).value is True
    response = await worker.send("work", options=options)
    assert response.output is not None and response.output.value is True
    async with worker.stream("count", n=2, options=options) as chunks:
        assert [chunk.text async for chunk in chunks] == ["0", "1"]
    assert switch.spent.calls == 3
    assert (await worker.request("work")).value is False
    assert switch.spent.calls == 3


async def test_a_peer_takes_it_along(worker: hubless.Node) -> None:
    switch, other = KillSwitch(calls=100), KillSwitch(calls=100)
    plain = await worker.peer("work")
    peer = plain.with_switch(switch)
    assert peer == plain
    assert await peer() is True
    assert (await peer.request()).value is True
    response = await peer.send()
    assert response.output is not None and response.output.value is True
    async with peer.stream() as chunks:
        assert [chunk async for chunk in chunks] == []
    assert (await worker.request(peer)).value is True
    assert (switch.spent.calls, await plain()) == (5, False)
    with other:
        await peer()
        assert (switch.spent.calls, other.spent.calls) == (6, 0)
    await peer.request(options=Options(kill_switch=other))
    assert (switch.spent.calls, other.spent.calls) == (6, 1)


async def test_the_most_of_a_request_bounds_its_grant(node: hubless.Node) -> None:
    @node.agent
    async def granted(ctx: Call) -> Any:
        async with ctx.spend():
            return ctx.granted and ctx.granted.output_tokens

    switch = KillSwitch(output_tokens=400)
    ten = Options(kill_switch=switch, max=Amounts(output_tokens=10))
    assert (await node.request("granted", options=ten)).value == 10
    assert (await node.request("granted", options=Options(kill_switch=switch))).value == 100


async def test_a_handler_under_a_budget_names_no_other(node: hubless.Node) -> None:
    own = KillSwitch(calls=100)

    @node.agent
    async def inner(ctx: Call) -> bool:
        return ctx.granted is not None

    @node.agent
    async def outer(named: bool, ctx: Call) -> Any:
        if named:
            return (await ctx.node.request("inner", options=Options(kill_switch=own))).value
        with own:
            return (await ctx.node.request("inner")).value

    switch = KillSwitch(calls=100)
    with switch:
        with pytest.raises(errors.ConfigurationError) as raised:
            await node.request("outer", named=True)
        assert raised.value.code == "second_budget"
        before = switch.spent.calls
        assert (await node.request("outer", named=False)).value is True
    assert (switch.spent.calls, own.spent.calls) == (before + 2, 0)
    # Without a budget of its own, its handler may open one.
    for named in (True, False):
        assert (await node.request("outer", named=named)).value is True
    assert own.spent.calls == 2
    # The handler, and so its node, holds on to it.
    own.close()


async def test_what_the_callee_calls_back_is_under_the_request(node: hubless.Node) -> None:
    @node.agent
    async def leaf(ctx: Call) -> bool:
        return ctx.granted is not None

    @node.agent
    async def works(ctx: Call) -> Any:
        async with ctx.spend():
            return [await ctx.call_tool("ask"), await ctx.input("which?")]

    async def ask() -> Any:
        return (await node.request("leaf")).value

    async def answer(_: hubless.Content) -> Any:
        return (await node.request("leaf")).value

    for ambient in (True, False):
        switch = KillSwitch(calls=100)
        named = Options(kill_switch=None if ambient else switch, on_input=answer)
        if ambient:
            with switch:
                reply = await node.request("works", tools=[ask], options=named)
        else:
            reply = await node.request("works", tools=[ask], options=named)
        assert (reply.value, switch.spent.calls) == ([True, True], 3)


@pytest.mark.parametrize("strict", [False, True])
async def test_it_reaches_another_node_and_comes_back(node: hubless.Node, strict: bool) -> None:
    @node.agent
    async def think(ctx: Call) -> str:
        async with ctx.spend(max_output=10) as spend:
            spend.used(output=6)
        return str(ctx.granted)

    async with hubless.Node.start() as other:
        await knows(other, "think")
        switch = KillSwitch(output_tokens=400, calls=5, strict=strict)
        with switch:
            reply = await other.request("think")
        assert reply.path == "direct"
        assert reply.value == str(Amounts(output_tokens=100, calls=1))
        await until(lambda: switch.spent == Spent(output_tokens=6, calls=1))
        tree = switch.tree()
        assert tree is not None and tree.children[0].node_key == node.node_key
        # It is the budget of that node only.
        with pytest.raises(errors.ConfigurationError) as raised:
            await node.request("think", options=Options(kill_switch=switch))
        assert raised.value.code == "other_node"


# Stops ------------------------------------------------------------------------------------------


async def until_stopped(runs: asyncio.Queue[str]) -> None:
    """Waits to be cancelled, and tells of both."""
    runs.put_nowait("runs")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        runs.put_nowait("cancelled")
        raise


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_stop_cancels_handlers_and_refuses_what_comes(
    node: hubless.Node, elsewhere: bool
) -> None:
    runs: asyncio.Queue[str] = asyncio.Queue()

    @node.agent
    async def waits() -> None:
        await until_stopped(runs)

    async with hubless.Node.start() as other:
        await knows(other, "waits")
        caller = other if elsewhere else node
        switch, spared = KillSwitch(calls=100), KillSwitch(calls=100)
        with spared:
            alive = asyncio.ensure_future(caller.request("waits"))
        assert await asyncio.wait_for(runs.get(), PATIENCE_SECONDS) == "runs"
        with switch:
            call = asyncio.ensure_future(caller.request("waits"))
            assert await asyncio.wait_for(runs.get(), PATIENCE_SECONDS) == "runs"
            switch.trip()
            with pytest.raises(errors.KilledError) as raised:
                await asyncio.wait_for(call, PATIENCE_SECONDS)
            assert (raised.value.kind, raised.value.code) == ("killed", "operator")
            assert await asyncio.wait_for(runs.get(), PATIENCE_SECONDS) == "cancelled"
            for again in (caller.request("waits"), caller.send("waits")):
                with pytest.raises(errors.KilledError):
                    refused: Any = await again
                    raise refused.rejection
        told = Told()
        switch.on_tripped(told)
        assert await told.wait() == switch.stop
        assert switch.stop is not None and switch.stop.by == caller.node_key
        assert (spared.state, alive.done(), runs.empty()) == ("armed", False, True)
        alive.cancel()


@pytest.mark.parametrize("elsewhere", [False, True])
async def test_a_handler_stops_what_is_below_it_and_nothing_else(
    node: hubless.Node, elsewhere: bool
) -> None:
    runs: asyncio.Queue[str] = asyncio.Queue()
    below_runs = asyncio.Event()
    ends: asyncio.Queue[str] = asyncio.Queue()

    @node.agent
    async def waits(ctx: Call) -> None:
        async with ctx.spend():
            await until_stopped(runs)

    async with hubless.Node.start() as other:
        holder = other if elsewhere else node

        @holder.agent
        async def halts(ctx: Call) -> str:
            async with ctx.spend(max_output=100) as spend:
                spend.used(output=60)
            below = asyncio.ensure_future(ctx.node.request("waits"))
            below.add_done_callback(lambda done: done.cancelled() or done.exception())
            try:
                await below_runs.wait()
                await ctx.trip()
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ends.put_nowait("cancelled")
                raise
            finally:
                below.cancel()
            return "nobody gets this"

        await knows(other, "waits")
        await knows(node, "halts")
        switch = KillSwitch(output_tokens=4000)
        with switch:
            beside = asyncio.ensure_future(node.request("waits"))
            assert await asyncio.wait_for(runs.get(), PATIENCE_SECONDS) == "runs"
            call = asyncio.ensure_future(node.request("halts"))
            assert await asyncio.wait_for(runs.get(), PATIENCE_SECONDS) == "runs"
            below_runs.set()
            with pytest.raises(errors.KilledError) as raised:
                await asyncio.wait_for(call, PATIENCE_SECONDS)
            assert (raised.value.kind, raised.value.code) == ("killed", "operator")
            assert await asyncio.wait_for(runs.get(), PATIENCE_SECONDS) == "cancelled"
            assert await asyncio.wait_for(ends.get(), PATIENCE_SECONDS) == "cancelled"
            await until(lambda: switch.spent.output_tokens == 60)
            assert (switch.state, beside.done(), runs.empty()) == ("armed", False, True)
            # The rest is there for others.
            again = asyncio.ensure_future(node.request("waits"))
            assert await asyncio.wait_for(runs.get(), PATIENCE_SECONDS) == "runs"
            switch.trip()
            for stopped in (beside, again):
                with pytest.raises(errors.KilledError):
                    await asyncio.wait_for(stopped, PATIENCE_SECONDS)


async def test_a_call_without_a_budget_has_nothing_to_stop(node: hubless.Node) -> None:
    codes: list[str | None] = []

    @node.agent
    async def bare(ctx: Call) -> bool:
        with pytest.raises(errors.NotFoundError) as raised:
            await ctx.trip()
        codes.append(raised.value.code)
        return ctx.cancelled

    @node.agent
    def blocks(ctx: hubless.ThreadCall) -> bool:
        with pytest.raises(errors.NotFoundError) as raised:
            ctx.trip()
        codes.append(raised.value.code)
        return ctx.cancelled

    for name in ("bare", "blocks"):
        assert (await node.request(name)).value is False
    assert codes == ["grant", "grant"]


async def test_a_thread_that_is_stopped_sees_it(node: hubless.Node) -> None:
    started, seen = threading.Event(), threading.Event()

    @node.agent
    def waits(ctx: hubless.ThreadCall) -> None:
        started.set()
        while not ctx.cancelled:
            time.sleep(0.01)
        seen.set()

    switch = KillSwitch(calls=5)
    with switch:
        call = asyncio.ensure_future(node.request("waits"))
        assert await asyncio.to_thread(started.wait, PATIENCE_SECONDS)
        switch.trip()
        with pytest.raises(errors.KilledError):
            await call
    assert await asyncio.to_thread(seen.wait, PATIENCE_SECONDS)


async def test_its_time_stops_it(node: hubless.Node) -> None:
    @node.agent
    async def waits() -> None:
        await asyncio.Event().wait()

    with KillSwitch(wall_time=0.2) as switch, pytest.raises(errors.KilledError) as raised:
        await asyncio.wait_for(node.request("waits"), PATIENCE_SECONDS)
    assert raised.value.code == "wall_time"
    told = Told()
    switch.on_tripped(told)
    assert (await told.wait()).reason == "wall_time"


# Listeners --------------------------------------------------------------------------------------


async def test_whatever_listeners_do_the_stop_stands_and_each_is_told_once(
    worker: hubless.Node, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, late = Told(), Told(), Told()
    release = threading.Event()
    blocked = threading.Event()

    def blocks(_: Stop) -> None:
        blocked.set()
        release.wait(PATIENCE_SECONDS)

    def raises(_: Stop) -> None:
        raise RuntimeError("broken on purpose")

    async def waits(stop: Stop) -> None:
        await asyncio.sleep(0)
        first(stop)

    switch = KillSwitch(calls=5)
    with switch:
        await worker.request("work")
    for listener in (blocks, raises, lambda _: None, waits, second):
        switch.on_tripped(listener)
    assert not first.stops + second.stops
    with caplog.at_level(logging.WARNING, "hubless.python"):
        switch.trip()
        assert (await first.wait()).reason == "operator"
        assert (await second.wait()).by == worker.node_key
        assert await asyncio.to_thread(blocked.wait, PATIENCE_SECONDS)
        await until(lambda: "broken on purpose" in caplog.text)
    switch.trip("depth")
    switch.on_tripped(late)
    assert await late.wait() == await first.wait() == await second.wait() == switch.stop
    release.set()
    assert [len(told.stops) for told in (first, second, late)] == [1, 1, 1]
    assert {name for told in (first, second, late) for name in told.threads} == {"hubless-tripped"}


async def test_a_listener_is_under_nothing(worker: hubless.Node) -> None:
    answers: asyncio.Queue[Any] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def tells(_: Stop) -> None:
        reply = await worker.request("work")
        loop.call_soon_threadsafe(answers.put_nowait, reply.value)

    with KillSwitch(calls=5) as switch:
        switch.on_tripped(tells)
        switch.trip()
    assert await asyncio.wait_for(answers.get(), PATIENCE_SECONDS) is False


async def test_listeners_hear_of_a_stop_though_nobody_keeps_the_switch(
    worker: hubless.Node,
) -> None:
    told = Told()

    async def begins() -> weakref.ref[KillSwitch]:
        with KillSwitch(calls=5) as switch:
            await worker.request("work")
            switch.on_tripped(told)
            switch.trip()
        return weakref.ref(switch)

    gone = await begins()
    gc.collect()
    assert gone() is None
    assert (await told.wait()).reason == "operator"


# What it leaves ---------------------------------------------------------------------------------


async def test_it_leaves_nothing_behind(worker: hubless.Node) -> None:
    async def goes(how: str) -> list[Stop]:
        told = Told()
        switch = KillSwitch(calls=100)
        switch.on_tripped(told)
        with switch:
            await worker.request("work")
        if how == "closed":
            switch.close()
        if how == "tripped":
            switch.trip()
            await told.wait()
        return told.stops

    def counts() -> tuple[int, int, int]:
        return _core.handles(), threading.active_count(), open_descriptors()

    gc.collect()
    await goes("tripped")
    await until(lambda: not [one for one in threading.enumerate() if "switch" in one.name])
    gc.collect()
    before = counts()
    held = KillSwitch(calls=1)
    held.on_tripped(print)
    assert _core.handles() == before[0] + 2, "a switch and the session of its listeners count"
    del held
    for how in ("closed", "collected", "tripped") * 3:
        assert len(await goes(how)) == (how == "tripped")
        gc.collect()
    await until(lambda: counts() == before)


def test_hundreds_of_switches_leave_nothing_behind() -> None:
    before = _core.handles()
    for _ in range(300):
        KillSwitch(calls=1)
    gc.collect()
    assert _core.handles() == before


def test_a_home_is_not_needed(home: Path) -> None:
    KillSwitch(calls=1).trip()
    assert list(home.iterdir()) == []
