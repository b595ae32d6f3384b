"""Streamed answers: readers that give up, that come in pairs, that are slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from programs import knows

import hubless

COUNT = 300
# More than any queue on the way holds.
MANY = 4_000
LETTERS = 4_000


async def numbers() -> AsyncIterator[str]:
    for number in range(COUNT):
        await asyncio.sleep(0 if number % 3 else 0.001)
        yield str(number)


async def test_reads_given_up_lose_nothing(node: hubless.Node) -> None:
    await node.register(numbers)
    async with hubless.Node.start() as other:
        await knows(other, "numbers")
        stream = other.stream("numbers")
        seen: list[str] = []
        gave_up = 0
        while True:
            try:
                seen.append((await asyncio.wait_for(anext(stream), 0.0005)).text)
            except asyncio.TimeoutError:
                gave_up += 1
            except StopAsyncIteration:
                break
        assert gave_up
        assert "".join(seen) == "".join(str(number) for number in range(COUNT))
        assert stream.reply.path == "direct"


async def test_two_readers_of_a_stream_share_it(node: hubless.Node) -> None:
    await node.register(numbers)
    stream = node.stream("numbers")

    async def read() -> list[str]:
        return [chunk.text async for chunk in stream]

    await anext(stream)
    one, two = await asyncio.gather(read(), read())
    assert sorted(map(int, one + two)) == list(range(1, COUNT))


async def test_stream_dropped_while_a_read_is_left_over_cancels_the_handler(
    node: hubless.Node,
) -> None:
    ended = asyncio.Event()

    @node.agent
    async def silent() -> AsyncIterator[str]:
        try:
            yield "first"
            await asyncio.sleep(60)
        finally:
            ended.set()

    stream = node.stream("silent")
    assert (await anext(stream)).text == "first"
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(anext(stream), 0.01)
    del stream
    await asyncio.wait_for(ended.wait(), 20)


@pytest.mark.parametrize("direct", [False, True])
async def test_slow_reader_holds_the_handler_back(node: hubless.Node, direct: bool) -> None:
    made = 0

    @node.agent
    async def many() -> AsyncIterator[dict[str, Any]]:
        nonlocal made
        for number in range(MANY):
            made += 1
            yield {"n": number, "letters": "x" * LETTERS}

    async with hubless.Node.start() as other:
        await knows(other, "many")
        stream = (other if direct else node).stream("many")
        first = await anext(stream)
        reached = 0
        while made > reached:
            reached = made
            await asyncio.sleep(0.2)
        assert reached < MANY / 2
        rest = [chunk.value["n"] async for chunk in stream]
        assert [first.value["n"], *rest] == list(range(MANY))
