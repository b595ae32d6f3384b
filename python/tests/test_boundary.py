"""After each fault of a handler 1,000 further calls are served and no handle is left."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

import hubless
from hubless import Call, Node, _core, errors

FURTHER = 1_000
AT_ONCE = 50
STREAMED = 3
# Only proves that nothing hangs.
PATIENCE = 30

Fault = Callable[[Node], Awaitable[None]]


async def raises(node: Node) -> None:
    async def faulty() -> str:
        raise RuntimeError("broken")

    agent = await node.register(faulty)
    with pytest.raises(errors.HandlerFailedError, match="broken"):
        await node.request("faulty")
    await agent.unregister()


async def answers_what_json_cannot_say(node: Node) -> None:
    async def faulty() -> dict[str, object]:
        return {"x": object()}

    agent = await node.register(faulty)
    with pytest.raises(errors.HandlerFailedError, match="JSON"):
        await node.request("faulty")
    await agent.unregister()


async def never_returns(node: Node) -> None:
    forever = True

    async def faulty() -> str:
        if forever:
            await asyncio.Event().wait()
        return "place is free"

    agent = await node.register(
        faulty, requirements=hubless.Requirements(max_concurrency=1, queue=0)
    )
    with pytest.raises(errors.DeadlineError):
        await node.request("faulty", options=hubless.Options(total_timeout=0.3))
    forever = False
    assert (await node.request("faulty")).value == "place is free"
    await agent.unregister()


async def is_cancelled_while_streaming(node: Node) -> None:
    ended = asyncio.Event()

    async def faulty() -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
        finally:
            ended.set()

    agent = await node.register(faulty)
    seen = 0
    async for chunk in node.stream("faulty"):
        assert chunk.text == "x"
        seen += 1
        if seen == STREAMED:
            break
    assert seen == STREAMED
    await ended.wait()
    await agent.unregister()


async def unregisters_itself(node: Node) -> None:
    leaving: list[asyncio.Future[None]] = []

    async def faulty() -> str:
        # Besides the call: the grace would wait for the call that waits for it.
        leaving.append(asyncio.ensure_future(agent.unregister()))
        return "last words"

    agent = await node.register(faulty)
    assert (await node.request("faulty")).value == "last words"
    await leaving[0]
    with pytest.raises(errors.NotFoundError):
        await node.request("faulty", options=hubless.Options(wait=0))


async def starts_and_closes_nodes(node: Node) -> None:
    async def faulty(ctx: Call) -> int:
        for _ in range(STREAMED):
            async with Node.start() as other:
                assert (await other.status())["nodeKey"] != ctx.node.node_key
        return STREAMED

    agent = await node.register(faulty)
    assert (await node.request("faulty")).value == STREAMED
    await agent.unregister()


async def serves_further(node: Node) -> None:
    """Counts right answers on the caller's side."""
    right = 0
    for first in range(0, FURTHER, AT_ONCE):
        numbers = range(first, first + AT_ONCE)
        replies = await asyncio.gather(*(node.request("steady", n=n) for n in numbers))
        right += sum(reply.value == n + 1 for n, reply in zip(numbers, replies, strict=True))
    assert right == FURTHER


@pytest.mark.parametrize(
    "fault",
    [
        raises,
        answers_what_json_cannot_say,
        never_returns,
        is_cancelled_while_streaming,
        unregisters_itself,
        starts_and_closes_nodes,
    ],
)
async def test_serves_on_after_a_handler(node: Node, fault: Fault) -> None:
    @node.agent(requirements=hubless.Requirements(max_concurrency=AT_ONCE))
    async def steady(n: int) -> int:
        return n + 1

    assert (await node.request("steady", n=1)).value == 2
    before = _core.handles()
    # The count is able to rise: else its return would say nothing.
    extra = await node.register(steady, name="extra")
    assert _core.handles() == before + 1
    await extra.unregister()
    await asyncio.wait_for(fault(node), PATIENCE)
    await asyncio.wait_for(serves_further(node), PATIENCE)
    until = time.monotonic() + 5
    while _core.handles() != before and time.monotonic() < until:
        await asyncio.sleep(0.01)
    assert _core.handles() == before
