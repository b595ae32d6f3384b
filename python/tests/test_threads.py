"""Plain ``def`` handlers: their threads, how many there are, and what the threads can do."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import hubless
import hubless.sync
from hubless import Call, KillSwitch, ThreadCall, errors

THREADS = 32
PATIENCE_SECONDS = 20


class Blocked:
    """Is an agent whose calls hold their threads until they are let go of."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.started = threading.Semaphore(0)
        self.told = threading.Semaphore(0)

    def handle(self, ctx: ThreadCall) -> str:
        self.started.release()
        while not self.go.wait(0.005):
            if ctx.cancelled:
                # It says that it heard, and goes on all the same.
                self.told.release()
                self.go.wait(60)
        return "done"


async def taken(semaphore: threading.Semaphore, count: int) -> None:
    """Waits until so many have said that they are there."""
    for _ in range(count):
        assert await asyncio.to_thread(semaphore.acquire, timeout=PATIENCE_SECONDS)


@pytest.fixture
async def blocked(node: hubless.Node) -> AsyncIterator[Blocked]:
    agent = Blocked()
    await node.register(agent)
    yield agent
    agent.go.set()


async def test_plain_functions_run_on_threads(node: hubless.Node) -> None:
    @node.agent
    def where(ctx: ThreadCall) -> str:
        ctx.progress("on the way", 0.5)
        return threading.current_thread().name

    stream = node.stream("where")
    events = [event async for event in stream.events()]
    assert hubless.Progress("on the way", 0.5) in events
    assert stream.reply.value.startswith("hubless-handler")


async def test_thread_handlers_beyond_32_are_busy(node: hubless.Node, blocked: Blocked) -> None:
    @node.agent
    def on_a_thread() -> str:
        return "done"

    @node.agent
    async def on_the_loop() -> str:
        return "done"

    calls = [asyncio.ensure_future(node.request("blocked")) for _ in range(THREADS)]
    await taken(blocked.started, THREADS)
    # They are those of the node, whichever agent asks for one.
    for name in ("blocked", "on_a_thread"):
        with pytest.raises(errors.BusyError) as raised:
            await asyncio.wait_for(node.request(name), PATIENCE_SECONDS)
        assert isinstance(raised.value.retry, float) and raised.value.retry > 0
    # A handler that sleeps on its thread stops nobody else.
    assert (await node.request("on_the_loop")).value == "done"
    blocked.go.set()
    assert [(await call).value for call in calls] == ["done"] * THREADS
    assert (await node.request("on_a_thread")).value == "done"


async def test_cancelled_thread_keeps_its_slot_until_it_returns(
    node: hubless.Node, blocked: Blocked
) -> None:
    calls = [asyncio.ensure_future(node.request("blocked")) for _ in range(THREADS)]
    await taken(blocked.started, THREADS)
    for call in calls:
        call.cancel()
    await taken(blocked.told, THREADS)
    assert all(isinstance(error, asyncio.CancelledError) for error in await ended(calls))
    # Nobody waits for any of them, and all their threads are still theirs.
    with pytest.raises(errors.BusyError):
        await asyncio.wait_for(node.request("blocked"), PATIENCE_SECONDS)
    blocked.go.set()

    async def answered() -> Any:
        while (answer := await node.send("blocked")).rejection is not None:
            assert isinstance(answer.rejection, errors.BusyError)
        return answer.output

    assert (await asyncio.wait_for(answered(), PATIENCE_SECONDS)).value == "done"


