"""The process-wide default node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

import hubless
from hubless import _default as module


@pytest.fixture(autouse=True)
def nothing_declared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(module, "_declared", [])
    yield


def test_declared_agents_go_to_the_first_node_which_ends_with_its_loop() -> None:
    @hubless.agent
    async def greet(name: str) -> str:
        return f"hello {name}"

    @hubless.agent(tags=["t"])
    async def count(n: int) -> AsyncIterator[str]:
        for number in range(n):
            yield str(number)

    async def main() -> hubless.Node:
        assert (await hubless.request("greet", name="you")).value == "hello you"
        assert [chunk.text async for chunk in hubless.stream("count", n=2)] == ["0", "1"]
        assert (await hubless.peer(tags=["t"])).name == "count"
        assert [peer.name for peer in await hubless.find(tags=["t"])] == ["count"]
        late = await hubless.register(greet, name="late")
        assert late.address
        assert (await hubless.send("late", name="x")).output is not None
        return await hubless.default()

    node = asyncio.run(main())
    assert node.session.closed


def test_every_loop_has_its_own() -> None:
    async def main() -> str:
        first, second = await asyncio.gather(hubless.default(), hubless.default())
        assert first is second
        return first.node_key

    assert asyncio.run(main()) != asyncio.run(main())


def test_a_closed_default_node_is_replaced() -> None:
    async def main() -> None:
        node = await hubless.default()
        await node.close()
        assert not (await hubless.default()).session.closed

    asyncio.run(main())


def test_registering_can_be_awaited() -> None:
    async def greet() -> str:
        return "hi"

    async def main() -> None:
        agent = await hubless.register(greet)
        assert agent.name == "greet"
        with pytest.raises(hubless.errors.ConflictError):
            await hubless.register(greet)

    asyncio.run(main())
