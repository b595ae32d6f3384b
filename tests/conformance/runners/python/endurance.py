"""What runs long or often: agents that pour, hold and are counted, and actions that last."""

import asyncio
import ctypes
import gc
import json
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import hubless
from hubless import Call, _core

# More than any stream is read of.
ENDLESS = 1_000_000_000
# So many answers in a row that say the same: the writer stands.
STILL = 50
LOOK_SECONDS = 0.05
# Of so many calls one is a stream, and of so many streams one is given up half way.
STREAM_EACH, GIVEN_UP_EACH = 10, 10
PIECES, PIECE_SIZE = 10, 100

Outcome = dict[str, Any]
poured: Counter[str] = Counter()


async def pour(n: int, size: int, *, ctx: Call) -> dict[str, int]:
    for number in range(1, n + 1):
        await ctx.chunk(piece(number, size))
        poured["pour"] += 1
    return {"n": n}


def piece(number: int, size: int) -> str:
    return f"{number}:" + "x" * size


async def hold(ms: int) -> str:
    print(json.dumps({"holding": ms}), flush=True)
    # What a `PyDLL` calls keeps the lock of the interpreter.
    ctypes.PyDLL(None).usleep(ms * 1000)
    return "done"


async def usage(restMs: int) -> dict[str, int]:
    return await least_usage(restMs)


async def least_usage(rest_ms: int) -> dict[str, int]:
    """Lets go of all garbage, and gives what the process has: the least that was seen in a while.

    What is only on its way out does not count.
    """
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    least = usage_now()
    end = time.monotonic() + rest_ms / 1000
    while time.monotonic() < end:
        await asyncio.sleep(LOOK_SECONDS)
        least = {name: min(least[name], count) for name, count in usage_now().items()}
    return least


def usage_now() -> dict[str, int]:
    status = Path("/proc/self/status").read_text()
    return {
        "handles": _core.handles(),
        "threads": len(os.listdir("/proc/self/task")),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "memoryKiB": int(status.partition("VmRSS:")[2].split()[0]),
    }


class Endurance:
    """Runs the actions that last, through one node."""

    def __init__(self, node: hubless.Node) -> None:
        self.node = node
        self.words: dict[str, Callable[[Any], Awaitable[Outcome]]] = {
            "readFor": self.read_for,
            "readSlowly": self.read_slowly,
            "callOften": self.call_often,
            "cycle": self.cycle,
        }

    async def read_for(self, given: Any) -> Outcome:
        """Reads one stream for so long, a piece at a time, and gives it up."""
        end = time.monotonic() + given["ms"] / 1000
        read = wrong = 0
        asked = {"n": ENDLESS, "size": given["size"]}
        async with self.node.stream(given["to"], asked) as chunks:
            async for chunk in chunks:
                read += 1
                wrong += chunk.text != piece(read, given["size"])
                if time.monotonic() >= end:
                    break
                await asyncio.sleep(given["everyMs"] / 1000)
        return {"value": {"read": read, "wrong": wrong}}

    async def read_slowly(self, given: Any) -> Outcome:
        """Reads one piece, waits until the writer stands, and reads on until it must have moved."""
        before = await self.poured(given["stats"])
        read = wrong = stood = 0
        asked = {"n": given["n"], "size": given["size"]}
        async with self.node.stream(given["to"], asked) as chunks:
            async for chunk in chunks:
                read += 1
                wrong += chunk.text != piece(read, given["size"])
                if read == 1:
                    stood = await self.still(given["stats"]) - before
                if read > stood:
                    break
        return {"value": {"stood": stood, "read": read, "wrong": wrong}}

    async def poured(self, stats: str) -> int:
        return int((await self.node.request(stats, "?")).value["poured"])

    async def still(self, stats: str) -> int:
        seen, same = -1, 0
        while same < STILL:
            now = await self.poured(stats)
            same = same + 1 if now == seen else 0
            seen = now
        return seen

    async def call_often(self, given: Any) -> Outcome:
        """Makes so many calls, streams among them, some at once; each must come to its end."""
        counts, at_once = given["count"], given["atOnce"]

        async def work(first: int) -> int:
            right = 0
            for number in range(first, counts, at_once):
                right += await self.one_of_many(given["to"], number)
            return right

        right = sum(await asyncio.gather(*(work(first) for first in range(at_once))))
        return {"value": {"right": right, **await least_usage(given["restMs"])}}

    async def one_of_many(self, to: str, number: int) -> bool:
        if number % STREAM_EACH:
            return bool((await self.node.request(f"{to}.wide0", "?")).value == "ok")
        given_up = number % (STREAM_EACH * GIVEN_UP_EACH) == 0
        asked = {"n": ENDLESS if given_up else PIECES, "size": PIECE_SIZE}
        read = 0
        async with self.node.stream(f"{to}.pour", asked) as chunks:
            async for _ in chunks:
                read += 1
                if given_up and read == PIECES:
                    break
        return read == PIECES

    async def cycle(self, given: Any) -> Outcome:
        """Starts a node, has an agent of it called, and closes it, so many times."""

        async def cycled() -> str:
            return "ok"

        for number in range(given["count"]):
            name = f"cycled-{os.getpid()}-{number}"
            async with hubless.Node.start() as node:
                await node.register(cycled, name=name)
                if (await node.request(name, "?")).value != "ok":
                    return {"value": {"cycles": number}}
        return {"value": {"cycles": given["count"], **await least_usage(given["restMs"])}}
