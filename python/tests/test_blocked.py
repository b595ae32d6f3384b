"""What goes on in a process whose event loop is held by a handler."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from programs import Programs, line_of

import hubless
from hubless import KillSwitch, Options, errors

PATIENCE_SECONDS = 20

# Its loop is held until it reads a line.
HOLDS = """
import asyncio, sys, hubless
async def main():
    async with hubless.Node.start() as node:
        @node.agent
        async def holds(ctx: hubless.Call) -> None:
            print("held", flush=True)
            sys.stdin.readline()
            print("let go", flush=True)
            try:
                await asyncio.Event().wait()
            finally:
                print(f"cancelled {ctx.cancelled}", flush=True)
        await node.find("holds")
        print("ready", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end
        await asyncio.sleep(0.01)


async def test_a_trip_drains_the_ledger_though_the_loop_is_held(
    node: hubless.Node, programs: Programs
) -> None:
    held = programs.code(HOLDS)
    assert held.stdin is not None
    assert line_of(held.stdout) == "ready"
    switch = KillSwitch(calls=100)

    def state() -> str:
        tree = switch.tree()
        assert tree is not None
        return tree.children[0].state

    asked = node.request("holds", options=Options(kill_switch=switch, wait=20))
    call = asyncio.ensure_future(asked)
    assert await asyncio.to_thread(line_of, held.stdout) == "held"
    assert state() == "open"
    switch.trip()
    with pytest.raises(errors.KilledError):
        await asyncio.wait_for(call, PATIENCE_SECONDS)
    # Its node has said its last word, and is found as before.
    await until(lambda: state() == "settled")
    assert [peer.name for peer in await node.find("holds", wait=0)] == ["holds"]
    held.stdin.write("\n")
    held.stdin.flush()
    # The handler stops when the loop does.
    assert await asyncio.to_thread(line_of, held.stdout) == "let go"
    assert await asyncio.to_thread(line_of, held.stdout) == "cancelled True"
