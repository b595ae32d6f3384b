"""The measuring program in Python: agent, caller, or both; see ``tests/bench/BENCH.md``."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import uvloop
from measure import Caller, arrivals, big, load, once, round_trips, spread, stages

import hubless
from hubless import where

NAME = "bench"
WAIT_SECONDS = 120
# Skills that the agents of a crowd share.
SKILLS = 100


async def echo(value: Any, /) -> Any:
    """Gives back what it was asked, after one trip through its event loop."""
    await asyncio.sleep(0)
    return value


def say(**line: Any) -> None:
    """Says one line."""
    print(json.dumps(line), flush=True)


class Program:
    """Answers commands, with one node."""

    def __init__(self, node: hubless.Node) -> None:
        self.node = node
        self.caller = Caller(node, NAME)

    async def answer(self, words: Sequence[str]) -> dict[str, Any]:
        """Does what a command says."""
        match words:
            case ["rtt", size, count, warm]:
                return await round_trips(self.caller, int(size), int(count), int(warm))
            case ["stages", size, count]:
                return await stages(self.caller, int(size), int(count))
            case ["load", size, in_flight, window_ms]:
                return await load(self.caller, int(size), int(in_flight), int(window_ms) / 1e3)
            case ["arrivals", size, per_second, window_ms]:
                window = int(window_ms) / 1e3
                return await arrivals(self.caller, int(size), int(per_second), window)
            case ["big", size]:
                return await big(self.caller, int(size))
            case ["agents", count]:
                return await self.agents(int(count))
            case ["find", by, count]:
                return await self.find(by, int(count))
            case ["register", name]:
                return await self.register(name)
            case ["await", name]:
                return await self.wait(name)
        return {"error": f"expected a command of tests/bench/BENCH.md, got {words}"}

    async def agents(self, count: int) -> dict[str, Any]:
        """Registers so many, one after another."""
        began = time.perf_counter()
        for number in range(count):
            kind = number % SKILLS
            described = f"draws charts of kind {kind}"
            facts = {"number": number}
            skill = hubless.Skill(
                id=f"skill{kind}", description=described, tags=["svg"], attributes=facts
            )
            name = f"crowd.{number}"
            await self.node.register(
                echo, name=name, description=described, tags=["crowd"], skill=skill
            )
        return {"per_second": count / (time.perf_counter() - began)}

    async def find(self, by: str, count: int) -> dict[str, Any]:
        """Finds so often among them, each time for another skill."""
        times = []
        hits = 0
        for number in range(count):
            skill = f"skill{number % SKILLS}"
            if by == "text":
                query = hubless.Query(text="charts", skill=skill)
            else:
                exists = where("attributes.number").exists()
                query = hubless.Query(skill=skill, tags=["svg"], filter=exists)
            began = time.perf_counter_ns()
            hits = len(await self.node.find(query, wait=0))
            times.append(time.perf_counter_ns() - began)
        return {**spread(times), "hits": hits}

    async def register(self, name: str) -> dict[str, Any]:
        """Registers one agent with its name as a tag; says when that began and when it was done."""
        began = now_us()
        await self.node.register(echo, name=name, tags=[name])
        return {"began_us": began, "ended_us": now_us()}

    async def wait(self, name: str) -> dict[str, Any]:
        """Says that it waits, and then when the agent was there."""
        say(waits=True)
        found = await self.node.peer(hubless.Query(tags=[name], limit=1), wait=WAIT_SECONDS)
        return {"seen_us": now_us(), "name": found.name}


def now_us() -> int:
    """Gives the machine's clock, in microseconds."""
    return time.time_ns() // 1_000


async def run(role: str, line: Callable[[], str]) -> None:
    """Is ready once the first answer is there, and takes commands then."""
    began = time.perf_counter()
    async with hubless.Node.start() as node:
        program = Program(node)
        if role != "caller":
            await node.register(echo, name=NAME)
        ready: dict[str, Any] = {"ready": True}
        if role != "agent":
            await once(program.caller, "x" * 64)
            ready["cold_ms"] = (time.perf_counter() - began) * 1e3
        say(**ready)
        while words := (await asyncio.to_thread(line)).split():
            say(**await program.answer(words))


if __name__ == "__main__":
    uvloop.run(run(sys.argv[1], sys.stdin.readline))
