"""The root of the budgets: keeps chains through all agents going; see ``tests/chaos/CHAOS.md``."""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import json
import random
import sys
import threading
import time
from typing import Any

import hubless
from hubless import Amounts, Branch, KillSwitch, Options

LANGUAGES = ("python", "node", "kotlin", "c")
# What one handler asks the provider for at most.
INPUT, OUTPUT = 2, 1
# What a handler is granted at most, with so many behind it: a quarter of what is left goes on.
MOST = (
    {"inputTokens": 2, "outputTokens": 1, "calls": 0},
    {"inputTokens": 4, "outputTokens": 2, "calls": 1},
    {"inputTokens": 12, "outputTokens": 6, "calls": 2},
    {"inputTokens": 44, "outputTokens": 22, "calls": 6},
)
# Each budget is short of one thing, in turn, and of nothing else.
PLENTY = {"input_tokens": 50_000, "output_tokens": 25_000, "calls": 4_000}
SHORT = ({"calls": 240}, {"output_tokens": 600}, {"input_tokens": 1_000})
LEASE_SECONDS = 1.0
# Between two tries of a chain that was refused or did not reach anybody, and between two looks.
PAUSE_SECONDS, LOOK_SECONDS = 0.02, 0.02
# An agent may be starting again.
WAIT_SECONDS = 3.0
# Longest wait for the last words about all budgets.
PATIENCE_SECONDS = 20.0


def tell(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, "at_ms": time.time() * 1000, **fields}), flush=True)


def chain(way: list[str], label: str) -> dict[str, Any]:
    """Gives what the first of a way is asked; each hears what to ask the next one."""
    first, *after = way
    asked: dict[str, Any] = {"label": label, "input": INPUT, "output": OUTPUT}
    if after:
        asked["next"] = chain(after, label)
    return {"to": f"{first}.link", "content": asked, "max": MOST[len(after)]}


class Budget:
    """Is one switch, with the chains that run under it."""

    def __init__(self, label: str, number: int) -> None:
        self.label = label
        self.limits = {**PLENTY, **SHORT[number % len(SHORT)]}
        self.began_ms = time.time() * 1000
        self.switch = KillSwitch(**self.limits, lease=LEASE_SECONDS)
        self.said: collections.Counter[str] = collections.Counter()
        self.chains = itertools.count()

    async def use_up(self, node: hubless.Node, chains: int, chance: random.Random) -> None:
        """Keeps so many chains in flight until the budget is stopped."""
        await asyncio.gather(*(self.again(node, chance) for _ in range(chains)))

    async def again(self, node: hubless.Node, chance: random.Random) -> None:
        while self.switch.state == "armed":
            way = chance.sample(LANGUAGES, len(LANGUAGES))
            label = f"{self.label}.{next(self.chains)}"
            first = chain(way, label)
            given = first["max"]
            limit = Amounts(given["inputTokens"], given["outputTokens"], calls=given["calls"])
            options = Options(kill_switch=self.switch, max=limit, wait=WAIT_SECONDS)
            try:
                reply = await node.request(first["to"], first["content"], options=options)
            except hubless.Error as error:
                self.said[f"{error.kind} {error.code or ''}".strip()] += 1
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                self.said["answered"] += 1
                if reply.value == len(LANGUAGES):
                    self.said["whole"] += 1
                    tell("whole")

    def state(self) -> dict[str, Any]:
        """Says what the switch says, with the number of its grants that are open."""
        stop, spent, left = self.switch.stop, self.switch.spent, self.switch.remaining
        tree = self.switch.tree()
        return {
            "label": self.label,
            "limits": self.limits,
            "began_ms": self.began_ms,
            "reason": stop.reason if stop else None,
            "spent": {name: getattr(spent, name) for name in PLENTY},
            "remaining": {name: getattr(left, name) for name in PLENTY},
            "open": still_open(tree) if tree else 0,
            "said": self.said,
        }


def still_open(branch: Branch) -> int:
    """Counts the grants below a branch that no last word has come for."""
    below = branch.children
    return sum((one.state in ("open", "recalled")) + still_open(one) for one in below)


def is_settled(state: dict[str, Any]) -> bool:
    limits, spent, left = state["limits"], state["spent"], state["remaining"]
    whole = all(limits[name] == spent[name] + left[name] for name in PLENTY)
    return whole and state["open"] == 0


async def settled(budgets: list[Budget]) -> None:
    """Waits until nothing is set aside any more, or for as long as one may; then all are over."""
    began = time.monotonic()
    while True:
        states = [budget.state() for budget in budgets]
        took = time.monotonic() - began
        if all(map(is_settled, states)) or took > PATIENCE_SECONDS:
            break
        await asyncio.sleep(LOOK_SECONDS)
    for state in states:
        tell("budget", **state)
    tell("settled", took_ms=took * 1000)
    for budget in budgets:
        budget.switch.close()


def lines_of_stdin() -> asyncio.Queue[str]:
    """Gives the lines that come; the last one is empty."""
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()

    def read() -> None:
        # A daemon thread: a read that waits for ever must not hold the end of the program.
        for line in itertools.chain(sys.stdin, [""]):
            loop.call_soon_threadsafe(lines.put_nowait, line.strip())

    threading.Thread(target=read, name="stdin", daemon=True).start()
    return lines


async def spend(node: hubless.Node, life: int, chains: int, budgets: list[Budget]) -> None:
    """Uses up one budget after the other."""
    chance = random.Random(life)
    for number in itertools.count():
        budget = Budget(f"{life}-{number}", number)
        budgets.append(budget)
        tell("began", label=budget.label, began_ms=budget.began_ms, limits=budget.limits)
        await budget.use_up(node, chains, chance)
        stop = budget.switch.stop
        reason = stop.reason if stop else None
        tell("used", label=budget.label, reason=reason, said=budget.said)


async def main(life: int, chains: int) -> None:
    budgets: list[Budget] = []
    lines = lines_of_stdin()
    async with hubless.Node.start("root") as node:
        tell("ready")
        spending: asyncio.Task[None] | None = None
        while line := await lines.get():
            if line == "spend":
                spending = asyncio.create_task(spend(node, life, chains, budgets))
            elif line == "stop" and spending:
                spending.cancel()
                await asyncio.gather(spending, return_exceptions=True)
                for budget in budgets:
                    budget.switch.trip()
                tell("stopped")
            elif line == "settle":
                await settled(budgets)


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--life", type=int, required=True)
    arguments.add_argument("--chains", type=int, required=True)
    asyncio.run(main(**vars(arguments.parse_args())))
