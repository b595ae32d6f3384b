"""The switch that a program holds: a budget for all that is called under it, and its stop.

Owns the handle of the core and the calls of listeners. Must not know how requests are composed.
A switch needs no node and no loop: what it tells it asks the core at once, and its listeners
are called on threads of their own. Tested by ``tests/test_killswitch.py``.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import logging
import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from . import _ambient, _core, _wire
from ._session import ask, core
from .budget import Amounts, Branch, Reason, Spent, Stop, Terms
from .errors import ClosedError, Error
from .records import build

__all__ = ["KillSwitch"]

log = logging.getLogger("hubless.python")

Listener = Callable[[Stop], Any]
_DONE = 1


class KillSwitch:
    """Is a budget for everything that is called under it, on any machine, and the stop of it.

    None is not limited, 0 refuses everything; a switch without any limit says ``unlimited``.
    Tokens, ``cost_micros`` (1e-6 of the currency unit) and ``calls`` are integers up to
    2^53 - 1; ``wall_time`` is seconds from here on; ``depth`` is how deep calls may nest and
    ``fan_out`` how many one call may have open; ``lease`` is the seconds (10) that a node which
    hears nothing goes on. Once more than ``soft`` is known to be spent the switch trips. With
    ``strict`` each node goes on only as long as the first one itself says so, and not those
    between: a dishonest one keeps nothing below it going for longer than ``lease``. Each call
    then waits for the way to the first node and back before it spends (SPEC 04, R7).

    ``with switch:`` puts every request below it under it, unless that names another switch or
    is made by a handler whose call has a budget, which then pays; so do
    ``Options(kill_switch=...)`` and ``Peer.with_switch``. The budget is over when the switch is
    collected or closed and the last request under it has ended. Raises ``InvalidArgumentError``
    that names the field.

    >>> @node.agent
    ... async def think(ctx: hubless.Call) -> str:
    ...     async with ctx.spend(max_output=100) as spend:
    ...         spend.used(output=60)
    ...     return "thought"
    >>> with hubless.KillSwitch(output_tokens=1_000, calls=2) as switch:
    ...     reply = await node.request("think")
    >>> switch.spent.output_tokens, switch.remaining.calls
    (60, 1)
    >>> switch.trip()
    >>> await node.request("think", options=hubless.Options(kill_switch=switch))
    Traceback (most recent call last):
    ...
    hubless.errors.RejectedKilledError: ...
    """

    def __init__(
        self,
        *,
        input_tokens: int | None = None,
        output_tokens: int | None = None,
        cost_micros: int | None = None,
        calls: int | None = None,
        wall_time: float | None = None,
        depth: int | None = None,
        fan_out: int | None = None,
        lease: float | None = None,
        soft: Amounts | None = None,
        unlimited: bool = False,
        strict: bool = False,
    ) -> None:
        amounts = (input_tokens, output_tokens, cost_micros, calls)
        terms = Terms(*amounts, wall_time, depth, fan_out, lease, soft, unlimited, strict)
        self._handle = int(ask("switch.new", terms.record())["switch"])
        self._listeners = _Listeners()
        self._finalizer = weakref.finalize(self, _let_go, self._handle, self._listeners)
        # A process that ends takes its budgets along.
        self._finalizer.atexit = False

    @property
    def handle(self) -> int:
        """Is the core's handle; ``ClosedError`` after ``close``."""
        if not self._finalizer.alive:
            raise ClosedError("the switch was closed")
        return self._handle

    @property
    def state(self) -> Literal["armed", "tripped"]:
        """Says whether it was stopped; ``stop`` says why."""
        said: Literal["armed", "tripped"] = self._told()["state"]
        return said

    @property
    def stop(self) -> Stop | None:
        """Is why, by whom and when it was stopped; None while it is armed."""
        return Stop.of(self._told()["stop"])

    @property
    def spent(self) -> Spent:
        """Is what was used so far, as far as it is settled; calls count when they are made."""
        return build(Spent, self._told()["spent"])

    @property
    def remaining(self) -> Amounts:
        """Is what is neither used nor set aside; None where nothing is limited."""
        return build(Amounts, self._told()["remaining"])

    @property
    def overrun(self) -> Spent:
        """Is the part of `spent` that providers took above what was set aside for it.

        It is zero unless a provider broke its cap, which stops the switch.
        """
        return build(Spent, self._told()["overrun"])

    def tree(self) -> Branch | None:
        """Gives the grants as its node knows them; None before the first request under it."""
        tree = ask("switch.tree", {"switch": self.handle})["tree"]
        return None if tree is None else Branch.of(tree)

    def trip(self, reason: Reason = "operator") -> None:
        """Stops everything under it, for good; the first stop stands.

        Running handlers are cancelled, wherever they run, and waiting requests raise
        ``KilledError`` with the reason as code. Nothing more is granted from this moment;
        ``state`` says so, and listeners are called, once a crash could not take it back.
        """
        ask("switch.trip", {"switch": self.handle, "reason": reason})
        self._listeners.tripping = True

    def on_tripped(self, listener: Listener) -> None:
        """Has a function, plain or ``async``, called once with the ``Stop``.

        Each is called on a thread of its own, at once if the stop was before. Whatever it does,
        the stop stands. A listener keeps no budget open: after the end of one that was never
        stopped it is forgotten.
        """
        self._listeners.add(self.handle, listener)

    def close(self) -> None:
        """Lets it go: the budget ends with the last request under it; idempotent."""
        self._finalizer()

    def _told(self) -> dict[str, Any]:
        return ask("switch.state", {"switch": self.handle})

    def __enter__(self) -> KillSwitch:
        _ambient.switches.set((*_ambient.switches.get(), self))
        return self

    def __exit__(self, *_: object) -> None:
        # By value and not by a token: one switch may be entered by many tasks, and again inside.
        under = list(_ambient.switches.get())
        for index in reversed(range(len(under))):
            if under[index] is self:
                del under[index]
                break
        _ambient.switches.set(tuple(under))

    async def __aenter__(self) -> KillSwitch:
        return self.__enter__()

    async def __aexit__(self, *_: object) -> None:
        self.__exit__()

    def __repr__(self) -> str:
        return f"KillSwitch({self.state if self._finalizer.alive else 'closed'})"


