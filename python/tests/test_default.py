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


def test_what_refuses_a_declaration_is_told_to_each_who_awaits_it() -> None:
    async def main() -> None:
        wrong = hubless.register(42, name="wrong")
        for _ in range(2):
            with pytest.raises(hubless.errors.ConfigurationError):
                await wrong

    asyncio.run(main())


def test_two_loops_at_once_have_one_node_each() -> None:
    @hubless.agent
    async def first() -> str:
        return "first"

    async def second() -> str:
        return "second"

    async def elsewhere(key: str) -> None:
        own = (await hubless.default()).node_key
        assert own != key
        await hubless.register(second)
        answers = [await hubless.request(name) for name in ("first", "second")]
        assert [answer.value for answer in answers] == ["first", "second"]
        # What was declared went to the loop that awaited first, what came here stays here.
        assert [answer.agent.node_key for answer in answers] == [key, own]
        assert [answer.path for answer in answers] == ["direct", "in_process"]

    async def main() -> None:
        key = (await hubless.default()).node_key
        assert (await hubless.request("first")).path == "in_process"
        await asyncio.to_thread(asyncio.run, elsewhere(key))

    asyncio.run(main())


def test_what_a_thread_declares_goes_to_the_loop_that_awaits_next() -> None:
    async def greet() -> str:
        return "hi"

    async def main() -> None:
        key = (await hubless.default()).node_key
        declared = await asyncio.to_thread(hubless.register, greet)
        assert (await declared).name == "greet"
        await asyncio.to_thread(hubless.agent(name="late"), greet)
        for name in ("greet", "late"):
            assert (await hubless.request(name)).agent.node_key == key

    asyncio.run(main())
