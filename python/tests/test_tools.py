"""Tools that are called when nobody should call them any more, and how often they run."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from programs import knows

import hubless
from hubless import Call

PATIENCE_SECONDS = 20


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("end", ["answered", "failed", "given up"])
async def test_a_tool_called_after_the_end_of_the_call_does_not_run(
    node: hubless.Node, direct: bool, end: str
) -> None:
    ran: list[str] = []
    over = asyncio.Event()
    late: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def note(when: str) -> int:
        ran.append(when)
        return len(ran)

    async def calls_late(ctx: Call) -> None:
        await over.wait()
        try:
            late.set_result(f"ran {await ctx.call_tool('note', {'when': 'late'})}")
        except hubless.Error as error:
            late.set_result(error.kind)

    started = []

    @node.agent
    async def works(ctx: Call) -> Any:
        started.append(asyncio.ensure_future(calls_late(ctx)))
        count = await ctx.call_tool("note", {"when": "in time"})
        if end == "failed":
            raise RuntimeError("broken")
        if end == "given up":
            call.cancel()
            await asyncio.Event().wait()
        return count

    async with hubless.Node.start() as other:
        await knows(other, "works")
        caller = other if direct else node
        call = asyncio.ensure_future(caller.request("works", tools=[note]))
        (answer,) = await asyncio.gather(call, return_exceptions=True)
        expected = {
            "answered": hubless.Reply,
            "failed": hubless.Rejected,
            "given up": asyncio.CancelledError,
        }
        assert isinstance(answer, expected[end])
        assert ran == ["in time"]
        over.set()
        assert not (await asyncio.wait_for(late, PATIENCE_SECONDS)).startswith("ran")
        assert ran == ["in time"]
        # The caller goes on, and offers it again.
        if end == "answered":
            assert (await caller.request("works", tools=[note])).value == 2


async def test_each_call_of_a_tool_runs_it_once(node: hubless.Node) -> None:
    ran: list[int] = []

    def note(n: int) -> int:
        ran.append(n)
        return n

    @node.agent
    async def works(ctx: Call) -> list[Any]:
        return await asyncio.gather(*(ctx.call_tool("note", {"n": n // 2}) for n in range(8)))

    async with hubless.Node.start() as other:
        await knows(other, "works")
        for caller in (node, other):
            reply = await caller.request("works", tools=[hubless.Tool(note, effect="AT_MOST_ONCE")])
            assert reply.value == [0, 0, 1, 1, 2, 2, 3, 3]
            assert sorted(ran) == reply.value
            ran.clear()


async def test_a_tool_that_gives_itself_up_says_so(node: hubless.Node) -> None:
    def gives_up() -> str:
        raise asyncio.CancelledError("changed my mind")

    @node.agent
    async def works(ctx: Call) -> str:
        try:
            return str(await ctx.call_tool("gives_up", {}))
        except hubless.Error as error:
            return error.kind

    work = node.request("works", tools=[gives_up])
    assert (await asyncio.wait_for(work, PATIENCE_SECONDS)).value == "cancelled"
