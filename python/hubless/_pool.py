"""Threads for plain ``def`` functions: a fixed number, daemons, refused when all are taken.

Owns the threads and the count of taken slots. Must not know calls. A function keeps its slot
until it returns, whoever gave it up: the number of threads is a bound. The threads are daemons,
so that a function that never returns does not hold the exit of the program.
"""

from __future__ import annotations

import contextvars
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

Job = tuple[Callable[[], Any], "Future[Any]"]


class Pool:
    """Runs functions on at most ``size`` threads, made on demand."""

    def __init__(self, size: int, name: str) -> None:
        self._size = size
        self._name = name
        self._lock = threading.Lock()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._taken = 0
        self._threads = 0
        self._closed = False

    def submit(self, function: Callable[[], Any]) -> Future[Any] | None:
        """Starts a function in a copy of the caller's context; None if no slot is free."""
        with self._lock:
            if self._closed or self._taken >= self._size:
                return None
            self._taken += 1
            start = self._threads < self._taken
            self._threads += start
        context = contextvars.copy_context()
        future: Future[Any] = Future()
        self._jobs.put((lambda: context.run(function), future))
        if start:
            threading.Thread(target=self._serve, name=self._name, daemon=True).start()
        return future

    def close(self) -> None:
        """Lets the threads end when they are idle; running functions go on."""
        with self._lock:
            self._closed = True
            threads = self._threads
        for _ in range(threads):
            self._jobs.put(None)

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            function, future = job
            outcome: Any = None
            failure: BaseException | None = None
            if future.set_running_or_notify_cancel():
                try:
                    outcome = function()
                except BaseException as error:
                    failure = error
            with self._lock:
                self._taken -= 1
            if failure is not None:
                future.set_exception(failure)
            elif not future.cancelled():
                future.set_result(outcome)
            # Nothing of the finished job may live on while this thread waits for the next.
            del job, function, future, outcome, failure
