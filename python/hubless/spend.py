"""A spending of a handler: set aside before it begins, and what it was said afterwards.

Owns the scope. Must not know calls: who makes one says how it is set aside. Tested by
``tests/test_spend.py``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from ._session import ask
from .budget import Amounts
from .errors import Error, InvalidArgumentError

__all__ = ["Spend", "ThreadSpend"]


def most(max_input: int | None, max_output: int | None, max_cost: int | None) -> dict[str, Any]:
    """Gives what is to be set aside as the contract's amounts."""
    return Amounts(max_input, max_output, max_cost).record()


class _Open:
    """Is what was set aside, once it was."""

    _handle = 0
    _said = False

    def used(
        self, *, input: int | None = None, output: int | None = None, cost: int | None = None
    ) -> None:
        """Says what was spent: tokens, and 1e-6 of the currency unit; the rest is free again.

        More than was set aside is charged as it is, and trips the switch. It counts in the
        usage of the answer. ``InvalidArgumentError`` for an amount that is none, which may be
        said again, and with field ``spend`` for a second word or one after the call.
        """
        if not self._handle:
            raise InvalidArgumentError("expected a spending that has begun", field="spend")
        amounts = Amounts(input, output, cost).record()
        ask("spend.used", {"spend": self._handle, **amounts})
        self._said = True

    def _check_new(self) -> None:
        if self._handle:
            raise InvalidArgumentError("expected a spending that has not begun", field="spend")

    def _entered(self, record: Mapping[str, Any]) -> None:
        self._handle = int(record["spend"])

    def _leave(self) -> None:
        if self._handle and not self._said:
            # The end of the call charges it just the same.
            with contextlib.suppress(Error):
                ask("spend.drop", {"spend": self._handle})


class Spend(_Open):
    """Is the scope of one spending: ``async with ctx.spend(max_output=100) as spend:``.

    Leaving it without ``used``, by an exception or a cancellation too, charges all that was set
    aside.

    >>> @node.agent
    ... async def think(ctx: hubless.Call) -> None:
    ...     async with ctx.spend(max_input=500, max_output=100) as spend:
    ...         spend.used(input=420, output=60)
    >>> (await node.request("think")).usage.input_tokens
    420
    """

    def __init__(self, begin: Callable[[], Coroutine[Any, Any, Mapping[str, Any]]]) -> None:
        self.begin = begin

    async def __aenter__(self) -> Spend:
        self._check_new()
        self._entered(await self.begin())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._leave()


class ThreadSpend(_Open):
    """Is the scope of one spending of a plain ``def`` handler: ``with ctx.spend(...)``.

    >>> @node.agent
    ... def think(ctx: hubless.ThreadCall) -> None:
    ...     with ctx.spend(max_output=100) as spend:
    ...         spend.used(output=60)
    >>> (await node.request("think")).usage.output_tokens
    60
    """

    def __init__(self, begin: Callable[[], Mapping[str, Any]]) -> None:
        self.begin = begin

    def __enter__(self) -> ThreadSpend:
        self._check_new()
        self._entered(self.begin())
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
