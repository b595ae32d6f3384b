"""How calls are measured, by the definitions of ``tests/bench/BENCH.md``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

import hubless

RAMP_SECONDS = 0.2
RAMP_MAX_SECONDS = 6
FIRST_CALLS = 3
# Calls of an open loop that are in flight at once.
OPEN_MAX = 128


class Caller:
    """Asks the agent."""

    def __init__(self, node: hubless.Node, name: str) -> None:
        self.node = node
        self.name = name

    async def reply(self, body: str) -> hubless.Reply:
        """Gives the whole answer."""
        return await self.node.request(self.name, {"body": body})

    async def ask(self, body: str) -> str:
        """Gives the body that came back."""
        return str((await self.reply(body)).value["body"])


async def once(caller: Caller, body: str) -> int:
    """Makes one call and gives its nanoseconds; the answer must be what was asked."""
    began = time.perf_counter_ns()
    answer = await caller.ask(body)
    took = time.perf_counter_ns() - began
    if len(answer) != len(body):
        raise RuntimeError("the answer is not what was asked")
    return took


def spread(times: list[int]) -> dict[str, Any]:
    """Gives median and 99th percentile in microseconds."""
    times.sort()
    last = len(times) - 1
    median, late = (times[min(last, len(times) * part // 100)] / 1e3 for part in (50, 99))
    return {"median_us": median, "p99_us": late}


async def round_trips(caller: Caller, size: int, count: int, warm: int) -> dict[str, Any]:
    """Measures calls one after another."""
    body = "x" * size
    for _ in range(warm):
        await once(caller, body)
    return spread([await once(caller, body) for _ in range(count)])


async def stages(caller: Caller, size: int, count: int) -> dict[str, Any]:
    """Gives medians in microseconds: of all, and of what the core says of each part."""
    body = "x" * size
    parts: dict[str, list[float]] = {"total": [], "queue": [], "handler": [], "network": []}
    for _ in range(count):
        began = time.perf_counter_ns()
        reply = await caller.reply(body)
        parts["total"].append((time.perf_counter_ns() - began) / 1e3)
        parts["queue"].append(reply.timing.queue_us)
        parts["handler"].append(reply.timing.handler_us)
        parts["network"].append(reply.timing.network_us)
    return {f"{name}_us": median(times) for name, times in parts.items()}


def median(times: Sequence[float]) -> float:
    """Gives the middle one."""
    return sorted(times)[len(times) // 2]


class Load:
    """Is a closed loop."""

    def __init__(self, caller: Caller, size: int, in_flight: int) -> None:
        self.caller = caller
        self.body = "x" * size
        self.counts = [0] * in_flight
        self.stopped = False

    async def work(self, number: int) -> None:
        """Asks again and again."""
        while not self.stopped:
            await once(self.caller, self.body)
            self.counts[number] += 1

    async def window(self, seconds: float) -> float:
        """Gives calls a second, once every worker has had its first ones."""
        end = time.perf_counter() + RAMP_MAX_SECONDS
        await asyncio.sleep(RAMP_SECONDS)
        while min(self.counts) < FIRST_CALLS and time.perf_counter() < end:
            await asyncio.sleep(RAMP_SECONDS / 10)
        before, began = sum(self.counts), time.perf_counter()
        await asyncio.sleep(seconds)
        return (sum(self.counts) - before) / (time.perf_counter() - began)


async def load(caller: Caller, size: int, in_flight: int, seconds: float) -> dict[str, Any]:
    """Counts the calls that end in a window, with so many in flight."""
    loop = Load(caller, size, in_flight)
    workers = [asyncio.create_task(loop.work(number)) for number in range(in_flight)]
    rate = await loop.window(seconds)
    loop.stopped = True
    await asyncio.gather(*workers)
    return {"per_second": rate}


async def arrivals(caller: Caller, size: int, per_second: int, seconds: float) -> dict[str, Any]:
    """Makes calls that are due at a constant rate; the time of each counts from then."""
    body, room = "x" * size, asyncio.Semaphore(OPEN_MAX)
    began = time.perf_counter_ns()

    async def call(due: int) -> int:
        try:
            await once(caller, body)
        finally:
            room.release()
        return time.perf_counter_ns() - due

    calls, late = [], []
    for number in range(int(seconds * per_second)):
        due = began + number * 1_000_000_000 // per_second
        await asyncio.sleep(max(0.0, (due - time.perf_counter_ns()) / 1e9))
        await room.acquire()
        late.append(time.perf_counter_ns() - due)
        calls.append(asyncio.create_task(call(due)))
    times = await asyncio.gather(*calls)
    rate = len(times) / ((time.perf_counter_ns() - began) / 1e9)
    return {**spread(list(times)), "per_second": rate, "late_us": median(late) / 1e3}


async def big(caller: Caller, size: int) -> dict[str, Any]:
    """Makes one call."""
    return {"ms": await once(caller, "x" * size) / 1e6}
