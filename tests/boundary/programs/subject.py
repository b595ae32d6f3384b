"""The subject of ``BOUNDARY.md`` in Python."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import AsyncIterator, Callable

import hubless
import hubless.sync
from hubless import Node, Requirements, _core

NODES = 3
BLOCK_BYTES = 1 << 20
# The exit statuses that the caller looks for.
REFUSED = 7
AT_ONCE = 7


class Beside(threading.Thread):
    """Is a second event loop with a node of its own."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.ready = threading.Event()
        self.loop: asyncio.AbstractEventLoop | None = None
        self.over = asyncio.Event()

    def run(self) -> None:
        asyncio.run(self.serve())

    async def serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        node = await Node.start()
        await node.register(forever, name="python.beside")
        self.ready.set()
        # The loop ends with the node open and its calls pending.
        await self.over.wait()

    def end(self) -> None:
        assert self.loop is not None
        self.loop.call_soon_threadsafe(self.over.set)
        self.join()


async def forever() -> str:
    await asyncio.Event().wait()
    return "never"


def refuses(use: Callable[[], object]) -> bool:
    """Tells whether a forked child is refused."""
    try:
        use()
    except hubless.errors.ClosedError as error:
        return error.code == "forked"
    return False


class Subject:
    def __init__(self, node: Node) -> None:
        self.node = node
        self.over = asyncio.Event()
        self.streams_ended = 0
        self.besides: Beside | None = None

    async def register(self) -> None:
        alone = Requirements(max_concurrency=1, queue=0)
        await self.node.register(self.never, name="python.never", requirements=alone)
        self.leaver = await self.node.register(self.leaves, name="python.leaves")
        for handler in (
            self.steady,
            self.relay,
            self.raises,
            self.wrong,
            self.chunks,
            self.nests,
            self.forks,
            self.loops,
            self.unloop,
            self.memory,
            self.exits,
            self.stats,
        ):
            await self.node.register(handler, name=f"python.{handler.__name__}")

    async def steady(self, n: int, /) -> int:
        return n + 1

    async def relay(self, tag: str, /) -> str:
        return str((await self.node.request("hold", tag)).value)

    async def raises(self) -> str:
        raise RuntimeError("broken")

    async def wrong(self) -> dict[str, object]:
        return {"x": object()}

    async def never(self, for_ever: bool, /) -> str:
        if for_ever:
            await asyncio.Event().wait()
        return "place is free"

    async def chunks(self) -> AsyncIterator[str]:
        try:
            while True:
                yield "x"
        finally:
            self.streams_ended += 1

    async def leaves(self) -> str:
        # Besides the call: the grace would wait for the call that waits for it.
        self.node.keep(asyncio.ensure_future(self.leaver.unregister()))
        return "last words"

    async def nests(self) -> int:
        for _ in range(NODES):
            async with Node.start() as other:
                await other.status()
        return NODES

    async def forks(self) -> int:
        child = os.fork()
        if child == 0:
            alike = refuses(lambda: hubless.inspect_id("one")) and refuses(hubless.sync.Node.start)
            os._exit(REFUSED if alike else 1)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        return os.waitstatus_to_exitcode(status)

    async def loops(self) -> str:
        self.besides = Beside()
        self.besides.start()
        await asyncio.to_thread(self.besides.ready.wait)
        return "begun"

    async def unloop(self) -> str:
        assert self.besides is not None
        await asyncio.to_thread(self.besides.end)
        return "ended"

    async def memory(self) -> int:
        kept = []
        while True:
            kept.append(bytearray(BLOCK_BYTES))

    async def exits(self, how: str, /) -> str:
        if how == "now":
            os._exit(AT_ONCE)
        self.over.set()
        return await forever()

    async def stats(self) -> dict[str, int]:
        return {"handles": _core.handles(), "ended": self.streams_ended}


async def main() -> bool:
    """Serves; true: its input has ended, and it is to end in good order."""
    node = await Node.start()
    subject = Subject(node)
    await subject.register()
    print("ready", node.node_key, flush=True)
    served = asyncio.ensure_future(node.serve(stdin=True))
    over = asyncio.ensure_future(subject.over.wait())
    await asyncio.wait([served, over], return_when=asyncio.FIRST_COMPLETED)
    if over.done():
        return False
    over.cancel()
    with contextlib.suppress(hubless.errors.ClosedError):
        await node.close()
    return True


if asyncio.run(main()):
    # Handles are released by tasks of the core that may end a moment after `close`.
    until = time.monotonic() + 15
    while _core.handles() > 0 and time.monotonic() < until:
        time.sleep(0.01)
    print("handles", _core.handles(), flush=True)
