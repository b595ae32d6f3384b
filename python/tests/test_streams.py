"""Streamed answers: readers that give up, that come in pairs, that are slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from programs import knows

import hubless
from hubless import Blob, Content, Data, Text, errors

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


async def test_a_piece_of_several_parts_comes_as_several_pieces(node: hubless.Node) -> None:
    async def slow() -> AsyncIterator[bytes]:
        for piece in (b"a", b"bc"):
            yield piece

    @node.agent
    async def parts() -> AsyncIterator[Any]:
        yield Content([Text("one"), Data(2), Blob(source=slow(), media_type="a/b"), Text("four")])
        yield [Text("five"), Text("six")]
        yield None

    @node.agent
    def threaded() -> Iterator[Any]:
        yield [Text("one"), Text("two")]

    stream = node.stream("parts")
    chunks = [chunk async for chunk in stream]
    assert [chunk.value for chunk in chunks] == ["one", 2, None, "four", "five", "six", None]
    assert [chunk.append for chunk in chunks] == [True, False, False, False, True, False, False]
    part = chunks[2].part
    assert isinstance(part, Blob) and await part.bytes() == b"abc"
    whole = (await node.request("threaded")).content.parts
    assert [part.text for part in whole if isinstance(part, Text)] == ["one", "two"]


@pytest.mark.parametrize(
    ("piece", "field"), [(Content(), "content"), (Content([Text("x")], {"of": "all"}), "metadata")]
)
async def test_a_piece_that_cannot_be_sent_fails_the_call(
    node: hubless.Node, piece: Content, field: str
) -> None:
    @node.agent
    async def odd(ctx: hubless.Call) -> str:
        with pytest.raises(errors.InvalidArgumentError) as raised:
            await ctx.chunk(piece)
        return str(raised.value.field)

    assert (await node.request("odd")).value == field


async def test_first_readers_of_a_stream_send_one_request(node: hubless.Node) -> None:
    ran: list[int] = []

    @node.agent
    async def counted() -> AsyncIterator[str]:
        ran.append(1)
        for number in range(COUNT):
            yield str(number)

    stream = node.stream("counted")

    async def read() -> list[str]:
        return [chunk.text async for chunk in stream]

    def elsewhere() -> list[str]:
        return asyncio.run(read())

    read_by = await asyncio.gather(read(), read(), asyncio.to_thread(elsewhere))
    assert sorted(int(text) for texts in read_by for text in texts) == list(range(COUNT))
    assert ran == [1]


async def test_stream_closed_while_it_is_opened_is_not_asked_for(node: hubless.Node) -> None:
    @node.agent
    async def endless() -> AsyncIterator[str]:
        while True:
            yield "more"

    stream = node.stream("endless")
    first = asyncio.ensure_future(stream.__anext__())
    while stream._opening is None:
        await asyncio.sleep(0)
    await stream.close()
    with pytest.raises(StopAsyncIteration):
        await first
    # Whether it had begun or not, nothing of it is left: the fixture counts the handles.


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
