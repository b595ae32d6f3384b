"""One session of the core on one event loop: tickets become futures, events find their handler.

Owns the doorbell, the table of open operations and what happens at close, at exit and after a
fork. Must not know operations by name. No thread of the core enters the interpreter: the
doorbell is an eventfd that the loop watches, elsewhere a thread of ours that waits and calls
``call_soon_threadsafe``. Tested by ``tests/test_session.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from . import _ambient, _core, _wire, errors

T = TypeVar("T")
Answer = tuple[dict[str, Any], list[bytes]]
EventHandler = Callable[[int, dict[str, Any], list[bytes]], None]

# Events taken in one turn of the loop, so that timers and other sockets get theirs.
_BATCH = 256
_DONE, _FAILED = 1, 2
# Seconds after which the waiting thread looks whether its session still exists.
_WATCH_SECONDS = 1.0


def core(function: Callable[..., T], *arguments: Any) -> T:
    """Calls the core; its own exception becomes one of ours."""
    try:
        return function(*arguments)
    except _core.CoreError as error:
        kind, code, message = error.args
        raise errors.of_kind(kind, message, code=code or None) from None


def ask(op: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Runs an operation that is answered at once, on any thread and without a session."""
    done, text = core(_core.ask, op, _wire.dumps(body))
    record = _wire.loads(text)
    if not done:
        raise errors.from_record(record)
    return record


def running_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Says whether this code runs on that loop."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _alone(work: Coroutine[Any, Any, T]) -> Coroutine[Any, Any, T]:
    return work


def blocking(
    work: Coroutine[Any, Any, T],
    loop: asyncio.AbstractEventLoop,
    around: Callable[[Coroutine[Any, Any, T]], Coroutine[Any, Any, T]] = _alone,
) -> T:
    """Runs a coroutine on that loop from another thread; who stops waiting gives it up.

    ``around`` makes of it what runs there.
    """
    if running_here(loop):
        work.close()
        raise errors.InternalError("a blocking function was called on the event loop", code="loop")
    future = asyncio.run_coroutine_threadsafe(around(work), loop)
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


