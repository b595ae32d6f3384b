"""The ways in which a handler of Python can lose its call; see `stray` in `SUBJECT.md`."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import hubless

Work = Callable[[], Awaitable[Any]]


class Strays:
    """Makes requests from where no call is known; its worker is started before any call."""

    def __init__(self, node: hubless.Node) -> None:
        self._node = node
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[tuple[Work, asyncio.Future[Any]]] = asyncio.Queue()
        self._worker = asyncio.create_task(self._work())
        self.ways: dict[str, Callable[[str], Awaitable[Any]]] = {
            "executor": self.executor,
            "thread": self.thread,
            "callback": self.callback,
            "generator": self.generator,
            "earlier": self.earlier,
        }

    async def all(self, to: str) -> dict[str, list[str]]:
        """Goes each way once: which were answered, and which refused as orphans."""
        outcome: dict[str, list[str]] = {"drawn": [], "refused": []}
        for name, way in self.ways.items():
            try:
                await way(to)
                outcome["drawn"].append(name)
            except hubless.errors.ConfigurationError as error:
                if error.code != "orphan":
                    raise
                outcome["refused"].append(name)
        return outcome

    async def executor(self, to: str) -> None:
        """In a pool of threads, which asks on the node's loop."""

        def run() -> None:
            work = self._node.request(to, "executor")
            asyncio.run_coroutine_threadsafe(work, self._loop).result()

        with ThreadPoolExecutor(1) as pool:
            await self._loop.run_in_executor(pool, run)

    async def thread(self, to: str) -> None:
        """On a raw thread with a loop of its own."""
        ended: Future[None] = Future()

        def run() -> None:
            settle(ended, lambda: asyncio.run(self._node.request(to, "thread")))

        threading.Thread(target=run).start()
        await asyncio.wrap_future(ended)

    async def callback(self, to: str) -> None:
        """In a callback that a foreign thread has the loop run."""
        ended: asyncio.Future[Any] = self._loop.create_future()

        def called() -> None:
            task = asyncio.ensure_future(self._node.request(to, "callback"))
            task.add_done_callback(lambda _: pass_on(task, ended))

        thread = threading.Thread(target=self._loop.call_soon_threadsafe, args=(called,))
        thread.start()
        await ended

    async def generator(self, to: str) -> None:
        """In an async generator that was begun here and is gone on with elsewhere."""

        async def pieces() -> AsyncIterator[Any]:
            yield "begun"
            yield await self._node.request(to, "generator")

        generator = pieces()
        await anext(generator)
        await self._hand_over(lambda: anext(generator))

    async def earlier(self, to: str) -> None:
        """In a task that was made before any call, and is fed by a queue."""
        await self._hand_over(lambda: self._node.request(to, "earlier"))

    async def _hand_over(self, work: Work) -> None:
        ended: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put_nowait((work, ended))
        await ended

    async def _work(self) -> None:
        while True:
            work, ended = await self._queue.get()
            task = asyncio.ensure_future(work())
            await asyncio.wait([task])
            pass_on(task, ended)


def settle(future: Future[None], work: Callable[[], Any]) -> None:
    try:
        work()
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(None)


def pass_on(task: asyncio.Future[Any], ended: asyncio.Future[Any]) -> None:
    if ended.done():
        return
    if (error := task.exception()) is not None:
        ended.set_exception(error)
    else:
        ended.set_result(None)
