"""Waiting until a serving program is told to end.

Owns the signals and standard input. Must not know nodes.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading


async def until_told(stdin: bool) -> None:
    """Returns on SIGTERM or SIGINT, or when standard input closes if that counts."""
    loop = asyncio.get_running_loop()
    told = asyncio.Event()
    with contextlib.ExitStack() as undo:
        for number in (signal.SIGTERM, signal.SIGINT):
            # Signals reach the main thread only; elsewhere stdin or cancelling ends it.
            with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
                loop.add_signal_handler(number, told.set)
                undo.callback(loop.remove_signal_handler, number)
        if stdin:
            closing = asyncio.ensure_future(_stdin_closed())
            undo.callback(closing.cancel)
            closing.add_done_callback(lambda _: told.set())
        await told.wait()


async def _stdin_closed() -> None:
    # A thread reads: standard input may be a file or a terminal, which no loop can watch.
    loop = asyncio.get_running_loop()
    closed = loop.create_future()

    def read() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(closed.cancel)

    threading.Thread(target=read, name="hubless-stdin", daemon=True).start()
    await asyncio.wait([closed])