class Session:
    """Is the completion queue of one node, bound to the running loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.handle: int = core(_core.open)
        self.closed = False
        self.on: dict[int, EventHandler] = {}
        self._tickets = itertools.count(1)
        self._open: dict[int, asyncio.Future[Answer]] = {}
        self._fd = self._attach()
        self._finalizer = weakref.finalize(self, _abandon, self.handle, self.loop, self._fd)
        _sessions.add(self)

    def _attach(self) -> int:
        fd: int = core(_core.ring_fd, self.handle) if not _force_thread() else -1
        me = weakref.ref(self)
        if fd >= 0:
            try:
                # What comes belongs to nobody who happened to start this.
                _ambient.outside().run(self.loop.add_reader, fd, _rung, fd, me)
                return fd
            except NotImplementedError:
                core(_core.unring, self.handle)
        threading.Thread(
            target=_watch, args=(self.handle, self.loop, me), name="hubless-wait", daemon=True
        ).start()
        return -1

    def ticket(self) -> int:
        """Gives a ticket that no open operation has."""
        return next(self._tickets)

    async def call(
        self,
        op: str,
        body: Mapping[str, Any],
        attachments: Sequence[bytes] = (),
        *,
        ticket: int = 0,
    ) -> Answer:
        """Runs one operation, from any loop.

        Cancelling the caller gives the operation up, and what its result opened if it came all
        the same.
        """
        ticket = ticket or self.ticket()
        work = self._call(op, body, attachments, ticket)
        if asyncio.get_running_loop() is self.loop:
            return await work
        try:
            return await self.run(work)
        except asyncio.CancelledError:
            # It may have ended there before its result came here.
            self._give_up(ticket)
            raise

    async def _call(
        self, op: str, body: Mapping[str, Any], attachments: Sequence[bytes], ticket: int
    ) -> Answer:
        data = _wire.dumps(body)
        if self.closed:
            raise _closed()
        future: asyncio.Future[Answer] = self.loop.create_future()
        self._open[ticket] = future
        try:
            if not core(_core.submit, self.handle, ticket, op, data, list(attachments)):
                raise _closed()
            return await future
        except errors.Error:
            if not future.done():
                self._open.pop(ticket, None)
            raise
        except asyncio.CancelledError:
            # Here, where it was submitted: whoever cancels on another loop may come before that.
            self._give_up(ticket)
            raise

    def _give_up(self, ticket: int) -> None:
        """Gives an operation up; if it has ended, what its result opened."""
        if not self.closed:
            core(_core.cancel, self.handle, ticket)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine on this session's loop, from any loop."""
        if asyncio.get_running_loop() is self.loop:
            return await work
        if self.closed or self.loop.is_closed():
            work.close()
            raise _closed()
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    def forget(self, op: str, body: Mapping[str, Any]) -> None:
        """Starts an operation whose result nobody wants; from any thread, also from finalizers."""
        if not self.closed:
            with contextlib.suppress(_core.CoreError):
                _core.submit(self.handle, self.ticket(), op, _wire.dumps(body), [])

    def drain(self) -> None:
        """Handles what is queued, a batch in each turn of the loop."""
        if self.closed:
            return
        try:
            events = core(_core.drain, self.handle, _BATCH)
            read = [(kind, ticket, _wire.loads(body), more) for kind, ticket, body, more in events]
        except BaseException as error:
            # The memory was too small for what came: some of those who wait would wait for ever.
            self.shut()
            self._report("hubless: events were lost, the session ends", error)
            if not isinstance(error, Exception):
                raise
            return
        for kind, ticket, record, attachments in read:
            try:
                self._dispatch(kind, ticket, record, attachments)
            except Exception as error:
                self._report(f"hubless: an event of kind {kind} failed", error)
        if len(events) == _BATCH:
            self.loop.call_soon(self.drain)

    def _report(self, message: str, error: BaseException) -> None:
        self.loop.call_exception_handler({"message": message, "exception": error})

    def _dispatch(
        self, kind: int, ticket: int, record: dict[str, Any], attachments: list[bytes]
    ) -> None:
        if kind not in (_DONE, _FAILED):
            handler = self.on.get(kind)
            if handler is not None:
                handler(ticket, record, attachments)
            return
        future = self._open.pop(ticket, None)
        if future is None or future.done():
            return
        if kind == _DONE:
            future.set_result((record, attachments))
        else:
            future.set_exception(errors.from_record(record))

    def shut(self) -> None:
        """Ends the session at once and fails what is open with kind ``closed``; idempotent."""
        if self.closed:
            return
        self.closed = True
        if self._finalizer.detach() is not None:
            _release(self.handle, self.loop, self._fd)
        opened, self._open = list(self._open.values()), {}
        for future in opened:
            if not future.done():
                future.set_exception(errors.ClosedError("the node was closed"))

    def inherited(self) -> None:
        """Ends it in a forked child, where its loop and its descriptors are the parent's."""
        self.closed = True
        self._finalizer.detach()


# What a forked child inherits.
_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def _in_forked_child() -> None:
    for session in list(_sessions):
        session.inherited()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_forked_child)


def _closed() -> errors.Error:
    """Says why nothing can be done: in a forked child because of that, else after a close."""
    try:
        core(_core.handles)
    except errors.Error as error:
        return error
    return errors.ClosedError("the node is closed")


def _force_thread() -> bool:
    return os.environ.get("HUBLESS_PYTHON_WAKE") == "thread"


def _rung(fd: int, reference: weakref.ref[Session]) -> None:
    # The counter is cleared before the queue is taken: an event queued between rings again.
    with contextlib.suppress(BlockingIOError):
        os.read(fd, 8)
    session = reference()
    if session is not None:
        session.drain()


def _watch(handle: int, loop: asyncio.AbstractEventLoop, reference: weakref.ref[Session]) -> None:
    """Waits for events on a thread of its own and has the loop take them."""
    taken = threading.Event()

    def drain() -> None:
        session = reference()
        if session is not None:
            session.drain()
        taken.set()

    while core(_core.wait, handle, _WATCH_SECONDS) and reference() is not None:
        taken.clear()
        try:
            loop.call_soon_threadsafe(drain)
        except RuntimeError:
            return
        while not taken.wait(_WATCH_SECONDS) and not loop.is_closed():
            pass


def _release(handle: int, loop: asyncio.AbstractEventLoop, fd: int) -> None:
    # The loop stops watching first: the core closes the descriptor, and its number is reused.
    if fd >= 0 and not loop.is_closed():
        loop.remove_reader(fd)
    with contextlib.suppress(_core.CoreError):
        _core.unring(handle)
        _core.close(handle)


def _abandon(handle: int, loop: asyncio.AbstractEventLoop, fd: int) -> None:
    """Releases a session that nobody closed: at collection, on any thread, or at exit."""
    if fd >= 0 and loop.is_running():
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(_release, handle, loop, fd)
            return
    _release(handle, loop, fd)