def _let_go(handle: int, listeners: _Listeners) -> None:
    if not listeners.take(handle):
        _drop(handle)


def _drop(handle: int) -> None:
    with contextlib.suppress(Error):
        ask("switch.drop", {"switch": handle})


class _Listeners:
    """Calls who wants to know of a stop; knows the switch by its handle alone, to let it go."""

    def __init__(self) -> None:
        # The switch may be collected at any moment, on a thread that is in here.
        self._lock = threading.RLock()
        self._waiting: list[Callable[[Stop], None]] = []
        self._watched = False
        self._stop: Stop | None = None
        self._taken: int | None = None
        # True once somebody asked for the stop.
        self.tripping = False

    def take(self, switch: int) -> bool:
        """Takes a switch over until those who wait were told of the stop that was asked for."""
        with self._lock:
            if not (self.tripping and self._waiting):
                return False
            self._taken = switch
            return True

    def add(self, switch: int, listener: Listener) -> None:
        """Calls the listener at the stop, or now."""
        context = _ambient.outside()

        def call(stop: Stop) -> None:
            context.run(_tell, listener, stop)

        with self._lock:
            if not self._watched:
                self._watch(switch)
            if self._stop is None:
                self._waiting.append(call)
                return
        _begin(call, self._stop)

    def _watch(self, switch: int) -> None:
        session: int = core(_core.open)
        body = _wire.dumps({"switch": switch})
        if not core(_core.submit, session, 1, "switch.wait", body, []):
            raise ClosedError("the session was closed")
        # A daemon: who waits for a stop does not hold the program.
        work = threading.Thread(
            target=self._wait, args=(session,), name="hubless-switch", daemon=True
        )
        work.start()
        self._watched = True

    def _wait(self, session: int) -> None:
        try:
            core(_core.wait, session, -1.0)
            events = core(_core.drain, session, 1)
        finally:
            core(_core.close, session)
        answers = [_wire.loads(body) for kind, _, body, _ in events if kind == _DONE]
        stop = Stop.of(answers[0].get("stop")) if answers else None
        with self._lock:
            self._stop = stop
            calls, self._waiting = self._waiting, []
            taken = self._taken
        if taken is not None:
            _drop(taken)
        if stop is not None:
            for call in calls:
                _begin(call, stop)


def _begin(call: Callable[[Stop], None], stop: Stop) -> None:
    threading.Thread(target=call, args=(stop,), name="hubless-tripped", daemon=True).start()


def _tell(listener: Listener, stop: Stop) -> None:
    try:
        said = listener(stop)
        if inspect.isawaitable(said):
            asyncio.run(_awaited(said))
    except Exception as error:
        log.warning("a listener of a kill switch raised", exc_info=error)


async def _awaited(work: Awaitable[Any]) -> None:
    await work