async def until(holds: Callable[[], bool]) -> None:
    """Waits for what the end of a call brings about."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def ended(calls: list[asyncio.Task[Any]]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize("cancelled", [True, False])
async def test_what_a_cancelled_thread_had_set_aside_stays_charged(
    node: hubless.Node, cancelled: bool
) -> None:
    aside, go, returned = threading.Event(), threading.Event(), threading.Event()

    @node.agent
    def think(ctx: ThreadCall) -> None:
        try:
            with ctx.spend(max_output=10) as spend:
                aside.set()
                go.wait(60)
                spend.used(output=3)
        finally:
            returned.set()

    switch = KillSwitch(output_tokens=400)
    with switch:
        call = asyncio.ensure_future(node.request("think"))
        assert await asyncio.to_thread(aside.wait, PATIENCE_SECONDS)
        assert switch.spent.output_tokens == 0
        if cancelled:
            call.cancel()
            await ended([call])
            await until(lambda: switch.spent.output_tokens == 10)
        go.set()
        assert await asyncio.to_thread(returned.wait, PATIENCE_SECONDS)
        await ended([call])
        await until(lambda: switch.spent.output_tokens > 0)
    assert switch.spent.output_tokens == (10 if cancelled else 3)


async def test_generator_is_closed_on_its_thread_in_its_context(node: hubless.Node) -> None:
    mark: contextvars.ContextVar[str] = contextvars.ContextVar("mark")
    closed: asyncio.Future[tuple[bool, str]] = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    @node.agent
    def endless() -> Iterator[str]:
        token, thread = mark.set("mine"), threading.get_ident()
        try:
            while True:
                yield "x"
        finally:
            mark.reset(token)
            seen = (threading.get_ident() == thread, hubless.current().agent.name)
            loop.call_soon_threadsafe(closed.set_result, seen)

    async with node.stream("endless") as stream:
        async for _ in stream:
            break
    assert await asyncio.wait_for(closed, PATIENCE_SECONDS) == (True, "endless")


async def test_current_call_on_a_thread_blocks_it(node: hubless.Node) -> None:
    @node.agent
    def inside() -> list[Any]:
        here = hubless.sync.current()
        here.progress("on the way", 0.5)
        return [here.caller.kind, here.cancelled, here.deadline - time.monotonic() <= 60]

    stream = node.stream("inside", options=hubless.Options(total_timeout=60))
    events = [event async for event in stream.events()]
    assert hubless.Progress("on the way", 0.5) in events
    assert stream.reply.value == ["local", False, True]
    with pytest.raises(LookupError):
        hubless.sync.current()


async def test_what_blocks_is_refused_on_the_loop(node: hubless.Node) -> None:
    def progress(here: ThreadCall) -> str:
        here.progress("blocks")
        return "went through"

    @node.agent
    async def on_the_loop() -> str:
        return progress(hubless.sync.current())

    @node.agent
    def on_a_thread() -> str:
        return progress(hubless.sync.current())

    assert (await node.request("on_a_thread")).value == "went through"
    with pytest.raises(hubless.Rejected, match="event loop"):
        await node.request("on_the_loop")


def tells(name: str, ctx: Call) -> str:
    return f"{name} for {ctx.caller.kind}"


async def tells_later(name: str, ctx: Call) -> str:
    return tells(name, ctx)


class Teller:
    def __init__(self, name: str = "teller") -> None:
        self.name = name

    def handle(self, name: str, ctx: Call) -> str:
        return tells(name, ctx)


FORMS: dict[str, Callable[[hubless.Node], Any]] = {
    "function": lambda node: node.register(tells, name="teller"),
    "async function": lambda node: node.register(tells_later, name="teller"),
    "bound method": lambda node: node.register(Teller().handle, name="teller"),
    "lambda": lambda node: node.register(lambda name, ctx: tells(name, ctx), name="teller"),
    "object": lambda node: node.register(Teller()),
    "class": lambda node: node.register(Teller),
    "class for each call": lambda node: node.register(Teller, concurrency="isolated"),
    "factory": lambda node: node.register(factory=Teller, name="teller"),
}


@pytest.mark.parametrize("form", FORMS)
async def test_every_form_of_handler_gets_its_input_and_its_call(
    node: hubless.Node, form: str
) -> None:
    await FORMS[form](node)
    assert (await node.request("teller", name="Ada")).value == "Ada for local"
