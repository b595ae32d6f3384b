"""Other loops, many loops, other ways to wake up."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import Any

import pytest

import hubless
from hubless import _core


async def conversation() -> None:
    """Two nodes on this loop talk."""

    async def add(n: int) -> int:
        await asyncio.sleep(0)
        return n + 1

    def add_on_thread(n: int) -> int:
        return n + 1

    async with hubless.Node.start() as one, hubless.Node.start() as two:
        name = f"add-{one.node_key[:8]}"
        await one.register(add, name=name)
        await one.register(add_on_thread, name=f"{name}-thread")
        for to in (name, f"{name}-thread"):
            replies = await asyncio.gather(*(two.request(to, n=n) for n in range(16)))
            assert [reply.value for reply in replies] == list(range(1, 17))
        stream = two.stream(name, n=1)
        assert [event async for event in stream.events()][-1] is stream.reply


def test_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")
    if sys.version_info >= (3, 11):
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(conversation())
    else:
        loop = uvloop.new_event_loop()
        loop.run_until_complete(conversation())
        loop.close()


def test_waking_by_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBLESS_PYTHON_WAKE", "thread")
    asyncio.run(conversation())


def test_four_threads_with_loops_of_their_own() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            asyncio.run(conversation())
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failures == []


async def test_node_is_used_from_another_loop(node: hubless.Node) -> None:
    @node.agent
    async def add(n: int) -> int:
        return n + 1

    async def there() -> list[object]:
        values: list[object] = [(await node.request("add", n=1)).value]
        stream = node.stream("add", n=2)
        values += [event async for event in stream.events()]
        values.append((await node.register(lambda: "x", name="late")).name)
        values.append((await node.find("late"))[0].name)
        return values

    values = await asyncio.to_thread(asyncio.run, there())
    assert values[0] == 2
    assert values[-2:] == ["late", "late"]


async def test_a_request_given_up_on_another_loop_stops_its_handler(
    node: hubless.Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    @node.agent
    async def slow() -> str:
        began.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return "too late"

    await node.register(lambda: "x", name="other")
    gave_up = threading.Event()
    submit = _core.submit

    def late(session: int, ticket: int, op: str, *more: Any) -> bool:
        # This loop is busy until the other one has given up.
        assert op != "request" or gave_up.wait(20)
        return submit(session, ticket, op, *more)

    monkeypatch.setattr(_core, "submit", late)

    async def there() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(node.request("slow"), 0.05)
        gave_up.set()

    await asyncio.to_thread(asyncio.run, there())

    async def over() -> None:
        while (await node.status())["calls"]:
            await asyncio.sleep(0.01)

    # It may be given up before it has begun; then it does not begin.
    await asyncio.wait_for(over(), 20)
    assert began.is_set() == ended.is_set()


def test_loop_that_ends_without_close_leaves_nothing() -> None:
    async def main() -> None:
        node = await hubless.Node.start()
        await node.register(lambda: "x", name="one")

    asyncio.run(main())
